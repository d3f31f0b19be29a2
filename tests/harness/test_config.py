"""Reading a config: what is right becomes records, what is wrong becomes one sentence that says where."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.config import load
from harness.errors import ConfigError, UsageError
from harness.strict import read

GOOD = """
baseline = "prod"
candidates = [
  { name = "prod", model = "org/base", engine = "fake" },
  { name = "week47", model = "org/base", engine = "fake", adapter = "nowhere" },
]
suites = [{ name = "domain", use = "prompted", options = { items = "x.jsonl" } }]
rules = [{ metric = "domain/*/exact_match", require = "superior" }]
"""


def write(folder: Path, text: str, name: str = "gate.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_config_becomes_records(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD))
    assert [c.name for c in loaded.config.candidates] == ["prod", "week47"]
    assert loaded.config.rules[0].require == "superior"
    assert loaded.store == tmp_path / "runs"


def test_json_is_yaml_with_its_halves_of_signs(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text('{"\\ud83d\\ude00": ["\\ud83d\\ude00 hi", "\U0001f600"]}')
    assert read(path) == {"\U0001f600": ["\U0001f600 hi", "\U0001f600"]}
    path.write_text('{"a": "\\ud83d"}')
    with pytest.raises(ConfigError, match="half of a sign"):
        read(path)


def test_yaml_says_the_same_as_toml(tmp_path: Path) -> None:
    yaml = """
baseline: prod
candidates:
  - {name: prod, model: org/base, engine: fake}
  - {name: week47, model: org/base, engine: fake, adapter: nowhere}
