"""Runs are written at once or not at all, and never over one another."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import StoreError
from harness.records import Candidate, Fingerprints, Metric, Run, Sample
from harness.seals import sealed
from harness.store import Store, atomic_write

GRADED = "0123456789abcdef" * 4


def run(suite: str = "domain", candidate: str = "week47", graded: str = GRADED, **fields: Any) -> Run:
    defaults: dict[str, Any] = {"use": "prompted", "items_hash": "i", "suite_hash": "s", "metrics": {"exact_match": Metric()}}
    return Run(
        candidate=Candidate(name=candidate),
        suite=suite,
        fingerprints=Fingerprints(asked="a"),
        graded=graded,
        **{**defaults, **fields},
    )


def sample(key: str = "a", **fields: Any) -> Sample:
    return Sample(key=key, task="domain", **{"scores": {"exact_match": 1.0}, **fields})


SAMPLES = (
    sample(
        "a", outputs=("你好\n第二行 <script>", ""), target={"x": [1, None]}, draws={"exact_match": [1.0, 0.0]}, flags=("truncated",)
    ),
    sample("b", scores=None, error="the engine timed out"),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_selecting_one_run_keeps_the_others(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("a", "b", "a"):
        store.select("facts", name, tmp_path / "facts" / f"{name}@1")
    assert store.current() == {("facts", name): tmp_path / "facts" / f"{name}@1" for name in ("a", "b")}


def test_a_run_comes_back_as_it_was_written(store: Store) -> None:
    path = store.write_run(run(groups={"mmlu": {"acc": {"stem": 0.5}}}), SAMPLES)
    measured = store.read(path)
    assert measured.samples == SAMPLES
    assert msgspec.structs.replace(measured.run, samples_hash="") == run(groups={"mmlu": {"acc": {"stem": 0.5}}})


def test_a_run_lies_where_the_design_says(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    assert path == store.root / "domain" / "week47@0123456789ab"
    assert files(store.root) == {"domain/week47@0123456789ab/run.json", "domain/week47@0123456789ab/samples.jsonl"}
    assert store.journal_path == store.root / "journal.sqlite"


def test_samples_are_one_line_each_in_utf8(store: Store) -> None:
    lines = (store.write_run(run(), SAMPLES) / "samples.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["key"] for line in lines] == ["a", "b"]
    assert "你好".encode() in lines[0]


def test_a_run_is_never_overwritten(store: Store) -> None:
    first = store.write_run(run(created="one"), SAMPLES)
    second = store.write_run(run(created="two"), SAMPLES[:1])
    third = store.write_run(run(created="three"), ())
    assert [path.name for path in (first, second, third)] == [f"week47@0123456789ab{n}" for n in ("", ".2", ".3")]
    assert store.read(first).run.created == "one"
    assert store.find("domain", "week47", GRADED) == third


def test_ten_attempts_are_counted_as_numbers(store: Store) -> None:
    paths = [store.write_run(run(), ()) for _ in range(11)]
    assert store.find("domain", "week47", GRADED) == paths[-1]
    assert paths[-1].name.endswith(".11")


def test_an_unfinished_run_is_not_found(store: Store) -> None:
    whole = store.write_run(run(), SAMPLES)
    broken = store.write_run(run(), SAMPLES)
    (broken / "run.json").unlink()
    assert store.find("domain", "week47", GRADED) == whole


def test_a_run_of_another_fingerprint_or_candidate_is_not_found(store: Store) -> None:
    store.write_run(run(), SAMPLES)
    same_name = GRADED[:12] + "f" * 52
    assert store.find("domain", "week47", "f" * 64) is None
    assert store.find("domain", "week47", same_name) is None
    assert store.find("domain", "week4", GRADED) is None
    assert store.find("other", "week47", GRADED) is None


def test_a_failed_write_leaves_nothing_behind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.store.os.fsync", full)
    with pytest.raises(StoreError, match="cannot be written: No space left on device"):
        store.write_run(run(), SAMPLES)
    assert files(store.root) == set()
    assert store.find("domain", "week47", GRADED) is None


def test_two_writers_of_one_run_get_two_folders(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process finishes between our look at the place and our rename."""
    rename = os.rename
    raced: list[Path] = []

    def late(source: Path, target: Path) -> None:
        if not raced:
            raced.append(shutil.copytree(source, target))
        rename(source, target)

    monkeypatch.setattr("harness.store.os.rename", late)
    assert store.write_run(run(), SAMPLES).name == "week47@0123456789ab.2"
    assert store.read(raced[0]).samples == SAMPLES


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["scores", "draws", "statistics", "weight"])
def test_what_is_not_a_finite_number_is_refused(store: Store, field: str, value: float) -> None:
    wrong: Any = {
        "scores": {"exact_match": value},
        "draws": {"exact_match": [1.0, value]},
        "statistics": {"bleu": [value]},
        "weight": value,
    }
    with pytest.raises(StoreError, match=f"sample 'b', {field}"):
        store.write_run(run(), [SAMPLES[0], sample("b", **{field: wrong[field]})])
    assert files(store.root) == set()


