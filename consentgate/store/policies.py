"""Policies, their versions and translations, as rows.

Room: store; called by the service, which turns rows into the values of `consentgate.terms`. Versions and
translations are insert-only; only a policy's settings and place in the order may be written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from consentgate.store.meta import generation
from consentgate.store.statements import PreparedInsert, upsert
from consentgate.store.tables import CANCELLATION, POLICY, TRANSLATION, VERSION


class PolicyRow(NamedTuple):
    """A policy: identity, settings as the service wrote them (JSON), place in the order shown."""

    slug: str
    settings: str
    position: int


class VersionRow(NamedTuple):
    """A published version; instants in microseconds."""

    serial: int
    policy: str
    label: str
    impact: str
    announced: int
    effective: int
    enforced: int
    prevailing: str
    published: int


class TranslationRow(NamedTuple):
    """A version's text in one language; digests in hex, size in bytes."""

    serial: int
    language: str
    title: str
    digest: str
    raw_digest: str
    size: int
    summary: str


class CalendarRows(NamedTuple):
    """Everything the calendar is made of, read in one picture."""

    generation: int
    policies: tuple[PolicyRow, ...]
    versions: tuple[VersionRow, ...]
    translations: tuple[TranslationRow, ...]
    cancelled: frozenset[int] = frozenset()


_INSERT_CANCELLATION = PreparedInsert(CANCELLATION)
_INSERT_VERSION = PreparedInsert(VERSION)
_INSERT_TRANSLATION = PreparedInsert(TRANSLATION)


def load_calendar(connection: Connection) -> CalendarRows:
    """Everything the calendar is made of, in five statements however much was published.

    Policies come by position, versions by serial, translations by serial and language.
    """
    policies = connection.execute(select(POLICY).order_by(POLICY.c.position, POLICY.c.slug))
    versions = connection.execute(select(VERSION).order_by(VERSION.c.serial))
    translations = connection.execute(select(TRANSLATION).order_by(TRANSLATION.c.serial, TRANSLATION.c.language))
    return CalendarRows(
        generation=generation(connection),
        policies=tuple(map(PolicyRow._make, policies)),
        versions=tuple(map(VersionRow._make, versions)),
        translations=tuple(map(TranslationRow._make, translations)),
        cancelled=frozenset(connection.scalars(select(CANCELLATION.c.serial))),
    )


def insert_cancellation(connection: Connection, serial: int, at: int) -> None:
    """Note that a version will never take effect. One that is noted already raises `StoreError`."""
    _INSERT_CANCELLATION.one(connection, serial, at)


def put_policies(connection: Connection, rows: Sequence[PolicyRow]) -> None:
    """Write policies' settings and positions, whether or not they are new: one statement."""
    if rows:
        statement = upsert(POLICY, connection.dialect.name)
        changed = {"settings": statement.excluded.settings, "position": statement.excluded.position}
        statement = statement.on_conflict_do_update(index_elements=["slug"], set_=changed)
        connection.execute(statement, [row._asdict() for row in rows])


def insert_versions(connection: Connection, rows: Sequence[VersionRow]) -> None:
    """Keep versions. Their policies must be here; a serial or label that is taken raises `StoreError`."""
    _INSERT_VERSION.many(connection, rows)


def insert_translations(connection: Connection, rows: Sequence[TranslationRow]) -> None:
    """Keep translations. Their version and both their blobs must be here."""
    _INSERT_TRANSLATION.many(connection, rows)
