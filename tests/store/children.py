"""Processes that the tests start, stop and kill: ``python children.py WORD …``. Acknowledgements go to stdout."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from concurrent.futures import wait

import fake_ledger

from consentgate.errors import ConsentGateError
from consentgate.store import entries
from consentgate.store.database import Database
from consentgate.store.writer import Writer


def say(word: str) -> None:
    """One line, at once: what was said before a kill was said."""
    os.write(1, f"{word}\n".encode())


def hammer(url: str, name: str, number: str) -> None:
    """Write from four threads at once, each ref twice, and acknowledge each."""
    database = Database.open(url, lock_timeout=30)
    writer = Writer(database, fake_ledger.FakeLedger())

    def write(thread: int) -> None:
        for place in range(int(number)):
            job = fake_ledger.append(f"{name}-{thread}-{place}")
            pair = [writer.submit(job), writer.submit(job)]
            wait(pair)
            assert pair[0].result() == pair[1].result()
            say(f"{job.refs[0].hex()} {pair[0].result()}")

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    database.close()


def die(url: str, name: str, step: str, nth: str) -> None:
    """Write in groups of three until the n-th time a step is reached, and end there without a word."""
    left = int(nth)

    def on_step(reached: str) -> None:
        nonlocal left
        left -= reached == step
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database.open(url)
    writer = Writer(database, fake_ledger.FakeLedger(), on_step=on_step)
    for group in range(1_000):
        futures = {writer.submit(job): job for job in (fake_ledger.append(f"{name}-{group}-{one}") for one in range(3))}
        for future, job in futures.items():
            say(f"{job.refs[0].hex()} {future.result()}")


def endless(url: str, name: str) -> None:
    """Write until killed."""
    die(url, name, "never", "1")


def hold(url: str) -> None:
    """Take the write transaction and stop in the middle of it."""
    with Database.open(url).transaction() as connection:
        entries.insert_checkpoint(connection, 77, "never committed")
        say("held")
        os.kill(os.getpid(), signal.SIGSTOP)


def sync(url: str, number: str) -> None:
    """Write one after the other; a tracer counts what reaches the disk. It opens before it says so."""
    database = Database.open(url)
    writer = Writer(database, fake_ledger.FakeLedger())
    for place in range(int(number)):
        say(f"ack {writer.submit(fake_ledger.append(f'sync-{place}')).result()}")
    os._exit(0)


def start(url: str) -> None:
    """Open a database as every process does when it starts, and close it."""
    Database.open(url).close()


def fork(url: str) -> None:
    """Open, fork, and say what each side can still do."""
    database = Database.open(url)
    writer = Writer(database, fake_ledger.FakeLedger())
    writer.submit(fake_ledger.append("before")).result()
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
    if child == 0:
        for name, attempt in (
            ("read", lambda: database.read(entries.head)),
            ("submit", lambda: writer.submit(fake_ledger.append("in the child"))),
            ("scrub", database.scrub),
            ("tidy", database.tidy),
            ("close", lambda: (writer.close(), database.close())),
        ):
            try:
                attempt()
                say(f"child {name} nothing")
            except ConsentGateError as error:
                say(f"child {name} {type(error).__name__}")
        os._exit(0)
    os.waitpid(child, 0)
    place = writer.submit(fake_ledger.append("after")).result()
    fake_ledger.check(database)
    writer.close()
    database.close()
    say(f"parent {place}")


if __name__ == "__main__":
    work = {"hammer": hammer, "die": die, "endless": endless, "hold": hold, "sync": sync, "start": start, "fork": fork}
    work[sys.argv[1]](*sys.argv[2:])
