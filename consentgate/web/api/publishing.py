"""Preview and publish.

Room: web.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.errors import DraftError, InputError
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftRef
from consentgate.service.preview import Preview, PreviewText
from consentgate.service.proposals import Done, Proposal
from consentgate.service.records import instant_or_none
from consentgate.service.terms import Terms
from consentgate.terms.draft import Draft, parse_draft
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Policy
from consentgate.terms.policy_file import policy_from_settings
from consentgate.terms.redline import to_bytes
from consentgate.terms.views import to_html
from consentgate.web.api.door import Door, Strict, body_of, media_of, read_json, takes
from consentgate.web.api.problems import named, problems, when
from consentgate.web.api.values import DraftIn, FindingOut, PublicationOut, publication

_MARKDOWN = ("text/markdown", "text/plain", "application/octet-stream")
_TEXT = {"policy": "terms-of-use", "version": "2027-01-15", "language": "en"}
_EXAMPLE = {
    "drafts": [{**_TEXT, "impact": "material", "effective": "2027-01-15", "text": "# Terms of Use\n\nBe kind.\n"}],
    "policies": [{"slug": "terms-of-use", "title": "Terms of Use", "kind": "contract"}],
}


class RefIn(Strict):
    """Where a draft of ours stands."""

    policy: str
    version: str
    language: str

    def ref(self) -> DraftRef:
        """As the service takes it."""
        return DraftRef(self.policy, self.version, self.language)


class PreviewIn(Strict):
    """What to preview: drafts of ours, texts that come along, settings."""

    refs: list[RefIn] = Field(default_factory=list, max_length=500, description="drafts of ours")
    drafts: list[DraftIn] = Field(default_factory=list, max_length=500)
    policies: list[dict[str, Any]] = Field(
        default_factory=list, max_length=100, description="settings as in policy.toml, with `slug`"
    )
    at: str | None = Field(default=None, description="effective date of texts whose front matter leaves it open")
    count: bool = Field(
        default=True, description="count whom it stops: exact, and seconds where there are millions of decisions"
    )


class PublishIn(PreviewIn):
    """Several policies, versions and translations, published in one act; `count` says nothing here."""

    expected: str | None = Field(
        default=None, description="`state` of the preview: publish only where nothing changed since"
    )
    dry_run: bool = False
    short_notice: bool = False


class RefOut(BaseModel):
    """A text: policy, version, language."""

    policy: str
    version: str
    language: str

    @classmethod
    def of(cls, ref: DraftRef) -> RefOut:
        """Describe it."""
        return cls(policy=ref.policy, version=ref.label, language=ref.language)


class ProposalOut(BaseModel):
    """A publication that waits for a second person, or was decided about."""

    id: str
    at: str
    author: str
    texts: list[RefOut]
    policies: list[str]
    status: str = Field(description="`open`, `approved` or `rejected`")
    decided: str | None
    decider: str | None
    reason: str

    @classmethod
    def of(cls, proposal: Proposal) -> ProposalOut:
        """Describe it."""
        return cls(
            id=proposal.id,
            at=format_instant(proposal.at),
            author=proposal.author,
            texts=[RefOut.of(ref) for ref in proposal.texts],
            policies=list(proposal.policies),
            status=proposal.status,
            decided=instant_or_none(proposal.decided),
            decider=proposal.decider,
            reason=proposal.reason,
        )


class PublishedOut(PublicationOut):
    """What was published; or, where a second person is needed (202), what would be, and the proposal of it."""

    proposal: ProposalOut | None = None


class PreviewTextOut(BaseModel):
    """One text as it would be published."""

    policy: str
    version: str
    language: str
    title: str
    impact: str
    effective: str
    digest: str
    html: str = Field(description="rendered and made safe")
    compared_with: str | None = Field(description="label of the version before")
    redline: dict[str, Any] | None = Field(description="against that version; see the page on formats")
    redline_html: str | None

    @classmethod
    def of(cls, text: PreviewText) -> PreviewTextOut:
        """Describe it."""
        return cls(
            policy=text.version.policy,
            version=text.version.label,
            language=text.translation.language,
            title=text.translation.title,
            impact=text.version.impact.value,
            effective=format_instant(text.version.effective),
            digest=text.translation.digest,
            html=text.html,
            compared_with=text.before.label if text.before else None,
            redline=json.loads(to_bytes(text.redline)) if text.redline else None,
            redline_html=to_html(text.redline) if text.redline else None,
        )


class StopOut(BaseModel):
    """How many subjects a version would stop."""

    policy: str
    version: str
    at: str = Field(description="from when on")
    subjects: int | None = Field(description="null with `count` false")
    first: bool = Field(description="nobody can have accepted this policy: everybody it binds will be asked")


class NoticeOut(BaseModel):
    """How long before it takes effect a version is announced, in days."""

    policy: str
    version: str
    promised: int
    given: int
    kept: bool


class PreviewOut(BaseModel):
    """What publishing would do."""

    publication: PublicationOut
    texts: list[PreviewTextOut]
    findings: list[FindingOut]
    notices: list[NoticeOut]
    each: list[StopOut]
    stops: int | None = Field(
        description="how many subjects all of it would stop, each counted once; null with `count` false"
    )
    state: str = Field(description="send it as `expected` when publishing")

    @classmethod
    def of(cls, found: Preview) -> PreviewOut:
        """Describe it."""
        return cls(
            publication=PublicationOut.of(found.publication),
            texts=[PreviewTextOut.of(text) for text in found.texts],
            findings=[FindingOut.of(finding) for finding in found.publication.findings],
            notices=[
                NoticeOut(policy=one.policy, version=one.label, promised=one.promised, given=one.given, kept=one.kept)
                for one in found.notices
            ],
            each=[
                StopOut(
                    policy=one.policy, version=one.label, at=format_instant(one.at), subjects=one.subjects,
                    first=one.first,
                )
                for one in found.each
            ],
            stops=found.stops,
            state=found.state,
        )  # fmt: skip


def answer_done(done: Done, response: Response) -> PublishedOut:
    """What came of publishing; 202 where it is a proposal."""
    if done.proposal is not None:
        response.status_code = 202
    return PublishedOut(
        **publication(done.publication), proposal=ProposalOut.of(done.proposal) if done.proposal else None
    )


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of previewing and publishing."""
    editor, publisher = door.needs("editor"), door.needs("publisher")

    @router.post("/preview", responses=problems(404, 409), openapi_extra=takes(PreviewIn, {"refs": [_TEXT]}))
    async def preview(request: Request, by: Administrator = editor) -> PreviewOut:
        """What publishing would do: texts rendered, redlines, findings, notice, and how many people it stops."""
        given = await read_json(request, PreviewIn)
        found = await terms.admin.preview(
            by,
            _refs(given),
            drafts=_drafts(given),
            policies=_policies(given),
            at=when("at", given.at),
            count=given.count,
        )
        return PreviewOut.of(found)

    @router.post(
        "/publish",
        responses={
            **problems(404, 409),
            202: {"model": PublishedOut, "description": "proposed; a second person decides"},
        },
        openapi_extra=takes(
            PublishIn, _EXAMPLE,
            text__markdown={"schema": {"type": "string"}, "example": "---\npolicy: terms-of-use\nversion: …\n---\n# …"},
        ),
    )  # fmt: skip
    async def publish(
        request: Request,
        response: Response,
        by: Administrator = publisher,
        *,
        dry_run: Annotated[bool, Query(description="only say what would happen")] = False,
        short_notice: Annotated[bool, Query(description="publish although the notice period is not kept")] = False,
    ) -> PublishedOut:
        """Publish: JSON with drafts, or one Markdown file with front matter. The same act twice is done once."""
        drafts, given = await _read(request)
        done = await terms.admin.publish(
            by,
            _refs(given),
            drafts=drafts,
            policies=_policies(given),
            expected=given.expected,
            at=when("at", given.at),
            short_notice=short_notice or given.short_notice,
            dry_run=dry_run or given.dry_run,
        )
        return answer_done(done, response)


