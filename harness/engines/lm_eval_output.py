"""What lm-eval left behind with ``--output_path`` and ``--log_samples``, read back without lm-eval.

A run is a ``results_<date>.json`` with a ``samples_<task>_<date>.jsonl`` per task beside it, in a sub-folder named after the model.
Read are the files of lm-eval 0.4.13 and their older shapes: samples as one JSON list (``.json``), ``arguments`` as lists, rows
without ``filter``, ``metrics`` or hashes, numbers in ``resps`` as numbers, results without ``n-samples`` or ``higher_is_better``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import ConfigError
from harness.fingerprint import digest, file_digest, item_keys
from harness.plugins import did_you_mean

_DATED = re.compile(r"(?:^|_)(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.json$")
_OWN_FIELDS = frozenset(
    {
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
    }
)
_SETTINGS = ("output_type", "num_fewshot", "generation_kwargs", "repeats", "filter_list")
HOW = "Run lm-eval again with `--log_samples --output_path FOLDER`."


class Row(NamedTuple):
    """One document as one run answered it. ``prompt_hash`` is lm-eval's own (of the first context); ``sent`` hashes all contexts,
    continuations and decoding settings, and what was held to be right. ``metrics``: filter -> metric -> value."""

    document: int
    doc_hash: str
    prompt_hash: str
    sent: str
    prompt: str
    target: str | None
    outputs: tuple[str, ...]
    choices: int
    generated: bool
    fields: Any
    metrics: dict[str, dict[str, Any]]


class Task(NamedTuple):
    """One task of one run: where its rows are, and what ``results_*.json`` says about it and about the run."""

    name: str
    date: str
    samples: Path
    results: Path
    run: Mapping[str, Any]

    def said(self, what: str) -> Any:
        """The entry about this task in one section of the results (``results``, ``configs``, ``n-samples`` …), or None."""
        section = self.run.get(what)
        return section.get(self.name) if isinstance(section, Mapping) else None

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's own config, as lm-eval wrote it down."""
        return self.said("configs") or {}

    @property
    def reported(self) -> dict[tuple[str, str], float]:
        """(metric, filter) -> the value that lm-eval reported; standard errors left out."""
        named = [(key.partition(","), value) for key, value in (self.said("results") or {}).items() if "," in key]
        return {
            (metric, chosen): value
            for (metric, _, chosen), value in named
            if not metric.endswith("_stderr") and isinstance(value, int | float)
        }

    @property
    def settings(self) -> str:
        """How the task was set up, as far as two runs must agree on it, in one line."""
        config = {key: self.config[key] for key in _SETTINGS if self.config.get(key) is not None}
        shots = self.said("n-shot")
        settings = {"version": self.said("versions"), **config} | ({} if shots is None else {"num_fewshot": shots})
        return json.dumps(settings, sort_keys=True, ensure_ascii=False)

    def rows(self, *, where: str) -> dict[str, Row]:
        """Every document by its item key, in lm-eval's order. ConfigError names file and line of what is broken, and where the
        number of documents is not the one that lm-eval reported."""
        stat = self.samples.stat()
        filters = tuple(dict.fromkeys(chosen for _, chosen in self.reported))
        rows = _rows(self.samples, filters, stat.st_mtime_ns, stat.st_size)
        if isinstance(rows, str):
            raise ConfigError(rows, where=where, file=str(self.samples))
        if any("bypass" in metrics for row in rows for metrics in row.metrics.values()):
            raise ConfigError(
                f"task {self.name!r} was run with --predict_only: it has answers and no scores. Run it without.",
                where=where,
                file=str(self.samples),
            )
        counted = self.said("n-samples")
        wanted = counted.get("effective") if isinstance(counted, Mapping) else None
        if wanted is not None and wanted != len(rows):
            raise ConfigError(
                f"holds {len(rows)} documents, and {self.results.name} says that {wanted} were asked. The file was cut, or belongs "
                "to another run; copy both files again.",
                where=where,
                file=str(self.samples),
            )
        keys = item_keys([{"task": self.name, "doc_hash": row.doc_hash} for row in rows], where=where)
        return dict(zip(keys, rows, strict=True))


class Output(NamedTuple):
    """The newest complete run of every task in a folder. ``bare``: tasks with results but without samples."""

    place: Path
    tasks: dict[str, Task]
    bare: tuple[str, ...]
    older: tuple[str, ...]

    def task(self, name: str, *, where: str) -> Task:
        """One task; ConfigError where it is not there, or was run without ``--log_samples``."""
        if name in self.tasks:
            return self.tasks[name]
        if name in self.bare:
            raise ConfigError(
                f"{str(self.place)!r} has results of task {name!r}, but no samples: they were not logged, or not copied. {HOW}",
                where=where,
            )
        raise ConfigError(f"{str(self.place)!r} has no task {name!r}. {did_you_mean(name, self.tasks)}", where=where)

    @property
    def digest(self) -> str:
        """Hash of the contents of all files that are read."""
        files = {path for task in self.tasks.values() for path in (task.samples, task.results)}
        return digest(sorted(file_digest(path) for path in files))


