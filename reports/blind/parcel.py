"""All that a package may be made of: what writes a file for raters is given nothing else, so it cannot tell on an arm."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Record
from reports.blind.cleaning import MASK
from reports.blind.form import Form
from reports.blind.key import Key
from reports.blind.wording import WORDS


class Shown(Record, frozen=True, kw_only=True):
    """A row as a rater sees it."""

    id: str
    question: str
    left: str
    right: str


class Parcel(Record, frozen=True, kw_only=True):
    """One package. ``rater``: whose it is; empty: anybody's. ``raters``: in a package for several who see different rows,
    the ids of each one's. ``formats``: in which forms it comes."""

    package: str
    commitment: str
    form: Form
    rows: tuple[Shown, ...]
    rater: str = ""
    raters: dict[str, tuple[str, ...]] = {}
    formats: tuple[str, ...] = ()

    @property
    def sheets(self) -> tuple[str, ...]:
        """The names of the files that can be filled in."""
        return tuple(f"items.{form}" for form in ("csv", "xlsx") if form in self.formats)

    @property
    def masks(self) -> bool:
        """Does a mask stand in an answer?"""
        return any(MASK in text for row in self.rows for text in (row.left, row.right))

    @property
    def guidance(self) -> str:
        """What raters should go by, and what a mask is where they will see one: for forms that have one place for it."""
        words = WORDS[self.form.language]
        own = self.form.guidance or words["default_guidance"]
        return f"{own} {words['mask_hint']}" if self.masks else own


def parcels(key: Key, formats: Sequence[str]) -> list[Parcel]:
    """The packages of a key: one, or one for every rater."""
    if key.separate:
        return [_parcel(key, rater, formats) for rater in key.raters]
    return [_parcel(key, "", formats)]


def _parcel(key: Key, rater: str, formats: Sequence[str]) -> Parcel:
    entries = [entry for entry in key.entries if not rater or rater in entry.raters]
    raters = {} if rater else {name: tuple(row.review_id for row in entries if name in row.raters) for name in key.raters}
    return Parcel(
        package=key.package,
        commitment=key.commitment,
        form=key.form,
        rows=tuple(Shown(id=row.review_id, question=row.question, left=row.left, right=row.right) for row in entries),
        rater=rater,
        raters=raters,
        formats=tuple(formats),
    )
