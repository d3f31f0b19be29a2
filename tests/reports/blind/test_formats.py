"""What is written for raters, in every form: complete, the same every time, inert, and silent about the arms."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import pytest

from harness.errors import UsageError
from reports.blind.form import GRADED, LANGUAGES, Form, Language
from reports.blind.package import FORMATS
from reports.blind.page import TEMPLATES
from reports.blind.sheets import CELL, CUT
from reports.blind.wording import CHOICE_WORDS, WORDS
from tests.reports.blind.sides import measured, packed, pair

FULL = Form(strength=True, reasons=("correct", "clear"), criteria=("accuracy", "style"), guidance="Only <b>what</b> runs & works.")
HOSTILE = '<script>alert(1)</script> & "quoted" ]]> =1+1 $prompt {{7*7}} \u202e'


def everything(folder: Path, **plan: Any) -> tuple[dict[str, bytes], Any]:
    package, key = packed(folder, **{"formats": tuple(FORMATS), "form": FULL, **plan})
    files = {path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*") if path.is_file()}
    return files, key


def plain(files: dict[str, bytes]) -> dict[str, str]:
    """The files as text; what a workbook consists of, too."""
    found = {name: content.decode("utf-8") for name, content in files.items() if not name.endswith(".xlsx")}
    with zipfile.ZipFile(io.BytesIO(files["items.xlsx"])) as book:
        return found | {f"items.xlsx/{name}": book.read(name).decode("utf-8") for name in book.namelist()}


def test_all_forms_are_written_and_listed_in_the_manifest(tmp_path: Path) -> None:
    files, _ = everything(tmp_path)
    assert sorted(files) == [
        "INSTRUCTIONS.md",
        "argilla/.argilla/dataset.json",
        "argilla/.argilla/settings.json",
        "argilla/records.json",
        "items.csv",
        "items.xlsx",
        "label-studio/config.xml",
        "label-studio/tasks.json",
        "manifest.json",
        "potato/config.yaml",
        "potato/items.jsonl",
        "review.html",
    ]
    assert sorted(json.loads(files["manifest.json"])["files"]) == sorted(set(files) - {"manifest.json"})


def test_no_file_in_any_form_names_an_arm_or_an_item_or_a_moment(tmp_path: Path) -> None:
    files, _ = everything(tmp_path, sides=pair(12, flags=("conflict",), slices={"topic": "sl-ice"}, cluster="clu-ster"))
    for name, text in plain(files).items():
        for word in (
            "prod",
            "week47",
            "graded-",
            "asked-",
            "weights-",
            "item0",
            "baseline",
            "candidate",
            "conflict",
            "sl-ice",
            "clu-ster",
        ):
            assert word not in text, f"{name} says {word!r}"
        assert "openpyxl</dc:creator" not in text
        assert "dcterms:created" not in text


def test_the_same_runs_and_plan_give_the_same_bytes(tmp_path: Path) -> None:
    plan = {"checks": 3, "duplicates": 2, "seed": 4}
    assert everything(tmp_path / "a", **plan)[0] == everything(tmp_path / "b", **plan)[0]


def test_every_form_holds_every_row_with_its_sides(tmp_path: Path) -> None:
    files, key = everything(tmp_path, checks=2, duplicates=2)
    wanted = [(entry.review_id, entry.question, entry.left, entry.right) for entry in key.entries]
    sheet = list(csv.DictReader(io.StringIO(files["items.csv"].decode("utf-8-sig"), newline="")))
    assert [(row["review_id"], row["question"], row["answer_1"], row["answer_2"]) for row in sheet] == wanted
    tasks = [task["data"] for task in json.loads(files["label-studio/tasks.json"])]
    assert [(task["review_id"], task["prompt"], task["answer1"], task["answer2"]) for task in tasks] == wanted
    records = json.loads(files["argilla/records.json"])
    assert [(record["id"], *record["fields"].values()) for record in records] == wanted
    lines = [json.loads(line) for line in files["potato/items.jsonl"].splitlines()]
    for line, (name, question, left, right) in zip(lines, wanted, strict=True):
        assert line["id"] == name
        assert line["text"].index(question) < line["text"].index(f">{left}<") < line["text"].index(f">{right}<")
    assert {task["package"] for task in tasks} == {line["package"] for line in lines} == {key.package}


def test_a_workbook_has_a_menu_and_no_formula(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    sides = measured("prod", ["=1+1", "+cmd", "x" * 40_000]), measured("week47", ["@SUM(A1)", "-2", "y"])
    files, key = everything(tmp_path, sides=sides)
    sheet = load_workbook(io.BytesIO(files["items.xlsx"])).active
    assert sheet is not None
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == [
        "package", "review_id", "question", "answer_1", "answer_2", "choice", "reasons", "rate 1: accuracy", "rate 2: accuracy",
        "rate 1: style", "rate 2: style", "comment", "rater",
    ]  # fmt: skip
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    answers = {text for row in rows[1:] for text in row[3:5]}
    assert {"'=1+1", "'+cmd", "'@SUM(A1)", "'-2", "y"} < answers
    long = next(text for text in answers if len(text) > 100)
    assert len(long) < CELL
    assert long.endswith(CUT)
    assert [kind.formula1 for kind in sheet.data_validations.dataValidation] == ['"1!,1,tie,2,2!,both_bad"', "1"]
    assert {row[0] for row in rows[1:]} == {key.package}


def test_label_studio_gets_plain_text_objects_and_our_words_as_aliases(tmp_path: Path) -> None:
    sides = measured("prod", [HOSTILE]), measured("week47", ["plain"])
    files, _ = everything(tmp_path, sides=sides, form=Form(strength=True, guidance="$answer1 & <x>", criteria=('a "b"',)))
    config = Tree.fromstring(files["label-studio/config.xml"].decode())
    assert [node.get("value") for node in config.iter("Text")] == ["$prompt", "$answer1", "$answer2"]
    assert not list(config.iter("HyperText"))
    choices = {node.get("name"): [choice.get("alias") for choice in node] for node in config.iter("Choices")}
    assert choices == {"preference": list(GRADED)}
    assert [node.get("name") for node in config.iter("Rating")] == ["rate1_1", "rate2_1"]
    headers = [node.get("value") or "" for node in config.iter("Header")]
    assert headers[0] == " $answer1 & <x>", "a header that begins with a dollar sign would show a field"
    assert not any(header.startswith("$") for header in headers)
    (task,) = json.loads(files["label-studio/tasks.json"])
    assert set(task) == {"data"}, "a prediction would vote for the rater"


def test_potato_is_given_no_markup_that_a_model_wrote(tmp_path: Path) -> None:
    sides = measured("prod", [HOSTILE]), measured("week47", ["plain"])
    files, _ = everything(tmp_path, sides=sides)
    (line,) = [json.loads(line) for line in files["potato/items.jsonl"].splitlines()]
    assert "<script" not in line["text"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in line["text"]
    config = json.loads(files["potato/config.yaml"])
    assert [scheme["name"] for scheme in config["annotation_schemes"]] == [
        "preference", "reasons", "rate1_1", "rate2_1", "rate1_2", "rate2_2", "comment",
    ]  # fmt: skip
    assert [label["name"] for label in config["annotation_schemes"][0]["labels"]] == list(GRADED)
    assert config["annotation_instructions"] == "Only &lt;b&gt;what&lt;/b&gt; runs &amp; works."


def test_argilla_questions_carry_our_words(tmp_path: Path) -> None:
    files, key = everything(tmp_path)
    settings = json.loads(files["argilla/.argilla/settings.json"])
    assert [question["name"] for question in settings["questions"]] == [
        "preference", "reasons", "rate1_1", "rate2_1", "rate1_2", "rate2_2", "comment",
    ]  # fmt: skip
    assert [option["value"] for option in settings["questions"][0]["settings"]["options"]] == list(GRADED)
    assert [field["required"] for field in settings["fields"]] == [True, False, False]
    assert all(field["settings"]["use_markdown"] is False for field in settings["fields"])
    assert all(record["metadata"] == {"package": key.package} for record in json.loads(files["argilla/records.json"]))
    assert all(not record["suggestions"] and not record["responses"] for record in json.loads(files["argilla/records.json"]))


def test_the_interface_speaks_chinese(tmp_path: Path) -> None:
    files, key = everything(tmp_path, form=Form(language="zh"), checks=1)
    assert '<html lang="zh-Hans">' in files["review.html"].decode()
    assert "回答 1 更好" in files["review.html"].decode()
    assert "盲评" in files["INSTRUCTIONS.md"].decode()
    assert "回答 1 更好" in files["label-studio/config.xml"].decode()
    assert next(entry.item for entry in key.entries if entry.kind == "attention").startswith("zh-")


def test_both_languages_say_the_same_and_every_word_is_used() -> None:
    rest = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("review.html", "review.js"))
    for name, english in WORDS["en"].items():
        chinese = WORDS["zh"][name]
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), name
        assert english.strip(), name
        assert chinese.strip(), name
        assert re.search(rf"words\.{name}\b|words\[\"{name}\"\]|say\(\"{name}\"", rest), f"nobody says {name!r}"
    assert CHOICE_WORDS["en"].keys() == CHOICE_WORDS["zh"].keys() == set(GRADED)


def test_instructions_name_the_keys_and_the_words_of_the_sheet(tmp_path: Path) -> None:
    text = everything(tmp_path)[0]["INSTRUCTIONS.md"].decode()
    assert "12 items." in text
    assert "`1` Answer 1 is much better · `2` Answer 1 is better · `3` Tie" in text
    assert "`1!` (Answer 1 is much better), `1` (Answer 1 is better), `tie` (Tie)" in text
    assert "`correct`, `clear`" in text
    assert "from 1 (worst) to 5 (best)" in text
    assert "Only <b>what</b> runs & works." in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_instructions_speak_of_the_forms_that_are_there_and_of_no_others(tmp_path: Path, language: Language) -> None:
    def said(*formats: str) -> set[str]:
        package, _ = packed(tmp_path / "-".join(formats), formats=formats, form=Form(language=language))
        text = (package / "INSTRUCTIONS.md").read_text(encoding="utf-8")
        assert "{" not in text
        return {name for name in ("review.html", "items.csv", "items.xlsx") if name in text}

    assert said("html") == {"review.html"}
    assert said("html", "xlsx") == {"review.html", "items.xlsx"}
    assert said("xlsx", "csv") == {"items.csv", "items.xlsx"}
    assert said("label-studio") == set()


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no format 'xls' for a review\. Did you mean 'xlsx'"):
        packed(tmp_path, formats=("xls",))
    with pytest.raises(UsageError, match="name at least one format"):
        packed(tmp_path, formats=())


def test_lines_and_indents_outlive_potato_which_drops_styles(tmp_path: Path) -> None:
    files, key = everything(tmp_path, sides=(measured("prod", ["if a < b:\n    run()"]), measured("week47", ["plain"])))
    text = json.loads(files["potato/items.jsonl"])["text"]
    assert "<div>if a &lt; b:<br>\u00a0\u00a0\u00a0\u00a0run()</div>" in text
    assert "style" not in text
    assert key.entries[0].baseline_text == "if a < b:\n    run()"
