"""What the API says, as models: they are the OpenAPI description, and answers are made of them.

Room: web. Instants are text here; everywhere below they are integers.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from consentgate.service.administration import PolicyInfo, VersionInfo
from consentgate.service.publish import Publication
from consentgate.service.records import instant_or_none
from consentgate.terms.checks import Finding
from consentgate.terms.draft import Draft, draft_from_fields
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Policy, Version
from consentgate.terms.subject import Subject
from consentgate.web.api.door import Strict

T = TypeVar("T")

DIGEST = "5f0c7a1e0d7a4b0c9b1f3a2d4c5b6a798897a6b5c4d3e2f100112233445566778"[:64]
AT = "2027-01-15T00:00:00.000000Z"


class PageOut(BaseModel, Generic[T]):
    """Some items, and the cursor of the next page; null at the end."""

    items: list[T]
    next: str | None = Field(None, description="send it as `cursor`")


class DraftIn(Strict):
    """One translation of a version to be published."""

    policy: str = Field(examples=["terms-of-use"])
    version: str = Field(examples=["2027-01-15"])
    language: str = Field("en", examples=["en"])
    impact: str | None = Field(None, description="`material` (must be accepted again) or `editorial` (need not)")
    announce: str | None = Field(None, description="ISO date (midnight UTC) or date-time with a zone")
    effective: str | None = None
    enforce: str | None = None
    title: str | None = None
    summary: str | None = Field(None, description="what changed, in plain words")
    text: str = Field(description="Markdown")

    def draft(self) -> Draft:
        """The draft, checked like a file."""
        fields = self.model_dump(exclude={"text"}, exclude_none=True)
        return draft_from_fields(fields, self.text, file=f"{self.policy}/{self.version}.{self.language}")


class VersionOut(BaseModel):
    """A version."""

    policy: str
    version: str
    serial: int
    impact: str
    announced: str
    effective: str
    enforced: str
    prevailing: str
    languages: list[str]
    digest: str

    @classmethod
    def of(cls, version: Version) -> VersionOut:
        """Describe a version."""
        return cls(**_version(version))


class TextOut(BaseModel):
    """A version's text in one language, without the text itself."""

    language: str
    title: str
    digest: str
    size: int
    summary: str


class VersionInfoOut(VersionOut):
    """A version, where it stands in its life, and its texts."""

    state: str = Field(description="`planned`, `announced`, `in force`, `past`, `retired` or `cancelled`")
    published: str
    texts: list[TextOut]

    @classmethod
    def of_info(cls, info: VersionInfo) -> VersionInfoOut:
        """Describe it."""
        texts = [
            TextOut(language=one.language, title=one.title, digest=one.digest, size=one.size, summary=one.summary)
            for one in info.version.translations
        ]
        published = format_instant(info.version.published)
        return cls(**_version(info.version), state=info.state, published=published, texts=texts)


def _version(version: Version) -> dict[str, Any]:
    return {
        "policy": version.policy,
        "version": version.label,
        "serial": version.serial,
        "impact": version.impact.value,
        "announced": format_instant(version.announced),
        "effective": format_instant(version.effective),
        "enforced": format_instant(version.enforced),
        "prevailing": version.prevailing,
        "languages": list(version.languages),
        "digest": version.digest,
    }


class FindingOut(BaseModel):
    """Something a check found."""

    code: str
    level: str
    text: str
    file: str
    line: int | None

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        """Describe a finding."""
        return cls(code=finding.code, level=finding.level, text=finding.text, file=finding.file, line=finding.line)


class PublicationOut(BaseModel):
    """What was published, or would be."""

    dry_run: bool
    published: list[VersionOut]
    translations: list[dict[str, str]]
    policies: list[str]
    unchanged: list[dict[str, str]]
    findings: list[FindingOut]

    @classmethod
    def of(cls, done: Publication) -> PublicationOut:
        """Describe a publication."""
        return cls(**publication(done))


def publication(done: Publication) -> dict[str, Any]:
    """The fields of a `PublicationOut`."""
    return {
        "dry_run": done.dry_run,
        "published": [VersionOut.of(version) for version in done.published],
        "translations": [
            {"policy": version.policy, "version": version.label, "language": translation.language}
            for version, translation in done.translations
        ],
        "policies": [policy.slug for policy in done.policies],
        "unchanged": [{"policy": policy, "version": label} for policy, label in done.unchanged],
        "findings": [FindingOut.of(finding) for finding in done.findings],
    }


class PolicyOut(BaseModel):
    """A policy: its settings as in policy.toml, and how it stands."""

    slug: str
    settings: dict[str, Any] = Field(description="as in policy.toml; what `PUT` takes")
    etag: str
    in_force: VersionOut | None
    scheduled: list[VersionOut]
    decisions: dict[str, int] = Field(description="number of decisions about the version in force, by act")

    @classmethod
    def of(cls, info: PolicyInfo) -> PolicyOut:
        """Describe a policy."""
        in_force = info.standing.in_force if info.standing else None
        return cls(
            slug=info.policy.slug,
            settings=settings_of(info.policy),
            etag=info.etag,
            in_force=VersionOut.of(in_force) if in_force else None,
            scheduled=[VersionOut.of(version) for version in info.scheduled],
            decisions={act.value: number for act, number in info.tally.acts.items()},
        )


def settings_of(policy: Policy) -> dict[str, Any]:
    """A policy's settings with the keys of policy.toml."""
    audience = {
        "kinds": sorted(kind.value for kind in policy.audience.kinds),
        "tags": sorted(policy.audience.tags),
        "paths": list(policy.audience.paths),
    }
    fields: dict[str, Any] = {
        "title": dict(policy.title),
        "kind": policy.kind.value,
        "prevailing": policy.prevailing,
        "notice_days": policy.notice_days,
        "renew_after": policy.renew_after,
        "retain_days": policy.retain_days,
        "retired": instant_or_none(policy.retired),
        "replaced_by": policy.replaced_by,
        "audience": {key: value for key, value in audience.items() if value},
    }
    return {key: value for key, value in fields.items() if value is not None}


class SubjectOut(BaseModel):
    """A subject."""

    kind: str
    id: str
    key: str = Field(description="kind and id, as addresses take it", examples=["user:42"])

    @classmethod
    def of(cls, subject: Subject) -> SubjectOut:
        """Describe a subject."""
        return cls(kind=subject.kind.value, id=subject.id, key=subject.key)


def subject_or_none(subject: Subject | None) -> SubjectOut | None:
    """A subject, or null where it was erased."""
    return None if subject is None else SubjectOut.of(subject)
