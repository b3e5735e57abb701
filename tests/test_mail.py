"""Mails: what a person reads of each, whatever its form; nothing of its headers; and the real archive counts right."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
from conftest import _resolve

from llmclf.data import DataError
from llmclf.evaluation import mail

FOLDERS = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")
PLAIN = b"From: a@b.example\nX-Spam-Flag: YES\nList-Id: <list.b.example>\nSubject: Hello\n\nSee you at eight.\n"
BOTH = b"""Subject: Two forms
Content-Type: multipart/alternative; boundary="line"

--line
Content-Type: text/html

<p>In colour</p>
--line
Content-Type: text/plain

In plain words
--line
Content-Type: text/plain
Content-Disposition: attachment; filename="list.txt"

An attachment
--line--
"""


def body(content: bytes, *headers: bytes) -> str:
    """What is read of a mail without subject."""
    return mail.readable_text(b"\n".join(headers) + b"\n\n" + content)


def html(content: bytes) -> str:
    return body(content, b"Content-Type: text/html")


# One mail -------------------------------------------------------------------------------------------------------------


def test_text_is_subject_and_body_and_no_other_header():
    assert mail.readable_text(PLAIN) == "Hello\n\nSee you at eight."


def test_plain_text_is_preferred_and_attachments_are_left_out():
    assert mail.readable_text(BOTH) == "Two forms\n\nIn plain words"


def test_html_is_read_where_the_plain_text_is_blank():
    assert mail.readable_text(BOTH.replace(b"In plain words", b" ")) == "Two forms\n\nIn colour"


def test_html_loses_tags_scripts_styles_and_comments_and_keeps_its_words():
    page = b"""<html><head><style>p {color: red}</style><script>if (a < b) run("x")</script></head>
    <body><!-- a remark --><p>Fish &amp; chips&nbsp;today<br>for &#36;5</p><td>one</td><td>two</td></body></html>"""
    assert html(page) == "Fish & chips today\nfor $5\none\ntwo"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"<p>never closed <b>bold", "never closed bold"),
        (b"<![if !supportLists]>Word's own<![endif]>", "Word's own"),
        (b"<![strange[ x ]]>after", "after"),
        (b"a < b and 5<6", "a < b and 5<6"),
        (b"</p></p>closed twice</p>", "closed twice"),
        (b"<script>run()</script>after it", "after it"),
        (b"breaks off &amp", "breaks off &"),
    ],
)
def test_sloppy_html_is_read_as_far_as_it_goes(page, expected):
    assert html(page) == expected


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"caf=C3=A9 =\nnoir =3D 2", (b"utf-8", b"quoted-printable"), "café noir = 2"),
        (b"Y2Fm6Q==\n", (b"iso-8859-1", b"base64"), "café"),
        (b"Y2Fm6Q", (b"iso-8859-1", b"base64"), "café"),
        (b"caf\xe9", (b"us-ascii", b"8bit"), "café"),
        (b"caf\xc3\xa9", (b"us-ascii", b"8bit"), "café"),
        (b"caf\xe9", (b"no-such-charset", b"8bit"), "café"),
        (b"caf\xe9", (b"utf-8", b"no-such-encoding"), "café"),
        (b"caf\xe9", (b"idna", b"8bit"), "café"),
        (b"Z\x81", (b"us-ascii", b"8bit"), "Z\N{REPLACEMENT CHARACTER}"),
        ("кофе".encode("koi8-r"), (b"koi8-r", b"8bit"), "кофе"),
    ],
)
def test_bytes_become_letters_as_the_mail_says_or_as_is_likely(content, headers, expected):
    charset, encoding = headers
    kind = b'Content-Type: text/plain; charset="' + charset + b'"'
    found = body(content, kind, b"Content-Transfer-Encoding: " + encoding)
    assert found == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ""),
        (b"\n\n", ""),
        (b"\n\nNo header at all", "No header at all"),
        (b"Subject:\n\nno subject", "no subject"),
        (b"Subject: nothing else\n\n", "nothing else"),
        (b"Subject: =?utf-8?q?caf=C3=A9?= =?utf-8?q?_noir?=\n\n", "café noir"),
        (b"Subject: =?no-such?q?caf?=\n\n", "caf"),
        (b"Subject: two\n\tlines\n\n", "two lines"),
        (b"Subject: one\nSubject: two\n\nbody", "one\n\nbody"),
        (b"Subject: N\0UL\n\nby\0tes", "NUL\n\nbytes"),
        (b"Subject: a\n\n<|endoftext|> b", "a\n\n<|endoftext|> b"),
        (b"Subject: wide\n\na   b\t c  \n\n\n \n\nd\r\ne", "wide\n\na b c\n\nd\ne"),
        (b"Content-Type: multipart/mixed; boundary=x\n\nno part in sight", ""),
        (b"Content-Type: image/gif\nContent-Transfer-Encoding: base64\n\nR0lGODlh", ""),
        (b"Content-Type: text\n\nhalf a kind", "half a kind"),
        (
            b"Subject: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
            b"Content-Type: multipart/related; boundary=y\n\nno y in sight\n--x--\n",
            "a",
        ),
    ],
)
def test_strange_mails_are_read(raw, expected):
    assert mail.readable_text(raw) == expected


