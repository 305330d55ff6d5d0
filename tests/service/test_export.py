"""Laws of the export: everything is in it, it verifies itself, and a spreadsheet runs nothing of it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.service.export import Selection, harmless
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, NOTICE, TERMS, Desk, draft


def furnish(desk: Desk) -> None:
    """Two policies, three decisions."""
    desk.publish(draft("1"), draft("1", "Privacy.\n", policy="privacy"), policies=(TERMS, NOTICE))
    desk.accept(ALICE)
    desk.clock.advance(days=1)
    desk.decide(desk.seal(BOB), BOB, Act.DECLINE)
    run(desk.terms.record(ALICE, "privacy", act=Act.ACKNOWLEDGE))


def test_the_export_verifies_with_the_public_key_alone(desk: Desk) -> None:
    """Complete: whoever reads it computes the root."""
    furnish(desk)
    proven = verify_ledger(io.BytesIO(desk.export()), desk.terms.engine.ledger.verifiers)

    assert (proven.entries, proven.trusted, proven.header.mode) == (5, True, "complete")


def test_every_decision_and_publication_is_in_it(desk: Desk) -> None:
    """And nothing twice."""
    furnish(desk)

    assert [(row["policy"], row["decision"], row["subject"]) for row in desk.decided()] == [
        ("terms", "accept", "alice"), ("terms", "decline", "bob"), ("privacy", "acknowledge", "alice"),
    ]  # fmt: skip


@pytest.mark.parametrize("place", [0.1, 0.4, 0.7, 0.95])
def test_a_changed_byte_is_found(desk: Desk, place: float) -> None:
    """Wherever it is."""
    furnish(desk)
    data = bytearray(desk.export())
    data[int(len(data) * place)] ^= 1

    with pytest.raises(VerificationError):
        verify_ledger(io.BytesIO(bytes(data)))


@pytest.mark.parametrize(
    ("where", "count"),
    [
        (Selection(policies=("privacy",)), 2),
        (Selection(acts=("decline",)), 1),
        (Selection(until=1_767_225_600_001_000), 3),
        (Selection(since=1_767_225_600_001_000), 2),
        (Selection(policies=("nothing",)), 0),
    ],
)
def test_a_selection_proves_each_of_its_entries(desk: Desk, where: Selection, count: int) -> None:
    """Inclusion proofs; and the header says how it was selected."""
    furnish(desk)
    proven = verify_ledger(io.BytesIO(desk.export(where=where)), desk.terms.engine.ledger.verifiers)

    assert (proven.entries, proven.header.mode) == (count, "selection")


def test_openings_can_be_left_out(desk: Desk) -> None:
    """For who needs the record but not the names."""
    furnish(desk)
    data = desk.export(where=Selection(openings=False))

    assert b"alice" not in data
    assert verify_ledger(io.BytesIO(data)).entries == 5


def test_an_empty_ledger_exports_and_verifies(desk: Desk) -> None:
    """Nothing is a proven state too."""
    assert verify_ledger(io.BytesIO(desk.export())).entries == 0


def test_many_pages_are_one_file(desk: Desk) -> None:
    """More than a page of rows, and more than a tile."""
    desk.publish(draft("1"))
    for number in range(1_100):
        desk.terms.engine  # noqa: B018 - the handle is open
        run(desk.terms.record(Subject(f"user{number}"), "terms"))

    assert verify_ledger(io.BytesIO(desk.export())).entries == 1_101
    assert len(desk.decided()) == 1_100


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(desk: Desk) -> None:
    """OWASP, CSV injection: in the file itself."""
    desk.publish(draft("1"))
    run(desk.terms.record(Subject("=cmd|' /C calc'!A0"), "terms"))

    assert desk.decided()[0]["subject"] == "'=cmd|' /C calc'!A0"


@given(st.text(max_size=20))
def test_no_cell_begins_a_formula_and_ordinary_ones_stay(cell: str) -> None:
    """Whatever it is."""
    made = harmless(cell)

    assert not made or made[0] not in "=+-@\t\r\n\0"
    assert made in (cell, "'" + cell)
    assert next(csv.reader(io.StringIO('"' + made.replace('"', '""') + '"', newline=""))) == [made]
