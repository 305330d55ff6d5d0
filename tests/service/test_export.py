"""Laws of the export: everything is in it, it verifies itself, and a spreadsheet runs nothing of it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import (
    InputError,
    NotFoundError,
    RewindError,
    StoreUnavailableError,
    TermsChangedError,
    VerificationError,
)
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.service.export import COLUMNS, Cursor, Selection, harmless, pages
from consentgate.service.export_source import OfDriver, OfEngine
from consentgate.service.resume import whole_part
from consentgate.store.lines import SCHEMA
from consentgate.store.tables import SCHEMA_VERSION
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import START, run
from tests.service.conftest import ALICE, BOB, NOTICE, TERMS, Desk, draft, settings_for


def furnish(desk: Desk) -> None:
    """Two policies, three decisions."""
    desk.publish(draft("1"), draft("1", "Privacy.\n", policy="privacy"), policies=(TERMS, NOTICE))
    desk.accept(ALICE)
    desk.clock.advance(days=1)
    desk.decide(desk.seal(BOB), BOB, Act.DECLINE)
    run(desk.terms.record(ALICE, "privacy", act=Act.ACKNOWLEDGE))
    assert run(desk.terms.settled())  # on PostgreSQL places are given a moment after the acknowledgement


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


@pytest.mark.sqlite
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


NAMES = [
    "alice", "=1+1", "＝1+1", 'a "quoted", name', "back\\slash", "zeilen\numbruch", "wagen\rlauf", "名前", "x" * 200,
    "-", " lead", "a,b", "\t", "\u2028", "\x7f", "\U0001f600",
]  # fmt: skip


def many(desk: Desk) -> None:
    """Renewals, offers and none, pages and none, odd names, erased and pseudonymised subjects."""
    desk.publish(draft("1"), draft("1", "Privacy.\n", policy="privacy"), policies=(TERMS, NOTICE))
    desk.publish(draft("1", "# Conditions\n", language="fr", policy="privacy"), policies=(TERMS, NOTICE))
    for name in NAMES:
        run(desk.terms.record(Subject(name), "terms"))
        run(desk.terms.record(Subject(name, SubjectKind.SERVICE), "privacy", act=Act.ACKNOWLEDGE))
        desk.clock.advance(hours=9)
    zoe = Subject("zoe")
    desk.accept(zoe)
    desk.publish(draft("2", "# Terms\n\nBe kinder.\n"))
    desk.accept(zoe)
    desk.decide(desk.seal(BOB), BOB, Act.DECLINE)
    run(desk.terms.erase(Subject("a,b"), basis="asked"))
    run(desk.terms.erase(Subject("-"), mode="pseudonymise", basis="asked"))


def plain_rows(desk: Desk, where: Selection) -> list[dict[str, Any]]:
    """The rows of the tables, made the plain way from the evidence."""
    rows = []
    for line in desk.export().decode().split("\n")[1:-2]:
        item = json.loads(line)
        record = json.loads(item["leaf"])
        if record["type"] not in ("decision", "publish") or not where.matches(record):
            continue
        opened = item["open"] if item["open"] and where.openings else {}
        record |= {"index": item["i"]} | {name: opened[name][1] for name in COLUMNS[-2:] if name in opened}
        rows.append({name: record.get(name) for name in COLUMNS})
    return rows


WHERE = [
    Selection(),
    Selection(openings=False),
    Selection(policies=("privacy",)),
    Selection(acts=("decline", "withdraw")),
    Selection(since=START + DAY, until=START + 3 * DAY),
    Selection(policies=("terms",), versions=("2",)),
    Selection(languages=("fr",)),
]


@pytest.mark.parametrize("where", WHERE, ids=lambda where: str(where.record()))
def test_the_csv_has_what_the_evidence_has(desk: Desk, where: Selection) -> None:
    """Cell by cell, however odd the names are; nothing begins a formula."""
    many(desk)
    data = desk.export("csv", where=where).decode()
    head, *rows = [row for row in csv.reader(io.StringIO(data, newline="")) if not row[0].startswith("#")]

    def cell(value: Any) -> str:
        return "" if value is None else harmless(str(value).lower() if isinstance(value, bool) else str(value))

    assert head == list(COLUMNS)
    assert rows == [[cell(value) for value in row.values()] for row in plain_rows(desk, where)]
    assert not any(cell[:1] in set("=+-@\t\r\n＝＋－＠") for row in rows for cell in row if cell)


@pytest.mark.parametrize("where", WHERE, ids=lambda where: str(where.record()))
def test_the_parquet_has_what_the_evidence_has(desk: Desk, where: Selection, monkeypatch: Any) -> None:
    """In more than one row group, with dates as dates; selection and checkpoint are in the metadata."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("consentgate.service.parquet_form.ROWS", 8)
    many(desk)
    file = parquet.ParquetFile(io.BytesIO(desk.export("parquet", where=where)))
    expected = plain_rows(desk, where)
    for row in expected:
        for name in ("at", "expires", "announced", "effective", "enforced"):
            row[name] = row[name] and datetime.fromisoformat(row[name]).astimezone(UTC)

    assert file.read().to_pylist() == expected
    assert file.num_row_groups == -(-len(expected) // 8)
    assert file.metadata.metadata[b"consentgate.checkpoint"].decode() == run(desk.terms.checkpoint())
    assert json.loads(file.metadata.metadata[b"consentgate.filter"]) == where.record()


def test_without_pyarrow_it_says_what_to_install(desk: Desk, monkeypatch: Any) -> None:
    """And nothing is written."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InputError) as caught:
        desk.export("parquet")
    assert "consentgate[parquet]" in caught.value.hint


@pytest.mark.parametrize(
    "where",
    [Selection(), Selection(policies=("terms",)), Selection(subject=ALICE)],
    ids=["all", "terms", "alice"],
)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_the_parts_of_an_export_have_the_bytes_of_the_whole(desk: Desk, form: Any, where: Selection) -> None:
    """Interrupted at every line, and although the ledger has grown since."""
    many(desk)
    whole = desk.export(form, where=where)
    run(desk.terms.record(Subject("late"), "terms"))
    for place in {whole.find(b"\n", at) + 1 for at in range(0, len(whole), 701)}:
        part = whole_part(io.BytesIO(whole[:place]), form)
        if part is None:
            continue
        rest = desk.export(form, where=where, cursor=Cursor.parse(str(part.cursor)))
        if form == "ndjson":
            assert whole[: part.size] + rest == whole
        else:
            assert (whole[: part.size] + rest).startswith(whole[: whole.index(b"# sha256")])


def test_what_was_erased_meanwhile_is_not_completed(desk: Desk) -> None:
    """The first part names somebody who is forgotten: the export has to begin anew. Nor is anything else continued."""
    furnish(desk)
    part = whole_part(io.BytesIO(desk.export()), "ndjson")
    assert part is not None
    run(desk.terms.erase(ALICE, basis="asked"))

    with pytest.raises(TermsChangedError):
        desk.export(cursor=part.cursor)
    with pytest.raises(NotFoundError):
        desk.export(cursor=Cursor(99, 3, "0" * 64))
    with pytest.raises(InputError):
        desk.export("parquet", cursor=part.cursor)


@pytest.mark.parametrize(
    "text", ["", "1.2", "1.2." + "0" * 63, "01.2." + "0" * 64, "1.-2." + "0" * 64, "x.2." + "0" * 64]
)
def test_a_cursor_has_one_spelling(text: str) -> None:
    """Whatever else is refused."""
    with pytest.raises(InputError):
        Cursor.parse(text)
    assert str(Cursor.parse("12.-1." + "a" * 64)) == "12.-1." + "a" * 64


def test_an_erasure_during_an_export_is_no_gap(desk: Desk, monkeypatch: Any) -> None:
    """Who is erased while it runs is shown as erased, and the entry that says so is in the file."""
    monkeypatch.setattr("consentgate.service.export.PAGE", 2)
    furnish(desk)
    chunks = pages(OfEngine(desk.terms.engine), "ndjson", Selection())
    data = next(chunks) + next(chunks)
    run(desk.terms.record(BOB, "terms"))
    run(desk.terms.erase(ALICE, basis="asked"))
    assert run(desk.terms.settled())
    data += b"".join(chunks)
    proven = verify_ledger(io.BytesIO(data), desk.terms.engine.ledger.verifiers)

    assert proven.header.size == 5
    assert proven.entries == proven.checkpoint.checkpoint.size == 7
    assert proven.summary is not None
    assert (proven.summary.missing, proven.summary.erased > 0) == (0, True)


@pytest.mark.sqlite
def test_what_only_grew_during_an_export_does_not_prolong_it(desk: Desk, monkeypatch: Any) -> None:
    """A busy site's export ends."""
    monkeypatch.setattr("consentgate.service.export.PAGE", 2)
    furnish(desk)
    chunks = pages(OfEngine(desk.terms.engine), "ndjson", Selection())
    data = next(chunks)
    run(desk.terms.record(BOB, "terms"))

    assert verify_ledger(io.BytesIO(data + b"".join(chunks))).entries == 5


def test_a_subject_is_found_with_their_devices(desk: Desk) -> None:
    """What the visitor decided before signing in, and the link; of others nothing, and of nobody nothing."""
    desk.publish(draft("1"))
    visitor = Subject("0123456789abcdef" * 2, SubjectKind.VISITOR)
    desk.accept(visitor)
    desk.accept(BOB)
    run(desk.terms.link(visitor.id, ALICE))

    def types(subject: Subject) -> list[str]:
        data = desk.export(where=Selection(subject=subject))
        assert verify_ledger(io.BytesIO(data), desk.terms.engine.ledger.verifiers).header.mode == "selection"
        return [json.loads(json.loads(line)["leaf"])["type"] for line in data.decode().splitlines()[1:-1]]

    assert types(ALICE) == ["decision", "link"]
    assert types(Subject("nobody")) == []
    assert b"user:" not in desk.export(where=Selection(subject=ALICE, openings=False))


def test_a_file_is_read_as_the_engine_reads_it(open_desk: Callable[..., Desk]) -> None:
    """Without SQLAlchemy and without the key: the same bytes."""
    desk = open_desk()
    many(desk)
    path = desk.terms.engine.database._backend.path  # type: ignore[attr-defined]
    source = OfDriver.open(settings_for(f"sqlite:///{path}"))
    assert source is not None
    for form in ("ndjson", "csv"):
        for where in (Selection(), Selection(policies=("terms",)), Selection(subject=ALICE)):
            assert b"".join(pages(source, form, where)) == desk.export(form, where=where)  # type: ignore[arg-type]
    source.close()


def test_a_file_of_another_schema_is_opened_in_full(open_desk: Callable[..., Desk]) -> None:
    """Which says how to upgrade it, or which version of ours knows it."""
    desk = open_desk()
    furnish(desk)
    path = desk.terms.engine.database._backend.path  # type: ignore[attr-defined]
    run(desk.terms.stop())
    assert str(SCHEMA_VERSION) == SCHEMA
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE consentgate_meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()

    assert OfDriver.open(settings_for(f"sqlite:///{path}")) is None


def test_a_file_that_was_rewound_or_changed_is_not_exported(open_desk: Callable[..., Desk]) -> None:
    """As the engine refuses to start on it."""
    desk = open_desk()
    furnish(desk)
    path = desk.terms.engine.database._backend.path  # type: ignore[attr-defined]
    anchor = path.with_name(path.name + ".anchor")
    old = anchor.read_bytes()
    run(desk.terms.record(BOB, "terms"))
    new = anchor.read_bytes()
    run(desk.terms.stop())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE consentgate_entry SET leaf_hash = zeroblob(32) WHERE idx = 2")
    connection.close()
    with pytest.raises(RewindError, match="root that was signed"):
        OfDriver.open(settings_for(f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM consentgate_entry WHERE idx = 5")
    connection.close()
    with pytest.raises(RewindError):
        OfDriver.open(settings_for(f"sqlite:///{path}"))
    assert old != new
    path.write_bytes(b"not a database")
    with pytest.raises(StoreUnavailableError):
        OfDriver.open(settings_for(f"sqlite:///{path}"))


def test_the_verifier_tells_a_csv_from_the_evidence(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever brings the spreadsheet is told which form to ask for."""
    from consentgate.evidence.__main__ import main

    desk.publish(draft("1"))
    (tmp_path / "ledger.csv").write_bytes(desk.export("csv"))

    assert main([str(tmp_path / "ledger.csv")]) == 1
    assert "proves nothing" in capsys.readouterr().out
