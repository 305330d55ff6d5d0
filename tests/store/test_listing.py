"""Lists and counts, on every database: pages of one cost, and exactly the subjects there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from consentgate.store import answers, blobs, counting, drafts, listing, subjects
from consentgate.store.answers import AnswerRow
from consentgate.store.counting import Change
from consentgate.store.database import Database
from consentgate.store.drafts import DraftRow, ProposalRow
from consentgate.store.listing import Wanted
from consentgate.store.subjects import OpeningRow

ANNA, BERT, CARL, VISITOR = (bytes([number]) * 16 for number in (1, 2, 3, 9))


def decided(at: int, tag: bytes, serial: int = 1, act: str = "accept", **more: Any) -> OpeningRow:
    """A decision."""
    given = {"kind": "visitor" if tag == VISITOR else "user", "policy": "terms", "expires": None, **more}
    return OpeningRow(
        at.to_bytes(16, "big"), tag, given["kind"], None, given["policy"], serial, act, at, given["expires"],
        '{"subject":["s","anna"]}',
    )  # fmt: skip


def linked(at: int, tag: bytes, visitor: bytes = VISITOR) -> OpeningRow:
    """A link."""
    return OpeningRow(at.to_bytes(16, "big"), tag, "user", visitor, None, None, "link", at, None, "{}")


def keep(database: Database, *rows: OpeningRow) -> None:
    """Keep rows."""
    database.write(lambda connection: subjects.insert_openings(connection, rows))


def pages(database: Database, wanted: Wanted, limit: int = 2) -> Iterator[int]:
    """The instants of all that is wanted, page by page."""
    before: Any = None
    while rows := database.read(lambda connection, before=before: listing.decisions(connection, wanted, before, limit)):
        yield from (row.at for row in rows)
        before = rows[-1].at, rows[-1].ref


def test_pages_are_merged_from_every_act_and_version_in_order(database: Database) -> None:
    """The newest first, none twice, none left out; links are no decisions, and what was erased is gone."""
    rows = [
        decided(at, ANNA, 1 + at % 3, ("accept", "decline")[at % 2], policy=("terms", "privacy")[at % 5 == 0])
        for at in range(1, 15)
    ]
    keep(database, *rows, linked(20, ANNA))
    assert list(pages(database, Wanted())) == list(range(14, 0, -1))
    assert list(pages(database, Wanted(policies=("privacy",)))) == [10, 5]
    assert list(pages(database, Wanted(serials=(1, 2), acts=("accept",)))) == [12, 10, 6, 4]
    assert list(pages(database, Wanted(acts=("decline",), since=3, until=11))) == [9, 7, 5, 3]
    database.write(lambda connection: subjects.delete_openings(connection, [rows[13].ref, rows[11].ref]))

    assert list(pages(database, Wanted(), 5)) == [13, 11, *range(10, 0, -1)]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(), Wanted(policies=("terms",)), Wanted(serials=(1,)), Wanted(acts=("accept",)),
        Wanted(policies=("terms",), acts=("decline",)), Wanted(serials=(1,), acts=("accept",), since=3, until=9),
    ],
    ids=str,
)  # fmt: skip
def test_a_page_is_read_from_an_index_and_sorted_nowhere_but_at_its_seams(file: Database, wanted: Wanted) -> None:
    """Whatever is wanted, SQLite enters an index where the last page ended, and never reads the whole table."""

    def look(connection: Connection) -> list[str]:
        own = connection.connection.driver_connection
        assert own is not None
        seen: list[str] = []
        own.set_trace_callback(seen.append)
        listing.decisions(connection, wanted, (7, b"x"), 3)
        own.set_trace_callback(None)
        return [str(row[3]) for row in own.execute(f"EXPLAIN QUERY PLAN {seen[0]}")]

    plan = file.read(look)
    assert not [line for line in plan if line.startswith("SCAN consentgate_opening")]
    entered = [line for line in plan if line.startswith("SEARCH consentgate_opening")]
    assert entered
    assert all("INDEX consentgate_opening_" in line and "at<" in line for line in entered), plan


def test_subjects_are_listed_once_without_devices_that_were_linked(database: Database) -> None:
    """In the order of their tags, from where the last page ended; with what counts for each."""
    keep(database, decided(1, BERT), decided(2, VISITOR), decided(3, ANNA), decided(4, ANNA), linked(5, CARL))
    keep(database, decided(6, VISITOR))

    def look(connection: Connection) -> tuple[list[bytes], list[bytes], dict[bytes, list[int]]]:
        tags = listing.subject_tags(connection, b"", 10)
        rows = listing.decisions_of_all(connection, tags)
        return tags, listing.subject_tags(connection, tags[0], 1), {
            tag: sorted(row.at for row in found) for tag, found in rows.items()
        }  # fmt: skip

    assert database.read(look) == ([ANNA, BERT, CARL], [BERT], {ANNA: [3, 4], BERT: [1], CARL: [2]})
    assert database.read(lambda connection: listing.kinds_of(connection, [ANNA, VISITOR])) == {
        ANNA: "user", VISITOR: "visitor",
    }  # fmt: skip
    newest = database.read(lambda connection: listing.newest_openings(connection, [ANNA, CARL]))
    assert {tag: row.at for tag, row in newest.items()} == {ANNA: 4}


def count(database: Database, **more: Any) -> int:
    """How many are stopped by version 2 after version 1."""
    change = Change(**{"serials": frozenset({1}), "before": frozenset({1}), "after": frozenset({2}), "at": 100} | more)
    return database.read(lambda connection: counting.stopped(connection, [change]))


def test_who_is_stopped_is_who_holds_the_old_and_not_the_new(database: Database) -> None:
    """Once each; not who withdrew, not whose acceptance will have expired, not another kind."""
    keep(database, decided(1, ANNA), decided(2, ANNA), decided(3, BERT), decided(4, CARL, expires=90))
    assert count(database) == 2
    assert count(database, at=80) == 3
    assert count(database, kinds=frozenset({"visitor"})) == 0
    assert count(database, after=frozenset({1})) == 0
    keep(database, decided(5, BERT, act="withdraw"))
    assert count(database) == 1
    keep(database, decided(6, BERT))
    assert count(database) == 2


def test_a_device_counts_as_its_user_for_what_it_did_before_the_link(database: Database) -> None:
    """And as nobody besides."""
    keep(database, decided(1, VISITOR))
    assert count(database) == 1
    keep(database, linked(2, ANNA), decided(3, VISITOR, act="withdraw"))
    assert count(database) == 1
    keep(database, decided(4, ANNA))
    assert count(database) == 1


def test_several_changes_count_each_subject_once(database: Database) -> None:
    """And none is nobody."""
    keep(database, decided(1, ANNA), decided(2, ANNA, 5, policy="privacy"), decided(3, BERT, 5, policy="privacy"))
    changes = [Change(frozenset({serial}), frozenset({serial}), frozenset({serial + 1}), 100) for serial in (1, 5)]
    assert database.read(lambda connection: counting.stopped(connection, changes)) == 2
    assert database.read(lambda connection: counting.stopped(connection, [])) == 0


def test_everybody_accepted_refused_or_did_neither(database: Database) -> None:
    """The last word counts as a refusal only where no acceptance stands."""
    keep(
        database, decided(1, ANNA), decided(2, BERT), decided(3, BERT, 2, "decline"), decided(4, CARL, act="decline"),
        decided(5, VISITOR, 7, policy="privacy"),
    )  # fmt: skip
    look = lambda connection: (
        counting.standing(connection, [1, 2], [1], 100), counting.standing(connection, [1, 2], [2], 100),
        counting.known(connection), counting.known(connection, ["user"]), counting.standing(connection, [], [], 100),
    )  # fmt: skip

    assert database.read(look) == ((2, 1), (0, 2), 4, 3, (0, 0))


# --- drafts, proposals, answers ----------------------------------------------------------------------------------


def test_drafts_are_replaced_taken_as_they_were_read_and_forgotten(database: Database) -> None:
    """One row a place."""
    place = ("terms", "2", "en")
    for etag in ("a", "b"):
        database.write(lambda c, etag=etag: drafts.put_draft(c, DraftRow(*place, etag.encode(), etag, "edith", 1)))
    other = DraftRow("privacy", "1", "en", b"", "c", "edith", 1)
    database.write(lambda connection: drafts.put_draft(connection, other))

    assert [row.policy for row in database.read(drafts.drafts)] == ["privacy", "terms"]
    assert database.read(lambda connection: drafts.drafts(connection, policy="terms", label="2"))[0].body == b"b"
    assert database.read(lambda connection: drafts.etags_at(connection, [place, ("x", "y", "z")])) == {place: "b"}
    assert database.read(lambda connection: drafts.drafts_at(connection, [place]))[place].etag == "b"
    assert database.write(lambda connection: drafts.take_drafts(connection, {place: "a"})) == 0
    assert database.write(lambda connection: drafts.take_drafts(connection, {place: "b"})) == 1
    assert database.write(lambda connection: drafts.delete_drafts(connection, [other[:3], place])) == 1


def test_a_proposal_is_decided_once(database: Database) -> None:
    """By whoever is first."""
    row = ProposalRow("p", 5, "paul", "paul", "d" * 64, "e", "open", None, None, "")
    database.write(lambda connection: blobs.put_blob(connection, row.content, "application/json", b"{}"))
    database.write(lambda connection: drafts.insert_proposal(connection, row))
    decide = {"expected": "open", "at": 9, "decider": "petra", "reason": ""}

    assert database.write(lambda connection: drafts.decide_proposal(connection, "p", status="approved", **decide))
    assert not database.write(lambda connection: drafts.decide_proposal(connection, "p", status="rejected", **decide))
    assert database.read(lambda connection: drafts.proposal(connection, "p")) == row._replace(
        status="approved", decided=9, decider="petra"
    )
    assert database.read(lambda connection: drafts.proposals(connection, status="open")) == []
    assert len(database.read(drafts.proposals)) == 1


def test_an_answer_is_kept_completed_and_forgotten_with_its_day(database: Database) -> None:
    """A key is claimed once."""
    row = AnswerRow("k", "r", 10, None, "mark", None)
    assert database.write(lambda connection: answers.insert_answer(connection, row))
    assert not database.write(lambda connection: answers.insert_answer(connection, row))
    for mark in ("another", "mark"):  # only whose it is completes it
        database.write(
            lambda connection, mark=mark: answers.complete_answer(
                connection, "k", mark, 200, "text/plain", mark.encode()
            )
        )
    done = row._replace(status=200, media="text/plain", body=b"mark")
    database.write(lambda connection: answers.forget_answers(connection, 10))
    assert database.read(lambda connection: answers.answer(connection, "k")) == done
    database.write(lambda connection: answers.forget_answers(connection, 11))
    assert database.read(lambda connection: answers.answer(connection, "k")) is None


def test_a_key_whose_request_acted_is_neither_forgotten_nor_taken_over(database: Database) -> None:
    """What is on record is never done again; what came to nothing may be, by one."""
    row = AnswerRow("k", "r", 10, None, "one", None)
    late = row._replace(at=99, media="two")
    database.write(lambda connection: answers.insert_answer(connection, row))
    assert database.write(lambda connection: answers.take_over(connection, late, "one"))
    assert not database.write(lambda connection: answers.take_over(connection, late, "one"))
    assert not database.write(lambda connection: answers.mark_acted(connection, "k", "one"))
    for _ in range(2):  # a job may run again after a commit that seemed to fail
        assert database.write(lambda connection: answers.mark_acted(connection, "k", "two"))
    database.write(lambda connection: answers.forget_answer(connection, "k", "two"))
    assert not database.write(lambda connection: answers.take_over(connection, row, "two"))
    kept = database.read(lambda connection: answers.answer(connection, "k"))
    assert kept == late._replace(status=answers.ACTED)
    assert not kept.finished
