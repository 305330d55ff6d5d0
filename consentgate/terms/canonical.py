"""One byte form for texts and for records, and the digest over it.

Room: terms (pure). Two sides that never met must arrive at the same bytes, so there is one way to write each:

* a *text* is UTF-8 without a byte order mark, Unicode NFC, lines ended by LF, one final newline, at most 1 MB;
* a *record* is JSON as RFC 8785 writes it, restricted to what every language agrees on: keys of ``[a-z0-9_]``,
  strings without lone surrogates, integers within ±(2**53 - 1), booleans, null, lists, objects, and no floats.
  Under this restriction the standard library's compact sorted JSON *is* RFC 8785 (floats and the UTF-16 order of
  non-ASCII keys are the only places where they differ, and both are refused).
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

from consentgate.errors import CanonicalError, TextError

MAX_TEXT_BYTES = 1_000_000
"""Largest text that can be published, in bytes of its canonical form."""

MAX_DEPTH = 16
"""Deepest nesting of a record: ours need four, a parser must stop somewhere."""

_MAX_INTEGER = 2**53 - 1
_KEY = re.compile(r"[a-z0-9_]+")
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_good_keys: set[str] = set()
_MOST_KEYS = 1_024
"""Keys that are remembered to be good: records have few different ones, and many records are written."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def digest(data: bytes) -> str:
    """SHA-256 of bytes, lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical_text(raw: bytes | str, *, name: str = "the text") -> str:
    """Bring a text into its one form: UTF-8, no BOM, NFC, LF, one final newline.

    Args:
        raw: what the author sent.
        name: how to call the text in an error.

    Raises:
        TextError: broken UTF-8, a NUL or other control character, empty, or above `MAX_TEXT_BYTES`.
    """
    text = _decode(raw, name) if isinstance(raw, bytes) else raw
    if len(text) > MAX_TEXT_BYTES:
        _refuse_size(name, len(text))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise TextError(
            f"{name} has the control character U+{ord(found[0]):04X} in line {line}",
            hint="remove it: it would be in what people accept without being visible",
            line=line,
        )
    text = unicodedata.normalize("NFC", text).strip("\n")
    if not text.strip():
        raise TextError(f"{name} is empty", hint="write at least one sentence below the front matter")
    text += "\n"
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        _refuse_size(name, size)
    return text


def _decode(raw: bytes, name: str) -> str:
    if len(raw) > MAX_TEXT_BYTES + 3:
        _refuse_size(name, len(raw))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"{name} is not valid UTF-8: byte 0x{raw[error.start]:02x} in line {line}",
            hint="save the file as UTF-8",
            line=line,
        ) from error


def _refuse_size(name: str, size: int) -> NoReturn:
    raise TextError(
        f"{name} has {size:,} bytes; the limit is {MAX_TEXT_BYTES:,}",
        hint="split it into several policies, or link to the long annexes",
    )


def text_digest(text: str) -> str:
    """Digest of a canonical text."""
    return digest(text.encode())


def canonical_json(value: Mapping[str, Any] | list[Any] | str | int | bool | None) -> bytes:
    """Write a record canonically (RFC 8785, restricted).

    Raises:
        CanonicalError: for a float, a foreign key, a huge integer, a lone surrogate, or nesting over `MAX_DEPTH`.
    """
    _check(value, 0)
    try:
        return _write(value).encode()
    except UnicodeEncodeError as error:
        raise CanonicalError("a string with a lone surrogate") from error


def parse_canonical_json(data: bytes) -> Any:
    """Read a record, refusing every byte string that `canonical_json` would not have written.

    Raises:
        CanonicalError: duplicate keys, other spacing, other order, other escapes, floats, broken UTF-8 …
    """
    try:
        value = _read(data.decode("utf-8"))
        again = canonical_json(value)
    except CanonicalError:
        raise
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {str(error)[:80]}") from error
    if again != data:
        raise CanonicalError("JSON, but not in canonical form", hint="RFC 8785: sorted keys, no spaces, no duplicates")
    return value


def _no_float(text: str) -> NoReturn:
    raise CanonicalError(f"a number that is not an integer: {text[:30]}")


_read = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode


def _check(value: object, depth: int) -> None:
    """Refuse what has no canonical form, but for lone surrogates: those have no bytes, and are noticed last."""
    if depth > MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -_MAX_INTEGER <= value <= _MAX_INTEGER:
            raise CanonicalError(f"the integer {str(value)[:30]} is outside ±(2^53 - 1)")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _good_keys:
                _check_key(key)
            # Most values are these three, and a call for each of them costs more than writing the record.
            if type(item) is not str and item is not None and type(item) is not bool:
                _check(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) is not str:
                _check(item, depth + 1)
    else:
        raise CanonicalError(f"a value of type {type(value).__name__} has no canonical form")


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise CanonicalError(f"the key {str(key)[:40]!r} is not of [a-z0-9_]+")
    if len(_good_keys) < _MOST_KEYS:
        _good_keys.add(key)
