"""What is published: policies, their versions, and each version's translations.

Room: terms (pure values). Texts themselves are not here: a translation names its text by digest, so that the
calendar a gate keeps in memory stays small however long the texts are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from consentgate.terms.instants import DAY, Instant
from consentgate.terms.subject import Subject, SubjectKind

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""A policy's identity: what stands in URLs, records and the pass. Never a path, never a title."""

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")
"""A version's name for people: ``2024-06-24``, ``3.1``."""

RESERVED_SLUGS = frozenset(
    (
        "admin", "api", "declined", "health", "keys", "log", "metrics", "mine", "new", "receipts", "review", "static",
        "status",
    )
)  # fmt: skip
"""Slugs no policy can have: under the prefix these addresses are ours."""

RESERVED_LABELS = frozenset(("changes", "history"))
"""Labels no version can have, for the same reason."""


class Kind(StrEnum):
    """What is asked of the subject."""

    CONTRACT = "contract"
    NOTICE = "notice"
    CONSENT = "consent"

    @property
    def decisions(self) -> tuple[Act, ...]:
        """The acts a subject may be recorded with; the first is the one that satisfies."""
        return _DECISIONS[self]

    @property
    def gates(self) -> bool:
        """Whether the gate may ever block for it: consent is never a condition of entry (GDPR Art. 7(4))."""
        return self is not Kind.CONSENT


class Act(StrEnum):
    """What a subject did: the content of a decision."""

    ACCEPT = "accept"
    DECLINE = "decline"
    ACKNOWLEDGE = "acknowledge"
    GRANT = "grant"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"

    @property
    def satisfies(self) -> bool:
        """Whether the policy counts as accepted after it."""
        return self in (Act.ACCEPT, Act.ACKNOWLEDGE, Act.GRANT)


_DECISIONS: dict[Kind, tuple[Act, ...]] = {
    Kind.CONTRACT: (Act.ACCEPT, Act.DECLINE, Act.WITHDRAW),
    Kind.NOTICE: (Act.ACKNOWLEDGE,),
    Kind.CONSENT: (Act.GRANT, Act.REFUSE, Act.WITHDRAW),
}


class Impact(StrEnum):
    """Whether a version must be accepted again."""

    MATERIAL = "material"
    EDITORIAL = "editorial"


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom and which paths a policy binds.

    Args:
        kinds: subject kinds it binds; empty means all.
        tags: the subject must have one of these; empty means no tag is asked for.
        paths: path prefixes by whole segments (``/account`` matches ``/account`` and ``/account/x``, not
            ``/accounts``); empty means every path.
    """

    kinds: frozenset[SubjectKind] = frozenset()
    tags: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()

    @property
    def everyone(self) -> bool:
        """Whether it binds every subject on every path."""
        return not (self.kinds or self.tags or self.paths)

    def binds(self, kind: SubjectKind, tags: frozenset[str]) -> bool:
        """Whether a subject of this kind and with these tags is bound (on some path)."""
        return (not self.kinds or kind in self.kinds) and (not self.tags or not self.tags.isdisjoint(tags))

    def binds_subject(self, subject: Subject) -> bool:
        """Whether this subject is bound (on some path)."""
        return self.binds(subject.kind, subject.tags)

    def covers(self, path: str) -> bool:
        """Whether the policy binds this path."""
        return not self.paths or any(under(path, prefix) for prefix in self.paths)


def under(path: str, prefix: str) -> bool:
    """Whether a path lies at or under a prefix, by whole segments.

    >>> under("/account/x", "/account"), under("/accounts", "/account")
    (True, False)
    """
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


@dataclass(frozen=True, slots=True)
class Policy:
    """A named stream of texts.

    Args:
        slug: identity.
        title: by language tag; the prevailing language is always there.
        kind: contract, notice or consent.
        audience: whom it binds.
        prevailing: language tag of the translation that prevails.
        notice_days: fewest days between announcement and effect for a material version.
        renew_after: days after which an acceptance must be renewed, or ``None``.
        retain_days: days the openings of a decision are kept after it is superseded, or ``None`` for no limit.
        retired: instant from which nobody is asked any more, or ``None``.
        replaced_by: slug of the policy that replaces a retired one.
    """

    slug: str
    title: tuple[tuple[str, str], ...]
    kind: Kind = Kind.CONTRACT
    audience: Audience = Audience()
    prevailing: str = "en"
    notice_days: int = 0
    renew_after: int | None = None
    retain_days: int | None = None
    retired: Instant | None = None
    replaced_by: str | None = None

    def title_in(self, language: str) -> str:
        """The title in a language, or in the prevailing one, or the slug."""
        titles = dict(self.title)
        return titles.get(language) or titles.get(self.prevailing) or self.slug

    @property
    def renew_after_instants(self) -> int | None:
        """`renew_after` in microseconds."""
        return None if self.renew_after is None else self.renew_after * DAY


@dataclass(frozen=True, slots=True)
class Translation:
    """A version's text in one language.

    Args:
        language: BCP 47 tag.
        title: as shown above the text.
        digest: of the canonical text.
        raw_digest: of the bytes the author sent (front matter included).
        size: bytes of the canonical text.
        summary: the author's summary of changes, plain text, possibly empty.
    """

    language: str
    title: str
    digest: str
    raw_digest: str
    size: int
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """The immutable publication of a policy.

    Args:
        policy: slug.
        label: for people; unique within the policy.
        serial: positive integer, unique over all policies of the database, growing with each publication.
        impact: material or editorial.
        announced, effective, enforced: instants, ``announced <= effective <= enforced``.
        prevailing: language tag of the translation that prevails.
        translations: one for each language, the prevailing one first.
        published: instant of the publication itself.
    """

    policy: str
    label: str
    serial: int
    impact: Impact
    announced: Instant
    effective: Instant
    enforced: Instant
    prevailing: str
    translations: tuple[Translation, ...]
    published: Instant

    @property
    def digest(self) -> str:
        """Digest of the prevailing text: two versions with the same digest say the same."""
        return self.translation(self.prevailing).digest

    @property
    def languages(self) -> tuple[str, ...]:
        """Language tags of its translations, the prevailing one first."""
        return tuple(translation.language for translation in self.translations)

    def translation(self, language: str) -> Translation:
        """The translation in exactly this language, else the prevailing one."""
        for translation in self.translations:
            if translation.language == language:
                return translation
        return next(item for item in self.translations if item.language == self.prevailing)
