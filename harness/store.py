"""Runs on disk: self-describing, written at once or not at all, never overwritten.

    ROOT/journal.sqlite                                    every request ever answered
    ROOT/<suite>/<candidate>@<hash12>/samples.jsonl        one item per line, UTF-8
    ROOT/<suite>/<candidate>@<hash12>/run.json             written last: a folder without it is not a run
    ROOT/<suite>/<candidate>@<hash12>.2/                   a second attempt at the same question
    ROOT/current.json                                      which runs the last measure selected
    ROOT/verdict.json  report.html  summary.md  junit.xml  review/

A run is written into a temporary folder beside its place (``.tmp-…``), flushed to the disk, and renamed. Gate and report need
nothing but these files, copied anywhere. ``run.json`` is sealed and holds the hash of ``samples.jsonl``: a run that was changed
afterwards is not read.

Several processes may measure into one store: runs never meet, the journal takes answers from all, and ``ROOT/.lock`` (empty; its
bytes are what is locked) sees to it that the same run is not measured by two of them at once.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import StoreError
from harness.formats import UnreadableError, understood
from harness.records import FORMAT, Measured, Record, Run, Sample
from harness.seals import kept, sealed

T = TypeVar("T", bound=Record)

HASH_LENGTH = 12
"""Hex digits of ``graded`` in a run's folder name."""

TEMPORARY = ".tmp-"
"""How the name of what is not written whole yet begins. A process that is killed leaves it."""

_SELECTING = "0" * 64
"""What is claimed while ``current.json`` is changed in one place."""

_UNSAFE = re.compile(r'[%/\\:*?"<>|@\x00-\x1f\x7f]|^\.|[. ]$')


class _Entry(Record, frozen=True, kw_only=True):
    suite: str
    candidate: str
    path: str


class _Current(Record, frozen=True, kw_only=True):
    format: int = FORMAT
    runs: tuple[_Entry, ...] = ()


