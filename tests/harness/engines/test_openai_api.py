"""The OpenAI engine against a small misbehaving server: it retries what passes, and never turns a failure into an answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.engines import transport
from harness.engines.openai_api import OpenAI
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers, ask

Handler = Callable[[str, dict[str, Any], int], tuple[int, dict[str, str], bytes]]
KEY = "sk-very-secret-value"


class Server:
    """A loopback server whose answers a test decides. ``seen`` holds path, body and headers of every POST."""

    def __init__(self) -> None:
        self.handle: Handler = lambda path, body, count: (200, {}, chat("hello"))
        self.models_status = 200
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        outer = self

        class Inner(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(outer.models_status, {}, b'{"data": []}')

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append((self.path, body, dict(self.headers)))
                self._reply(*outer.handle(self.path, body, len(outer.seen)))

            def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Inner)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.thread = threading.Thread(target=lambda: self.http.serve_forever(poll_interval=0.01), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def chat(text: str | None, reason: str | None = "stop", **message: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}).encode()


def candidate(server: Server, *, options: dict[str, Any] | None = None, **resources: object) -> Candidate:
    patience = {"pause_seconds": 0.01, "retries": 3, **resources}
    return Candidate(
        name="it", engine="openai", model="tiny", options={"base_url": server.url, **(options or {})}, resources=patience
    )


def question(text: str = "hi", **fields: Any) -> Request:
    return Request(messages=(Message(role="user", content=text),), **fields)


def one(server: Server, request: Request, **changes: Any) -> Completion | EngineError:
    with OpenAI([candidate(server, **changes)]) as engine:
        return ask(engine, [("it", request)])[0]


def test_every_sampling_parameter_is_sent(server: Server) -> None:
    request = question(max_tokens=9, temperature=0.7, top_p=0.8, top_k=20, min_p=0.1, repetition_penalty=1.1, stop=("\n",), seed=5)
    result = one(server, request)
    assert isinstance(result, Completion)
    assert (result.text, result.finish, result.tokens_in, result.tokens_out) == ("hello", "stop", 5, 2)
    path, body, _ = server.seen[0]
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "tiny", "messages": [{"role": "user", "content": "hi"}], "n": 1, "max_tokens": 9, "temperature": 0.7, "top_p": 0.8,
        "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1, "stop": ["\n"], "seed": 5,
        "presence_penalty": 0.0, "frequency_penalty": 0.0,
    }  # fmt: skip


def test_neutral_values_are_sent_too(server: Server) -> None:
    one(server, question())
    body = server.seen[0][1]
    assert (body["temperature"], body["top_k"], body["min_p"], body["repetition_penalty"]) == (0.0, 0, 0.0, 1.0)


def test_the_openai_dialect_sends_only_what_openai_knows(server: Server) -> None:
    assert isinstance(one(server, question(max_tokens=7), options={"dialect": "openai"}), Completion)
    body = server.seen[0][1]
    assert body["max_completion_tokens"] == 7
    assert not {"top_k", "min_p", "repetition_penalty", "max_tokens"} & set(body)
    refused = one(server, question(top_k=5), options={"dialect": "openai"})
    assert isinstance(refused, EngineError)
    assert "top_k" in str(refused)


def test_schemas_tools_and_template_arguments_are_sent(server: Server) -> None:
    schema, tool = {"type": "object"}, {"type": "function", "function": {"name": "f"}}
    one(server, question(schema=schema, tools=(tool,), enable_thinking=False, continue_final=True))
    body = server.seen[0][1]
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert body["tools"] == [tool]
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_openai_gets_no_length_in_a_schema_for_it_refuses_one_of_some_models(server: Server) -> None:
    text = {"type": "string", "maxLength": 800}
    schema = {"type": "object", "properties": {"reason": text, "verdict": {"enum": ["A", "B"]}}}
    one(server, question(schema=schema), options={"dialect": "openai"})
    sent = server.seen[0][1]["response_format"]["json_schema"]["schema"]
    assert sent == {"type": "object", "properties": {"reason": {"type": "string"}, "verdict": {"enum": ["A", "B"]}}}
    assert text["maxLength"] == 800


def test_raw_prompts_go_to_completions(server: Server) -> None:
    answer = {"choices": [{"text": " a time", "finish_reason": "length"}], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}
    server.handle = lambda path, body, count: (200, {}, json.dumps(answer).encode())
    result = one(server, Request(prompt="Once upon"))
    assert isinstance(result, Completion)
    assert (result.text, result.finish) == (" a time", "length")
    assert server.seen[0][0] == "/v1/completions"
    assert server.seen[0][1]["prompt"] == "Once upon"


def test_reasoning_and_tool_calls_are_kept(server: Server) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    server.handle = lambda path, body, count: (200, {}, chat(None, "tool_calls", tool_calls=[call], reasoning_content="hm"))
    result = one(server, question())
    assert isinstance(result, Completion)
    assert (result.text, result.reasoning, result.tool_calls, result.finish) == ("", "hm", (call,), "stop")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_what_passes_is_tried_again(server: Server, status: int) -> None:
    server.handle = lambda path, body, count: (status, {}, b"busy") if count < 3 else (200, {}, chat("at last"))
    result = one(server, question())
    assert isinstance(result, Completion)
    assert result.text == "at last"
    assert len(server.seen) == 3


def told(server: Server, *, requests: int = 1, **changes: Any) -> list[str]:
    """What a user hears while these requests are asked."""
    lines: list[str] = []
    engine = OpenAI([candidate(server, **changes)])
    engine.tell(lines.append)
    with engine:
        ask(engine, [("it", question(f"{number}")) for number in range(requests)])
    return lines


def test_a_server_that_is_asked_again_for_long_is_told_once_in_a_while(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SHORT", 0.0)
    server.handle = lambda path, body, count: (500, {}, b"overloaded, sk-very-secret-value")
    monkeypatch.setenv("KEY_OF_IT", KEY)
    (line,) = told(server, requests=5, options={"api_key_env": "KEY_OF_IT"})
    assert line == f"{server.url}: status 500: overloaded, …; trying again in 0 s (attempt 2 of 4)"
    monkeypatch.setattr(transport, "SILENCE", 0.0)
    assert len(told(server, requests=2)) == 6, "every time that it is asked again"


def test_a_server_that_soon_answers_again_is_not_worth_a_word(server: Server) -> None:
    server.handle = lambda path, body, count: (500, {}, b"") if count % 3 else (200, {}, chat("ok"))
    assert told(server, requests=5) == []


@pytest.mark.parametrize("status", [429, 500])
def test_when_the_attempts_run_out_it_is_an_error_and_not_an_empty_answer(server: Server, status: int) -> None:
    server.handle = lambda path, body, count: (status, {}, b"overloaded")
    result = one(server, question())
    assert isinstance(result, EngineError)
    assert "4 attempts" in str(result)
    assert str(status) in str(result)
    assert "overloaded" in str(result)
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_other_refusals_are_errors_at_once(server: Server, status: int) -> None:
    server.handle = lambda path, body, count: (status, {}, b'{"error": "model not found"}')
    result = one(server, question())
    assert isinstance(result, EngineError)
    assert "model not found" in str(result)
    assert len(server.seen) == 1


def test_retry_after_is_obeyed(server: Server) -> None:
    server.handle = lambda path, body, count: (429, {"Retry-After": "0.4"}, b"") if count == 1 else (200, {}, chat("ok"))
    started = time.monotonic()
    assert isinstance(one(server, question()), Completion)
    assert time.monotonic() - started >= 0.4


def test_a_time_out_is_tried_again_and_then_an_error(server: Server) -> None:
    def slow(path: str, body: dict[str, Any], count: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.5)
        return 200, {}, chat("too late")

    server.handle = slow
    result = one(server, question(), timeout_seconds=0.1, retries=1)
    assert isinstance(result, EngineError)
    assert "no answer within 0.1 seconds" in str(result)
    assert len(server.seen) == 2


def test_a_broken_connection_is_tried_again(server: Server) -> None:
    server.handle = lambda path, body, count: (0, {}, b"") if count == 1 else (200, {}, chat("ok"))
    result = one(server, question())
    assert isinstance(result, Completion)
    assert result.text == "ok"


@pytest.mark.parametrize(
    "content",
    [
        b'{"choices": []}',
        b"{}",
        b'{"choices": [{"message": {"content": "x"}}]}',
        b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": null}]}',
        b"<html>proxy error</html>",
        b"[]",
    ],
)
def test_a_malformed_answer_is_an_error(server: Server, content: bytes) -> None:
    server.handle = lambda path, body, count: (200, {}, content)
    assert isinstance(one(server, question(), retries=1), EngineError)


def test_a_filtered_answer_is_an_error_and_an_empty_one_is_an_answer(server: Server) -> None:
    server.handle = lambda path, body, count: (200, {}, chat("", "content_filter"))
    assert isinstance(one(server, question()), EngineError)
    server.handle = lambda path, body, count: (200, {}, chat("", "stop"))
    assert isinstance(one(server, question()), Completion)


def test_many_requests_run_at_once_and_come_back_to_their_tickets(server: Server) -> None:
    def slow_echo(path: str, body: dict[str, Any], count: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.1)
        return 200, {}, chat(body["messages"][0]["content"])

    server.handle = slow_echo
    started = time.monotonic()
    with OpenAI([candidate(server, concurrency=16)]) as engine:
        found = answers(engine, [("it", question(str(number))) for number in range(32)])
    assert [answer.text for answer in found] == [str(number) for number in range(32)]
    assert time.monotonic() - started < 2.0


def test_the_api_key_is_sent_and_never_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    server.handle = lambda path, body, count: (400, {}, f"bad key {KEY}".encode())
    result = one(server, question(), options={"api_key_env": "TEST_KEY"})
    assert server.seen[0][2]["Authorization"] == f"Bearer {KEY}"
    assert isinstance(result, EngineError)
    assert KEY not in str(result)


def test_a_key_that_is_not_set_is_a_config_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)
    with pytest.raises(ConfigError, match="TEST_KEY"):
        OpenAI.check(candidate(server, options={"api_key_env": "TEST_KEY"}), where="candidates[0]")


def test_a_refused_key_or_a_dead_endpoint_is_known_at_the_start(server: Server) -> None:
    server.models_status = 401
    with pytest.raises(EngineError, match="API key"), OpenAI([candidate(server)]):
        pass
    server.close()
    with pytest.raises(EngineError, match="connection failed"), OpenAI([candidate(server)]):
        pass


def test_an_endpoint_that_does_not_list_its_models_will_do(server: Server) -> None:
    server.models_status = 404
    assert isinstance(one(server, question()), Completion)


@pytest.mark.parametrize("options", [{}, {"base_url": "localhost:8000"}, {"base_url": "http://x", "api_key": KEY}])
def test_wrong_options_are_config_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        OpenAI.check(Candidate(name="it", engine="openai", model="m", options=options), where="candidates[0]")


def test_an_endpoint_without_log_probabilities_cannot_score(server: Server) -> None:
    request = Request(kind="score", prompt="a", continuation="b")
    server.handle = lambda path, body, count: (200, {}, b'{"choices": [{"text": "", "finish_reason": "stop", "logprobs": null}]}')
    for dialect in ("vllm", "openai"):
        result = one(server, request, options={"dialect": dialect})
        assert isinstance(result, EngineError)
        assert "cannot be asked to score" in str(result)


def test_echoed_log_probabilities_are_summed_from_the_boundary(server: Server) -> None:
    logprobs = {
        "text_offset": [0, 3, 6], "token_logprobs": [None, -0.5, -0.25],
        "top_logprobs": [None, {" is": -0.5}, {" no": -0.1, " so": -0.25}],
    }  # fmt: skip
    answer = {"choices": [{"text": "it is so", "finish_reason": "length", "logprobs": logprobs}]}
    server.handle = lambda path, body, count: (200, {}, json.dumps(answer).encode())
    whole = one(server, Request(kind="score", prompt="it ", continuation="is so"), options={"dialect": "openai"})
    assert isinstance(whole, EngineError), "the context's last space belongs to the continuation, and no token starts there"
    logprobs["text_offset"] = [0, 2, 5]
    whole = one(server, Request(kind="score", prompt="it ", continuation="is so"), options={"dialect": "openai"})
    assert isinstance(whole, Completion)
    assert (whole.logprob, whole.greedy, whole.tokens, whole.bytes) == (-0.75, False, 2, 5)


def _events(*events: object, end: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if end else ""]).encode()


def test_streamed_answers_are_joined_and_timed(server: Server) -> None:
    server.handle = lambda path, body, count: (
        200,
        {},
        _events(
            {"choices": [{"delta": {"role": "assistant"}}]},
            {"choices": [{"delta": {"content": "hel"}}]},
            {"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        ),
    )
    result = one(server, question(), stream=True)
    assert isinstance(result, Completion)
    assert (result.text, result.finish, result.tokens_in, result.tokens_out) == ("hello", "stop", 3, 2)
    assert result.first_token_seconds is not None
    assert 0 < result.first_token_seconds <= result.seconds
    assert server.seen[0][1]["stream"] is True


def test_a_stream_that_breaks_off_is_tried_again_and_then_an_error(server: Server) -> None:
    broken = _events({"choices": [{"delta": {"content": "hel"}}]}, end=False)
    server.handle = lambda path, body, count: (200, {}, broken)
    result = one(server, question(), stream=True, retries=2)
    assert isinstance(result, EngineError)
    assert "broke off" in str(result)
    assert len(server.seen) == 3


def test_leaving_the_engine_ends_its_waiting(server: Server) -> None:
    server.handle = lambda path, body, count: (429, {"Retry-After": "30"}, b"")
    started = time.monotonic()
    with OpenAI([candidate(server)]) as engine:
        from harness.protocols import Asked

        engine.submit([Asked(ticket=0, candidate="it", request=question())])
        assert list(engine.poll(0.3)) == []
    assert time.monotonic() - started < 5.0


# ------------------------------------------------------------------------------- what an endpoint cannot do, or says wrongly


SCORE = Request(kind="score", prompt="a b", continuation=" c")


class Vllm:
    """The parts of vLLM's interface that scoring and cutting need; a token is a word. ``length``: of the context."""

    def __init__(self, length: int = 8, logprob: object = -0.5) -> None:
        self.length, self.logprob = length, logprob

    def handle(self, path: str, body: dict[str, Any], count: int) -> tuple[int, dict[str, str], bytes]:
        if path == "/tokenize":
            text = body.get("prompt") or " ".join(message["content"] for message in body["messages"])
            return 200, {}, json.dumps({"max_model_len": self.length, "tokens": [len(word) for word in text.split()]}).encode()
        if path == "/detokenize":
            return 200, {}, json.dumps({"prompt": " ".join("w" * token for token in body["tokens"]) + "\n"}).encode()
        if isinstance(body.get("prompt"), list):
            rows = [{str(token): {"logprob": self.logprob, "rank": 1}} for token in body["prompt"]]
            return 200, {}, json.dumps({"choices": [{"prompt_logprobs": rows}]}).encode()
        words = (body.get("prompt") or " ".join(message["content"] for message in body["messages"])).split()
        kept = min(len(words), body.get("truncate_prompt_tokens", len(words)))
        if kept + body["max_tokens"] > self.length:
            return 400, {}, b"maximum context length is 8 tokens"
        choice = {"text": " ".join(words[-kept:]), "message": {"content": " ".join(words[-kept:])}, "finish_reason": "stop"}
        return 200, {}, json.dumps({"choices": [choice], "usage": {"prompt_tokens": kept, "completion_tokens": 1}}).encode()


