"""``sftgate baseline``: pin a candidate's runs under a name, promote one to be the baseline, look at what is pinned."""

from __future__ import annotations

import argparse
import getpass
import subprocess
from pathlib import Path

from rich.table import Table

from harness.baselines import Pin, Pins, check_name, pin_name, read_pins, write_pins
from harness.commands.console import out, printable, show_wide
from harness.commands.gating import declare_config, load_config
from harness.config import Loaded
from harness.errors import ComparabilityError, UsageError
from harness.gate.policy import RECIPE
from harness.pipeline.promoting import by_other_rules, pin_of, promoted, verdict_about, with_pin
from harness.plugins import did_you_mean


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="pin | promote | list | diff")

    def action(name: str, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text, epilog=parser.epilog, allow_abbrev=False)
        declare_config(added)
        return added

    pin = action("pin", "remember a candidate's runs under a name, for good")
    pin.add_argument("name", metavar="NAME", help="what to call the pin")
    pin.add_argument("--of", metavar="CANDIDATE", help="which candidate; default: the baseline")
    promote = action("promote", "make a candidate the baseline, on the verdict about these very runs")
    promote.add_argument("name", metavar="CANDIDATE", help="a candidate; or pin:NAME, to go back to an old pin")
    promote.add_argument("--name", dest="pin", metavar="NAME", help="what to call its pin; default: as the candidate")
    promote.add_argument("--anyway", action="store_true", help="without a pass; needs --reason")
    promote.add_argument("--reason", default="", metavar="TEXT", help="why it is done --anyway; recorded")
    for changing in (pin, promote):
        changing.add_argument("--by", metavar="NAME", help="who does it; default: git's user, else this account's")
    action("list", "what is pinned, which pin is the baseline, and every promotion")
    diff = action("diff", "what differs between two pins: who they are, and their scores")
    diff.add_argument("name", metavar="A", help="a pin")
    diff.add_argument("other", metavar="B", nargs="?", help="another; default: the promoted one")


def execute(arguments: argparse.Namespace) -> int:
    """0 when the file says what was asked for. 12 where the runs or the verdict that it needs are not in the store."""
    loaded = load_config(arguments)
    pins = read_pins(loaded.pins)
    actions = {"pin": _pin, "promote": _promote, "list": _list, "diff": _diff}
    actions[arguments.action](loaded, pins, arguments)
    return 0


def _pin(loaded: Loaded, pins: Pins, arguments: argparse.Namespace) -> None:
    name = arguments.name
    check_name(name)
    candidate = arguments.of or loaded.config.baseline
    _refuse_recipe(loaded, candidate)
    if arguments.of is None and candidate not in {each.name for each in loaded.config.candidates}:
        raise UsageError(f"the baseline of {loaded.file} is a pin itself; say which candidate to pin with --of")
    loaded.config.candidate(candidate)
    about = verdict_about(loaded, candidate)
    verdict, against = about if about else (None, "")
    pin = pin_of(loaded, candidate, by=_who(arguments.by, loaded.folder), verdict=verdict, against=against)
    write_pins(loaded.pins, with_pin(pins, name, pin))
    said = "is pinned as" if name not in pins.pins else "was pinned before, with the same answers, as"
    out.print(printable(f"{candidate} {said} {name} ({', '.join(pin.runs)}) in {loaded.pins}"), markup=False)
    out.print(f'It is used by: against = "pin:{name}", or baseline = "pin:{name}"', markup=False)


def _promote(loaded: Loaded, pins: Pins, arguments: argparse.Namespace) -> None:
    by = _who(arguments.by, loaded.folder)
    if arguments.anyway and not arguments.reason.strip():
        raise UsageError("--anyway needs --reason TEXT, which is recorded beside the promotion")
    if arguments.reason and not arguments.anyway:
        raise UsageError("--reason says why it is done --anyway; a candidate that passed needs none")
    old = pin_name(arguments.name)
    if old is not None:
        if arguments.pin:
            raise UsageError("--name is for a candidate that has no pin yet; this one is a pin already")
        pin = pins.pin(old, file=loaded.pins)
        if by_other_rules(loaded, pins, old):
            _refuse(arguments, f"pin {old!r}", None, f"{pin.sentence} But the rules were others than today.")
        else:
            _refuse(arguments, f"pin {old!r}", pin.outcome, pin.sentence)
        grown, name = promoted(pins, old, by=by, verdict=pin, against=pin.against, reason=arguments.reason), old
    else:
        grown, name = _promote_candidate(loaded, pins, arguments, by)
    write_pins(loaded.pins, grown)
    before = f", in place of {pins.promoted}" if pins.promoted and pins.promoted != name else ""
    out.print(f"{name} is the baseline now{before}: {loaded.pins}", markup=False)


def _promote_candidate(loaded: Loaded, pins: Pins, arguments: argparse.Namespace, by: str) -> tuple[Pins, str]:
    candidate = arguments.name
    name = arguments.pin or candidate
    _refuse_recipe(loaded, candidate)
    check_name(name)
    loaded.config.candidate(candidate)
    about = verdict_about(loaded, candidate)
    if about is None and not arguments.anyway:
        raise ComparabilityError(
            f"the store has no verdict about {candidate!r} as it was measured last, by the rules of today. Run: "
            f"sftgate gate {loaded.file} (or promote it --anyway, with a --reason)"
        )
    verdict, against = about if about else (None, "")
    _refuse(arguments, repr(candidate), verdict.outcome if verdict else None, verdict.sentence if verdict else "")
    grown = with_pin(pins, name, pin_of(loaded, candidate, by=by, verdict=verdict, against=against))
    return promoted(grown, name, by=by, verdict=verdict, against=against, reason=arguments.reason), name


