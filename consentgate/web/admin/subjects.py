"""Subjects and decisions: search, a history in sentences, the bundle; hold, release and erase.

Room: web. What names a person is for auditors and owners; what cannot be undone asks for the token again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Literal, cast
from urllib.parse import urlencode

from starlette.responses import Response

from consentgate.errors import (
    ConsentGateError,
    HeldError,
    InputError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
)
from consentgate.evidence.entry import DecisionEntry, Entry, EraseEntry, LinkEntry, NoticeEntry
from consentgate.service.listing import DecisionFilter, HistoryItem, SubjectRecord
from consentgate.service.status import PolicyStatus
from consentgate.terms.draft import parse_when
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Act, Kind
from consentgate.terms.subject import parse_subject
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form
from consentgate.web.admin.frame import LANGUAGE, Frame
from consentgate.web.admin.sentences import counted, listed
from consentgate.web.admin.signing_in import SigningIn
from consentgate.web.render import autonym

_ACTS = {
    "accept": "Accepted",
    "decline": "Declined",
    "acknowledge": "Acknowledged",
    "grant": "Consented to",
    "refuse": "Refused",
    "withdraw": "Withdrew from",
}
_METHODS = {"checkbox-button": "on the review page", "api": "through the host's own program", "import": "imported"}
_STATES = {
    "current": "has accepted what is required",
    "announced": "may accept a coming version early",
    "grace": "has been asked and may still put it off",
    "required": "is stopped until they accept",
    "declined": "has declined",
    "expired": "must accept again, because their acceptance expired",
}
_NOTICE_STATES = _STATES | {
    "current": "has acknowledged what is required",
    "announced": "may acknowledge a coming version early",
    "required": "is stopped until they acknowledge it",
    "expired": "must acknowledge it again, because their acknowledgement expired",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of a history."""

    index: int | None
    at: Instant
    words: str
    personal: tuple[tuple[str, str], ...]
    erased: str
    decision: str


@dataclass(frozen=True, slots=True)
class Person:
    """A subject as the page shows it."""

    key: str
    query: str
    standing: tuple[str, ...]
    history: tuple[Happening, ...]
    holds: tuple[tuple[Instant, str], ...]
    held: bool


