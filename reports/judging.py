"""What judges say, and whether they were admitted to say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Admission, Measured, Record
from reports.figures import Figure, count_figure, pointer, score_figure
from reports.items.explorer import HALF, ROUNDING
from reports.wording import fixed


class Wins(Record, frozen=True, kw_only=True):
    """How often a judge preferred the candidate's answer to the baseline's."""

    suite: str
    candidate: str
    win: int = 0
    tie: int = 0
    loss: int = 0
    unparsable: int = 0
    conflict: int = 0


class AdmissionCard(Record, frozen=True, kw_only=True):
    key: str
    admission: Admission
    figures: tuple[tuple[str, Figure], ...]


def wins(measured: Mapping[tuple[str, str], Measured], baseline: str, candidates: Sequence[str]) -> tuple[Wins, ...]:
    """Win, tie and loss of every candidate in every suite that has a ``win`` metric."""
    made = []
    for suite in dict.fromkeys(suite for suite, _ in measured):
        for name in candidates:
            side = measured.get((suite, name))
            if side is None or name == baseline or not any(key.rpartition("/")[2] == "win" for key in side.run.metrics):
                continue
            values = [sample.scores["win"] for sample in side.samples if sample.scores and "win" in sample.scores]
            made.append(
                Wins(
                    suite=suite,
                    candidate=name,
                    win=sum(value > HALF + ROUNDING for value in values),
                    tie=sum(abs(value - HALF) <= ROUNDING for value in values),
                    loss=sum(value < HALF - ROUNDING for value in values),
                    unparsable=sum(
                        sample.scores is None or any(each.score is None for each in sample.judgments) for sample in side.samples
                    ),
                    conflict=sum("conflict" in sample.flags for sample in side.samples),
                )
            )
    return tuple(made)


def admission_cards(admissions: Mapping[str, Admission]) -> tuple[AdmissionCard, ...]:
    cards = []
    for key, each in admissions.items():
        at = pointer("conclusion", "admissions", key)
        figures = [
            ("labelled answers" if each.alone else "labelled pairs", count_figure(each.pairs, f"{at}/pairs")),
            ("accuracy", score_figure(each.accuracy, f"{at}/accuracy", "bounded")),
            ("agreement κ", Figure(text=fixed(each.kappa, 2), value=each.kappa, at=f"{at}/kappa")),
            ("unparsable", score_figure(each.unparsable, f"{at}/unparsable", "bounded")),
        ]
        if not each.alone:
            figures.append(("same answer in both orders", score_figure(each.consistency, f"{at}/consistency", "bounded")))
        if each.first_slot is not None:
            figures.append(("prefers the first slot", score_figure(each.first_slot, f"{at}/first_slot", "bounded")))
        for language, part in each.languages.items():
            place = pointer("conclusion", "admissions", key, "languages", language, "kappa")
            figures.append((f"κ in {language}", Figure(text=fixed(part.kappa, 2), value=part.kappa, at=place)))
        for trap, part in each.traps.items():
            place = pointer("conclusion", "admissions", key, "traps", trap, "accuracy")
            figures.append((f"accuracy, {trap}", score_figure(part.accuracy, place, "bounded")))
        if each.canaries:
            shown, lost = ("orders in answers", "orders withstood") if each.alone else ("canaries shown", "canaries that lost")
            figures.append((shown, count_figure(each.canaries, f"{at}/canaries")))
            figures.append((lost, count_figure(each.canaries_beaten, f"{at}/canaries_beaten")))
        if each.length_slope is not None:
            slope = Figure(text=fixed(each.length_slope, 2), value=each.length_slope, at=f"{at}/length_slope")
            figures.append(("log-odds per sd of extra length", slope))
        if each.own_excess is not None:
            own = Figure(text=fixed(each.own_excess, 2), value=each.own_excess, at=f"{at}/own_excess")
            figures.append(("prefers its own answers by", own))
        if each.jury_accuracy is not None and each.majority_accuracy is not None:
            figures.append(("accuracy of the jury, by weight", score_figure(each.jury_accuracy, f"{at}/jury_accuracy", "bounded")))
            equal = score_figure(each.majority_accuracy, f"{at}/majority_accuracy", "bounded")
            figures.append(("accuracy of the jury, all alike", equal))
        if each.effective_jurors is not None:
            effective = Figure(text=fixed(each.effective_jurors, 1), value=each.effective_jurors, at=f"{at}/effective_jurors")
            figures.append((f"independent jurors, of {len(each.jurors)}", effective))
        for index, juror in enumerate(each.jurors):
            spot = pointer("conclusion", "admissions", key, "jurors", index)
            figures.append(
                (f"weight of {juror.judge}", Figure(text=fixed(juror.weight, 2), value=juror.weight, at=f"{spot}/weight"))
            )
            if juror.accuracy is not None:
                figures.append((f"accuracy of {juror.judge}", score_figure(juror.accuracy, f"{spot}/accuracy", "bounded")))
            without = score_figure(juror.jury_without, f"{spot}/jury_without", "bounded")
            figures.append((f"accuracy of the jury without {juror.judge}", without))
        if each.drift is not None:
            figures.append(("anchor verdicts that changed", score_figure(each.drift, f"{at}/drift", "bounded")))
        cards.append(AdmissionCard(key=key, admission=each, figures=tuple(figures)))
    return tuple(cards)
