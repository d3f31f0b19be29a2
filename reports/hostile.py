"""Model text, names and reasons are hostile: what each outlet must not be given (law 7)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ILLEGAL_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Plain text in Markdown, on one line: nothing in it becomes HTML, a link, a picture, a mention, an issue or a table border."""
    line = " ".join(visible(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", line)
    line = re.sub(r"(?i)(https?|ftp|www)(?=[:.])|\b(gh)(?=-\d)", "\\g<0>\u200b", line)
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", line)


def legal(text: str) -> str:
    """``text`` without what XML 1.0 cannot hold."""
    return _ILLEGAL_XML.sub("", text)


def visible(text: str) -> str:
    """``text`` on one line without control and direction characters, so that it cannot steer a terminal, a log or an eye."""
    return "".join(_shown(text))


def _shown(text: str) -> Iterable[str]:
    for each in text:
        category = unicodedata.category(each)
        if each in "\n\t\r" or category in ("Zl", "Zp"):
            yield " "
        elif category not in ("Cc", "Cs") and (category != "Cf" or each == "\u200b"):
            yield each
