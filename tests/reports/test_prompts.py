"""The page holds of every prompt, as each side saw it, exactly what makes the text again, and what is common only once."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from harness.records import Frame, Measured, Rendered, Sample
from reports.items import explorer, packing
from tests.reports.test_explorer import run_of, sample
from tests.reports.unpacked import beside_of, index_of, texts_of

CHAT = Frame(parts=("<s>user ", 0, "</s>assistant "), special=("<s>", "</s>"))
SYSTEM = Frame(parts=("<s>system ", 0, " user ", -2, "</s>"), special=("<s>", "</s>"))


def framed(row: Sample, frame: int | Frame, *contents: Any) -> Sample:
    return msgspec.structs.replace(row, rendered=Rendered(frame=frame, contents=contents))


def runs(**sides: list[Sample]) -> dict[tuple[str, str], Measured]:
    return {("s", name): run_of("s", name, rows, frames=(CHAT, SYSTEM)) for name, rows in sides.items()}


def saw(pack: packing.Pack, row: int, side: int) -> str | None:
    """As the page puts it together."""
    index = index_of(pack.index)
    number = index["sides"][side]["frame"][row]
    if number < 0:
        return None
    shape, texts = index["places"][row][2], texts_of(pack.index, pack.chunks)[row]
    assert texts is not None
    at, before, found = 2, None, None
    for place, own in enumerate(shape[2:]):
        prompt, contents, end = texts[0], None, at
        if isinstance(own, int):
            end += own >= 0
        else:
            ends = [*own[0], *own[1], *own[2], own[3], *own[4], own[5]]
            end += len(ends)
            prompt = prompt if texts[end - 1] is None else texts[end - 1]
            if isinstance(own[6], list):
                before = []
                for each in own[6]:
                    span = isinstance(each, list)
                    before.append(str(prompt)[each[0] : each[1]] if span else texts[end])
                    end += not span
            contents = before if own[6] else None
        if place == side:
            found = [prompt] if contents is None else contents
        at = end
    assert found is not None
    parts, _ = index["frames"][number]
    return Frame(parts=tuple(parts)).text([str(each) for each in found])


def test_every_side_of_every_item_gets_the_text_that_it_saw() -> None:
    long = "question " * 4
    own = Frame(parts=("tools [1] ", 0, "!"), special=("</s>",))
    gone = Frame(parts=("beginning", "end"), left_out=70)
    rows: list[tuple[Sample, Sample]] = []
    for number, (left, right) in enumerate(itertools.product(("plain", "turns", "own", "gone", "none", "error"), repeat=2)):
        pair = []
        for kind in (left, right):
            row = sample(str(number), None if kind == "error" else 1, prompt="" if kind == "error" else f"{long}{number}")
            if kind == "plain":
                row = framed(row, 0)
            if kind == "turns":
                row = framed(msgspec.structs.replace(row, thinking=("hm",)), 1, "be brief", (0, len(long)))
            if kind == "own":
                row = framed(row, msgspec.structs.replace(own, parts=(f"tools [{number}] ", 0, "!")))
            if kind == "gone":
                row = framed(row, gone)
            if kind == "error":
                row = framed(row, 0, f"{long}{number}")
            pair.append(row)
        rows.append((pair[0], pair[1]))
    measured = runs(b=[left for left, _ in rows], c=[right for _, right in rows])
    pack = packing.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"])
    for number, pair in enumerate(rows):
        for side, row in enumerate(pair):
            seen = row.seen((CHAT, SYSTEM))
            expected = None if seen is None else seen[0].text(seen[1])
            if seen is not None and seen[0].left_out:
                expected = "beginning\n… 70 characters left out …\nend"
            assert saw(pack, number, side) == expected, (number, side)
    frames = index_of(pack.index)["frames"]
    assert [CHAT.parts, SYSTEM.parts] == [tuple(parts) for parts, _ in frames if len(parts) > 1]
    assert all(len(str(parts)) < 40 for parts, _ in frames), "what belongs to one item stands with its texts"


def test_runs_from_before_say_of_no_item_how_it_was_seen() -> None:
    measured = runs(b=[sample("1", 1, prompt="p")], c=[framed(sample("1", 0, prompt="p"), 9)])
    index = index_of(packing.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"]).index)
    assert ([side["frame"] for side in index["sides"]], index["frames"]) == ([[-1], [-1]], [])


def test_the_file_beside_the_page_holds_what_stands_in_the_frames_too() -> None:
    row = framed(sample("1", 1, prompt="p"), 1, "be brief", "a text of its own")
    found = packing.pack(explorer.pair(runs(b=[row], c=[row]), "b", ["c"]), "b", ["c"], budget=10)
    assert found.beside is not None
    assert any("be brief" in str(text) for text in beside_of(found.beside)[1][0])


def test_a_prompt_that_many_items_share_costs_the_page_next_to_nothing() -> None:
    plain = [sample(str(number), 1, prompt=f"question {number}") for number in range(2000)]
    told = [framed(each, 0) for each in plain]
    sizes = []
    for rows in (plain, told):
        found = packing.pack(explorer.pair(runs(b=rows, c=rows), "b", ["c"]), "b", ["c"])
        sizes.append(len(found.index) + sum(map(len, found.chunks)))
    assert sizes[1] - sizes[0] < 300
