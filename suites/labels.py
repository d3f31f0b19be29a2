"""Which of the declared labels does a free-text answer give? Exactly one, or none.

Read in this order, and the first kind that is there decides: the whole answer is a label's name · lines that are one · lines that
end in one after a colon (``Label: spam``, ``类别：垃圾邮件``) · names anywhere, as whole words. All that are found must agree, else
the answer gives none. A longer name is read before a shorter one inside it (``very good`` before ``good``), and a name that is
denied before (``not spam``, ``hardly spam``, ``rather than spam``, ``不是广告``) is not given. A single letter, which may be an
article, counts inside a text only where an answer to a multiple-choice question would (``suites.letters``); a digit not inside
another number. Case, width, markup and ``_``, ``-``, space are alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from suites.letters import last_choice
from suites.scripts import SPACELESS, folded

BOUND = 20_000
"""Characters of an answer that are looked at, from its end."""

_MARKUP = re.compile(r"[*`\"“”「」『』<>\[\](){}_]|(?<!\w)#+")
_DASH = re.compile(r"[‐‑–−]")
_JOINT = re.compile(r"(?<=\w)-|-(?!\d)")  # a dash before a number alone is its sign
_ENDS = " \t.。!！,，;；:：、"
_UNSPACED = SPACELESS + "\uac00-\ud7af\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_BEHIND = 64
"""Characters before a name in which a denial may stand."""
_GOES_ON = r"(?:\s(?!(?:but|because|since|so|only|just|merely|simply)\b)[\w'’]+){0,3}"
_LINK = re.compile(r"\s?(?:or|nor|and|/|或者?|还是|和|与|及|、)\s?(?:(?:a|an|the)\s)?")
_DENIED = re.compile(
    rf"(?:(?:\b(?:not|never|cannot|hardly|barely|scarcely|far\sfrom|no\slonger)|n['’]t){_GOES_ON}\s"
    r"|\b(?:no|non|neither|nor|without|unlike|than|instead\sof|opposed\sto|opposite\sof)(?:\s(?:a|an|the))?\s"
    r"|(?:不|非|没有|没|无|谈不上|称不上|算不上)(?:是|能|算|属于|很|太|怎么|那么|特别|十分|完全|够|一[个条种]){0,3}\s?)\Z"
)


def plain(text: str) -> str:
    """The form in which names and answers are compared; lines are kept."""
    bare = _MARKUP.sub(" ", folded(text))
    lines = _JOINT.sub(" ", _DASH.sub("-", bare)).splitlines()
    return "\n".join(" ".join(line.split()).strip(_ENDS) for line in lines)


class Labels:
    """Labels with all their names: each label is a name of its own, ``aliases`` are more. ValueError where two would be one."""

    def __init__(self, labels: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> None:
        self._label_of: dict[str, str] = {}
        for label in labels:
            for name in (label, *aliases.get(label, ())):
                key = plain(name).strip()
                if not key:
                    raise ValueError(f"the name {name!r} of the label {label!r} has nothing to read it by")
                if self._label_of.setdefault(key, label) != label:
                    raise ValueError(f"{name!r} is a name of the label {self._label_of[key]!r} and of {label!r}")
        letters = {name for name in self._label_of if re.fullmatch("[a-z]", name)}
        self._letters = "".join(sorted(letters)).upper()
        names = sorted(self._label_of.keys() - letters, key=lambda name: (-len(name), name))
        self._pattern = re.compile("|".join(_bounded(name) for name in names)) if names else None

    def given(self, text: str) -> str | None:
        """The label that the answer gives."""
        read = plain(text[-BOUND:]).strip()
        if read in self._label_of:
            return self._label_of[read]
        lines = read.split("\n")
        for found in (
            [self._label_of[line] for line in lines if line in self._label_of],
            [self._label_of[end] for line in lines if (end := line.rpartition(":")[2].strip()) in self._label_of],
            [*self._named(read), *self._lettered(text)],
        ):
            if found:
                return found[0] if len(set(found)) == 1 else None
        return None

    def _named(self, read: str) -> list[str]:
        """The labels whose names stand anywhere in what was read, and are not denied, alone or with the one before them."""
        given, denied = list[str](), None
        for match in self._pattern.finditer(read) if self._pattern is not None else ():
            shared = denied is not None and _LINK.fullmatch(read, denied, match.start()) is not None
            if shared or _denied(read, match.start()):
                denied = match.end()
            else:
                denied = None
                given.append(self._label_of[match.group()])
        return given

    def _lettered(self, text: str) -> list[str]:
        letter = last_choice(text[-BOUND:], self._letters) if self._letters else None
        return [] if letter is None else [self._label_of[letter.lower()]]


def _bounded(name: str) -> str:
    """A name as a whole word, and as a whole number; scripts without spaces have no ends of words."""
    word = f"[^\\W{_UNSPACED}]"
    before = f"(?<!{word})" if re.match(word, name) else ""
    after = f"(?!{word})" if re.search(f"{word}\\Z", name) else ""
    if name[0].isdigit():
        before += r"(?<!-)(?<!\d[.,])"
    if name[-1].isdigit():
        after += r"(?![.,]\d)"
    return before + re.escape(name) + after


def _denied(text: str, place: int) -> bool:
    return _DENIED.search(text, max(0, place - _BEHIND), place) is not None
