"""The journal remembers every answer, and says clearly when it cannot."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from harness.errors import JournalError
from harness.fingerprint import digest
from harness.journal import Journal
from harness.records import Completion, Frame
from tests.rights import without_rights


def key(name: object) -> str:
    return digest(name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "journal.sqlite"


def test_what_is_put_comes_back_after_reopening(path: Path) -> None:
    full = Completion(
        text="答案 🙂 " * 200,
        reasoning="why",
        tool_calls=({"name": "f", "arguments": {"x": 1}},),
        token_ids=(1, 2),
        finish="length",
        tokens_in=3,
        tokens_out=2,
        seconds=0.5,
        first_token_seconds=0.1,
        logprob=-1.25,
        greedy=True,
        tokens=2,
        bytes=9,
    )
    with Journal(path) as journal:
        journal.put_many([(key("a"), full), (key("b"), Completion(text=""))])
    with Journal(path) as journal:
        assert journal.get(key("a")) == full
        assert journal.get(key("b")) == Completion()
        assert journal.get(key("c")) is None
        assert journal.count() == 2


def test_a_frame_that_many_answers_have_in_common_is_written_once(path: Path) -> None:
    frames = [Frame(parts=(f"<s>{number} ", 0, "</s>" * 200), special=("<s>",)) for number in range(2)]
    answers = {key(number): Completion(text=str(number), frame=frames[number % 2]) for number in range(40)}
    with Journal(path) as journal:
        journal.put_many(list(answers.items())[:20])
        journal.put_many(list(answers.items())[20:])
        journal.put_many([(key("bare"), Completion(text="bare"))])
        assert journal.get_many(list(answers)) == answers
    with Journal(path) as journal:
        journal.put_many([(key("later"), Completion(frame=frames[0]))])
        found = journal.get_many([*answers, key("later"), key("bare")])
        assert found == {**answers, key("later"): Completion(frame=frames[0]), key("bare"): Completion(text="bare")}
        assert len({id(each.frame) for each in found.values()}) == 3
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM frames").fetchone() == (2,)
        assert connection.execute("SELECT max(length(value)) FROM completions").fetchone()[0] < 60


def test_a_frame_that_is_lost_or_damaged_costs_no_answer(path: Path) -> None:
    frame, other = Frame(parts=("<s>", 0)), Frame(parts=("</s>", 0))
    with Journal(path) as journal:
        journal.put_many([(key("a"), Completion(text="a", frame=frame)), (key("b"), Completion(text="b", frame=other))])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE frames SET value = x'7000' WHERE rowid = 1")
        connection.execute("DELETE FROM frames WHERE rowid = 2")
    connection.close()
    with Journal(path) as journal:
        assert journal.get_many([key("a"), key("b")]) == {key("a"): Completion(text="a"), key("b"): Completion(text="b")}


def test_a_journal_of_before_there_were_frames_is_read_and_goes_on(path: Path) -> None:
    full = {name: getattr(Completion(text="old"), name) for name in Completion.__struct_fields__ if name != "frame"}
    payload = msgspec.msgpack.encode(full)
    with Journal(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE frames")
        value = b"p" + zlib.crc32(payload).to_bytes(4, "big") + payload
        connection.execute("INSERT INTO completions VALUES (?, ?)", [bytes.fromhex(key("old")), value])
    connection.close()
    with Journal(path) as journal:
        assert journal.get(key("old")) == Completion(text="old")
        journal.put_many([(key("new"), Completion(frame=Frame(parts=(0,))))])
        assert journal.get(key("new")) == Completion(frame=Frame(parts=(0,)))


def test_many_keys_are_read_at_once(path: Path) -> None:
    with Journal(path) as journal:
        journal.put_many((key(i), Completion(text=str(i))) for i in range(3000))
        found = journal.get_many([key(i) for i in range(1000, 5000)])
    assert found == {key(i): Completion(text=str(i)) for i in range(1000, 3000)}


def test_nothing_to_read_or_write_is_fine(path: Path) -> None:
    with Journal(path) as journal:
        journal.put_many([])
        assert journal.get_many([]) == {}
        assert journal.count() == 0


def test_the_first_answer_to_a_key_stays(path: Path) -> None:
    with Journal(path) as journal:
        journal.put_many([(key("a"), Completion(text="first"))])
        journal.put_many([(key("a"), Completion(text="second")), (key("b"), Completion(text="new"))])
        assert journal.get_many([key("a"), key("b")]) == {key("a"): Completion(text="first"), key("b"): Completion(text="new")}


def test_two_open_journals_see_each_others_answers(path: Path) -> None:
    with Journal(path) as one, Journal(path) as two:
        one.put_many([(key("a"), Completion(text="a"))])
        two.put_many([(key("b"), Completion(text="b"))])
        assert one.get(key("b")) == Completion(text="b")
        assert two.get(key("a")) == Completion(text="a")


def test_several_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    code = textwrap.dedent("""
        import sys
        from harness.fingerprint import digest
        from harness.journal import Journal
        from harness.records import Completion, Frame
        with Journal(sys.argv[1]) as journal:
            for i in range(150):
                journal.put_many([(digest([sys.argv[2], i]), Completion(text=sys.argv[2])), (digest(i), Completion(text="shared"))])
    """)
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    with Journal(path) as journal:
        assert journal.count() == 3 * 150 + 150


def test_a_journal_may_be_created_by_several_at_once(tmp_path: Path) -> None:
    """As two measures do that start together; each look at the new file must be one look."""

    def open_and_write(path: Path, name: str, ready: threading.Barrier) -> None:
        ready.wait()
        with Journal(path) as journal:
            journal.put_many([(key(name), Completion(text=name))])

    for number in range(15):
        path, ready = tmp_path / f"store-{number}" / "journal.sqlite", threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(open_and_write, path, name, ready) for name in "abcdef"]:
                done.result()
        with Journal(path) as journal:
            assert journal.count() == 6


# ------------------------------------------------------------------------------------------------ what goes wrong


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my notes, nothing else\n" * 100)
    with pytest.raises(JournalError, match=r"journal '.*journal.sqlite' is damaged, or is no SQLite file\. Move it away"):
        Journal(path)
    assert path.read_bytes() == b"my notes, nothing else\n" * 100


def test_a_database_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE bookmarks (url TEXT)")
    foreign.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="is a database of something else"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_journal_of_another_format_is_refused(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 2")
    later.close()
    with pytest.raises(JournalError, match="has format 2, and this sftgate reads format 1"):
        Journal(path)


def test_a_truncated_journal_is_an_error_and_not_an_empty_one(path: Path) -> None:
    with Journal(path) as journal:
        journal.put_many((key(i), Completion(text="x" * 50)) for i in range(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalError, match="is damaged"), Journal(path) as journal:
        journal.get_many([key(i) for i in range(2000)])


@pytest.mark.parametrize("page", range(1, 40, 4))
def test_a_damaged_page_never_gives_a_wrong_answer(path: Path, page: int) -> None:
    answers = {key(i): Completion(text=f"{i} " * 40) for i in range(1000)}
    with Journal(path) as journal:
        journal.put_many(answers.items())
    whole = path.read_bytes()
    assert len(whole) > 41 * 4096
    noise = random.Random(page).randbytes(4096)
    path.write_bytes(whole[: page * 4096] + noise + whole[(page + 1) * 4096 :])
    found, said = {}, []
    try:
        with Journal(path) as journal:
            for name in answers:
                try:
                    found[name] = journal.get(name)
                except JournalError as error:
                    said.append(str(error))
    except JournalError as error:
        said.append(str(error))
    assert all(answer in (None, answers[name]) for name, answer in found.items())
    assert said
    assert all("is damaged" in words for words in said)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.999])
def test_a_torn_write_ahead_file_costs_the_last_answers_and_no_other(path: Path, tmp_path: Path, keep: float) -> None:
    """What a power cut leaves: the last transactions are missing, the others are whole, and the file is sound."""
    with Journal(path) as journal:
        journal.put_many([(key("before"), Completion(text="before"))])
    torn = tmp_path / "torn" / "journal.sqlite"
    torn.parent.mkdir()
    with Journal(path) as journal:
        for i in range(100):
            journal.put_many([(key([i, part]), Completion(text=f"{i} {part}")) for part in range(3)])
        log = (path.parent / "journal.sqlite-wal").read_bytes()
        shutil.copy(path, torn)
        (torn.parent / "journal.sqlite-wal").write_bytes(log[: int(keep * len(log))])
    with Journal(torn) as journal:
        assert journal.get(key("before")) == Completion(text="before")
        kept = [sum(journal.get(key([i, part])) == Completion(text=f"{i} {part}") for part in range(3)) for i in range(100)]
        count = journal.count()
        journal.put_many([(key("after"), Completion(text="after"))])
    whole = kept.count(3)
    assert kept == [3] * whole + [0] * (100 - whole), "whole transactions, in their order"
    assert count == 1 + 3 * whole
    assert whole < 100
    assert (whole > 0) == (keep > 0.1)


def test_noise_in_the_write_ahead_file_is_not_taken_for_answers(path: Path, tmp_path: Path) -> None:
    with Journal(path) as journal:
        for i in range(20):
            journal.put_many([(key(i), Completion(text=str(i)))])
        noisy = tmp_path / "noisy" / "journal.sqlite"
        noisy.parent.mkdir()
        log = bytearray((path.parent / "journal.sqlite-wal").read_bytes())
        shutil.copy(path, noisy)
    middle = len(log) // 2
    log[middle : middle + 200] = random.Random(0).randbytes(200)
    (noisy.parent / "journal.sqlite-wal").write_bytes(log)
    with Journal(noisy) as journal:
        found = journal.get_many([key(i) for i in range(20)])
    assert 0 < len(found) < 20
    assert all(found[name] == Completion(text=str(i)) for i in range(20) if (name := key(i)) in found)


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_journal_that_vanishes_under_a_run_stops_it(path: Path, tmp_path: Path, how: str) -> None:
    with Journal(path) as journal:
        journal.put_many([(key("a"), Completion(text="a"))])
        if how == "deleted":
            shutil.rmtree(path.parent)
        else:
            path.parent.rename(tmp_path / "elsewhere")
        if how == "replaced":
            Journal(path).close()
        with pytest.raises(JournalError, match="was moved, deleted or replaced while this run was using it"):
            journal.put_many([(key("b"), Completion(text="b"))])
    if how == "moved":
        with Journal(tmp_path / "elsewhere" / "journal.sqlite") as journal:
            assert journal.get(key("a")) == Completion(text="a"), "what was kept stays kept"


def test_a_full_disk_is_a_clear_error_and_what_was_kept_stays(path: Path) -> None:
    with Journal(path) as journal:
        journal.put_many([(key("a"), Completion(text="a"))])
        journal._connection.execute("PRAGMA max_page_count = 20")  # SQLite then says what it says when no page can be had
        with pytest.raises(JournalError, match="cannot grow: the disk is full"):
            journal.put_many([(key(i), Completion(text="x" * 400)) for i in range(1000)])
        assert journal.count() == 1, "nothing of the batch that did not fit"
        journal.put_many([(key("b"), Completion(text="b"))])
        assert journal.count() == 2


@pytest.mark.parametrize("damage", [b"", b"p", b"p\0\0\0\0\xff", b"z\0\0\0\0not zlib", b"p\0\0\0\0\x80"])
def test_a_damaged_answer_is_never_given_out(path: Path, damage: bytes) -> None:
    with Journal(path) as journal:
        journal.put_many([(key("a"), Completion(text="good"))])
    with sqlite3.connect(path) as hand:
        hand.execute("UPDATE completions SET value = ?", (damage,))
    hand.close()
    with Journal(path) as journal, pytest.raises(JournalError, match="is damaged: the answer under"):
        journal.get(key("a"))


def test_a_folder_in_the_journals_place_is_a_clear_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(path)


def test_a_file_in_the_folders_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(JournalError, match=r"cannot be created: .*Name a store in a folder"):
        Journal(tmp_path / "store" / "journal.sqlite")


def test_a_journal_that_another_process_holds_is_a_clear_error(path: Path) -> None:
    with Journal(path, patience=0.05) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="is held by another process"):
            journal.put_many([(key("a"), Completion())])
        other.execute("ROLLBACK")
        other.close()
        journal.put_many([(key("a"), Completion())])
        assert journal.count() == 1


@pytest.fixture
def powerless() -> Iterator[Path]:
    """A folder that belongs to root, seen by a process that may only read it (for root: by giving up its rights for a while)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Journal(folder / "journal.sqlite").close()
        os.chmod(folder / "journal.sqlite", 0o444)
        os.chmod(folder, 0o555)
        try:
            with without_rights():
                yield folder
        finally:
            os.chmod(folder, 0o755)


def test_a_journal_that_may_only_be_read_is_found_out_at_once(powerless: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot be written. Name a store in a folder that you may write to"):
        Journal(powerless / "journal.sqlite")


def test_a_folder_that_may_only_be_read_is_found_out_at_once(powerless: Path) -> None:
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(powerless / "new.sqlite")
    with pytest.raises(JournalError, match="cannot be created"):
        Journal(powerless / "deeper" / "new.sqlite")
