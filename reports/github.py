"""The conclusion for GitHub Actions: annotations on the lines of the policy, and values for later steps.

Workflow commands are lines that the runner obeys, so that no text of a model may become one: data are escaped as the runner's own
toolkit does it, and nothing else of ours begins such a line. GitHub shows ten errors, ten warnings and ten notices of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.records import Conclusion, Finding
from reports.hostile import visible
from reports.wording import rule_name

Level = Literal["error", "warning", "notice"]

SHOWN = 10
REASONS = 5
SUMMARY_BUDGET = 260_000
"""Characters of a job summary, which may have four bytes each; GitHub drops the whole of one that is larger than 1 MiB."""


def workflow_commands(conclusion: Conclusion, *, file: str) -> list[str]:
    """Workflow commands: one per rule and level, at the rule's line in ``file`` (from the repository's root), the gravest first.

    Failures and broken evaluations of blocking rules are errors; what blocking rules leave undecided, and what other rules warn of,
    are warnings; what only informs are notices. Of more than ten of a level the last says how many were left out.
    """
    found: dict[Level, dict[tuple[int | None, str], list[tuple[str, Finding]]]] = {"error": {}, "warning": {}, "notice": {}}
    for verdict in conclusion.verdicts:
        for finding in verdict.findings:
            if finding.outcome != "pass":
                place = (finding.rule.line, rule_name(finding.rule))
                found[_level(finding)].setdefault(place, []).append((verdict.candidate, finding))
    return [line for level, places in found.items() for line in _lines(level, places, file)]


def _level(finding: Finding) -> Level:
    if finding.rule.severity == "inform":
        return "notice"
    undecided = finding.outcome in ("inconclusive", "insensitive")
    return "warning" if undecided or finding.rule.severity == "warn" else "error"


def _lines(level: Level, places: dict[tuple[int | None, str], list[tuple[str, Finding]]], file: str) -> Iterable[str]:
    listed = list(places.items())
    shown = listed if len(listed) <= SHOWN else listed[: SHOWN - 1]
    for (line, name), findings in shown:
        where = {"file": file, "line": str(line)} if line is not None and file else {"file": file} if file else {}
        yield command(level, _reasons(findings), **where, title=f"sftgate: {name}")
    if len(shown) < len(listed):
        more = len(listed) - len(shown)
        yield command(level, f"{more} more rules; every reason is in the job summary and in report.html", title="sftgate")


def _reasons(findings: Sequence[tuple[str, Finding]]) -> str:
    lines = [f"{candidate}: {finding.outcome.replace('_', ' ')}. {finding.reason}" for candidate, finding in findings[:REASONS]]
    if len(findings) > REASONS:
        lines.append(f"and {len(findings) - REASONS} more")
    return "\n".join(visible(line) for line in lines)


def command(name: str, message: str, **properties: str) -> str:
    """One workflow command on one line, with everything escaped that could end it or start another."""
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name}{' ' if listed else ''}{listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")


def outputs(conclusion: Conclusion, *, report: str) -> str:
    """``name=value`` lines for ``$GITHUB_OUTPUT``."""
    passed = [verdict.candidate for verdict in conclusion.verdicts if verdict.outcome == "pass"]
    values = {
        "outcome": conclusion.outcome,
        "exit-code": str(conclusion.exit_code),
        "passed": " ".join(passed),
        "report": report,
    }
    return "".join(f"{name}={visible(value)}\n" for name, value in values.items())
