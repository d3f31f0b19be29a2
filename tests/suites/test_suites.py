"""What every suite promises, whatever it asks."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.errors import ConfigError
from harness.plugins import load
from suites import SUITES
from suites.extraction import after_marker, last_number
from suites.scoring import close

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
DATA = ROOT / "suites" / "data"


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_suite_keeps_the_protocol_and_refuses_unknown_options(name):
    suite = load(SUITES[name], SUITES, what="suite")
    assert issubclass(suite.Options, msgspec.Struct)
    for attribute in ("version", "needs_baseline", "journalled", "fingerprint", "items", "ask", "grade"):
        assert hasattr(suite, attribute), attribute
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"surprise": 1, "items": "x", "tasks": ["x"], "judge": "j"}, suite.Options)


def test_importing_the_suites_is_cheap():
    code = "import sys\nfrom harness.plugins import load\nfrom suites import SUITES\n"
    code += "[load(target, SUITES, what='suite') for target in SUITES.values()]\n"
    code += "print(sorted(set(sys.modules) & {'torch', 'transformers', 'lm_eval', 'datasets', 'vllm', 'langdetect', 'sacrebleu'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_data_file_has_its_licence_line():
    files = [path for path in DATA.iterdir() if path.suffix != ".LICENSE"]
    assert files
    for path in files:
        licence = path.with_name(path.name + ".LICENSE").read_text()
        assert "licence" in licence.lower(), path


def test_the_shipped_questions_are_named_from_anywhere_and_can_be_answered_right(builds, grades):
    prompted = load("prompted", SUITES, what="suite")
    suite = builds(prompted, items="suites:general.jsonl", score="contains", normalise=("strip", "lower"))
    right = {item.key: item.target if isinstance(item.target, str) else item.target[0] for item in suite.items()}
    samples = grades(suite, lambda request: f"It is {right[request.item]}.").values()
    assert all(sample.scores["contains"] == 1.0 for sample in samples)
    assert {sample.task for sample in samples} == {"general_en", "general_zh"}
    with pytest.raises(ConfigError, match=r"Did you mean 'general\.jsonl'"):
        builds(prompted, items="suites:genral.jsonl")


@pytest.mark.skipif(not (SHARED / "gsm8k_paired").is_dir(), reason="the shared GSM8K outputs are not beside the repository")
def test_number_extraction_reproduces_every_published_gsm8k_flag():
    published = gzip.decompress((SHARED / "gsm8k_paired" / "example_model_solutions.jsonl.gz").read_bytes())
    rows = [json.loads(line) for line in published.splitlines()]
    wrong, compared = [], 0
    for row in rows:
        target = last_number(row["ground_truth"])
        for name, answer in row.items():
            if isinstance(answer, dict) and "is_correct" in answer:
                compared += 1
                found = after_marker(answer["solution"], "A:")
                number = None if found is None else last_number(found)
                if (number is not None and close(number, target, 1e-6)) != answer["is_correct"]:
                    wrong.append((name, answer["solution"][-60:], row["ground_truth"][-20:]))
    assert compared == 4 * 1319
    assert wrong == []
