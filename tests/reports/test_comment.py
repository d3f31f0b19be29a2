"""The comment on a pull request: short, complete, and safe to show."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from harness.records import Conclusion
from reports import comment, language
from reports.comment import BUDGET, markdown, marker
from reports.github import SUMMARY_BUDGET
from tests.reports import fixtures
from tests.reports.told import HOSTILE_NAME, concluded, finding


@pytest.fixture(scope="module")
def conclusion() -> Conclusion:
    return fixtures.full()[0]


def test_the_comment_starts_with_its_marker_and_one_alert(conclusion: Conclusion) -> None:
    lines = markdown(conclusion).splitlines()
    assert lines[0] == marker(conclusion) == "<!-- sftgate:gate:policy -->"
    assert lines[1] == "> [!WARNING]"
    assert lines[2].startswith("> **Ship full-replay.**")
    assert any("would have shipped careless" in line for line in lines[:12])
    assert markdown(concluded(finding())).splitlines()[1] == "> [!CAUTION]"
    assert markdown(concluded(finding("pass"), outcome="pass")).splitlines()[1] == "> [!TIP]"


def test_the_comment_shows_worst_retained_losses_without_the_runs(conclusion: Conclusion) -> None:
    row = next(line for line in markdown(conclusion).splitlines() if line.startswith("| ❌ fail | careless"))
    assert "+99.5 pp" in row
    assert "−51.3 pp" in row
    assert "general/refusals/acc" in row


def test_the_comment_shows_failures_open_and_passes_folded(conclusion: Conclusion) -> None:
    text = markdown(conclusion)
    assert text.index("keeps refusals") < text.index("<details>")
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<details>") == len(conclusion.verdicts) + 4, "and for cost, win rates, what was not equal, and slices"


def test_rules_of_one_metric_are_told_apart_beside_their_candidate() -> None:
    one = finding()
    other = msgspec.structs.replace(
        one, rule=msgspec.structs.replace(one.rule, require="not_regressed", margin=None, slice="lang=zh")
    )
    (row,) = [line for line in markdown(concluded(one, other)).splitlines() if line.startswith("| ❌ fail | c |")]
    assert "s/t/acc (×2: not worse by 2.0 pp or more; where lang=zh, not proven worse)" in row.replace("\\", "")


def test_numbers_beside_a_margin_are_not_rounded_onto_it() -> None:
    text = markdown(concluded(finding()))
    assert "−2.01 pp" in text
    assert "< 0.0001" in text


@pytest.mark.parametrize("count", [1000, 5000])
def test_a_comment_never_exceeds_its_budget_and_says_that_it_was_cut(count: int) -> None:
    findings = tuple(finding("fail" if number % 2 else "pass", name=f"rule {number}") for number in range(count))
    text = markdown(concluded(*findings))
    assert len(text) <= BUDGET
    assert re.search(r"_Too long for this place\. Cut short or left out here: rules (of|passed by) c", text)
    assert text.count("<details>") == text.count("</details>")
    assert text.startswith("<!-- sftgate:gate:policy -->\n")


def test_a_comment_about_very_many_candidates_still_fits() -> None:
    one = concluded(finding()).verdicts[0]
    many = tuple(msgspec.structs.replace(one, candidate=f"candidate {number} " + "x" * 80) for number in range(600))
    text = markdown(msgspec.structs.replace(concluded(finding()), verdicts=many))
    assert len(text) <= BUDGET
    (note,) = [line for line in text.splitlines() if line.startswith("_Too long")]
    assert note.startswith("_Too long for this place. Cut short or left out here: candidates, rules of candidate 0 xxxxx")
    assert note.endswith(" more. All of it is in report.html._")
    assert len(note) < 1000
    assert text.rstrip().endswith("</sub>"), "what it is about stands at its end whatever was left out"


def test_what_is_named_as_left_out_is_what_is_not_there() -> None:
    small, large = finding("fail", name="small"), tuple(finding("fail", name=f"rule {number}") for number in range(2000))
    verdicts = [concluded(*findings, candidate=name).verdicts[0] for name, findings in (("a", (small,)), ("b|<b>", large))]
    text = markdown(msgspec.structs.replace(concluded(small), verdicts=tuple(verdicts)))
    assert "| small" in text
    assert "Cut short or left out here: rules of b\\|&lt;b&gt;. All of it" in text
    assert "Too long" not in markdown(msgspec.structs.replace(concluded(small), verdicts=tuple(verdicts[:1])))


def test_a_job_summary_stays_below_a_mebibyte_in_any_script() -> None:
    findings = tuple(finding("fail", name="𠀀" * 200 + str(number)) for number in range(5000))
    assert len(markdown(concluded(*findings), budget=SUMMARY_BUDGET).encode()) < 1 << 20


def test_names_and_reasons_cannot_become_html_links_mentions_or_table_borders() -> None:
    text = markdown(concluded(finding(name=HOSTILE_NAME), candidate=HOSTILE_NAME))
    assert "<img" not in text
    assert "@everyone" not in text
    assert "](javascript" not in text
    assert "#1" not in text
    assert "GH-12" not in markdown(concluded(finding(name="see GH-12 and gh-3"))), "which GitHub would link"
    assert "\x1b" not in text
    assert "\u202e" not in text
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ❌")}
    assert widths <= {6, 9}


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("gate.toml", "gate.toml"),
        ("teams/search/gate.toml", "search-gate.toml"),
        ("a --> <b>\n/x.toml", "a-b-x.toml"),
        ("候选/门.toml", "候选-门.toml"),
    ],
)
def test_every_policy_has_a_comment_of_its_own(policy: str, name: str) -> None:
    said = msgspec.structs.replace(concluded(finding()), policy=policy)
    assert markdown(said).splitlines()[0] == f"<!-- sftgate:gate:{name} -->"


def test_a_chinese_comment_says_the_same_with_the_same_numbers() -> None:
    conclusion, measured, _ = fixtures.small()
    english, chinese = markdown(conclusion, measured), markdown(conclusion, measured, lang="zh")
    assert english.split("\n", 1)[0] == chinese.split("\n", 1)[0]
    digits = [sorted(re.findall(r"\d+(?:\.\d+)?", re.sub("[ ,](?=\\d{3})", "", text))) for text in (english, chinese)]
    assert digits[0] == digits[1]
    lines = [line for line in chinese.split("\n") if re.search("[A-Za-z]{3,} [a-z]{2,} [a-z]{2,} [a-z]{2,}", line)]
    assert lines == []


def test_every_word_of_ours_in_it_is_in_the_catalogue() -> None:
    source = Path(comment.__file__).read_text(encoding="utf-8")
    words = {text for text in re.findall(r'\bsay\(\s*[\'"]([^\'"]+)[\'"]', source) if re.search("[A-Za-z]{2}", text)}
    assert len(words) > 12
    assert [text for text in sorted(words) if text not in language.catalogue("zh")] == []
