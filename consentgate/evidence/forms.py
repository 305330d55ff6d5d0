"""The form of each field of an entry: how it is written in JSON, and what may be read from it.

Room: evidence (pure). Called by `consentgate.evidence.entry`, whose fields name their form in their annotation
(``text: Digest``), so that the class is the description of the format, and writing and reading cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeAlias
from uuid import UUID

from consentgate.errors import InputError, VerificationError
from consentgate.terms.identifiers import format_identifier, parse_identifier
from consentgate.terms.instants import format_instant, parse_instant

_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX_INTEGER = 2**53 - 1
_LAST_INSTANT = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z


def _as_it_is(value: Any) -> Any:
    return value


def _never(_value: Any) -> bool:
    return False


_MOST_SEEN = 1_024


class _Known:
    """Strings that were found to have a form: of most fields there are few different ones, in very many entries."""

    __slots__ = ("_matches", "_seen")

    def __init__(self, matches: Callable[[str], object]) -> None:
        self._matches = matches
        self._seen: set[str] = set()

    def __call__(self, value: Any) -> bool:
        """Whether a value is a string of this form."""
        if not isinstance(value, str):
            return False
        if value in self._seen:
            return True
        if not self._matches(value):
            return False
        if len(self._seen) < _MOST_SEEN:
            self._seen.add(value)
        return True


@dataclass(frozen=True, slots=True)
class Form:
    """One form.

    Args:
        read: ``(JSON value, name of the field)`` -> value, or `VerificationError`.
        write: value -> JSON value.
        sure: whether what is written of a value can certainly be read again; else it is read again to find out.
    """

    read: Callable[[Any, str], Any]
    write: Callable[[Any], Any] = _as_it_is
    sure: Callable[[Any], bool] = _never


def refuse(name: str, wanted: str, value: object) -> NoReturn:
    """Refuse a field, showing a little of what stands there."""
    raise VerificationError(f"the field {name!r} of the entry must be {wanted}, not {str(value)[:40]!r}", field=name)


def pattern(expression: str, wanted: str) -> Form:
    """Return the form of strings that fully match a regular expression."""
    known = _Known(re.compile(expression).fullmatch)

    def read(value: Any, name: str) -> Any:
        return value if known(value) else refuse(name, wanted, value)

    return Form(read, sure=known)


def line(limit: int) -> Form:
    """Return the form of one line of text without control characters, of 1 to *limit* characters."""
    known = _Known(lambda value: 0 < len(value) <= limit and not _NO_TEXT.search(value) and value.strip())

    def read(value: Any, name: str) -> Any:
        return value if known(value) else refuse(name, f"one line of at most {limit} characters", value)

    return Form(read, sure=known)


def choice(*values: str) -> Form:
    """Return the form of one of these words."""
    allowed = frozenset(values)

    def read(value: Any, name: str) -> str:
        return str(value) if isinstance(value, str) and value in allowed else refuse(name, "/".join(values), value)

    return Form(read, str, lambda value: isinstance(value, str) and value in allowed)


def optional(form: Form) -> Form:
    """Return a form that also allows null."""
    return Form(
        lambda value, name: None if value is None else form.read(value, name),
        lambda value: None if value is None else form.write(value),
        lambda value: value is None or form.sure(value),
    )


def list_of(form: Form, *, least: int = 0) -> Form:
    """Return the form of a list; in Python a tuple."""

    def read(value: Any, name: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            refuse(name, f"a list of at least {least}", value)
        return tuple(form.read(item, name) for item in value)

    return Form(
        read,
        lambda value: [form.write(item) for item in value],
        lambda value: isinstance(value, tuple) and len(value) >= least and all(map(form.sure, value)),
    )


def mapping_of(key: str, form: Form) -> Form:
    """Return the form of an object whose keys match an expression."""
    known = _Known(re.compile(key).fullmatch)

    def read(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            refuse(name, "an object", value)
        for item in value:
            if not known(item):
                refuse(name, "an object of known keys", item)
        return {item: form.read(content, f"{name}.{item}") for item, content in value.items()}

    def sure(value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(known, value)) and all(map(form.sure, value.values()))

    return Form(read, dict, sure)


def _from_text(
    parse: Callable[[str], Any], write: Callable[[Any], str], wanted: str, sure: Callable[[Any], bool]
) -> Form:
    def read(value: Any, name: str) -> Any:
        if isinstance(value, str):
            try:
                return parse(value)
            except (InputError, ValueError):
                pass
        return refuse(name, wanted, value)

    return Form(read, write, sure)


def is_uuid(value: Any) -> bool:
    """Whether it is a UUID of any version."""
    return isinstance(value, UUID)


def _is_uuid7(value: Any) -> bool:
    """Version 7, and the variant of RFC 9562."""
    return isinstance(value, UUID) and value.int >> 76 & 0xF == 7 and value.int >> 62 & 0b11 == 0b10


def _is_instant(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LAST_INSTANT


def _read_bool(value: Any, name: str) -> bool:
    return value if isinstance(value, bool) else refuse(name, "true or false", value)


def _read_count(value: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INTEGER:
        return value
    return refuse(name, "a whole number", value)


def _read_scalar(value: Any, name: str) -> str | int | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if len(value) <= 2_000 else refuse(name, "at most 2,000 characters", value)
    return value if isinstance(value, int) else refuse(name, "a string, a whole number, true, false or null", value)


def _parse_any_uuid(text: str) -> UUID:
    value = UUID(text)
    if str(value) != text:
        raise ValueError(text)
    return value


NAME = line(200)
DIGEST = pattern(r"[0-9a-f]{64}", "a SHA-256 in lower-case hexadecimal")
INSTANT = _from_text(parse_instant, format_instant, "an instant like 2026-01-31T08:00:00.000000Z", _is_instant)
IDENTIFIER = _from_text(parse_identifier, format_identifier, "a UUID of version 7", _is_uuid7)
ANY_UUID = _from_text(_parse_any_uuid, str, "a UUID", is_uuid)
LANGUAGE = pattern(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}", "a language tag (RFC 5646)")
# The last of 43 characters carries four bits of the 32 bytes and two that must be zero.
COMMITMENT_PATTERN = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
COMMITMENT = pattern(COMMITMENT_PATTERN, "a commitment of 43 characters")

Name: TypeAlias = Annotated[str, NAME]
MaybeName: TypeAlias = Annotated[str | None, optional(NAME)]
Title: TypeAlias = Annotated[str, line(500)]
Reason: TypeAlias = Annotated[str, line(2_000)]
Digest: TypeAlias = Annotated[str, DIGEST]
MaybeDigest: TypeAlias = Annotated[str | None, optional(DIGEST)]
Moment: TypeAlias = Annotated[int, INSTANT]
MaybeMoment: TypeAlias = Annotated[int | None, optional(INSTANT)]
Id: TypeAlias = Annotated[UUID, IDENTIFIER]
MaybeId: TypeAlias = Annotated[UUID | None, optional(IDENTIFIER)]
MaybeUuid: TypeAlias = Annotated[UUID | None, optional(ANY_UUID)]
Ids: TypeAlias = Annotated[tuple[UUID, ...], list_of(IDENTIFIER)]
Names: TypeAlias = Annotated[tuple[str, ...] | None, optional(list_of(NAME))]
Language: TypeAlias = Annotated[str, LANGUAGE]
Flag: TypeAlias = Annotated[bool, Form(_read_bool, sure=lambda value: isinstance(value, bool))]
COUNT = Form(_read_count, sure=lambda value: type(value) is int and 0 <= value <= _MAX_INTEGER)
Count: TypeAlias = Annotated[int, COUNT]
MaybeCount: TypeAlias = Annotated[int | None, optional(COUNT)]
Commitments: TypeAlias = Annotated[Mapping[str, str], mapping_of(r"[a-z][a-z0-9_]{0,63}", COMMITMENT)]
Details: TypeAlias = Annotated[Mapping[str, str | int | bool | None], mapping_of(r"[a-z0-9_]+", Form(_read_scalar))]
