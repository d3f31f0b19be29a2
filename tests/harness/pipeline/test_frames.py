"""What a sample keeps of a prompt as the model saw it: little, and enough to make the very same text again."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from harness.cli import main
from harness.engines.fake import Fake
from harness.pipeline.frames import LONGEST, Frames
from harness.records import Completion, Frame, Message, Rendered, Request, Sample
from harness.store import Store

FRAME = Frame(parts=("<s>system ", 0, "\nuser ", 1, "\nassistant "), special=("<s>",))
CONTENTS = ("", "a", "aa", "user", "<s>", "one\n\ntwo", "sftgate0content", "  both  ", "字" * 9)


def asked(*contents: str) -> Request:
    return Request(messages=tuple(Message(role="user", content=content) for content in contents))


def kept(frames: Frames, prompt: str, request: Request, frame: Frame) -> Sample:
    """As it is read again from the disk."""
    sample = Sample(key="k", task="t", prompt=prompt, scores={}, rendered=frames.rendered(prompt, request, frame))
    return msgspec.json.decode(msgspec.json.encode(sample), type=Sample)


def text(sample: Sample, frames: Frames) -> str:
    seen = sample.seen(frames.shared)
    assert seen is not None
    return seen[0].text(seen[1])


@pytest.mark.parametrize("form", ["{0}", "{1}", "system: {0}\n\nuser: {1}", "{1}{0}", "something else", ""])
def test_the_text_comes_back_whatever_the_sample_shows_of_it(form: str) -> None:
    frames = Frames()
    for first, second in itertools.product(CONTENTS, CONTENTS):
        request = asked(first, second)
        sample = kept(frames, form.format(first, second), request, FRAME)
        assert text(sample, frames) == FRAME.text(request.contents), (first, second)


def test_what_the_prompt_says_is_not_said_twice() -> None:
    frames, question = Frames(), "what is 7 plus 5?" * 50
    alone = Frame(parts=("<s>", 0, "</s>"))
    first, second = (kept(frames, question, asked(question), alone) for _ in range(2))
    assert first.rendered == Rendered(frame=alone)
    assert second.rendered == Rendered(frame=0)
    assert msgspec.json.encode(second.rendered) == b"[0,[]]"
    assert frames.shared == (alone,)
    both = kept(frames, f"system: be brief\n\nuser: {question}", asked("be brief", question), FRAME)
    assert both.rendered == Rendered(frame=FRAME, contents=((8, 16), (24, 24 + len(question))))
    assert text(first, frames) == text(second, frames) == f"<s>{question}</s>"


def test_what_is_unlike_all_others_stays_with_its_sample() -> None:
    frames = Frames()
    for number in range(50):
        kept(frames, "q", asked("q"), Frame(parts=(f"tools {number} ", 0)))
    assert frames.shared == ()


def test_of_a_text_that_the_sample_does_not_show_no_more_than_beginning_and_end_are_kept() -> None:
    frames, long = Frames(), "".join(map(str, range(20_000)))
    sample = kept(frames, "a summary", asked("be brief", long), FRAME)
    whole = FRAME.text(("be brief", long))
    assert sample.rendered is not None
    frame = sample.rendered.frame
    assert isinstance(frame, Frame)
    assert frame.left_out == len(whole) - LONGEST
    assert text(sample, frames) == whole[: LONGEST * 3 // 4] + whole[-LONGEST // 4 :]
    shown = kept(frames, long, asked("be brief", long), FRAME)
    assert text(shown, frames) == whole


def test_a_sample_without_and_one_with_a_number_that_its_run_does_not_have_say_nothing() -> None:
    plain = msgspec.json.decode(b'{"key":"k","task":"t","prompt":"p","scores":{}}', type=Sample)
    assert plain.seen((FRAME,)) is None
    lost = msgspec.structs.replace(plain, rendered=Rendered(frame=1))
    assert lost.seen((FRAME,)) is None
    assert lost.seen(()) is None


# ---------------------------------------------------------------------------------------------- the whole way, to the disk


class Framed(Fake):
    """A fake engine that renders: each candidate its own template."""

    def _answer(self, name: str, request: Request) -> Completion:
        frame = Frame(parts=(f"<s>{name}\n", *range(len(request.contents)), "</s>"), special=("</s>", "<s>"))
        return msgspec.structs.replace(super()._answer(name, request), frame=frame)


FRAMED = 'model = "none", revision = "1", engine = "tests.harness.pipeline.test_frames:Framed"'
CONFIG = f"""
baseline = "old"
candidates = [
  {{ name = "old", {FRAMED} }},
  {{ name = "new", {FRAMED}, options = {{ answers = {{ "0?" = "1" }} }} }},
  {{ name = "mute", engine = "fake" }},
]
suites = [{{ name = "s", use = "prompted", options = {{ items = "items.jsonl", score = "exact_match", system = "be brief" }} }}]
"""


def seen_by(folder: Path) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    store = Store(folder / "runs")
    for (_, name), path in store.current().items():
        measured = store.read(path)
        seen = [sample.seen(measured.run.frames) for sample in measured.samples]
        found[name] = [None if each is None else each[0].text(each[1]) for each in seen]
    return found


def test_what_an_engine_told_reaches_samples_journal_and_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "items.jsonl").write_text("".join(f'{{"key": "k{n}", "prompt": "{n}?", "target": "1"}}\n' for n in range(5)))
    config = tmp_path / "gate.toml"
    config.write_text(CONFIG)
    assert main(["measure", str(config)]) == 0
    expected = {
        "old": [f"<s>old\nbe brief{n}?</s>" for n in range(5)],
        "new": [f"<s>new\nbe brief{n}?</s>" for n in range(5)],
        "mute": [None] * 5,
    }
    assert seen_by(tmp_path) == expected
    config.write_text(CONFIG.replace('"exact_match"', '"contains"'))
    capsys.readouterr()
    assert main(["measure", str(config)]) == 0
    assert "0 requests asked, 15 answered from the journal" in " ".join(capsys.readouterr().err.split())
    assert seen_by(tmp_path) == expected, "answers from the journal know it too"
    assert main(["show", str(config), "--item", "k3"]) == 0
    shown = capsys.readouterr().out
    assert "  as old saw the prompt:\n<s>old\nbe brief3?</s>\n" in shown
    assert "  as new saw the prompt:\n<s>new\n" in shown
    assert "mute saw" not in shown
    assert main(["show", str(config)]) == 0
    assert "saw the prompt" not in capsys.readouterr().out, "only of a single item"
