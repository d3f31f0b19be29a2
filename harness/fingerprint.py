"""Content hashes: of weights, adapters, tokenizers, templates, items and requests. Contents, never paths or names.

A re-trained adapter at the same path must never meet its old answers, and the same adapter copied elsewhere must meet them again.
So file contents are hashed, and what PEFT and transformers write differently each time (paths, library versions, the order of
lists) is left out. All digests are SHA-256 in hex over canonical JSON (sorted keys) or over file contents.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from harness import checkpoints
from harness.errors import ConfigError
from harness.records import Candidate, Fingerprints, Request

ASKING = 2
"""Raise this when our own rendering, sampling, decoding or scoring changes what an engine answers: old answers are not met then."""

KEY_LENGTH = 16
"""Hex digits of a document's key: 64 bits, so two of a million documents meet by accident once in 37 million."""

_encode = msgspec.json.Encoder(order="sorted").encode

# What changes from one save to the next without changing a single answer.
_CONFIG_NOISE = frozenset({"_name_or_path", "transformers_version", "_commit_hash"})
_ADAPTER_NOISE = frozenset({"base_model_name_or_path", "revision", "inference_mode", "peft_version", "auto_mapping"})
_TOKENIZER_NOISE = frozenset({"name_or_path", "tokenizer_file", "transformers_version", "_commit_hash", "chat_template"})

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "*.tiktoken",
)


def digest(value: Any) -> str:
    """SHA-256 (hex) of ``value`` as canonical JSON: keys sorted, structs as objects.

    Raises TypeError for what JSON cannot hold. NaN is written as null.
    """
    try:
        encoded = _encode(value)
    except TypeError:  # keys that are numbers: YAML has them, sorted JSON does not
        encoded = _encode(msgspec.to_builtins(value, str_keys=True))
    return hashlib.sha256(encoded).hexdigest()


