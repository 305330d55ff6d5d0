"""All versions, and what is announced, in force and enforced at an instant.

Room: terms (pure). The gate keeps one `Calendar` in memory and asks it for the `Moment` at an instant; the
moment says until when it stays true, so that nothing is computed again before `until`.

Order. The versions of a policy stand in the order in which they take effect (then by serial). The *anchor* of a
version is the latest material version at or before it: accepting the anchor, or anything after it, accepts
the version, because only editorial versions lie between. A version whose text is equal to one of those counts
too: after A → B → A nobody who accepted A is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from consentgate.terms.instants import Instant
from consentgate.terms.policy import Impact, Policy, Version


@dataclass(frozen=True, slots=True)
class Standing:
    """How one policy stands at an instant.

    Args:
        policy: the policy.
        in_force: the version that binds, or ``None`` before the first takes effect.
        enforced: the material version whose acceptance the gate demands, or ``None``.
        satisfied_by: serials whose acceptance satisfies the demand.
        grace: a material version that is effective but not yet enforced, or ``None``.
        grace_satisfied_by: serials whose acceptance satisfies it.
        announced: versions shown as coming, in order of effect; material ones may be accepted early.
    """

    policy: Policy
    in_force: Version | None
    enforced: Version | None
    satisfied_by: frozenset[int]
    grace: Version | None
    grace_satisfied_by: frozenset[int]
    announced: tuple[Version, ...]

    @property
    def upcoming(self) -> Version | None:
        """The next announced material version, if any."""
        return next((version for version in self.announced if version.impact is Impact.MATERIAL), None)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true at an instant, and until when.

    Args:
        at: the instant asked for.
        until: the next instant at which something changes, or ``None`` when nothing is planned.
        standings: one for each policy that has an announced or effective version and is not retired.
    """

    at: Instant
    until: Instant | None
    standings: tuple[Standing, ...]

    def standing(self, slug: str) -> Standing | None:
        """The standing of one policy, or ``None``."""
        return next((standing for standing in self.standings if standing.policy.slug == slug), None)


@dataclass(frozen=True)
class Calendar:
    """Every policy and every version ever published.

    Args:
        policies: in the order they are shown.
        versions: any order.
        generation: the store's publication counter this was read at.
        cancelled: serials of versions that were withdrawn before they took effect: they never will. Their text and
            their label stay known, for whoever accepted one early.
    """

    policies: tuple[Policy, ...] = ()
    versions: tuple[Version, ...] = ()
    generation: int = 0
    cancelled: frozenset[int] = frozenset()

    @cached_property
    def by_serial(self) -> dict[int, Version]:
        """Versions by serial, cancelled ones too: somebody may have accepted one before."""
        return {version.serial: version for version in self.versions}

    @cached_property
    def by_slug(self) -> dict[str, Policy]:
        """Policies by slug."""
        return {policy.slug: policy for policy in self.policies}

    @cached_property
    def _chains(self) -> dict[str, tuple[Version, ...]]:
        chains: dict[str, list[Version]] = {policy.slug: [] for policy in self.policies}
        standing = (version for version in self.versions if version.serial not in self.cancelled)
        for version in sorted(standing, key=lambda version: (version.effective, version.serial)):
            chains.setdefault(version.policy, []).append(version)
        return {slug: tuple(chain) for slug, chain in chains.items()}

    def chain(self, slug: str) -> tuple[Version, ...]:
        """The versions of a policy in order of effect, without those that were cancelled."""
        return self._chains.get(slug, ())

    def find(self, slug: str, label: str) -> Version | None:
        """The version of a policy with this label, cancelled or not, or ``None``."""
        return self._by_label.get((slug, label))

    @cached_property
    def _by_label(self) -> dict[tuple[str, str], Version]:
        return {(version.policy, version.label): version for version in self.versions}

    def is_cancelled(self, version: Version) -> bool:
        """Whether a version was withdrawn before it took effect."""
        return version.serial in self.cancelled

    def at(self, instant: Instant) -> Moment:
        """What is announced, in force and enforced at an instant, and the next instant that changes it.

        What was found last holds until that instant, so decisions that are made one after the other share it.
        """
        last: Moment | None = self.__dict__.get("_last")
        if last is None or not last.at <= instant or (last.until is not None and last.until <= instant):
            last = self.__dict__["_last"] = self._look(instant)
        return last if last.at == instant else Moment(instant, last.until, last.standings)

    def _look(self, instant: Instant) -> Moment:
        standings = []
        for policy in self.policies:
            if policy.retired is not None and policy.retired <= instant:
                continue
            chain = self.chain(policy.slug)
            gone = tuple(self.by_serial[serial] for serial in self.cancelled if serial in self.by_serial)
            if standing := _standing(policy, chain, tuple(one for one in gone if one.policy == policy.slug), instant):
                standings.append(standing)
        return Moment(instant, self._next_change(instant), tuple(standings))

    def _next_change(self, instant: Instant) -> Instant | None:
        instants = [
            moment
            for version in self.versions
            if version.serial not in self.cancelled
            for moment in (version.announced, version.effective, version.enforced)
            if moment > instant
        ]
        instants += [policy.retired for policy in self.policies if policy.retired and policy.retired > instant]
        return min(instants, default=None)


def _standing(
    policy: Policy, chain: tuple[Version, ...], gone: tuple[Version, ...], instant: Instant
) -> Standing | None:
    effective = [version for version in chain if version.effective <= instant]
    announced = tuple(version for version in chain if version.announced <= instant < version.effective)
    if not effective and not announced:
        return None
    in_force = effective[-1] if effective else None
    # What material versions ask: walk the effective ones; the first version of a policy always asks.
    anchors = [place for place, version in enumerate(effective) if version.impact is Impact.MATERIAL or place == 0]
    demanded = [place for place in anchors if effective[place].enforced <= instant]
    newest = anchors[-1] if anchors else None
    enforced = demanded[-1] if demanded else None
    in_grace = newest if newest is not None and newest != enforced else None
    return Standing(
        policy=policy,
        in_force=in_force,
        enforced=None if enforced is None else effective[enforced],
        satisfied_by=frozenset() if enforced is None else _satisfying(chain, gone, effective, enforced),
        grace=None if in_grace is None else effective[in_grace],
        grace_satisfied_by=frozenset() if in_grace is None else _satisfying(chain, gone, effective, in_grace),
        announced=announced,
    )


def _satisfying(
    chain: tuple[Version, ...], gone: tuple[Version, ...], effective: Iterable[Version], anchor: int
) -> frozenset[int]:
    """Serials at or after the anchor, and those of versions that say the same as one that is effective there.

    Of the versions that were cancelled, only those that say the same: a text that is published again under another
    label and date is not asked about twice.
    """
    same = {version.digest for version in list(effective)[anchor:]}
    serials = [version.serial for place, version in enumerate(chain) if place >= anchor or version.digest in same]
    return frozenset((*serials, *(version.serial for version in gone if version.digest in same)))
