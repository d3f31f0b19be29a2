"""Slices for reading: the numbers of a rule about the slice, a correction of their own, and nothing decided by them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from harness.gate import slices as reading
from harness.gate.slices import FEW, MOST_VALUES
from harness.records import Conclusion, Looks, Measured, Metric, Quarantined, Rule, Sample, Sequential, SliceReading
from harness.stats import benjamini_hochberg
from tests.harness.gate.deciding import MARGIN, decide
from tests.harness.runs import measured, samples


def said(scores: list[float | None], langs: list[str], **fields: Any) -> list[Sample]:
    return samples(scores, slices=[{"lang": lang} for lang in langs], **fields)


def two_languages(lost_zh: int = 12, name: str = "new") -> tuple[Measured, Measured]:
    """100 English and 40 Chinese items, all right before; of the Chinese ones some are lost."""
    langs = ["en"] * 100 + ["zh"] * 40
    base: list[float | None] = [1.0] * 140
    new = [1.0] * 100 + [0.0] * lost_zh + [1.0] * (40 - lost_zh)
    return measured("base", said(base, langs)), measured(name, said([*new], langs))


def read(conclusion: Conclusion, value: str, metric: str = "facts/t/acc", candidate: str = "new") -> SliceReading:
    found = [s for s in conclusion.slices if (s.value, s.metric, s.candidate) == (value, metric, candidate)]
    assert len(found) == 1
    return found[0]


def test_a_slice_has_the_numbers_of_the_rule_about_it() -> None:
    rules = (MARGIN, Rule(metric="facts/*/acc", require="not_regressed", slice="lang=*"))
    concluded = decide(*two_languages(), rules=rules)
    for finding in concluded.verdicts[0].findings[1:]:
        theirs = finding.comparison
        assert theirs is not None
        mine = read(concluded, str(finding.rule.slice).partition("=")[2])
        for name in ("items", "clusters", "gain", "low", "high", "baseline_value", "candidate_value", "won", "lost"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name)), name
    zh = read(concluded, "zh")
    assert (zh.field, zh.items, zh.lost, zh.won) == ("lang", 40, 12, 0)
    assert zh.gain == pytest.approx(-0.3)
    assert zh.p == pytest.approx(2 * 0.5**12), "exact McNemar, two-sided"


def test_slices_decide_nothing_and_cost_no_rule_anything() -> None:
    langs = two_languages()
    bare = [structs.replace(each, samples=tuple(structs.replace(s, slices={}) for s in each.samples)) for each in langs]
    with_slices, without = decide(*langs), decide(*bare)
    assert len(with_slices.slices) == 2
    assert without.slices == ()
    assert with_slices.verdicts == without.verdicts
    assert with_slices.comparisons == without.comparisons
    assert with_slices.exit_code == without.exit_code


def test_p_is_corrected_over_the_slices_of_one_candidate_and_no_other() -> None:
    base, one = two_languages(12, "one")
    two = two_languages(7, "two")[1]
    alone, both = decide(base, one), decide(base, one, two)
    mine = [s for s in both.slices if s.candidate == "one"]
    assert mine == [s for s in alone.slices if s.candidate == "one"], "another candidate changes nothing"
    p = [s.p for s in mine if s.p is not None]
    assert len(p) == 2
    assert [s.p_bh for s in mine] == benjamini_hochberg(p)
    assert [s.p_bh for s in mine] != p


@pytest.mark.parametrize("count", [FEW - 1, FEW])
def test_a_slice_of_few_items_says_so_instead_of_a_number(count: int) -> None:
    langs = ["en"] * 60 + ["zh"] * count
    runs = [measured(name, said([1.0] * 60 + [wrong] * count, langs)) for name, wrong in (("base", 1.0), ("new", 0.0))]
    zh = read(decide(*runs), "zh")
    if count < FEW:
        assert zh.note == f"n too small: {count} items, under {FEW}"
        assert (zh.gain, zh.low, zh.high, zh.p, zh.p_bh, zh.baseline_value) == (None,) * 6
    else:
        assert zh.note == ""
        assert zh.gain == -1.0


def test_what_counts_as_few_are_clusters_where_items_belong_together() -> None:
    langs = ["en"] * 60 + ["zh"] * 30
    clusters = [f"e{i}" for i in range(60)] + [f"z{i // 10}" for i in range(30)]
    runs = [measured(name, said([1.0] * 90, langs, cluster=clusters)) for name in ("base", "new")]
    zh = read(decide(*runs), "zh")
    assert (zh.items, zh.clusters) == (30, 3)
    assert zh.note == f"n too small: 3 clusters, under {FEW}"


def test_slices_that_show_no_difference_have_an_interval_with_a_width() -> None:
    en = read(decide(*two_languages()), "en")
    assert en.low is not None
    assert en.high is not None
    assert en.gain == 0
    assert en.low < 0 < en.high
    assert en.p == 1.0


def test_missing_and_failed_items_are_counted_in_their_slice() -> None:
    langs = ["en"] * 50 + ["zh"] * 50
    base = measured("base", said([1.0] * 100, langs))
    failed = said([1.0] * 97 + [None] * 3, langs)
    rule = Rule(metric="facts/*/acc", require="not_regressed", max_errors=0.1, max_missing=0.1)
    concluded = decide(base, measured("new", failed[1:]), rules=(rule,), max_errors=0.1)
    assert (read(concluded, "zh").missing, read(concluded, "zh").items) == (3, 47)
    assert (read(concluded, "en").missing, read(concluded, "en").items) == (1, 49)


def test_items_in_quarantine_are_in_no_slice() -> None:
    from datetime import date

    out = Quarantined(suite="facts", key="k100", reason="two answers are right", until=date(2099, 1, 1))
    assert read(decide(*two_languages(), quarantine=(out,)), "zh").items == 39


def test_a_name_is_no_slice_and_neither_is_the_split() -> None:
    count = MOST_VALUES + 1
    slices = [{"id": f"i{i % count}", "split": "gate" if i % 2 else "select"} for i in range(20 * count)]
    runs = [measured(name, samples([1.0] * len(slices), slices=slices)) for name in ("base", "new")]
    found = decide(*runs).slices
    assert [(each.field, each.value, each.gain) for each in found] == [("id", "*", None)]
    assert f"{count} values are too many" in found[0].note


def test_flags_and_what_was_lost_are_not_read_by_slice() -> None:
    runs = [structs.replace(each, run=structs.replace(each.run, watched=("truncated",), retained=True)) for each in two_languages()]
    concluded = decide(*runs, references={"new": "base"})
    assert {each.metric for each in concluded.comparisons} > {"facts/t/acc", "facts/t/truncated", "facts/t/lost"}
    assert {each.metric for each in concluded.slices} == {"facts/t/acc"}


def test_groups_keep_the_weights_of_their_tasks_in_a_slice() -> None:
    tasks = ["a"] * 60 + ["b"] * 60
    langs = ["en", "zh"] * 60
    new = [0.0 if task == "a" and lang == "zh" and i < 20 else 1.0 for i, (task, lang) in enumerate(zip(tasks, langs, strict=True))]
    groups = {"both": {"acc": {"a": 3.0, "b": 1.0}}}
    runs = [
        measured(
            name, [structs.replace(s, task=t) for s, t in zip(said([*scores], langs), tasks, strict=True)], groups=groups
        )
        for name, scores in (("base", [1.0] * 120), ("new", new))
    ]  # fmt: skip
    rule = Rule(metric="facts/both/acc", require="not_regressed", slice="lang=zh")
    concluded = decide(*runs, rules=(rule,))
    theirs = concluded.verdicts[0].findings[0].comparison
    assert theirs is not None
    zh = read(concluded, "zh", "facts/both/acc")
    assert zh.gain == pytest.approx(-0.75 * 10 / 30)
    assert (zh.gain, zh.low, zh.high) == pytest.approx((theirs.gain, theirs.low, theirs.high))


def test_a_run_that_was_looked_at_has_no_p_in_its_slices() -> None:
    base, new = two_languages()
    looks = Looks(settings=Sequential(), planned=(70, 140), made=(70, 140))
    new = structs.replace(new, run=structs.replace(new.run, looks=looks))
    zh = read(decide(base, new), "zh")
    assert zh.gain == pytest.approx(-0.3)
    assert (zh.p, zh.p_bh, zh.low, zh.high) == (None,) * 4
    assert "look by look" in zh.note


def test_sides_that_may_not_be_compared_have_no_slices() -> None:
    base, new = two_languages()
    assert decide(base, structs.replace(new, run=structs.replace(new.run, items_hash="others"))).slices == ()


def test_metrics_of_all_kinds_are_read() -> None:
    langs = ["en", "zh"] * 40
    metrics = {"acc": Metric(kind="real", direction="lower"), "bits": Metric(kind="ratio", aggregator="ratio", direction="lower")}
    runs = []
    for name, extra in (("base", 0.0), ("new", 0.5)):
        listed = [
            structs.replace(
                s, scores={"acc": 2.0 + i % 3 + extra * (i % 2), "bits": 1.0},
                statistics={"bits": [3.0 + i % 5 + extra * (i % 2), 4.0]},
            )
            for i, s in enumerate(said([0.0] * 80, langs))
        ]  # fmt: skip
        runs.append(measured(name, listed, metrics=metrics))
    concluded = decide(*runs)
    for metric in ("facts/t/acc", "facts/t/bits"):
        zh, en = read(concluded, "zh", metric), read(concluded, "en", metric)
        assert zh.gain is not None
        assert en.gain is not None
        assert zh.gain < -0.1, "higher is worse"
        assert en.gain == pytest.approx(0, abs=1e-12)
        assert zh.p is not None
        assert zh.p < 0.01


def test_of_too_many_slices_only_first_metrics_are_read_and_the_rest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    base, new = two_languages()
    metrics = {"acc": Metric(kind="binary"), "strict": Metric(kind="binary")}
    runs = [
        structs.replace(
            each,
            run=structs.replace(each.run, metrics=metrics),
            samples=tuple(structs.replace(s, scores={"acc": s.scores["acc"], "strict": 1.0}) for s in each.samples if s.scores),
        )
        for each in (base, new)
    ]
    assert {each.metric for each in decide(*runs).slices if each.gain is not None} == {"facts/t/acc", "facts/t/strict"}
    monkeypatch.setattr(reading, "MOST_SLICES", 3)
    found = decide(*runs).slices
    assert [(each.metric, each.value, each.gain is None) for each in found] == [
        ("facts/t/acc", "en", False), ("facts/t/acc", "zh", False), ("facts/t/strict", "*", True),
    ]  # fmt: skip
    assert found[-1].note == "not read: of 4 slices only those of each suite's first metric are"
