"""The fullest report that tests can make, and the same with an attack in every text of it."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from harness.gate import Policy, conclude
from harness.records import Comparison, Conclusion, Judgment, Quarantined, Sample
from tests.reports import fixtures, test_winning
from tests.reports.attacks import ATTACKS
from tests.reports.fixtures import Made
from tests.reports.people import test_people_on_the_page
from tests.reports.screens import history
from tests.reports.spoiled import Spoiler
from tests.reports.test_explorer import run_of


def everything() -> Made:
    """Every section of the page: weeks before it, people, win rates, quarantine, items in training data, opinions and draws."""
    conclusion, measured, training = fixtures.small()
    people, _ = test_people_on_the_page.concluded()
    rates = test_winning.conclusion()
    quarantined = Quarantined(suite="general", key="facts-0001", reason="its answer is wrong", until=date(2027, 1, 1))
    conclusion = replace(
        _tainted(conclusion),
        history=history.build()[0].history,
        people={"careless": next(iter(people.people.values()))},
        win_rates=rates.win_rates,
        strengths=rates.strengths,
        calibrated=rates.calibrated,
        quarantined=(*conclusion.quarantined, quarantined),
        pins={"w34": "general"},
    )
    measured = dict(measured)
    for name in ("base", "careless"):
        side = measured["general", name]
        measured["general", name] = replace(side, samples=(_full(side.samples[0]), *side.samples[1:]))
    return conclusion, measured, training


def _full(sample: Sample) -> Sample:
    said = tuple(
        Judgment(judge="grader", criterion="kind", order=order, score=0.5, reason="said so", raw="so")
        for order in ("alone", "left", "right")
    )
    return replace(
        sample, outputs=("one", "two"), thinking=("hm", ""), extracted=("1", None), judgments=said, draws={"acc": [1.0, 0.0]}
    )


def _tainted(conclusion: Conclusion) -> Conclusion:
    verdict = conclusion.verdicts[0]
    findings = [
        replace(each, comparison=replace(each.comparison, parameters={**each.comparison.parameters, "contaminated": 3}))
        if isinstance(each.comparison, Comparison)
        else each
        for each in verdict.findings
    ]
    return replace(conclusion, verdicts=(replace(verdict, findings=tuple(findings)), *conclusion.verdicts[1:]))


def harmed(made: Made, spoiler: Spoiler) -> Made:
    """``made`` with every text spoiled."""
    conclusion, measured, training = made
    return (
        spoiler.record(conclusion),
        {(spoiler.named(suite), spoiler.named(name)): spoiler.record(each) for (suite, name), each in measured.items()},
        {spoiler.named(name): spoiler.record(each) for name, each in training.items()},
    )


def attacked() -> Made:
    """Each attack by itself, in every text of an item of its own."""
    runs = {("s", name): run_of("s", name, [_attack(text, name) for text in enumerate(ATTACKS.values())]) for name in ("b", "c")}
    return conclude(runs, Policy(baseline="b", bad_answers=False), created="", environment={}), runs, {}


def _attack(numbered: tuple[int, str], name: str) -> Sample:
    number, text = numbered
    said = tuple(
        Judgment(judge=text, criterion=text, order=order, score=0.5, reason=text, raw=text) for order in ("alone", "left", "right")
    )
    value = float(name == "b")
    return Sample(
        key=f"{number} {text}"[:300],
        task=text[:100], prompt=text, target=text, outputs=(text, f"{name} {text}"), thinking=(text, text),
        extracted=(text, None), slices={"attack": text[:200]}, judgments=said, scores={"acc": value}, draws={"acc": [value, 0.0]},
    )  # fmt: skip