def test_a_run_with_nan_in_it_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="tokens, rate is nan"):
        store.write_run(run(environment={"tokens": {"rate": math.nan}}), SAMPLES)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "x:y*z", "50%", "w@b", "全量 微调", "trailing.", ""])
def test_any_name_finds_its_run_again(store: Store, name: str) -> None:
    path = store.write_run(run(suite=name, candidate=name), SAMPLES)
    assert path.parent.parent == store.root
    assert path.parent.name not in {"..", "."}
    assert store.find(name, name, GRADED) == path
    assert store.read(path).run.candidate.name == name


def test_names_that_look_alike_stay_apart(store: Store) -> None:
    names = ["a/b", "a%2Fb", "a:b", "a[b]", "a*"]
    paths = {store.write_run(run(candidate=name), SAMPLES) for name in names}
    assert len(paths) == len(names)
    assert all(store.find("domain", name, GRADED) in paths for name in names)


# -------------------------------------------------------------------------------------------------- bad files


def test_a_changed_sample_file_is_noticed(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    file = path / "samples.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"exact_match":1.0', b'"exact_match":0.0', 1))
    with pytest.raises(StoreError, match=r"is not what was written.* delete its folder and measure again"):
        store.read(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"direction": "higher"', '"direction": "lower"'),
        ('"failed": 0', '"failed": 1'),
        ('"retained": false', '"retained": true'),
        ('"weights": null', '"weights": "w"'),
        ('"items_hash": "i"', '"items_hash": "j"'),
        ('"seed": 0,', ""),
        ('"seal": "', '"seal": "0'),
    ],
)
def test_a_changed_run_file_is_noticed_by_everybody_who_reads_it(store: Store, old: str, new: str) -> None:
    path = store.write_run(run(), SAMPLES)
    written = (path / "run.json").read_text()
    assert written.count(old) == 1
    (path / "run.json").write_text(written.replace(old, new))
    for reading in (store.run, store.read, lambda _: store.find("domain", "week47", GRADED)):
        with pytest.raises(StoreError, match=r"run\.json' is not what was written.* delete its folder and measure again"):
            reading(path)


def test_a_run_file_with_the_same_content_in_another_layout_is_the_same(store: Store) -> None:
    path = store.write_run(run(environment={"a": 1.5, "z": {"k": [1, None, "é"]}}), SAMPLES)
    fields = msgspec.json.decode((path / "run.json").read_bytes())
    (path / "run.json").write_bytes(msgspec.json.encode(dict(reversed(fields.items()))))
    assert store.read(path).samples == SAMPLES