@pytest.mark.parametrize("logprob", [None, float("nan")])
def test_log_probabilities_that_are_no_numbers_are_errors(server: Server, logprob: float | None) -> None:
    server.handle = Vllm(logprob=logprob).handle
    result = one(server, SCORE)
    assert isinstance(result, EngineError)
    assert f"gave {logprob} as the log-probability of 1 of 1 tokens" in str(result)
    logprobs = {"text_offset": [0, 3], "token_logprobs": [None, logprob], "top_logprobs": [None, {" c": logprob}]}
    echoed = json.dumps({"choices": [{"text": "a b c", "finish_reason": "length", "logprobs": logprobs}]}).encode()
    server.handle = lambda path, body, count: (200, {}, echoed)
    result = one(server, SCORE, options={"dialect": "openai"})
    assert isinstance(result, EngineError)
    assert f"gave {logprob} as the log-probability" in str(result)


def test_an_endpoint_that_cannot_score_is_known_before_the_run(server: Server) -> None:
    OpenAI.reach(candidate(server), [question()])
    assert server.seen == [], "nothing is asked where nothing has to be scored"
    server.handle = lambda path, body, count: (404, {}, b"no such route")
    for request in (SCORE, question(kind="score", continuation="c"), Request(kind="score_rolling", prompt="a text")):
        with pytest.raises(EngineError, match=r"log-probabilities, and 'tiny' at .* could not give any: .*no such route.*vLLM"):
            OpenAI.reach(candidate(server, options={"prefix": "x"}), [question(), request])
    server.handle = Vllm().handle
    OpenAI.reach(candidate(server), [SCORE, question(kind="score", continuation="c")])


