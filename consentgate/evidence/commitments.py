"""Commitments: a personal value stands in the ledger without standing in it.

Room: evidence (pure). Called by the services that record, and by every check. The ledger has only

    HMAC-SHA256(salt, "consentgate/commit/v1" ‖ 0x00 ‖ JCS([name, value]))

with 32 fresh random bytes of salt for *each field*. The salt and the value together are the **opening**: whoever has
it can show what was committed to; without it nobody can find out, not even by trying all e-mail addresses. Openings
are kept apart from the ledger and can be deleted, one field at a time; proofs and receipts stay valid.
(RFC 9901, SD-JWT, does the same for credentials.)
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TypeAlias

from consentgate.errors import CanonicalError, VerificationError
from consentgate.evidence.encoding import format_base64url, parse_base64url
from consentgate.terms.canonical import canonical_json, parse_canonical_json

SALT_BYTES = 32
"""Always this many: HMAC pads shorter keys with zeros, so lengths must not vary."""

MAX_VALUE_BYTES = 4_096
"""Longest value, in UTF-8."""

_DOMAIN = b"consentgate/commit/v1\0"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one commitment. Its ``repr`` shows neither salt nor value.

    Args:
        salt: 32 random bytes.
        value: the personal value.
    """

    salt: bytes = field(repr=False)
    value: str = field(repr=False)


Openings: TypeAlias = Mapping[str, Opening]
"""Field name -> opening. Fields that were erased or withheld are missing."""


def commit(salt: bytes, name: str, value: str) -> str:
    """Commit to a value.

    Args:
        salt: 32 fresh random bytes.
        name: of the field; part of the commitment, so an opening cannot be moved to another field.
        value: the personal value, at most 4,096 bytes.

    Returns:
        43 characters of base64url.

    Raises:
        CanonicalError: the value cannot be written in canonical JSON, or is too long.
        ValueError: the salt has another length, or the name is not a field name.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a commitment needs {SALT_BYTES} bytes of salt, not {len(salt)}")
    before = _before(name)
    try:
        written = encode_basestring(value).encode()
    except UnicodeEncodeError as error:
        raise CanonicalError(f"the value of {name} has a lone surrogate", field=name) from error
    if len(written) > MAX_VALUE_BYTES and len(value.encode()) > MAX_VALUE_BYTES:  # what is written is never shorter
        raise CanonicalError(f"the value of {name} is longer than {MAX_VALUE_BYTES:,} bytes", field=name)
    return format_base64url(hmac.digest(salt, before + written + b"]", "sha256"))


@lru_cache(maxsize=256)
def _before(name: str) -> bytes:
    """What stands before the value: domain and name. With ``]`` behind the value that is RFC 8785 of [name, value]."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a commitment needs a field name, not {name[:40]!r}")
    return _DOMAIN + f'["{name}",'.encode()


def commit_all(
    values: Mapping[str, str | None], salt_source: Callable[[], bytes]
) -> tuple[dict[str, str], dict[str, Opening]]:
    """Commit to several values, each under a salt of its own.

    Args:
        values: field name -> value; ``None`` is left out.
        salt_source: returns 32 fresh random bytes at each call.

    Returns:
        Commitments and openings by field name.
    """
    openings = {name: Opening(salt_source(), value) for name, value in values.items() if value is not None}
    return {name: commit(item.salt, name, item.value) for name, item in openings.items()}, openings


def commit_and_open(values: Mapping[str, str | None], salt_source: Callable[[], bytes]) -> tuple[dict[str, str], str]:
    """`commit_all`, and what `format_openings` makes of its openings, in one: for records there are millions of.

    Args:
        values: field name -> value; ``None`` is left out.
        salt_source: returns 32 fresh random bytes at each call.

    Returns:
        Commitments by field name, and the openings as canonical JSON.
    """
    commitments, openings = {}, []
    for name in sorted(values):
        value = values[name]
        if value is not None:
            salt = salt_source()
            commitments[name] = commit(salt, name, value)  # which takes no value that would be written otherwise
            openings.append(f'"{name}":["{format_base64url(salt)}",{encode_basestring(value)}]')
    return commitments, "{" + ",".join(openings) + "}"


def check_openings(commitments: Mapping[str, str], openings: Openings) -> tuple[str, ...]:
    """Check that openings open these commitments.

    Args:
        commitments: of the entry.
        openings: all of them, some, or none.

    Returns:
        Names of the fields that are committed to but not opened: erased or withheld.

    Raises:
        VerificationError: an opening does not fit, or there is nothing it could open.
    """
    for name, opening in openings.items():
        if name not in commitments:
            raise VerificationError(f"the entry has no field {name[:60]!r} that could be opened", field=name[:60])
        try:
            fits = hmac.compare_digest(commit(opening.salt, name, opening.value), commitments[name])
        except (ValueError, TypeError, CanonicalError):
            fits = False
        if not fits:
            raise VerificationError(f"the value given for {name} is not the one that was recorded", field=name)
    return tuple(name for name in sorted(commitments) if name not in openings)


def format_openings(openings: Openings) -> str:
    """Write openings as canonical JSON: ``{"field":["salt","value"]}``, the salt as base64url."""
    written = []
    for name in sorted(openings):
        salt, value = openings[name].salt, openings[name].value
        # Nearly always it is plain ASCII under a plain name, and can be written as it is.
        if type(value) is not str or not value.isascii() or not _is_name(name):
            record = {name: [format_base64url(item.salt), item.value] for name, item in openings.items()}
            return canonical_json(record).decode()
        written.append(f'"{name}":["{format_base64url(salt)}",{encode_basestring(value)}]')
    return "{" + ",".join(written) + "}"


@lru_cache(maxsize=256)
def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def parse_openings(text: str | bytes) -> dict[str, Opening]:
    """Read what `format_openings` wrote, and only that.

    Raises:
        VerificationError: any other text.
    """
    try:
        record = parse_canonical_json(text.encode() if isinstance(text, str) else text)
    except (CanonicalError, UnicodeEncodeError) as error:
        raise VerificationError(f"the openings are not canonical JSON: {error}") from error
    return openings_from_record(record)


def openings_from_record(record: object) -> dict[str, Opening]:
    """Read openings from their parsed JSON.

    Raises:
        VerificationError: it is not an object of field name -> ``[salt, value]``.
    """
    if not isinstance(record, dict):
        raise VerificationError("the openings are not a JSON object")
    openings = {}
    for name, item in record.items():
        match item:
            case [str(salt), str(value)] if _NAME.fullmatch(name):
                openings[name] = Opening(parse_base64url(salt, f"the salt of {name}"), value)
            case _:
                raise VerificationError(f"the opening of {str(name)[:60]!r} is not a salt and a value")
    return openings
