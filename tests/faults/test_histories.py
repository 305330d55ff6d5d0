"""Whatever happens in whatever order, the record says what was acknowledged, once, in its order, in one history.

A state machine of hypothesis: people decide, change their minds and are erased, texts are published, processes start,
end, are killed in the middle of a transaction, run side by side, and an older copy of the database is put back. Beside
it stands the model: a dictionary of what each person was told is on record.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from consentgate.errors import RewindError, TermsChangedError
from consentgate.evidence.entry import DecisionEntry
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.service.offer import control_bytes
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Act, Kind, Policy
from consentgate.terms.subject import Subject
from consentgate.testing import FrozenClock, run
from tests.faults.histories import (
    PEOPLE,
    STEPS,
    Copy,
    InFile,
    KilledError,
    Model,
    OnServer,
    Page,
    Place,
    Process,
    Told,
)  # fmt: skip
from tests.postgres import Server

T = TypeVar("T")

TERMS, NEWS = Policy("terms", (("en", "Terms"),)), Policy("news", (("en", "News"),), Kind.CONSENT)
MOST_PROCESSES, MOST_COPIES = 3, 3

who = st.sampled_from(PEOPLE)
which = st.integers(0, MOST_PROCESSES - 1)
fatal = st.sampled_from([None, None, None, None, *STEPS])
"""The step at which the process that does it is killed; mostly it is not."""


class Histories(RuleBasedStateMachine):
    """The rules. `Histories.make` gives each example a database."""

    make: Callable[[Path], Place]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="consentgate-histories-"))
        self.place = self.make(self.folder)
        self.clock = FrozenClock()
        self.model = Model()
        self.pages: list[Page] = []
        self.copies: list[Copy] = []
        self.processes: list[Process] = []

    # --- what happens -------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """A process starts, and publishes what there is to decide about."""
        self.start()
        news = draft_from_fields({"policy": "news", "version": "1", "impact": "material"}, "We write.\n", file="news")
        run(self.process(0).terms.publish([news], policies=[TERMS, NEWS]))
        self.publish(0, None)

    @rule(process=which, step=fatal)
    def publish(self, process: int, step: str | None) -> None:
        """A newer version of the terms."""
        label = str(len(self.model.labels) + 1)
        fields = {"policy": "terms", "version": label, "impact": "material"}
        draft = draft_from_fields(fields, f"Be kind, {label}.\n", file="terms")
        self.attempt(process, step, lambda one: one.terms.publish([draft]))
        found = {version.label for version in run(self.process(0).terms.reload()).chain("terms")}
        assert label in found or step is not None
        assert found - {label} == set(self.model.labels)
        assert (label in found) == (step in (None, "after-commit"))
        if label in found:
            self.model.labels.append(label)

    @rule(process=which, subject=who, act=st.sampled_from([Act.ACCEPT, Act.DECLINE]), step=fatal)
    def decide(self, process: int, subject: Subject, act: Act, step: str | None) -> None:
        """Somebody is shown the terms, and answers."""
        terms = self.process(process).terms
        offer = run(terms.offer(subject, ask="all", only=["terms"]))
        controls = {"terms": control_bytes("I accept.", "box", "Accept", Act.ACCEPT)}
        page = Page(subject, run(terms.seal_offer(offer, page=b"<html>", controls=controls)), "", act)
        page.label = offer.items[0].version.label
        assert page.label == self.model.labels[-1]
        self.pages.append(page)
        self.send(page, process, step)

    @rule(process=which, page=st.integers(0, 30), step=fatal)
    def send_again(self, process: int, page: int, step: str | None) -> None:
        """The same page once more, to whomever: the answer is the first record."""
        pages = [one for one in self.pages if not one.void]
        if pages:
            self.send(pages[page % len(pages)], process, step)

    @rule(process=which, subject=who, act=st.sampled_from([Act.GRANT, Act.WITHDRAW]), step=fatal)
    def consent(self, process: int, subject: Subject, act: Act, step: str | None) -> None:
        """Somebody grants what they may withdraw, or withdraws it."""
        self.attempt(process, step, lambda one: one.terms.record(subject, "news", act=act))
        self.learn(subject, "news", act, "1", step)

    @rule(process=which, subject=who, step=fatal)
    def erase(self, process: int, subject: Subject, step: str | None) -> None:
        """Somebody wants to be forgotten."""
        known = self.model.on_record(subject)
        self.attempt(process, step, lambda one: one.terms.erase(subject, basis="asked for"))
        if known and step in (None, "after-commit"):
            for told in known:
                told.erased = True
            for page in self.pages:
                page.void = page.void or page.subject == subject
        self.compare(subject)

    @rule(process=which, what=st.sampled_from(["start", "restart", "crash", *STEPS]))
    def come_and_go(self, process: int, what: str) -> None:
        """A worker more; one that ends as it should and starts again; one that is killed, at once or while it gives
        entries their places (PostgreSQL)."""
        one = self.process(process)
        if what == "start":
            if len(self.processes) < MOST_PROCESSES:
                self.start()
        elif what == "restart":
            self.processes.remove(one)
            one.stop()
            self.start()
        elif what == "crash":
            self.bury(one)
        else:
            one.fate.at = f"sequencer:{what}"

    @rule()
    def copy(self) -> None:
        """Somebody makes a back-up."""
        run(self.process(0).terms.settled())
        self.copies = [*self.copies, self.place.copy()][-MOST_COPIES:]

    @rule(copy=st.integers(0, MOST_COPIES - 1))
    def rewind(self, copy: int) -> None:
        """An older back-up is put in place: it is noticed, and no second history is signed. Then the right one."""
        self.quiet()
        older = self.copies[copy % len(self.copies)] if self.copies else (0, None)
        if older[1] is None or older[0] >= self.remembered():
            return  # nothing that was signed, and remembered outside, is missing in it
        newest = self.place.copy()
        if not self.place.live:
            self.end_all()
        self.place.put_back(older)
        self.refuse_to_start()
        for process in list(self.processes):
            self.refuse_to_go_on(process)
        assert self.place.size == older[0], "a second history was signed"
        self.end_all(kill=True)
        self.place.put_back(newest)
        self.start()

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def what_is_signed_is_one_history(self) -> None:
        """No two roots were ever signed for one size."""
        if self.processes:
            _, size, root, *_ = run(self.process(0).terms.checkpoint()).split("\n")
            assert self.model.roots.setdefault(int(size), root) == root

    def teardown(self) -> None:
        """At the end the ledger verifies, and its export holds what everybody was told."""
        try:
            if self.processes:
                self.quiet()
                self.check()
        finally:
            self.end_all(kill=True)
            shutil.rmtree(self.folder)

    def check(self) -> None:
        """Verification, export, and the model."""
        terms = self.process(0).terms
        report = run(terms.verify())
        assert report.problems == []
        assert terms.alarms() == ()
        data = run(_whole(terms.export()))
        proven = verify_ledger(io.BytesIO(data), terms.engine.ledger.verifiers)
        assert proven.trusted
        found: list[tuple[bytes, bool, dict[str, Any]]] = []
        for line in data.splitlines()[1:-1]:
            record = json.loads(line)
            leaf = json.loads(record["leaf"])
            if leaf["type"] == "decision":
                found.append((bytes.fromhex(leaf["id"].replace("-", "")), record["open"] is None, leaf))
        for subject, told in self.model.decided.items():
            mine = [(ref, gone) for ref, gone, _ in found if ref in {one.ref for one in told}]
            assert mine == [(one.ref, one.erased) for one in told], subject
        assert len(found) == sum(map(len, self.model.decided.values())), "something is on record that nobody decided"
        said = {one.ref: (one.policy, one.act, one.label) for told in self.model.decided.values() for one in told}
        assert all((leaf["policy"], leaf["decision"], leaf["version"]) == said[ref] for ref, _, leaf in found)
        for size, root in self.model.roots.items():
            now = terms.engine.database.read(partial(terms.engine.ledger.root, size=size))
            assert b64encode(now).decode() == root, f"what was signed at {size} is history no more"

    # --- how ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """One process more."""
        self.clock.advance(seconds=1)
        self.processes.append(Process(self.place.settings, self.clock))

    def process(self, number: int) -> Process:
        """One that lives; what was killed in the background is replaced first."""
        self.clock.advance(seconds=1)
        for one in [one for one in self.processes if one.fate.dead]:
            self.bury(one)
        return self.processes[number % len(self.processes)]

    def bury(self, process: Process) -> None:
        """Let a process be killed, if it is not yet, and see that there is one."""
        self.processes.remove(process)
        process.kill()
        if not self.processes:
            self.start()

    def end_all(self, *, kill: bool = False) -> None:
        """Nobody runs any more."""
        while self.processes:
            process = self.processes.pop()
            if kill or process.fate.dead:
                process.kill()
            else:
                process.stop()

    def quiet(self) -> None:
        """Until everything has its place, and nobody will be killed."""
        for process in self.processes:
            process.fate.at = None
        assert run(self.process(0).terms.settled()) or self.process(0).terms.engine.settle(30)

    def attempt(self, number: int, step: str | None, work: Callable[[Process], Coroutine[Any, Any, T]]) -> T | None:
        """Do something in a process, which may not survive it: then nothing is returned."""
        process = self.process(number)
        process.fate.at = step or process.fate.at
        try:
            return run(work(process))
        except KilledError:
            assert process.fate.dead
            return None
        finally:
            if step is not None:
                self.bury(process)

    def send(self, page: Page, process: int, step: str | None) -> None:
        """Send a page; whoever is not answered looks at their agreements."""
        done, stale = None, page.ref is None and page.label != self.model.labels[-1]
        try:
            done = self.attempt(
                process, step, lambda one: one.terms.decide(page.token, {"terms": page.act}, subject=page.subject)
            )
        except TermsChangedError:
            assert stale
        if stale:  # what it shows is not in force any more: nothing was recorded, killed or not
            assert done is None
            page.void = True
            return self.compare(page.subject)
        if page.ref is None:
            before = len(self.model.on_record(page.subject))
            self.learn(page.subject, "terms", page.act, page.label, step)
            found = self.model.on_record(page.subject)
            page.ref = found[0].ref if len(found) > before else None
        assert done is None or [one.ref for one in done.decisions] == [page.ref]
        return self.compare(page.subject)

    def learn(self, subject: Subject, policy: str, act: Act, label: str, step: str | None) -> None:
        """What a decision left: exactly one, unless it was killed before it was durable; then nothing."""
        known = {one.ref for one in self.model.on_record(subject)}
        fresh = [one for one in self.found(subject) if one.ref not in known]
        if step == "before-commit" and self.place.live:
            assert len(fresh) <= 1  # of a batch of decisions the last statement is the commit
        else:
            assert len(fresh) == (1 if step in (None, "after-commit") else 0)
        self.model.decided[subject] += [Told(one.ref, one.policy, one.decision, one.version) for one in fresh]
        assert all((one.policy, one.decision, one.version) == (policy, act.value, label) for one in fresh)
        self.compare(subject)

    def found(self, subject: Subject) -> tuple[DecisionEntry, ...]:
        """What a process finds about somebody."""
        return run(self.process(len(self.pages)).terms.decisions(subject))

    def compare(self, subject: Subject) -> None:
        """Somebody's agreements are what they were told, the newest first."""
        assert [one.ref for one in self.found(subject)] == [one.ref for one in self.model.on_record(subject)]

    def remembered(self) -> int:
        """How many entries the anchor file knows of."""
        place = self.place.settings.place
        assert place is not None
        return int(place.with_name(place.name + ".anchor").read_text().split("\n")[1])

    def refuse_to_start(self) -> None:
        """Whoever starts now is told."""
        with pytest.raises(RewindError):
            Process(self.place.settings, self.clock)

    def refuse_to_go_on(self, process: Process) -> None:
        """Whoever runs does not sign, and rings."""
        self.clock.advance(seconds=1)  # nobody puts a database back in less
        run(process.terms.record(PEOPLE[0], "news", act=Act.GRANT))
        deadline = time.monotonic() + 20
        while not process.terms.alarms():
            assert time.monotonic() < deadline, "nobody noticed"
            time.sleep(0.005)
        assert [alarm.kind for alarm in process.terms.alarms()] == ["rewind"]


async def _whole(chunks: Any) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def live(make: Callable[[Path], Place], examples: int, steps: int) -> None:
    """Run the machine.

    Args:
        make: a place for the ledger of each example, with a folder for what is not in it.
        examples: how many.
        steps: how much happens in each, at most.
    """
    machine = type("Machine", (Histories,), {"make": staticmethod(make)})
    how = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=how)


@pytest.fixture(name="make", params=["sqlite", 15, 18])
def _make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Place]:
    if request.param == "sqlite":
        return InFile
    server: Server = request.getfixturevalue("postgres")(request.param)
    return lambda folder: OnServer(server.emptied(), folder)


@pytest.mark.parametrize("make", ["sqlite", 18], indirect=True)
def test_whatever_happens_there_is_one_history_with_everything_in_it(make: Callable[[Path], Place]) -> None:
    """Some lives of a ledger, with twenty things happening in each."""
    live(make, 12 if make is InFile else 8, 20)


@pytest.mark.soak
def test_hundreds_of_histories(make: Callable[[Path], Place]) -> None:
    """The same, longer and more of them."""
    live(make, 200, 50)
