"""Items are drawn with the probabilities that the key records, so that what people say can be weighted back to all of them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Judgment
from reports.blind.key import Stratum
from reports.blind.reviewable import Pair, disputed, reviewable
from reports.blind.sampling import Sampling, check_sampling, draw_pairs
from tests.reports.blind.sides import packed, pair

LANGUAGES = ["en"] * 60 + ["zh"] * 30 + ["ja"] * 10
DISPUTED = [("conflict",) if index % 10 == 0 else () for index in range(100)]  # 6 en, 3 zh, 1 ja


def hundred() -> list[Pair]:
    sides = pair(100, slices=[{"language": name} for name in LANGUAGES], flags=DISPUTED)
    return list(reviewable(*sides).pairs)


@pytest.mark.parametrize(
    ("sampling", "drawn"),
    [
        (Sampling(), {"all": (100, 100)}),
        (Sampling(items=20), {"all": (100, 20)}),
        (Sampling(items=500), {"all": (100, 100)}),
        (Sampling(items=20, by="language"), {"language=en": (60, 12), "language=ja": (10, 2), "language=zh": (30, 6)}),
        (
            Sampling(items=18, by="language", allocation="equal"),
            {"language=en": (60, 6), "language=ja": (10, 6), "language=zh": (30, 6)},
        ),
        # ten of each, and ja has only ten: the other strata get what it cannot take
        (
            Sampling(items=50, by="language", allocation="equal"),
            {"language=en": (60, 20), "language=ja": (10, 10), "language=zh": (30, 20)},
        ),
        # 90 items of weight 1 and 10 of weight 9 are 180 parts: of 20 drawn, half are disputed
        (Sampling(items=20, disputed=9), {"all": (90, 10), "all (disputed)": (10, 10)}),
        # shares 90 and 30: of 12, nine and three
        (Sampling(items=12, disputed=3), {"all": (90, 9), "all (disputed)": (10, 3)}),
    ],
)
def test_strata_get_their_share(sampling: Sampling, drawn: dict[str, tuple[int, int]]) -> None:
    chosen, strata = draw_pairs(hundred(), sampling, random.Random(3))
    assert strata == {name: Stratum(size=size, drawn=number) for name, (size, number) in drawn.items()}
    assert Counter(one.stratum for one in chosen) == {name: number for name, (_, number) in drawn.items()}
    assert {one.stratum: one.probability for one in chosen} == {name: number / size for name, (size, number) in drawn.items()}
    assert len({one.pair.place for one in chosen}) == len(chosen)


def test_every_stratum_gets_an_item_however_small_its_share() -> None:
    _, strata = draw_pairs(hundred(), Sampling(items=6, by="language", disputed=2), random.Random(0))
    assert {name: each.drawn for name, each in strata.items()} == dict.fromkeys(strata, 1)
    assert len(strata) == 6
    with pytest.raises(UsageError, match="5 items cannot be drawn from 6 strata"):
        draw_pairs(hundred(), Sampling(items=5, by="language", disputed=2), random.Random(0))


def test_items_are_drawn_as_often_as_the_key_says_and_weights_undo_it() -> None:
    """Over many draws: every item's frequency is its probability, and the weighted mean of a score is that of all items."""
    pairs, sampling, draws = hundred(), Sampling(items=24, by="language", disputed=4), 2000
    truth = {one.place: float(index % 7 == 0 or bool(one.disputed)) for index, one in enumerate(pairs)}
    seen: Counter[tuple[str, str]] = Counter()
    probability: dict[tuple[str, str], float] = {}
    raw, weighted = 0.0, 0.0
    for seed in range(draws):
        chosen, _ = draw_pairs(pairs, sampling, random.Random(seed))
        seen.update(one.pair.place for one in chosen)
        probability |= {one.pair.place: one.probability for one in chosen}
        raw += sum(truth[one.pair.place] for one in chosen) / len(chosen) / draws
        weighted += sum(truth[one.pair.place] / one.probability for one in chosen) / len(pairs) / draws
    for place, chance in probability.items():
        assert abs(seen[place] / draws - chance) < 5 * (chance * (1 - chance) / draws) ** 0.5 + 1e-9
    mean = sum(truth.values()) / len(truth)
    assert weighted == pytest.approx(mean, abs=0.005)
    assert raw > mean + 0.1, "disputed items are over-represented until they are weighted"


def test_the_key_keeps_strata_probabilities_and_why_an_item_is_disputed(tmp_path: Path) -> None:
    sides = pair(100, slices=[{"language": name} for name in LANGUAGES], flags=DISPUTED)
    _, key = packed(tmp_path, sides, sampling=Sampling(items=12, disputed=3))
    assert key.strata == {"all": Stratum(size=90, drawn=9), "all (disputed)": Stratum(size=10, drawn=3)}
    assert {(entry.disputed, entry.stratum, entry.probability) for entry in key.entries} == {
        ((), "all", 0.1),
        (("conflict",), "all (disputed)", 0.3),
    }


def opinion(judge: str, score: float | None) -> Judgment:
    return Judgment(judge=judge, score=score)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ({}, ()),
        ({"flags": ("conflict", "truncated")}, ("conflict",)),
        # one judge in both orders: its own conflict is a flag, not a second judge
        ({"judgments": (opinion("a", 1.0), opinion("a", 0.0))}, ()),
        ({"judgments": (opinion("a", 1.0), opinion("b", 0.5))}, ("judges disagree",)),
        ({"judgments": (opinion("a", 0.8), opinion("b", 0.5))}, ()),
        ({"judgments": (opinion("a", 1.0), opinion("b", None))}, ()),
        ({"scores": {"win": 0.5, "disagreement": 0.2}}, ("disagreement",)),
        ({"scores": {"win": 0.5, "disagreement": 0.0}}, ()),
    ],
)
def test_an_item_is_disputed_by_flags_by_judges_and_by_a_declared_metric(sample: dict[str, Any], why: tuple[str, ...]) -> None:
    one = hundred()[1].candidate
    fields = {name: getattr(one, name) for name in one.__struct_fields__} | sample
    assert disputed(type(one)(**fields), "disagreement") == why


@pytest.mark.parametrize(
    ("sampling", "says"),
    [
        (Sampling(items=0), "at least one item"),
        (Sampling(disputed=0.5), "1 to 1000 times"),
        (Sampling(disputed=float("nan")), "1 to 1000 times"),
        (Sampling(allocation="equal"), "name the slice"),
    ],
)
def test_what_cannot_be_drawn_is_refused(sampling: Sampling, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_sampling(sampling)


def test_an_unknown_slice_or_metric_is_named(tmp_path: Path) -> None:
    sides = pair(10, slices={"language": "en"})
    with pytest.raises(UsageError, match=r"no item has a slice 'langage' to draw by\. Did you mean 'language'"):
        packed(tmp_path, sides, sampling=Sampling(items=5, by="langage"))
    with pytest.raises(UsageError, match=r"has no metric 'wins' by which items could be disputed\. Did you mean 'win'"):
        packed(tmp_path, sides, metric="wins", sampling=Sampling(disputed=2))
    with pytest.raises(UsageError, match="drawn as often as others"):
        packed(tmp_path, sides, metric="win")
    assert list(tmp_path.iterdir()) == []
