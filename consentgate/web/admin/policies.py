"""A policy: its settings, its versions, who has not accepted; to change, cancel and retire.

Room: web.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from consentgate.errors import (
    ConflictError,
    ConsentGateError,
    DraftError,
    ImmutableError,
    InputError,
    NotFoundError,
    PreconditionError,
)
from consentgate.service.administration import PolicyInfo, VersionInfo
from consentgate.service.editing import policy_etag
from consentgate.terms.draft import parse_when
from consentgate.terms.instants import Instant, format_instant
from consentgate.terms.languages import direction
from consentgate.terms.policy import Kind, Policy
from consentgate.terms.policy_file import policy_from_settings
from consentgate.terms.subject import SubjectKind
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form
from consentgate.web.admin.frame import LANGUAGE, Frame
from consentgate.web.admin.overview import card_of
from consentgate.web.redlines import text_html

_PLAIN = ("title", "kind", "prevailing", "notice_days", "renew_after", "retain_days", "tags", "paths")
_STATES = {
    "planned": "planned: visitors do not see it yet",
    "announced": "announced: visitors can read and accept it",
    "in force": "in force",
    "past": "past",
    "retired": "retired with its policy",
    "cancelled": "cancelled: it never takes effect",
}


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list."""

    label: str
    url: str
    state: str
    impact: str
    effective: Instant
    languages: str
    cancellable: bool


