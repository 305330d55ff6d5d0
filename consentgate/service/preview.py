"""Preview: what publishing would do, to which texts, and to how many people, without doing it.

Room: service. Shares the planner with publishing, so that nothing previews well and then fails; and says with its
``state`` on what it was made, so that `publish(expected=…)` refuses where anything of that has changed since.

**How many it stops.** A subject is counted when, with the decisions on record now and at the instant from which the
new version is enforced, the gate would let them pass this policy without the publication and would stop them with it.
So an editorial version stops nobody, nor does a text that says again what somebody has accepted (A → B → A); whoever
is stopped already is not counted again, nor is whoever has accepted nothing of this policy: they are asked in any
case. A visitor that was linked to a user is counted as that user, once. Acceptances that will have expired by then, or
were withdrawn, do not count. The record knows the kind of a subject and not its tags or where it goes: where a policy
binds by tag or by path, the number is of those of the right kind, and so an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from consentgate.errors import PublishError
from consentgate.service.plan import Plan
from consentgate.service.publish import Publication
from consentgate.store.counting import Change
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import canonical_json, digest
from consentgate.terms.draft import Draft
from consentgate.terms.instants import DAY, Instant, format_instant
from consentgate.terms.policy import Impact, Policy, Translation, Version
from consentgate.terms.policy_file import policy_settings
from consentgate.terms.redline import Redline, compare


@dataclass(frozen=True, slots=True)
class PreviewText:
    """One text that would be published.

    Args:
        version: it belongs to; its serial is 0 while it is not published.
        translation: title, language, digest, size, summary.
        source: the canonical Markdown.
        html: rendered and made safe, headings from the second level on.
        before: the version that it is compared with: the one that would come before it, or ``None``.
        redline: against that version in the same language, or ``None`` where there is none.
    """

    version: Version
    translation: Translation
    source: str
    html: str
    before: Version | None
    redline: Redline | None


@dataclass(frozen=True, slots=True)
class Notice:
    """How long before it takes effect a version is announced.

    Args:
        policy, label: which version.
        promised: days that the policy promises.
        given: whole days from now, or from a later announcement, until it takes effect.
    """

    policy: str
    label: str
    promised: int
    given: int

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.given >= self.promised


@dataclass(frozen=True, slots=True)
class Stop:
    """How many subjects one version would stop.

    Args:
        policy, label: which version.
        at: from when on.
        subjects: how many who pass without it would be stopped with it; see the module. ``None``: not counted.
        first: whether nobody can have accepted anything of this policy: everybody it binds will be asked.
    """

    policy: str
    label: str
    at: Instant
    subjects: int | None
    first: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing would do.

    Args:
        publication: versions, translations, policies, and what the checks found; a dry run.
        texts: every text that would be published.
        notices: of every material version that has one before it.
        each: how many subjects each material version would stop.
        stops: how many subjects all of them would stop together, each counted once; ``None``: not counted.
        state: what this was made on; hand it to `publish(expected=…)`.
    """

    publication: Publication
    texts: tuple[PreviewText, ...]
    notices: tuple[Notice, ...]
    each: tuple[Stop, ...]
    stops: int | None
    state: str


def state_of(calendar: Calendar, drafts: Iterable[Draft] = ()) -> str:
    """What a preview is made on, as one digest: everything published, and the drafts themselves.

    The publication counter is not part of it: it also grows when a pass is revoked, which is nothing to an editor.
    """
    record = {
        "policies": [policy_settings(policy) for policy in calendar.policies],
        "versions": [
            [version.serial, *version.languages, version.serial in calendar.cancelled]
            for version in sorted(calendar.versions, key=lambda version: version.serial)
        ],
        "drafts": sorted([one.policy, one.label, one.language, digest(one.raw)] for one in drafts),
    }
    return digest(canonical_json(record))


