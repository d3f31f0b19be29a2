"""What the candidates of a config say about how they were trained."""

from __future__ import annotations

from pathlib import Path

from harness.config import Loaded, read_handover
from harness.errors import UsageError
from harness.formats import UnreadableError, understood
from harness.records import FORMAT, Candidate, Handover, Training


def read_training(loaded: Loaded) -> dict[str, Training]:
    """``training.json`` of every candidate that has one beside its weights or adapter. UsageError for one that cannot be read."""
    found = {}
    for candidate in loaded.config.candidates:
        if (folder := _folder_with("training.json", candidate)) is not None:
            file = folder / "training.json"
            try:
                found[candidate.name] = understood(file.read_bytes(), Training, unsaid=FORMAT)
            except UnreadableError as error:
                raise UsageError(
                    f"{file}: {error}. It says what was chosen on which items, and the gate goes by that. Copy it again from where "
                    f"{candidate.name!r} was trained, or use the sftgate that trained it."
                ) from error
            except OSError as error:
                raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    return found


def read_handed_over(candidate: Candidate) -> Handover | None:
    """``candidate.json`` beside the weights or the adapter of a candidate. UsageError for one that cannot be read."""
    folder = _folder_with("candidate.json", candidate)
    return None if folder is None else read_handover(folder)


def _folder_with(name: str, candidate: Candidate) -> Path | None:
    named = candidate.adapter or candidate.model
    place = Path(named).expanduser()
    here = bool(named) and (place.exists() or place.parent != Path())  # else a name, with no folder beside it
    return next((folder for folder in ((place, place.parent) if here else ()) if (folder / name).is_file()), None)


def chosen_on(training: Training) -> tuple[str, ...]:
    """The suites whose items, on the half that selects, have chosen a checkpoint of this training to be the candidate."""
    measured = training.evaluations if training.chosen else ()
    readings = [reading for each in measured for reading in each.readings if reading.role != "told"]
    return tuple(dict.fromkeys(reading.metric.partition("/")[0] for reading in readings))
