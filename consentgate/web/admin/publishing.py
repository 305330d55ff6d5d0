"""Publishing: the last page, which says in words what will happen to whom and when; and the second person.

Room: web. The last page carries the state it was made on: where anything changed since, nothing is published and the
page is shown again as things stand now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from consentgate.errors import ConflictError, ConsentGateError, DraftError, InputError, NotFoundError, TextError
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftRef, draft_ref
from consentgate.service.preview import Preview
from consentgate.service.proposals import Done, Proposal
from consentgate.service.publish import Publication
from consentgate.terms.draft import parse_when
from consentgate.terms.instants import Instant
from consentgate.terms.languages import direction
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form
from consentgate.web.admin.frame import LANGUAGE, Frame
from consentgate.web.admin.sentences import Told, consequences, counted, findings_told, moment, notice_told
from consentgate.web.present import stats_line
from consentgate.web.redlines import redline_html, text_html
from consentgate.web.render import autonym


@dataclass(frozen=True, slots=True)
class TextCard:
    """One text on the last page."""

    heading: str
    language: str
    dir: str
    author_summary: str
    summary: str
    redline: Markup | None
    text: Markup


@dataclass(frozen=True, slots=True)
class Judged:
    """A preview as the pages show it.

    Args:
        will: what will happen, in sentences.
        told: what the checks found.
        notices: whether promised notice is given.
        short: whether it is not.
        texts: each text with its redline.
        state: what this was made on.
        stops: how many are stopped in all; ``None`` where they are not counted.
    """

    will: tuple[str, ...]
    told: tuple[Told, ...]
    notices: tuple[Told, ...]
    short: bool
    texts: tuple[TextCard, ...]
    state: str
    stops: int | None


@dataclass(frozen=True, slots=True)
class ProposalLine:
    """A proposal in the list."""

    id: str
    at: Instant
    author: str
    own: bool
    what: str
    status: str
    decided: Instant | None
    decider: str
    reason: str


class Publishing:
    """The publishers' pages.

    Args:
        frame: around them.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    # --- the last page -------------------------------------------------------------------------------------------

    async def ask(self, entered: Entered) -> Response:
        """Answer ``GET /admin/publish?draft=…``."""
        query = entered.request.query_params
        return await self._last(entered, query.getlist("draft"), str(query.get("at", "")))

    async def publish(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/publish``."""
        drafts, at, short = form.all("draft"), form.text("at"), bool(form.text("short_notice"))
        try:
            done = await self._frame.terms.admin.publish(
                entered.administrator,
                _refs(drafts),
                expected=form.text("state") or None,
                at=_instant(at),
                short_notice=short,
            )
        except (ConflictError, DraftError, InputError, NotFoundError, TextError) as error:
            return await self._last(entered, drafts, at, error, short=short)
        return self._happened(entered, done)

    async def _last(
        self, entered: Entered, drafts: Iterable[str], at: str, error: ConsentGateError | None = None, *,
        short: bool = False,
    ) -> Response:  # fmt: skip
        judged, drafts = None, list(drafts)
        try:
            counts = await self._frame.counts(entered)
            preview = await self._frame.terms.admin.preview(
                entered.administrator, _refs(drafts), at=_instant(at), count=counts
            )
            judged = await self._judge(preview)
        except (DraftError, InputError, NotFoundError, TextError) as trouble:
            error = error or trouble
        return self._frame.show(
            entered,
            "publish.html",
            status=error.status if error else 200,
            drafts=drafts,
            at=at,
            short=short,
            judged=judged,
            error=error,
            second=self._frame.terms.settings.approvals > 0,
            count=urlencode([*(("draft", one) for one in drafts), ("at", at), ("count", "yes")]),
        )

    async def _judge(self, preview: Preview) -> Judged:
        calendar, now = await self._frame.terms.fresh(), self._frame.terms.clock()
        return Judged(
            will=consequences(preview, calendar, now),
            # Whether the notice is kept stands in a section of its own.
            told=findings_told(tuple(one for one in preview.publication.findings if one.code != "short-notice")),
            notices=tuple(notice_told(notice) for notice in preview.notices if notice.promised),
            short=any(not notice.kept for notice in preview.notices),
            texts=self._cards(preview),
            state=preview.state,
            stops=preview.stops,
        )

    def _cards(self, preview: Preview) -> tuple[TextCard, ...]:
        words, cards = self._frame.renderer.words(LANGUAGE), []
        for number, text in enumerate(preview.texts):
            slug, redline = f"text-{number}", text.redline
            compared = f", compared with {text.before.label}" if text.before and redline else ""
            cards.append(
                TextCard(
                    heading=f"{text.translation.title} {text.version.label} in "
                    f"{autonym(text.translation.language)}{compared}",
                    language=text.translation.language,
                    dir=direction(text.translation.language),
                    author_summary=text.translation.summary,
                    summary=stats_line(redline, words) if redline else "",
                    redline=redline_html(redline, "changes", words, slug=slug, top=3) if redline else None,
                    text=text_html(text.source, slug=slug, top=3),
                )
            )
        return tuple(cards)

    def _happened(self, entered: Entered, done: Done) -> Response:
        return self._frame.show(
            entered,
            "published.html",
            proposal=done.proposal,
            lines=_done(done.publication, self._frame.terms.clock()),
        )

    # --- the second person ---------------------------------------------------------------------------------------

    async def proposals(self, entered: Entered) -> Response:
        """Answer ``GET /admin/proposals``."""
        who = entered.administrator
        names = await self._names()
        found = [_proposal(one, who, names) for one in await self._frame.terms.admin.proposals(who)]
        return self._frame.show(
            entered, "proposals.html", proposals=found, second=self._frame.terms.settings.approvals > 0
        )

    async def _names(self) -> dict[str, str]:
        """What the holders of tokens are called, by their ids: people read a name, not an id."""
        return {f"token:{token.id}": token.label for token in await self._frame.terms.list_tokens()}

    async def proposal(self, entered: Entered) -> Response:
        """Answer ``GET /admin/proposals/{id}``."""
        return await self._one(entered)

    async def _one(self, entered: Entered, error: ConsentGateError | None = None, *, reason: str = "") -> Response:
        admin, who = self._frame.terms.admin, entered.administrator
        proposal = await admin.proposal(who, entered.request.path_params["id"])
        judged = None
        if proposal.status == "open":
            try:
                counts = await self._frame.counts(entered)
                judged = await self._judge(await admin.preview_proposal(who, proposal.id, count=counts))
            except (DraftError, InputError, ConflictError) as trouble:
                error = error or trouble
        return self._frame.show(
            entered,
            "proposal.html",
            status=error.status if error else 200,
            proposal=_proposal(proposal, who, await self._names()),
            judged=judged,
            error=error,
            reason=reason,
            count="count=yes",
        )

    async def approve(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/proposals/{id}/approve``."""
        del form
        admin, who = self._frame.terms.admin, entered.administrator
        try:
            publication = await admin.approve(who, entered.request.path_params["id"])
        except (ConflictError, InputError) as error:
            return await self._one(entered, error)
        return self._happened(entered, Done(publication))

    async def reject(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/proposals/{id}/reject``."""
        admin, who = self._frame.terms.admin, entered.administrator
        try:
            await admin.reject(who, entered.request.path_params["id"], form.text("reason"))
        except (ConflictError, InputError) as error:
            return await self._one(entered, error, reason=form.text("reason"))
        return self._frame.go(f"{self._frame.base(entered.request)}/proposals")


def _refs(values: Iterable[str]) -> list[DraftRef]:
    refs = []
    for value in values:
        parts = value.split("/")
        if len(parts) != 3:
            raise InputError(f"{value[:60]!r} names no draft", hint="choose drafts in the list", field="draft")
        refs.append(draft_ref(*parts))
    return refs


def _instant(at: str) -> Instant | None:
    """A date as a form has it; without a zone it is UTC, which the form says."""
    if not at:
        return None
    try:
        return parse_when(f"{at}:00Z" if "T" in at and len(at) == len("2027-01-15T00:00") else at)
    except InputError as error:
        raise InputError(error.message, hint=error.hint, field="at") from error


def _proposal(proposal: Proposal, who: Administrator, names: Mapping[str, str]) -> ProposalLine:
    what = [f"{ref.policy} {ref.label} ({ref.language})" for ref in proposal.texts]
    what += [f"settings of {slug}" for slug in proposal.policies]
    return ProposalLine(
        proposal.id, proposal.at, names.get(proposal.author, proposal.author), proposal.is_of(who), ", ".join(what),
        proposal.status, proposal.decided, names.get(proposal.decider or "", proposal.decider or ""), proposal.reason,
    )  # fmt: skip


def _done(publication: Publication, now: Instant) -> tuple[str, ...]:
    lines = [
        f"{version.policy} {version.label}, which takes effect "
        + (f"on {moment(version.effective)}" if version.effective > now else "at once")
        for version in publication.published
    ]
    lines += [f"{version.policy} {version.label} in {one.language}" for version, one in publication.translations]
    lines += [f"the settings of {policy.slug}" for policy in publication.policies]
    if not lines and publication.unchanged:
        number = counted(len(publication.unchanged), "version was", "versions were")
        return (f"{number} published already, just like this; nothing was done twice",)
    return tuple(lines)
