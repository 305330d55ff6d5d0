"""Numbers, base64 and lines in exactly one spelling each.

Room: evidence (pure). Called by every parser of this room. Whatever has two spellings has a byte that nobody
signed: ``05`` for ``5``, or a base64 text whose last character carries unused bits. So each parser writes again what
it has read, and compares.
"""

from __future__ import annotations

import base64
import binascii
import re

from consentgate.errors import VerificationError
from consentgate.evidence.tlog import HASH_SIZE, MAX_SIZE

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_URL_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def format_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def parse_base64(text: str, what: str) -> bytes:
    """Read standard base64 in its canonical spelling.

    Args:
        text: the base64.
        what: how to call it in an error.

    Raises:
        VerificationError: spaces, foreign characters, missing padding, or unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationError(f"{what} is not base64") from error
    if format_base64(data) != text:
        raise VerificationError(f"{what} is not canonical base64")
    return data


def parse_hash(text: str, what: str) -> bytes:
    """Read the base64 of a hash of 32 bytes.

    Raises:
        VerificationError: not base64, or another length.
    """
    data = parse_base64(text, what)
    if len(data) != HASH_SIZE:
        raise VerificationError(f"{what} has {len(data)} bytes instead of {HASH_SIZE}")
    return data


def format_base64url(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 4648 §5): how commitments and salts stand in JSON."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def parse_base64url(text: str, what: str) -> bytes:
    """Read URL-safe base64 without padding, in its canonical spelling.

    Raises:
        VerificationError: any other spelling.
    """
    try:
        if not _URL_ALPHABET.fullmatch(text):
            raise ValueError(text)
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise VerificationError(f"{what} is not base64url") from error
    if format_base64url(data) != text:
        raise VerificationError(f"{what} is not canonical base64url")
    return data


def parse_decimal(text: str, what: str) -> int:
    """Read a number from 0 to 2**63 - 1, without sign, spaces or leading zeros.

    Raises:
        VerificationError: any other spelling, or larger.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise VerificationError(f"{what} is not a decimal number: {text[:30]!r}")
    return int(text)


def parse_utf8(data: bytes, what: str) -> str:
    """Decode UTF-8.

    Raises:
        VerificationError: broken UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"{what} is not valid UTF-8 at byte {error.start}", offset=error.start) from error
