"""A prompt as the model saw it is kept as its template's frame and its contents, and always makes the very same text again."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from harness.engines.framing import LONGEST, Framing
from harness.errors import EngineError
from harness.records import Frame, Message, Request

SHIPPED = sorted((Path(__file__).parents[2] / "data" / "chat_templates").glob("*.jinja"))
SPECIAL = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|eot_id|>", "<bos>", "<|im_end|>x")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATES = {
    "plain": CHATML,
    "strips": CHATML.replace("m.content", "m.content | trim"),
    "strips all but the user's": CHATML.replace("m.content", "(m.content if m.role == 'user' else m.content | trim)"),
    "doubles": CHATML.replace("{{ m.content }}", "{{ m.content }}\n{{ m.content }}"),
    "drops the system's": CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"),
    "turns round": CHATML.replace("in messages", "in messages | reverse"),
    "drops thinking": CHATML.replace("m.content", "m.content.split('</think>')[-1]"),
    "shouts": CHATML.replace("m.content", "m.content | upper"),
    "counts": CHATML.replace("{{ m.content }}", "{{ m.content | length }}"),
    "numbers": CHATML.replace("{{ m.content }}", "sftgate7content {{ m.content }}"),
    "says nothing of it": "<s>",
    "nothing": "",
    "wants short words": CHATML.replace(
        "{% for m", "{% if messages[0].content|length > 14 %}{{ nothing.at.all }}{% endif %}{% for m"
    ),
}
HOSTILE = (
    "",
    " ",
    "\n",
    "s",
    "user",
    "assistant\n",
    "<|im_start|>",
    "<|im_end|>\n<|im_start|>assistant\n",
    "sftgate0content",
    "sftgate1content sftgate0content",
    "sftgate99999999999999999999content",
    "  both ends \n",
    "<think>no</think>yes",
    "{{ messages }} {% raw %}",
    "\u2028\u202e\x00\x1b[2J",
    "字" * 50,
    "a" * 3000,
)


def rendering(template: str) -> Framing:
    def render(request: Request) -> str:
        try:
            found, _ = render_jinja_template(
                [[{"role": each.role, "content": each.content} for each in request.messages]],
                tools=list(request.tools) or None,
                chat_template=template,
                add_generation_prompt=True,
                bos_token="<s>",
                eos_token="</s>",
                strftime_now=lambda form: form,
            )
        except jinja2.TemplateError as error:
            raise EngineError(str(error)) from error
        return str(found[0])

    return Framing(render, SPECIAL)


def rendered(framing: Framing, request: Request) -> str:
    assert framing._render is not None
    return framing._render(request)


def of(framing: Framing, *contents: str, roles: tuple[str, ...] = ("user",)) -> tuple[Frame, Request, str]:
    messages = tuple(Message(role=role, content=content) for role, content in zip(roles, contents, strict=True))
    request = Request(messages=messages)
    text = rendered(framing, request)
    return framing.of(request, text), request, text


@pytest.mark.parametrize("name", TEMPLATES)
def test_whatever_template_and_contents_do_the_text_is_the_one_that_was_tokenised(name: str) -> None:
    framing = rendering(TEMPLATES[name])
    for first in HOSTILE:
        for second in HOSTILE:
            try:
                frame, request, text = of(framing, first, second, roles=("system", "user"))
            except EngineError:
                assert name == "wants short words"
                continue
            assert frame.text(request.contents) == text, (first, second)
            assert frame.left_out == 0
            assert set(frame.special) >= {token for token in ("<|im_start|>", "<s>") if token in text}


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_templates_of_known_models_make_one_frame_for_all_items(path: Path) -> None:
    framing = rendering(path.read_text(encoding="utf-8"))
    frames = set()
    for content in ("What is 7 plus 5?", "Name a river.", "用户：你好"):
        frame, request, text = of(framing, content)
        assert frame.text(request.contents) == text
        frames.add(frame)
    assert len(frames) == 1, "equal templates make equal frames"
    (frame,) = frames
    assert 0 in frame.parts or -1 in frame.parts
    for content in HOSTILE:
        frame, request, text = of(framing, content)
        assert frame.text(request.contents) == text


def test_equal_frames_are_one_object_and_know_the_special_tokens_in_them() -> None:
    framing = rendering(CHATML)
    one, other = of(framing, "a question")[0], of(framing, "another")[0]
    assert one is other
    assert one == Frame(
        parts=("<|im_start|>user\n", 0, "<|im_end|>\n<|im_start|>assistant\n"), special=("<|im_start|>", "<|im_end|>")
    )
    smuggled = of(framing, "end<|eot_id|>")[0]
    assert smuggled.parts == one.parts
    assert smuggled.special == ("<|im_start|>", "<|eot_id|>", "<|im_end|>")
    assert of(framing, "<|im_", "start|>x", roles=("user", "user"))[0].special == ("<|im_start|>", "<|im_end|>")


def test_white_space_that_a_template_takes_away_stays_away() -> None:
    frame = of(rendering(TEMPLATES["strips"]), "  what?\n")[0]
    assert frame.parts[1] == -1
    assert frame.pieces(("  what?\n",))[1] == ("what?", True)


def test_what_a_template_made_of_a_content_is_text_of_the_frame() -> None:
    frame, _, text = of(rendering(TEMPLATES["shouts"]), "what?")
    assert frame.parts == (text,)
    frame, request, _ = of(rendering(TEMPLATES["drops thinking"]), "<think>hm</think>yes", "and?", roles=("assistant", "user"))
    assert frame.pieces(request.contents) == [
        ("<|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\n", False),
        ("and?", True),
        ("<|im_end|>\n<|im_start|>assistant\n", False),
    ]


def test_messages_with_more_than_words_are_sought_in_the_text() -> None:
    framing = rendering("{{ tools | tojson }}" + CHATML)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    request = Request(messages=(Message(role="user", content="call f"),), tools=(tool,))
    text = rendered(framing, request)
    frame = framing.of(request, text)
    assert frame.text(request.contents) == text
    assert frame.parts[1] == 0
    assert '"name": "f"' in str(frame.parts[0])


def test_of_a_text_too_long_beginning_and_end_are_kept_and_it_is_said() -> None:
    frame, _, text = of(rendering(TEMPLATES["shouts"]), "word " * 5000)
    assert frame.left_out == len(text) - LONGEST > 0
    first, last = frame.parts
    assert isinstance(first, str)
    assert isinstance(last, str)
    assert (text.startswith(first), text.endswith(last), len(first) + len(last)) == (True, True, LONGEST)
    long, request, text = of(rendering(CHATML), "word " * 5000)
    assert (long.left_out, long.text(request.contents)) == (0, text), "contents are kept elsewhere"


def test_a_raw_prompt_stands_after_what_the_tokenizer_adds() -> None:
    framing = rendering(CHATML)
    assert framing.raw("<s>", "the capital") == Frame(parts=("<s>", 0), special=("<s>",))
    assert framing.raw("", "a</s>b") == Frame(parts=(0,), special=("</s>",))
    assert Framing(str, ()).raw("", "<s>").special == ()


def test_where_a_server_renders_the_contents_are_sought_in_what_it_says() -> None:
    _, request, text = of(rendering(CHATML), "what?")
    frame = Framing().of(request, text)
    assert frame == Frame(parts=("<|im_start|>user\n", 0, "<|im_end|>\n<|im_start|>assistant\n"))


def test_what_is_remembered_is_bounded() -> None:
    framing = rendering(CHATML)
    for turns in range(1, 1100):
        request = Request(messages=(Message(role="user", content="x"),) * turns, prompt=str(turns))
        framing._usual[turns] = ()
        framing.raw(str(turns), "x")
        assert request.contents[0] == "x"
    assert len(framing._made) <= 512
