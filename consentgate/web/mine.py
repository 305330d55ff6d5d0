"""What concerns one subject: their agreements, receipts and status; and the page for those who declined.

Room: web. Everything here is personal: never stored by anybody in between, never listed, and a receipt goes to nobody
but its subject.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consentgate.errors import NotFoundError
from consentgate.evidence.entry import DecisionEntry
from consentgate.service.status import PolicyStatus
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Act, Kind, Version
from consentgate.terms.subject import Subject
from consentgate.web.notices import declined_page
from consentgate.web.present import Choice, Notice, _, address, language_choices, n_
from consentgate.web.render import Words, localised_moment
from consentgate.web.texts import repr_digest
from consentgate.web.visit import House, Visit

PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

RECEIPT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision, as its subject reads it."""

    title: str
    language: str
    facts: list[str]
    text_url: str
    changes_url: str
    receipt_url: str
    page_url: str
    change_url: str = ""
    change_label: str = ""


@dataclass(frozen=True, slots=True)
class MinePage:
    """What ``mine.html`` shows."""

    decisions: list[DecisionLine]
    languages: list[Choice]
    pending: str = ""
    consents: list[Choice] = field(default_factory=list)
    notice: Notice | None = None


class Mine:
    """The personal pages."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def agreements(self, request: Request) -> Response:
        """Answer ``GET /terms/mine``: everything this subject decided, the newest first."""
        visit = self.house.visit(request)
        say = visit.words.say
        decisions = await self.house.terms.decisions(visit.subject) if visit.subject else ()
        status = await self.house.terms.status(visit.subject)
        answered = {entry.policy for entry in decisions}
        blocking = sum(1 for one in status if one.policy.kind.gates and one.state.blocks)
        page = MinePage(
            decisions=self._lines(visit, decisions),
            languages=language_choices(
                self.house.renderer.catalogues.languages, visit.words.language, f"{visit.base}/mine?language={{}}"
            ),
            pending=visit.words.count(
                n_("%(num)s text needs your decision", "%(num)s texts need your decision"), blocking
            )
            if blocking
            else "",
            consents=[
                Choice(
                    one.policy.title_in(visit.words.language),
                    f"{visit.base}/review?policy={one.policy.slug}",
                    chosen=False,
                )
                for one in status
                if one.policy.kind is Kind.CONSENT and one.policy.slug not in answered
            ],
            notice=Notice(say(_("Your decision is recorded.")), say(_("The receipt is yours to keep.")))
            if visit.query("done")
            else None,
        )
        return self.house.page(visit, "mine.html", page)

    def _lines(self, visit: Visit, decisions: tuple[DecisionEntry, ...]) -> list[DecisionLine]:
        latest: set[str] = set()
        lines = []
        for entry in decisions:
            lines.append(self._line(visit, entry, newest=entry.policy not in latest))
            latest.add(entry.policy)
        return lines

    def _line(self, visit: Visit, entry: DecisionEntry, *, newest: bool) -> DecisionLine:
        words = visit.words
        version = self.house.terms.calendar.by_serial.get(entry.serial)
        title = version.translation(entry.language).title if version else entry.policy
        acts = _act_words(words)
        when = localised_moment(entry.at, words.language)
        facts = [
            words.say(_("%(act)s on %(moment)s"), act=acts[Act(entry.decision)], moment=when),
            words.say(_("Version %(version)s"), version=entry.version),
        ]
        if entry.expires is not None:
            facts.append(words.say(_("valid until %(moment)s"), moment=localised_moment(entry.expires, words.language)))
        base = f"{visit.base}/{entry.policy}"
        free = newest and entry.kind == Kind.CONSENT.value
        granted = Act(entry.decision) is Act.GRANT
        compared = {"from": entry.compared, "to": entry.version, "language": entry.language}
        return DecisionLine(
            title=title,
            language=entry.language,
            facts=facts,
            text_url=f"{base}/{entry.version}?language={entry.language}",
            changes_url=address(f"{base}/changes", **compared) if entry.compared else "",
            receipt_url=f"{visit.base}/receipts/{entry.id}",
            page_url=f"{visit.base}/receipts/{entry.id}/page" if entry.page else "",
            change_url=f"{visit.base}/review?policy={entry.policy}" if free else "",
            change_label=words.say(_("Withdraw your consent")) if granted else words.say(_("Change your choice")),
        )

    async def receipt(self, request: Request) -> Response:
        """Answer ``GET /terms/receipts/{id}``: the receipt as a file, to its subject only."""
        entry = await self._own(request)
        body = await self.house.terms.receipt(str(entry.id))
        name = f"{entry.policy}-{entry.version}-{entry.decision}.receipt"
        headers = PRIVATE | {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Repr-Digest": repr_digest(body),
        }
        return Response(body, media_type=RECEIPT_TYPE, headers=headers)

    async def page(self, request: Request) -> Response:
        """Answer ``GET /terms/receipts/{id}/page``: the exact page that was shown, as a file."""
        entry = await self._own(request)
        if entry.page is None:
            raise NotFoundError("no page was shown for this decision")
        body = await self.house.terms.blob(entry.page)
        headers = PRIVATE | {
            "Content-Disposition": f'attachment; filename="{entry.policy}-{entry.version}-page.html"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Repr-Digest": repr_digest(body),
        }
        return Response(body, media_type="text/html", headers=headers)

    async def _own(self, request: Request) -> DecisionEntry:
        """The decision in the address, if it is the visitor's own; to everybody else it does not exist."""
        visit = self.house.visit(request)
        decisions = await self.house.terms.decisions(visit.subject) if visit.subject else ()
        wanted = request.path_params["id"]
        found = next((entry for entry in decisions if str(entry.id) == wanted), None)
        if found is None:
            raise NotFoundError("there is no such receipt of yours")
        return found

    async def declined(self, request: Request) -> Response:
        """Answer ``GET /terms/declined``."""
        visit = self.house.visit(request)
        page = declined_page(visit, self.house.settings.open_paths, left=bool(visit.query("left")))
        return self.house.page(visit, "message.html", page)

    async def status(self, request: Request) -> Response:
        """Answer ``GET /terms/status``: how each policy stands for whoever asks, as JSON."""
        visit = self.house.visit(request)
        policies = await self.house.terms.status(visit.subject)
        body = {
            "subject": _subject(visit.subject),
            "review_url": f"{visit.base}/review",
            "policies": [_status(visit, one) for one in policies],
        }
        return JSONResponse(body, headers=PRIVATE)


