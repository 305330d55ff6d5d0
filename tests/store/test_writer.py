"""The one thread that writes: grouping, blame, bounds and endings."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import ModuleType
from typing import Any

import pytest

from consentgate.errors import (
    ConsentGateError,
    DecisionError,
    OverloadedError,
    StoreError,
    StoreUnavailableError,
)
from consentgate.store import blobs, entries
from consentgate.store import writer as writer_module
from consentgate.store.database import Database
from consentgate.store.writer import Job, LookAgainError, Writer

Make = Callable[..., Writer[Any]]


def places(futures: list[Future[int]]) -> list[int]:
    """The results, in order."""
    return [future.result(30) for future in futures]


def refuse(_connection: Any, _context: Any) -> int:
    """A job that finds it may not."""
    raise DecisionError("not like this")


# --- the promise -----------------------------------------------------------------------------------------------------


def test_a_result_is_the_place_in_the_ledger(database: Database, writer: Make, fake: ModuleType) -> None:
    """Whatever was acknowledged is there, at the place that was named."""
    own = writer(fake.FakeLedger())
    futures = {own.submit(fake.append(f"{n}")): f"{n}" for n in range(200)}
    found = {future.result(30): fake.ref_of(name) for future, name in futures.items()}

    assert fake.check(database) == [found[place] for place in range(200)]


def test_nothing_is_acknowledged_before_it_is_committed(database: Database, writer: Make, fake: ModuleType) -> None:
    """At the last step before COMMIT nobody knows of it; after COMMIT, before anybody is told, it is there."""
    known: dict[str, tuple[bool, int]] = {}
    future: Future[int] | None = None
    told = threading.Event()

    def on_step(step: str) -> None:
        assert told.wait(30)
        assert future is not None
        visible = database.read(entries.count) if step == "after-commit" else 0
        known[step] = (future.done(), visible)

    own = writer(fake.FakeLedger(), on_step=on_step)
    future = own.submit(fake.append("one"))
    told.set()

    assert future.result(30) == 0
    assert known == {
        "begin": (False, 0),
        "before-entries": (False, 0),
        "before-head": (False, 0),
        "before-commit": (False, 0),
        "after-commit": (False, 1),
    }


def test_whatever_arrives_during_a_commit_shares_the_next(writer: Make, fake: ModuleType) -> None:
    """One transaction at a time; those who came meanwhile are one batch, however many they are, up to the largest."""
    gate, ledger = fake.Gate("before-commit"), fake.FakeLedger()
    own = writer(ledger, on_step=gate)
    first = own.submit(fake.append("first"))
    assert gate.reached.wait(30)
    others = [own.submit(fake.append(f"{n}")) for n in range(writer_module.LARGEST_BATCH + 5)]
    assert own.waiting == len(others)
    gate.open()

    assert places([first, *others]) == list(range(len(others) + 1))
    assert ledger.batches == [1, writer_module.LARGEST_BATCH, 5]


def test_the_same_ref_yields_the_first_record(database: Database, writer: Make, fake: ModuleType) -> None:
    """A repeated request, in the same batch or years later, gets the first place, and the first bytes stay."""
    gate = fake.Gate("begin")
    own = writer(fake.FakeLedger(), on_step=gate)
    opener = own.submit(fake.append("opener"))
    assert gate.reached.wait(30)
    pair = [own.submit(fake.append("twice", leaf)) for leaf in (b"the first", b"the second")]
    gate.open()
    later = own.submit(fake.append("twice", b"the third"))

    assert places([opener, *pair, later]) == [0, 1, 1, 1]
    assert database.read(lambda connection: entries.entry_at(connection, 1)).leaf == b"the first"


def test_a_lost_acknowledgement_is_given_again_by_another_process(
    database: Database, writer: Make, fake: ModuleType
) -> None:
    """Whoever asks again after a crash, at a writer that remembers nothing, gets the first record."""
    assert writer(fake.FakeLedger()).submit(fake.append("once")).result(30) == 0
    fresh = writer(fake.FakeLedger())

    assert places([fresh.submit(fake.append("new")), fresh.submit(fake.append("once"))]) == [1, 0]
    assert len(fake.check(database)) == 2


# --- who is to blame -------------------------------------------------------------------------------------------------


def _write_and_refuse(connection: Any, context: Any) -> int:
    blobs.put_blob(connection, "f" * 64, "x", b"must not stay")
    return refuse(connection, context)


def _break_a_rule(connection: Any, _context: Any) -> int:
    entries.insert_entries(connection, [entries.EntryRow(0, b"taken", b"h", b"l")] * 2)
    return 0


def _stumble(_connection: Any, _context: Any) -> int:
    raise LookupError("a mistake of ours")


def _leave(_connection: Any, _context: Any) -> int:
    raise SystemExit


@pytest.mark.parametrize(
    ("bad", "error", "batches"),
    [
        (refuse, DecisionError, [1, 5]),
        (_write_and_refuse, DecisionError, [1, 5, 4]),
        (_break_a_rule, StoreError, [1, 5, 4]),
        (_stumble, LookupError, [1, 5, 4]),
        (_leave, SystemExit, [1, 5, 1, 1, 1, 1, 1]),
    ],
    ids=["refuses", "writes and refuses", "breaks a rule", "stumbles", "leaves"],
)
def test_a_bad_job_fails_alone(
    database: Database, writer: Make, fake: ModuleType, bad: Any, error: type[BaseException], batches: list[int]
) -> None:
    """Whatever a job does, its neighbours in the batch are recorded, it leaves no trace, and the writer goes on. Only
    where it wrote something, or nobody can tell who was wrong, does the batch run again."""
    gate, ledger = fake.Gate("begin"), fake.FakeLedger()
    own = writer(ledger, on_step=gate)
    opener = own.submit(fake.append("opener"))
    assert gate.reached.wait(30)
    before = [own.submit(fake.append(name)) for name in ("a", "b")]
    culprit = own.submit(Job((fake.ref_of("bad"),), bad))
    after = [own.submit(fake.append(name)) for name in ("c", "d")]
    gate.open()

    assert places([opener, *before, *after]) == [0, 1, 2, 3, 4]
    assert isinstance(culprit.exception(30), error)
    assert ledger.batches == batches
    assert fake.check(database) == [fake.ref_of(name) for name in ("opener", "a", "b", "c", "d")]
    assert database.read(lambda connection: blobs.get_blob(connection, "f" * 64)) is None
    assert own.submit(fake.append("later")).result(30) == 5


def test_many_bad_jobs_do_not_make_the_batch_run_for_ever(writer: Make, fake: ModuleType) -> None:
    """After a few were left out the rest runs one by one: the work grows with the batch, not with its square."""
    gate, ledger = fake.Gate("begin"), fake.FakeLedger()
    own = writer(ledger, on_step=gate)
    own.submit(fake.append("opener"))
    assert gate.reached.wait(30)
    bad = [own.submit(Job((), _stumble)) for _ in range(40)]
    good = own.submit(fake.append("good"))
    gate.open()

    assert good.result(30) == 1
    assert {type(future.exception(30)) for future in bad} == {LookupError}
    assert ledger.batches == [1, 41, 40, 39, *[1] * 38]


@pytest.mark.parametrize("moment", ["fail_begin", "fail_finish"])
def test_where_nobody_is_to_blame_each_is_tried_alone(
    database: Database, writer: Make, fake: ModuleType, moment: str
) -> None:
    """A batch that failed as a whole is written one by one, and everybody is told the truth about their own."""
    gate, ledger = fake.Gate("begin"), fake.FakeLedger()
    own = writer(ledger, on_step=gate)
    opener = own.submit(fake.append("opener"))
    assert gate.reached.wait(30)
    others = [own.submit(fake.append(f"{n}")) for n in range(4)]

    def fail_in_company() -> None:
        if ledger.batches[-1] > 1:
            raise OSError("together it does not work")

    setattr(ledger, moment, fail_in_company)
    gate.open()

    assert places([opener, *others]) == [0, 1, 2, 3, 4]
    assert ledger.batches == [1, 4, 1, 1, 1, 1]
    assert ledger.undone == 1
    assert len(fake.check(database)) == 5


def test_a_database_that_fails_again_and_again_is_given_up_on(writer: Make, fake: ModuleType) -> None:
    """When three in a row fail, the rest of the batch is told at once; the next batch is tried anew."""
    gate, ledger = fake.Gate("begin"), fake.FakeLedger()
    own = writer(ledger, on_step=gate)
    opener = own.submit(fake.append("opener"))
    assert gate.reached.wait(30)
    others = [own.submit(fake.append(f"{n}")) for n in range(50)]

    def full() -> None:
        raise StoreUnavailableError("the disk is full")

    opened = threading.Event()

    def hook() -> None:
        if len(ledger.batches) > 1 and not opened.is_set():
            full()

    ledger.fail_finish = hook
    gate.open()
    assert opener.result(30) == 0
    assert {str(future.exception(30)) for future in others} == {"the disk is full"}
    assert ledger.batches == [1, 50, 1, 1, 1]
    opened.set()

    assert places([own.submit(fake.append(f"{n}")) for n in range(50)]) == list(range(1, 51))


@pytest.mark.parametrize("url", ["file", "memory"], indirect=True)
def test_a_lock_that_is_not_free_fails_the_batch_once(database: Database, writer: Make, fake: ModuleType) -> None:
    """Where no transaction could begin, everybody is told after one time limit; the same refs may be sent again."""
    database.lock_timeout = 0.05
    ledger = fake.FakeLedger()
    own = writer(ledger)
    with database.transaction():
        jobs = [fake.append(f"{n}") for n in range(300)]
        futures = [own.submit(job) for job in jobs]
        errors = {type(future.exception(30)) for future in futures}
    assert errors == {StoreUnavailableError}
    assert ledger.batches == []
    database.lock_timeout = 30.0

    assert places([own.submit(job) for job in jobs]) == list(range(300))


def test_a_memory_that_cannot_follow_is_read_again(database: Database, writer: Make, fake: ModuleType) -> None:
    """What is committed is acknowledged even if the batch stumbles afterwards; the batch is told to read anew."""
    ledger = fake.FakeLedger()

    def stumble() -> None:
        raise LookupError("could not follow")

    ledger.fail_committed = stumble
    own = writer(ledger)

    assert own.submit(fake.append("one")).result(30) == 0
    assert ledger.undone == 1
    ledger.fail_committed = lambda: None
    assert own.submit(fake.append("two")).result(30) == 1
    assert len(fake.check(database)) == 2


def test_a_batch_does_not_look_again_for_ever(writer: Make, fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: without its publication counter, a database kept the thread that writes busy, and nobody had an answer."""
    ledger, finish, looks = fake.FakeLedger(), fake.FakeLedger.finish, [0]

    def restless(self: Any, connection: Any, context: Any, step: Any) -> None:
        looks[0] += 1
        if looks[0] <= writer_module._LOOKS:
            raise LookAgainError
        finish(self, connection, context, step)

    monkeypatch.setattr(fake.FakeLedger, "finish", restless)
    own = writer(ledger)
    with pytest.raises(StoreUnavailableError, match="publication counter"):
        own.submit(fake.append("one")).result(30)

    assert own.submit(fake.append("two")).result(30) == 0


