from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants, hf_hub_download
from tqdm import tqdm

from llmclf.files import assets, download
from llmclf.files.assets import Asset, fetch
from llmclf.files.download import AssetError, Https, Hub, SourcePackage, Wheel

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


def put(folder, content=STORY):
    path = folder / "story" / "file.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def error_of(name="story") -> str:
    with pytest.raises(AssetError) as caught:
        fetch(name)
    return str(caught.value)


def lies_in(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


FETCHED = {"story", "story/file.txt"}


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


def cut_off(handler):
    says(200, STORY[:500], Content_Length=len(STORY))(handler)


def stalls(handler):
    if handler.command == "GET":
        cut_off(handler)
    handler.server.closing.wait(30)


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def story_online(server, register):
    """Registers `story` as a file that the server hands out."""
    server.answers["/story"] = says(200, STORY)
    register(Https(f"{server.address}/story"))
    return server


# Downloads ------------------------------------------------------------------------------------------------------------


def test_a_file_is_fetched_into_the_cache_with_a_full_bar_and_nothing_else_stays(story_online, cache, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(download, "progress", lambda description, **options: tqdm(file=screen, **options))
    assert fetch("story") == cache / "story/file.txt"
    assert (cache / "story/file.txt").read_bytes() == STORY
    assert lies_in(cache) == FETCHED
    assert "1.05k/1.05k" in screen.getvalue()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (cut_off, "IncompleteRead"),
        (stalls, "timed out"),
        (says(200, OTHER), f"expected SHA-256 {sha256(STORY)}, found {sha256(OTHER)}"),
        (says(200, STORY[:1000]), r"expected 1,050 bytes, found 1,000 \(damaged or incomplete\)"),
        (says(404), "404"),
    ],
    ids=["cut off", "stall", "other bytes", "other size", "not found"],
)
def test_a_failed_download_tells_address_and_cause_and_the_next_source_is_asked(
    server, register, cache, monkeypatch, answer, words
):
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    server.answers |= {"/story": answer, "/mirror": says(200, STORY)}
    register(Https(f"{server.address}/story"))
    [line] = [line for line in error_of().splitlines() if f"  - {server.address}/story: " in line]
    assert re.search(words, line)
    assert lies_in(cache) == {"story"}
    register(Https(f"{server.address}/story"), Https(f"{server.address}/mirror"))
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == FETCHED


class Broken:
    """A source that leaves half a file and fails in a way of its own."""

    def __init__(self, error):
        self.error = error

    def download(self, folder, size):
        (folder / "half").write_bytes(STORY[:500])
        raise self.error

    def __str__(self):
        return "a broken place"


def test_an_error_of_any_kind_is_one_failed_source_among_others(register, server):
    class SurprisingError(Exception):
        """As the clients of other libraries raise them: no OSError, and silent."""

    server.answers["/mirror"] = says(200, STORY)
    register(Broken(SurprisingError()), Https("http://["), Https(f"{server.address}/mirror"))
    assert fetch("story").read_bytes() == STORY
    register(Broken(SurprisingError()), Https("http://["), name="other")
    assert "  - a broken place: SurprisingError\n  - http://[: " in error_of("other")


