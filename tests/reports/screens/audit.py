"""Training data that gives away part of two suites, with rows that training refuses: the page of ``sftgate audit``."""

from __future__ import annotations

from harness.records import Audit
from harness.records.audited import AuditedFile, Check, Exposure, Spot, Spread, Tally, Touched
from reports import audit
from tests.reports.attacks import ATTACKS


def build() -> Audit:
    """Everything that the page can show, attacks among the texts."""
    spots = tuple(Spot(file="data/train.jsonl", line=40 + n, text=text) for n, text in enumerate(list(ATTACKS.values())[:12]))
    beside = (Spot(file="data/train.jsonl", line=7, text="How many lamps are on?", other="data/train.jsonl:91"),)
    files = (
        AuditedFile(path="data/train.jsonl", use="train", format="messages", rows=12_000, bad=3, sha256="ab" * 32),
        AuditedFile(path="data/回放.jsonl", use="replay", format="messages", rows=2_400, bad=0, sha256="cd" * 32),
    )
    return Audit(
        created="2026-11-20T11:00:00+00:00",
        files=files,
        rows=14_400,
        checks=(
            Check(group="rows", name="empty answers", level="error", count=61, of=14_400, sentence="Empty.", spots=spots),
            Check(group="rows", name="repeated rows", level="warning", count=9, of=14_400, sentence="Count twice.", spots=beside),
            Check(group="rows", name="long rows", level="note", count=1, of=14_400, sentence="They will be cut."),
            Check(group="rows", name="broken text", level="ok", count=0, of=14_400, sentence=""),
        ),
        exposures=(
            Exposure(suite="facts", items=400, touched=13, answered=5, matches={"exact": 11, "near": 2}, alike=4, unread=2),
            Exposure(suite="device", items=600, touched=0, answered=0),
        ),
        touched=tuple(
            Touched(
                suite="facts", task="rivers", key=f"facts-{n}", match="near" if n else "exact", overlap=1 - n / 40, answered=n < 5,
                text=text, file="data/train.jsonl", line=n + 1, found=text,
            )
            for n, text in enumerate(list(ATTACKS.values())[:13])
        ),
        spreads=(
            Spread(
                name="Length", unit="tokens", rows=14_400, mean=211.4, quantiles=(3, 20, 90, 180, 300, 620, 4090),
                edges=tuple(range(0, 1_100, 100)), counts=(900, 4_000, 3_800, 2_500, 1_500, 800, 500, 250, 100, 50),
            ),
        ),
        tallies=(Tally(name="Language", of=2_000, counts={"en": 1_300, "zh": 640, ATTACKS["script"]: 60}, more=3),),
        measures={"distinct_2": 0.4123},
        settings={"gram": 13, "share": 0.7, "near": 0.9},
    )  # fmt: skip


def html() -> str:
    """The page."""
    return audit.render(build())
