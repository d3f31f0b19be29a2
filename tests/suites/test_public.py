"""The public example's data: prepared from local copies, read by the suites that use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.records import Completion
from suites.prompted import Prompted

PUBLIC = Path(__file__).parents[2] / "examples" / "public"
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """The example's folder, copied, with its data written."""
    if not (SHARED / "truthfulqa").is_dir():
        pytest.skip("the shared public data is not beside the repository")
    folder = tmp_path / "public"
    folder.mkdir()
    for name in ("prepare.py", "truthfulqa_mc1.yaml"):
        (folder / name).write_bytes((PUBLIC / name).read_bytes())
    subprocess.run([sys.executable, str(folder / "prepare.py"), str(SHARED)], check=True, capture_output=True)
    return folder


def test_gsm8k_items_are_scored_by_their_number(prepared, builds, grades):
    suite = builds(Prompted, items=str(prepared / "gsm8k.jsonl"), score="numeric")
    targets = {item.key: item.target for item in suite.items()}
    assert len(targets) == 1319
    samples = grades(suite, lambda request: f"so 1 + 1 = 2\n#### {targets[request.item]}")
    assert all(sample.scores["numeric"] == 1.0 for sample in samples.values())


def test_truthfulqa_is_a_local_lm_eval_task_whose_answers_stand_anywhere(prepared, builds, grades):
    pytest.importorskip("lm_eval", reason="lm-eval is an extra")
    from suites.lm_eval import LmEval

    suite = builds(LmEval, tasks=("truthfulqa_mc1",), include="public")
    items = list(suite.items())
    assert len(items) == 790
    assert 0.15 < suite.metrics["acc"].chance < 0.3
    first = grades(suite, lambda request: Completion(logprob=-float(len(request.continuation)), greedy=False))
    right = sum(sample.scores["acc"] for sample in first.values())
    assert 0 < right < len(items)


def test_missing_public_data_is_said_in_one_paragraph(tmp_path):
    done = subprocess.run([sys.executable, str(PUBLIC / "prepare.py"), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mc_task.json.gz is not there" in done.stderr
    assert "Traceback" not in done.stderr
