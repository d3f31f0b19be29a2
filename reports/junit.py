"""The conclusion as a JUnit file, for the test views of CI systems."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.records import Comparison, Conclusion, Finding, Outcome, Verdict
from reports.hostile import legal
from reports.wording import rule_name

UNDECIDED: tuple[Outcome, ...] = ("inconclusive", "insensitive")


_NOBODY = "There is no candidate to decide about: only the baseline was measured."


def junit(conclusion: Conclusion) -> bytes:
    """One test case per rule, metric and candidate. Blocking failures are ``failure``, invalid or incomparable ones ``error``,
    undecided ones and those that only warn ``skipped``; class name and name together are unique. A candidate that holds the gate
    up without any of these two gets one more, ``verdict``, as a ``failure``: who reads only this file must not see green.

    Valid against the schema of Jenkins' xUnit plugin (junit-10), which knows no properties of a test case: its numbers stand in
    ``system-out``, in the form ``[[PROPERTY|name=value]]`` that several readers of JUnit files understand.
    """
    root = ElementTree.Element("testsuites", name="sftgate")
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for verdict in conclusion.verdicts:
        suite = ElementTree.SubElement(root, "testsuite", name=legal(f"sftgate.{verdict.candidate}"))
        counts = dict.fromkeys(totals, 0)
        used: dict[str, int] = {}
        for finding in verdict.findings:
            _testcase(suite, verdict.candidate, finding, used, counts)
        if verdict.outcome in UNDECIDED and conclusion.exit_code != 0 and not _advises(verdict):
            _held_up(suite, verdict, used, counts)
        elif not verdict.findings:
            _add_case(suite, verdict.candidate, "verdict", used, counts, verdict.outcome, verdict.sentence)
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
    if not conclusion.verdicts:
        suite = ElementTree.SubElement(root, "testsuite", name=legal(f"sftgate.{conclusion.baseline}"))
        _add_case(suite, conclusion.baseline, "verdict", {}, totals, "not_comparable", _NOBODY)
        for name, count in totals.items():
            suite.set(name, str(count))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(totals[name]))
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _advises(verdict: Verdict) -> bool:
    """Whether it is about a recipe that the policy's rules only warn or inform about: it holds nothing up."""
    rules = [finding.rule for finding in verdict.findings]
    return bool(rules) and all(rule.about == "recipe" and rule.severity != "block" for rule in rules)


def _held_up(suite: ElementTree.Element, verdict: Verdict, used: dict[str, int], counts: dict[str, int]) -> None:
    case = _add_case(suite, verdict.candidate, "verdict", used, counts, "pass", "")
    said = legal(verdict.sentence)
    ElementTree.SubElement(case, "failure", type=verdict.outcome.capitalize(), message=said).text = said
    counts["failures"] += 1


def _testcase(suite: ElementTree.Element, candidate: str, finding: Finding, used: dict[str, int], counts: dict[str, int]) -> None:
    name = rule_name(finding.rule)
    if finding.metric and finding.metric != name:
        name = f"{name} [{finding.metric}]"
    outcome: Outcome = finding.outcome
    if outcome != "pass" and finding.rule.severity != "block":
        case = _add_case(suite, candidate, name, used, counts, "pass", "")
        ElementTree.SubElement(case, "skipped", message=legal(f"{finding.rule.severity}: {outcome}: {finding.reason}"))
        counts["skipped"] += 1
    else:
        case = _add_case(suite, candidate, name, used, counts, outcome, finding.reason)
    if finding.comparison is not None:
        ElementTree.SubElement(case, "system-out").text = _numbers(finding.comparison, finding)


def _add_case(
    suite: ElementTree.Element,
    candidate: str,
    name: str,
    used: dict[str, int],
    counts: dict[str, int],
    outcome: Outcome,
    reason: str,
) -> ElementTree.Element:
    name = legal(name)
    used[name] = used.get(name, 0) + 1
    unique = name if used[name] == 1 else f"{name} #{used[name]}"
    case = ElementTree.SubElement(suite, "testcase", classname=legal(f"sftgate.{candidate}"), name=unique)
    counts["tests"] += 1
    if outcome == "fail":
        ElementTree.SubElement(case, "failure", type="Regression", message=legal(reason)).text = legal(reason)
        counts["failures"] += 1
    elif outcome in ("invalid", "not_comparable", "no_baseline"):
        ElementTree.SubElement(case, "error", type=outcome, message=legal(reason)).text = legal(reason)
        counts["errors"] += 1
    elif outcome != "pass":
        ElementTree.SubElement(case, "skipped", message=legal(f"{outcome}: {reason}"))
        counts["skipped"] += 1
    return case


def _numbers(found: Comparison, finding: Finding) -> str:
    values = {
        "outcome": finding.outcome,
        "severity": finding.rule.severity,
        "method": found.method,
        "against": found.baseline,
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "margin": finding.rule.margin,
        "p": found.p,
        "mde": found.mde,
        "items": found.items,
        "lost": found.lost,
        "won": found.won,
    }
    return "".join(f"\n[[PROPERTY|{name}={legal(str(value))}]]" for name, value in values.items() if value is not None) + "\n"