def test_an_interrupted_download_leaves_nothing(register, cache):
    register(Broken(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fetch("story")
    assert lies_in(cache) == {"story"}


FETCH_IN_ANOTHER_PROCESS = """
import sys
from llmclf.files import assets
url, size, sha256 = sys.argv[1:]
assets.ASSETS["story"] = assets.Asset("story", "story/file.txt", "none", int(size), sha256, (assets.Https(url),))
print(assets.fetch("story"))
"""


def start_fetching(server):
    command = [sys.executable, "-c", FETCH_IN_ANOTHER_PROCESS, f"{server.address}/story", str(len(STORY))]
    return subprocess.Popen([*command, sha256(STORY)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_a_killed_process_leaves_passes_for_no_file_and_goes_with_the_next_download(story_online, cache):
    arrived = threading.Event()

    def stops_half_way(handler):
        cut_off(handler)
        arrived.set()
        stalls(handler)

    story_online.answers["/story"] = stops_half_way
    with start_fetching(story_online) as killed:
        arrived.wait(20)
        killed.kill()
    assert not (cache / "story/file.txt").exists()
    assert lies_in(cache) - {"story"}
    story_online.answers["/story"] = says(200, STORY)
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == FETCHED


def test_of_two_processes_one_downloads_and_the_other_waits(story_online, cache):
    second_request = threading.Event()

    def answer(handler):
        if len(story_online.requests) > 1:
            second_request.set()
        second_request.wait(3)  # time enough for a process that does not wait for the other
        says(200, STORY)(handler)

    story_online.answers["/story"] = answer
    processes = [start_fetching(story_online) for _ in range(2)]
    told, notices = zip(*[process.communicate() for process in processes], strict=True)
    assert [line.strip() for line in told] == [str(cache / "story/file.txt")] * 2
    assert sum(f"another process is writing into {cache / 'story'}; waiting for it" in text for text in notices) == 1
    assert story_online.requests == ["GET /story"]
    assert lies_in(cache) == FETCHED


# Kit, cache, sources --------------------------------------------------------------------------------------------------


def test_the_kit_comes_first_then_the_cache_then_the_sources(story_online, kit, cache):
    in_kit, in_cache = put(kit), put(cache)
    assert fetch("story") == in_kit
    in_kit.unlink()
    assert fetch("story") == in_cache
    assert story_online.requests == []
    in_cache.unlink()
    assert fetch("story") == fetch("story") == in_cache
    assert story_online.requests == ["GET /story"]


@pytest.mark.parametrize("damage", [OTHER, STORY[:-1]], ids=["other bytes", "cut off"])
@pytest.mark.parametrize("place", ["kit", "cache"])
def test_a_damaged_local_file_is_passed_over_in_one_line_and_replaced(place, damage, story_online, kit, cache, capsys):
    damaged = put(kit if place == "kit" else cache, damage)
    assert fetch("story") == cache / "story/file.txt"
    assert (cache / "story/file.txt").read_bytes() == STORY
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"llmclf: {damaged} is ignored: expected ")
    assert place == "cache" or damaged.read_bytes() == damage  # the kit belongs to the reader


def test_when_every_source_fails_one_error_tells_all_and_how_to_help(server, register, kit, cache):
    server.answers["/b"] = says(200, OTHER)
    nobody = closed_port()
    register(Https(f"{server.address}/a"), Https(f"{server.address}/b"), Https(nobody), about="unused")
    damaged = put(kit, b"damaged")
    lines = error_of().splitlines()
    assert lines[0] == "story (0.0 MB) is not available. Tried:"
    assert lines[1] == f"  - {damaged}: expected 1,050 bytes, found 7 (damaged or incomplete)"
    assert lines[2] == f"  - {cache / 'story/file.txt'}: no such file"
    assert lines[3].startswith(f"  - {server.address}/a: 404")
    assert lines[4].startswith(f"  - {server.address}/b: expected SHA-256")
    assert lines[5].startswith(f"  - {nobody}: ")
    assert "Failed to establish a new connection" in lines[5]
    assert lines[6:] == [
        f"To place it by hand, save the file (SHA-256 {sha256(STORY)}) as {cache / 'story/file.txt'}, "
        "or point LLMCLF_KIT to a folder that holds story/file.txt."
    ]
    (cache / "story/file.txt").write_bytes(STORY)
    assert fetch("story") == cache / "story/file.txt"


def test_a_long_cause_is_cut_to_one_readable_line(register, server):
    server.answers["/story"] = says(302, Location=f"{server.address}/{'far/' * 500}")
    register(Https(f"{server.address}/story"))
    [line] = [line for line in error_of().splitlines() if f"{server.address}/story: " in line]
    assert line.endswith("…")
    assert len(line) < 600


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(story_online, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "file/cache"))
    message = error_of()
    assert f"cache folder {tmp_path / 'file/cache/story'}: " in message
    assert "set LLMCLF_CACHE to a folder that can be written" in message
    assert story_online.requests == []


def test_a_folder_in_the_place_of_the_file_is_an_error_not_a_crash(story_online, cache):
    (cache / "story/file.txt").mkdir(parents=True)
    assert str(cache / "story/file.txt") in error_of()


def test_without_a_setting_the_cache_is_the_platforms(monkeypatch):
    monkeypatch.setenv("LLMCLF_CACHE", "")
    assert assets.cache_folder().is_absolute()
    assert "llmclf" in assets.cache_folder().parts


def test_a_file_without_known_hash_says_so_and_is_taken_as_it_is(server, register):
    register(Https(f"{server.address}/story"), size=None, sha256=None, about="about 6.4 GB")
    message = error_of()
    assert message.startswith("story (about 6.4 GB) is not available")
    assert "save the file (no published hash) as" in message
    server.answers["/story"] = says(200, OTHER)
    assert fetch("story").read_bytes() == OTHER


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


ARCHIVE = zip_of({"texts/story.txt": STORY})


@pytest.mark.parametrize(
    ("archive", "changes", "words"),
    [
        (b"no archive", {"sha256": sha256(STORY)}, f"expected SHA-256 {sha256(STORY)}"),  # before it is opened
        (zip_of({"texts/story.txt": OTHER}), {}, f"expected SHA-256 {sha256(STORY)}, found {sha256(OTHER)}"),
        (zip_of({"story.txt": STORY}), {}, "the archive has no member texts/story.txt"),
        (STORY, {}, "the archive is damaged or no zip archive"),
        (ARCHIVE[:-30], {}, "the archive is damaged or no zip archive"),
        (ARCHIVE[:60] + b"\xff" * 20 + ARCHIVE[80:], {}, "decompress|damaged"),
    ],
    ids=["other hash", "other member", "no member", "no zip", "cut off", "scrambled"],
)
def test_an_unusable_archive_is_a_failed_source(archived, cache, archive, changes, words):
    archived(archive, **changes)
    [line] = [line for line in error_of().splitlines() if "/archive, member texts/story.txt: " in line]
    assert re.search(words, line)
    assert lies_in(cache) == {"story"}


def test_of_a_member_that_is_too_large_nothing_is_written(tmp_path):
    (tmp_path / "archive").write_bytes(zip_of({"story.txt": STORY * 1000}))
    with pytest.raises(AssetError, match="expected 1,050 bytes, found 1,050,000"):
        download.extract_member(tmp_path / "archive", "story.txt", tmp_path / "member", len(STORY))
    assert (tmp_path / "member").stat().st_size == 0


def test_the_right_member_is_taken_and_no_path_of_an_archive_is_followed(archived, cache, tmp_path):
    for member in ("texts/story.txt", "../../../evil", str(tmp_path / "evil"), "..\\..\\evil"):
        archived(zip_of({"story.txt": OTHER, member: STORY, "../evil": OTHER}), member=member)
        assert fetch("story").read_bytes() == STORY
        assert lies_in(tmp_path) == {"cache"} | {f"cache/{path}" for path in FETCHED}
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
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny-story\nVersion: 1.0\nRequires-Dist: a-package-that-is-nowhere\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    members = {f"tiny_story-1.0.dist-info/{name}": text.encode() for name, text in about.items()}
    members["tiny_story/data/story.txt"] = STORY
    (folder / "tiny_story-1.0-py3-none-any.whl").write_bytes(zip_of(members))
    (folder / "tiny_story-3.0.tar.gz").write_bytes(b"source code, which pip would have to run")
    return folder


STORY_WHEEL = Wheel("tiny-story==1.0", "tiny_story/data/story.txt")


def test_a_member_of_a_wheel_is_taken_without_its_requirements(index, register, cache):
    register(STORY_WHEEL)
    assert fetch("story").read_bytes() == STORY
    assert lies_in(cache) == FETCHED


def test_a_wheel_without_the_member_or_with_source_code_alone_is_a_failed_source(index, register, cache, capfd):
    register(Wheel("tiny-story==1.0", "x"), Wheel("tiny-story==3.0", "x"))
    message = error_of()
    assert "  - package index, tiny-story==1.0, member x: the archive has no member x\n" in message
    assert re.search(r"tiny-story==3\.0, member x: pip ended with code 1: .*No matching distribution", message)
    assert lies_in(cache) == {"story"}
    assert capfd.readouterr().out == ""


def test_a_whole_wheel_may_be_the_file(index, register, monkeypatch):
    whole = (index / "tiny_story-1.0-py3-none-any.whl").read_bytes()
    register(Wheel("tiny-story==1.0"), content=whole)
    assert fetch("story").read_bytes() == whole


def source_package(folder: Path, setup: str) -> str:
    """A source package with the story; its hash."""
    path = folder / "tiny_tale-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"setup.py": setup.encode(), "PKG-INFO": TALE, "more/story.txt": STORY}.items():
            member = tarfile.TarInfo(f"tiny_tale-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


TALE = b"Metadata-Version: 1.0\nName: tiny_tale\nVersion: 1.0\n"


def test_a_member_of_a_source_package_is_taken_if_its_hash_is_the_pinned_one(index, register, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip's way to say: build with what is installed here
    sign = tmp_path / "it-ran"
    digest = source_package(
        index, f"open({str(sign)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='tiny_tale', version='1.0')"
    )
    register(SourcePackage("tiny_tale", "1.0", "0" * 64, "more/story.txt"))
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in error_of() or "Expected sha256" in error_of()
    assert not sign.exists()  # none of its code was run
    register(SourcePackage("tiny_tale", "1.0", digest, "more/nothing.txt"))
    assert "package index, source of tiny_tale==1.0, member more/nothing.txt" in error_of()
    register(SourcePackage("tiny_tale", "1.0", digest, "more/story.txt"))
    assert fetch("story").read_bytes() == STORY


def test_an_unreachable_index_is_not_reported_as_a_missing_package_alone(index, register, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed_port()}/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    register(STORY_WHEEL)
    message = error_of()
    assert "No matching distribution" in message
    assert "connection broken" in message


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Python is a shell script")
def test_a_pip_that_is_not_there_is_quoted_whatever_it_writes(register, monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf 'python: No module named pip \\377\\n' >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    register(STORY_WHEEL)
    assert "pip ended with code 1: python: No module named pip \N{REPLACEMENT CHARACTER}\n" in error_of()


# The Hugging Face Hub -------------------------------------------------------------------------------------------------

REVISION = "0123456789abcdef0123456789abcdef01234567"
ON_HUB = f"/someone/story/resolve/{REVISION}/file.txt"
STORY_ON_HUB = Hub("someone/story", "file.txt", REVISION, sha256(STORY))


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    """The local server as the Hub, and an empty cache of the Hub's client."""
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.answers[ON_HUB] = on_hub(STORY)
    return server


def on_hub(content):
    return says(200, content, ETag=f'"{sha256(content)}"', X_Repo_Commit=REVISION)


def test_a_hub_file_comes_into_the_cache_and_lies_on_disk_once(hub, register, cache, tmp_path):
    register(STORY_ON_HUB)
    assert fetch("story").read_bytes() == STORY
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [cache / "story/file.txt"]


@pytest.mark.parametrize("whole", [True, False])
def test_what_another_program_has_from_the_hub_is_used_if_it_is_whole(hub, register, whole):
    theirs = hf_hub_download("someone/story", "file.txt", revision=REVISION)
    if not whole:
        with open(theirs, "wb") as file:
            file.write(OTHER)
    hub.requests.clear()
    register(STORY_ON_HUB)
    assert fetch("story").read_bytes() == STORY
    assert (hub.requests == []) == whole
    with open(theirs, "rb") as file:
        assert file.read() == (STORY if whole else OTHER)  # theirs


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(503), "503 Service Unavailable"),
        (says(404, X_Error_Code="EntryNotFound"), "404.* Entry Not Found"),
        (says(200, b"<html>a hotel's login page</html>"), "does not seem to be served by a Hugging Face Hub"),
        (on_hub(OTHER), f"expected SHA-256 {sha256(STORY)}"),
        (stalls, "timed out"),
    ],
    ids=["failing", "no such file", "not the Hub", "bytes", "stall"],
)
def test_a_hub_that_misbehaves_is_a_failed_source_and_given_up_soon(hub, register, cache, monkeypatch, answer, words):
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
    hub.answers[ON_HUB] = answer
    register(STORY_ON_HUB)
    start = time.monotonic()
    lines = error_of().splitlines()
    assert time.monotonic() - start < 10
    [line] = [line for line in lines if line.startswith("  - Hugging Face Hub, someone/story/file.txt at 01234567: ")]
    assert re.search(words, line)
    assert lies_in(cache) == {"story"}


def test_an_unreachable_hub_is_given_up_before_the_clients_retries(hub, register, monkeypatch):
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{closed_port()}/{{filename}}")
    register(STORY_ON_HUB)
    start = time.monotonic()
    assert "Connection refused" in error_of()
    assert time.monotonic() - start < 10


# The smaller substitute -----------------------------------------------------------------------------------------------


def test_the_substitute_stands_in_with_one_visible_line_and_the_file_itself_is_preferred(register, cache, capsys):
    nobody = closed_port()
    register(Https(f"{nobody}/reduced"), content=b"Once.", name="reduced")
    register(Https(f"{nobody}/complete"), substitute="reduced")
    message = error_of()
    assert message.startswith("story (0.0 MB) is not available")
    assert "/complete: " in message
    assert "/reduced: " in message
    (cache / "reduced/file.txt").write_bytes(b"Once.")
    assert assets.resolve("story") == (assets.ASSETS["reduced"], cache / "reduced/file.txt")
    [line] = capsys.readouterr().err.splitlines()
    assert line == "llmclf: story is not available; using the smaller reduced, so counts will differ"
    put(cache)
    assert assets.resolve("story") == (assets.ASSETS["story"], cache / "story/file.txt")
    assert capsys.readouterr() == ("", "")


# The registry ---------------------------------------------------------------------------------------------------------


def test_the_only_file_without_a_hash_is_the_one_that_readme_names():
    assert {name for name, asset in assets.ASSETS.items() if not asset.sha256} == {"gpt2-1558M"}


@pytest.mark.parametrize("name", assets.ASSETS)
def test_what_the_kit_holds_is_what_is_registered(name, monkeypatch, capsys):
    path = os.path.join(KIT or "", assets.ASSETS[name].path)
    if not os.path.isfile(path):
        pytest.skip("LLMCLF_KIT names no kit that holds it")
    monkeypatch.setenv("LLMCLF_KIT", KIT)
    assert os.path.samefile(fetch(name), path)
    assert capsys.readouterr() == ("", "")
