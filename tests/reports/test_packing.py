"""Items packed for the page: nothing changes on the way in and out, and what does not fit is left out in order, aside, and said."""

from __future__ import annotations

import gzip
import random
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness.commands import gating
from harness.records import Judgment, Metric
from reports import page, view
from reports.items import explorer, packing, texts
from tests.reports import fixtures
from tests.reports.test_explorer import run_of, sample
from tests.reports.unpacked import beside_of, blocks, index_of, texts_of

Side = list[Any]


def packed(before: Side, after: Side, **more: Any) -> packing.Pack:
    metrics = {"acc": Metric(kind="bounded")}
    runs = {("s", name): run_of("s", name, rows, metrics=metrics) for name, rows in (("b", before), ("c", after))}
    return packing.pack(explorer.pair(runs, "b", ["c"]), "b", ["c"], **more)


def noise(number: int, size: int = 1000) -> str:
    """Text that does not compress."""
    return f"{number} " + "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz ", k=size))


def test_every_text_comes_back_as_it_was_whatever_is_in_it() -> None:
    odd = ["\ufeffmark", "a\x00b", "\U0001f600 \u202e</script>", "", "İstanbul", "\u2028\u2029"]
    told = Judgment(judge="j", criterion="kind", order="left", score=None, raw="as it was said")
    full = {"prompt": odd[0], "target": {"a": "é"}, "thinking": ("hm",), "extracted": (None,), "judgments": (told,)}
    before = [sample(str(place), 1, prompt=text) for place, text in enumerate(odd)] + [sample("full", 1, **full)]
    after = [sample(str(place), 1, prompt="other") for place in range(len(odd))] + [sample("full", None, prompt="p")]
    found = packed(before, after, chunk=8)
    rows = texts_of(found.index, found.chunks)
    assert len(found.chunks) > 3
    assert rows[0] == ["\ufeffmark", "", "0 1", "0 1", None, "other"]
    assert [row[0] for row in rows if row] == [*odd[:3], "other", *odd[4:], "\ufeffmark"]
    assert rows[-1] == [
        "\ufeffmark",
        '{"a":"é"}',
        "full 1",
        "hm",
        None,
        None,
        "as it was said",
        None,
        "EngineError: timed out",
        "p",
    ]
    assert (found.left_out, found.cut, found.beside) == (0, 0, None)


def test_an_empty_answer_is_not_a_missing_one() -> None:
    blank = msgspec.structs.replace(sample("1", 0, prompt="p"), outputs=("",))
    found = packed([blank, sample("2", 1, prompt="q")], [blank])
    assert texts_of(found.index, found.chunks) == [["p", "", "", ""], ["q", "", "2 1"]]


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    found = packed([sample("1", 1, prompt="\ud800!")], [sample("1", 1, prompt="\ud800!")])
    assert texts_of(found.index, found.chunks)[0][0] == "?!"


def test_beyond_the_budget_lost_failed_and_gained_items_keep_their_texts_in_this_order() -> None:
    before = [sample(str(number), 0 if number in (4, 5) else 1, prompt=noise(number)) for number in range(60)]
    after = [
        sample(str(number), None if number == 9 else 0.9 if number == 30 else number not in (7, 8), prompt=noise(number))
        for number in range(60)
    ]
    kept = {}
    for budget in (12_000, 18_000, 40_000):
        found = packed(before, after, budget=budget, chunk=900)
        rows = texts_of(found.index, found.chunks)
        assert found.left_out == sum(row is None for row in rows) == 60 - len(found.chunks)
        assert packing.embedded(len(found.index)) + sum(packing.embedded(len(each)) for each in found.chunks) <= budget
        order = [row for _, row in sorted((place[0], row) for row, place in enumerate(index_of(found.index)["places"]) if place)]
        kept[budget] = order
        assert order == [7, 8, 30, 9, 4, 5, *(row for row in range(60) if row not in (4, 5, 7, 8, 9, 30))][: len(order)]
    assert 0 < len(kept[12_000]) < len(kept[18_000]) < len(kept[40_000]) < 60


def test_what_is_left_out_keeps_its_scores_and_lies_whole_beside_the_page() -> None:
    long = noise(0, 40_000)
    before = [sample("0", 1, prompt=long), *(sample(str(number), 1, prompt=noise(number)) for number in range(1, 60))]
    after = [sample("0", 0, prompt=long), *(sample(str(number), 1, prompt=noise(number)) for number in range(1, 60))]
    found = packed(before, after, budget=30_000, chunk=900)
    index = index_of(found.index)
    assert (found.cut, index["excerpt"][50][:3], index["sides"][1]["score"][50]) == (1, "50 ", [0, 1])
    shown = texts_of(found.index, found.chunks)[0][0]
    assert len(shown) < texts.LONGEST_TEXT + 60
    assert shown.startswith(long[:1000])
    assert shown.endswith(long[-1000:])
    assert f"{len(long) - texts.LONGEST_TEXT:,} characters left out" in shown
    assert found.beside is not None
    assert index["beside"] == len(gzip.decompress(found.beside)), "no file of another size is read"
    head, rows = beside_of(found.beside)
    assert head == {"format": 1, "report": index["mark"], "items": len(rows)}
    assert set(rows) == {0, *(row for row, place in enumerate(index["places"]) if not place)}
    assert (rows[0][0], rows[59][0]) == (long, noise(59))


