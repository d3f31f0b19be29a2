"""Items in quarantine leave every rule and every comparison of their suite, on both sides, and everything says so."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest

from harness.errors import ConfigError
from harness.records import Conclusion, Looks, Quarantined, Rule, Sequential
from tests.harness.gate.deciding import LIGHT, MARGIN, against, decide
from tests.harness.runs import measured, right, samples


def out(*keys: str, suite: str = "facts") -> tuple[Quarantined, ...]:
    return tuple(Quarantined(suite=suite, key=key, reason="two right answers", until=date(2030, 1, 1)) for key in keys)


def test_items_in_quarantine_count_nowhere() -> None:
    base, new = against(12, 1, 250, 137)
    runs = [measured(name, samples(scores)) for name, scores in (("base", base), ("new", new))]
    assert decide(*runs, rules=(LIGHT,)).outcome == "fail"
    lost = tuple(f"k{index}" for index in range(11))
    found = decide(*runs, rules=(LIGHT, MARGIN), quarantine=out(*lost))
    assert found.outcome == "pass"
    for finding in found.verdicts[0].findings:
        assert finding.comparison is not None
        assert finding.comparison.items == 389
    assert [comparison.items for comparison in found.comparisons] == [389]
    assert found.comparisons[0].lost == 1
    assert [entry.key for entry in found.quarantined] == list(lost)


def test_what_was_asked_stays_what_was_asked() -> None:
    failed = samples([None, *right(3, 1)])
    runs = [measured("base", samples(right(3, 2))), measured("new", failed)]
    found = decide(*runs, rules=(msgspec.structs.replace(MARGIN, margin=0.9),), quarantine=out("k0"))
    health = {line.candidate: line for line in found.health}
    assert (health["new"].asked, health["new"].failed) == (5, 1)
    assert health["base"].value == pytest.approx(0.5), "2 of the 4 that count"
    assert found.outcome != "invalid", "an item that does not count cannot break the evaluation"
    assert decide(*runs).outcome == "invalid"


def test_other_suites_keep_the_item() -> None:
    base, new = against(3, 3, 200, 100)
    runs = [measured(name, samples(s), suite=suite) for suite in ("facts", "skill") for name, s in (("base", base), ("new", new))]
    found = decide(*runs, rules=(Rule(metric="*/*/acc", require="not_regressed"),), quarantine=out("k5"))
    assert {c.metric: c.items for c in found.comparisons} == {"facts/t/acc": 305, "skill/t/acc": 306}


def test_an_item_that_nobody_has_is_named_with_its_neighbours() -> None:
    runs = [measured(name, right(150, 50)) for name in ("base", "new")]
    with pytest.raises(ConfigError, match=re.escape("suite 'facts' has no item with the key 'k1999'. Did you mean")) as caught:
        decide(*runs, quarantine=out("k1", "k1999"))
    assert caught.value.where == "quarantine[1].key"
    smoke = [measured(name, right(15, 5), limit=20) for name in ("base", "new")]
    assert decide(*smoke, quarantine=out("k1", "k1999")).outcome == "inconclusive", "a smoke run does not know every item"


def test_much_in_quarantine_is_a_warning() -> None:
    runs = [measured(name, samples(scores)) for name, scores in zip(("base", "new"), against(1, 1, 60, 38), strict=True)]
    few = decide(*runs, quarantine=out(*(f"k{index}" for index in range(5)))).verdicts[0].warnings
    assert not any("in quarantine" in warning for warning in few)
    much = decide(*runs, quarantine=out(*(f"k{index}" for index in range(6)))).verdicts[0].warnings
    assert "6 of 100 items of facts (6.0 %) are in quarantine: what is left is another suite" in much


def test_a_run_that_was_asked_in_part_counts_its_looks_without_them() -> None:
    base, new = against(0, 0, 300, 100)
    looks = Looks(settings=Sequential(looks=4), planned=(100, 200, 300, 400), made=(100, 200))
    runs = [measured("base", samples(base)), measured("new", samples(new[:200]), looks=looks)]
    found = decide(*runs, rules=(LIGHT,), quarantine=out(*(f"k{index}" for index in range(0, 40, 2))))
    finding = found.verdicts[0].findings[0]
    assert finding.comparison is not None
    assert finding.comparison.items == 180


def test_what_is_in_quarantine_survives_the_verdicts_file() -> None:
    runs = [measured(name, right(150, 50)) for name in ("base", "new")]
    found = decide(*runs, quarantine=out("k1"), judged={"facts": 3})
    again = msgspec.json.decode(msgspec.json.encode(found), type=Conclusion)
    assert again.quarantined == out("k1")
    assert again.judged == {"facts": 3}


def test_items_that_judged_many_are_warned_about() -> None:
    runs = [measured(name, right(150, 50)) for name in ("base", "new")]
    assert not any("have judged" in warning for warning in decide(*runs, judged={"facts": 19}).verdicts[0].warnings)
    warnings = decide(*runs, judged={"facts": 20}).verdicts[0].warnings
    assert any("the items of facts have judged 20 different candidates by now" in warning for warning in warnings)


def test_a_suite_that_is_in_quarantine_altogether_is_named() -> None:
    runs = [measured(name, right(3, 1)) for name in ("base", "new")]
    with pytest.raises(ConfigError, match=re.escape("all 4 items of suite 'facts' are in quarantine")) as caught:
        decide(*runs, quarantine=out("k0", "k1", "k2", "k3"))
    assert caught.value.where == "quarantine"
    assert decide(*runs, quarantine=out("k0", "k1", "k2")).outcome == "insensitive", "one item is left"
