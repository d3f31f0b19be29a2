"""People's votes in the store: brought in by a command, and brought in again where somebody changed them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.console import out
from harness.store import Store
from reports.blind.key import OTHER, read_key


def test_votes_that_were_changed_in_the_store_are_imported_again_once_they_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(*words: str, code: int = 0) -> str:
        assert main([*words]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return " ".join((captured.out + captured.err).split())

    items = [{"key": f"q{index}", "prompt": f"question {index}", "target": f"question {index}"} for index in range(12)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    new = {"name": "new", "engine": "fake", "options": {"answers": {item["prompt"]: f"{item['prompt']}?" for item in items}}}
    config = {
        "baseline": "old",
        "candidates": [{"name": "old", "engine": "fake"}, new],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
    }
    gate = tmp_path / "gate.yaml"
    gate.write_text(json.dumps(config))
    does("measure", str(gate))
    does("review", "export", str(gate), "--folder", str(tmp_path / "review"))
    package, key = (next((tmp_path / "review").glob(name)) for name in ("package-*", "key-*.json"))
    rows = list(csv.DictReader((package / "items.csv").read_text(encoding="utf-8-sig").splitlines()))
    votes = tmp_path / "votes.csv"
    with votes.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "choice": "left", "rater": "ann"} for row in rows)
    importing = ("review", "import", str(gate), "--key", str(key), "--votes", str(votes))
    does(*importing)
    store = Store(tmp_path / "runs")
    first = {pair: path for pair, path in store.current().items() if pair[0] == "human"}
    assert first
    for path in first.values():
        (path / "run.json").write_text((path / "run.json").read_text().replace('"failed": 0', '"failed": 1'))
    assert "is not what was written" in does(*importing, code=13)
    for path in first.values():
        shutil.rmtree(path)
    does(*importing)
    assert all(store.read(store.current()[pair]).samples for pair in first)


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs commands on a small config whose rules are about people; the answers are measured. No table is broken into lines."""
    monkeypatch.setattr(out, "width", 200)

    def does(*words: str, code: int = 0) -> str:
        found = main([*words])
        captured = capsys.readouterr()
        assert found == code, captured
        return " ".join((captured.out + captured.err).split())

    items = [{"key": f"q{index}", "prompt": f"question {index}", "target": "x"} for index in range(30)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    new = {"name": "new", "engine": "fake", "options": {"answers": {item["prompt"]: f"{item['prompt']}?" for item in items}}}
    rules = [{"metric": f"human/{name}", "require": "non_inferior", "margin": margin}
             for name, margin in (("win", 0.2), ("preference", 0.2), ("criterion_tone", 0.5))]  # fmt: skip
    config = {
        "baseline": "old",
        "candidates": [{"name": "old", "engine": "fake"}, new],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
        "rules": rules,
    }
    (tmp_path / "gate.yaml").write_text(json.dumps(config))
    does("measure", str(tmp_path / "gate.yaml"))
    return does


def ballots(
    folder: Path,
    rater: str,
    *,
    key: Path | None = None,
    better: str = "new",
    much: bool = False,
    tone: tuple[int, int] | None = None,
) -> Path:
    """A file as the page saves it, of one who always takes the better side."""
    found = read_key(key or next(folder.glob("key-*.json")))
    ballots = []
    for row in found.entries:
        side = row.candidate_side if better == "new" else OTHER[row.candidate_side or "left"]
        rates = {} if tone is None else {"tone": dict(zip((side, OTHER[side or "left"]), tone, strict=True))}
        ballots.append({"review_id": row.review_id, "choice": f"{side}_much" if much else side, "ratings": rates, "seconds": 9})
    path = folder / f"votes-{rater}.json"
    head = {"format": 2, "kind": "sftgate-votes", "package": found.package, "commitment": found.commitment, "rater": rater}
    path.write_text(json.dumps({**head, "votes": ballots}))
    return path


def test_rules_about_people_wait_for_votes_and_for_what_was_asked(tmp_path: Path, asked: Callable[..., str]) -> None:
    gate, folder = str(tmp_path / "gate.yaml"), tmp_path / "plain"
    assert "nobody has voted yet" in asked("gate", gate, code=11)
    assert "unknown until people vote" in asked("plan", gate)
    asked("review", "export", gate, "--items", "30", "--folder", str(folder))
    key = str(next(folder.glob("key-*.json")))
    first = asked("review", "import", gate, "--key", key, "--votes", str(ballots(folder, "ana")))
    assert "won by the candidate: 100.0 %" in first
    said = asked("gate", gate, code=11)
    assert "people voted, but were not asked for preference" in said
    both = asked("review", "import", gate, "--key", key, "--votes", str(ballots(folder, "bo", better="old")))
    assert "won by the candidate: 50.0 %" in both, "the votes of before are still there"
    assert "60 in all by 2 raters" in both
    again = asked("review", "import", gate, "--key", key, "--votes", str(folder / "votes-bo.json"))
    assert "was imported before: its votes count once" in again
    assert "60 in all by 2 raters" in again


def test_strength_and_ratings_of_people_are_gated_like_any_metric(tmp_path: Path, asked: Callable[..., str]) -> None:
    gate, folder = str(tmp_path / "gate.yaml"), tmp_path / "asking"
    asked("review", "export", gate, "--items", "30", "--folder", str(folder), "--strength", "--criteria", "tone")
    files = [str(ballots(folder, "ana", much=True, tone=(5, 3))), str(ballots(folder, "bo", tone=(4, 4)))]
    key = str(next(folder.glob("key-*.json")))
    said = asked("review", "import", gate, "--key", key, "--votes", *files)
    assert "human/win, human/preference, human/criterion_tone" in said
    asked("gate", gate)
    store = Store(tmp_path / "runs")
    people = store.read(store.current()["human", "new"]).run.people
    assert [(each.votes, each.labels) for each in people] == [(60, {"candidate": 30, "candidate, much": 30})]
    conclusion = json.loads((tmp_path / "runs" / "verdict.json").read_text())
    gains = {each["metric"]: each["gain"] for each in conclusion["comparisons"] if each["metric"].startswith("human/")}
    assert gains == {"human/win": 0.5, "human/preference": 0.375, "human/criterion_tone": 1.0}


def test_two_raters_of_one_name_are_named_and_told_apart(tmp_path: Path, asked: Callable[..., str]) -> None:
    gate, folder = str(tmp_path / "gate.yaml"), tmp_path / "two"
    asked("review", "export", gate, "--items", "10", "--folder", str(folder))
    key = str(next(folder.glob("key-*.json")))
    one = ballots(folder, "ana").rename(folder / "one.json")
    two = ballots(folder, "ana", better="old").rename(folder / "two.json")
    importing = ("review", "import", gate, "--key", key, "--votes", str(one), str(two))
    refused = asked(*importing, code=2)
    assert "no vote on an item counts. not counted, two different votes of one name" in refused
    assert "--rater FILE=NAME" in refused
    assert not list(folder.glob("votes-*.jsonl")), "what was refused leaves nothing behind"
    assert "20 in all by 2 raters" in asked(*importing, "--rater", "two.json=ana b")
    ledger = next(folder.glob("votes-*.jsonl")).read_text().splitlines()
    assert len(ledger) == 20
    page = next(folder.glob("package-*")) / "review.html"
    page.write_text(page.read_text() + "<!-- -->")
    assert "review.html is not what was exported" in asked(*importing, "--rater", "two.json=ana b")
    assert "is none of the files" in asked(*importing, "--rater", "tow.json=x", code=2)
    assert "expected FILE=NAME" in asked(*importing, "--rater", "two.json", code=2)


def test_two_packages_count_together_and_what_is_contradicted_later_counts_no_more(
    tmp_path: Path, asked: Callable[..., str]
) -> None:
    """Ana takes the candidate in the first package and the baseline in the second; then another one of her name votes otherwise."""
    gate, folder = str(tmp_path / "gate.yaml"), tmp_path / "two"
    keys = []
    for seed in ("1", "2"):
        before = set(folder.glob("key-*.json"))
        asked("review", "export", gate, "--items", "20", "--seed", seed, "--folder", str(folder))
        (key,) = set(folder.glob("key-*.json")) - before
        keys.append(key)
    first, second = (
        ballots(folder, f"ana-{n}", key=key, better=better) for n, key, better in zip("12", keys, ("new", "old"), strict=True)
    )
    shared = {row.item for row in read_key(keys[0]).items} & {row.item for row in read_key(keys[1]).items}
    asked("review", "import", gate, "--key", str(keys[0]), "--votes", str(first), "--rater", "votes-ana-1.json=ana")
    said = asked("review", "import", gate, "--key", str(keys[1]), "--votes", str(second), "--rater", "votes-ana-2.json=ana")
    assert f"count together: human/win is 50.0 % over {40 - len(shared)} items ({len(shared)} of them in several packages)" in said
    assert "40 votes are in" in said

    def now() -> dict[str, tuple[float, float]]:
        store = Store(tmp_path / "runs")
        return {
            each.key: (each.scores["win"], each.weight)
            for each in store.read(store.current()["human", "new"]).samples
            if each.scores
        }

    both = now()
    (weight,) = {weight for _, weight in both.values()}
    assert weight == pytest.approx(1 / (1 - (1 - 20 / 30) ** 2))
    assert all(both[f"qa/{item}"][0] == 0.5 for item in shared)
    asked("review", "import", gate, "--key", str(keys[0]), "--votes", str(first))
    assert now() == both, "what was imported before changes nothing"

    other = ballots(folder, "ana", key=keys[0], better="old")
    said = asked("review", "import", gate, "--key", str(keys[0]), "--votes", str(other), code=2)
    assert "no vote on an item counts" in said
    part = json.loads(other.read_text())
    part["votes"] = part["votes"][:5]
    other.write_text(json.dumps(part))
    said = asked("review", "import", gate, "--key", str(keys[0]), "--votes", str(other))
    assert "two different votes of one name, and nothing says which counts: 10" in said
    taken = {row.item for row in read_key(keys[0]).items if row.review_id in {vote["review_id"] for vote in part["votes"]}}
    after = now()
    assert after.keys() == both.keys() - {f"qa/{item}" for item in taken - shared}, "contradicted votes are gone from the win rate"
    assert all(after[f"qa/{item}"][0] == 0.0 for item in taken & shared)
    asked("gate", gate, code=11)

    keys[1].rename(tmp_path / keys[1].name)
    refused = asked("review", "import", gate, "--key", str(keys[0]), "--votes", str(first), code=2)
    assert f"in package {keys[1].stem.removeprefix('key-')}, too, and its key is not beside this one" in refused
    assert now() == after


def test_votes_on_earlier_weights_never_replace_those_on_weights_of_now(tmp_path: Path, asked: Callable[..., str]) -> None:
    gate = str(tmp_path / "gate.yaml")
    old, new = tmp_path / "old", tmp_path / "new"
    asked("review", "export", gate, "--items", "10", "--folder", str(old))
    config = json.loads((tmp_path / "gate.yaml").read_text())
    config["candidates"][1]["options"]["answers"] = {f"question {index}": f"better {index}" for index in range(30)}
    (tmp_path / "gate.yaml").write_text(json.dumps(config))
    asked("measure", gate)
    importing = ("review", "import", gate, "--key", str(next(old.glob("key-*.json"))), "--votes", str(ballots(old, "ana")))
    assert "new has other weights now than when package" in asked(*importing)
    said = asked("gate", gate, code=11)
    assert "nobody has voted on new yet" in said
    assert "Votes of people on human/win (sftgate review)" in said
    asked("review", "export", gate, "--items", "10", "--folder", str(new))
    asked("review", "import", gate, "--key", str(next(new.glob("key-*.json"))), "--votes", str(ballots(new, "ana")))
    refused = asked(*importing, code=2)
    assert "is about earlier weights of new, and there are votes on those of now" in refused
    store = Store(tmp_path / "runs")
    assert store.read(store.current()["human", "new"]).samples[0].outputs[0].startswith("better")


def test_votes_on_answers_that_were_asked_for_otherwise_decide_nothing(tmp_path: Path, asked: Callable[..., str]) -> None:
    gate, store = str(tmp_path / "gate.yaml"), Store(tmp_path / "runs")
    config = json.loads((tmp_path / "gate.yaml").read_text())
    config["rules"] = config["rules"][:1]
    (tmp_path / "gate.yaml").write_text(json.dumps(config))

    def reviewed(rater: str) -> tuple[str, ...]:
        folder = tmp_path / "review"
        known = set(folder.glob("key-*.json"))
        asked("review", "export", gate, "--items", "30", "--folder", str(folder))
        (key,) = set(folder.glob("key-*.json")) - known
        return "review", "import", gate, "--key", str(key), "--votes", str(ballots(folder, rater, key=key))

    first = reviewed("ana")
    asked(*first)
    asked("gate", gate)

    options = config["suites"][0]["options"]
    options["system"] = "Be brief."
    (tmp_path / "gate.yaml").write_text(json.dumps(config))
    asked("measure", gate)
    said = asked("gate", gate, code=11)
    assert "nobody has voted yet" in said
    assert "30 of 30 items are asked otherwise now (prompt or decoding)" in asked(*first)

    asked(*reviewed("bo"))
    asked("gate", gate)
    now = store.read(store.current()["human", "new"])
    assert "is about earlier answers of new, and there are votes on those of now" in asked(*first, code=2)
    assert store.read(store.current()["human", "new"]) == now

    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    edited = [item | {"prompt": f"{item['prompt']}, please"} for item in items[:3]] + items[3:]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in edited))
    asked("measure", gate)
    asked("gate", gate)
    verdict = json.loads((tmp_path / "runs" / "verdict.json").read_text())["verdicts"][0]
    assert any("3 of 30 items that people voted on were asked otherwise since" in warning for warning in verdict["warnings"])


