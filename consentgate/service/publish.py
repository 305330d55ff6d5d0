"""Publish: a plan becomes rows, ledger entries and redlines, in one transaction.

Room: service. The number of statements does not depend on how many people have accepted anything: nobody's
acceptance is touched by a publication; who must decide again follows from the calendar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from consentgate.errors import ConsentGateError
from consentgate.evidence.commitments import commit_all
from consentgate.evidence.entry import AdminEntry, Entry, PublishedText, PublishEntry
from consentgate.service.catalog import policy_row, translation_row, version_row
from consentgate.service.ledger import Pending, opening_row
from consentgate.service.plan import Plan
from consentgate.store import blobs, meta
from consentgate.store import policies as shelf
from consentgate.store.blobs import BlobRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import canonical_json, digest
from consentgate.terms.checks import Finding
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy, Translation, Version
from consentgate.terms.policy_file import policy_settings
from consentgate.terms.redline import ALGORITHM, to_bytes

TEXT = "text/markdown; charset=utf-8"
RAW = "application/octet-stream"
REDLINE = "application/vnd.consentgate.redline+json"
JSON = "application/json"
SETTINGS = "policy.settings"
"""Action of the entry that says what the settings of a ``policy`` are since then: the digest ``settings``."""

MakeEntry = Callable[[Instant, bytes, dict[str, str]], Entry]
"""Makes an entry from its instant, ten random bytes for its id, and its commitments."""


class CalendarMovedError(ConsentGateError):
    """Somebody else published between planning and publishing; the caller plans again. Never leaves this room."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, or, in a dry run, what would be.

    Args:
        published: versions, with their serials (0 in a dry run).
        translations: languages added to versions that were published before.
        policies: settings that are new or changed.
        unchanged: (policy, label) of versions that were published already, as they are.
        findings: what the checks found.
        dry_run: whether nothing was done.
        generation: of the calendar afterwards.
    """

    published: tuple[Version, ...]
    translations: tuple[tuple[Version, Translation], ...]
    policies: tuple[Policy, ...]
    unchanged: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    dry_run: bool
    generation: int

    @property
    def empty(self) -> bool:
        """Whether everything was published already."""
        return not (self.published or self.translations or self.policies)


def publication_of(plan: Plan, *, dry_run: bool) -> Publication:
    """What a plan would publish."""
    return Publication(
        plan.versions, plan.translations, plan.policies, plan.unchanged, plan.findings, dry_run, plan.generation
    )


def execute(
    connection: Connection,
    pending: Pending,
    plan: Plan,
    calendar: Calendar,
    *,
    by: str,
    randomness: Callable[[int], bytes],
    approver: str | None = None,
    first: Callable[[Connection, Pending], None] | None = None,
) -> Publication:
    """Publish a plan inside the writer's transaction.

    Args:
        connection: of the transaction.
        pending: the ledger batch.
        plan: made on the calendar of the same generation.
        calendar: that calendar.
        by: who publishes; stands in the ledger as a commitment.
        randomness: returns *n* random bytes.
        approver: the second person, where one was needed; likewise a commitment.
        first: what belongs to it, done once it is certain that the plan holds.

    Raises:
        CalendarMovedError: the plan is out of date.
    """
    # Counted before anything is done: on PostgreSQL another process may be publishing at this moment, and here an
    # earlier job of the same batch.
    generation = meta.advance_generation(connection, plan.generation)
    if generation is None:
        raise CalendarMovedError("something was published meanwhile")
    if first is not None:
        first(connection, pending)
    # The plan holds, so this calendar has every version there is.
    serial = 1 + max((version.serial for version in calendar.versions), default=0)
    # The instant of its entry, which follows: each entry of a batch is a microsecond later than the one before.
    versions = tuple(
        replace(version, serial=serial + place, published=pending.at + place)
        for place, version in enumerate(plan.versions)
    )
    known = {policy.slug: policy for policy in (*calendar.policies, *plan.policies)}
    amended = _amended(plan)
    concerned = {policy.slug for policy in plan.policies} | {version.policy for version in (*versions, *amended)}
    settings = {slug: canonical_json(policy_settings(known[slug])) for slug in sorted(concerned)}
    _keep_blobs(connection, plan, settings)
    _keep_rows(connection, plan, versions, calendar)
    entries = [
        _publish_entry(known[version.policy], version, calendar, versions, digest(settings[version.policy]))
        for version in (*versions, *amended)
    ]
    # A version's entry names its policy's settings; settings that changed without a version get an entry of their own.
    told = {version.policy for version in (*versions, *amended)}
    entries += [
        settings_entry(policy.slug, digest(settings[policy.slug]))
        for policy in plan.policies
        if policy.slug not in told
    ]
    for entry in entries:
        append_with_administrator(pending, entry, by, randomness, approver=approver)
    return Publication(
        versions, plan.translations, plan.policies, plan.unchanged, plan.findings, dry_run=False, generation=generation
    )


def _keep_blobs(connection: Connection, plan: Plan, settings: dict[str, bytes]) -> None:
    redlines = {key: to_bytes(redline) for key, redline in plan.redlines.items()}
    blobs.put_blobs(
        connection,
        [
            *(BlobRow(text_digest, TEXT, text.encode()) for text_digest, text in plan.texts.items()),
            *(BlobRow(raw_digest, RAW, raw) for raw_digest, raw in plan.raws.items()),
            *(BlobRow(digest(data), REDLINE, data) for data in redlines.values()),
            *(BlobRow(digest(data), JSON, data) for data in settings.values()),
            *(
                BlobRow(digest(item.summary.encode()), TEXT, item.summary.encode())
                for item in (
                    *(item for version in plan.versions for item in version.translations),
                    *(item for _, item in plan.translations),
                )
                if item.summary
            ),
        ],
    )
    blobs.put_redlines(connection, [(old, new, ALGORITHM, digest(data)) for (old, new), data in redlines.items()])


def _keep_rows(connection: Connection, plan: Plan, versions: tuple[Version, ...], calendar: Calendar) -> None:
    places = {policy.slug: place for place, policy in enumerate(calendar.policies)}
    for policy in plan.policies:
        places.setdefault(policy.slug, len(places))
    if plan.policies:
        shelf.put_policies(connection, [policy_row(policy, places[policy.slug]) for policy in plan.policies])
    if versions:
        shelf.insert_versions(connection, [version_row(version) for version in versions])
    translations = [translation_row(version.serial, item) for version in versions for item in version.translations]
    translations += [translation_row(version.serial, item) for version, item in plan.translations]
    if translations:
        shelf.insert_translations(connection, translations)


def _amended(plan: Plan) -> list[Version]:
    """Versions that got a translation later: they are entered again, with all their texts."""
    amended: dict[int, Version] = {}
    for version, translation in plan.translations:
        before = amended.get(version.serial, version)
        amended[version.serial] = replace(before, translations=(*before.translations, translation))
    return list(amended.values())


def _publish_entry(
    policy: Policy, version: Version, calendar: Calendar, fresh: tuple[Version, ...], policy_digest: str
) -> MakeEntry:
    chain = [*calendar.chain(version.policy), *(item for item in fresh if item.policy == version.policy)]
    before = [item for item in chain if (item.effective, item.serial) < (version.effective, version.serial)]
    texts = tuple(
        PublishedText(
            language=item.language,
            title=item.title,
            text=item.digest,
            raw=item.raw_digest,
            summary=digest(item.summary.encode()) if item.summary else None,
        )
        for item in version.translations
    )

    def make(at: Instant, randomness: bytes, commitments: dict[str, str]) -> Entry:
        return PublishEntry(
            id=uuid7(at, randomness),
            at=at,
            commitments=commitments,
            policy=version.policy,
            kind=policy.kind.value,
            version=version.label,
            serial=version.serial,
            impact=version.impact.value,
            announced=version.announced,
            effective=version.effective,
            enforced=version.enforced,
            prevailing=version.prevailing,
            texts=texts,
            supersedes=before[-1].label if before else None,
            policy_digest=policy_digest,
        )

    return make


def settings_entry(slug: str, settings: str) -> MakeEntry:
    """The entry that says that a policy's settings changed."""
    return admin_entry(SETTINGS, policy=slug, settings=settings)


def admin_entry(action: str, **details: str | int | bool | None) -> MakeEntry:
    """The entry of something an administrator did, with public facts about it."""

    def make(at: Instant, randomness: bytes, commitments: dict[str, str]) -> Entry:
        return AdminEntry(id=uuid7(at, randomness), at=at, commitments=commitments, action=action, details=details)

    return make


def append_with_administrator(
    pending: Pending,
    make: MakeEntry,
    administrator: str,
    randomness: Callable[[int], bytes],
    *,
    approver: str | None = None,
) -> Entry:
    """Append an entry whose personal fields are the administrator who did it, and who approved it."""
    who = {"administrator": administrator, "approver": approver}
    commitments, openings = commit_all(who, lambda: randomness(32))
    entry = make(pending.at, randomness(10), commitments)
    pending.append(entry, opening_row(entry.id, pending.at, openings))
    return entry