def _refuse_recipe(loaded: Loaded, text: str) -> None:
    """UsageError for a recipe: it is judged by several checkpoints, and a baseline is one."""
    recipes = sorted({candidate.recipe for candidate in loaded.config.candidates if candidate.recipe})
    name = text.removeprefix(RECIPE)
    if name not in recipes:
        if text.startswith(RECIPE):
            known = did_you_mean(name, recipes) if recipes else "The config has no recipe."
            raise UsageError(f"no recipe is named {name!r}. {known}")
        return
    if text == name and name in {candidate.name for candidate in loaded.config.candidates}:
        return
    members = [candidate.name for candidate in loaded.config.candidates if candidate.recipe == name]
    raise UsageError(
        f"{name!r} is a recipe, which is judged by several checkpoints ({', '.join(members)}), and a baseline is one checkpoint. "
        f"Name one of them, such as {members[0]}. Where all blocking rules are about recipes, the verdict about the recipe speaks "
        "for it; else its own does."
    )


def _refuse(arguments: argparse.Namespace, what: str, outcome: str | None, sentence: str) -> None:
    """Nothing but a pass is promoted, unless somebody says why."""
    if outcome == "pass" and arguments.anyway:
        raise UsageError(f"{what} passed the gate; promote it without --anyway, so that the record does not say otherwise")
    if outcome != "pass" and not arguments.anyway:
        said = f"the gate said: {sentence}" if sentence else "it was never gated."
        raise UsageError(
            f"{what} is not promoted, because {said} To do it all the same: --anyway --reason TEXT, which is recorded."
        )


def _who(by: str | None, folder: Path) -> str:
    """Who to write down: as told, else git's user, else the name of the account; on one line."""
    told = by
    if told is None:
        try:
            asked = subprocess.run(["git", "config", "user.name"], cwd=folder, capture_output=True, text=True, check=False)
            told = asked.stdout.strip()
        except OSError:  # no git
            told = ""
    if not told and by is None:
        try:
            told = getpass.getuser()
        except (OSError, KeyError):  # an account without a name, as containers have
            told = ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in told or "").split())
    if not line:
        raise UsageError("nobody is known to write down as the one who did it; say it with --by NAME")
    return line


def _list(loaded: Loaded, pins: Pins, arguments: argparse.Namespace) -> None:
    del arguments
    if not pins.pins:
        out.print(f"{loaded.pins} holds no pin yet", markup=False)
        return
    table = _table("", "pin", "candidate", "created", "by", "verdict", "suites", "model")
    for name, pin in pins.pins.items():
        row = ("baseline" if name == pins.promoted else "", name, pin.candidate, pin.created, pin.by, pin.outcome or "none",
               ", ".join(pin.runs), " + ".join(filter(None, (pin.model, pin.adapter))))  # fmt: skip
        table.add_row(*map(printable, row))
    show_wide(table)
    if pins.promotions:
        table = _table("promoted", "by", "from", "to", "verdict", "against", "reason")
        for each in pins.promotions:
            said = (each.created, each.by, each.earlier or "–", each.to, each.outcome or "none", each.against, each.reason)
            table.add_row(*map(printable, said))
        out.print()
        show_wide(table)


def _diff(loaded: Loaded, pins: Pins, arguments: argparse.Namespace) -> None:
    first, second = arguments.name.removeprefix("pin:"), (arguments.other or pins.promoted).removeprefix("pin:")
    if not second:
        raise UsageError(f"no pin of {loaded.pins} is promoted; name two pins: sftgate baseline diff {loaded.file} A B")
    one, two = (pins.pin(name, file=loaded.pins) for name in (first, second))
    if first == second:
        raise UsageError(f"{first!r} would be compared with itself; name another pin: {', '.join(pins.pins)}")
    changed = [(what, a, b) for what, a, b in _declared(one, two) if a != b]
    if changed:
        table = _table("", first, second)
        for what, a, b in changed:
            table.add_row(what, printable(_short(a)), printable(_short(b)))
        show_wide(table)
    table = _table("suite", "metric", first, second, "change", "answers")
    for suite in dict.fromkeys((*one.runs, *two.runs)):
        table.add_row(*map(printable, _scores(suite, one, two)))
    show_wide(table)


def _declared(one: Pin, two: Pin) -> list[tuple[str, str, str]]:
    fields = ("candidate", "created", "by", "model", "revision", "adapter", "weights_hash", "adapter_hash", "outcome")
    return [(field.replace("_", " "), str(getattr(one, field) or "–"), str(getattr(two, field) or "–")) for field in fields]


def _short(text: str) -> str:
    return text[:12] if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else text


def _scores(suite: str, one: Pin, two: Pin) -> tuple[str, ...]:
    a, b = one.runs.get(suite), two.runs.get(suite)
    values = tuple("–" if run is None or run.score is None else f"{run.score:.4f}" for run in (a, b))
    metrics = " / ".join(dict.fromkeys(run.metric for run in (a, b) if run is not None))
    if a is None or b is None:
        return suite, metrics, *values, "", "only the first has this suite" if b is None else "only the second has this suite"
    alike = a.metric == b.metric and a.score is not None and b.score is not None
    change = f"{(b.score or 0.0) - (a.score or 0.0):+.4f}" if alike else ""
    return suite, metrics, *values, change, "the same" if a.samples == b.samples else "others"


def _table(*titles: str) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=True)
    return table
