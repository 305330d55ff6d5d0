"""What administration says in sentences: dates, findings, what a publication will do to whom and when.

Room: web (pure). English, like all of the administrators' pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consentgate.service.preview import Notice, Preview, Stop
from consentgate.terms.calendar import Calendar
from consentgate.terms.checks import Finding
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Impact, Kind, Policy, Version
from consentgate.web.admin.frame import LANGUAGE
from consentgate.web.render import autonym, localised_moment, localised_number

_ASKED = {
    Kind.CONTRACT: "must accept it before they go on",
    Kind.NOTICE: "must acknowledge it before they go on",
}


def moment(instant: Instant) -> str:
    """Date and time of day, with the zone: 00:00 UTC is another day in half of the world."""
    return localised_moment(instant, LANGUAGE)


def counted(number: int, one: str, many: str) -> str:
    """``1 person``, ``1,203 people``."""
    return f"{localised_number(number, LANGUAGE)} {one if number == 1 else many}"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as a line of a list."""

    words: str
    warning: bool


def findings_told(findings: tuple[Finding, ...]) -> tuple[Told, ...]:
    """What the checks found, warnings first."""
    ordered = sorted(findings, key=lambda finding: finding.level != "warning")
    return tuple(Told(_finding(finding), finding.level == "warning") for finding in ordered)


def _finding(finding: Finding) -> str:
    """A finding's own words; where they do not begin with the file, it comes before them."""
    if not finding.file or finding.text.startswith(finding.file):
        return finding.text
    place = finding.file if finding.line is None else f"{finding.file}, line {finding.line}"
    return f"{place}: {finding.text}"


def consequences(preview: Preview, calendar: Calendar, now: Instant) -> tuple[str, ...]:
    """What will happen to whom and when, in the order in which it will."""
    publication = preview.publication
    policies = {**calendar.by_slug, **{policy.slug: policy for policy in publication.policies}}
    stops = {(stop.policy, stop.label): stop for stop in preview.each}
    lines = [line for policy in publication.policies for line in _settings(policy, calendar)]
    for version in sorted(publication.published, key=lambda version: (version.effective, version.policy)):
        lines += _version(version, policies[version.policy], stops, now)
    lines += [
        f"The version {version.label} of “{policies[version.policy].title_in(LANGUAGE)}” can also be read in "
        f"{autonym(translation.language)}. Nobody is asked again."
        for version, translation in publication.translations
    ]
    if len(preview.each) > 1 and preview.stops is not None:
        lines.append(f"Counting everybody once, {counted(preview.stops, 'person is', 'people are')} stopped in all.")
    return tuple(lines)


def _settings(policy: Policy, calendar: Calendar) -> list[str]:
    """Each setting that changes, with what it was: whoever approves it must see what they approve."""
    present = calendar.by_slug.get(policy.slug)
    name, new = f"“{(present or policy).title_in(LANGUAGE)}”", settings_told(policy)
    if present is None:
        return [f"{name} becomes a new policy ({policy.slug}): {_told(new)}."]
    lines = []
    if policy.retired is not None and (policy.retired, policy.replaced_by) != (present.retired, present.replaced_by):
        instead = f", replaced by {policy.replaced_by}" if policy.replaced_by else ""
        lines.append(f"{name} is retired from {moment(policy.retired)}{instead}: nobody is asked about it any more.")
    elif policy.retired is None and present.retired is not None:
        lines.append(f"{name} is not retired any more: what is in force is asked for again.")
    old = settings_told(present)
    changed = [what for what in new if new[what] != old[what]]
    lines += [f"The settings of {name} change at once: {what}, {old[what]} until now, becomes {new[what]}."
              for what in changed]  # fmt: skip
    if not {"who is bound", "tags", "paths", "acceptance"}.isdisjoint(changed):
        lines.append("Whom these settings stop is not counted: who is bound, and for how long, changes for everybody.")
    return lines


def settings_told(policy: Policy) -> dict[str, str]:
    """The settings of a policy in words, by what they are about."""
    audience = policy.audience
    return {
        "the title": listed([f"“{title}” ({autonym(tag)})" for tag, title in policy.title]),
        "the kind": policy.kind.value,
        "the prevailing language": autonym(policy.prevailing),
        "the notice period": counted(policy.notice_days, "day", "days") if policy.notice_days else "none",
        "acceptance": f"good for {counted(policy.renew_after, 'day', 'days')}"
        if policy.renew_after
        else "good for ever",
        "personal fields": f"kept for {counted(policy.retain_days, 'day', 'days')} after they are superseded"
        if policy.retain_days
        else "kept until they are erased",
        "who is bound": listed(sorted(kind.value for kind in audience.kinds)) or "everybody",
        "tags": f"one of {', '.join(sorted(audience.tags))}" if audience.tags else "none needed",
        "paths": listed(list(audience.paths)) or "everywhere",
    }


def _told(settings: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {said}" for what, said in settings.items())


def _version(version: Version, policy: Policy, stops: Mapping[tuple[str, str], Stop], now: Instant) -> list[str]:
    name = f"Version {version.label} of “{policy.title_in(LANGUAGE)}”"
    languages = listed([autonym(language) for language in version.languages])
    lines = []
    if version.effective > now:
        seen = "At once" if version.announced <= now else f"On {moment(version.announced)}"
        lines.append(f"{seen} visitors can read and accept {name[:1].lower()}{name[1:]} early ({languages}).")
        lines.append(f"On {moment(version.effective)} it takes effect.")
    else:
        lines.append(f"{name} takes effect at once ({languages}).")
    if version.impact is Impact.EDITORIAL:
        return [*lines, "The change is editorial: whoever accepted the version before is not asked again."]
    if policy.kind is Kind.CONSENT:
        return [*lines, "It asks for a consent that is up to the visitor: nobody is stopped."]
    if version.enforced > max(version.effective, now):
        lines.append(f"Until {moment(version.enforced)} visitors may answer “not now”.")
    return [*lines, _stopped(version, policy, stops.get((version.policy, version.label)), now)]


def _stopped(version: Version, policy: Policy, stop: Stop | None, now: Instant) -> str:
    asked = _ASKED[policy.kind]
    when = "From now on" if version.enforced <= now else f"From {moment(version.enforced)}"
    if stop is None or stop.first:
        return f"{when} everybody it binds {asked}: it is the first version of this policy."
    if stop.subjects is None:
        return f"{when} whoever accepted before and has not accepted this version is stopped and {asked}."
    if not stop.subjects:
        return f"{when} nobody is stopped who would pass without it."
    people = counted(stop.subjects, "person who accepted before is stopped", "people who accepted before are stopped")
    return f"{when} {people} and {asked}."


def notice_told(notice: Notice) -> Told:
    """Whether a promised notice period is kept."""
    given, promised = counted(notice.given, "day", "days"), counted(notice.promised, "day", "days")
    if not notice.promised:
        return Told(f"{notice.label} gives {given} of notice; this policy promises none.", warning=False)
    if notice.kept:
        return Told(f"{notice.label} gives {given} of notice; this policy promises {promised}.", warning=False)
    return Told(
        f"{notice.label} gives only {given} of notice, and this policy promises {promised}. "
        "A later date keeps the promise; whoever publishes can also confirm the short notice.",
        warning=True,
    )
