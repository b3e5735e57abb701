"""Every message that the library can print is explained on the page Troubleshooting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL))


def messages() -> dict[str, list[str]]:
    """Where a message is raised or printed as a notice, and its fixed words in order."""
    found = {}
    for path in sorted((ROOT / "llmclf").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = node.exc if isinstance(node, ast.Raise) else node
            if not (isinstance(call, ast.Call) and call.args):
                continue
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
            if not (name == "notice" or (name.endswith("Error") and isinstance(node, ast.Raise))):
                continue
            parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]]
            words = [part.value.strip(" :;,'`") for part in parts if isinstance(part, ast.Constant)]
            if words := [word for word in words if re.search(r"\w{2}", word)]:
                found[f"{path.name}:{node.lineno}"] = words
    return found


@pytest.mark.parametrize(("place", "words"), messages().items())
def test_message_is_explained(place, words):
    longest = max(words, key=len)
    assert any(longest in entry for entry in ENTRIES), f"{place}: {words}"