def _act_words(words: Words) -> dict[Act, str]:
    return {
        Act.ACCEPT: words.say(_("Accepted")),
        Act.DECLINE: words.say(_("Declined")),
        Act.ACKNOWLEDGE: words.say(_("Acknowledged")),
        Act.GRANT: words.say(_("Consented")),
        Act.REFUSE: words.say(_("Refused")),
        Act.WITHDRAW: words.say(_("Withdrawn")),
    }


def _subject(subject: Subject | None) -> str | None:
    """The kind of subject; never its id, which a script has no business to learn here."""
    return subject.kind.value if subject else None


def _status(visit: Visit, one: PolicyStatus) -> dict[str, object]:
    slug = one.policy.slug
    asked, in_force = one.version, one.standing.in_force
    return {
        "policy": slug,
        "kind": one.policy.kind.value,
        "state": one.state.value,
        "in_force_version": in_force.label if in_force else None,
        "required_version": asked.label if asked else None,
        "required_sha256": asked.digest if asked else None,
        "effective_at": format_instant(asked.effective) if asked else None,
        "enforced_at": format_instant(asked.enforced) if asked else None,
        "accepted_version": one.accepted.label if one.accepted else None,
        "accepted_at": format_instant(one.decision.at) if one.decision else None,
        "accepted_until": format_instant(one.decision.expires) if one.decision and one.decision.expires else None,
        "text_url": f"{visit.base}/{slug}",
        "changes_url": _changes(visit, slug, one.accepted, asked),
    }


def _changes(visit: Visit, slug: str, accepted: Version | None, asked: Version | None) -> str | None:
    if accepted is None or asked is None or accepted.serial == asked.serial:
        return None
    return address(f"{visit.base}/{slug}/changes", **{"from": accepted.label, "to": asked.label})
