"""The exceptions of sftgate and the exit code each one means.

    SftgateError                 a clear paragraph for the user; never a traceback
    ├── UsageError (2)           the command line or a file that the user named is wrong
    │   └── ConfigError (2)      the config is wrong: where, what was found, what was expected, what to do
    ├── ComparabilityError (12)  the sides cannot be compared, or there is no baseline
    └── EvaluationError (13)     infrastructure failed
        ├── EngineError          one request failed (after retries), or an engine cannot start
        │   └── ProbeError       an engine started but does not answer like the candidate it should serve
        ├── JournalError         the journal cannot be read or written
        └── StoreError           the store cannot be read or written

Exit code 1 is left to a traceback: our bug. 0 pass · 10 gate failed · 11 inconclusive · 130 Ctrl-C.
"""

from __future__ import annotations

EXIT_PASS = 0
EXIT_USAGE = 2
EXIT_FAIL = 10
EXIT_INCONCLUSIVE = 11
EXIT_NOT_COMPARABLE = 12
EXIT_EVALUATION = 13
EXIT_INTERRUPTED = 130


class SftgateError(Exception):
    """Root of everything we raise on purpose. ``str(error)`` is one paragraph a user can act on."""

    exit_code = EXIT_EVALUATION


class UsageError(SftgateError):
    """The command line, or a file it names, is wrong."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """The config is wrong. ``where`` is the path inside it, such as ``suites[2].options.items``; ``line`` where that begins."""

    def __init__(self, message: str, *, where: str = "", file: str = "", line: int | None = None) -> None:
        self.message = message
        self.where = where
        self.file = file
        self.line = line
        place = " at ".join(part for part in (file if line is None else f"{file} line {line}", where) if part)
        super().__init__(f"{place}: {message}" if place else message)


class ComparabilityError(SftgateError):
    """The sides cannot be compared fairly, or the baseline is missing."""

    exit_code = EXIT_NOT_COMPARABLE


class EvaluationError(SftgateError):
    """Something that is not the model's doing failed while asking or grading."""


class EngineError(EvaluationError):
    """A request failed for good, or an engine cannot start."""


class ProbeError(EngineError):
    """An engine started, but what it serves is not what it should serve."""


class JournalError(EvaluationError):
    """The journal cannot be read or written."""


class StoreError(EvaluationError):
    """The store cannot be read or written."""
