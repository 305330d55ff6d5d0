"""The quick way to a line of CSV leads where the long way leads."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.service.csv_lines import DecisionLines
from consentgate.service.export_forms import COLUMNS, Csv, harmless
from consentgate.service.selection import Selection
from consentgate.terms.canonical import canonical_json
from tests.service.conftest import ALICE, BOB, Desk, draft

DECISION: dict[str, Any] = {
    "at": "2026-11-24T02:36:36.522231Z", "commitments": {"subject": "H" * 43, "subject_kind": "_" * 43},
    "compared": None, "control": "4" * 64, "decision": "accept", "expires": None, "gate": "2" * 64,
    "id": "01a20b69-8d2a-75de-9646-ec72437295d3", "kind": "contract", "language": "en", "method": "checkbox-button",
    "offer": "01a20b69-8d2a-7121-b898-175c8ab3d8c4", "page": "a" * 64, "policy": "terms", "redline": None, "serial": 1,
    "source": "server", "supersedes": None, "test": False, "text": "f" * 64, "type": "decision", "v": 1, "version": "1",
}  # fmt: skip
OPENINGS = {"subject": ["B" * 43, "user-1"], "subject_kind": ["J" * 43, "user"]}

CELLS = st.one_of(
    st.text(max_size=6),
    st.text(alphabet='=+-@,"\\\t\r\n\0＝＠ü1a', max_size=6),
    st.integers(-2, 2**53 - 1),
    st.sampled_from(
        [None, True, [], {}, "a,b", 'a"b', "a\nb", "\u2028", "x" * 27, "x" * 36, "x" * 64, "=" + "x" * 63, "x," * 32]
    ),
)


class Paper:
    """What `csv_rows` makes of rows, and how many went the long way."""

    def __init__(self, **options: Any) -> None:
        self.csv = Csv(Selection(**options))
        self.long = 0
        row = self.csv._row

        def counted(*words: Any) -> bytes:
            self.long += 1
            return row(*words)

        self.csv._row = counted  # type: ignore[method-assign]

    def write(self, rows: list[tuple[int, bytes, str | None]]) -> bytes:
        """The lines of rows."""
        return self.csv.rows(rows, None)  # type: ignore[arg-type]


def plain(rows: list[tuple[int, bytes, str | None]]) -> bytes:
    """The same, by the csv module and nothing quick."""
    import csv

    file = io.StringIO(newline="")
    writer = csv.writer(file)
    for index, leaf, openings in rows:
        record, opened = json.loads(leaf), json.loads(openings or "{}")
        if record.get("type") not in ("decision", "publish"):
            continue
        found = [record.get(name) for name in COLUMNS[1:-2]]
        cells = ["" if one is None else str(one).lower() if isinstance(one, bool) else str(one) for one in found]
        named = [opened[name][1] if name in opened else "" for name in COLUMNS[-2:]]
        writer.writerow([harmless(cell) for cell in (str(index), *cells, *named)])
    return file.getvalue().encode()


def test_a_decision_is_written_the_quick_way(desk: Desk) -> None:
    """Real decisions are simple, of known and of nameless subjects; if the entry changes its form, this fails."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.decide(desk.seal(BOB), BOB)
    desk.publish(draft("2", "Other terms.\n"))
    desk.accept(ALICE)
    rows: Any = desk.terms.engine.database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT e.idx, e.leaf, o.openings FROM consentgate_entry e JOIN consentgate_opening o ON o.ref = e.ref"
            " WHERE o.act = 'accept' ORDER BY e.idx"
        ).fetchall()
    )
    paper = Paper()

    assert paper.write(rows) == plain(rows)
    assert (len(rows), paper.long) == (3, 0)
    assert Paper(openings=False).write(rows) == plain([(index, leaf, None) for index, leaf, _ in rows])


@given(st.lists(st.tuples(st.sampled_from(sorted(DECISION)), CELLS), max_size=3), CELLS, st.booleans())
def test_both_ways_lead_to_the_same_bytes(changes: list[tuple[str, Any]], subject: Any, more: bool) -> None:
    """Whatever stands in a cell of a decision or in the name of its subject."""
    record = {**DECISION, **dict(changes)}
    opened: dict[str, Any] = {**OPENINGS, "subject": ["B" * 43, str(subject)]}
    if more:
        opened |= {"ip": ["C" * 43, "192.0.2.0"], "user_agent": ["D" * 43, "Mozilla/5.0 (=1,2)"]}
    other = canonical_json({**DECISION, "serial": 7}), canonical_json(OPENINGS).decode()
    rows: list[tuple[int, bytes, str | None]] = [
        (0, *other), (1, canonical_json(record), canonical_json(opened).decode()), (2, *other), (3, other[0], "{}"),
    ]  # fmt: skip

    assert Paper().write(rows) == plain(rows)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda leaf: leaf.replace(b'"page":"aaaa', b'"page":"aa,a'),
        lambda leaf: leaf.replace(b'"page":"aaaaaa', b'"page":"a\\u00e4'),
        lambda leaf: leaf.replace(b'"page":"aaaa', b'"page":"aa\\n'),
        lambda leaf: leaf.replace(b'"text":"ffff', '"text":"fü1'.encode()),
    ],
)
def test_what_a_fixed_length_hides_is_found(spoil: Callable[[bytes], bytes]) -> None:
    """Fields of a fixed length are not looked into one by one, but a comma, an escape in them is noticed."""
    rows: list[tuple[int, bytes, str | None]] = [(0, spoil(canonical_json(DECISION)), None)]
    assert rows[0][1] != canonical_json(DECISION)

    assert Paper().write(rows) == plain(rows)


def test_only_a_decision_is_simple() -> None:
    """A publication, or anything that is called otherwise, goes the long way."""
    lines = DecisionLines(COLUMNS[1:-2])
    assert lines.line(0, canonical_json(DECISION), None) is not None
    assert lines.line(0, canonical_json({**DECISION, "type": "publish"}), None) is None
    assert lines.line(0, canonical_json({**DECISION, "serial": "1"}), None) is None
    assert lines.line(0, canonical_json(DECISION), '{"subject":["x","y"]}') is None
    assert lines.join([]) == b""
