"""Where the models and adapters of a config are: beside it, where the command runs, or where a training run says that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.checkpoints import read_adapter_config
from harness.config.declared import CandidateConfig, Config
from harness.errors import UsageError
from harness.formats import UnreadableError, understood
from harness.records import FORMAT, Handover


def declare(raw: dict[str, Any], declared: str, config: Path) -> None:
    """Add, or point elsewhere, the candidate of ``NAME=PATH``.

    Its other settings come from the candidate already declared with that name, else from the baseline.
    """
    name, equals, text = declared.partition("=")
    if not equals or not name or not text:
        raise UsageError(f"--candidate {declared!r}: expected NAME=PATH, such as week47=checkpoints/week47")
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise UsageError(f"--candidate {declared!r}: {text!r} is not a folder. Expected a Hugging Face model or a PEFT adapter.")
    entries = raw.setdefault("candidates", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return  # what is wrong with it is said when all of the config is read
    own = next((entry for entry in entries if entry.get("name") == name), None)
    model: dict[str, Any] = next((entry for entry in entries if entry.get("name") == raw.get("baseline")), {})
    entry = dict(own or {key: model[key] for key in ("engine", "options", "resources") if key in model})
    for place in ("adapter", "revision"):
        entry.pop(place, None)
    entry |= {"name": name, **_places(folder, own or model, declared, config)}
    if own is None:
        entries.append(entry)
    else:
        entries[entries.index(own)] = entry


def _places(folder: Path, template: dict[str, Any], declared: str, config: Path) -> dict[str, str]:
    """Where the model and the adapter of a checkpoint folder are."""
    if template.get("engine") == "lm_eval_results":
        return {"model": str(folder)}
    if (folder / "candidate.json").is_file():
        handover = read_handover(folder)
        places = {"model": handover.model, "adapter": handover.adapter, "revision": handover.revision if handover.adapter else None}
        return {name: place for name, place in places.items() if place}
    if (folder / "adapter_config.json").is_file():
        named = read_adapter_config(folder, where="--candidate").get("base_model_name_or_path") or ""
        base = str(template.get("model") or "") or named
        if not base:
            raise UsageError(
                f"--candidate {declared!r}: the adapter does not name its base model. Declare a baseline with the base in {config}."
            )
        revision = {"revision": str(template["revision"])} if template.get("model") and template.get("revision") else {}
        return {"model": base, "adapter": str(folder), **revision}
    if (folder / "config.json").is_file():
        return {"model": str(folder)}
    raise UsageError(
        f"--candidate {declared!r}: {folder.name!r} holds neither config.json (a model) nor adapter_config.json (an adapter) "
        "nor candidate.json (what sftgate train writes)"
    )


def read_handover(folder: Path) -> Handover:
    """``candidate.json`` of a trained candidate, with its paths made absolute. UsageError where it is absent or malformed."""
    file = folder / "candidate.json"
    try:
        handover = understood(file.read_bytes(), Handover, unsaid=FORMAT)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except UnreadableError as error:
        raise UsageError(f"{file}: {error}. Copy it again from where it was trained, or use the sftgate that wrote it") from error
    return msgspec.structs.replace(
        handover,
        model=_existing(handover.model, folder) if handover.adapter else _inside(handover.model, folder),
        adapter=_inside(handover.adapter, folder) if handover.adapter else None,
        base=_existing(handover.base, folder) if handover.base else "",
    )


def _inside(text: str, folder: Path) -> str:
    """The place of what was trained, as an absolute path, also where it was not copied here: it is no name of a hub."""
    return str((folder / text).resolve())


def _existing(text: str, folder: Path) -> str:
    """``text`` as an absolute path where it exists under ``folder`` or here; else unchanged (a hub name)."""
    for place in (folder / text, Path(text)):
        if text and place.exists():
            return str(place.resolve())
    return text


def absolute(config: Config, folder: Path) -> Config:
    """The config with all places of models, adapters and chat templates that exist made absolute."""

    def located(entry: Any) -> Any:
        model = entry.model if entry.engine == "openai" else _existing(entry.model, folder)
        adapter = _existing(entry.adapter, folder) if entry.adapter else entry.adapter
        options = entry.options
        if isinstance(options.get("chat_template"), str):
            options = {**options, "chat_template": _existing(options["chat_template"], folder)}
        return msgspec.structs.replace(entry, model=model, adapter=adapter, options=options)

    candidates = tuple(located(_handed_over(candidate, folder)) for candidate in config.candidates)
    engines = {name: located(engine) for name, engine in config.engines.items()}
    return msgspec.structs.replace(config, candidates=candidates, engines=engines)


def _handed_over(candidate: CandidateConfig, folder: Path) -> CandidateConfig:
    """A candidate that points at the folder of a training run, with the places that its ``candidate.json`` names."""
    if candidate.engine == "openai":
        return candidate
    for text in (candidate.adapter, None if candidate.adapter else candidate.model):
        place = Path(_existing(text or "", folder))
        if text and (place / "candidate.json").is_file():
            handover = read_handover(place)
            revision = candidate.revision or handover.revision if handover.adapter else None  # an adapter is of one revision
            return msgspec.structs.replace(candidate, model=handover.model, adapter=handover.adapter, revision=revision)
    return candidate
