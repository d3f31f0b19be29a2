"""What is taken from an answer before people see it, because it tells one model from another at no gain; what is only reported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from unicodedata import normalize

from harness.records import Candidate

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]"
    # tags, of which flags are spelt: 🏴 and those that follow it stay
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_ENDS_OF_LINES = re.compile("[ \t\u3000]+(?=\n)")
_GAPS = re.compile(r"\n{3,}")
_INDENT = re.compile("[ \t\u3000]*")

_MAKERS = (
    "openai", "chatgpt", "gpt", "claude", "anthropic", "gemini", "gemma", "deepmind", "llama", "qwen", "tongyi", "alibaba",
    "deepseek", "mistral", "mixtral", "ministral", "phi", "kimi", "moonshot", "chatglm", "glm", "zhipu", "baichuan", "internlm",
    "doubao", "ernie", "hunyuan", "minimax", "falcon", "vicuna", "alpaca", "olmo", "granite", "command-r", "grok", "copilot",
    "smollm", "nemotron",
)  # fmt: skip
_CHINESE_MAKERS = ("通义", "千问", "阿里巴巴", "阿里云", "文心", "豆包", "混元", "深度求索", "月之暗面", "智谱", "百川")
_TOKENS = re.compile(r"<\|[A-Za-z_]{1,40}\|>|</?s>|\[/?INST\]|</?think>")
Leaks = Literal["show", "mask", "omit"]
"""What becomes of answers that may name a model."""
MASK = "▮▮▮"
_MASKS = re.compile(f"{MASK}(?:[-_./ ]?{MASK})+")
_JOINED = r"(?:[0-9][0-9A-Za-z]*)?(?:[-_. ][0-9][0-9A-Za-z]*|-[A-Za-z][0-9A-Za-z]*)*"
_ORDINARY = {
    "base", "baseline", "prod", "production", "candidate", "new", "old", "model", "main", "best", "final", "last", "first",
    "test", "step", "checkpoint", "adapter", "tuned", "merged", "lora", "sft", "full", "small", "large", "chat", "instruct",
    "current", "previous", "stable", "latest", "output", "outputs", "run", "runs",
}  # fmt: skip


def tidy(text: str) -> str:
    """Without other systems' line ends, control and invisible signs, odd spaces, two spellings of one letter, white space at the
    ends of lines and of the text, an indent that all lines share, and more than one empty line in a row."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = _ENDS_OF_LINES.sub("", normalize("NFC", _SPACES.sub(" ", text)))
    return _outdented(_GAPS.sub("\n\n", text).strip("\n").rstrip())


def _outdented(text: str) -> str:
    """The first line without its indent, and the others without it where all have it: code stays in line."""
    indent = _INDENT.match(text).group()  # type: ignore[union-attr]
    lines = text.split("\n")
    if indent and all(not line or line.startswith(indent) for line in lines):
        return "\n".join(line[len(indent) :] for line in lines).lstrip()
    return text.lstrip()


def leaks(question: str, one: str, other: str, *, names: Iterable[str]) -> tuple[str, ...]:
    """What one of two answers says and neither the other nor the question does, of: names of models and their makers, the arms'
    own ``names``, and the control tokens of chat templates."""
    said = [_named(text, names) for text in (one, other)]
    return tuple(sorted((said[0] ^ said[1]) - _named(question, names)))


def masked(text: str, found: Iterable[str]) -> str:
    """``text`` with a mark, always the same, for every one of ``found`` (of ``leaks``) and the numbers and words that are joined to
    it: of "Qwen2.5-7B" nothing stays."""
    for leak in sorted(found, key=len, reverse=True):
        word = re.escape(leak)
        if _latin(leak[:1]) or leak[:1].isdigit():
            word = f"(?<![A-Za-z]){word}(?![A-Za-z]){_JOINED}"
        text = re.sub(word, MASK, text, flags=re.IGNORECASE)
    return _MASKS.sub(MASK, text)


def names_of(*candidates: Candidate) -> tuple[str, ...]:
    """By what candidates may call themselves: their names and the last parts of their models' and adapters' paths, without ordinary
    words and numbers."""
    found: set[str] = set()
    for candidate in candidates:
        for name in (candidate.name, candidate.model, candidate.adapter or ""):
            found.add(name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold())
    return tuple(sorted(name for name in found if len(name) > 2 and name not in _ORDINARY and not name.isdigit()))


def _named(text: str, names: Iterable[str]) -> set[str]:
    lower = text.casefold()
    found = {name for name in (*_MAKERS, *names) if _has_word(lower, name)}
    found |= {name for name in _CHINESE_MAKERS if name in lower}
    return found | set(_TOKENS.findall(text))


def _has_word(text: str, word: str) -> bool:
    """Does ``word`` stand in ``text``, not as a part of a longer word of Latin letters? A number may follow: GPT4, Qwen2.5."""
    start = text.find(word)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(word) : start + len(word) + 1]
        if not _latin(before) and not _latin(after):
            return True
        start = text.find(word, start + 1)
    return False


def _latin(sign: str) -> bool:
    return sign.isascii() and sign.isalpha()