def test_the_same_items_make_the_same_bytes() -> None:
    first, second = (packed([sample("1", 1, prompt=noise(1))], [sample("1", 0, prompt=noise(1))], budget=100) for _ in range(2))
    assert first == second
    assert first.beside is not None


def test_a_test_case_is_exact_only_where_the_prompt_is_all_that_was_said() -> None:
    rows = [
        sample("1", 1, prompt="abc", prompt_length=3, target="x"),
        sample("2", 1, prompt="user: abc", prompt_length=3, target=["x"]),
        sample("3", 1, prompt="abc"),
        sample("4", 1, prompt="abc", target="x" * (texts.LONGEST_TEXT + 1)),
        sample("5", 1, prompt="abc", target=["x" * texts.LONGEST_TEXT]),
    ]
    exact = [packing.EXACT, packing.AS_JSON, packing.EXACT | packing.NO_TARGET, 0, 0]
    assert index_of(packed(rows, rows).index)["case"] == exact, "a target of which the page holds only two ends is none"


@pytest.mark.parametrize("flags", [(), ("truncated",), ("empty", "unparsable")])
def test_flags_slices_draws_and_lengths_stand_in_the_index(flags: Any) -> None:
    row = sample("1", 0.5, prompt="abcd", flags=flags, slices={"language": "zh"}, draws={"acc": [0.0, 1.0]})
    index = index_of(packed([sample("0", 1), row], [sample("0", 1), row]).index)
    assert [flag for bit, flag in enumerate(index["flags"]) if index["sides"][1]["flags"][1] & 1 << bit] == list(flags)
    assert (index["slices"], index["slice"]) == ([["language", ["zh"]]], [[-1, 0]])
    assert index["sides"][1]["draws"] == {"1": [[0, [0, 1]]]}
    assert (index["asked"], index["sides"][1]["length"]) == ([0, 4], [3, 5])
    assert index["sides"][1]["marks"] == "02"


def test_items_have_the_room_that_the_rest_of_the_page_leaves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fixtures.small()
    shown = view.build(*made)
    items = sum(packing.embedded(len(each)) for each in (shown.pack.index, *shown.pack.chunks))
    rest = len(page.files(shown)["report.html"]) - items
    monkeypatch.setattr(view, "_size", lambda data: rest)
    monkeypatch.setattr(packing, "WHOLE_PAGE", rest + 76_000)
    monkeypatch.setattr(packing, "pack", partial(packing.pack, chunk=2_000))
    tight = view.build(*made)
    html = page.files(tight)["report.html"]
    here = {row for row, place in enumerate(index_of(tight.pack.index)["places"]) if place}
    rows = {int(row) for row in re.findall(r'data-row="(\d+)"', html.decode())}
    assert len(rows) > 40
    assert rows <= here, "what the page points to has its texts"
    assert len(here) < tight.pack.items, "others have not, where tables and data take the room"


def test_the_page_holds_what_was_measured_and_writes_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fixtures.small()
    found = page.files(view.build(*made))
    assert list(found) == ["report.html"]
    index, *chunks = blocks(found["report.html"].decode())
    rows, columns = texts_of(index, chunks), index_of(index)
    samples = made[1]["general", "base"].samples
    row = columns["key"].index(samples[-1].key)
    assert rows[row][:3] == [samples[-1].prompt, samples[-1].target, samples[-1].outputs[0]]
    monkeypatch.setattr(packing, "pack", partial(packing.pack, budget=72_000, chunk=9_000))
    squeezed = page.files(view.build(*made))
    assert list(squeezed) == ["report.html", packing.SIDE_FILE]
    assert packing.SIDE_FILE in squeezed["report.html"].decode()


def test_a_file_beside_the_page_is_written_with_it_and_goes_when_everything_fits_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conclusion, runs, _ = fixtures.small()
    monkeypatch.setattr(gating, "read_training", lambda loaded: {})
    loaded: Any = SimpleNamespace(store=tmp_path, part="", config=SimpleNamespace(lang="en"))
    whole = packing.pack
    monkeypatch.setattr(packing, "pack", partial(whole, budget=72_000, chunk=9_000))
    assert gating.write_outputs(loaded, conclusion, runs)[0] == tmp_path / "report.html"
    head, _rows = beside_of((tmp_path / packing.SIDE_FILE).read_bytes())
    assert head["report"] == index_of(blocks((tmp_path / "report.html").read_text(encoding="utf-8"))[0])["mark"]
    monkeypatch.setattr(packing, "pack", whole)
    gating.write_outputs(loaded, conclusion, runs)
    assert not (tmp_path / packing.SIDE_FILE).exists()