def test_an_import_that_runs_at_the_same_time_loses_nothing(
    tmp_path: Path, asked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process brings Bo's votes in at the very moment at which this one waits for its turn."""
    gate, folder = str(tmp_path / "gate.yaml"), tmp_path / "both"
    asked("review", "export", gate, "--items", "10", "--folder", str(folder))
    importing = ("review", "import", gate, "--key", str(next(folder.glob("key-*.json"))), "--votes")
    ana, bo = (str(ballots(folder, name)) for name in ("ana", "bo"))
    others = [bo]
    claim = Store.claim

    def late(store: Store, graded: Iterable[str], *, wait: Callable[[], None]) -> AbstractContextManager[None]:
        if others:
            asked(*importing, others.pop())
        return claim(store, graded, wait=wait)

    monkeypatch.setattr(Store, "claim", late)
    assert "20 in all by 2 raters" in asked(*importing, ana)
    assert len(next(folder.glob("votes-*.jsonl")).read_text().splitlines()) == 20


def test_votes_on_items_picked_by_hand_are_named_everywhere_and_gate_nothing(tmp_path: Path, asked: Callable[..., str]) -> None:
    """Ten of thirty items are picked, and the candidate loses all; then thirty are drawn, and it wins them."""
    gate, folder, list_ = str(tmp_path / "gate.yaml"), tmp_path / "picked", tmp_path / "review-items.jsonl"
    config = json.loads((tmp_path / "gate.yaml").read_text())
    (tmp_path / "gate.yaml").write_text(json.dumps({**config, "rules": config["rules"][:1]}))
    line = {"suite": "qa", "task": "items", "candidate": "new", "baseline": "old"}
    list_.write_text("".join(json.dumps({**line, "key": f"q{number}"}) + "\n" for number in range(10)))
    asked("review", "export", gate, "--items-file", str(list_), "--folder", str(folder))
    (key,) = folder.glob("key-*.json")
    name = read_key(key).package
    said = asked("review", "import", gate, "--key", str(key), "--votes", str(ballots(folder, "ana", better="old")))
    assert "picked by hand: no sample; these votes say nothing of other items" in said
    said = asked("gate", gate, code=11)
    assert f"the items of package {name} were picked by hand: they are no sample" in said, "neither a pass nor a fail"
    said = asked("gate", gate, "--set", "rules.0.severity=warn", code=11)
    assert f"picked by hand: the items behind human/win of new (package {name}) are no sample" in said
    for file in ("report.html", "summary.md", "verdict.json"):
        assert "icked by hand" in (tmp_path / "runs" / file).read_text(), file

    asked("review", "export", gate, "--items", "30", "--folder", str(folder))
    (drawn,) = set(folder.glob("key-*.json")) - {key}
    votes = str(ballots(folder, "bo", key=drawn))
    said = asked("review", "import", gate, "--key", str(drawn), "--votes", votes)
    assert f"package {name} holds items that were picked by hand: its votes are told of, and are no part of human/win" in said
    assert "30 votes are in" in said
    assert "count together" not in said
    store = Store(tmp_path / "runs")

    def now() -> tuple[list[tuple[float, float]], dict[str, bool]]:
        found = store.read(store.current()["human", "new"])
        scores = [((each.scores or {})["win"], each.weight) for each in found.samples]
        return scores, {each.package: each.picked for each in found.run.people}

    both = {name: True, read_key(drawn).package: False}
    assert now() == ([(1.0, 1.0)] * 30, both)
    said = asked("gate", gate)
    assert f"the items of package {name} are no sample, and votes on them are no part of human/win of new" in said
    asked("review", "import", gate, "--key", str(key), "--votes", str(ballots(folder, "cy", key=key, better="old")))
    assert now() == ([(1.0, 1.0)] * 30, both), "more votes on picked items change nothing"
    asked("gate", gate)