def schedule(drafts: Sequence[Draft], at: Instant | None) -> list[Draft]:
    """Give drafts the effective date that was chosen at publication, where their front matter leaves it open.

    Raises:
        PublishError: a front matter says another one.
    """
    if at is None:
        return list(drafts)
    for draft in drafts:
        if draft.effective not in (None, at):
            raise PublishError(
                f"{draft.file} takes effect at {format_instant(draft.effective or 0)}, not at {format_instant(at)}",
                hint="leave `effective` out of the front matter, or change it there",
                policy=draft.policy,
                version=draft.label,
                file=draft.file,
                line=draft.lines.get("effective"),
                field="at",
            )
    return [replace(draft, effective=at) for draft in drafts]


def with_plan(calendar: Calendar, plan: Plan) -> tuple[Calendar, tuple[Version, ...]]:
    """The calendar as it would be, and the plan's versions with serials no other version has."""
    first = max((version.serial for version in calendar.versions), default=0) + 1
    versions = tuple(replace(version, serial=first + place) for place, version in enumerate(plan.versions))
    policies = {policy.slug: policy for policy in (*calendar.policies, *plan.policies)}
    return replace(calendar, policies=tuple(policies.values()), versions=(*calendar.versions, *versions)), versions


def changes_of(calendar: Calendar, plan: Plan) -> dict[tuple[str, str], Change]:
    """What each material version of a plan changes, by policy and label: the input of the count.

    Each is compared with what would be true without it, the other versions of the plan before it included.
    """
    after, versions = with_plan(calendar, plan)
    changes: dict[tuple[str, str], Change] = {}
    for version in versions:
        policy = after.by_slug[version.policy]
        if version.impact is Impact.EDITORIAL or not policy.kind.gates:
            continue
        later = {other.serial for other in versions if _order(other) >= _order(version)}
        known = tuple(other for other in after.versions if other.serial not in later)
        without = replace(after, versions=known)
        with_it = replace(after, versions=(*known, version))
        mine = frozenset(other.serial for other in calendar.versions if other.policy == version.policy)
        demanded = _satisfying(with_it, policy, version.enforced)
        if not mine or demanded is None:
            continue
        passing = _satisfying(without, policy, version.enforced)
        changes[version.policy, version.label] = Change(
            serials=mine,
            before=mine if passing is None else passing,
            after=demanded,
            at=version.enforced,
            kinds=frozenset(kind.value for kind in policy.audience.kinds),
        )
    return changes


def _order(version: Version) -> tuple[Instant, int]:
    return version.effective, version.serial


def _satisfying(calendar: Calendar, policy: Policy, at: Instant) -> frozenset[int] | None:
    """Serials whose acceptance lets pass at an instant; ``None`` where nothing is demanded then."""
    standing = calendar.at(at).standing(policy.slug)
    return None if standing is None or standing.enforced is None else standing.satisfied_by


def notices_of(calendar: Calendar, plan: Plan, now: Instant) -> tuple[Notice, ...]:
    """The notice that each material version gives, where there is a version before it."""
    after, versions = with_plan(calendar, plan)
    return tuple(
        Notice(
            version.policy,
            version.label,
            after.by_slug[version.policy].notice_days,
            max(version.effective - max(version.announced, now), 0) // DAY,
        )
        for version in versions
        if version.impact is Impact.MATERIAL and _before(after, version) is not None
    )


def texts_of(
    calendar: Calendar, plan: Plan, read_text: Callable[[str], str], render: Callable[..., str]
) -> tuple[PreviewText, ...]:
    """Every text of a plan, rendered, with its redline.

    Args:
        calendar: what is published.
        plan: what would be.
        read_text: canonical text of a digest that is published.
        render: Markdown to safe HTML.
    """
    after, versions = with_plan(calendar, plan)
    pairs = [(version, translation) for version in versions for translation in version.translations]
    found = []
    for version, translation in (*pairs, *plan.translations):
        source, before = plan.texts[translation.digest], _before(after, version)
        marked = None
        if before is not None and translation.language in before.languages:
            old = before.translation(translation.language).digest
            marked = plan.redlines.get((old, translation.digest))
            if marked is None:  # a translation of a version that is published already
                marked = compare(read_text(old), source)
        found.append(PreviewText(version, translation, source, render(source, shift=1), before, marked))
    return tuple(found)


def _before(calendar: Calendar, version: Version) -> Version | None:
    earlier = [one for one in calendar.chain(version.policy) if _order(one) < _order(version)]
    return earlier[-1] if earlier else None