class Store:
    """The folder that holds everything one project measured. Creating the object touches nothing on disk.

    A ``part`` (``smoke``) has a selection and outputs of its own, in a folder of this name; runs and journal are the same. What it
    did not select itself is what the whole store selected.
    """

    def __init__(self, root: Path | str, part: str = "") -> None:
        self.root = Path(root)
        self.outputs = self.root / part if part else self.root

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        return self.root / "journal.sqlite"

    def write_run(self, run: Run, samples: Iterable[Sample]) -> Path:
        """Write a run and return its folder. A run that is there already stays, and this one becomes the next attempt.

        Raises StoreError where the store cannot be written, or where a number is NaN or infinite: that is a fault of the suite.
        """
        lines = [_encode(_finite_sample(sample), what=f"sample {sample.key!r} of suite {run.suite!r}") for sample in samples]
        content = b"".join(line + b"\n" for line in lines)
        run = msgspec.structs.replace(run, samples_hash=hashlib.sha256(content).hexdigest())
        _require_finite(msgspec.to_builtins(run), f"run of {run.candidate.name!r} in suite {run.suite!r}")
        parent, stem = self._place(run.suite, run.candidate.name, run.graded)
        with _errors(parent, "written"):
            parent.mkdir(parents=True, exist_ok=True)
            temporary = parent / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
            temporary.mkdir()
            try:
                _write(temporary / "samples.jsonl", content)
                _write(temporary / "run.json", sealed(_encode(run, what="run")))
                _flush_folder(temporary)
                return _claim(temporary, parent, stem)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    @contextmanager
    def claim(self, graded: Iterable[str], *, wait: Callable[[], None]) -> Iterator[None]:
        """Be the only process that measures the runs with these *graded* fingerprints; ``wait`` is called before it waits.

        The system frees a claim when its process ends, however that ends. Where it has no file locks, nobody waits, and two
        processes may ask the same twice. Raises StoreError where the store cannot be written.
        """
        path = self.root / ".lock"
        with _errors(self.root, "written"):
            self.root.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        with file:
            # In one order, so that two processes never wait for each other.
            for position in sorted({int(fingerprint[:15], 16) for fingerprint in graded}):
                if not _lock(file.fileno(), position, block=False):
                    wait()
                    _lock(file.fileno(), position, block=True)
            yield

    def attempts(self, suite: str, candidate: str, graded: str) -> Iterator[Path]:
        """The folders of all complete attempts with this ``graded`` fingerprint, newest first; without those that have no seal, so
        that they are measured again. Raises StoreError for one that is damaged or was changed."""
        parent, stem = self._place(suite, candidate, graded)
        found = {_attempt(path.name, stem): path for path in parent.glob(f"{_glob(stem)}*")}
        for number in sorted((n for n in found if n is not None), reverse=True):
            path = found[number]
            if (path / "run.json").is_file() and (path / "samples.jsonl").is_file() and _holds(path, graded):
                yield path

    def find(self, suite: str, candidate: str, graded: str) -> Path | None:
        """The folder of the newest complete attempt with this ``graded`` fingerprint, or None."""
        return next(self.attempts(suite, candidate, graded), None)

    def folder(self, suite: str, candidate: str, graded: str) -> Path:
        """Where the first attempt with this ``graded`` fingerprint lies, or would lie."""
        parent, stem = self._place(suite, candidate, graded)
        return parent / stem

    def runs(self, suite: str | None = None) -> list[Path]:
        """The folders of all complete runs of a suite, or of every suite, whoever was asked, sorted by name."""
        parents = self.root.glob("*/") if suite is None else [self.root / _folder_name(suite)]
        found = (path.parent for parent in parents for path in parent.glob("*/run.json"))
        complete = (folder for folder in found if (folder / "samples.jsonl").is_file())
        return sorted(path for path in complete if not path.name.startswith(TEMPORARY))

    def run(self, path: Path | str) -> Run:
        """A run without its samples. Raises StoreError where it is missing, damaged, changed by hand, or of another format."""
        return _read_run(Path(path))

    def read(self, path: Path | str) -> Measured:
        """A run with its samples. Raises StoreError where it is missing, damaged, changed by hand, or of another format."""
        folder = Path(path)
        run = _read_run(folder)
        content = _read(folder / "samples.jsonl")
        if hashlib.sha256(content).hexdigest() != run.samples_hash:
            raise StoreError(_changed(folder / "samples.jsonl"))
        decode = msgspec.json.Decoder(Sample).decode
        samples = []
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                samples.append(decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
                raise StoreError(f"{str(folder / 'samples.jsonl')!r} line {number} cannot be read: {error}") from error
        return Measured(run=run, samples=tuple(samples))

    def set_current(self, entries: Mapping[tuple[str, str], Path]) -> None:
        """Remember which runs the last measure selected, by (suite, candidate); as paths inside the store, so that it may move."""
        root = self.root.resolve()
        runs = tuple(
            _Entry(suite=suite, candidate=candidate, path=os.path.relpath(path.resolve(), root).replace(os.sep, "/"))
            for (suite, candidate), path in entries.items()
        )
        self.write_text("current.json", msgspec.json.format(msgspec.json.encode(_Current(runs=runs)), indent=1).decode() + "\n")

    def select(self, suite: str, candidate: str, path: Path) -> None:
        """Make one run the selected one beside all others, also while other processes select theirs."""
        with self.claim([_SELECTING], wait=lambda: None):
            self.set_current({**self.current(), (suite, candidate): path})

    def current(self) -> dict[tuple[str, str], Path]:
        """The runs that the last measure selected, by (suite, candidate); empty where nothing was measured yet."""
        found: dict[tuple[str, str], Path] = {}
        for folder in dict.fromkeys((self.root, self.outputs)):
            if (folder / "current.json").is_file():
                listed = _decode(folder / "current.json", _read(folder / "current.json"), _Current).runs
                found |= {(entry.suite, entry.candidate): self.root / entry.path for entry in listed}
        return found

    def write_text(self, name: str, text: str) -> Path:
        """Write an output at once, in place of the old one; folders are made as needed."""
        path = self.outputs / name
        atomic_write(path, text)
        return path

    def _place(self, suite: str, candidate: str, graded: str) -> tuple[Path, str]:
        return self.root / _folder_name(suite), f"{_folder_name(candidate)}@{graded[:HASH_LENGTH]}"


def atomic_write(path: Path | str, data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new one, whole. Text is UTF-8. Raises StoreError."""
    write_together({Path(path): data})


def write_together(contents: Mapping[Path, bytes | str]) -> None:
    """Write files that belong to each other, each as ``atomic_write``, in their order: where one of them cannot be written,
    because the disk is full or nobody may, all of the old ones stay. Raises StoreError."""
    waiting: dict[Path, Path] = {}
    try:
        for target, data in contents.items():
            with _errors(target, "written"):
                target.parent.mkdir(parents=True, exist_ok=True)
                waiting[target] = temporary = target.parent / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
                _write(temporary, data.encode("utf-8", "replace") if isinstance(data, str) else data)
        for target, temporary in waiting.items():
            with _errors(target, "written"):
                os.replace(temporary, target)
        for folder in {target.parent for target in waiting}:
            with _errors(folder, "written"):
                _flush_folder(folder)
    finally:
        for temporary in waiting.values():
            with suppress(OSError):  # mostly gone; a disk that may only be read refuses even that
                temporary.unlink()


# ---------------------------------------------------------------------------------------------------------- inside


def _lock(descriptor: int, position: int, *, block: bool) -> bool:
    """Lock one byte (which need not exist) for this process; False where another one holds it, and ``block`` is False."""
    try:
        import fcntl
    except ImportError:  # not POSIX
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB), 1, position)
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EAGAIN}  # anything else: this file system has no locks
    return True


def _claim(temporary: Path, parent: Path, stem: str) -> Path:
    """Rename a finished folder to the first free attempt; renaming onto one with content fails, so two processes never meet."""
    number = 1
    while True:
        place = parent / (stem if number == 1 else f"{stem}.{number}")
        if not place.exists():
            try:
                os.rename(temporary, place)
            except OSError:
                if not place.exists():
                    raise
            else:
                _flush_folder(parent)
                return place
        number += 1


def _attempt(name: str, stem: str) -> int | None:
    if name == stem:
        return 1
    number = name.removeprefix(f"{stem}.")
    return int(number) if number.isascii() and number.isdigit() else None


def _folder_name(name: str) -> str:
    """``name`` as a folder name: what a file system may refuse is written %XX, so two names never become one."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name) or "%"


def _glob(text: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", text)


class _UnsealedError(StoreError):
    """A run without a seal."""


def _read_run(folder: Path) -> Run:
    path = folder / "run.json"
    content = _read(path)
    run = _decode(path, content, Run)
    intact = kept(content)
    if intact is None:
        raise _UnsealedError(
            f"{str(path)!r} has no seal: it was written by an sftgate that had none, or the seal was taken out, and nobody can "
            "tell whether it was changed. Measure again, with the same command (answers come from the journal). What was imported "
            "is imported again (of people's votes: all of them, after deleting this folder)."
        )
    if not intact:
        raise StoreError(_changed(path))
    return run


def _holds(folder: Path, graded: str) -> bool:
    """Is this a run with that fingerprint? One without a seal is none: it is measured again, and stays where it is."""
    try:
        return _read_run(folder).graded == graded
    except _UnsealedError:
        return False


def _changed(path: Path) -> str:
    return (
        f"{str(path)!r} is not what was written: it was changed, or copied in part. Copy the run again, or delete its folder and "
        "measure again (answers come from the journal)."
    )


def _decode(path: Path, content: bytes, kind: type[T]) -> T:
    try:
        return understood(content, kind)
    except UnreadableError as error:
        thing = "its folder" if path.name == "run.json" else "it"
        raise StoreError(
            f"{str(path)!r} {error}. Use the sftgate that wrote it, copy it again, or delete {thing} and measure again "
            "(answers come from the journal)."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{str(path)!r} does not exist; measure first, or copy the whole run folder.") from error
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be read: {error.strerror}.") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut, where the system lets folders be flushed."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be {what}: {error.strerror}. Nothing that was there is lost.") from error


def _encode(record: Record, *, what: str) -> bytes:
    try:
        return msgspec.json.encode(record)
    except (TypeError, UnicodeEncodeError) as error:
        raise StoreError(f"{what} holds something that JSON cannot: {error}.") from error


def _finite_sample(sample: Sample) -> Sample:
    numbers = {"scores": sample.scores, "draws": sample.draws, "statistics": sample.statistics, "weight": sample.weight}
    _require_finite(numbers, f"sample {sample.key!r}")
    return sample


def _require_finite(value: Any, where: str) -> None:
    """JSON has no NaN, and a mean over one is none: refuse it where it enters, by name."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError(f"{where} is {value}; a score must be a finite number, or the sample must carry an error instead.")
    elif isinstance(value, dict):
        for key, part in value.items():
            _require_finite(part, f"{where}, {key}")
    elif isinstance(value, list | tuple):
        for part in value:
            _require_finite(part, where)