class Subjects:
    """The pages about people.

    Args:
        frame: around them.
        signing_in: asks for the token again.
    """

    def __init__(self, frame: Frame, signing_in: SigningIn) -> None:
        self._frame = frame
        self._signing_in = signing_in

    async def show(self, entered: Entered) -> Response:
        """Answer ``GET /admin/subjects``: the search, and whom it found."""
        return await self._page(entered, str(entered.request.query_params.get("subject", "")).strip())

    async def _page(
        self, entered: Entered, wanted: str, error: ConsentGateError | None = None, **typed: str
    ) -> Response:
        person = None
        if wanted:
            try:
                record = await self._frame.terms.admin.subject(entered.administrator, parse_subject(wanted))
                person = person_of(record)
            except (InputError, NotFoundError) as trouble:
                error = error or trouble
        return self._frame.show(
            entered,
            "subject.html",
            status=error.status if error else 200,
            error=error,
            wanted=wanted,
            person=person,
            typed={"mode": "shred", "basis": "", **typed},
            ask_token=not self._frame.access.proved_recently(entered),
            done=str(entered.request.query_params.get("done", "")),
        )

    async def bundle(self, entered: Entered) -> Response:
        """Answer ``GET /admin/bundle``: the evidence of one subject or one decision, as a zip file."""
        query = entered.request.query_params
        subject, decision = query.get("subject"), query.get("decision")
        data = await self._frame.terms.admin.bundle(
            entered.administrator, parse_subject(subject) if subject else None, decision=decision
        )
        headers = {
            "Content-Disposition": 'attachment; filename="consentgate-bundle.zip"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(data, media_type="application/zip", headers=headers)

    async def erase(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/subjects/erase``."""
        admin, wanted = self._frame.terms.admin, form.text("subject")
        mode, basis = form.text("mode"), form.text("basis")
        try:
            if mode not in ("shred", "pseudonymise"):
                raise InputError("choose what is erased", field="mode")
            if form.text("confirm") != wanted:
                raise InputError(
                    "the subject was not written the same way twice", hint="write it again", field="confirm"
                )
            entered = await self._signing_in.prove(entered, form)
            erased = await admin.erase(
                entered.administrator,
                parse_subject(wanted),
                mode=cast(Literal["shred", "pseudonymise"], mode),
                basis=basis,
            )
        except (InputError, NotFoundError, HeldError, UnauthenticatedError, ThrottledError) as error:
            return await self._page(entered, wanted, error, mode=mode, basis=basis)
        what = f"{counted(erased.entries, 'entry', 'entries')} erased; one entry of the ledger says so."
        if not erased.gone:
            what += f" Copies may still be in {erased.left[0].what} – until {erased.left[0].until}."
        return self._frame.kept_alive(self._shown(entered, wanted if mode == "pseudonymise" else "", what), entered)

    async def hold(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/subjects/hold``."""
        return await self._held(entered, form, hold=True)

    async def release(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/subjects/release``."""
        return await self._held(entered, form, hold=False)

    async def _held(self, entered: Entered, form: Form, *, hold: bool) -> Response:
        admin, wanted, basis = self._frame.terms.admin, form.text("subject"), form.text("basis")
        act = admin.hold if hold else admin.release
        try:
            await act(entered.administrator, parse_subject(wanted), basis=basis)
        except (InputError, NotFoundError) as error:
            return await self._page(entered, wanted, error, basis=basis)
        words = "A legal hold is on them: nothing of theirs is erased." if hold else "The legal hold is released."
        return self._shown(entered, wanted, words)

    def _shown(self, entered: Entered, wanted: str, done: str) -> Response:
        query = {"done": done} | ({"subject": wanted} if wanted else {})
        return self._frame.go(f"{self._frame.base(entered.request)}/subjects?{urlencode(query)}")

    # --- decisions -----------------------------------------------------------------------------------------------

    async def decisions(self, entered: Entered) -> Response:
        """Answer ``GET /admin/decisions``."""
        names = ("policy", "version", "act", "subject", "language", "since", "until")
        query = entered.request.query_params
        typed = {name: str(query.get(name, "")).strip() for name in names}
        page, error = None, None
        try:
            where = DecisionFilter(
                policy=typed["policy"] or None,
                version=typed["version"] or None,
                act=_act(typed["act"]),
                subject=parse_subject(typed["subject"]) if typed["subject"] else None,
                since=_instant(typed["since"], "since"),
                until=_instant(typed["until"], "until"),
                language=typed["language"] or None,
            )
            page = await self._frame.terms.admin.decisions(entered.administrator, where, cursor=query.get("cursor"))
        except (InputError, NotFoundError) as trouble:
            error = trouble
        calendar = await self._frame.terms.fresh()
        kept = {name: value for name, value in typed.items() if value}
        return self._frame.show(
            entered,
            "decisions.html",
            status=error.status if error else 200,
            error=error,
            typed=typed,
            page=page,
            policies=[policy.slug for policy in calendar.policies],
            acts=[(act.value, _ACTS[act.value].lower()) for act in Act],
            act_words=_ACTS,
            more=urlencode(kept | {"cursor": page.next}) if page and page.next else "",
        )


def person_of(record: SubjectRecord) -> Person:
    """A subject's record in sentences."""
    return Person(
        key=record.subject.key,
        query=urlencode({"subject": record.subject.key}),
        standing=tuple(_standing(one) for one in record.standing),
        history=tuple(_happening(item) for item in record.history),
        holds=tuple((hold.at, hold.basis) for hold in record.holds),
        held=record.held,
    )


def _standing(one: PolicyStatus) -> str:
    title, accepted, notice = one.policy.title_in(LANGUAGE), one.accepted, one.policy.kind is Kind.NOTICE
    words = f"{title}: {(_NOTICE_STATES if notice else _STATES)[one.state.value]}"
    last = "Acknowledged" if notice else "Accepted"
    return f"{words}. {last} last: {accepted.label}." if accepted else f"{words}."


def _happening(item: HistoryItem) -> Happening:
    return Happening(
        index=item.index,
        at=item.entry.at,
        words=told(item.entry),
        personal=tuple(sorted(item.opened.items())),
        erased=listed(sorted(name.replace("_", " ") for name in item.erased)),
        decision=str(item.entry.id) if isinstance(item.entry, DecisionEntry) else "",
    )


@singledispatch
def told(entry: Entry) -> str:
    """What an entry says, in a sentence."""
    return f"An entry of the type {type(entry).__name__}."


@told.register
def _decision(entry: DecisionEntry) -> str:
    words = f"{_ACTS[entry.decision]} {entry.policy} {entry.version} in {autonym(entry.language)}"
    words += f", {_METHODS[entry.method]}"
    if entry.compared:
        words += f", having been shown what changed since {entry.compared}"
    return f"{words}{', as a test' if entry.test else ''}."


@told.register
def _link(entry: LinkEntry) -> str:
    return f"Signed in: {counted(len(entry.carried), 'decision', 'decisions')} made before on this device are theirs."


@told.register
def _notice(entry: NoticeEntry) -> str:
    return f"Was told about {entry.policy} {entry.version} by {entry.channel}."


@told.register
def _erase(entry: EraseEntry) -> str:
    which = "everything personal" if entry.fields is None else listed([name.replace("_", " ") for name in entry.fields])
    if entry.mode == "hold":
        return f"A legal hold was put on them: {entry.basis}"
    if entry.mode == "release":
        return f"The legal hold was released: {entry.basis}"
    return f"Erased {which} of {counted(len(entry.refs), 'entry', 'entries')}: {entry.basis}"


def _act(written: str) -> Act | None:
    if not written:
        return None
    try:
        return Act(written)
    except ValueError:
        raise InputError(f"{written[:40]!r} is no decision", hint=f"one of {', '.join(Act)}", field="act") from None


def _instant(written: str, field: str) -> Instant | None:
    if not written:
        return None
    try:
        return parse_when(written)
    except InputError as error:
        raise InputError(error.message, hint=error.hint, field=field) from error