def test_a_key_that_a_later_version_writes_is_sealed_too_and_read_past(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    fields = msgspec.json.decode((path / "run.json").read_bytes())
    fields.pop("seal")
    (path / "run.json").write_bytes(sealed(msgspec.json.encode({**fields, "later": {"x": 1}})))
    assert store.read(path).samples == SAMPLES


def test_a_run_without_a_seal_is_not_believed_and_is_measured_again(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    fields = msgspec.json.decode((path / "run.json").read_bytes())
    fields.pop("seal")
    (path / "run.json").write_bytes(msgspec.json.encode(fields))
    for reading in (store.run, store.read):
        with pytest.raises(StoreError, match=r"has no seal.* Measure again, with the same command"):
            reading(path)
    assert store.find("domain", "week47", GRADED) is None
    again = store.write_run(run(), SAMPLES)
    assert store.find("domain", "week47", GRADED) == again
    assert path.is_dir()


def test_a_run_that_forgets_the_hash_of_its_samples_is_not_read(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    fields = msgspec.json.decode((path / "run.json").read_bytes())
    fields.pop("seal")
    (path / "run.json").write_bytes(sealed(msgspec.json.encode({**fields, "samples_hash": ""})))
    with pytest.raises(StoreError, match=r"samples\.jsonl' is not what was written"):
        store.read(path)


def test_a_line_that_is_no_sample_is_named(store: Store) -> None:
    path = store.write_run(run(), SAMPLES)
    with (path / "samples.jsonl").open("ab") as file:
        file.write(b'{"key": "c", "task": "t"}\n')
    settings = msgspec.json.decode((path / "run.json").read_bytes())
    settings.pop("seal")
    settings["samples_hash"] = hashlib.sha256((path / "samples.jsonl").read_bytes()).hexdigest()
    (path / "run.json").write_bytes(sealed(msgspec.json.encode(settings)))
    with pytest.raises(StoreError, match=r"line 3 cannot be read: .*must have scores or an error"):
        store.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "one"}', b"\xff\xfe"])
def test_a_damaged_run_file_is_a_clear_error(store: Store, content: bytes) -> None:
    path = store.write_run(run(), SAMPLES)
    (path / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json' cannot be read"):
        store.read(path)


@pytest.mark.parametrize("content", ['{"format": 2, "anything": true}', "{}"])
def test_a_run_of_another_format_is_refused(store: Store, content: str) -> None:
    path = store.write_run(run(), SAMPLES)
    (path / "run.json").write_text(content)
    with pytest.raises(StoreError, match=r"has format \d, and this sftgate reads format 1"):
        store.read(path)


def test_a_missing_run_is_a_clear_error(store: Store) -> None:
    with pytest.raises(StoreError, match="does not exist; measure first"):
        store.read(store.root / "domain" / "nothing")


def test_a_store_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        Store(tmp_path / "runs").write_run(run(), SAMPLES)


# ------------------------------------------------------------------------------------------------ current, text


def test_the_selected_runs_survive_a_move_of_the_store(store: Store, tmp_path: Path) -> None:
    path = store.write_run(run(), SAMPLES)
    assert store.current() == {}
    store.set_current({("domain", "week47"): path})
    assert store.current() == {("domain", "week47"): path}
    moved = Store(shutil.copytree(store.root, tmp_path / "laptop" / "copy"))
    ((_, there),) = moved.current().items()
    shutil.rmtree(store.root)
    assert moved.read(there).samples == SAMPLES


def test_a_new_selection_replaces_the_old_one(store: Store) -> None:
    first, second = store.write_run(run(), SAMPLES), store.write_run(run(), SAMPLES)
    store.set_current({("domain", "week47"): first, ("domain", "gone"): first})
    store.set_current({("domain", "week47"): second})
    assert store.current() == {("domain", "week47"): second}


def test_text_is_replaced_whole(store: Store) -> None:
    path = store.write_text("review/summary.md", "one 一")
    assert store.write_text("review/summary.md", "two") == path
    assert path.read_text(encoding="utf-8") == "two"
    assert files(store.root) == {"review/summary.md"}


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "verdict.json"
    atomic_write(file, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.store.os.fsync", full)
    with pytest.raises(StoreError, match=r"No space left.*Nothing that was there is lost"):
        atomic_write(file, b"new")
    assert file.read_bytes() == b"old"
    assert files(tmp_path) == {"verdict.json"}


def test_text_that_utf8_cannot_hold_is_still_written(tmp_path: Path) -> None:
    atomic_write(tmp_path / "f", "a\ud800b")
    assert (tmp_path / "f").read_text(encoding="utf-8") == "a?b"


# --------------------------------------------------------------------------------------------- several processes

HOLD = """
import sys
from harness.store import Store
with Store(sys.argv[1]).claim(sys.argv[2:], wait=lambda: None):
    print("held", flush=True)
    sys.stdin.readline()
"""
"""Another process that claims runs until it is told to let go, or dies."""


def holder(store: Store, *graded: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(store.root), *graded]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


@pytest.mark.parametrize("end", ["lets go", "is killed"])
def test_a_claim_waits_for_another_process_however_that_ends(store: Store, end: str) -> None:
    other = holder(store, "a" * 64, "b" * 64)
    waited = []

    def wait() -> None:
        waited.append(True)
        if end == "is killed":
            other.kill()
        else:
            assert other.stdin is not None
            other.stdin.close()

    with store.claim(["b" * 64, "c" * 64], wait=wait):
        assert waited == [True]
    other.wait(timeout=30)


def test_claims_of_other_runs_do_not_wait(store: Store) -> None:
    other = holder(store, "a" * 64)
    with store.claim(["b" * 64, "c" * 64], wait=lambda: pytest.fail("nobody holds these")):
        pass
    other.kill()
    other.wait(timeout=30)


def test_a_claim_hides_no_run_and_is_no_run(store: Store) -> None:
    with store.claim([GRADED], wait=lambda: None):
        path = store.write_run(run(), SAMPLES)
    assert store.find("domain", "week47", GRADED) == path
    assert files(store.root) == {".lock", "domain/week47@0123456789ab/run.json", "domain/week47@0123456789ab/samples.jsonl"}


def test_where_a_file_system_has_no_locks_nobody_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def lockless(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", lockless)
    with store.claim([GRADED], wait=lambda: pytest.fail("there is nobody to wait for")):
        pass


def test_a_claim_in_a_store_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), Store(tmp_path / "file" / "runs").claim([GRADED], wait=lambda: None):
        pytest.fail("nothing can be claimed there")


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX's")
def test_a_run_that_does_not_fit_the_disk_is_an_error_and_leaves_nothing(store: Store) -> None:
    import resource

    whole = store.write_run(run(), SAMPLES)
    big = [sample(str(i), outputs=("x" * 5000,)) for i in range(100)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot be written: File too large\. Nothing that was there is lost"):
            store.write_run(run(), big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(whole.parent.iterdir()) == [whole]
    assert store.find("domain", "week47", GRADED) == whole
