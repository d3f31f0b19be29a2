"""The command line: one verb per file in ``harness.commands``, imported only when it is called, so that ``--help`` is instant."""

from __future__ import annotations

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Sequence

from harness.errors import EXIT_EVALUATION, EXIT_INTERRUPTED, EXIT_USAGE, SftgateError
from harness.plugins import did_you_mean

VERBS = {
    "demo": "train four fine-tunes of a tiny real model, gate them, write the report",
    "init": "write a first config for a checkpoint",
    "audit": "look into training data, and for what of the suites it gives away",
    "train": "fine-tune a model as a train config says",
    "suite": "check a suite's items, and see what will be asked as the model will see it",
    "plan": "what the gate will be able to say, and what asking will cost",
    "run": "measure, gate and report: the whole way",
    "measure": "ask every candidate and grade the answers",
    "gate": "decide from what was measured",
    "report": "write the report from what was measured",
    "aa-test": "the baseline against itself, and against damage done on purpose: what the gate is worth",
    "compare": "compare candidates, or any runs of one suite, metric by metric",
    "changed": "what differs between two runs of one suite: prompts, template, decoding, versions, items",
    "baseline": "pin runs under a name, promote one to be the baseline",
    "show": "show how the candidates answered an item",
    "serve": "a store of many runs in a browser, on this machine only: index, history, any two side by side",
    "list": "list suites, engines, judges, or the runs of a store",
    "import": "put scores that another tool gave into the store",
    "export": "samples, comparisons and verdicts for other tools: CSV, Parquet, LLM Comparator, TensorBoard, MLflow, W&B",
    "judge": "examine judges on labelled pairs before they may gate",
    "review": "export a blind review, import the votes",
    "lab": "build the tiny real models and print what they know",
    "doctor": "check this installation",
}
"""In the order of a user's work."""

EPILOG = """exit codes: 0 pass · 2 usage or config · 10 gate failed, proven · 11 inconclusive · 12 not comparable or no baseline ·
13 evaluation or infrastructure error · 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its return value is the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print(overview())
        return 0
    if words[0] in {"-V", "--version"}:
        from importlib.metadata import version

        print(f"sftgate {version('sftgate')}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        complain(f"{verb!r} is not a command. {did_you_mean(verb, VERBS)}")
        return EXIT_USAGE
    for word in words:
        if word != word.encode("utf-8", "replace").decode():
            complain(f"{word!r} is not UTF-8, and what is asked for is kept in files that are. Rename it, or lead to it otherwise.")
            return EXIT_USAGE
    from harness.commands.github import muted

    with muted():
        return _execute(verb, words[1:])


def _execute(verb: str, words: Sequence[str]) -> int:
    from harness.commands.github import tell_error

    try:
        command = importlib.import_module(f"harness.commands.{module_of(verb)}")
        parser = argparse.ArgumentParser(prog=f"sftgate {verb}", description=VERBS[verb], epilog=EPILOG, allow_abbrev=False)
        command.declare(parser)
        code: int = command.execute(parser.parse_args(words))
    except SftgateError as error:
        complain(str(error))
        tell_error(verb, error)
        return error.exit_code
    except PermissionError as error:  # a folder of somebody else's, whoever looked into it
        complain(f"{str(error.filename)!r} cannot be read or written: {error.strerror}.")
        return EXIT_EVALUATION
    except KeyboardInterrupt as error:  # what was going on may have said what is kept of it
        kept = "interrupted. Everything answered so far is in the journal; run the same command again to continue."
        complain(str(error) or kept)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # nobody reads on (or a child is gone): whatever the verdict was, this is no pass
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_EVALUATION
    return code


def module_of(verb: str) -> str:
    """The module of a verb: ``aa_test`` for ``aa-test``, ``import_`` for ``import``."""
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def overview() -> str:
    """The text of ``sftgate --help``."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {text}" for verb, text in VERBS.items())
    title = "Eval-first regression harness for supervised fine-tuning."
    return "\n\n".join(("usage: sftgate COMMAND …", title, verbs, EPILOG, "sftgate COMMAND --help says more."))


def complain(message: str) -> None:
    """One paragraph to a person, on stderr, without control characters that a model or a file may have smuggled in."""
    from harness.commands.console import printable

    print(f"sftgate: {printable(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
