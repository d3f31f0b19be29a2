"""The journal: every request ever answered, by content hash. An SQLite file in WAL mode.

Each batch of completions is one transaction: ``kill -9`` loses at most the requests in flight. Several processes may read and
write at once; the first answer to a key stays. Nothing here deletes or repairs: a file that cannot be trusted is an error, and is
left as it is.

What a transaction wrote is with the operating system, not yet on the disk (``synchronous = NORMAL`` in WAL mode): it survives the
death of the process, while a power cut may take the last answers, which are then asked again. The file stays whole either way.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from harness.errors import JournalError
from harness.records import Completion, Frame, Record

_APPLICATION = 0x53465447  # "SFTG"
_VERSION = 1
_BATCH = 500  # keys per SELECT
_LONG = 512  # bytes from which a value is worth compressing

_FRAMES = 1024  # that are remembered


class _Kept(Completion, frozen=True, kw_only=True, omit_defaults=True):
    """A completion as it is written: in place of its frame, which it has in common with many others, the key of that."""

    framed: bytes = b""


class _Framed(Record, frozen=True, kw_only=True):
    """Of what was written, that key alone."""

    framed: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Completion)
_framed = msgspec.msgpack.Decoder(_Framed)
_frames = msgspec.msgpack.Decoder(Frame)


class Journal:
    """Completions by journal key (hex SHA-256). A context manager; for one thread at a time.

    ``patience`` is how many seconds a write waits for another process to finish its own. Raises JournalError, here and in every
    method, where the file is corrupt, is no journal, or cannot be written.
    """

    def __init__(self, path: Path | str, *, patience: float = 60.0) -> None:
        self.path = Path(path)
        self._patience = patience
        self._frames: dict[bytes, Frame] = {}
        self._keys: dict[Frame, bytes] = {}
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                self._open()
                self._identity = _identity(self.path)
        except JournalError:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._connection.close()

    def get(self, key: str) -> Completion | None:
        """The completion under ``key``, or None."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The completions of those keys that the journal knows."""
        found: dict[str, Completion] = {}
        with self._errors():
            for start in range(0, len(keys), _BATCH):
                blobs = [bytes.fromhex(key) for key in keys[start : start + _BATCH]]
                marks = ",".join("?" * len(blobs))
                rows = self._connection.execute(f"SELECT key, value FROM completions WHERE key IN ({marks})", blobs).fetchall()
                for blob, value in rows:
                    found[blob.hex()] = self._decode(blob.hex(), value)
        return found

    def put_many(self, pairs: Iterable[tuple[str, Completion]]) -> None:
        """Write completions in one transaction. A key that is already known keeps its first answer.

        When this returns they survive the death of this process, however it dies.
        """
        new: dict[Frame, tuple[bytes, bytes]] = {}
        rows = [(bytes.fromhex(key), self._encode(completion, new)) for key, completion in pairs]
        if not rows:
            return
        if _identity(self.path) != self._identity:  # SQLite would go on writing into a file that has no name any more
            raise JournalError(
                f"{self} was moved, deleted or replaced while this run was using it, and answers would be lost. Nothing more is "
                "asked. Put it back, or run again: whatever journal is there then answers what it knows."
            )
        with self._errors(), self._transaction():
            self._connection.executemany("INSERT OR IGNORE INTO frames (key, value) VALUES (?, ?)", new.values())
            self._connection.executemany("INSERT OR IGNORE INTO completions (key, value) VALUES (?, ?)", rows)
        for frame, (key, _) in new.items():
            self._remember(key, frame)

    def count(self) -> int:
        """How many completions there are."""
        with self._errors():
            return int(self._connection.execute("SELECT count(*) FROM completions").fetchone()[0])

    # ---------------------------------------------------------------------------------------------------- inside

    def _open(self) -> None:
        execute = self._connection.execute
        with (
            self._transaction()
        ):  # a write, so that an unwritable file is found now and not after an hour; and one look at the file
            (application,) = execute("PRAGMA application_id").fetchone()
            (version,) = execute("PRAGMA user_version").fetchone()
            if application != _APPLICATION and execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise JournalError(f"{self} is a database of something else; name another store, or move that file away.")
            if application == _APPLICATION and version != _VERSION:
                raise JournalError(
                    f"{self} has format {version}, and this sftgate reads format {_VERSION}; use the version that wrote it."
                )
            execute("CREATE TABLE IF NOT EXISTS completions (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL)")
            execute("CREATE TABLE IF NOT EXISTS frames (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL)")
            execute(f"PRAGMA application_id = {_APPLICATION}")
            execute(f"PRAGMA user_version = {_VERSION}")
        self._write_ahead()
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA cache_size = -65536")  # KiB

    def _write_ahead(self) -> None:
        """Switch to WAL mode. A new file needs it once; SQLite does not wait by itself for others who open it at that moment."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what SQLite means."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"{self} {_explain(error)} Nothing in it was changed. (SQLite: {error})") from error
        except OSError as error:
            raise JournalError(
                f"{self} cannot be created: {error.strerror}. Name a store in a folder that you may write to."
            ) from error

    def _encode(self, completion: Completion, new: dict[Frame, tuple[bytes, bytes]]) -> bytes:
        """The value of a completion. A frame that this journal was not seen to have goes into ``new``, with its key and value."""
        frame = completion.frame
        if frame is None:
            return _packed(_encoder.encode(completion))
        if frame not in self._keys and frame not in new:
            content = _encoder.encode(frame)
            new[frame] = hashlib.sha256(content).digest()[:16], _packed(content)
        key = self._keys[frame] if frame in self._keys else new[frame][0]
        return _packed(_encoder.encode(_Kept(**{**msgspec.structs.asdict(completion), "frame": None, "framed": key})))

    def _remember(self, key: bytes, frame: Frame) -> None:
        if len(self._frames) >= _FRAMES:
            self._frames.clear()
            self._keys.clear()
        self._frames[key] = frame
        self._keys[frame] = key

    def _decode(self, key: str, value: bytes) -> Completion:
        try:
            payload = _unpacked(value)
            completion, framed = _decoder.decode(payload), _framed.decode(payload).framed
        except (ValueError, zlib.error, msgspec.MsgspecError):
            raise JournalError(
                f"{self} is damaged: the answer under {key[:12]}… cannot be read. {_REMEDY} Nothing in it was changed."
            ) from None
        return msgspec.structs.replace(completion, frame=self._frame(framed)) if framed else completion

    def _frame(self, key: bytes) -> Frame | None:
        """The frame under a key; None where it is not there, or cannot be read: it is for people, and no answer hangs on it."""
        if key not in self._frames:
            row = self._connection.execute("SELECT value FROM frames WHERE key = ?", [key]).fetchone()
            try:
                found = None if row is None else _frames.decode(_unpacked(row[0]))
            except (ValueError, zlib.error, msgspec.MsgspecError):
                found = None
            if found is None:
                return None
            self._remember(key, found)
        return self._frames[key]

    def __str__(self) -> str:
        return f"journal {str(self.path)!r}"


_REMEDY = "Move it away (with its -wal and -shm files) to start a new one, or restore a copy."


def _packed(payload: bytes) -> bytes:
    """One byte of kind (z: compressed, p: plain), CRC-32 of the content, content (msgpack)."""
    check = zlib.crc32(payload).to_bytes(4, "big")
    if len(payload) < _LONG:
        return b"p" + check + payload
    return b"z" + check + zlib.compress(payload, 1)


def _unpacked(value: bytes) -> bytes:
    """The content. ValueError where it is not what was written."""
    payload = zlib.decompress(value[5:]) if value[:1] == b"z" else value[5:]
    if int.from_bytes(value[1:5], "big") != zlib.crc32(payload):
        raise ValueError("its check sum is another")
    return payload


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file ``path`` names: device and inode; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _explain(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")):
        return f"is damaged, or is no SQLite file. {_REMEDY}"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return "cannot be written. Name a store in a folder that you may write to."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is held by another process for too long. Wait for that run, or stop it."
    if name.startswith("SQLITE_FULL"):
        return "cannot grow: the disk is full. Free some space and run again; what was answered so far is kept."
    if name.startswith("SQLITE_IOERR"):
        return (
            "cannot be read or written: the disk failed, went away, or lets no file grow further (quota, file size limit). See to "
            "that and run again; what was answered so far is kept."
        )
    return "cannot be used."
