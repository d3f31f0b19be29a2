"""Plans: what the gate will be able to say, from items, a policy and earlier runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from harness import stats
from harness.gate import HUMAN_WIN, Policy
from harness.gate.measurements import Measurements
from harness.plan import Earlier, Forecast, Plan, Questions, decisions, known, plan
from harness.plan.simulation import _holm
from harness.plan.wording import asked, change, sentences, sight
from harness.records import Item, Measured, Metric, Noise, Quarantined, Repetition, Rule, SelfTest
from tests.harness.runs import measured, samples, table

ACC = {"acc": Metric(kind="binary")}


def questions(count: int, name: str = "facts", *, size: int = 1, **fields: Any) -> Questions:
    """A suite of one task ``t`` with keys k0, k1 …, in clusters of ``size``."""
    clusters = [None if size == 1 else f"c{index // size}" for index in range(count)]
    items = [
        Item(key=f"k{index}", task="t", cluster=cluster, slices={"lang": "zh" if index % 4 == 0 else "en"})
        for index, cluster in enumerate(clusters)
    ]
    return Questions(**{"name": name, "items": items, "metrics": ACC, **fields})


def planned(
    *rules: Rule,
    suites: tuple[Questions, ...] = (),
    earlier: tuple[Earlier, ...] = (),
    noise: SelfTest | None = None,
    effects: dict[str, float] | None = None,
    retained: bool = False,
    **policy: Any,
) -> Plan:
    """The plan of a policy over suites; by default one of 400 items."""
    asked = {each.name: each for each in suites or (questions(400),)}
    names = {each.name: [*each.metrics, *each.watched, *(("lost", "gained") if retained else ())] for each in asked.values()}
    ids = {f"{suite}/t/{name}" for suite, listed in names.items() for name in listed} | {HUMAN_WIN}
    decided = decisions(Policy(**{"baseline": "old", "rules": rules, **policy}), asked, ids, set())
    return plan(decided, [known(each, earlier, noise) for each in decided], effects or {})


def only(found: Plan) -> Forecast:
    assert len(found.forecasts) == 1
    return found.forecasts[0]


def margin(size: float = 0.05, **fields: Any) -> Rule:
    return Rule(**{"metric": "facts/*/acc", "require": "non_inferior", "margin": size, **fields})


def side_by_side(old: list[float], new: list[float], name: str = "week46", **fields: Any) -> Earlier:
    runs = table(measured("old", old, **fields), measured(name, new, **fields))
    return Earlier("old", name, Measurements(runs, Policy(baseline="old", references={name: "old"})))


def changed(items: int, won: int, lost: int) -> tuple[list[float], list[float]]:
    """Scores of the baseline (half right) and of a candidate that won and lost so many."""
    old = [1.0] * (items // 2) + [0.0] * (items - items // 2)
    new = [0.0] * lost + old[lost : items - won] + [1.0] * won
    return old, new


# ----------------------------------------------------------------------------------------------------- one decision


def test_a_margin_is_planned_with_the_power_of_its_own_test() -> None:
    found = planned(margin())
    each = only(found)
    assert each.passes == pytest.approx(stats.pass_probability("non_inferior", stats.Design(400, 0.10), 0.0, 0.05))
    assert found.harmless == pytest.approx(each.passes, abs=0.03)
    assert (each.origin, each.changes, each.items, each.method) == ("assumed", 0.10, 400, "Tango's score test, enumerated")
    assert each.needed is not None
    assert each.needed < 400
    assert each.smallest is not None
    assert 0.035 < each.smallest < 0.045


@pytest.mark.parametrize(("items", "size"), [(60, 0.10), (150, 0.05), (1500, 0.02)])
def test_the_simulated_gate_agrees_with_the_enumerated_rule(items: int, size: float) -> None:
    found = planned(margin(size), suites=(questions(items),))
    assert found.harmless == pytest.approx(only(found).passes, abs=0.03)


def test_a_loss_under_the_margin_that_is_declared_makes_a_pass_less_likely() -> None:
    found = planned(margin(), effects={"facts/t/acc": -0.03})
    assert found.declared is not None
    assert found.declared == pytest.approx(stats.pass_probability("non_inferior", stats.Design(400, 0.10), -0.03, 0.05), abs=0.03)
    assert found.harmless is not None
    assert found.declared < found.harmless - 0.3


def test_a_claim_of_gain_is_said_apart_and_needs_a_declared_gain() -> None:
    claim = Rule(metric="facts/*/acc", require="superior")
    found = planned(claim)
    assert found.harmless is None
    assert any("declare the gain" in line for line in sentences(found, "old"))
    assert only(found).smallest == pytest.approx(0.041, abs=0.003)
    with_margin = planned(claim, margin(), effects={"facts/t/acc": 0.08})
    assert with_margin.harmless == pytest.approx(planned(margin()).harmless or 0.0, abs=0.02)
    assert with_margin.declared == pytest.approx(stats.pass_probability("superior", stats.Design(400, 0.10), 0.08), abs=0.03)
    assert with_margin.forecasts[0].needed is not None


def test_not_regressed_says_which_loss_it_sees() -> None:
    found = planned(Rule(metric="facts/*/acc", require="not_regressed"))
    each = only(found)
    assert each.smallest == pytest.approx(stats.mde(stats.Design(400, 0.10)))
    assert each.passes is not None
    assert each.passes > 0.95
    assert sight(each) == "see a loss of 4.1 points"


def test_clusters_make_it_harder_and_are_assumed_alike() -> None:
    alone, together = only(planned(margin())), only(planned(margin(), suites=(questions(400, size=10),)))
    assert (together.clusters, together.items) == (40, 400)
    assert together.method == "score test of bounded differences over clusters, drawn"
    assert together.passes is not None
    assert alone.passes is not None
    assert together.passes < alone.passes - 0.2
    assert together.needed is not None
    assert together.needed > 400


# ------------------------------------------------------------------------------------------------------ all together


def test_rules_about_other_suites_are_independent_and_rules_about_the_same_items_are_not() -> None:
    elsewhere = planned(margin(), margin(metric="more/*/acc"), suites=(questions(250), questions(250, "more")))
    single = elsewhere.forecasts[0].passes
    assert single is not None
    assert elsewhere.harmless == pytest.approx(single**2, abs=0.03)
    two = {"acc": Metric(kind="binary"), "contains": Metric(kind="binary")}
    same = planned(margin(), margin(metric="facts/*/contains"), suites=(questions(250, metrics=two),))
    assert same.harmless == pytest.approx(single, abs=0.03)


def test_eight_rules_at_eighty_per_cent_pass_together_as_rarely_as_the_arithmetic_says() -> None:
    suites = tuple(questions(280, f"s{index}") for index in range(8))
    found = planned(*(margin(metric=f"s{index}/*/acc") for index in range(8)), suites=suites)
    each = found.forecasts[0].passes
    assert each is not None
    assert found.harmless == pytest.approx(each**8, abs=0.03)
    assert found.harmless is not None
    assert found.harmless < 0.25


def test_holm_over_simulated_evaluations_is_holm() -> None:
    rng = np.random.default_rng(0)
    p, floors = rng.random((6, 200)) ** 2, np.where(rng.random((6, 200)) < 0.3, 1.0, 0.001)
    found = _holm(p, floors, 0.05)
    for column in range(200):
        assert found[:, column] == pytest.approx(stats.holm(p[:, column], floors=floors[:, column], alpha=0.05))


def test_flags_that_are_gated_by_default_seldom_stop_a_harmless_candidate() -> None:
    watched = ("truncated", "empty")
    found = planned(margin(0.10), suites=(questions(400, watched=watched),))
    assert [each.implicit for each in found.forecasts] == [False, True, True]
    assert found.harmless is not None
    assert found.harmless > 0.93


def test_rules_that_only_warn_are_no_part_of_the_pass() -> None:
    found = planned(margin(0.10), margin(0.005, severity="warn"))
    assert found.harmless is not None
    assert found.harmless > 0.98
    assert found.forecasts[1].passes is not None
    assert found.forecasts[1].passes < 0.2


def test_a_rule_that_takes_the_undecided_for_a_pass_passes_more_often() -> None:
    assert (planned(margin(0.02, on_inconclusive="pass")).harmless or 0.0) > 0.95
    assert (planned(margin(0.02)).harmless or 1.0) < 0.5


# --------------------------------------------------------------------------------------------------- what was seen


def test_what_earlier_candidates_changed_and_changed_back_is_taken_and_named() -> None:
    found = planned(margin(), earlier=(side_by_side(*changed(400, 10, 12)),))
    each = only(found)
    assert (each.origin, each.source) == ("seen", "week46 against old")
    assert each.changes == pytest.approx(21 / 400)
    assert change(each) == "5.2 % seen"
    assert "seen in the store: week46 against old" in " ".join(sentences(found, "old"))


def test_a_candidate_that_collapsed_is_no_measure_of_noise() -> None:
    collapsed, fine = side_by_side(*changed(400, 0, 150), "broken"), side_by_side(*changed(400, 6, 8), "fine")
    assert only(planned(margin(), earlier=(collapsed, fine))).source == "fine against old"
    assert only(planned(margin(), earlier=(collapsed,))).changes == pytest.approx(1 / 400)


def test_no_change_seen_is_not_no_change_possible() -> None:
    each = only(planned(margin(), earlier=(side_by_side(*changed(400, 0, 0)),)))
    assert each.changes == pytest.approx(1 / 400)
    assert each.smallest is not None
    assert each.smallest > 0.005
    assert each.needed is not None
    assert each.needed >= 59  # 0.95^59 < 0.05: even with nothing lost, fewer could not rule out a loss of 5 %


def test_the_simulation_corrects_the_families_of_the_gate() -> None:
    claim = Rule(metric="facts/*/acc", require="superior")
    slices = [msgspec.structs.replace(claim, slice=f"lang={lang}") for lang in ("zh", "en")]
    alone = planned(claim, effects={"facts/t/acc": 0.04}).forecasts[0].declared
    beside = planned(claim, *slices, effects={"facts/t/acc": 0.04}).forecasts
    assert [each.family for each in beside] == [1, 2, 2]
    assert beside[0].declared == pytest.approx(alone, abs=0.03), "rules about slices take nothing from one about the whole"


def test_the_baseline_against_itself_counts_as_noise() -> None:
    noise = Noise(metric="facts/t/acc", value=0.5, repeat=0.5, items=400, clusters=400, differ=30, gained=15, lost=15)
    less, much = (
        SelfTest(
            created="", baseline="old", repetitions=(Repetition(candidate="old", outcome="pass", sentence="", noise=(found,)),)
        )
        for found in (noise, msgspec.structs.replace(noise, differ=60, gained=30, lost=30))
    )
    each = only(planned(margin(), noise=much))
    assert (each.origin, each.source) == ("noise", "old against itself")
    assert each.changes == pytest.approx(61 / 400)
    assert only(planned(margin(), noise=less)).passes == pytest.approx(only(planned(margin())).passes), "less than is assumed"
    more = only(planned(margin(), noise=less, earlier=(side_by_side(*changed(400, 30, 30)),)))
    assert more.origin == "seen"
    beside = only(planned(margin(), noise=less, earlier=(side_by_side(*changed(400, 5, 5)),)))
    assert (beside.origin, beside.changes) == ("noise", pytest.approx(31 / 400)), "a candidate differs at least as much as noise"


def test_the_same_weights_under_another_name_show_noise_and_no_candidate() -> None:
    twin = dataclasses.replace(side_by_side(*changed(400, 0, 0)), same=True)
    each = only(planned(margin(), earlier=(twin,)))
    assert (each.origin, each.changes) == ("assumed", 0.10)
    assert each.passes == pytest.approx(only(planned(margin())).passes)
    rule = Rule(metric="facts/*/acc", require="at_least", value=0.45)
    assert only(planned(rule, earlier=(twin,))).passes is not None, "the score of the baseline is known all the same"
    other = side_by_side(*changed(400, 3, 3), name="week47")
    seen = only(planned(margin(), earlier=(twin, other)))
    assert (seen.origin, seen.changes) == ("seen", pytest.approx(7 / 400))


def test_a_value_is_foreseen_once_the_baseline_was_measured() -> None:
    rule = Rule(metric="facts/*/acc", require="at_least", value=0.45)
    before = planned(rule)
    assert only(before).passes is None
    assert "not measured yet" in only(before).why
    assert any("Left out" in line for line in sentences(before, "old"))
    after = planned(rule, earlier=(side_by_side(*changed(400, 10, 10)),))
    chance = only(after).passes
    assert chance is not None
    assert 0.5 < chance < 1.0
    worse = planned(rule, earlier=(side_by_side(*changed(400, 10, 10)),), effects={"facts/t/acc": -0.04})
    assert worse.declared is not None
    assert worse.declared < chance - 0.2


def test_what_is_lost_follows_from_what_was_declared_about_the_score() -> None:
    rule = Rule(metric="facts/*/lost", require="at_most", value=0.08, against="reference")
    harmless = only(planned(rule, retained=True))
    worse = planned(rule, retained=True, effects={"facts/t/acc": -0.05})
    assert harmless.passes is not None
    assert worse.declared is not None
    assert worse.declared < harmless.passes - 0.3
    assert only(worse).effect == pytest.approx(-0.025)
    direct = planned(rule, retained=True, effects={"facts/t/lost": -0.10})
    assert direct.declared == 0.0


def test_a_suite_that_is_blind_passes_nothing_and_says_why() -> None:
    floor = side_by_side([0.0] * 100, [0.0] * 100)
    found = planned(margin(), suites=(questions(100),), earlier=(floor,))
    assert only(found).passes == 0.0
    assert "nothing is left to lose" in only(found).why
    assert found.harmless == 0.0
    both = planned(margin(), margin(name="few", min_items=101), suites=(questions(100),), effects={"facts/t/acc": 0.01})
    assert [each.passes for each in both.forecasts][1] == 0.0
    assert (both.harmless, both.declared) == (0.0, 0.0), "one rule that cannot pass holds the whole gate up"
    loss = planned(Rule(metric="facts/*/acc", require="not_regressed", min_items=101), suites=(questions(100),))
    assert "Too few items: facts/t/acc: it has 100 items, and the rule wants 101." in sentences(loss, "old")
    aside = planned(margin(), margin(name="few", min_items=101, severity="warn"), suites=(questions(100),))
    assert aside.harmless == pytest.approx(aside.forecasts[0].passes, abs=0.03)
    assert any(line.startswith("Blind: ") for line in sentences(found, "old"))


def test_a_metric_without_a_natural_size_is_unknown_until_it_was_measured() -> None:
    real = {"acc": Metric(kind="real")}
    before = only(planned(margin(), suites=(questions(100, metrics=real),)))
    assert (before.passes, before.needed) == (None, None)
    assert "once two candidates were measured" in before.why
    rng = np.random.default_rng(0)
    old = rng.normal(size=100)
    new = old + 0.1 * rng.normal(size=100)
    seen = side_by_side(list(old), list(new), metrics=real)
    after = only(planned(margin(), suites=(questions(100, metrics=real),), earlier=(seen,)))
    assert after.passes is not None
    assert after.passes > 0.99
    assert after.sd == pytest.approx(0.1, rel=0.2)
    assert "noncentral t" in after.method


def test_a_relative_margin_waits_for_the_score_that_it_is_relative_to() -> None:
    rule = margin(0.1, relative=True)
    assert "relative" in only(planned(rule)).why
    after = only(planned(rule, earlier=(side_by_side(*changed(400, 10, 10)),)))
    assert after.margin == pytest.approx(0.05)


# ---------------------------------------------------------------------------------------------------- which items


def test_slices_and_quarantine_say_which_items_count() -> None:
    assert only(planned(margin(slice="lang=zh"))).items == 100
    assert [each.items for each in planned(margin(slice="lang=*")).forecasts] == [300, 100]
    out = Quarantined(suite="facts", key="k1", reason="wrong target", until="2999-01-01")  # type: ignore[arg-type]
    assert only(planned(margin(), quarantine=(out,))).items == 399


def test_contaminated_items_are_a_slice_and_too_many_of_them_are_refused() -> None:
    given = {"contaminated": {"facts": tuple(f"k{index}" for index in range(20))}}
    assert [each.items for each in planned(margin(slice="contaminated=*"), **given).forecasts] == [380, 20]
    assert only(planned(margin(exclude="contaminated"), **given)).items == 380
    assert only(planned(margin(exclude="contaminated", slice="lang=zh"), **given)).items == 95
    assert not only(planned(margin(), **given, max_contaminated=0.05)).refused
    light = Rule(metric="facts/*/acc", require="not_regressed")
    found = planned(margin(), light, **given, max_contaminated=0.02)
    for each in found.forecasts:
        assert (each.passes, each.refused, sight(each)) == (0.0, True, "nothing: refused, see below")
    lines = sentences(found, "old")
    assert any("facts/t/acc within 5.0 points (it is refused, see below)" in line for line in lines)
    assert any(
        line.startswith("Refused: facts/t/acc: 20 of 400 items (5.0 %) of facts were found in training data") for line in lines
    )
    strict = msgspec.structs.replace(light, max_contaminated=0.0)
    assert planned(light, light, **given).forecasts[0].family == 2
    assert planned(light, strict, **given).forecasts[0].family == 1, "what is refused is no test"


def test_votes_of_people_are_not_foreseen() -> None:
    each = only(planned(Rule(metric="human/win", require="superior")))
    assert each.passes is None
    assert "people's votes" in each.why


def test_a_rule_that_wants_more_items_than_there_are_never_passes() -> None:
    found = planned(margin(min_items=500))
    assert only(found).passes == 0.0
    assert "the rule wants 500" in only(found).why
    assert sight(only(found)) == "nothing: too few items"


@pytest.mark.parametrize("suite", [questions(1), questions(30, size=30), questions(2, size=2), questions(4)])
def test_one_item_or_one_cluster_plans_without_breaking(suite: Questions) -> None:
    found = planned(margin(), Rule(metric="facts/*/acc", require="not_regressed"), suites=(suite,))
    assert found.forecasts[0].passes is not None
    assert found.forecasts[0].passes < 0.06
    assert found.forecasts[1].passes == 0.0, "not even losing all of them would be a proven loss"
    assert "could not prove any loss, even one of all; it takes 5 or more" in found.forecasts[1].why
    assert found.harmless == 0.0
    assert all(isinstance(line, str) and "nan" not in line.lower() for line in sentences(found, "old"))


def test_a_pass_by_items_that_see_no_loss_is_said_to_say_little() -> None:
    rules = [Rule(metric=f"{name}/*/acc", require="not_regressed") for name in ("facts", "more", "most")]
    found = planned(*rules, suites=(questions(5), questions(200, name="more"), questions(200, name="most")))
    assert found.forecasts[0].passes == pytest.approx(1.0, abs=0.02)
    assert [sight(each).split(" of ")[0] for each in found.forecasts] == ["see no loss", "see a loss", "see a loss"]
    line = "No loss, however large, would be seen with probability 80 % by facts/t/acc (5 items): a pass says little."
    assert line in sentences(found, "old")


def test_a_policy_without_rules_says_that_nothing_would_be_decided() -> None:
    found = planned(bad_answers=False)
    assert (found.harmless, found.forecasts) == (None, ())
    assert sentences(found, "old") == ["The policy has no rule, so that nothing would be decided."]


def test_sampled_draws_and_averaged_scores_are_no_counts() -> None:
    each = only(planned(margin(), suites=(questions(400, draws=4),)))
    assert each.method == "score test of bounded differences, drawn"
    assert each.sd is not None


def test_the_sentences_say_what_is_certified_what_is_not_and_what_it_would_take() -> None:
    suites = (questions(400, "general"), questions(1000))
    found = planned(margin(0.02, metric="general/*/acc", name="general skills"), margin(), suites=suites)
    text = " ".join(sentences(found, "prod"))
    assert "They can certify (≥ 80 %): facts/t/acc within 5.0 points." in text
    assert "These suites cannot certify: general skills within 2.0 points: passes only" in text
    assert "needs about 1,600 items (has 400), or a margin of 4.0 points" in text
    assert "A candidate exactly as good as prod passes the whole gate with probability" in text
    assert "Assumed: two equally good checkpoints answer 10 % of the items differently" in text


def test_an_item_that_failed_earlier_leaves_the_others_to_look_at() -> None:
    old, new = changed(60, 3, 3)
    broken: Measured = measured("old", samples([None, *old[1:]]))
    runs = table(broken, measured("week46", new))
    earlier = Earlier("old", "week46", Measurements(runs, Policy(baseline="old")))
    each = only(planned(margin(0.2), suites=(questions(60),), earlier=(earlier,)))
    assert each.origin == "seen"
    assert each.items == 60


@pytest.mark.parametrize("items", [288, 294, 300, 306])
def test_what_is_needed_agrees_with_what_passes(items: int) -> None:
    """Shares (of two draws, say), of which the power is drawn: around 80 % a search and a chance would differ by their draws."""
    each = only(planned(margin(), suites=(questions(items, metrics={"acc": Metric(kind="bounded")}),)))
    assert each.passes is not None
    assert each.needed is not None
    assert each.smallest is not None
    assert (each.needed <= items) == (each.passes >= 0.8)
    assert each.smallest <= 0.05 if each.passes >= 0.8 else each.smallest >= 0.05


def test_sentences_say_what_their_sizes_are_in() -> None:
    real = Metric(kind="real", direction="lower", unit="bits/byte")
    suite = questions(200, "text", metrics={"bits_per_byte": real})
    old, new = [1.2 + 0.01 * (index % 7) for index in range(200)], [1.2 + 0.01 * (index % 5) for index in range(200)]
    fields: dict[str, Any] = {"suite": "text", "metrics": {"bits_per_byte": real}, "primary": "bits_per_byte"}
    runs = table(*(measured(name, samples(row, metric="bits_per_byte"), **fields) for name, row in (("old", old), ("week46", new))))
    earlier = Earlier("old", "week46", Measurements(runs, Policy(baseline="old", references={"week46": "old"})))
    found = planned(
        Rule(metric="text/*/bits_per_byte", require="non_inferior", margin=0.05),
        suites=(suite,),
        earlier=(earlier,),
        effects={"text/t/bits_per_byte": -0.01},
    )
    each = only(found)
    assert asked(each) == "loss < 0.05 bits/byte"
    assert "bits/byte seen" in change(each)
    assert sight(each).startswith("certify ")
    assert sight(each).endswith(" bits/byte")
    assert all("bits/byte" in line for line in sentences(found, "old") if "within" in line or "declared" in line)
