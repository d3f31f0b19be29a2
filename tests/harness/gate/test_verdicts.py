"""The sentence that a release manager reads, and the exit code."""

from __future__ import annotations

import msgspec

from harness.gate.verdicts import gravest
from harness.records import Fingerprints, Outcome, Rule
from tests.harness.gate.deciding import CLAIM, MARGIN, against, decide, verdict
from tests.harness.runs import measured, right, samples


def test_the_verdict_can_be_acted_on() -> None:
    shipped = verdict(*against(5, 5, 400, 190), MARGIN)
    assert shipped.sentence.startswith("Ship new: the one blocking rule holds; the closest call is facts/t/acc")
    assert "where a loss of 3.0 points would block" in shipped.sentence
    blocked = verdict(*against(90, 2, 350, 150), MARGIN)
    assert blocked.sentence.startswith("Do not ship new: facts/t/acc: ")
    assert "90 % interval" in blocked.sentence
    assert "margin of 3.0 points" in blocked.sentence
    assert blocked.change == "The loss on facts/t/acc must come under 3.0 points (now −14.9 points)."
    unknown = verdict(*against(15, 15, 200, 70), Rule(metric="*/*/acc", require="non_inferior", margin=0.02))
    assert unknown.sentence.startswith("Unknown whether new may ship: the items do not decide it")


def test_a_loss_that_few_items_cannot_prove_passes_and_is_warned_of() -> None:
    rule = Rule(metric="facts/*/acc", require="not_regressed")
    (lossy,) = verdict(*against(3, 0, 2, 0), rule).warnings
    assert "a loss under 95.7 points could not have been seen" in lossy
    assert not verdict(*against(3, 2, 40, 5), rule).warnings, "of what chance does every day nothing is said"


def test_one_proven_failure_decides_whatever_else_went_wrong() -> None:
    order: tuple[Outcome, ...] = ("pass", "inconclusive", "insensitive", "not_comparable", "no_baseline", "invalid", "fail")
    for index in range(1, len(order) + 1):
        assert gravest(order[:index]) == order[index - 1]
    assert gravest([]) == "inconclusive"


def test_exit_codes_over_several_candidates() -> None:
    good, bad = against(5, 5, 400, 190)[1], against(90, 2, 350, 158)[1]
    base = measured("base", samples(against(5, 5, 400, 190)[0]))
    failed = measured("broken", [None] * 600)
    assert decide(base, measured("good", samples(good))).exit_code == 0
    assert decide(base, measured("good", samples(good)), failed).exit_code == 13
    conclusion = decide(base, measured("good", samples(good)), failed, measured("bad", samples(bad)))
    assert conclusion.exit_code == 10
    assert [answer.outcome for answer in conclusion.verdicts] == ["pass", "invalid", "fail"]


def test_no_rule_is_no_silent_pass() -> None:
    conclusion = decide(measured("base", right(5, 5)), measured("new", right(5, 5)), rules=())
    assert conclusion.outcome == "inconclusive"
    assert "no blocking rule" in conclusion.verdicts[0].sentence


def test_an_identical_candidate_is_a_warning_and_a_verdict() -> None:
    prints = Fingerprints(asked="a", weights="same", adapter="same", template="template")
    runs = [measured(name, right(450, 150), fingerprints=prints) for name in ("base", "new")]
    conclusion = decide(*runs, rules=(MARGIN, msgspec.structs.replace(CLAIM, severity="warn")))
    assert conclusion.outcome == "pass"
    assert any("new is identical to base in weights and adapter" in warning for warning in conclusion.verdicts[0].warnings)
    assert conclusion.verdicts[0].findings[1].outcome == "inconclusive"
    assert decide(*runs, rules=(CLAIM,)).outcome == "inconclusive"


def test_equal_answers_count_as_identical_even_without_hashes() -> None:
    runs = [measured(name, right(450, 150), fingerprints=Fingerprints(asked=name, template="template")) for name in ("base", "new")]
    assert any("identical to base in all 600 answers" in warning for warning in decide(*runs).verdicts[0].warnings)


def test_nothing_answered_is_no_identity_and_says_what_happened() -> None:
    runs = [measured(name, [None] * 3, fingerprints=Fingerprints(asked=name, template="template")) for name in ("base", "new")]
    verdict = decide(*runs, rules=(MARGIN,)).verdicts[0]
    assert verdict.outcome == "invalid"
    assert not any("identical" in warning for warning in verdict.warnings)
    assert "all of its items failed, or its suite was not measured; the first, '" in verdict.findings[0].reason