class Policies:
    """The pages of policies and versions.

    Args:
        frame: around them.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, entered: Entered) -> Response:
        """Answer ``GET /admin/policies/{policy}``."""
        return await self._page(entered)

    async def _page(self, entered: Entered, error: ConsentGateError | None = None, **typed: str) -> Response:
        admin, who, slug = self._frame.terms.admin, entered.administrator, entered.request.path_params["policy"]
        info = await admin.policy(who, slug)
        [numbers] = await admin.statistics(who, slug, subjects=await self._frame.counts(entered))
        versions = await admin.versions(who, slug)
        others = [one.policy.slug for one in await admin.policies(who) if one.policy.slug != slug]
        return self._frame.show(
            entered,
            "policy.html",
            status=error.status if error else 200,
            error=error,
            typed={"at": "", "replaced_by": "", **typed},
            card=card_of(info, numbers, self._frame.terms.clock()),
            facts=_facts(info),
            retired=info.policy.retired is not None,
            etag=info.etag,
            others=others,
            versions=[self._line(entered, one) for one in reversed(versions)],
        )

    def _line(self, entered: Entered, info: VersionInfo) -> VersionLine:
        version = info.version
        return VersionLine(
            version.label,
            f"{self._frame.base(entered.request)}/policies/{version.policy}/versions/{version.label}",
            _STATES[info.state],
            version.impact.value,
            version.effective,
            ", ".join(version.languages),
            info.state in ("planned", "announced"),
        )

    # --- one version ---------------------------------------------------------------------------------------------

    async def version(self, entered: Entered) -> Response:
        """Answer ``GET /admin/policies/{policy}/versions/{label}``."""
        return await self._version(entered)

    async def _version(self, entered: Entered, error: ConsentGateError | None = None, reason: str = "") -> Response:
        admin, place = self._frame.terms.admin, entered.request.path_params
        info = await admin.version(entered.administrator, place["policy"], place["label"])
        language = str(entered.request.query_params.get("language", "")) or info.version.prevailing
        _, translation, source = await admin.version_text(
            entered.administrator, info.version.policy, info.version.label, language
        )
        return self._frame.show(
            entered,
            "version.html",
            status=error.status if error else 200,
            error=error,
            reason=reason,
            line=self._line(entered, info),
            version=info.version,
            translation=translation,
            dir=direction(translation.language),
            text=text_html(source, slug="text", top=2),
        )

    async def cancel(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST …/versions/{label}/cancel``."""
        place, reason = entered.request.path_params, form.text("reason")
        try:
            await self._frame.terms.admin.cancel(entered.administrator, place["policy"], place["label"], reason)
        except (ConflictError, InputError) as error:
            return await self._version(entered, error, reason)
        return self._frame.go(f"{self._frame.base(entered.request)}/policies/{place['policy']}")

    # --- settings ------------------------------------------------------------------------------------------------

    async def new(self, entered: Entered) -> Response:
        """Answer ``GET /admin/policies/new``."""
        fields = {"slug": "", "kind": Kind.CONTRACT.value, "prevailing": "en", "notice_days": "30"}
        return self._settings(entered, fields, [], etag="")

    async def edit(self, entered: Entered) -> Response:
        """Answer ``GET /admin/policies/{policy}/settings``."""
        info = await self._frame.terms.admin.policy(entered.administrator, entered.request.path_params["policy"])
        policy = info.policy
        return self._settings(entered, _typed(policy), [kind.value for kind in policy.audience.kinds], etag=info.etag)

    async def save(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/policies/new`` and ``…/settings``."""
        slug = entered.request.path_params.get("policy") or form.text("slug")
        fields = {name: form.text(name) for name in _PLAIN} | {"slug": slug}
        kinds, etag = list(form.all("kinds")), form.text("etag")
        calendar = await self._frame.terms.fresh()
        try:
            policy = policy_from_settings(
                _settings_of(fields, kinds, calendar.by_slug.get(slug)), slug=slug, file="the form"
            )
            done = await self._frame.terms.admin.put_policy(entered.administrator, policy, if_match=etag or None)
        except PreconditionError as error:
            present = calendar.by_slug.get(slug)
            return self._settings(entered, fields, kinds, etag=policy_etag(present) if present else "", error=error)
        except (DraftError, InputError, ImmutableError, ConflictError) as error:
            return self._settings(entered, fields, kinds, etag=etag, error=error)
        base = self._frame.base(entered.request)
        return self._frame.go(f"{base}/proposals/{done.proposal.id}" if done.proposal else f"{base}/policies/{slug}")

    def _settings(
        self, entered: Entered, fields: Mapping[str, str], kinds: list[str], *, etag: str,
        error: ConsentGateError | None = None,
    ) -> Response:  # fmt: skip
        return self._frame.show(
            entered,
            "settings.html",
            status=error.status if error else 200,
            error=error,
            new="policy" not in entered.request.path_params,
            fields=dict.fromkeys((*_PLAIN, "slug"), "") | dict(fields),
            kinds=kinds,
            every_kind=[kind.value for kind in SubjectKind],
            policy_kinds=[kind.value for kind in Kind],
            etag=etag,
        )

    async def retire(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/policies/{policy}/retire``."""
        slug, at, instead = entered.request.path_params["policy"], form.text("at"), form.text("replaced_by")
        try:
            done = await self._frame.terms.admin.retire(
                entered.administrator,
                slug,
                at=parse_when(f"{at}:00Z" if "T" in at else at) if at else None,
                replaced_by=instead or None,
                if_match=form.text("etag"),
            )
        except (InputError, ConflictError, NotFoundError) as error:
            return await self._page(entered, error, at=at, replaced_by=instead)
        base = self._frame.base(entered.request)
        return self._frame.go(f"{base}/proposals/{done.proposal.id}" if done.proposal else f"{base}/policies/{slug}")

    # --- who has not accepted ------------------------------------------------------------------------------------

    async def outstanding(self, entered: Entered) -> Response:
        """Answer ``GET /admin/policies/{policy}/outstanding``."""
        slug = entered.request.path_params["policy"]
        page = await self._frame.terms.admin.outstanding(
            entered.administrator, slug, cursor=entered.request.query_params.get("cursor")
        )
        calendar = await self._frame.terms.fresh()
        return self._frame.show(
            entered, "outstanding.html", title=calendar.by_slug[slug].title_in(LANGUAGE), slug=slug, page=page
        )


def _facts(info: PolicyInfo) -> list[str]:
    policy = info.policy
    facts = [policy.slug, policy.kind.value, f"prevails in {policy.prevailing}"]
    facts.append(f"{policy.notice_days} days of notice" if policy.notice_days else "no notice period promised")
    if policy.renew_after:
        facts.append(f"accepted again after {policy.renew_after} days")
    if policy.retain_days:
        facts.append(f"personal fields kept for {policy.retain_days} days after they are superseded")
    audience = policy.audience
    for words, items in (
        ("binds", sorted(kind.value for kind in audience.kinds)),
        ("with one of the tags", sorted(audience.tags)),
        ("under", list(audience.paths)),
    ):
        if items:
            facts.append(f"{words} {', '.join(items)}")
    return facts if not audience.everyone else [*facts, "binds everybody everywhere"]


def _typed(policy: Policy) -> dict[str, str]:
    return {
        "slug": policy.slug,
        "title": "\n".join([policy.title[0][1], *(f"{tag}: {title}" for tag, title in policy.title[1:])]),
        "kind": policy.kind.value,
        "prevailing": policy.prevailing,
        "notice_days": str(policy.notice_days or ""),
        "renew_after": str(policy.renew_after or ""),
        "retain_days": str(policy.retain_days or ""),
        "tags": ", ".join(sorted(policy.audience.tags)),
        "paths": ", ".join(policy.audience.paths),
    }


def _settings_of(fields: Mapping[str, str], kinds: list[str], present: Policy | None) -> dict[str, Any]:
    """What the form says, with the keys of ``policy.toml``; the checks are the file's."""
    prevailing = fields["prevailing"] or "en"
    first, *others = [line.strip() for line in fields["title"].splitlines() if line.strip()] or [""]
    titles = {prevailing: first}
    for line in others:
        tag, colon, title = line.partition(":")
        if not colon:
            raise InputError(f"{line[:60]!r} is no title in a language", hint="write fr: Titre", field="title")
        titles[tag.strip()] = title.strip()
    settings: dict[str, Any] = {
        "title": titles,
        "kind": fields["kind"],
        "prevailing": prevailing,
        "audience": {"kinds": kinds, "tags": _words(fields["tags"]), "paths": _words(fields["paths"])},
    }
    for name in ("notice_days", "renew_after", "retain_days"):
        written = fields[name]
        if written and not (written.isascii() and written.isdecimal() and len(written) < 6):
            raise InputError(f"{written[:20]!r} is no number of days", hint="write digits", field=name)
        settings[name] = int(written or 0)
    if present is not None and present.retired is not None:
        settings |= {"retired": format_instant(present.retired), "replaced_by": present.replaced_by or ""}
    return settings


def _words(written: str) -> list[str]:
    return [word for word in written.replace(",", " ").split() if word]
