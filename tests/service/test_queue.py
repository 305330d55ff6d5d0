"""Laws of the queue and the sequencer: durable first, placed a moment later, in order, once, by one at a time."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import ConfigurationError, OverloadedError, RewindError
from consentgate.gate.generation import Generation
from consentgate.service import decide as deciding
from consentgate.service.engine import Engine
from consentgate.service.facts import Facts
from consentgate.service.holdings import NOTHING
from consentgate.service.sequencer import Sequencer
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import entries, meta, queue
from consentgate.store.queue import QueueRow
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import FrozenClock, run
from tests.postgres import Server
from tests.service.conftest import ALICE, BOB, VISITOR, Desk, draft, settings_for

ACTS = {"terms": Act.ACCEPT}


@pytest.fixture(name="settings")
def _settings(postgres: Callable[[int], Server], tmp_path: Path) -> Settings:
    return settings_for(postgres(18).emptied(), state=tmp_path / "state")


@pytest.fixture(name="open_desk")
def _open_desk(settings: Settings) -> Iterator[Callable[..., Desk]]:
    """Opens a desk on one database, as often as wanted: each is like another process."""
    opened: list[Terms] = []

    def open_one(clock: FrozenClock | None = None, **options: Any) -> Desk:
        clock = clock or FrozenClock()
        terms = Terms(replace(settings, **options), clock=clock)
        run(terms.start())
        opened.append(terms)
        return Desk(terms, clock)

    yield open_one
    for terms in opened:
        run(terms.stop())


@pytest.fixture(name="keyless")
def _keyless(open_desk: Callable[..., Desk], settings: Settings) -> Desk:
    """A worker that holds no signing key, of a ledger that was begun elsewhere; nobody sequences."""
    Engine.open(settings, Generation.local()).close()
    return open_desk(ledger_key="none")


def placed(desk: Desk) -> int:
    """Entries that have their places."""
    head = desk.terms.engine.database.read(entries.head)
    return head.size if head else 0


def waiting(desk: Desk) -> int:
    """Entries that wait."""
    return desk.terms.engine.database.read(queue.waiting).entries


def test_a_worker_without_a_key_records_and_another_process_signs(
    keyless: Desk, settings: Settings, open_desk: Callable[..., Desk]
) -> None:
    """Everything visitors do works without the key; what waits is durable and is signed when somebody comes."""
    keyless.publish(draft("1"))
    made = keyless.accept(ALICE)
    assert keyless.state(ALICE) == "current"
    assert [one.id for one in run(keyless.terms.decisions(ALICE))] == [made.decisions[0].id]
    assert (placed(keyless), waiting(keyless)) == (0, 2)
    with pytest.raises(OverloadedError, match="place in the ledger is still being made"):
        run(keyless.terms.receipt(str(made.decisions[0].id), wait=False))
    with pytest.raises(OverloadedError, match="no place in the ledger yet"):
        run(keyless.terms.bundle(ALICE))

    engine = Engine.open(settings, Generation.local())
    assert engine.settle(30)
    engine.close()

    assert (placed(keyless), waiting(keyless)) == (2, 0)
    assert run(keyless.terms.receipt(str(made.decisions[0].id)))
    assert run(keyless.terms.bundle(ALICE))
    assert run(keyless.terms.verify()).problems == []


def test_a_worker_without_a_key_cannot_begin_a_ledger(settings: Settings) -> None:
    """Who makes the ledger has its key; who has none says where to start."""
    with pytest.raises(ConfigurationError, match="holds no ledger yet") as caught:
        run(Terms(replace(settings, ledger_key="none")).start())

    assert "consentgate sequencer" in caught.value.hint


def test_a_repeated_request_finds_the_first_record_wherever_it_is(keyless: Desk, settings: Settings) -> None:
    """While it waits, and when it has its place, the same request yields the same entry."""
    keyless.publish(draft("1"))
    token = keyless.seal(VISITOR)
    first = keyless.decide(token)
    again = keyless.decide(token)
    engine = Engine.open(settings, Generation.local())
    assert engine.settle(30)
    engine.close()
    later = keyless.decide(token)

    assert first.decisions == again.decisions == later.decisions
    assert (first.replayed, again.replayed, later.replayed) == (False, True, True)
    assert placed(keyless) == 2


def test_two_workers_that_get_one_request_record_it_once(open_desk: Callable[..., Desk]) -> None:
    """Two clicks that reach two workers in the same moment are one decision, and both are told so."""
    left, right = open_desk(), open_desk()
    left.publish(draft("1"))
    right.publish(draft("1"))
    tokens = [left.seal(VISITOR) for _ in range(8)]
    answers: list[Any] = []

    def click(desk: Desk, order: list[str]) -> None:
        answers.extend(desk.decide(token) for token in order)

    threads = [
        threading.Thread(target=click, args=(left, tokens)),
        threading.Thread(target=click, args=(right, tokens)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({answer.decisions[0].id for answer in answers}) == 8
    assert len(answers) == 16
    assert run(left.terms.verify()).decisions == 8


def test_two_sequencers_never_fork(open_desk: Callable[..., Desk]) -> None:
    """Several processes with the key place the same queue: each entry once, without a gap, under one history."""
    desks = [open_desk() for _ in range(3)]
    desks[0].publish(draft("1"))

    def decide(desk: Desk) -> None:
        for _ in range(25):
            run(desk.terms.record(ALICE, "terms"))

    threads = [threading.Thread(target=decide, args=(desk,)) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = run(desks[1].terms.verify())

    assert (report.problems, report.decisions, report.size) == ([], 75, 76)


def test_what_a_subject_decides_stays_in_order_whatever_the_clocks_say(open_desk: Callable[..., Desk]) -> None:
    """A worker whose clock is an hour behind withdraws what another accepted, and the withdrawal counts."""
    ahead, behind = open_desk(), open_desk()
    ahead.publish(draft("1"))
    ahead.clock.advance(hours=1)
    ahead.accept(ALICE)
    run(behind.terms.reload())
    entry = run(behind.terms.record(ALICE, "terms", act=Act.WITHDRAW))
    first, second = reversed(run(behind.terms.decisions(ALICE)))

    assert (first.decision, second.decision, second.id) == ("accept", "withdraw", entry.id)
    assert second.at > first.at
    assert behind.state(ALICE) == "required"
    assert run(ahead.terms.verify()).problems == []


def test_a_hold_that_waits_for_its_place_holds(keyless: Desk) -> None:
    """Whether or not it has its place, a legal hold keeps what it holds from being erased."""
    keyless.publish(draft("1"))
    keyless.accept(ALICE)
    run(keyless.terms.erase(ALICE, mode="hold", basis="a court"))
    with pytest.raises(Exception, match="legal hold"):
        run(keyless.terms.erase(ALICE, basis="asked for"))
    run(keyless.terms.release_hold(ALICE, basis="the court"))
    run(keyless.terms.erase(ALICE, mode="hold", basis="another court"))
    with pytest.raises(Exception, match="legal hold"):
        run(keyless.terms.erase(ALICE, basis="asked for"))


def test_verification_knows_what_waits(keyless: Desk) -> None:
    """What is on record and has no place yet is neither a stray row nor an unpublished version."""
    keyless.publish(draft("1"))
    keyless.accept(BOB)
    run(keyless.terms.erase(BOB, basis="asked for"))

    assert run(keyless.terms.verify()).problems == []


def test_an_older_database_is_noticed_and_nothing_is_signed(open_desk: Callable[..., Desk], settings: Settings) -> None:
    """Entries that go missing behind a sequencer's back ring the alarm; the queue waits, and nothing is lost."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    assert run(desk.terms.settled())
    engine = desk.terms.engine

    def rewind(connection: Any) -> None:
        connection.exec_driver_sql("DELETE FROM consentgate_entry WHERE idx = 1")
        connection.exec_driver_sql("UPDATE consentgate_head SET size = 1")

    engine.database.write(rewind)
    engine.database.write(lambda connection: queue.enqueue(connection, [QueueRow(b"r" * 16, 1, b"{}")]))
    assert engine.sequencer is not None
    with pytest.raises(RewindError, match="has 1 entries"):
        engine.sequencer.sequence()
    while "rewind" not in {alarm.kind for alarm in desk.terms.alarms()}:
        threading.Event().wait(0.01)

    assert (placed(desk), waiting(desk)) == (1, 1)


