"""The review page at work: shown, sealed, decided.

Room: web. Shown equals signed: the page is rendered with fixed marks, those bytes are kept and their digest is sealed
into the offer, and only then do offer, return address and kept form replace the marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from typing import cast
from urllib.parse import quote, unquote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from consentgate.errors import (
    ConsentGateError,
    DecisionError,
    OfferExpiredError,
    OverloadedError,
    SealError,
    StoreError,
    TermsChangedError,
)
from consentgate.gate.hooks import KeptForm
from consentgate.gate.paths import local_path
from consentgate.gate.returning import open_return
from consentgate.gate.seals import Seals
from consentgate.service.offer import OfferDraft, SealedOffer, control_bytes
from consentgate.service.settings import HOUR
from consentgate.terms.instants import SECOND
from consentgate.terms.policy import SLUG, Act, Kind
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.web.checks import Checks
from consentgate.web.kept import kept_owner, open_kept, seal_kept
from consentgate.web.notices import ready_page, settled_page
from consentgate.web.present import VIEWS, Notice, View, _, address
from consentgate.web.review import CARRY_MARK, NEXT_MARK, OFFER_MARK, Wishes, build_review
from consentgate.web.security import check_same_origin, read_form
from consentgate.web.visit import House, Visit, redirect

_CHOICES = {act.value: act for act in (Act.GRANT, Act.REFUSE, Act.WITHDRAW)}


@dataclass(frozen=True, slots=True)
class Errand:
    """What travels with the review page from one request to the next.

    Args:
        next: sealed return address, or empty.
        kept: sealed form, or empty.
        view: of the redline.
        only: slug of the one policy asked about, or empty.
        path: of the request that was stopped, without the mount point; empty where `next` or `kept` tell.
        notice: what to say first.
        missing: slugs whose box was not ticked.
        status: to answer with.
        retry_after: seconds, for 503.
    """

    next: str = ""
    kept: str = ""
    view: View = "inline"
    only: str = ""
    path: str = ""
    notice: Notice | None = None
    missing: frozenset[str] = frozenset()
    status: int = 200
    retry_after: int = 0


class Deciding:
    """The review page's requests."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.checks = Checks()

    @property
    def seals(self) -> Seals:
        """Of this site."""
        return self.house.terms.engine.seals

    # --- showing -------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """Answer ``GET /terms/review``."""
        visit = self.house.visit(request)
        only = visit.query("policy")
        errand = Errand(
            next=self._own(visit.query("next")),
            view=_view(visit.query("view")),
            only=only if SLUG.fullmatch(only) else "",
        )
        return await self.present(visit, errand)

    async def in_place(
        self, request: Request, *, status: int, kept: KeptForm | None, too_large: bool, only: str = ""
    ) -> Response:
        """Answer a stopped request with the review page itself."""
        visit = self.house.visit(request)
        words = visit.words
        notice = None
        if too_large:
            notice = Notice(
                words.say(_("The form you sent has not arrived.")),
                words.say(
                    _(
                        "It was too large to be kept here, had files with it, or came from another website. "
                        "Decide below, then go back to your form with the back button and send it again."
                    )
                ),
                "error",
            )
        return await self.present(
            visit, Errand(only=only, path=local_path(request.scope), notice=notice, status=status), keep=kept
        )

    async def present(self, visit: Visit, errand: Errand, *, keep: KeptForm | None = None) -> Response:
        """Draft an offer, render it, seal what was rendered, and put the seal into the page."""
        terms, subject = self.house.terms, self._asked(visit, errand)
        if keep is not None:
            errand = replace(errand, kept=seal_kept(self.seals, keep, subject.key))
        only, path = [errand.only] if errand.only else None, self._going(visit, errand, subject)
        draft = await terms.offer(subject, languages=visit.wanted, only=only, path=path)
        if not draft.items:
            return self._nothing_to_decide(visit, errand, subject)
        wishes = Wishes(
            view=errand.view,
            language=_language(visit, draft),
            base=visit.base,
            kept=bool(errand.kept),
            only=errand.only,
            notice=errand.notice,
            missing=errand.missing,
        )
        chains = {item.policy.slug: terms.calendar.chain(item.policy.slug) for item in draft.items}
        page = build_review(draft, visit.words, wishes, chains=chains, now=draft.shown_at)
        html = self.house.html(visit, "review.html", page)
        # Nobody decides through another person's eyes: that page has no button, and is no page on which people accept.
        check = None if subject.impersonated_by else await self.checks.check(html)
        controls = {
            slug: control_bytes(said, "", button, act, check=check)
            for slug, (said, button, act) in page.controls.items()
        }
        token = await terms.seal_offer(draft, page=html.encode(), controls=controls)
        headers = {"Retry-After": str(errand.retry_after)} if errand.retry_after else {}
        links = [f'<{visit.base}/{item.policy.slug}>; rel="{_REL[item.policy.kind]}"' for item in draft.items]
        headers["Link"] = ", ".join(links)
        return self.house.answer(visit, _fill(html, token, errand), status=errand.status, headers=headers)

    def _nothing_to_decide(self, visit: Visit, errand: Errand, subject: Subject) -> Response:
        """Already decided, perhaps in another tab. A link, not a redirect: nothing may ever loop here."""
        target = self._return_address(errand)
        if errand.kept:
            try:
                resend = open_kept(self.seals, errand.kept, subject.key)
            except SealError:
                pass
            else:
                return self.house.page(visit, "message.html", ready_page(visit, resend))
        return self.house.page(visit, "message.html", settled_page(visit, target or visit.home))

    def _own(self, token: str) -> str:
        """A return address we sealed, still sealed; anything else is dropped at the door."""
        try:
            return token if token and open_return(self.seals, token) else ""
        except SealError:
            return ""

    def _asked(self, visit: Visit, errand: Errand) -> Subject:
        """Who is asked. A visitor without a pass stays who they were when their form was kept, whatever came between
        (a forgotten box, another view), or the form would be a stranger's."""
        owner = kept_owner(self.seals, errand.kept) if errand.kept and visit.subject is None else None
        kind, _, name = (owner or "").partition(":")
        return Subject(name, SubjectKind.VISITOR) if kind == SubjectKind.VISITOR else self.house.subject_of(visit)

    def _going(self, visit: Visit, errand: Errand, subject: Subject) -> str | None:
        """The path this visitor is on their way to, without the mount point; ``None`` where none is known."""
        if errand.path:
            return errand.path
        target = self._return_address(errand)
        if errand.kept:
            with suppress(SealError):
                target = open_kept(self.seals, errand.kept, subject.key).action
        if target is None:
            return None
        return local_path({"path": unquote(target.partition("?")[0]), "root_path": visit.root})

    def _return_address(self, errand: Errand) -> str | None:
        return open_return(self.seals, errand.next) if errand.next else None

    # --- deciding ------------------------------------------------------------------------------------------------

    async def decide(self, request: Request) -> Response:
        """Answer ``POST /terms/review``."""
        check_same_origin(request.scope, self.house.proxies)
        form = await read_form(request)
        asked = _text(form, "to_language") or _text(form, "language")
        visit = self.house.visit(request, asked=asked)
        only = _text(form, "policy")
        errand = Errand(
            next=self._own(_text(form, "next")),
            kept=_text(form, "kept"),
            view=_view(_text(form, "to_view") or _text(form, "view")),
            only=only if SLUG.fullmatch(only) else "",
        )
        what = _text(form, "do")
        if what not in ("accept", "decline", "leave", "later"):
            return await self.present(visit, errand)
        try:
            offer = self.house.terms.open_offer(_text(form, "offer"))
            return await self._act(visit, errand, what, offer, form)
        except ConsentGateError as error:
            return await self._say_again(visit, errand, error)

    async def _act(self, visit: Visit, errand: Errand, what: str, offer: SealedOffer, form: FormData) -> Response:
        if what == "later":
            return await self._later(visit, errand, offer)
        if what == "leave":
            return self._leave(visit, errand, offer)
        acts, missing = self._acts(offer, what, form)
        if missing:
            notice = Notice(
                visit.words.say(_("Nothing has been recorded yet.")),
                visit.words.say(_("A box is not ticked. Please tick it if you agree, or choose otherwise.")),
                "error",
            )
            return await self.present(visit, replace(errand, notice=notice, missing=missing, status=422))
        if not acts:
            return redirect(self._return_address(errand) or f"{visit.base}/mine")
        decided = await self.house.terms.decide(
            _text(form, "offer"), acts, subject=visit.subject, facts=self.house.facts(visit)
        )
        if what == "decline":
            return self.house.give_pass(redirect(self._declined_url(visit)), visit, decided.pass_token)
        return self.house.give_pass(self._onward(visit, errand, decided.subject), visit, decided.pass_token)

    def _acts(self, offer: SealedOffer, what: str, form: FormData) -> tuple[dict[str, Act], frozenset[str]]:
        """What the form decides about each policy of the offer, and which boxes were left unticked."""
        ticked = {str(value) for value in form.getlist("assent")}
        acts: dict[str, Act] = {}
        missing = set()
        for item in offer.items:
            policy = self.house.terms.calendar.by_slug.get(item.policy)
            kind = policy.kind if policy else Kind.CONTRACT
            if what == "decline":
                if kind is Kind.CONTRACT:
                    acts[item.policy] = Act.DECLINE
            elif kind is Kind.CONSENT:
                if chosen := _CHOICES.get(_text(form, f"choice-{item.policy}")):
                    acts[item.policy] = chosen
            elif item.policy in ticked:
                acts[item.policy] = Act.ACCEPT if kind is Kind.CONTRACT else Act.ACKNOWLEDGE
            else:
                missing.add(item.policy)
        if what == "decline" and not acts:
            raise DecisionError("there is nothing here that could be declined", hint="leave the page instead")
        return acts, frozenset(missing)

    def _onward(self, visit: Visit, errand: Errand, subject: Subject) -> Response:
        """To where they were going: the kept form's page, the wanted page, or their agreements."""
        if errand.kept:
            try:
                resend = open_kept(self.seals, errand.kept, subject.key)
            except SealError:
                return self.house.page(visit, "message.html", settled_page(visit, visit.home, lost=True))
            return self.house.page(visit, "message.html", ready_page(visit, resend))
        target = self._return_address(errand)
        return redirect(target or address(f"{visit.base}/mine", done="1", language=visit.switched))

    async def _later(self, visit: Visit, errand: Errand, offer: SealedOffer) -> Response:
        """Not now: remembered in the pass for a while; nothing is recorded, because nothing was decided."""
        subject = visit.subject or offer.subject
        if subject.key != offer.subject.key and offer.subject.kind is not SubjectKind.VISITOR:
            raise TermsChangedError("somebody else is signed in", signed_in=True)
        if subject.impersonated_by is not None:
            # A pass in an administrator's browser would outlive the disguise; the gate does not hold them up anyway.
            return redirect(self._return_address(errand) or visit.home)
        terms = self.house.terms
        snoozed = terms.clock() + self.house.settings.snooze_hours * HOUR * SECOND
        token = terms.pass_for(subject, await terms.accepted(subject), snoozed=snoozed)
        if errand.kept:
            return self.house.give_pass(self._onward(visit, errand, subject), visit, token)
        return self.house.give_pass(redirect(self._return_address(errand) or visit.home), visit, token)

    def _leave(self, visit: Visit, errand: Errand, offer: SealedOffer) -> Response:
        """Nobody declines a notice or a consent that was not answered: nothing is recorded."""
        kinds = {policy.kind for item in offer.items if (policy := self.house.terms.calendar.by_slug.get(item.policy))}
        if kinds == {Kind.CONSENT}:
            return redirect(self._return_address(errand) or f"{visit.base}/mine")
        return redirect(address(self._declined_url(visit), left="1" if not self.house.settings.declined_url else None))

    def _declined_url(self, visit: Visit) -> str:
        return self.house.settings.declined_url or f"{visit.base}/declined"

    # --- when it did not work ------------------------------------------------------------------------------------

    async def _say_again(self, visit: Visit, errand: Errand, error: ConsentGateError) -> Response:
        """Show the page as it is now, and say what happened. Nothing was recorded; the kept form stays kept."""
        if isinstance(error, StoreError) and not isinstance(error, OverloadedError):
            raise error
        notice, status = _explain(visit, error)
        retry = error.retry_after if isinstance(error, OverloadedError) else 0
        return await self.present(visit, replace(errand, notice=notice, status=status, retry_after=retry))


