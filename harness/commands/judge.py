"""``sftgate judge``: examine the judges of a config on labelled pairs, before they may gate; show how they did."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from rich.markup import escape
from rich.table import Table

from harness.commands.console import Bars, out, printable
from harness.commands.gating import declare_config, load_config
from harness.config import Loaded, SuiteConfig
from harness.errors import EXIT_EVALUATION, EXIT_FAIL, EXIT_PASS, UsageError
from harness.pipeline.examining import card_path, cards, examine_now
from harness.pipeline.preparing import Prepared, assemble
from harness.plugins import did_you_mean
from harness.records import Admission
from harness.store import Store
from judges.labels import SHIPPED

PAIRS = "preference"
"""The suite whose judge compares answers, and which can be examined on pairs that its options do not name."""
APART = "graded"
"""The suite whose judge grades answers apart, and which is examined on pairs where some are named."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="admit|show")
    text = "examine the judges of a config on labelled pairs, print their cards, keep them in the store"
    admit = actions.add_parser("admit", help=text, description=text, epilog=parser.epilog, allow_abbrev=False)
    declare_config(admit)
    admit.add_argument("suite", nargs="?", help="only the judge of this suite")
    labels = f"labelled pairs, in place of those of the suite's options (where they name none: {SHIPPED})"
    admit.add_argument("--labels", metavar="FILE", help=labels)
    text = "show the cards of all judges that were examined into this store"
    show = actions.add_parser("show", help=text, description=text, epilog=parser.epilog, allow_abbrev=False)
    declare_config(show)


def execute(arguments: argparse.Namespace) -> int:
    """0 when every judge may gate; 10 when one failed; 13 when an examination could not be carried through."""
    loaded = load_config(arguments)
    return _admit(loaded, arguments.suite, arguments.labels) if arguments.action == "admit" else _show(loaded)


def _admit(loaded: Loaded, only: str | None, labels: str | None) -> int:
    names = [entry.name for entry in loaded.config.suites]
    if only is not None and only not in names:
        raise UsageError(f"no suite is named {only!r}. {did_you_mean(only, names)}")
    if labels is not None:
        labels = labels if labels.startswith("judges:") else str(Path(labels).resolve())
    chosen = {entry.name: _labelled(entry, labels) for entry in loaded.config.suites if only in (None, entry.name)}
    suites = tuple(chosen.get(entry.name, entry) for entry in loaded.config.suites)
    prepared = assemble(msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, suites=suites)))
    examined = [entry.name for entry in chosen.values() if _is_examined(prepared, entry)]
    if not examined:
        whose = "no suite of this config" if only is None else f"suite {only!r}"
        raise UsageError(
            f"{whose} has a judge that can be examined: expected a {PAIRS} suite, or one with a judge and options.admission"
        )
    with Bars() as bars:
        found = examine_now(prepared, examined, progress=bars)
    for name in examined:
        _print_card(name, found[name], prepared.config.suite(name).options.get("admission"))
        if found[name].pairs:
            _say(f"  card             {card_path(prepared, name)}")
    _tell_unnamed(loaded, prepared, examined)
    if any(not found[name].pairs for name in examined):
        return EXIT_EVALUATION
    return EXIT_PASS if all(found[name].admitted for name in examined) else EXIT_FAIL


def _labelled(entry: SuiteConfig, labels: str | None) -> SuiteConfig:
    """A suite of pairs with the labels that its judge is to be examined on."""
    if entry.use == APART and labels is None:
        return entry
    if entry.use not in (PAIRS, APART) or (labels is None and entry.options.get("admission") is not None):
        return entry
    return msgspec.structs.replace(entry, options={**entry.options, "admission": labels or SHIPPED})


def _is_examined(prepared: Prepared, entry: SuiteConfig) -> bool:
    return prepared.suites[entry.name].judge is not None and entry.options.get("admission") is not None


def _tell_unnamed(loaded: Loaded, prepared: Prepared, examined: Iterable[str]) -> None:
    """What to write so that a judge that was examined on other labels than the config names is examined on these at every run."""
    for name in examined:
        labels = prepared.config.suite(name).options.get("admission")
        if loaded.config.suite(name).options.get("admission") != labels:
            _say(f"\nto let the judge of {name} gate, name these labels in the suite's options: admission = {str(labels)!r}")


