"""Identifiers: UUIDs of version 7 (RFC 9562 §5.7), so that they sort by the time they were made.

Room: terms (pure). The identifier of a decision is issued with the offer and is what makes a repeated request
harmless. Clock and randomness are parameters.
"""

from __future__ import annotations

import re
from typing import TypeAlias
from uuid import UUID

from consentgate.errors import InputError
from consentgate.terms.instants import Instant

Identifier: TypeAlias = UUID
"""A UUID of version 7."""

RANDOM_BYTES = 10
"""Randomness that `uuid7` takes; 74 of these 80 bits are used."""

_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuid7(instant: Instant, randomness: bytes) -> UUID:
    """Make an identifier.

    Args:
        instant: microseconds since 1970; the identifier keeps the milliseconds.
        randomness: 10 bytes from a cryptographic source, because identifiers stand in addresses.

    Raises:
        ValueError: another number of bytes, or a time before 1970 or after 10889.
    """
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"{RANDOM_BYTES} random bytes are needed, not {len(randomness)}")
    milliseconds = instant // 1000
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"no identifier for the instant {instant}")
    # 48 bits of time, 4 of version, 12 random, 2 of variant, 62 random.
    random = int.from_bytes(randomness, "big")
    high, low = random >> 68, random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def format_identifier(identifier: UUID) -> str:
    """Write an identifier as 36 lower-case characters."""
    return str(identifier)


def parse_identifier(text: str) -> UUID:
    """Read what `format_identifier` wrote, and only that.

    Raises:
        InputError: any other spelling, or a UUID that is not of version 7.
    """
    if not _FORM.fullmatch(text):
        raise InputError(f"not one of our identifiers: {text[:40]!r}", hint="they look like 0190f2b4-7c1e-7a3b-8c4d-…")
    return UUID(text)
