"""Everything that a model, a data set or a config can name is an attack, or of absurd size."""

from __future__ import annotations

import json

import msgspec

from harness.records import Conclusion, Measured
from tests.reports import fixtures
from tests.reports.attacks import ATTACKS
from tests.reports.fixtures import Made
from tests.reports.trained import trainings

NAME = '"><script>window.hacked=1</script>'
ARABIC = "الجواب هو (٤٢) abc, 3.5% — نهاية"
RULES = {
    "target": ATTACKS["handler"],
    "keeps refusals": ATTACKS["bidi"],
    "keeps facts": "a-very-long-name-without-any-place-to-break-" * 6,
}


def build() -> Made:
    """The careless candidate is called a script; rules, items and answers are attacks; one answer is huge, some are Arabic."""
    runs = fixtures.measured(scale=0.3)
    for suite in ("general", "device", "instructions"):
        side = runs[suite, "careless"]
        rows = list(side.samples)
        attacks = list(ATTACKS.values())
        for number in range(min(len(attacks), len(rows))):
            text = attacks[number] if number % 3 else ARABIC
            rows[number] = msgspec.structs.replace(
                rows[number], outputs=(text,), scores=dict.fromkeys(rows[number].scores or {"acc": 0}, 0.0)
            )
        rows[0] = msgspec.structs.replace(rows[0], outputs=("W" * 200_000,))
        runs[suite, "careless"] = msgspec.structs.replace(side, samples=tuple(rows))
    rules = [msgspec.structs.replace(rule, name=RULES.get(rule.name or "", rule.name)) for rule in fixtures.RULES]
    written = msgspec.json.encode(fixtures.conclusion(runs, rules=rules)).decode()
    conclusion = msgspec.json.decode(written.replace('"careless"', json.dumps(NAME)), type=Conclusion)
    renamed: dict[tuple[str, str], Measured] = {
        (suite, NAME if name == "careless" else name): side for (suite, name), side in runs.items()
    }
    return conclusion, renamed, {NAME if name == "careless" else name: each for name, each in trainings().items()}
