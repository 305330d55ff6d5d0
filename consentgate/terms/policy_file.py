"""``policy.toml`` becomes a `Policy`, and a `Policy` its canonical record, whose digest stands in each publication.

Room: terms (pure).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from consentgate.errors import DraftError, InputError
from consentgate.terms.draft import MAX_FRONT_MATTER_BYTES, MAX_TITLE_LENGTH, parse_when, require, tag_of
from consentgate.terms.policy import RESERVED_SLUGS, SLUG, Audience, Kind, Policy
from consentgate.terms.subject import SubjectKind

_POLICY_KEYS = {
    "title", "kind", "audience", "prevailing", "notice_days", "renew_after", "retain_days", "retired", "replaced_by",
}  # fmt: skip


def parse_policy(raw: bytes, *, slug: str, file: str) -> Policy:
    """Read a ``policy.toml``.

    Raises:
        DraftError: with file, and line where the TOML itself is broken.
    """
    require(len(raw) <= MAX_FRONT_MATTER_BYTES, f"over {MAX_FRONT_MATTER_BYTES:,} bytes", file)
    try:
        settings = tomllib.loads(raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DraftError(f"not TOML: {error}", file=file, line=getattr(error, "lineno", None)) from error
    return policy_from_settings(settings, slug=slug, file=file)


def policy_from_settings(settings: Mapping[str, Any], *, slug: str, file: str) -> Policy:
    """Make a policy from a mapping with the keys of ``policy.toml``.

    Raises:
        DraftError: naming the key.
    """
    require(SLUG.fullmatch(slug), f"{slug[:80]!r} is no policy slug", file, hint="a-z, 0-9 and hyphens, at most 64")
    require(slug not in RESERVED_SLUGS, f"{slug!r} is no policy slug: its address is ours", file, hint="choose another")
    unknown = set(settings) - _POLICY_KEYS
    require(
        not unknown,
        f"unknown key {', '.join(map(repr, sorted(unknown)))}",
        file,
        hint=f"known: {', '.join(sorted(_POLICY_KEYS))}",
    )
    prevailing = tag_of(_string(settings, "prevailing", file, "en"), file)
    kind = _string(settings, "kind", file, "contract")
    require(kind in set(Kind), f"kind is {kind[:40]!r}", file, hint=f"one of {', '.join(Kind)}")
    replaced_by = _string(settings, "replaced_by", file, "") or None
    require(replaced_by is None or SLUG.fullmatch(replaced_by), "'replaced_by' is no policy slug", file)
    retired = settings.get("retired")
    try:
        retired_at = None if retired is None else parse_when(str(retired))
    except InputError as error:
        raise DraftError(f"'retired': {error}", file=file, hint=error.hint) from error
    return Policy(
        slug=slug,
        title=_titles(settings.get("title"), prevailing, slug, file),
        kind=Kind(kind),
        audience=_audience(settings.get("audience", {}), file),
        prevailing=prevailing,
        notice_days=_days(settings, "notice_days", file) or 0,
        renew_after=_days(settings, "renew_after", file) or None,
        retain_days=_days(settings, "retain_days", file) or None,
        retired=retired_at,
        replaced_by=replaced_by,
    )


def policy_settings(policy: Policy) -> dict[str, Any]:
    """The canonical record of a policy's settings, whose digest goes into each publication."""
    return {
        "slug": policy.slug,
        "titles": [[language, title] for language, title in policy.title],
        "kind": policy.kind.value,
        "audience": {
            "kinds": sorted(kind.value for kind in policy.audience.kinds),
            "tags": sorted(policy.audience.tags),
            "paths": list(policy.audience.paths),
        },
        "prevailing": policy.prevailing,
        "notice_days": policy.notice_days,
        "renew_after": policy.renew_after,
        "retain_days": policy.retain_days,
        "retired": policy.retired,
        "replaced_by": policy.replaced_by,
    }


def policy_from_record(record: Mapping[str, Any]) -> Policy:
    """The inverse of `policy_settings`."""
    audience = record["audience"]
    return Policy(
        slug=record["slug"],
        title=tuple((language, title) for language, title in record["titles"]),
        kind=Kind(record["kind"]),
        audience=Audience(
            frozenset(SubjectKind(kind) for kind in audience["kinds"]),
            frozenset(audience["tags"]),
            tuple(audience["paths"]),
        ),
        prevailing=record["prevailing"],
        notice_days=record["notice_days"],
        renew_after=record["renew_after"],
        retain_days=record["retain_days"],
        retired=record["retired"],
        replaced_by=record["replaced_by"],
    )


def _string(settings: Mapping[str, Any], key: str, file: str, default: str) -> str:
    value = settings.get(key, default)
    require(isinstance(value, str) and "\0" not in value, f"{key!r} must be a string", file)
    return str(value)


def _days(settings: Mapping[str, Any], key: str, file: str) -> int:
    value = settings.get(key) or 0
    require(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 36_500,
        f"{key!r} must be a number of days between 0 and 36500",
        file,
    )
    return int(value)


def _titles(value: object, prevailing: str, slug: str, file: str) -> tuple[tuple[str, str], ...]:
    if value is None:
        value = slug.replace("-", " ").capitalize()
    if isinstance(value, str):
        value = {prevailing: value}
    require(isinstance(value, dict) and value, "'title' must be a string or a table by language", file)
    titles: dict[str, str] = {}
    for tag, title in dict(value).items():  # type: ignore[call-overload]
        require(
            isinstance(title, str) and 0 < len(title.strip()) <= MAX_TITLE_LENGTH and title.isprintable(),
            f"the title for {tag!r} must be one printable line of at most {MAX_TITLE_LENGTH} characters",
            file,
        )
        titles[tag_of(str(tag), file)] = title.strip()
    require(prevailing in titles, f"there is no title in the prevailing language {prevailing!r}", file)
    return ((prevailing, titles.pop(prevailing)), *sorted(titles.items()))


def _audience(value: object, file: str) -> Audience:
    require(isinstance(value, dict), "'audience' must be a table", file)
    table: dict[str, Any] = dict(value)  # type: ignore[call-overload]
    unknown = set(table) - {"kinds", "tags", "paths"}
    require(
        not unknown,
        f"unknown key in audience: {', '.join(map(repr, sorted(unknown)))}",
        file,
        hint="known: kinds, tags, paths",
    )
    for key, items in table.items():
        require(
            isinstance(items, list) and len(items) <= 100 and all(isinstance(item, str) and item for item in items),
            f"audience.{key} must be a list of strings",
            file,
        )
    kinds = table.get("kinds", [])
    known = {kind.value for kind in SubjectKind}
    require(set(kinds) <= known, "audience.kinds has an unknown kind", file, hint=f"known: {', '.join(sorted(known))}")
    paths = tuple(table.get("paths", []))
    require(all(path.startswith("/") for path in paths), "audience.paths must begin with /", file)
    return Audience(frozenset(SubjectKind(kind) for kind in kinds), frozenset(table.get("tags", [])), paths)
