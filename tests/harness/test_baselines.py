"""The pin file: written as it is read, strict about everything, the same bytes for the same content."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.baselines import Pin, PinnedRun, Pins, Promotion, check_name, read_pins, write_pins
from harness.errors import ComparabilityError, ConfigError, UsageError

HASH, OTHER = "a" * 64, "b" * 64
WHEN = "2026-11-12T09:30:00+00:00"
RUN = PinnedRun(graded=HASH, samples=OTHER, metric="acc", score=0.75, items=80)
HOSTILE = 'x"\n[pins.evil]\ncandidate = "y"\x1b[31m ’ \\ """ \u202e'


def pin(**fields: object) -> Pin:
    settings: dict[str, object] = {"candidate": "week46", "created": WHEN, "by": "Ana", "runs": {"facts": RUN}}
    return Pin(**(settings | fields))  # type: ignore[arg-type]


def some() -> Pins:
    pins = {"w47": pin(candidate="week47", adapter="out/week47", outcome="pass", sentence=HOSTILE), "a.b": pin(by=HOSTILE)}
    first = Promotion(created=WHEN, by="Ana", to="a.b", reason="the first one")
    second = Promotion(created=WHEN, by="Bo", earlier="a.b", to="w47", outcome="pass", sentence="Ship it.", against="pin:a.b")
    return Pins(promoted="w47", promotions=(first, second), pins=pins)


def test_what_was_written_is_read_again_whatever_stands_in_it(tmp_path: Path) -> None:
    file = tmp_path / "baselines.toml"
    write_pins(file, some())
    assert read_pins(file) == some()
    before = file.read_bytes()
    write_pins(file, read_pins(file))
    assert file.read_bytes() == before, "reading and writing changes nothing"
    text = before.decode()
    assert text.index('[pins."a.b"]') < text.index("[pins.w47]"), "sorted by name, so that a new pin is one block of a diff"
    assert 'from = "a.b"' in text
    assert "\x1b" not in text
    assert not [path for path in tmp_path.iterdir() if path != file], "nothing is left beside it"


def test_no_file_is_no_pin(tmp_path: Path) -> None:
    assert read_pins(tmp_path / "baselines.toml") == Pins()


def test_an_unknown_pin_is_named_and_no_pins_at_all_are_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate\.toml at baseline: no pin of .* is named 'w74'\. Did you mean 'w47'"):
        some().pin("w74", file=tmp_path / "baselines.toml", where="baseline", config="gate.toml")
    with pytest.raises(ComparabilityError, match="holds none"):
        Pins().pin("w47", file=tmp_path / "baselines.toml")


GOOD = f"""
format = 1
promoted = "w46"
promotions = [ {{ created = "{WHEN}", by = "Ana", to = "w46" }} ]
[pins.w46]
candidate = "week46"
created = "{WHEN}"
by = "Ana"
[pins.w46.runs.facts]
graded = "{HASH}"
samples = "{OTHER}"
score = 0.5
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format = 1", "format = 2", ("format 2", "reads format 1")),
        ("format = 1", "format = 1\nformat = 1", ("not valid TOML",)),
        ('\nby = "Ana"\n', "\n", ("pins.w46", "'by' is missing")),
        ('\nby = "Ana"\n', '\nby = "Ana"\nbye = 1\n', ("pins.w46", "bye", "Did you mean 'by'")),
        ('candidate = "week46"', "candidate = 46", ("pins", "46")),
        (f'graded = "{HASH}"', 'graded = "../../etc"', ("runs.facts.graded", "64 hexadecimal", "../../etc")),
        (f'samples = "{OTHER}"', 'samples = ""', ("runs.facts.samples", "64 hexadecimal")),
        ("score = 0.5", "score = nan", ("runs.facts.score", "finite", "nan")),
        ("score = 0.5", 'score = "high"', ("score", "high")),
        (f'created = "{WHEN}"\nby', 'created = "yesterday"\nby', ("pins.w46.created", "yesterday")),
        ('promoted = "w46"', 'promoted = "w64"', ("promoted", "'w64'", "Did you mean 'w46'")),
        ('promoted = "w46"\n', "", ("promoted", "sftgate baseline promote")),
        ('to = "w46"', 'to = "w45"', ("promoted", "latest promotion was of 'w45'")),
        ("[pins.w46]", '[pins."../w46"]', ("../w46",)),
        ("[pins.w46.runs.facts]", "[pins.w46.runs]", ("pins",)),
    ],
)
def test_a_file_that_somebody_broke_says_where_and_how(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "baselines.toml"
    file.write_text(GOOD)
    assert read_pins(file).promoted == "w46"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        read_pins(file)
    for word in ("baselines.toml", *words):
        assert word in str(raised.value)


def test_bytes_that_are_no_text_and_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_pins(tmp_path / "a.toml")
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_pins(tmp_path / "b.toml")
    with pytest.raises(ConfigError, match=r"ends in \.toml"):
        read_pins(tmp_path / "pins.json")


@pytest.mark.parametrize("name", ["", "../x", "a b", "pin:x", "-x", ".x", "x/y", "ü", "a\n", "x" * 101])
def test_names_that_no_pin_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a pin"):
        check_name(name)
