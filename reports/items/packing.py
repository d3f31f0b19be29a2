"""All items for the page, small enough to be opened: an index of everything, and the texts in compressed chunks.

What matters most comes first: lost items, the worst before the others; failures; gained ones; what is in doubt; the rest. When the
texts do not fit, those at the end stay out of the page and go, whole, into a file beside it; their scores and the beginning of the
prompt stay. The pack says what it left out.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import msgspec

from harness.records import Record, Sample
from reports.items.explorer import ABSENT, ERROR, GAINED, LOST, Pairing, compact
from reports.items.prompts import Prompts
from reports.items.texts import LONGEST_TEXT, Written, encodable, target_text, units

PAGE_BUDGET = 17_000_000
"""Bytes of the page for items, as they stand in it, at most."""
WHOLE_PAGE = 20_000_000
CHUNK = 600_000
"""Characters of a chunk: unpacked in milliseconds, large enough to compress well."""
EXCERPT = 72
LEVEL = 5
FAILING, UNSTABLE, DISPUTED = 1, 2, 4
"""Marks of an answer in the index, added up."""
EXACT, AS_JSON, NO_TARGET = 1, 2, 4
"""What a test case can be made of, added up."""
SIDE_FILE = "report-texts.jsonl.gz"
_AHEAD = 4
"""Chunks that wait for the budget while others are written."""


class Pack(Record, frozen=True, kw_only=True):
    """What the page embeds: ``index`` and ``chunks``, compressed. ``beside``: the content of ``SIDE_FILE``, where something did not
    fit. ``left_out``: items without texts in the page; ``cut``: texts of which the page has the beginning and the end."""

    items: int
    index: bytes
    chunks: tuple[bytes, ...]
    beside: bytes | None = None
    left_out: int = 0
    cut: int = 0


def pack(
    pairings: Sequence[Pairing],
    baseline: str,
    candidates: Sequence[str],
    *,
    named: Collection[int] = (),
    rest: int = 0,
    budget: int = PAGE_BUDGET,
    chunk: int = CHUNK,
) -> Pack:
    """``named``: rows that the page points to, whose texts come before all others; ``rest``: bytes of the page that something else
    takes; ``budget``: for items, after encoding. The index is never left out."""
    budget = min(budget, WHOLE_PAGE - rest)
    names, prompts = (baseline, *candidates), Prompts(pairings)
    index = _index(pairings, names, prompts)
    places: list[Any] = [0] * len(pairings)
    order = sorted(range(len(pairings)), key=lambda row: (row not in named, _urgency(pairings[row], row)))
    spent = embedded(len(_packed(msgspec.json.encode(index)))) + 60 * len(pairings)
    chunks: list[bytes] = []
    shortened: list[int] = []
    cut = 0
    left = order
    with ThreadPoolExecutor(2) as pool:
        for rows, packing in _ahead(pool, _chunks(pairings, names, prompts, order, chunk)):
            content = packing.result()
            spent += embedded(len(content))
            if spent > budget:
                break
            for row, place in rows.places.items():
                places[row] = [len(chunks), *place]
            shortened += rows.shortened
            cut += rows.cut
            chunks.append(content)
            left = left[len(rows.places) :]
    index["mark"] = mark = hashlib.sha256(b"".join(chunks) + msgspec.json.encode(index)).hexdigest()[:16]
    index["places"] = places
    apart = sorted([*left, *shortened])
    beside = _beside(pairings, names, prompts, apart, mark) if apart else b""
    index["beside"] = len(beside)
    return Pack(
        items=len(pairings),
        index=_packed(msgspec.json.encode(index)),
        chunks=tuple(chunks),
        beside=gzip.compress(beside, compresslevel=LEVEL, mtime=0) if apart else None,
        left_out=len(left),
        cut=cut,
    )


def embedded(size: int) -> int:
    """How many characters so many bytes take in the page."""
    return -(-size // 3) * 4


def _packed(content: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def _urgency(pairing: Pairing, row: int) -> tuple[int, float, bool, int]:
    statuses = set(pairing.statuses.values())
    doubtful = any(pairing.unstable(name) or pairing.disputed(name) for name in pairing.samples)
    kinds = (LOST in statuses, ERROR in statuses, GAINED in statuses, doubtful, True)
    return kinds.index(True), pairing.worst_gain if pairing.share else 0.0, not pairing.retained, row


class _Chunk(Record, frozen=True, kw_only=True):
    """Texts of some items in a row: ``places`` are where each starts, and its shape."""

    content: bytes
    places: dict[int, list[Any]]
    shortened: list[int]
    cut: int


def _chunks(
    pairings: Sequence[Pairing], names: Sequence[str], prompts: Prompts, order: Sequence[int], size: int
) -> Iterator[_Chunk]:
    parts: list[str] = []
    places: dict[int, list[Any]] = {}
    shortened: list[int] = []
    start = cut = 0
    for row in order:
        written = Written(pairings[row], names, prompts)
        text = written.text
        places[row] = [start, written.shape]
        parts.append(text)
        start += units(text)
        cut += written.cut
        shortened += [row] if written.cut else []
        if start >= size:
            yield _Chunk(content="".join(parts).encode(), places=places, shortened=shortened, cut=cut)
            parts, places, shortened, start, cut = [], {}, [], 0, 0
    if places:
        yield _Chunk(content="".join(parts).encode(), places=places, shortened=shortened, cut=cut)


def _ahead(pool: Executor, chunks: Iterable[_Chunk]) -> Iterator[tuple[_Chunk, Future[bytes]]]:
    """Chunks in order; some are being compressed while the next are written."""
    waiting: deque[tuple[_Chunk, Future[bytes]]] = deque()
    for each in chunks:
        waiting.append((each, pool.submit(_packed, each.content)))
        if len(waiting) > _AHEAD:
            yield waiting.popleft()
    yield from waiting


def _index(pairings: Sequence[Pairing], names: Sequence[str], prompts: Prompts) -> dict[str, Any]:
    """Column by column: what is filtered, sorted and listed, of every item, whether or not its texts are here."""
    suites, tasks = _numbers(each.suite for each in pairings), _numbers(each.task for each in pairings)
    metrics = _numbers(
        name
        for each in pairings
        for name in (each.metric, *(key for sample in each.samples.values() for key in sample.scores or {}))
    )
    flags = _numbers(flag for each in pairings for sample in each.samples.values() for flag in sample.flags)
    sliced: dict[str, dict[str, int]] = {}
    for each in pairings:
        for name, value in each.any_sample.slices.items():
            values = sliced.setdefault(name, {})
            values.setdefault(value, len(values))
    return {
        "format": 1,
        "candidates": names,
        "suites": list(suites),
        "tasks": list(tasks),
        "metrics": list(metrics),
        "flags": list(flags),
        "slices": [[name, list(values)] for name, values in sliced.items()],
        "real": sorted({metrics[each.metric] for each in pairings if not each.share}),
        "lower": sorted({metrics[each.metric] for each in pairings if each.lower}),
        "suite": [suites[each.suite] for each in pairings],
        "task": [tasks[each.task] for each in pairings],
        "metric": [metrics[each.metric] for each in pairings],
        "key": [encodable(each.key) for each in pairings],
        "excerpt": [_excerpt(each.any_sample.prompt) for each in pairings],
        "asked": [len(each.any_sample.prompt) for each in pairings],
        "case": [_case(each.any_sample) for each in pairings],
        "slice": [[values.get(each.any_sample.slices.get(name, ""), -1) for each in pairings] for name, values in sliced.items()],
        "frames": prompts.frames,
        "sides": [_side(pairings, name, metrics, flags, prompts) for name in names],
    }


def _side(
    pairings: Sequence[Pairing], name: str, metrics: dict[str, int], flags: dict[str, int], prompts: Prompts
) -> dict[str, Any]:
    found = [each.samples.get(name) for each in pairings]
    return {
        "status": "".join(str(each.statuses.get(name, ABSENT)) for each in pairings),
        "marks": "".join(
            str(FAILING * each.failing(name) + UNSTABLE * each.unstable(name) + DISPUTED * each.disputed(name)) for each in pairings
        ),
        "gain": [compact(each.gains.get(name, 0.0)) for each in pairings],
        "score": [0 if sample is None else _scores(sample, metrics) for sample in found],
        "flags": [0 if sample is None else sum({1 << flags[flag] for flag in sample.flags}) for sample in found],
        "length": [-1 if sample is None or not sample.outputs else len(sample.outputs[0]) for sample in found],
        "frame": [prompts.number(each, name) if name in each.samples else -1 for each in pairings],
        "draws": {
            row: [[metrics[key], [compact(value) for value in values]] for key, values in sample.draws.items() if key in metrics]
            for row, sample in enumerate(found)
            if sample is not None and sample.draws
        },
    }


def _scores(sample: Sample, metrics: dict[str, int]) -> list[int | float]:
    """Metric, score, metric, score …"""
    return [part for name, value in (sample.scores or {}).items() for part in (metrics[name], compact(value))]


def _case(sample: Sample) -> int:
    """Whether prompt and target can be asked again as they stand here: the prompt is all that was said, and neither is cut."""
    kept = len(encodable(target_text(sample.target))) <= LONGEST_TEXT
    whole = sample.prompt_length in (None, len(sample.prompt)) and len(sample.prompt) <= LONGEST_TEXT and kept
    written = kept and not isinstance(sample.target, str | None)
    return EXACT * whole + AS_JSON * written + NO_TARGET * (sample.target is None)


def _excerpt(prompt: str) -> str:
    return encodable(" ".join(prompt[: EXCERPT * 2].split())[:EXCERPT])


def _numbers(values: Iterable[str]) -> dict[str, int]:
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _beside(pairings: Sequence[Pairing], names: Sequence[str], prompts: Prompts, rows: Sequence[int], mark: str) -> bytes:
    """One item per line, ``[row, shape, texts]``, nothing cut; the first line says which page they belong to."""
    lines = [msgspec.json.encode({"format": 1, "report": mark, "items": len(rows)})]
    for row in rows:
        written = Written(pairings[row], names, prompts, longest=None)
        lines.append(msgspec.json.encode([row, written.shape, written.text]))
    return b"\n".join(lines) + b"\n"