def read_output(place: str | Path, date: str | None = None, *, where: str) -> Output:
    """The lm-eval run in a folder (its sub-folder named after the model included), or of one ``results_*.json``.

    Where several runs of a task lie there, the newest with samples counts, unless ``date`` names one. ConfigError where there is
    none, where runs of several models lie side by side, and where results or samples are without the other.
    """
    path = Path(place).expanduser()
    if not path.exists():
        raise ConfigError(f"{str(path)!r} does not exist; expected the folder that lm-eval wrote with --output_path.", where=where)
    results = {file: found for file in _result_files(path) if (found := _results(file, where)) is not None}
    if not results:
        folder = path if path.is_dir() else path.parent
        lonely = sorted(folder.rglob("samples_*.json*"))
        what = f"has {lonely[0].name} but no results_*.json" if lonely else "holds nothing that lm-eval wrote"
        raise ConfigError(
            f"{str(path)!r} {what}; expected results_*.json and samples_*.jsonl, both from one run. {HOW}", where=where
        )
    folders = sorted({file.parent for file in results})
    if len(folders) > 1:
        listed = ", ".join(repr(str(folder.relative_to(path))) for folder in folders[:6])
        raise ConfigError(f"{str(path)!r} holds the runs of several models: {listed}. Name one of these folders.", where=where)
    dates = sorted((_date(file) for file in results), reverse=True)
    if date is not None and date not in dates:
        raise ConfigError(f"{str(path)!r} has no run of {date!r}. {did_you_mean(date, dates)}", where=where)
    runs = {_date(file): (file, run) for file, run in results.items() if date in (None, _date(file))}
    models = sorted({str(run.get("model_name")) for _, run in runs.values()})
    if len(models) > 1:
        raise ConfigError(
            f"{str(path)!r} holds the runs of several models: {', '.join(models[:6])}. Name one results_*.json, not the folder.",
            where=where,
        )
    return _newest(path, runs, where)


def _newest(path: Path, runs: Mapping[str, tuple[Path, dict[str, Any]]], where: str) -> Output:
    tasks: dict[str, Task] = {}
    bare: dict[str, None] = {}
    older: list[str] = []
    for date in sorted(runs, reverse=True):
        file, run = runs[date]
        for name in _leaves(run):
            samples = _samples(file.parent, name, date)
            if name in tasks:
                older.append(f"{name} of {date}")
            elif samples is None:
                bare[name] = None
            else:
                tasks[name] = Task(name, date, samples, file, run)
    without = tuple(name for name in bare if name not in tasks)
    if not tasks:
        listed = ", ".join(without[:6]) or "no task"
        raise ConfigError(
            f"{str(path)!r} has results ({listed}), but no samples_*.jsonl beside them: they were not logged, or not copied. {HOW}",
            where=where,
        )
    return Output(path, dict(sorted(tasks.items())), without, tuple(older))


def _result_files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*.json"))
    return [file for file in found if not file.name.startswith("samples_") and (_DATED.search(file.name) or "results" in file.name)]


def _results(file: Path, where: str) -> dict[str, Any] | None:
    """The content of a results file; None where it is some other JSON."""
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, OSError) as error:
        raise ConfigError(f"cannot be read as lm-eval's results: {error}", where=where, file=str(file)) from error
    fine = isinstance(data, dict) and isinstance(data.get("results"), dict)
    return data if fine else None


def _date(file: Path) -> str:
    """The date in a file's name; older versions wrote none."""
    found = _DATED.search(file.name)
    return found.group(1) if found else ""


def _leaves(run: Mapping[str, Any]) -> list[str]:
    """Tasks, without the groups that lm-eval lists among them."""
    configs = run.get("configs")
    return list(configs) if configs else [name for name in run["results"] if name not in (run.get("groups") or {})]


def _samples(folder: Path, task: str, date: str) -> Path | None:
    names = dict.fromkeys((task, re.sub(r"\W", "_", task)))
    end = f"_{date}" if date else ""
    places = [folder / f"samples_{name}{end}{suffix}" for name in names for suffix in (".jsonl", ".json")]
    return next((place for place in places if place.is_file()), None)


# -------------------------------------------------------------------------------------------------------------- rows


