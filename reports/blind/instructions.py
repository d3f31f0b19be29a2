"""``INSTRUCTIONS.md``: how to vote in the forms that a package has, in the raters' language."""

from __future__ import annotations

from reports.blind.parcel import Parcel
from reports.blind.sheets import spoken
from reports.blind.wording import CHOICE_WORDS, DETAILS, INSTRUCTIONS, RATE, WORDS, Part


def instructions(parcel: Parcel) -> str:
    """The text for one package."""
    form = parcel.form
    words, names = WORDS[form.language], CHOICE_WORDS[form.language]
    count = words["count_one"] if len(parcel.rows) == 1 else words["count"].format(total=len(parcel.rows))
    more = DETAILS[form.language].format(reasons=", ".join(f"`{name}`" for name in form.reasons)) if form.reasons else ""
    there: dict[Part, bool] = {"intro": True, "html": "html" in parcel.formats, "sheet": bool(parcel.sheets), "how": True}
    return "\n".join(INSTRUCTIONS[form.language][part] for part, wanted in there.items() if wanted).format(
        package=parcel.package,
        count=count.rstrip(".。"),
        keys=" · ".join(f"`{number}` {names[choice]}" for number, choice in enumerate(form.choices, start=1)),
        sheets=f" {words['or']} ".join(f"`{name}`" for name in parcel.sheets),
        spoken=", ".join(f"`{spoken(choice)}` ({names[choice]})" for choice in form.choices),
        more=more + (RATE[form.language] if form.criteria else ""),
        guidance=parcel.guidance,
    )
