"""A loss in a unit of its own is never out of sight of the headline; units and the p that decided stand where the numbers do."""

from __future__ import annotations

import msgspec
import pytest

from harness.gate import Policy, conclude
from harness.records import Comparison, Conclusion, Finding, Measured, Metric, Rule, Severity
from reports import page
from reports.answer import candidate_lines
from reports.beside import MOST, beside_text
from reports.comment import markdown
from reports.figures import alone_p, deciding_p, deciding_p_text
from reports.forgotten import cost_lines
from reports.standing import Gain, standings
from reports.terminal import terminal
from reports.wording import interval_text
from tests.harness.runs import measured, right, table
from tests.reports.test_page import parsed
from tests.reports.told import concluded

NATS = {"acc": Metric(kind="real", direction="lower", unit="nats/token", range=(0.0, 4.0))}
LOST = "drift/t/acc 2.000 nats/token worse"


def runs() -> list[Measured]:
    """A retained suite of right-or-wrong items that loses nothing, and one in nats that loses a lot; and two suites to learn."""
    found = []
    for name, learned, nats in (("base", 20, 1.0), ("new", 30, 3.0)):
        drift = [nats + 0.1 * (place % 5) for place in range(40)]
        found.append(measured(name, right(40, 0), suite="skills", retained=True))
        found.append(measured(name, drift, suite="drift", retained=True, metrics=NATS))
        found += [measured(name, right(learned, 40 - learned), suite=suite) for suite in ("one", "two")]
    return found


@pytest.fixture(scope="module")
def conclusion() -> Conclusion:
    rule = Rule(metric="drift/*", require="non_inferior", margin=0.5)
    return conclude(table(*runs()), Policy(baseline="base", rules=(rule,)), created="", environment={})


def test_a_loss_in_nats_stands_beside_worst_retained_everywhere(conclusion: Conclusion) -> None:
    (standing,) = standings(conclusion, table(*runs()))
    assert standing.worst is not None
    assert (standing.worst.metric, standing.worst.gain) == ("skills/t/acc", 0.0)
    assert [(each.metric, round(each.gain, 6)) for each in standing.beside] == [("drift/t/acc", -2.0)]
    assert f"  new, not in points: {LOST}" in terminal(conclusion, table(*runs()))
    row = next(line for line in markdown(conclusion, table(*runs())).splitlines() if line.startswith("| ") and " new |" in line)
    assert f"skills/t/acc<br>not in points: {LOST}" in row
    shown = parsed(page.render(conclusion, table(*runs()), {})).xpath("//table[@class='candidates']")[0].text_content()
    assert "not in points:" in shown
    assert "−2.000 nats/token" in shown


def test_the_price_of_a_gain_names_what_its_means_leave_out_and_how_they_are_averaged(conclusion: Conclusion) -> None:
    (tax,) = conclusion.taxes
    assert tax.uncounted == ("drift/t/acc",)
    (line,) = [each for each in cost_lines(conclusion) if each.startswith("new against base: target ")]
    assert "mean of 2 suites, each counted once), retained 0.0 pp (" in line
    assert line.endswith(f"of 1 suite); not in points: {LOST}")
    shown = parsed(page.render(conclusion, table(*runs()), {})).get_element_by_id("forgetting").text_content()
    assert f"not in points: {LOST}" in shown
    (standing,) = standings(conclusion, table(*runs()))
    assert standing.target is not None
    assert standing.target.metric == "mean of 2 metrics, each counted once"


def test_losses_come_first_the_proven_ones_before_the_others_and_none_is_dropped_in_silence() -> None:
    def gain(name: str, size: float, high: float | None) -> Gain:
        return Gain(metric=name, against="b", gain=size, low=size - 1, high=high, kind="real", unit="u", baseline=10.0)

    unsure, sure, better = gain("unsure", -0.5, 0.5), gain("sure", -2.0, -1.0), gain("better", 3.0, 4.0)
    assert beside_text([unsure, better, sure]) == "not in points: sure 2.00 u worse; unsure 0.50 u worse (not proven); 1 not worse"
    assert beside_text([better]) == "not in points: 1 not worse"
    assert beside_text([]) == ""
    assert beside_text([sure] * (MOST + 3)).endswith("; 3 more worse")


def test_gains_in_several_units_are_never_averaged() -> None:
    def compared(metric: str, unit: str, gain: float) -> Comparison:
        return Comparison(
            metric=metric, baseline="b", candidate="c", baseline_value=1.0, candidate_value=1.0, gain=gain, kind="real", unit=unit
        )

    superior = [
        Finding(rule=Rule(metric=each.metric, require="superior"), outcome="pass", reason="", metric=each.metric, comparison=each)
        for each in (compared("s/a/x", "s", 1.0), compared("s/b/x", "tokens", 100.0), compared("s/c/x", "s", 2.0))
    ]
    (standing,) = standings(concluded(*superior, outcome="pass"), {})
    assert standing.target is not None
    assert (standing.target.gain, standing.target.unit, standing.target.averaged) == (1.5, "s", 2)