def test_a_failure_while_sequencing_leaves_everything_waiting(settings: Settings) -> None:
    """Whichever step fails, nothing has moved, and the next attempt does all of it."""
    engine = Engine.open(settings, Generation.local())
    assert engine.sequencer is not None
    engine.sequencer.close()
    database = engine.database
    rows = [QueueRow(bytes([number]) * 16, number, b'{"number":%d}' % number) for number in range(20)]
    database.write(lambda connection: queue.enqueue(connection, rows))
    for failing in ("begin", "before-entries", "before-head", "before-commit"):

        def step(name: str, failing: str = failing) -> None:
            if name == f"sequencer:{failing}":
                raise RuntimeError(name)

        with pytest.raises(RuntimeError):
            Sequencer(database, engine.ledger, on_step=step).sequence()
        assert database.read(queue.waiting).entries == 20
        assert database.read(entries.head) is None
    sequencer = Sequencer(database, engine.ledger)

    assert [sequencer.sequence(limit=15), sequencer.sequence(limit=15), sequencer.sequence()] == [15, 5, 0]
    assert [row.ref for row in database.read(lambda connection: list(entries.entries(connection, 0, 99)))] == [
        row.ref for row in rows
    ]
    assert database.read(entries.head).at == 19  # type: ignore[union-attr]  # there is one
    engine.close()


