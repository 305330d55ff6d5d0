"""What is put before a subject: an offer, and the seal that binds it to what was shown.

Room: service. ``draft`` works out which versions need a decision and what changed since the subject's own last
acceptance; the web room renders it; ``seal`` then binds subject, versions, texts, redlines, page and control
wordings together, so that the decision that comes back is about what was on the screen and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from consentgate.errors import CanonicalError, OfferExpiredError, SealError
from consentgate.gate.paths import readings
from consentgate.gate.seals import Seals
from consentgate.service.holdings import NOTHING, Holding, State, state_of
from consentgate.terms.calendar import Calendar, Standing
from consentgate.terms.canonical import canonical_json, parse_canonical_json
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.languages import look_up
from consentgate.terms.policy import Act, Policy, Translation, Version
from consentgate.terms.redline import Redline
from consentgate.terms.subject import Subject, SubjectKind

PURPOSE = "offer"
CLOCK_TOLERANCE = 600 * SECOND
"""How far ahead of ours the clock of the worker that sealed an offer may be."""


@dataclass(frozen=True, slots=True)
class OfferItem:
    """One policy in an offer.

    Args:
        id: identifier of the decision that may come of it.
        policy, version, translation: what is asked about, in the language shown.
        state: why it is asked.
        text: the text shown.
        base: the version the subject accepted last, or ``None`` for a first-timer.
        base_translation: its translation that was compared.
        redline: what changed since then, or ``None``.
        skipped: every version after the base up to the one offered, in order: their summaries are all shown.
        supersedes: the decision this one would replace.
    """

    id: UUID
    policy: Policy
    version: Version
    translation: Translation
    state: State
    text: str
    base: Version | None = None
    base_translation: Translation | None = None
    redline: Redline | None = None
    skipped: tuple[Version, ...] = ()
    supersedes: UUID | None = None

    @property
    def updated(self) -> bool:
        """Whether the subject accepted an earlier version, and so reads an update."""
        return self.base is not None


@dataclass(frozen=True, slots=True)
class OfferDraft:
    """An offer before it is sealed.

    Args:
        id: of the offer.
        subject: who is asked.
        items: one for each policy.
        languages: wanted, best first.
        shown_at: instant.
    """

    id: UUID
    subject: Subject
    items: tuple[OfferItem, ...]
    languages: tuple[str, ...]
    shown_at: Instant

    def item(self, slug: str) -> OfferItem | None:
        """The item of one policy."""
        return next((item for item in self.items if item.policy.slug == slug), None)


@dataclass(frozen=True, slots=True)
class SealedItem:
    """What a sealed offer says about one policy; digests of what was shown."""

    id: UUID
    policy: str
    serial: int
    language: str
    text: str
    base: int | None
    redline: str | None
    control: str | None
    supersedes: UUID | None


@dataclass(frozen=True, slots=True)
class SealedOffer:
    """An opened offer: what the subject had before them."""

    id: UUID
    subject: Subject
    shown_at: Instant
    page: str | None
    items: tuple[SealedItem, ...]

    def item(self, slug: str) -> SealedItem | None:
        """What was offered of one policy."""
        return next((item for item in self.items if item.policy == slug), None)


@dataclass(frozen=True, slots=True)
class PageCheck:
    """What the check of a page found, before it was shown.

    Args:
        rules: name of the set of rules.
        findings: (rule, message, line) of what is not kept; empty for a good page.
    """

    rules: str
    findings: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Drafter:
    """Drafts offers.

    Args:
        calendar: what is published.
        text: canonical text by digest.
        compare: redline by the digests of two texts.
        randomness: returns *n* random bytes.
        only: slugs to ask about, whatever their state and audience: somebody was sent here for just these; ``None``
            asks about what needs a decision.
        path: where the subject is going, without the mount point; ``None`` for "anywhere". Terms of other places are
            not asked about on the way.
    """

    calendar: Calendar
    text: Callable[[str], str]
    compare: Callable[[str, str], Redline]
    randomness: Callable[[int], bytes]
    only: frozenset[str] | None = None
    path: str | None = None

    def draft(
        self,
        subject: Subject,
        holdings: Mapping[str, Holding],
        now: Instant,
        *,
        languages: Sequence[str],
        everything: bool = False,
    ) -> OfferDraft:
        """Return what this subject is asked now.

        Args:
            subject: who.
            holdings: what they decided so far.
            now: instant.
            languages: wanted, best first (language ranges).
            everything: also ask about what is announced or a consent; else what blocks or is in grace.
        """
        items = []
        for standing in self.calendar.at(now).standings:
            slug = standing.policy.slug
            if not (self._binds(standing.policy, subject) if self.only is None else slug in self.only):
                continue
            item = self._item(standing, holdings.get(slug, NOTHING), now, languages, everything=everything)
            if item:
                items.append(item)
        return OfferDraft(self._id(now), subject, tuple(items), tuple(languages), now)

    def _binds(self, policy: Policy, subject: Subject) -> bool:
        audience = policy.audience
        if not audience.binds_subject(subject):
            return False
        return self.path is None or any(audience.covers(path) for path in readings(self.path))

    def _id(self, now: Instant) -> UUID:
        return uuid7(now, self.randomness(10))

    def _item(
        self, standing: Standing, holding: Holding, now: Instant, languages: Sequence[str], *, everything: bool
    ) -> OfferItem | None:
        state = state_of(standing, holding, now)
        version = version_to_offer(standing, state)
        if version is None or (state is State.CURRENT and self.only is None):
            return None
        if state is State.ANNOUNCED and not (everything or self.only):
            return None
        translation = version.translation(look_up(languages, version.languages, version.prevailing))
        chain = self.calendar.chain(version.policy)
        base = self.calendar.by_serial.get(holding.last.serial) if holding.last else None
        base_translation = redline = None
        if base is not None and base.serial != version.serial:
            language = common_language(base, version, translation.language)
            base_translation = base.translation(language)
            redline = self.compare(base_translation.digest, version.translation(language).digest)
        return OfferItem(
            id=self._id(now),
            policy=standing.policy,
            version=version,
            translation=translation,
            state=state,
            text=self.text(translation.digest),
            base=base,
            base_translation=base_translation,
            redline=redline,
            skipped=_between(chain, base, version),
            supersedes=holding.latest.id if holding.latest else None,
        )


def common_language(base: Version, version: Version, wanted: str) -> str:
    """The language two versions are compared in: the reader's if both have it, else the one that prevails.

    Comparing a text with its own translation would mark every word.
    """
    return wanted if wanted in base.languages and wanted in version.languages else version.prevailing


def version_to_offer(standing: Standing, state: State) -> Version | None:
    """The version a subject in this state is asked about."""
    if state is State.ANNOUNCED:
        return standing.upcoming
    return standing.in_force or standing.upcoming


def _between(chain: Sequence[Version], base: Version | None, version: Version) -> tuple[Version, ...]:
    places = {item.serial: place for place, item in enumerate(chain)}
    start = places[base.serial] + 1 if base and base.serial in places else places[version.serial]
    return tuple(chain[start : places[version.serial] + 1])


def seal_offer(draft: OfferDraft, seals: Seals, *, page: str | None, controls: Mapping[str, str]) -> str:
    """Seal an offer.

    Args:
        draft: what was rendered.
        seals: of this site.
        page: digest of the exact page bytes, before this seal is put into them; ``None`` where no page was shown.
        controls: digest of the control wording (sentence, box, button) by policy.
    """
    return seals.seal(
        PURPOSE,
        canonical_json(
            {
                "v": 1,
                "id": str(draft.id),
                "at": draft.shown_at,
                "subject": [draft.subject.kind.value, draft.subject.id],
                "page": page,
                "items": [
                    {
                        "id": str(item.id),
                        "policy": item.policy.slug,
                        "serial": item.version.serial,
                        "language": item.translation.language,
                        "text": item.translation.digest,
                        "base": item.base.serial if item.base else None,
                        "redline": digest_of(item.redline),
                        "control": controls.get(item.policy.slug),
                        "supersedes": str(item.supersedes) if item.supersedes else None,
                    }
                    for item in draft.items
                ],
            }
        ),
    )


def open_offer(token: str, seals: Seals, *, now: Instant, lifetime: int) -> SealedOffer:
    """Open a sealed offer.

    Args:
        token: as it came back.
        seals: of this site.
        now: instant.
        lifetime: microseconds.

    Raises:
        SealError: not ours.
        OfferExpiredError: ours, but shown too long ago (or far in the future).
    """
    try:
        record = parse_canonical_json(seals.open(PURPOSE, token))
        kind, subject_id = record["subject"]
        offer = SealedOffer(
            id=UUID(record["id"]),
            subject=Subject(subject_id, SubjectKind(kind)),
            shown_at=record["at"],
            page=record["page"],
            items=tuple(
                SealedItem(
                    id=UUID(item["id"]),
                    policy=item["policy"],
                    serial=item["serial"],
                    language=item["language"],
                    text=item["text"],
                    base=item["base"],
                    redline=item["redline"],
                    control=item["control"],
                    supersedes=UUID(item["supersedes"]) if item["supersedes"] else None,
                )
                for item in record["items"]
            ),
        )
    except (CanonicalError, KeyError, TypeError, ValueError) as error:
        raise SealError("this offer was not sealed by us", hint="open the page again and decide there") from error
    if not now - lifetime <= offer.shown_at <= now + CLOCK_TOLERANCE:
        raise OfferExpiredError(
            f"this page was shown more than {lifetime // (3600 * SECOND)} hours ago",
            hint="read the page as it is now, and decide again",
        )
    return offer


def digest_of(redline: Redline | None) -> str | None:
    """Digest of a redline, or ``None``."""
    return redline.digest if redline is not None else None


def control_bytes(sentence: str, checkbox: str, button: str, act: Act, *, check: PageCheck | None = None) -> bytes:
    """Canonical bytes of a control: what the subject read beside what they pressed, and how its page was found.

    Args:
        sentence, checkbox, button: their words.
        act: what the button does.
        check: of the page it stood on, or ``None`` where none was made.
    """
    record: dict[str, object] = {
        "v": 1, "sentence": sentence, "checkbox": checkbox, "button": button, "act": act.value, "ticked": False,
    }  # fmt: skip
    if check is not None:
        findings = [{"rule": rule, "message": message, "line": line} for rule, message, line in check.findings]
        record["page"] = {"rules": check.rules, "findings": findings}
    return canonical_json(record)
