"""JSON files that notice a change: each carries the hash of its own content as its last key, ``seal``.

A seal is no signature: whoever rewrites content and seal together is not found out. It catches what happens without intent, or with
too little of it: a number corrected by hand, a half-merged file, a script that rewrites what it should only read.
"""

from __future__ import annotations

import msgspec

from harness.fingerprint import digest

SEAL = "seal"


def sealed(content: bytes) -> bytes:
    """A JSON object, indented, with its seal. Layout and the order of keys are not sealed, every value is."""
    fields = msgspec.json.decode(content)
    return msgspec.json.format(msgspec.json.encode({**fields, SEAL: digest(fields)}), indent=1)


def kept(content: bytes) -> bool | None:
    """Whether a JSON object is what was sealed; None where it has no seal. Raises msgspec.DecodeError where it is no object."""
    fields = msgspec.json.decode(content, type=dict)
    seal = fields.pop(SEAL, None)
    return None if seal is None else bool(seal == digest(fields))