@functools.lru_cache(maxsize=256)
def _rows(path: Path, filters: tuple[str, ...], *_identity: int) -> list[Row] | str:
    """The documents of a samples file, ordered by ``doc_id``; or what is wrong with it, in words."""
    documents: dict[int, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {}
    try:
        for line, fields in _records(path):
            number = fields.get("doc_id")
            if not isinstance(number, int) or not isinstance(fields.get("arguments"), dict | list) or "doc" not in fields:
                return f"{line} is not a row that lm-eval logged: expected 'doc_id', 'doc' and 'arguments', found {sorted(fields)}"
            _, seen = documents.setdefault(number, (fields, {}))
            chosen = fields.get("filter") or (filters[len(seen)] if len(seen) < len(filters) else "none")
            if chosen in seen:
                return f"{line}: document {number} stands there a second time (filter {chosen!r}); two runs may have been joined"
            named = fields.get("metrics") or [key for key in fields if key not in _OWN_FIELDS]
            seen[chosen] = {metric: fields.get(metric) for metric in named}
        return [_row(number, *documents[number]) for number in sorted(documents)] or "holds no row"
    except (ValueError, OSError, TypeError, KeyError, IndexError) as error:
        return str(error) if isinstance(error, ValueError) else f"is not what lm-eval logs: {type(error).__name__}: {error}"


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file with the words for where they stand. ValueError names a line that is none."""
    with path.open("rb") as file:
        whole = file.read(64).lstrip().startswith(b"[")
    if whole:
        listed = json.loads(path.read_bytes())
        numbered: Iterator[tuple[str, Any]] = ((f"entry {number}", entry) for number, entry in enumerate(listed, start=1))
    else:
        numbered = _lines(path)
    for place, entry in numbered:
        if not isinstance(entry, dict):
            raise ValueError(f"{place} is a {type(entry).__name__}; expected a JSON object")
        yield place, entry


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON ({error}); the file may be cut short or half copied") from error


def _row(number: int, fields: Mapping[str, Any], metrics: dict[str, dict[str, Any]]) -> Row:
    asked = _arguments(fields["arguments"])
    target = str(fields.get("target"))
    scored = len(asked[0]) > 1 and isinstance(asked[0][1], str)
    generated = len(asked[0]) > 1 and not scored
    target_hash = fields.get("target_hash") or _sha(target)
    offered = asked[: len(asked) // 2] if any("acc_mutual_info" in values for values in metrics.values()) else asked
    choices = [str(request[1]).strip() for request in offered] if scored and len(asked) > 1 else []
    one_context = len({request[0] for request in offered}) == 1
    named = one_context and target.isdecimal() and int(target) < len(choices)
    resps = fields.get("resps") or []
    return Row(
        document=number,
        doc_hash=str(fields.get("doc_hash") or _sha(json.dumps(fields["doc"], indent=2, ensure_ascii=False))),
        prompt_hash=str(fields.get("prompt_hash") or _sha(str(asked[0][0]))),
        sent=digest([asked, target_hash]),
        prompt=_readable(asked, generated=generated),
        target=choices[int(target)] if named else target if scored or generated else None,
        outputs=_texts(resps) if generated else _likeliest(resps, choices),
        choices=len(choices),
        generated=generated,
        fields=fields["doc"],
        metrics=metrics,
    )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _arguments(found: Any) -> list[list[Any]]:
    """Per request its arguments, whether written as ``gen_args_0: {arg_0: …}`` or as lists; a context for a chat API, which
    lm-eval wraps into a tuple, as its text."""
    requests = [list(each.values()) if isinstance(each, Mapping) else list(each) for each in _values(found)]
    return [[part[0] if isinstance(part, list) and len(part) == 1 else part for part in request] for request in requests]


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, Mapping) else list(found)


def _readable(asked: Sequence[Sequence[Any]], *, generated: bool) -> str:
    """The context, and beneath it the choices where several continuations share it."""
    if generated or len(asked[0]) == 1:
        return str(asked[0][0])
    if len(asked) == 1 or len({request[0] for request in asked}) > 1:
        return "\n---\n".join(f"{request[0]}{request[1]}" for request in asked)
    return f"{asked[0][0]}\n" + "".join(f"\n· {str(request[1]).strip()}" for request in asked)


def _texts(resps: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(text) for repeats in resps for text in (repeats if isinstance(repeats, list) else [repeats]))


def _likeliest(resps: Sequence[Any], choices: Sequence[str]) -> tuple[str, ...]:
    """The text of the choice with the greatest log-probability; nothing where texts were only scored."""
    if not choices:
        return ()
    logprobs = [float(repeats[0][0]) for repeats in resps[: len(choices)]]
    known = [-math.inf if math.isnan(value) else value for value in logprobs]
    return (choices[known.index(max(known))],)
