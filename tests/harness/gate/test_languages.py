"""A judge gates only items in languages that it was examined in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.records import Admission, AdmittedPart, Measured, Rule, Verdict
from tests.harness.gate.deciding import MARGIN, decide
from tests.harness.runs import measured, samples

SLICED = msgspec.structs.replace(MARGIN, slice="language=en")


def part(pairs: int) -> AdmittedPart:
    return AdmittedPart(pairs=pairs, accuracy=1.0, kappa=1.0, consistency=1.0, unparsable=0.0)


def judged(languages: dict[str, int], items: list[str], *rules: Rule, **more: Any) -> Verdict:
    """300 items in these languages in turn (none where it is empty), by a judge that was examined on so many labels in each."""
    admission = Admission(
        judge="big", admitted=True, pairs=96, accuracy=1.0, kappa=1.0, consistency=1.0, unparsable=0.0, fewest=20,
        languages={language: part(count) for language, count in languages.items()}, **more,
    )  # fmt: skip
    said = [items[index % len(items)] for index in range(300)]
    slices = [{"language": each} if each else {} for each in said]

    def run(name: str, wrong: int) -> Measured:
        scores = [float(index >= wrong) for index in range(300)]
        return measured(name, samples(scores, slices=slices), judge_hash="j", admission=admission)

    return decide(run("base", 60), run("new", 60), rules=rules or (MARGIN,)).verdicts[0]


def test_in_a_language_without_labels_it_may_not_gate() -> None:
    found = judged({"en": 48}, ["en", "zh"])
    assert found.findings[0].outcome == "insensitive"
    said = (
        "the judge big may not gate here: items are in zh, and it was examined on no labelled pairs in zh; at least 20 are needed"
    )
    assert said in found.findings[0].reason
    assert judged({"en": 48, "zh": 48}, ["en", "zh"]).outcome == "pass"
    few = judged({"en": 48, "zh": 8}, ["zh"], alone=True).findings[0].reason
    assert "it was examined on 8 labelled answers in zh" in few


def test_a_rule_about_the_language_that_it_knows_is_decided_and_one_that_only_warns_holds_nothing_up() -> None:
    assert judged({"en": 48}, ["en", "zh"], SLICED).outcome == "pass"
    assert judged({"en": 48}, ["en", "zh"], msgspec.structs.replace(SLICED, slice="language=zh")).outcome == "insensitive"
    assert judged({"en": 48}, ["en", "zh"], msgspec.structs.replace(MARGIN, severity="warn")).findings[0].outcome == "pass"


@pytest.mark.parametrize("said", ["EN", "en-GB", "en_us"])
def test_a_region_is_no_other_language(said: str) -> None:
    assert judged({"en": 48}, [said]).outcome == "pass"


@pytest.mark.parametrize(
    ("labels", "items", "says"),
    [
        ({"en": 48}, ["en", ""], "the judge of facts was examined in en; 150 items do not say their language (slice 'language')"),
        ({}, ["en", "zh"], "items of facts are in en and zh; the labelled pairs that its judge was examined on do not say"),
        ({}, [""], ""),
        ({"en": 48}, ["en"], ""),
    ],
)
def test_what_cannot_be_compared_is_said_and_holds_nothing_up(labels: dict[str, int], items: list[str], says: str) -> None:
    found = judged(labels, items)
    assert found.outcome == "pass"
    told = [each for each in found.warnings if "language" in each]
    assert [each.startswith(says) for each in told] == ([True] if says else []), told