def test_no_bytes_make_it_fail():
    chance = random.Random(1)
    pieces = [b"=?", b"?=", b"<![", b"<!", b"&#", b'"', b"boundary=", b"charset=", b"\n\n", b";", b"\0", b"\xff", b"("]
    for _ in range(500):
        raw = bytearray(BOTH.replace(b"Two forms", b"=?iso-8859-1?b?Y2Fm6Q==?="))
        for _ in range(chance.randint(1, 20)):
            place = chance.randrange(len(raw))
            raw[place : place + chance.randrange(3)] = chance.choice(pieces)
        assert isinstance(mail.readable_text(bytes(raw)), str)


# The archive ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    """Writes a .tgz with one mail in each folder, and more members."""

    def write(*more: tarfile.TarInfo | tuple[str, bytes], without: str | None = None):
        path = tmp_path / "mails.tgz"
        names = [f"package/data/{folder}/1.txt" for folder in FOLDERS if folder != without]
        with tarfile.open(path, "w:gz") as opened:
            for member in [*((name, PLAIN) for name in names), *more]:
                if isinstance(member, tarfile.TarInfo):
                    opened.addfile(member)
                    continue
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                opened.addfile(info, io.BytesIO(member[1]))
        return path

    return write


def test_table_has_label_and_text_of_every_mail(archive):
    table = mail.read_mails(archive(("package/data/spam-2/2.txt", b"Subject: two\n\n")))
    assert list(table) == ["label", "text"]
    assert table["label"].tolist() == ["ordinary", "ordinary", "newsletter", "spam", "spam", "spam"]
    assert table["text"].tolist() == ["Hello\n\nSee you at eight."] * 5 + ["two"]


@pytest.mark.parametrize(
    "name",
    [
        "package/data/spam-1/1.json",
        "package/data/spam-3/1.txt",
        "package/data/spam-1/deeper/1.txt",
        "package/data/spam-1/../../../../evil.txt",
        "/package/data/spam-1/1.txt",
        "elsewhere/package/data/spam-1/1.txt",
        "package/data/spam-1/1.txt.bak",
        "package/README.md",
    ],
)
def test_what_is_no_mail_in_its_folder_is_passed_over(archive, name, tmp_path):
    assert len(mail.read_mails(archive((name, PLAIN)))) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["mails.tgz"]  # nothing was unpacked
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_link_is_not_followed(archive, kind):
    link = tarfile.TarInfo("package/data/spam-1/2.txt")
    link.type, link.linkname = kind, "package/data/easy-ham-1/1.txt"
    assert len(mail.read_mails(archive(link))) == 5


@pytest.mark.parametrize("folder", FOLDERS)
def test_missing_folder_is_named(archive, folder):
    words = rf"mails\.tgz: no mail in package/data/{folder}; expected the archive of the npm package"
    with pytest.raises(DataError, match=words):
        mail.read_mails(archive(without=folder))


def test_what_is_no_whole_archive_is_named(archive, tmp_path):
    whole = archive().read_bytes()
    for content in (b"", b"no archive", whole[:40], whole[: len(whole) // 2], whole[:40] + b"\xff" * 40 + whole[80:]):
        damaged = tmp_path / "damaged.tgz"
        damaged.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged\.tgz: cannot be read as a \.tgz archive: ."):
            mail.read_mails(damaged)
    with pytest.raises(DataError, match=r"nowhere\.tgz: cannot be read as a \.tgz archive: .*No such file"):
        mail.read_mails(tmp_path / "nowhere.tgz")


def test_damage_in_the_middle_is_named_or_cannot_be_seen(archive, tmp_path):
    filling = random.Random(1).randbytes(20_000).hex().encode()
    whole = archive(("package/data/spam-2/2.txt", filling)).read_bytes()
    damaged, named = tmp_path / "damaged.tgz", 0
    for place in range(100, len(whole) - 400, len(whole) // 100):
        damaged.write_bytes(whole[:place] + b"U" * 400 + whole[place + 400 :])
        try:
            mail.read_mails(damaged)
        except DataError:
            named += 1
    assert named > 10


# The real one ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mails_path():
    return _resolve("spam-assassin")[1]


@pytest.mark.slow
def test_the_corpus_has_so_many_mails_of_each_class(mails_path):
    table = mail.read_mails(mails_path)
    assert table["label"].value_counts().to_dict() == {"ordinary": 3900, "spam": 1896, "newsletter": 250}
    assert not table["text"].str.contains("\0").any()
    assert (table["text"].str.encode("utf-8").str.len() > 0).all()
    opened = table["text"].iloc[0]
    assert opened.startswith("Re: New Sequences Window\n\n")
    assert not table["text"].str.contains(r"^(?:Received|Delivered-To|Return-Path): ", regex=True).any()
