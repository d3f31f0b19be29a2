"""What lost items have in common: planted groups are found, chance finds none, and shares are those that were counted by hand."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from lxml import html as lxml_html

from harness.records import SHARES, Sample
from reports import page, view
from reports.comment import markdown
from reports.failures import reading
from reports.failures.alike import alike
from reports.failures.reading import readings
from reports.failures.words import shared
from reports.items.explorer import GAINED, LOST, SAME, Pairing
from tests.reports import fixtures

assert "binary" in SHARES
TOWNS = ("Velmora", "Astrin", "Quellia", "Dorvane", "Ishtar", "Pellan", "Umbria", "Kessel", "Noravia", "Tarth")


def paired(
    number: int,
    prompt: str,
    lost: bool,
    *,
    answer: str = "no",
    suite: str = "s",
    task: str = "t",
    cluster: str | None = None,
    **slices: str,
) -> Pairing:
    def sample(text: str, score: float) -> Sample:
        return Sample(
            key=f"k{number}", task=task, prompt=prompt, outputs=(text,), scores={"acc": score}, slices=slices, cluster=cluster
        )

    return Pairing(
        suite=suite, task=task, key=f"k{number}", metric="acc", statuses={"base": SAME, "new": LOST if lost else SAME},
        gains={"new": -1.0 if lost else 0.0}, samples={"base": sample("yes", 1.0), "new": sample(answer, 0.0 if lost else 1.0)},
    )  # fmt: skip


def questions(count: int = 60) -> list[tuple[str, str]]:
    """Three kinds in turn, one of them Chinese."""
    made = []
    for number in range(count):
        town = TOWNS[number % 10]
        made.append(("town", f"Which town is the capital of {town}? Say its name only."))
        made.append(("sum", f"What is {number} plus {number * 7 % 90}?"))
        made.append(("灯", f"请把{town}房间的灯调到百分之{number}。"))
    return made


def test_questions_of_one_kind_are_one_group_whatever_their_names_and_numbers() -> None:
    asked = questions()
    groups = alike([text for _, text in asked])
    kinds = [{asked[place][0] for place in group.members} for group in groups]
    assert all(len(kind) == 1 for kind in kinds)
    assert sum(len(group.members) for group in groups) == len(asked)
    assert {max(len(g.members) for g, kind in zip(groups, kinds, strict=True) if kind == {name}) for name in ("sum", "灯")} == {60}


def test_many_texts_are_grouped_as_few_are() -> None:
    asked = questions(900)  # more than are linked
    groups = alike([text for _, text in asked])
    kinds = [{asked[place][0] for place in group.members} for group in groups]
    assert all(len(kind) == 1 for kind in kinds)
    assert sum(len(group.members) for group in groups) > 0.95 * len(asked)


def test_empty_texts_and_equal_texts_make_no_group_and_no_error() -> None:
    assert alike([]) == alike(["a"]) == alike(["", "  ", ""]) == []
    assert alike(["the same"] * 9) == []
    assert alike(["\ud800", "\x00" * 5, "灯", "灯"])[0].members


def test_what_a_group_shares_is_said_in_words() -> None:
    told = shared(["请把厨房的灯调暗", "请把卧室的灯调暗"], ["What is 1 plus 2?"])
    assert "请把" in told.split(" · ")
    assert shared(["Open the vault of Astrin", "Open the vault of Tarth"], ["Which town of Tarth"]).split(" · ")[:2] == [
        "vault",
        "open",
    ]
    assert shared(["x"], ["x"]) == ""


def test_a_planted_group_is_found_with_its_counts_and_its_share() -> None:
    dice = random.Random(5)
    made = []
    for number, (kind, text) in enumerate(questions()):
        lost = number % 180 < 150 if kind == "灯" else dice.random() < 0.02
        made.append(paired(number, text, lost, answer="好的" if kind == "灯" else str(number)))
    found = readings(made, ("new",))["new"]
    lost = [place for place, each in enumerate(made) if each.statuses["new"] == LOST]
    assert found.lost == len(lost)
    group = found.groups[0]
    assert (group.by, group.items, group.lost) == ("question", 60, 50)
    others = (len(lost) - 50) / 120
    assert group.elsewhere == pytest.approx(others)
    assert group.share == pytest.approx(50 / len(lost))
    assert group.excess == pytest.approx((50 - 60 * others) / len(lost))
    assert set(group.rows) <= set(lost)
    assert found.answers[0].count == 50
    assert "好的" in found.answers[0].words


def test_a_slice_that_is_lost_is_named_as_one() -> None:
    made = [paired(n, f"{TOWNS[n % 10]} {n}", n % 2 == 0 and n < 80, language="zh" if n % 2 == 0 else "en") for n in range(120)]
    found = readings(made, ("new",))["new"]
    assert (found.groups[0].by, found.groups[0].name, found.groups[0].lost) == ("slice", "language=zh", 40)


def test_losses_by_chance_make_no_group() -> None:
    listed = 0
    for seed in range(20):
        dice = random.Random(seed)
        made = [
            paired(n, text, dice.random() < 0.2, task=kind, side=dice.choice("ab")) for n, (kind, text) in enumerate(questions())
        ]
        listed += bool(readings(made, ("new",))["new"].groups)
    assert listed <= 3  # one in twenty is expected at most; four or more have a chance of 1.6 %


def test_documents_that_are_lost_as_a_whole_are_no_proof_of_their_topic() -> None:
    listed = 0
    for seed in range(20):
        dice = random.Random(seed)
        made = []
        for document in range(60):
            gone = dice.random() < 0.2
            made += [
                paired(n, f"{TOWNS[n % 10]} {n}", gone, cluster=f"d{document}", topic=str(document % 6))
                for n in range(document * 8, document * 8 + 8)
            ]
        listed += bool(readings(made, ("new",))["new"].groups)
    assert listed <= 3, "items of one document are no eight witnesses"


def test_a_topic_whose_documents_are_lost_is_found_with_the_counts_of_items() -> None:
    made = [
        paired(n, f"{TOWNS[n % 10]} {n}", n // 4 % 6 == 1 or n % 40 == 0, cluster=f"d{n // 4}", topic=str(n // 4 % 6))
        for n in range(480)
    ]
    group = readings(made, ("new",))["new"].groups[0]
    assert (group.name, group.items, group.lost) == ("topic=1", 80, 80)
    assert group.elsewhere == sum(n % 40 == 0 and n // 4 % 6 != 1 for n in range(480)) / 400


def test_groups_of_as_many_items_are_not_the_same_group() -> None:
    made = [paired(n, f"{TOWNS[n % 10]} {n}", n < 60, side="left" if n < 30 else "right" if n < 60 else "none") for n in range(300)]
    found = readings(made, ("new",))["new"].groups
    assert {(each.name, each.items, each.lost) for each in found} >= {("side=left", 30, 30), ("side=right", 30, 30)}
    twins = [
        paired(n, f"{TOWNS[n % 10]} {n}", n < 60, task="old" if n < 60 else "new", age="old" if n < 60 else "new")
        for n in range(300)
    ]
    assert [each.by for each in readings(twins, ("new",))["new"].groups if each.items == 60] == ["task"]


def test_an_empty_answer_is_one_and_no_answer_is_none() -> None:
    made = [paired(n, f"{TOWNS[n % 10]} {n}", n < 20, answer="" if n < 12 else "no") for n in range(60)]
    for each in made[:6]:
        each.samples["new"] = Sample(key=each.key, task="t", outputs=(), scores={"acc": 0.0})
    found = readings(made, ("new",))["new"]
    assert [(each.empty, each.count, each.share) for each in found.answers if each.empty] == [(True, 6, 0.3)]


def test_few_losses_and_gains_are_not_grouped() -> None:
    made = [paired(n, "the same question", n < 4) for n in range(50)]
    assert readings(made, ("new",))["new"].groups == ()
    made[9].statuses["new"] = GAINED
    assert readings(made, ("new",))["new"].lost == 4


def test_the_page_says_it_from_its_own_data_and_links_to_the_items() -> None:
    conclusion, measured, training = fixtures.small()
    tree = lxml_html.document_fromstring(page.render(conclusion, measured, training).encode())
    section = tree.get_element_by_id("failures")
    assert section.xpath(".//*[starts-with(@data-at, '/failures/careless/groups/0/excess')]")
    rows = {link.get("href") for link in section.xpath(".//a[@data-row]")}
    assert rows
    assert all(href.startswith("#item-") for href in rows)


def test_the_summary_says_the_same_in_few_lines_and_nothing_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    conclusion, measured, _ = fixtures.small()
    readings = view.build(conclusion, measured, {}).readings
    monkeypatch.setattr(reading, "alike", None)  # once is enough
    text = markdown(conclusion, measured, readings)
    part = text[text.index("What lost items have in common") :].split("</details>")[0]
    assert re.search(r"- careless: .*\d+ of \d+ lost, elsewhere .* explains [\d.]+% of the loss", part)
    assert "lost answers" in part
    assert part.count("\n- careless") <= 4
    assert "<script" not in part
    assert "What lost items" not in markdown(conclusion, measured)


def test_only_groups_that_are_shown_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting words takes longest, and of a hundred groups of questions one may have lost something."""
    named: list[int] = []

    def counted(inside: Sequence[str], outside: Sequence[str]) -> str:
        named.append(len(inside))
        return shared(inside, outside)

    monkeypatch.setattr(reading, "shared", counted)
    pairings = [
        paired(number, text, kind == "sum", answer=f"{number} {'xyz'[number % 3] * 40}")
        for number, (kind, text) in enumerate(questions())
    ]
    found = readings(pairings, ["new"])["new"]
    (group,) = found.groups
    assert (group.by, group.items, group.lost) == ("question", 60, 60)
    assert "plus" in group.name
    assert named == [60, *(each.count for each in found.answers)], "and not the two kinds that lost nothing"