suites: [{name: domain, use: prompted, options: {items: x.jsonl}}]
rules: [{metric: domain/*/exact_match, require: superior}]
"""
    one, other = (load(write(tmp_path, text, name)).config for text, name in ((yaml, "gate.yaml"), (GOOD, "gate.toml")))
    rules = tuple(msgspec.structs.replace(rule, line=one.rules[index].line) for index, rule in enumerate(other.rules))
    assert one == msgspec.structs.replace(other, rules=rules)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("baseline =", "basline ="), ["basline", "Did you mean", "'baseline'"]),
        (('engine = "fake" },\n  {', 'engin = "fake" },\n  {'), ["candidates", "engin", "'engine'"]),
        (('name = "week47"', "name = 47"), ["candidates[1].name", "47"]),
        (('baseline = "prod"', 'baseline = "prd"'), ["baseline", "'prd'", "Did you mean 'prod'"]),
        (('name = "week47"', 'name = "prod"'), ["two candidates are named 'prod'"]),
        (('name = "week47"', 'name = "week 47"'), ["candidates[1].name", "cannot be a name"]),
        (('name = "week47"', f'name = "{"w" * 201}"'), ["candidates[1].name", "cannot be a name", "at most 200"]),
        (('require = "superior"', 'require = "better"'), ["rules[0].require", "'better'", "non_inferior, not_regressed, superior"]),
        (('require = "superior"', 'require = "superor"'), ["rules[0].require", "Did you mean 'superior'"]),
        (
            ('suites = [{ name = "domain", use = "prompted", options = { items = "x.jsonl" } }]', "suites = []"),
            ["suites", "no suite"],
        ),
        (('baseline = "prod"', 'baseline = "prod"\nlimits = { max_errors = 2.0 }'), ["limits.max_errors", "2.0"]),
        (
            ('baseline = "prod"', 'baseline = "prod"\ncontaminated = "x"\nlimits = { max_contaminated = 2.0 }'),
            ["line 4", "limits.max_contaminated", "2.0"],
        ),
        (
            ('baseline = "prod"', 'baseline = "prod"\nlimits = { max_contaminated = 0.02 }'),
            ["line 3", "limits.max_contaminated", "nothing says which they are. Set contaminated to the file"],
        ),
        (('use = "prompted"', 'use = "prompted", expect = [0.9, 0.1]'), ["suites[0].expect", "low < high"]),
        (
            ('baseline = "prod"', 'baseline = "prod"\nstages = [{ candidate = "prod", suite = "domain" }]'),
            ["stages", "after which nothing could be lost"],
        ),
        (
            (
                'baseline = "prod"',
                'baseline = "prod"\n'
                'stages = [{ candidate = "prod", suite = "domain" }, { candidate = "week47", suite = "domain" }]',
            ),
            ["stages[1].suite", "is the suite of stage 0 already"],
        ),
        (
            (
                'baseline = "prod"',
                'baseline = "prod"\nstages = [{ candidate = "prod", suite = "domain" }, { candidate = "week74", suite = "other" }]',
            ),
            ["stages[1].candidate", "no candidate is named 'week74'"],
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, change: tuple[str, str], says: list[str]) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD.replace(*change)))
    message = str(caught.value)
    assert "gate.toml" in message
    for word in says:
        assert word in message
    assert caught.value.exit_code == 2


def test_a_missing_config_names_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(UsageError, match=r"Did you mean 'gate.toml'"):
        load(tmp_path / "gates.toml")


def test_malformed_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        load(write(tmp_path, "baseline = \n"))


def test_environment_variables_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTER", "adapters/week47")
    text = GOOD.replace('adapter = "nowhere"', 'adapter = "${ADAPTER}"')
    assert load(write(tmp_path, text)).config.candidates[1].adapter == "adapters/week47"
    literal = GOOD.replace('adapter = "nowhere"', 'adapter = "$${ADAPTER}"')
    assert load(write(tmp_path, literal)).config.candidates[1].adapter == "${ADAPTER}"


def test_an_unset_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAPTER", raising=False)
    with pytest.raises(ConfigError, match=r"candidates\[1\].adapter: environment variable 'ADAPTER' is not set"):
        load(write(tmp_path, GOOD.replace('adapter = "nowhere"', 'adapter = "${ADAPTER}"')))


def test_a_chat_template_is_found_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "plain.jinja").write_text("{{ messages }}")
    options = 'engine = "fake", options = { chat_template = "plain.jinja" }'
    loaded = load(write(tmp_path, GOOD.replace('engine = "fake"', options, 1)))
    assert loaded.config.candidates[0].options == {"chat_template": str(tmp_path / "plain.jinja")}


def test_set_addresses_list_entries_by_name(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD), sets=["candidates.week47.adapter=other", "seed=7", "limits.max_errors=0.05"])
    assert loaded.config.candidates[1].adapter == "other"
    assert loaded.config.seed == 7
    assert loaded.config.limits.max_errors == 0.05


def test_set_of_a_path_is_relative_to_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "adapter").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    loaded = load(write(tmp_path, GOOD), sets=["candidates.week47.adapter=adapter"])
    assert loaded.config.candidates[1].adapter == str(tmp_path / "here" / "adapter")


@pytest.mark.parametrize("assignment", ["candidates.wek47.adapter=x", "nonsense", "seed.deep.er=1"])
def test_a_wrong_set_is_a_usage_error(tmp_path: Path, assignment: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(tmp_path, GOOD), sets=[assignment])
    assert assignment.split("=")[0].split(".")[0] in str(caught.value)


def test_a_candidate_can_be_added_from_a_peft_folder(tmp_path: Path) -> None:
    adapter = tmp_path / "week48"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "somewhere/else"}')
    loaded = load(write(tmp_path, GOOD), candidates=[f"week48={adapter}"])
    added = loaded.config.candidate("week48")
    assert added.adapter == str(adapter)
    assert added.model == "org/base", "the baseline's model wins over the path the adapter remembers"
    assert added.engine == "fake"


def test_a_candidate_can_be_pointed_at_full_weights(tmp_path: Path) -> None:
    weights = tmp_path / "full"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    pointed = load(write(tmp_path, GOOD), candidates=[f"week47={weights}"]).config.candidate("week47")
    assert pointed.model == str(weights)
    assert pointed.adapter is None


def test_a_candidate_folder_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"neither config.json"):
        load(write(tmp_path, GOOD), candidates=[f"x={tmp_path / 'empty'}"])
    with pytest.raises(UsageError, match="is not a folder"):
        load(write(tmp_path, GOOD), candidates=[f"x={tmp_path / 'nowhere'}"])


def test_the_folder_of_a_training_run_stands_for_its_candidate(tmp_path: Path) -> None:
    out = tmp_path / "out" / "week47"
    (out / "adapter").mkdir(parents=True)
    (out / "candidate.json").write_text('{"name": "week47", "model": "org/base", "adapter": "adapter", "base": "org/base"}')
    pointed = load(write(tmp_path, GOOD.replace('adapter = "nowhere"', 'adapter = "out/week47"'))).config.candidate("week47")
    assert pointed.model == "org/base"
    assert pointed.adapter == str(out / "adapter")


def test_an_adapter_is_put_on_the_revision_of_its_base_that_it_was_trained_on(tmp_path: Path) -> None:
    out = tmp_path / "out" / "week47"
    (out / "adapter").mkdir(parents=True)
    trained = '{"name": "w", "model": "org/base", "adapter": "adapter", "base": "org/base", "revision": "abc"}'
    (out / "candidate.json").write_text(trained)
    pointed = load(write(tmp_path, GOOD.replace('adapter = "nowhere"', 'adapter = "out/week47"'))).config.candidate("week47")
    assert (pointed.model, pointed.revision) == ("org/base", "abc")
    named = load(write(tmp_path, GOOD), candidates=[f"week47={out}"]).config.candidate("week47")
    assert (named.model, named.revision) == ("org/base", "abc")
    (out / "candidate.json").write_text(trained.replace('"model": "org/base", "adapter": "adapter"', '"model": "weights"'))
    assert load(write(tmp_path, GOOD), candidates=[f"week47={out}"]).config.candidate("week47").revision is None


def test_a_bare_adapter_takes_model_and_revision_from_the_same_place(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    pinned = GOOD.replace('model = "org/base"', 'model = "org/base", revision = "v2"')
    added = load(write(tmp_path, pinned), candidates=[f"new={adapter}"]).config.candidate("new")
    assert (added.model, added.revision) == ("org/base", "v2")