def _show(loaded: Loaded) -> int:
    found = list(cards(Store(loaded.store)))
    if not found:
        raise UsageError(f"no judge was examined into {str(loaded.store)!r} yet; run: sftgate judge admit {loaded.file}")
    for card in found:
        _print_card(card.suite, card.admission, card.labels)
        _say(f"  engine           {card.engine}{f', {card.model}' if card.model else ''}; judge {card.judge_hash[:12]}")
        _say(f"  examined         {card.created}")
    return EXIT_PASS


def _print_card(suite: str, card: Admission, labels: object) -> None:
    verdict = "[bold green]admitted[/]" if card.admitted else "[bold red]rejected: may inform, and never gate[/]"
    out.print(f"\n[bold]{escape(printable(card.judge))}[/] judges {escape(printable(suite))}: {verdict}")
    for reason in card.reasons:
        _say(f"  because          {reason}")
    if not card.pairs:
        return
    for word, text in _lines(card):
        _say(f"  {word:<16} {text}")
    _say(f"  labels           {labels}, {card.pairs:,} {'answers' if card.alone else 'pairs'}")
    for title, parts in (("language", card.languages), ("trap", card.traps)):
        if parts:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for word in (f"  {title}", "pairs", "accuracy", "kappa", "same in both orders", "unparsable"):
                table.add_column(word, justify="left" if word.startswith("  ") else "right")
            for name, part in parts.items():
                numbers = (part.accuracy, part.consistency, part.unparsable)
                accuracy, same, unparsable = (f"{number:.0%}" for number in numbers)
                table.add_row(escape(f"  {printable(name)}"), f"{part.pairs}", accuracy, f"{part.kappa:.2f}", same, unparsable)
            out.print(table)


def _lines(card: Admission) -> Iterator[tuple[str, str]]:
    yield "accuracy", f"{card.accuracy:.1%}{_orders(card)}"
    yield "kappa", f"{card.kappa:.2f}{_between(card.kappa_low, card.kappa_high)}"
    if not card.alone:
        yield "both orders", f"{card.consistency:.1%} of pairs keep their winner"
    if card.first_slot is not None and card.first_slot_p is not None:
        yield "first slot", f"{card.first_slot:.0%} of {card.conflicts} conflicts (exact p {card.first_slot_p:.2g})"
    yield "unparsable", f"{card.unparsable:.1%} of verdicts"
    if card.length_slope is not None:
        low, high = card.length_slope_low, card.length_slope_high
        yield "length slope", f"{card.length_slope:+.2f} log-odds per sd of extra length{_between(low, high)}"
    if card.own_excess is not None:
        low, high = card.own_excess_low, card.own_excess_high
        yield "own answers", f"{card.own_excess:+.2f} above the labels over {card.own_pairs} pairs{_between(low, high)}"
    if card.canary_kinds and card.alone:
        yield "orders", f"withstood {card.canaries_beaten} of {card.canaries} orders in an answer to say the opposite"
    elif card.canary_kinds:
        yield "canaries", ", ".join(f"{kind} lost {lost} of {shown}" for kind, (lost, shown) in card.canary_kinds.items())
    if card.jury_accuracy is not None and card.majority_accuracy is not None:
        effective = "" if card.effective_jurors is None else f"; they err like {card.effective_jurors:.1f} independent ones"
        yield "jury", f"right on {card.jury_accuracy:.1%} of pairs by weight, on {card.majority_accuracy:.1%} all alike{effective}"
    for juror in card.jurors:
        alone = "says nothing that can be read" if juror.accuracy is None else f"alone {juror.accuracy:.1%}"
        yield f"  {juror.judge}", f"weight {juror.weight:.2f}, {alone}; without it the jury is right on {juror.jury_without:.1%}"
    for each in card.spent:
        cost = "" if each.money is None else f", worth {each.money:.4g}"
        yield "spent", f"{each.judge} read {each.tokens_in:,} tokens and wrote {each.tokens_out:,}{cost}"
    if card.drift is not None:
        what = "answers" if card.alone else "pairs"
        yield "drift", f"{card.drift:.1%} of the verdicts on {len(card.anchors)} anchor {what} are others than at the examination"


def _orders(card: Admission) -> str:
    if card.accuracy_first is None or card.accuracy_second is None:
        return ""
    return f" (better answer first {card.accuracy_first:.1%}, second {card.accuracy_second:.1%})"


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" (95 %: {low:.2f} to {high:.2f})"


def _say(text: str) -> None:
    out.print(printable(text), markup=False)
