"""Policies, versions and translations as rows, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from consentgate.errors import StoreError
from consentgate.store import blobs, meta, policies
from consentgate.store.database import Database
from consentgate.store.policies import PolicyRow, TranslationRow, VersionRow
from consentgate.store.sqlite import driver

TEXT = "a" * 64


def _version(serial: int, **changes: Any) -> VersionRow:
    return VersionRow(serial, "terms", f"v{serial}", "material", 1, 2, 3, "en", 1)._replace(**changes)


def _translation(serial: int, language: str = "en") -> TranslationRow:
    return TranslationRow(serial, language, "Terms", TEXT, TEXT, 12, "")


def _publish(connection: Any, *versions: VersionRow, languages: tuple[str, ...] = ("en",)) -> None:
    blobs.put_blob(connection, TEXT, "text/markdown", b"text")
    policies.put_policies(connection, [PolicyRow("terms", "{}", 0)])
    for version in versions:
        policies.insert_versions(connection, [version])
        policies.insert_translations(connection, [_translation(version.serial, language) for language in languages])


def test_everything_published_is_loaded_in_order(database: Database) -> None:
    """The calendar's rows come by position, serial and language, with the generation of the same picture."""

    def publish(connection: Any) -> None:
        policies.put_policies(connection, [PolicyRow("privacy", '{"kind":"notice"}', 1)])
        _publish(connection, _version(2), _version(1), languages=("fr", "en"))
        meta.bump_generation(connection)

    database.write(publish)
    rows = database.read(policies.load_calendar)

    assert rows.generation == 1
    assert (PolicyRow("terms", "{}", 0), PolicyRow("privacy", '{"kind":"notice"}', 1)) == rows.policies
    assert (_version(1), _version(2)) == rows.versions
    assert [(row.serial, row.language) for row in rows.translations] == [(1, "en"), (1, "fr"), (2, "en"), (2, "fr")]


def test_an_empty_calendar_is_empty(database: Database) -> None:
    """A fresh database has nothing published, and says generation 0."""
    assert policies.CalendarRows(0, (), (), ()) == database.read(policies.load_calendar)


def test_loading_takes_as_many_statements_for_many_versions_as_for_none(file: Database) -> None:
    """The number of statements does not grow with what was published."""

    def count(connection: Any) -> int:
        seen: list[str] = []
        driver(connection).set_trace_callback(seen.append)
        policies.load_calendar(connection)
        driver(connection).set_trace_callback(None)
        return len(seen)

    before = file.read(count)
    file.write(lambda connection: _publish(connection, *[_version(serial) for serial in range(1, 41)]))

    assert 5 == before == file.read(count)


def test_a_policy_is_written_again_and_a_version_never(database: Database) -> None:
    """Settings and position may change; a serial, and a label within its policy, are given once."""
    database.write(lambda connection: _publish(connection, _version(1)))
    database.write(lambda connection: policies.put_policies(connection, [PolicyRow("terms", '{"retired":5}', 3)]))

    assert (PolicyRow("terms", '{"retired":5}', 3),) == database.read(policies.load_calendar).policies
    for clash in (_version(1, label="other"), _version(2, label="v1")):
        with pytest.raises(StoreError, match=r"(?i)unique"):
            database.write(lambda connection, row=clash: policies.insert_versions(connection, [row]))
    assert (_version(1),) == database.read(policies.load_calendar).versions


def test_two_policies_may_have_the_same_label(database: Database) -> None:
    """A label is unique within its policy only."""

    def publish(connection: Any) -> None:
        _publish(connection, _version(1))
        policies.put_policies(connection, [PolicyRow("privacy", "{}", 1)])
        policies.insert_versions(connection, [_version(2, policy="privacy", label="v1")])

    database.write(publish)
    assert len(database.read(policies.load_calendar).versions) == 2


@pytest.mark.parametrize(
    "orphan",
    [
        lambda connection: policies.insert_versions(connection, [_version(5, policy="nowhere")]),
        lambda connection: policies.insert_translations(connection, [_translation(99)]),
        lambda connection: policies.insert_translations(connection, [_translation(1, "de")._replace(digest="b" * 64)]),
        lambda connection: blobs.put_redline(connection, TEXT, TEXT, "1", "b" * 64),
    ],
    ids=["version without policy", "translation without version", "translation without text", "redline without blob"],
)
def test_nothing_refers_to_what_is_not_there(database: Database, orphan: Any) -> None:
    """A row that names a policy, version or text we do not have is refused."""
    database.write(lambda connection: _publish(connection, _version(1)))
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        database.write(orphan)


def test_a_version_is_cancelled_once(database: Database) -> None:
    """Its row stays; a second note, or one about a version that is not there, is refused."""
    database.write(lambda connection: _publish(connection, _version(1), _version(2)))
    database.write(lambda connection: policies.insert_cancellation(connection, 2, 5))

    rows = database.read(policies.load_calendar)
    assert ([row.serial for row in rows.versions], rows.cancelled) == ([1, 2], frozenset({2}))
    for serial in (2, 99):
        with pytest.raises(StoreError):
            database.write(lambda connection, serial=serial: policies.insert_cancellation(connection, serial, 6))
