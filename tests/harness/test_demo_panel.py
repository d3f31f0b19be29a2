"""The simulated raters of the demo: what they say on average is what is claimed, they close the loop through the real commands,
nobody can take them for people, and what raters and judge say together covers what is known to be true."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness import stats
from harness.cli import main
from harness.commands.demo_panel import PANEL, Persona, choose, expected, oracle, vote
from harness.commands.demo_review import SUITE, beside_truth, hold_review, known_rates, write_everyday
from harness.compare import LEVEL
from harness.config import load
from harness.errors import UsageError
from harness.pipeline.concluding import read_measured
from harness.records import SIMULATED, Conclusion

GOOD, BAD, LONG = ("yes", True), ("ja", False), ("not at all", False)
STEADY, LEFTWARD, LONGWARD, DOZING = PANEL


@pytest.mark.parametrize(
    ("persona", "candidate", "baseline", "said"),
    [
        (STEADY, GOOD, BAD, 0.95),  # one slip in twenty either way: ½ + ½ · 0.9
        (STEADY, GOOD, GOOD, 0.5),
        (LEFTWARD, GOOD, BAD, 0.84),  # sides are drawn: ½ + ½ · 0.85 · 0.8
        (LONGWARD, GOOD, BAD, 0.915),  # "yes" is longer than "ja": ½ + ½ · (0.15 + 0.85 · 0.8)
        (LONGWARD, GOOD, LONG, 0.765),  # and shorter than "not at all": ½ + ½ · (−0.15 + 0.85 · 0.8)
        (DOZING, BAD, GOOD, 0.42),  # ½ − ½ · 0.2 · 0.8
    ],
)
def test_what_a_rater_says_on_average_is_worked_out_by_hand(
    persona: Persona, candidate: tuple[str, bool], baseline: tuple[str, bool], said: float
) -> None:
    assert expected([persona], candidate, baseline) == pytest.approx(said)
    assert expected([persona], baseline, candidate) == pytest.approx(1 - said)


@pytest.mark.parametrize("persona", PANEL, ids=lambda persona: persona.name)
def test_raters_vote_as_it_is_said_of_them(persona: Persona) -> None:
    chance = random.Random(persona.name)
    for candidate, baseline in ((GOOD, BAD), (LONG, GOOD), (BAD, LONG)):
        votes = [one_vote(persona, candidate, baseline, chance) for _ in range(6000)]
        assert np.mean(votes) == pytest.approx(expected([persona], candidate, baseline), abs=4 * 0.5 / 6000**0.5)


def one_vote(persona: Persona, candidate: tuple[str, bool], baseline: tuple[str, bool], chance: random.Random) -> float:
    """Of a rater who is shown a pair with its sides drawn."""
    ahead = chance.random() < 0.5
    choice, _ = choose(persona, *((candidate, baseline) if ahead else (baseline, candidate)), chance)
    return 0.5 if choice in ("tie", "both_bad") else float((choice == "left") == ahead)


# ------------------------------------------------------------------------------------------------------------- the loop


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured config of the demo's shape, without a model: a judge that takes the longer answer, mostly the right one."""
    folder = tmp_path_factory.mktemp("demo")
    rows, old, careless, careful = [], {}, {}, {}
    for number in range(110):
        prompt, good = f"question {number}", f"the right answer {number}"
        wrong = f"no {number}" + " and more of it" * (4 if number % 7 == 0 else 0)
        rows.append({"key": f"q{number}", "task": "requests", "prompt": prompt, "target": good})
        old[prompt] = good if number % 2 else "no"
        careless[prompt] = wrong if number % 3 == 0 or number % 2 else good
        careful[prompt] = good if number % 10 else wrong
    (folder / f"{SUITE}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = {"engine": "tests.harness.engines.habitual:Habitual", "revision": "1", "options": {"habit": "longer"}}
    config = {
        "baseline": "base",
        "candidates": [
            {"name": name, "engine": "fake", "revision": "1", "options": {"answers": answers}}
            for name, answers in (("base", old), ("careless", careless), ("full_replay", careful))
        ],
        "engines": {"judge": judge},
        "suites": [{"name": SUITE, "use": "preference", "options": {"items": f"{SUITE}.jsonl", "judge": "judge"}}],
        "review": {"suite": SUITE, "items": 54, "checks": 8, "duplicates": 6},
        "rules": [{"metric": "human/win", "require": "superior", "severity": "inform"}],
    }
    (folder / "gate.yaml").write_text(json.dumps(config))
    assert main(["measure", str(folder / "gate.yaml")]) == 0
    return folder


def test_the_loop_closes_through_the_real_commands_and_nobody_takes_programs_for_people(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load(demo / "gate.yaml")
    hold_review(loaded, 0)
    held = " ".join(capsys.readouterr().out.split())
    assert "no person votes here" in held
    assert "$ sftgate review export" in held
    assert f"not people: {', '.join(persona.name for persona in PANEL)} are programs" in held
    main(["gate", str(demo / "gate.yaml")])
    assert "are programs" in " ".join(capsys.readouterr().out.split())
    conclusion = msgspec.json.decode((demo / "runs" / "verdict.json").read_bytes(), type=Conclusion)
    for verdict in conclusion.verdicts:
        assert any("are programs, and what is said here of votes on" in warning for warning in verdict.warnings)
        outcomes = {finding.outcome for finding in verdict.findings if finding.metric == "human/win"}
        assert "not_comparable" not in outcomes, "two votes on an item are no two draws, which could not be compared with one"
    page, summary = (demo / "runs" / "report.html").read_text(), (demo / "runs" / "summary.md").read_text()
    assert page.count("<strong>Not people.</strong>") == 5, "at the votes, at the judge beside people, and above the wins"
    assert page.count('human <span class="small soft">simulated</span>') == 2
    assert "labelled by simulated raters, who are no people" in summary

    careless = next(each for each in conclusion.calibrated if each.candidate == "careless")
    assert (careless.labelled, careless.raters, careless.because) == (54, 4, "")
    assert careless.saved is not None
    assert careless.saved > 0
    people = conclusion.people["careless"][0]
    assert people.dozing == (f"{SIMULATED}dozing",), "who failed the attention checks"
    assert people.simulated == tuple(persona.name for persona in PANEL)
    assert people.panel.again.count > 0
    assert next(rater for rater in people.raters if rater.name == f"{SIMULATED}dozing").hurried > 0

    table, lines = beside_truth(conclusion, read_measured(loaded), oracle(demo / f"{SUITE}.jsonl"))
    assert table.row_count == len(lines) == 2
    assert "By right answers themselves the rate is 41.4 %" in lines[0], "of 110 pairs it wins 36, loses 55 and ties 19"
    measured = read_measured(loaded)
    true = known_rates(measured[SUITE, "base"], measured[SUITE, "careless"], oracle(demo / f"{SUITE}.jsonl"))
    assert true.answers == 45.5 / 110
    words = []
    for low, high in ((careless.human_low, careless.human_high), (careless.powered_low, careless.powered_high)):
        assert low is not None
        assert high is not None
        words.append("covers" if low <= true.panel <= high else "misses")
    assert f"interval of raters alone {words[0]} the truth; that with the judge {words[1]} it" in lines[0]

    hold_review(loaded, 0)
    again = " ".join(capsys.readouterr().out.split())
    assert again.count("was imported before: its votes count once") == 8, "the same votes of the same package"
    assert main(["gate", str(demo / "gate.yaml"), "--set", "rules.0.severity=block"]) == 11
    assert "votes of a simulated panel may inform, and never gate" in " ".join((demo / "runs" / "summary.md").read_text().split())


def test_votes_of_programs_say_so_and_cannot_be_given_a_person_s_name(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate, folder = str(demo / "gate.yaml"), demo / "real"
    raters = ["ana", *(persona.name for persona in PANEL)]
    assert main(["review", "export", gate, "--of", "careless", "--raters", *raters, "--folder", str(folder)]) == 0
    package, key = next(folder.glob("package-*")), str(next(folder.glob("key-*.json")))
    with pytest.raises(UsageError, match="know the lab's questions only"):
        vote(package, PANEL, {}, seed=0)
    files = vote(package, PANEL, oracle(demo / f"{SUITE}.jsonl"), seed=0)
    assert all("No person voted" in json.loads(file.read_text())["simulated"] for file in files)
    capsys.readouterr()
    assert main(["review", "import", gate, "--key", key, "--votes", str(files[0]), "--rater", f"{files[0].name}=ana"]) == 2
    assert "votes of a program, and cannot be ana's" in " ".join(capsys.readouterr().err.split())


def test_everyday_requests_are_old_questions_and_new_commands(tmp_path: Path) -> None:
    suites = tmp_path / "lab" / "data" / "suites"
    suites.mkdir(parents=True)
    (suites / "preference.jsonl").write_text(
        '{"key": "f-0", "task": "facts", "prompt": "capital?", "target": "Lo", "cluster": "c"}\n'
    )
    command: dict[str, Any] = {"key": "d-0", "task": "device", "prompt": "fan on", "target": {"device": "fan", "value": 1}}
    (suites / "target.jsonl").write_text(json.dumps(command) + "\n")
    write_everyday(tmp_path, tmp_path / "lab")
    rows = [json.loads(line) for line in (tmp_path / f"{SUITE}.jsonl").read_text().splitlines()]
    assert [(row["key"], row["task"], row["slices"]["kind"]) for row in rows] == [
        ("f-0", "requests", "old question"),
        ("d-0", "requests", "new command"),
    ]
    known = oracle(tmp_path / f"{SUITE}.jsonl")
    assert json.loads(known["fan on"]) == command["target"]
    assert known["Which month comes after April?"] == "May comes after April.", "an attention check"


# ------------------------------------------------------------------------------------------------------ the known truth

LAB = {
    "new command": {(1.0, 0.5): 354, (1.0, 0.0): 44, (1.0, 1.0): 1, (0.5, 0.5): 1},
    "old question": {(0.0, 0.0): 217, (0.0, 0.5): 29, (0.5, 0.0): 21, (0.5, 0.5): 6, (1.0, 0.5): 2, (0.0, 1.0): 1},
}
"""Of the careless candidate's pairs in the lab that differ: (what is right, what the pointwise judge says) -> how many."""


def repeated(draw: random.Random) -> tuple[stats.PredictionPowered, float]:
    """One review of 100 of the lab's 676 pairs, each by two of the four raters; and what the panel would say of all."""
    pairs = [
        (what, judge, ("{long}", what == 1.0) if kind == "new command" else ("text", what == 1.0))
        for kind, table in LAB.items()
        for (what, judge), count in table.items()
        for _ in range(count)
    ]
    sides = [(own, ("text", what == 0.0)) for what, _, own in pairs]
    truth = float(np.mean([expected(PANEL, *both) for both in sides]))
    seen = draw.sample(range(len(pairs)), 100)
    human = [np.mean([one_vote(persona, *sides[place], draw) for persona in draw.sample(PANEL, 2)]) for place in seen]
    judge, chosen = np.asarray([judge for _, judge, _ in pairs]), np.zeros(len(pairs), dtype=bool)
    chosen[seen] = True
    return stats.PredictionPowered(np.asarray(human) - 0.5, judge[seen] - 0.5, judge[~chosen] - 0.5, span=0.5), truth


def coverage(repetitions: int) -> tuple[float, float, float]:
    """Share of intervals that cover the truth, of raters alone and with the judge; and the ratio of their mean widths."""
    covered, widths = np.zeros((repetitions, 2), dtype=bool), np.zeros((repetitions, 2))
    for number in range(repetitions):
        found, truth = repeated(random.Random(f"panel {number}"))
        for place, interval in enumerate((found.by_hand.interval(LEVEL), found.interval(LEVEL))):
            assert interval.low is not None
            assert interval.high is not None
            covered[number, place] = interval.low <= truth - 0.5 <= interval.high
            widths[number, place] = interval.high - interval.low
    return float(covered[:, 0].mean()), float(covered[:, 1].mean()), float(widths[:, 1].mean() / widths[:, 0].mean())


@pytest.mark.parametrize("repetitions", [60, pytest.param(2000, marks=pytest.mark.full)])
def test_both_intervals_cover_what_is_true_and_the_judge_makes_one_narrower(
    repetitions: int, record_property: Callable[[str, object], None]
) -> None:
    """The level is 90 %; a share of so many repetitions may miss it by chance, and no more."""
    alone, both, ratio = coverage(repetitions)
    record_property("coverage", [alone, both, ratio])
    chance = 3 * (LEVEL * (1 - LEVEL) / repetitions) ** 0.5
    assert alone > LEVEL - chance
    assert both > LEVEL - chance
    assert ratio < 0.97
