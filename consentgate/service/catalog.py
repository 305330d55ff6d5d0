"""Rows of the store become the calendar, and publications become rows.

Room: service. The only translation between published values and their rows, in both directions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection

from consentgate.store import meta
from consentgate.store import policies as shelf
from consentgate.store.policies import PolicyRow, TranslationRow, VersionRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import canonical_json
from consentgate.terms.policy import Impact, Policy, Translation, Version
from consentgate.terms.policy_file import policy_from_record, policy_settings


def load_calendar(connection: Connection) -> Calendar:
    """Read everything published: six statements, however much there is."""
    generation = meta.generation(connection)
    rows = shelf.load_calendar(connection)
    translations: dict[int, list[Translation]] = {}
    for row in rows.translations:
        translations.setdefault(row.serial, []).append(
            Translation(row.language, row.title, row.digest, row.raw_digest, row.size, row.summary)
        )
    versions = tuple(
        Version(
            row.policy, row.label, row.serial, Impact(row.impact), row.announced, row.effective, row.enforced,
            row.prevailing, _prevailing_first(translations.get(row.serial, []), row.prevailing), row.published,
        )
        for row in rows.versions
    )  # fmt: skip
    policies = sorted(rows.policies, key=lambda row: (row.position, row.slug))
    return Calendar(
        tuple(policy_from_record(json.loads(row.settings)) for row in policies), versions, generation, rows.cancelled
    )


def _prevailing_first(translations: Iterable[Translation], prevailing: str) -> tuple[Translation, ...]:
    return tuple(sorted(translations, key=lambda item: (item.language != prevailing, item.language)))


def policy_row(policy: Policy, position: int) -> PolicyRow:
    """The row of a policy's settings."""
    return PolicyRow(policy.slug, canonical_json(policy_settings(policy)).decode(), position)


def version_row(version: Version) -> VersionRow:
    """The row of a version."""
    return VersionRow(
        serial=version.serial,
        policy=version.policy,
        label=version.label,
        impact=version.impact.value,
        announced=version.announced,
        effective=version.effective,
        enforced=version.enforced,
        prevailing=version.prevailing,
        published=version.published,
    )


def translation_row(serial: int, translation: Translation) -> TranslationRow:
    """The row of a translation."""
    return TranslationRow(
        serial=serial,
        language=translation.language,
        title=translation.title,
        digest=translation.digest,
        raw_digest=translation.raw_digest,
        size=translation.size,
        summary=translation.summary,
    )
