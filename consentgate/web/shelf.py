"""The visible versions of a policy, and how a visitor's language picks among their translations.

Room: web (pure but for the calendar it is given). A version is visible from the instant it is announced.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentgate.errors import NotFoundError
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import Instant
from consentgate.terms.languages import look_up
from consentgate.terms.policy import Policy, Translation, Version
from consentgate.web.present import address
from consentgate.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Shelf:
    """The visible versions of one policy.

    Args:
        policy: the policy.
        versions: announced or effective ones, in order of effect.
        in_force: the one that binds now, or ``None``.
    """

    policy: Policy
    versions: tuple[Version, ...]
    in_force: Version | None

    @property
    def current(self) -> Version:
        """The one in force, else the first that will be."""
        return self.in_force or self.versions[0]

    def before(self, version: Version) -> Version | None:
        """The version before this one."""
        place = self.versions.index(version)
        return self.versions[place - 1] if place else None

    def after(self, version: Version) -> Version | None:
        """The version after this one."""
        place = self.versions.index(version) + 1
        return self.versions[place] if place < len(self.versions) else None


def shelf_of(calendar: Calendar, slug: str, now: Instant) -> Shelf:
    """The visible versions of a policy.

    Raises:
        NotFoundError: no such policy, or nothing of it has been announced.
    """
    policy = calendar.by_slug.get(slug)
    versions = tuple(version for version in calendar.chain(slug) if version.announced <= now)
    if policy is None or not versions:
        raise NotFoundError(f"there is no policy {slug}")
    in_force = next((version for version in reversed(versions) if version.effective <= now), None)
    if policy.retired is not None and policy.retired <= now:
        in_force = None
    return Shelf(policy, versions, in_force)


def find(shelf: Shelf, label: str) -> Version | None:
    """A visible version by its label."""
    return next((version for version in shelf.versions if version.label == label), None)


def choose(version: Version, visit: Visit) -> Translation:
    """The best translation for a visitor (RFC 4647 look-up)."""
    return version.translation(look_up(visit.wanted, version.languages, version.prevailing))


def changes_url(visit: Visit, slug: str, older: Version | None, newer: Version) -> str:
    """Where the changes between two versions are shown."""
    query = {"from": older.label if older else None, "to": newer.label}
    return address(f"{visit.base}/{slug}/changes", **query)