def _explain(visit: Visit, error: ConsentGateError) -> tuple[Notice, int]:
    """What happened, in the reader's words, and the status that says the same to machines."""
    say = visit.words.say
    nothing = say(_("Nothing has been recorded. Please look at the page as it is now and decide again."))
    if isinstance(error, OverloadedError):
        body = say(_("Nothing has been recorded. Please wait a few seconds and try again."))
        return Notice(say(_("Too many people are deciding at this moment.")), body, "error"), 503
    if isinstance(error, TermsChangedError) and error.data.get("signed_in"):
        return Notice(
            say(_("You are signed in as somebody else than when this page was opened.")), nothing, "error"
        ), 409
    if isinstance(error, TermsChangedError) and error.data.get("answered"):
        title = say(_("This page was answered before, and differently."))
        return Notice(title, say(_("Your first answer stands. You can decide again below.")), "error"), 409
    if isinstance(error, TermsChangedError):
        return Notice(say(_("A new version was published while you were reading.")), nothing, "error"), 409
    if isinstance(error, OfferExpiredError):
        return Notice(say(_("This page was open for a very long time.")), nothing, "error"), 409
    if isinstance(error, SealError):
        return Notice(say(_("The page did not come back complete.")), nothing, "error"), 400
    return Notice(say(_("This decision is not possible.")), nothing, "error"), error.status


_REL = {Kind.CONTRACT: "terms-of-service", Kind.NOTICE: "privacy-policy", Kind.CONSENT: "related"}


def _fill(html: str, token: str, errand: Errand) -> str:
    """Put offer, return address and kept form where the marks are."""
    carried = _hidden({"next": errand.next, "kept": errand.kept, "policy": errand.only})
    tail = f"&amp;next={escape(quote(errand.next, safe=''))}" if errand.next else ""
    html = html.replace(OFFER_MARK, _hidden({"offer": token}) + carried)
    return html.replace(CARRY_MARK, carried).replace(NEXT_MARK, tail)


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items() if value
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _view(name: str) -> View:
    return cast("View", name) if name in VIEWS else "inline"


def _language(visit: Visit, draft: OfferDraft) -> str:
    """The language the page says it is in: one that exists, so that no stranger's query makes a new page of ours."""
    known = {tag for item in draft.items for tag in item.version.languages}
    return visit.asked if visit.asked in known else visit.words.language