def test_nobody_waits_for_a_head_that_is_taken(settings: Settings) -> None:
    """While another process sequences, this one goes away empty-handed; decisions do not notice."""
    engine = Engine.open(settings, Generation.local())
    assert engine.sequencer is not None
    engine.sequencer.close()
    engine.database.write(lambda connection: queue.enqueue(connection, [QueueRow(b"r" * 16, 1, b"{}")]))
    with engine.database.transaction() as connection:
        assert entries.take_head(connection) is not None
        assert Sequencer(engine.database, engine.ledger).sequence() is None
        engine.database.write(lambda connection: queue.enqueue(connection, [QueueRow(b"s" * 16, 2, b"{}")]))

    assert Sequencer(engine.database, engine.ledger).sequence() == 2
    engine.close()


def test_two_publishers_do_not_miss_each_other(open_desk: Callable[..., Desk]) -> None:
    """Of two processes that publish at the same moment the second plans again on what the first one published."""
    desks = [open_desk(), open_desk()]
    threads = [
        threading.Thread(target=desk.publish, args=(draft(str(number), f"# Terms\n\nText {number}.\n"),))
        for number, desk in enumerate(desks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calendar = run(desks[0].terms.reload())

    assert sorted(version.label for version in calendar.versions) == ["0", "1"]
    assert sorted(version.serial for version in calendar.versions) == [1, 2]
    assert desks[0].terms.engine.database.read(meta.generation) == 2
    assert run(desks[0].terms.verify()).problems == []


def test_entries_of_two_hosts_may_stand_a_moment_out_of_order(keyless: Desk, settings: Settings) -> None:
    """Whichever is placed first, the head has the latest instant, and verification knows that."""
    keyless.publish(draft("1"))
    keyless.accept(ALICE)
    keyless.accept(BOB)
    database = keyless.terms.engine.database
    database.write(lambda connection: connection.exec_driver_sql("UPDATE consentgate_queue SET id = -id"))
    engine = Engine.open(settings, Generation.local())
    assert engine.settle(30)
    engine.close()
    report = run(keyless.terms.verify())

    assert (report.problems, report.decisions) == ([], 2)


def test_a_long_reader_keeps_what_was_erased_and_that_is_said(open_desk: Callable[..., Desk]) -> None:
    """While somebody reads an older state the vacuum cannot remove it: an alarm says so, and it is done later."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    reader = desk.terms.engine.database.stream(lambda connection: [entries.head(connection), None])
    next(iter(reader))
    done = run(desk.terms.erase(ALICE, basis="asked for"))
    assert (done.gone, [one.where for one in done.left]) == (False, ["rows", "log", "copies"])
    assert "scrub" in {alarm.kind for alarm in desk.terms.alarms()}
    assert list(reader) == [None]

    assert run(desk.terms.erase(BOB, basis="asked for", mode="hold")).gone
    assert run(desk.terms._scrub()).gone
    assert "scrub" not in {alarm.kind for alarm in desk.terms.alarms()}


def test_a_decision_is_one_statement(
    postgres: Callable[[int], Server], settings: Settings, open_desk: Callable[..., Desk]
) -> None:
    """However many are decided at once: one statement does all of it; no BEGIN and COMMIT around, no look before."""
    Engine.open(settings, Generation.local()).close()
    loud = f"{settings.database}%20-clog_statement%3Dall%20-clog_min_messages%3Dlog"
    desk, log = open_desk(ledger_key="none", database=loud), postgres(18).folder / "log"
    desk.publish(draft("1"))
    version, terms = desk.terms.version("terms"), desk.terms

    async def decide(number: int) -> None:
        subject = Subject(f"user-{number}")
        offer = deciding.offer_elsewhere(version, NOTHING, subject, terms.clock(), terms._randomness)
        await terms._enter(offer, ACTS, subject, Facts(method="api"), deciding.refs(offer, ACTS))

    async def several(*numbers: int) -> None:
        await asyncio.gather(*map(decide, numbers))

    run(several(0))  # the first one after a publication looks
    before = log.stat().st_size
    run(several(*range(1, 9)))
    run(several(9))
    said = re.findall(
        r"\[(\d+)\] LOG: +(?:statement|execute \w+|execute <unnamed>): +(.*(?:\n\t.*)*)", log.read_text()[before:]
    )
    writers = {pid for pid, words in said if "INSERT INTO consentgate_queue" in words}
    mine = [words for pid, words in said if pid in writers]
    writing = [words for words in mine if "INSERT INTO consentgate_queue" in words]

    assert 2 <= len(writing) <= 9
    assert mine == writing
    assert waiting(desk) == 11


def test_a_worker_that_looked_long_ago_keeps_a_subject_s_order(open_desk: Callable[..., Desk]) -> None:
    """A worker whose clock is behind, and which has not looked since, learns from the server that it must: whether what
    the subject decided elsewhere still waits or has its place."""
    ahead, behind = open_desk(), open_desk()
    ahead.publish(draft("1"))
    run(behind.terms.reload())
    for desk, number in ((ahead, 0), (behind, 1)):
        desk.accept(Subject(f"user-{number}"))  # from here on each decides by what it knows
    ahead.clock.advance(hours=1)
    for subject, settled in ((ALICE, True), (BOB, False)):
        ahead.accept(subject)
        if settled:
            assert run(ahead.terms.settled())
        run(behind.terms.record(subject, "terms", act=Act.DECLINE))
        second, first = run(behind.terms.decisions(subject))
        assert (first.decision, second.decision) == ("accept", "decline")
        assert second.at > first.at
    assert run(ahead.terms.verify()).problems == []


def test_what_was_announced_by_a_clock_ahead_can_be_decided_about(open_desk: Callable[..., Desk]) -> None:
    """A worker that decided before, and whose clock is behind the publisher's, records what was published since."""
    ahead, behind = open_desk(), open_desk()
    ahead.publish(draft("1"))
    run(behind.terms.reload())
    behind.accept(ALICE)
    ahead.clock.advance(seconds=30)
    ahead.publish(draft("2", "# Terms\n\nBe very kind.\n"))
    run(behind.terms.reload())
    entry = run(behind.terms.record(BOB, "terms", "2"))

    assert entry.version == "2"
    assert run(behind.terms.verify()).problems == []


def test_a_sequencer_leaves_alone_what_another_is_at(settings: Settings) -> None:
    """While the head moves by somebody else's hand nobody reads after them; where it stands still, the next one is at
    it with its next look, and at once where somebody waits for a place."""

    def let_wait(*numbers: int) -> None:
        rows = [QueueRow(bytes([number]) * 16, number, b'{"number":%d}' % number) for number in numbers]
        first.database.write(lambda connection: queue.enqueue(connection, rows))

    first, second = Engine.open(settings, Generation.local()), Engine.open(settings, Generation.local())
    for engine in (first, second):
        assert engine.sequencer is not None
        engine.sequencer.close()
    at_work, other = Sequencer(first.database, first.ledger), Sequencer(second.database, second.ledger)
    for number in range(1, 6, 2):
        let_wait(number)
        assert at_work.sequence()
        let_wait(number + 1)
        other._attempt(hurry=False)
        assert first.database.read(queue.waiting).entries == 1
        if number == 3:
            other._attempt(hurry=False)  # it has not moved since
            assert first.database.read(queue.waiting).entries == 0
        elif number == 5:
            other._attempt(hurry=True)
            assert first.database.read(queue.waiting).entries == 0
    for engine in (first, second):
        engine.close()


def test_decisions_are_turned_away_while_too_many_wait(
    settings: Settings, keyless: Desk, open_desk: Callable[..., Desk]
) -> None:
    """Where nobody sequences the line is bounded: 503 beyond it. Publishing goes on, and so does everything when the
    line has become shorter."""
    desk = open_desk(ledger_key="none", database=f"{settings.database}&waiting=3")
    line = desk.terms.engine.queue
    assert line is not None
    desk.publish(draft("1"))
    for number in range(3):
        desk.accept(Subject(f"user-{number}"))
    assert not line.full
    line._measured = float("-inf")  # the seconds have passed
    desk.accept(ALICE)
    with pytest.raises(OverloadedError, match="too many entries wait") as caught:
        desk.accept(BOB)
    desk.publish(draft("2", "# Terms\n\nBe very kind.\n"))
    assert (caught.value.retry_after, waiting(desk)) == (5, 6)

    engine = Engine.open(settings, Generation.local())
    assert engine.settle(30)
    engine.close()
    line._measured = float("-inf")
    desk.accept(BOB)
    desk.accept(ALICE)
    assert waiting(desk) == 2