def file_digest(path: Path | str) -> str:
    """SHA-256 (hex) of a file's contents, streamed; remembered in this process until the file changes."""
    real = os.path.realpath(path)
    stat = os.stat(real)
    return _file_digest(real, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@functools.lru_cache(maxsize=4096)
def _file_digest(real: str, *_identity: int) -> str:
    with open(real, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def draw_seed(seed: int, key: str, draw: int) -> int:
    """The seed (31 bits) of one sampled answer to one item: the same for every candidate, different for every draw."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{key}\0{draw}".encode()).digest()[:4], "big") & 0x7FFFFFFF


def replicate_seed(seed: int, replicate: int) -> int:
    """The seed (31 bits) of the same sampled answer in a repetition of the same questions."""
    return draw_seed(seed, "replicate", replicate)


def document_key(document: Any) -> str:
    """The key of an item that has none of its own: the first 16 hex digits of its document's digest."""
    return digest(document)[:KEY_LENGTH]


def item_keys(rows: Sequence[Mapping[str, Any]], *, where: str, lines: Sequence[int] | None = None) -> list[str]:
    """One unique key per row: the user's ``"key"`` (text or whole number), else the document's hash.

    A repeated document gets ``#2``, ``#3`` …; a repeated *user* key is a ConfigError that names both lines. ``lines`` are the
    rows' line numbers in their file; without them rows count from 1.
    """
    numbers = lines if lines is not None else range(1, len(rows) + 1)
    given = [_user_key(row, where=where, line=line) for row, line in zip(rows, numbers, strict=True)]
    first: dict[str, int] = {}
    for key, line in zip(given, numbers, strict=True):
        if key is not None and first.setdefault(key, line) != line:
            raise ConfigError(
                f"key {key!r} stands on line {first[key]} and again on line {line}. Items are paired by key, so each key may occur "
                "once: make it unique, or leave 'key' out and the item's content becomes its key.",
                where=where,
            )
    taken = set(first)
    copies: dict[str, int] = {}
    return [key if key is not None else _content_key(row, taken, copies) for key, row in zip(given, rows, strict=True)]


def _user_key(row: Mapping[str, Any], *, where: str, line: int) -> str | None:
    key = row.get("key")
    if key is None:
        return None
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        raise ConfigError(f"line {line}: 'key' is {key!r}; expected text (not empty) or a whole number.", where=where)
    return str(key)


def _content_key(row: Mapping[str, Any], taken: set[str], copies: dict[str, int]) -> str:
    document = document_key(row)
    copy = copies.get(document, 0) + 1
    while (key := document if copy == 1 else f"{document}#{copy}") in taken:
        copy += 1
    copies[document] = copy
    taken.add(key)
    return key


_encode_request = msgspec.json.Encoder(order="sorted").encode


def journal_key(request: Request, asked: str, *, replicate: int = 0) -> str:
    """The key (hex) under which the answer to ``request`` is remembered.

    It covers everything that a model sees or that decides how it answers (draw and seed included), the *asked* fingerprint of who
    answers, and the replicate. ``item`` and ``to`` are names, not contents: they are left out.
    """
    content = msgspec.structs.replace(request, item=None, to=None)
    return hashlib.sha256(b"%b\0%d\0%b" % (asked.encode(), replicate, _encode_request(content))).hexdigest()


# ------------------------------------------------------------------------------------------------------ candidates


def candidate_fingerprints(candidate: Candidate, engine: Mapping[str, Any], *, nonce: str) -> Fingerprints:
    """Hash who will answer: weights, adapter, tokenizer, chat template, the engine's facts, and the options.

    ``engine`` is what ``Engine.describe(candidate)`` says. An endpoint has no weights to hash: its declared ``revision`` stands
    for them, and without one ``nonce`` does, so that nothing is re-used across runs. Recorded answers are hashed as the file they
    come from; imported scores are hashed among the engine's facts; a fake engine is its options; a
    fleet of actors is the engine that they hold.

    Raises ConfigError where the model or adapter cannot be found.
    """
    candidate = checkpoints.answering(candidate)
    options = {name: value for name, value in candidate.options.items() if name != "chat_template"}  # a path; its content is hashed
    facts: dict[str, Any] = {"engine": engine, "asking": ASKING, "options": options}
    parts: dict[str, str | None] = {"weights": None, "adapter": None, "tokenizer": None, "template": None}
    source = checkpoints.source(candidate)
    if source == "weights":
        model = checkpoints.resolve_model(candidate.model, candidate.revision)
        parts["weights"] = weights_digest(model)
        parts["tokenizer"] = tokenizer_digest(model)
        template = checkpoints.served_template(candidate)
        parts["template"] = None if template is None else digest(template)
        if candidate.adapter is not None:
            parts["adapter"] = adapter_digest(checkpoints.resolve_model(candidate.adapter, what="adapter"))
    elif source == "recorded":
        facts["answers"] = file_digest(checkpoints.recorded_file(candidate))
    elif source == "endpoint":
        facts |= {"model": candidate.model, "adapter": candidate.adapter}
        facts |= {"nonce": nonce} if candidate.revision is None else {"revision": candidate.revision}
    return Fingerprints(asked=digest({**parts, **facts}), engine=digest(facts["engine"]), **parts)


def weights_digest(folder: Path) -> str:
    """Hash of all that makes up a model without its tokenizer: weight files, configs, and code of its own if it brings any."""
    contents = sorted(_file_digests([*checkpoints.weight_files(folder), *folder.glob("*.py")]))
    configs = {name: _canonical_json(folder / name, _CONFIG_NOISE) for name in ("config.json", "generation_config.json")}
    return digest({"files": contents, **configs})


def adapter_digest(folder: Path) -> str:
    """Hash of a PEFT adapter: its weights, its config without paths and with lists in one order, and the end of turn it brings."""
    config = _canonical_json(folder / "adapter_config.json", _ADAPTER_NOISE)
    tokenizer = checkpoints.read_json(folder / "tokenizer_config.json")
    return digest(
        {
            "files": sorted(_file_digests(checkpoints.adapter_files(folder))),
            "config": _sorted_lists(config),
            "generation": _canonical_json(folder / "generation_config.json", _CONFIG_NOISE),
            "end_of_turn": tokenizer.get("eos_token") if isinstance(tokenizer, dict) else None,
        }
    )


def tokenizer_digest(folder: Path) -> str | None:
    """Hash of a tokenizer without its chat template; None where the folder has no tokenizer."""
    files = sorted({path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern)})
    config = _canonical_json(folder / "tokenizer_config.json", _TOKENIZER_NOISE)
    if not files and config is None:
        return None
    named = {path.name: content for path, content in zip(files, _file_digests(files), strict=True)}
    return digest({"files": named, "config": config})


def _file_digests(paths: Iterable[Path]) -> list[str]:
    """Hash files side by side: hashlib lets go of the interpreter lock, so threads are enough."""
    files = list(paths)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1, max(1, len(files)))) as pool:
        return list(pool.map(file_digest, files))


def _canonical_json(path: Path, noise: frozenset[str]) -> Any:
    """A JSON object without its noisy keys; None where there is no such file."""
    value = checkpoints.read_json(path)
    return {key: kept for key, kept in value.items() if key not in noise} if isinstance(value, dict) else value


def _sorted_lists(value: Any) -> Any:
    """``value`` with every list sorted: PEFT keeps sets and writes them in any order."""
    if isinstance(value, dict):
        return {key: _sorted_lists(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted((_sorted_lists(part) for part in value), key=_encode)
    return value