def test_choices_without_log_probabilities_end_the_run_before_anything_is_asked(
    server: Server, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is an extra")
    (tmp_path / "mc.jsonl").write_text('{"q": "a", "choices": ["b", "c"], "answer": 0}\n' * 3)
    (tmp_path / "mc.yaml").write_text(
        "task: mc\ndataset_path: json\ndataset_kwargs: {data_files: {test: mc.jsonl}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: '{{q}}'\ndoc_to_choice: '{{choices}}'\ndoc_to_target: answer\n"
        "metric_list: [{metric: acc}]\n"
    )
    (tmp_path / "gate.toml").write_text(
        'baseline = "it"\ncandidates = [{ name = "it", model = "tiny", engine = "openai", options = '
        f'{{ base_url = "{server.url}" }} }}]\n'
        'suites = [{ name = "mc", use = "lm_eval", options = { tasks = ["mc.yaml"] } }]\n'
    )
    assert main(["measure", str(tmp_path / "gate.toml")]) == 13
    assert "a suite scores choices by log-probabilities" in " ".join(capsys.readouterr().err.split())
    assert len(server.seen) == 1


def test_what_does_not_fit_is_cut_where_the_server_tells_its_tokens(server: Server) -> None:
    server.handle = Vllm(length=8).handle
    words = "one two three four five six seven eight nine ten"
    for request in (Request(prompt=words, max_tokens=3), question(words, max_tokens=3)):
        assert isinstance(one(server, request), EngineError), "an overlong prompt is an error"
        answer = one(server, msgspec.structs.replace(request, overlong="truncate_left"))
        assert isinstance(answer, Completion)
        assert (answer.text, answer.cut, answer.tokens_in) == ("six seven eight nine ten", 5, 5)
        assert server.seen[-1][1]["truncation_side"] == "left"
    short = one(server, Request(prompt="one two", max_tokens=3, overlong="truncate_left"))
    assert isinstance(short, Completion)
    assert short.cut == 0
    assert server.seen[-1][0] == "/v1/completions", "what fits is sent as it is"


def test_an_overlong_context_is_cut_before_it_is_scored(server: Server) -> None:
    server.handle = Vllm(length=8).handle
    request = Request(kind="score", prompt="one two three four five six seven", continuation=" eight nine")
    error = one(server, request)
    assert isinstance(error, EngineError)
    assert "9 tokens" in str(error)
    answer = one(server, msgspec.structs.replace(request, overlong="truncate_left"))
    assert isinstance(answer, Completion)
    assert (answer.logprob, answer.tokens, answer.cut, answer.tokens_in) == (-1.0, 2, 2, 7)


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
def test_what_cannot_be_cut_is_an_error_that_says_so(server: Server, dialect: str) -> None:
    server.handle = lambda path, body, count: (400, {}, b"too long") if path.startswith("/v1") else (404, {}, b"no such route")
    requests = [question("a b c", overlong="truncate_left")]
    requests += [msgspec.structs.replace(SCORE, overlong="truncate_left")] if dialect == "openai" else []
    for request in requests:
        result = one(server, request, options={"dialect": dialect})
        assert isinstance(result, EngineError)
        assert "too long" in str(result)
        assert "overlong = 'truncate_left' needs a server that tells its tokens" in str(result)


def test_a_refusal_for_another_reason_stays_that_refusal(server: Server) -> None:
    whole = Vllm(length=50)
    server.handle = lambda path, body, count: (400, {}, b"bad tool") if path.startswith("/v1") else whole.handle(path, body, count)
    result = one(server, question("a b c", max_tokens=3, overlong="truncate_left"))
    assert isinstance(result, EngineError)
    assert "bad tool" in str(result)
    assert "overlong" not in str(result)


def test_reasoning_is_counted_and_switches_that_a_server_does_not_know_are_refused(server: Server) -> None:
    body = json.loads(chat("4", reasoning="two and two"))
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 7}
    server.handle = lambda path, sent, count: (200, {}, json.dumps(body).encode())
    result = one(server, question())
    assert isinstance(result, Completion)
    assert (result.reasoning, result.reasoning_tokens) == ("two and two", 7)
    unheard = {"enable_thinking": question(enable_thinking=False), "continue_final": question(continue_final=True)}
    for word, request in unheard.items():
        refused = one(server, request, options={"dialect": "openai"})
        assert isinstance(refused, EngineError)
        assert word in str(refused)