def test_what_is_done_at_leisure_concerns_nobody_who_waited(database: Database, writer: Make, fake: ModuleType) -> None:
    """Everybody is told first; whatever comes of the rest, nothing is written twice and the thread lives on."""
    ledger, told, done = fake.FakeLedger(), threading.Event(), []

    def stumble() -> None:
        done.append(first.done())
        told.set()
        raise LookupError("could not do the rest")

    ledger.fail_told = stumble
    own = writer(ledger)
    first = own.submit(fake.append("one"))

    assert first.result(30) == 0
    assert told.wait(30)
    assert own.submit(fake.append("two")).result(30) == 1
    own.close()
    assert done == [True, True]
    assert ledger.undone == 0
    assert len(fake.check(database)) == 2


def test_while_many_wait_the_rest_is_left_for_later(
    writer: Make, fake: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch after batch, nobody waits for more than the records; at the end the rest is done once."""
    monkeypatch.setattr(writer_module, "LARGEST_BATCH", 10)
    monkeypatch.setattr(writer_module, "_UNTOLD", 1e9)
    ledger, told = fake.FakeLedger(), []
    ledger.fail_told = lambda: told.append(ledger.followed)
    own, go = writer(ledger), threading.Event()
    blocked = own.submit(Job((), lambda *_: go.wait(30)))
    others = [own.submit(fake.append(f"{number}")) for number in range(100)]
    go.set()
    assert blocked.result(30)
    assert [other.result(30) for other in others] == list(range(100))
    own.close()

    assert told[-1] == ledger.followed
    assert len(told) < 3


# --- bounds and endings ----------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_at_once(database: Database, writer: Make, fake: ModuleType) -> None:
    """Beyond its capacity the writer says no, records nothing and says when to try again; then it goes on."""
    gate = fake.Gate("before-commit")
    own = writer(fake.FakeLedger(), on_step=gate, capacity=3)
    running = own.submit(fake.append("running"))
    assert gate.reached.wait(30)
    waiting = [own.submit(fake.append(f"{n}")) for n in range(3)]
    with pytest.raises(OverloadedError) as caught:
        own.submit(fake.append("too many"))
    assert caught.value.retry_after > 0
    gate.open()

    assert places([running, *waiting]) == [0, 1, 2, 3]
    assert own.submit(fake.append("too many")).result(30) == 4
    assert len(fake.check(database)) == 5


def test_what_was_cancelled_in_time_never_happens(database: Database, writer: Make, fake: ModuleType) -> None:
    """A future cancelled while it waits is left out; one that is being written cannot be cancelled any more."""
    gate = fake.Gate("begin")
    own = writer(fake.FakeLedger(), on_step=gate)
    running = own.submit(fake.append("running"))
    assert gate.reached.wait(30)
    waiting = own.submit(fake.append("cancelled"))
    assert not running.cancel()
    assert waiting.cancel()
    gate.open()

    assert running.result(30) == 0
    assert own.drain(30)
    assert fake.check(database) == [fake.ref_of("running")]


def test_draining_waits_for_everything(database: Database, writer: Make, fake: ModuleType) -> None:
    """After `drain` nothing waits and nothing is being written; within a limit it says that it was not so yet."""
    gate = fake.Gate("before-commit")
    own = writer(fake.FakeLedger(), on_step=gate)
    assert own.drain(0)
    futures = [own.submit(fake.append(f"{n}")) for n in range(5)]
    assert gate.reached.wait(30)
    assert not own.drain(0.01)
    gate.open()

    assert own.drain(30)
    assert all(future.done() for future in futures)
    assert len(fake.check(database)) == 5


def test_closing_writes_what_waits_and_takes_no_more(database: Database, writer: Make, fake: ModuleType) -> None:
    """Everything accepted before `close` is written; afterwards nothing is accepted. Twice is once."""
    gate = fake.Gate("before-commit")
    own = writer(fake.FakeLedger(), on_step=gate)
    futures = [own.submit(fake.append(f"{n}")) for n in range(5)]
    assert gate.reached.wait(30)
    closer = threading.Thread(target=own.close)
    closer.start()
    gate.open()
    closer.join()
    own.close()

    assert sorted(places(futures)) == [0, 1, 2, 3, 4]
    with pytest.raises(StoreUnavailableError, match="closed"):
        own.submit(fake.append("late"))


def test_closing_does_not_wait_for_ever(writer: Make, fake: ModuleType) -> None:
    """Jobs that are still waiting when the time is up are told so; none is left without an answer."""
    gate = fake.Gate("before-commit")
    own = writer(fake.FakeLedger(), on_step=gate)
    running = own.submit(fake.append("running"))
    assert gate.reached.wait(30)
    waiting = own.submit(fake.append("waiting"))
    own.close(timeout=0.01)
    assert isinstance(waiting.exception(30), StoreUnavailableError)
    gate.open()

    assert running.result(30) == 0


def test_a_writer_without_jobs_has_no_thread(writer: Make, fake: ModuleType) -> None:
    """A process that only reads starts nothing, and closing that writer is harmless."""
    before = threading.active_count()
    own = writer(fake.FakeLedger())

    assert threading.active_count() == before
    own.close()


# --- coroutines ------------------------------------------------------------------------------------------------------


def test_a_coroutine_waits_without_a_thread_of_its_own(database: Database, writer: Make, fake: ModuleType) -> None:
    """`write` gives results, refusals and outages to coroutines as `submit` does to threads."""
    own = writer(fake.FakeLedger())

    async def run() -> list[Any]:
        jobs = [fake.append(f"{n}") for n in range(100)]
        jobs.insert(50, Job((), refuse))
        return await asyncio.gather(*[own.write(job) for job in jobs], return_exceptions=True)

    results = asyncio.run(run())

    assert isinstance(results.pop(50), DecisionError)
    assert results == list(range(100))
    assert len(fake.check(database)) == 100


def test_a_cancelled_request_leaves_no_lock(database: Database, writer: Make, fake: ModuleType) -> None:
    """Requests that end at any moment of their write disturb nobody: the next one is written at once, and what was
    recorded of theirs is whole."""
    own = writer(fake.FakeLedger())
    choose = random.Random(7)

    async def run() -> int:
        for n in range(60):
            task = asyncio.ensure_future(_await(own.write(fake.append(f"cancelled {n}"))))
            for _ in range(choose.randrange(4)):
                await asyncio.sleep(choose.random() / 2_000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return await own.write(fake.append("the next"))

    place = asyncio.run(run())
    refs = fake.check(database)

    assert refs[place] == fake.ref_of("the next")
    with database.transaction(0.0) as connection:
        assert entries.count(connection) == len(refs)


async def _await(future: asyncio.Future[int]) -> int:
    return await future


def test_a_loop_that_is_gone_is_not_waited_for(database: Database, writer: Make, fake: ModuleType) -> None:
    """An event loop that ended before its results came changes nothing for anybody else."""
    gate = fake.Gate("before-commit")
    own = writer(fake.FakeLedger(), on_step=gate)

    async def run() -> None:
        own.write(fake.append("gone"))
        await asyncio.to_thread(gate.reached.wait, 30)

    asyncio.run(run())
    gate.open()

    assert own.submit(fake.append("still here")).result(30) == 1
    assert len(fake.check(database)) == 2


def test_many_threads_and_loops_share_one_writer(database: Database, writer: Make, fake: ModuleType) -> None:
    """Whoever writes from wherever, each record is there once and each is told its own place."""
    own = writer(fake.FakeLedger())
    told: dict[bytes, int] = {}

    def thread(name: str) -> None:
        jobs = [fake.append(f"{name}-{n % 20}") for n in range(25)]
        futures = [own.submit(job) for job in jobs]
        wait(futures)
        told.update({job.refs[0]: future.result() for job, future in zip(jobs, futures, strict=True)})

    def loop(name: str) -> None:
        async def run() -> None:
            jobs = [fake.append(f"{name}-{n % 20}") for n in range(25)]
            for job, place in zip(jobs, await asyncio.gather(*[own.write(job) for job in jobs]), strict=True):
                told[job.refs[0]] = place

        asyncio.run(run())

    threads = [threading.Thread(target=run, args=(f"{run.__name__} {n}",)) for n in range(4) for run in (thread, loop)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    refs = fake.check(database)
    assert len(refs) == 8 * 20
    assert told == {ref: place for place, ref in enumerate(refs)}


def test_every_refusal_is_one_of_ours(writer: Make, fake: ModuleType, database: Database) -> None:
    """What the database complains about inside a job arrives as our error, never as the driver's."""
    own = writer(fake.FakeLedger())

    def wrong(connection: Any, _context: Any) -> None:
        connection.exec_driver_sql("SELECT * FROM consentgate_nowhere")

    error = own.submit(Job((), wrong)).exception(30)

    assert isinstance(error, ConsentGateError)
    assert "lacks one of our tables" in str(error)


@pytest.mark.parametrize("url", ["postgres15", "postgres18"], indirect=True)
def test_several_threads_write_at_the_same_time(database: Database, writer: Make, fake: ModuleType) -> None:
    """Where the database lets them, one batch is written while another waits for the disk; each job once."""
    together, first, met = threading.Barrier(2), threading.Event(), list[str]()

    class Meeting(fake.FakeLedger):  # type: ignore[misc]  # loaded by the fixture
        def begin(self, connection: Any, jobs: Any) -> Any:
            if len(met) < 2:
                met.append("here")
                first.set()
                together.wait(30)  # both are in a transaction
            return super().begin(connection, jobs)

    own = writer(Meeting(), threads=2)
    futures = [own.submit(fake.append(f"{n}")) for n in range(50)]
    assert first.wait(30)
    futures += [own.submit(fake.append(f"{n}")) for n in range(50, 100)]
    places = sorted(future.result(30) for future in futures)

    assert len(met) == 2
    assert places == list(range(100))
    assert own.drain(30)


def test_what_is_kept_is_written_though_its_request_was_cancelled(writer: Make, database: Database) -> None:
    """Cancelled before its transaction began: a request that goes away has asked for it all the same, if it is kept."""
    own, started, go = writer(Plain()), threading.Event(), threading.Event()
    done: list[str] = []

    def wait(_connection: object, _context: object) -> None:
        started.set()
        assert go.wait(10)

    async def run() -> None:
        first = own.submit(Job((), wait))
        await asyncio.to_thread(started.wait, 10)
        futures = [
            own.write(Job((), lambda *_, name=name: done.append(name)), kept=name == "kept")
            for name in ("left out", "kept")
        ]
        for future in futures:
            future.cancel()
        go.set()
        await asyncio.wrap_future(first)
        await own.write(Job((), lambda *_: done.append("the next")))

    asyncio.run(run())
    assert done == ["kept", "the next"]


class Plain:
    """A batch that adds nothing of its own."""

    def begin(self, _connection: object, _jobs: object) -> None: ...
    def finish(self, _connection: object, _context: object, _step: object) -> None: ...
    def committed(self, _context: object) -> None: ...
    def told(self, _context: object) -> None: ...
    def rolled_back(self) -> None: ...