async def _read(request: Request) -> tuple[list[Draft], PublishIn]:
    raw, media = await body_of(request), media_of(request)
    if media in _MARKDOWN:
        with named("body"):
            return [parse_draft(raw, file="the request body")], PublishIn()
    if media != "application/json":
        raise InputError(
            f"the content type {media[:60]!r} is not understood",
            hint="send application/json, or one Markdown file with front matter as text/markdown",
            field="Content-Type",
        )
    given = await read_json(request, PublishIn)
    return _drafts(given), given


def _refs(given: PreviewIn) -> list[DraftRef]:
    return [one.ref() for one in given.refs]


def _drafts(given: PreviewIn) -> list[Draft]:
    found = []
    for number, one in enumerate(given.drafts):
        with named(f"drafts.{number}"):
            found.append(one.draft())
    return found


def _policies(given: PreviewIn) -> list[Policy]:
    found = []
    for number, settings in enumerate(given.policies):
        with named(f"policies.{number}"):
            rest = {key: value for key, value in settings.items() if key != "slug"}
            slug = settings.get("slug")
            if not isinstance(slug, str):
                raise DraftError(
                    "'slug' is missing", file=f"policies[{number}]", hint="say which policy these settings are for"
                )
            found.append(policy_from_settings(rest, slug=slug, file=f"policies[{number}] ({slug[:64]})"))
    return found