def test_tools_are_not_dropped_from_a_raw_prompt(server: Server) -> None:
    result = one(server, Request(prompt="a", tools=({"type": "function", "function": {"name": "f"}},)))
    assert isinstance(result, EngineError)
    assert "a raw prompt cannot carry them" in str(result)


def test_arguments_of_a_history_are_sent_as_json_texts(server: Server) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": "é"}}}
    history = (Message(role="user", content="a"), Message(role="assistant", tool_calls=(call,)), Message(role="user", content="b"))
    assert isinstance(one(server, Request(messages=history)), Completion)
    _, body, _ = server.seen[0]
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"x": "é"}'


def test_a_conversation_is_scored_as_it_would_be_answered(server: Server) -> None:
    """Tools, thinking and a half-written answer change what stands before a continuation."""
    server.handle = Vllm(length=50).handle
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = (Message(role="user", content="a b"), Message(role="assistant", content="c", tool_calls=(call,)))
    tool = {"type": "function", "function": {"name": "f"}}
    request = Request(
        kind="score", messages=history, continuation=" d", tools=(tool,), enable_thinking=False, continue_final=True
    )  # fmt: skip
    assert isinstance(one(server, request), Completion)
    path, body, _ = server.seen[0]
    assert path == "/tokenize"
    assert (body["tools"], body["chat_template_kwargs"], body["continue_final_message"]) == (
        [tool],
        {"enable_thinking": False},
        True,
    )
    extra = {"chat_template_kwargs": {"date": "2026-11-20"}, "top_k": 3}
    assert isinstance(one(server, request, options={"extra_body": extra}), Completion)
    last = [body for path, body, _ in server.seen if path == "/tokenize" and "messages" in body][-1]
    assert last["chat_template_kwargs"] == {"date": "2026-11-20"}, "extra_body goes over what the request says, as when answering"
    assert "top_k" not in last
