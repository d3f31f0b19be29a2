"""Every sentence that the gate can say has a Chinese form with the same numbers; what has none stands in English and says so."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import harness
from reports import sentences
from reports.sentences import Teller, names_of, written
from tests.reports import fixtures

ROOT = Path(harness.__file__).parent.parent
SAYING = sorted([*(ROOT / "harness" / "gate").glob("*.py"), ROOT / "reports" / "quarrel.py", ROOT / "judges" / "admission.py"])
ELSEWHERE = {"checks.py", "selftest.py", "rounding.py"}
"""What is said to whoever wrote a config, or on a terminal only."""
RAISED = {"ConfigError", "ValueError", "ComparabilityError"}
JOINED = {
    " {0}{1} against {2}", "split {0}", "item {0}", "missing {0}", " and ", " points", "second run of ", "; the closest call is ",
    "no suite provides", "all {0} items of suite {1} are in quarantine: nothing is left to judge by", "s are", " is", " interval",
    "{0} {1} no declared range",
}  # fmt: skip
"""Parts of code that are no sentence, or none that a verdict holds."""


def shapes(path: Path) -> Iterator[str]:
    """Every text of a module with a hole for whatever is filled in; one of two texts gives two."""
    for node in _walked(ast.parse(path.read_text(encoding="utf-8"))):
        for text in _variants(node):
            holes = itertools.count()
            shape = re.sub(r"\0|\{\}", lambda _, holes=holes: f"{{{next(holes)}}}", text)  # type: ignore[misc]
            if " " in shape.strip() and re.search("[A-Za-z]{2}", re.sub(r"\{\d\}", "", shape)):
                yield shape


def _walked(node: ast.AST) -> Iterator[ast.expr]:
    """Texts, without documentation and without what is raised."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield node
    inner = [part.value for part in node.values if isinstance(part, ast.FormattedValue)] if isinstance(node, ast.JoinedStr) else []
    for child in inner or ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _walked(child)


def _variants(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    assert isinstance(node, ast.JoinedStr)
    parts = [_hole(part.value) if isinstance(part, ast.FormattedValue) else _variants(part) for part in node.values]
    return ["".join(each) for each in itertools.product(*parts)]


def _hole(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return [*dict.fromkeys([*_hole(node.body), *_hole(node.orelse)])]
    return _variants(node) if isinstance(node, ast.JoinedStr) or _is_text(node) else ["\0"]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_the_catalogue_has_every_sentence_of_the_gate() -> None:
    known = {each.removeprefix("{0} ").strip(" ;.") for each in written("zh")} | {each.strip(" ;.") for each in written("zh")}
    seen = {shape for path in SAYING if path.name not in ELSEWHERE for shape in shapes(path)} - JOINED
    assert len(seen) > 250
    assert [shape for shape in sorted(seen) if shape.strip(" ;.") not in known] == []


def test_both_sides_fill_in_the_same() -> None:
    for text, other in written("zh").items():
        assert sorted(re.findall(r"\{(\d)\}", text)) == sorted(re.findall(r"\{(\d)\*?\}", other)), text
        assert re.search("[\u4e00-\u9fff\uff00-\uffef、。，：；（]|0", other), text
        assert sorted(re.findall(r"\d+", re.sub(r"\{\d\*?\}", "", text))) == sorted(
            re.findall(r"(?<!\w)\d+", re.sub(r"\{\d\*?\}", "", other))
        ), text


def test_every_shape_is_read_as_it_is_filled() -> None:
    """Each hole with a number of its own: none is lost, none twice, and no English word is left."""
    for text in written("zh"):
        filled = re.sub(r"\{(\d)\}", r"x/\1", re.sub(r"(?<=[a-z}])\{\d\}", "", text))  # a part that may be missing is
        start = filled if text[0].isalnum() or text[0] == "{" else f"x/9{filled}"
        found = Teller("zh").told(start)
        assert found is not None, text
        assert sorted(re.findall(r"x/\d", start)) == sorted(re.findall(r"x/\d", found)), text


@pytest.mark.parametrize("made", [fixtures.small, fixtures.full])
def test_every_sentence_of_real_verdicts_is_chinese(made: Callable[[], fixtures.Made]) -> None:
    conclusion = made()[0]
    names, said = names_of(conclusion), []
    teller = Teller("zh", names)
    for verdict in conclusion.verdicts:
        said += [verdict.sentence, verdict.change, *verdict.warnings, *(finding.reason for finding in verdict.findings)]
    assert len(said) > 60
    for text in filter(None, said):
        found = teller.told(text)
        assert found is not None, text
        left = re.sub("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name), "", found)
        left = re.sub(r"\S*[_/=]\S*|range|\[\w+, \w+\]", "", left)
        left = re.sub(r"Tango|McNemar|Holm|max-T|expect|\d+e-\d+|\bp\b|\bt\b|language|EngineError.*", "", left)
        assert not re.search("[A-Za-z]{2}", left), found


def test_what_has_no_shape_or_too_much_of_it_stays_as_it_is() -> None:
    teller = Teller("zh", ["prod"])
    assert teller.told("the moon is made of cheese") is None
    assert teller.told("prod was not measured; " * 400) is None
    assert teller.told("a; " * 1_300) is None
    assert teller.told("( of " * 700 + ") of " * 90) is None
    assert Teller("en").told("prod was not measured") is None


def test_the_words_of_an_error_are_left_as_they_are() -> None:
    why = "all of its items failed, or its suite was not measured; the first, 'k': OOM (at 3)."
    text = f"a/b/acc: no run has a value for a/b/acc: {why}"
    found = Teller("zh", ["a/b/acc"]).told(text)
    assert found is not None
    assert "测量；第一道是 'k'：OOM (at 3)。" in found


def test_a_candidate_that_is_called_like_a_word_is_no_word() -> None:
    for name in ("items", "the", "base"):
        found = Teller("zh", [name]).told(f"{name} was not measured")
        assert found == f"没有测量 {name}"


def test_names_change_no_number_and_open_no_shape() -> None:
    name = "p = 0.5; 3 more blocking rules fail"
    found = Teller("zh", [name]).told(f"Ship {name}: all 4 blocking rules hold.")
    assert found == f"可以上线 {name}：全部 4 条阻断规则成立。"


def test_a_sentence_that_would_lose_a_number_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_whole", lambda lang: {"10 items are one": "都是一个"})
    assert Teller("zh").told("10 items are one") is None
