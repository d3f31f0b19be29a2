"""The demo's raters: programs that read a blind package as people do, know from the lab what is right, and err as declared here.

They vote by nothing but what a package shows. Every name begins with ``simulated-``, and every file that they hand in says that no
person voted: what becomes of the votes is real, and what they say is not about people.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.records import SIMULATED, Record
from harness.store import atomic_write
from reports.blind.checks import AUTHORED, read_checks
from reports.blind.cleaning import tidy
from reports.blind.form import Choice
from reports.blind.key import REVIEW_FORMAT
from reports.votes.page_file import KIND

NOTE = "A simulated rater of sftgate's demo wrote these votes. No person voted."
BEGUN = datetime(2026, 1, 1, 9, tzinfo=UTC)
READ_PER_SECOND = 15.0
"""Characters, of those who read."""
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)

Oracle = Mapping[str, str]
"""Question, as raters see it -> the right answer."""


class Persona(Record, frozen=True, kw_only=True):
    """Shares of votes: ``asleep``, at random, whatever is asked; ``leftward``, for answer 1; ``longward``, for the longer answer.
    Of the rest the texts are read, and each answer is taken for right or wrong, mistakenly with probability ``slips``."""

    name: str
    slips: float
    asleep: float = 0.0
    leftward: float = 0.0
    longward: float = 0.0


PANEL = (
    Persona(name=f"{SIMULATED}steady", slips=0.05),
    Persona(name=f"{SIMULATED}leftward", slips=0.10, leftward=0.15),
    Persona(name=f"{SIMULATED}longward", slips=0.10, longward=0.15),
    Persona(name=f"{SIMULATED}dozing", slips=0.10, asleep=0.80),
)


def oracle(*files: Path) -> dict[str, str]:
    """The right answers to the questions of the lab's files, and to the attention checks, which anybody awake can tell."""
    known = {tidy(check.question): tidy(check.better) for check in read_checks(AUTHORED, language="en")}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known[tidy(row["prompt"])] = tidy(row["target"])
    return known


def right(answer: str, known: Oracle, question: str) -> bool:
    """Whether an answer is the right one; objects are the same in any order of their fields. UsageError where the oracle does not
    know the question: these raters can vote on nothing but the lab's."""
    if question not in known:
        raise UsageError(f"the simulated raters know the lab's questions only, and not {question[:80]!r}")
    return _value(answer) == _value(known[question])


def _value(text: str) -> object:
    if text.startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def choose(persona: Persona, left: tuple[str, bool], right: tuple[str, bool], chance: random.Random) -> tuple[Choice, bool]:
    """A vote on two answers, each with whether it is right; and whether they were read."""
    mood = chance.random()
    if mood < persona.asleep:
        return chance.choice(("left", "right", "tie")), False
    mood -= persona.asleep
    if mood < persona.leftward:
        return "left", True
    mood -= persona.leftward
    if mood < persona.longward and len(left[0]) != len(right[0]):
        return ("left" if len(left[0]) > len(right[0]) else "right"), True
    taken = [is_right != (chance.random() < persona.slips) for _, is_right in (left, right)]
    if taken[0] != taken[1]:
        return ("left" if taken[0] else "right"), True
    return ("tie" if taken[0] else "both_bad"), True


def expected(panel: Sequence[Persona], candidate: tuple[str, bool], baseline: tuple[str, bool]) -> float:
    """What the panel says of a pair on average, over raters, chance and sides: 1 the candidate's answer, ½ neither. Exact."""
    return sum(_expected(persona, candidate, baseline) for persona in panel) / len(panel)


def _expected(persona: Persona, candidate: tuple[str, bool], baseline: tuple[str, bool]) -> float:
    longer = (len(candidate[0]) > len(baseline[0])) - (len(candidate[0]) < len(baseline[0]))
    blind = persona.asleep + persona.leftward + (persona.longward if longer else 0.0)
    better = (1 - 2 * persona.slips) * (candidate[1] - baseline[1])
    return 0.5 + 0.5 * ((persona.longward if longer else 0.0) * longer + (1 - blind) * better)


def vote(package: Path, panel: Sequence[Persona], known: Oracle, *, seed: int) -> list[Path]:
    """What every rater makes of the package's page, saved beside it as the page saves votes; the files."""
    shown = _DATA.search((package / "review.html").read_text(encoding="utf-8"))
    if shown is None:
        raise UsageError(f"{package}: no review page to vote on")
    page = json.loads(shown.group(1))
    files = []
    for persona in panel:
        mine = page["raters"][persona.name]
        file = package.parent / f"votes-{page['package']}-{persona.name}.json"
        ballots = _ballots(persona, [row for row in page["items"] if row["id"] in set(mine)], known, seed)
        content = {
            "format": REVIEW_FORMAT,
            "kind": KIND,
            "package": page["package"],
            "commitment": page["commitment"],
            "rater": persona.name,
            "simulated": NOTE,
            "sitting": digest([persona.name, page["package"], seed])[:16],
            "votes": ballots,
        }
        atomic_write(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        files.append(file)
    return files


def _ballots(persona: Persona, rows: Sequence[Mapping[str, str]], known: Oracle, seed: int) -> list[dict[str, Any]]:
    now, made = BEGUN, []
    for row in rows:
        chance = random.Random(digest([seed, persona.name, row["question"], row["left"], row["right"]]))
        sides = [(row[side], right(row[side], known, row["question"])) for side in ("left", "right")]
        choice, read = choose(persona, sides[0], sides[1], chance)
        length = sum(len(row[part]) for part in ("question", "left", "right"))
        seconds = round((1.5 + length / READ_PER_SECOND) * chance.uniform(0.7, 1.4) if read else 0.3, 1)
        now += timedelta(seconds=seconds)
        made.append({"review_id": row["id"], "choice": choice, "reasons": [], "ratings": {}, "comment": "", "seconds": seconds,
                     "when": now.isoformat()})  # fmt: skip
    return made