@pytest.mark.parametrize("severity", ["inform", "warn"])
def test_a_target_gain_is_of_the_same_metrics_for_every_candidate_and_not_of_what_only_informs(severity: Severity) -> None:
    def claim(metric: str, gain: float, candidate: str, severity: Severity = "block") -> Finding:
        compared = Comparison(
            metric=metric, baseline="b", candidate=candidate, baseline_value=0.5, candidate_value=0.5 + gain, gain=gain
        )
        rule = Rule(metric=metric, require="superior", severity=severity)
        return Finding(rule=rule, outcome="pass", reason="", metric=metric, comparison=compared)

    voted = concluded(
        claim("skill/t/acc", 0.4, "voted"), claim("human/win", 0.1, "voted", severity), outcome="pass", candidate="voted"
    )
    plain = concluded(claim("skill/t/acc", 0.3, "plain"), outcome="pass", candidate="plain")
    ranked = standings(msgspec.structs.replace(voted, verdicts=(*plain.verdicts, *voted.verdicts)), {})
    assert [(each.candidate, each.target and each.target.metric) for each in ranked] == [
        ("voted", "skill/t/acc"),
        ("plain", "skill/t/acc"),
    ]


def told(outcome: str, p: float, **parameters: float) -> Finding:
    comparison = Comparison(
        metric="s/t/seconds", baseline="b", candidate="c", baseline_value=0.0153, candidate_value=0.0288, gain=-0.0135, low=-0.022,
        high=-0.00477, p=p, kind="real", unit="s", parameters=dict(parameters), items=8,
    )  # fmt: skip
    found = Finding(rule=Rule(metric="s/t/seconds", require="not_regressed"), outcome="pass", reason="x", comparison=comparison)
    return msgspec.structs.replace(found, outcome=outcome, metric="s/t/seconds")


def test_the_p_that_is_shown_is_the_one_that_decided() -> None:
    passed = told("pass", 0.0203, p_holm=0.1421)
    assert deciding_p_text(passed) == "0.14 (alone 0.020)"
    figure, alone = deciding_p(passed, "/at"), alone_p(passed, "/at")
    assert figure is not None
    assert alone is not None
    assert (figure.at, figure.value, alone.at, alone.value) == ("/at/parameters/p_holm", 0.1421, "/at/p", 0.0203)
    assert deciding_p_text(told("fail", 0.9, p_holm=1.0, p_contrary=0.003)) == "0.0030"
    assert deciding_p_text(told("pass", 0.9, p_contrary=0.003)) == "0.90"
    assert deciding_p_text(told("fail", 1e-9, p_holm=1e-8)) == "< 0.0001"
    text = markdown(concluded(passed, told("fail", 0.0001, p_holm=0.0007)))
    assert "| 0.14 (alone 0.020) |" in text
    assert text.count("p is the one that decided: corrected (Holm)") == 2
    assert "corrected (Holm)" not in markdown(concluded(told("pass", 0.5, p_holm=0.5)))


def test_figures_of_the_summary_have_their_unit() -> None:
    row = next(line for line in markdown(concluded(told("fail", 0.02))).splitlines() if "seconds" in line and "0.0288" in line)
    assert "| 0.0153 s | 0.0288 s | −0.01350 s (−0.02200 … −0.00477 s) |" in row
    assert interval_text(-2.0, -1.0, "real", "money for 1,000 items") == "−2.00 … −1.00 money for 1,000 items"


def test_sentences_of_the_gate_have_units(conclusion: Conclusion) -> None:
    ruled = (finding for finding in conclusion.verdicts[0].findings if not finding.rule.implicit)
    (finding,) = (finding for finding in ruled if finding.metric == "drift/t/acc")
    assert "3.2 nats/token against 1.2 nats/token of base" in finding.reason
    assert "a loss beyond the margin of 0.5 nats/token is proven" in finding.reason
    assert "must come under 0.5 nats/token (now −2 nats/token)" in conclusion.verdicts[0].change


def test_the_page_names_what_lost_and_counts_what_did_not(conclusion: Conclusion) -> None:
    kept = msgspec.structs.replace(conclusion.comparisons[0], metric="drift/u/acc", kind="real", unit="nats/token", gain=0.0)
    both = msgspec.structs.replace(conclusion, comparisons=(kept, *conclusion.comparisons))
    ranked = standings(both, table(*runs()))
    (line,) = candidate_lines(both, ranked)
    assert [(each.metric, each.gain.at) for each in line.beside] == [("drift/t/acc", "/standings/0/beside/1/gain")]
    assert line.beside_kept == 1
