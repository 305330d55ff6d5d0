"""What stands around the texts: all of them in a list, a policy's history, the changes between any two versions.

Room: web. Public pages, like `texts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consentgate.errors import NotFoundError
from consentgate.terms.instants import Instant
from consentgate.terms.languages import look_up
from consentgate.terms.policy import Version
from consentgate.web.present import (
    VIEWS,
    Choice,
    TextLines,
    View,
    _,
    language_choices,
    paragraphs,
    standing_facts,
    stats_line,
    text_lines,
    version_name,
    view_choices,
)
from consentgate.web.redlines import ChangeLine, change_lines, redline_html
from consentgate.web.shelf import Shelf, changes_url, choose, find, shelf_of
from consentgate.web.visit import House, Visit


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """What ``changes.html`` shows."""

    kicker: str
    heading: str
    lede: str
    action: str
    view: View
    language: str
    labels: list[str]
    older: str
    newer: str
    views: list[Choice]
    languages: list[Choice]
    stats: str
    changes: list[ChangeLine]
    redline: Markup | None
    text: TextLines
    older_url: str
    newer_url: str
    older_name: str
    newer_name: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One policy in the list of all."""

    title: str
    language: str
    url: str
    facts: list[str]
    changes_url: str
    history_url: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version in the history of a policy."""

    name: str
    url: str
    facts: list[str]
    in_force: bool
    summary: tuple[str, ...]
    language: str
    changes_url: str
    since_then_url: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """What ``policies.html`` and ``history.html`` show."""

    languages: list[Choice]
    title: str = ""
    language: str = ""
    policies: list[PolicyLine] = field(default_factory=list)
    entries: list[HistoryEntry] = field(default_factory=list)


class Lists:
    """The pages around the texts."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def changes(self, request: Request) -> Response:
        """Answer ``GET /terms/{slug}/changes?from=A&to=B``: what changed between any two versions, either way."""
        shelf = shelf_of(await self.house.terms.fresh(), request.path_params["slug"], self.house.terms.clock())
        visit = self.house.visit(request)
        first = shelf.before(shelf.current) is None  # nothing came before it: then what is coming is worth comparing
        newer = _wanted(shelf, visit.query("to"), (shelf.after(shelf.current) if first else None) or shelf.current)
        older = _wanted(shelf, visit.query("from"), shelf.before(newer) or newer)
        common = [tag for tag in newer.languages if tag in older.languages]
        if not common:
            raise NotFoundError(f"{older.label} and {newer.label} have no language in common")
        language = look_up(visit.wanted, common, newer.prevailing if newer.prevailing in common else common[0])
        one, other = older.translation(language), newer.translation(language)
        redline = await self.house.terms.redline(one.digest, other.digest)
        words, slug = visit.words, shelf.policy.slug
        view = _view(visit.query("view"))
        base = f"{visit.base}/{slug}"
        here = changes_url(visit, slug, older, newer)
        values = {"older": older.label, "newer": newer.label, "title": other.title}
        page = ChangesPage(
            kicker=other.title,
            heading=words.say(_("What changed in our %(title)s"), **values),
            lede=words.say(_("From version %(older)s to version %(newer)s."), **values),
            action=f"{base}/changes",
            view=view,
            language=language,
            labels=[version.label for version in reversed(shelf.versions)],
            older=older.label,
            newer=newer.label,
            views=[
                choice
                for choice in view_choices(words, view, f"{here}&view={{}}&language={language}")
                if choice.value != "full"
            ],
            languages=language_choices({*common, words.language}, language, f"{here}&view={view}&language={{}}"),
            stats=stats_line(redline, words),
            changes=change_lines(redline, words, slug=slug, anchored=True),
            redline=None if redline.empty else redline_html(redline, view, words, slug=slug, top=3),
            text=text_lines(newer, other, words, shelf.versions),
            older_url=f"{base}/{older.label}?language={language}",
            newer_url=f"{base}/{newer.label}?language={language}",
            older_name=version_name(older, words),
            newer_name=version_name(newer, words),
        )
        return self.house.page(visit, "changes.html", page, private=False, index=False)

    async def history(self, request: Request) -> Response:
        """Answer ``GET /terms/{slug}/history``: every version, the newest first."""
        shelf = shelf_of(await self.house.terms.fresh(), request.path_params["slug"], self.house.terms.clock())
        visit = self.house.visit(request)
        entries = [self._history_entry(visit, shelf, version) for version in reversed(shelf.versions)]
        languages = language_choices(
            self.house.renderer.catalogues.languages,
            visit.words.language,
            f"{visit.base}/{shelf.policy.slug}/history?language={{}}",
        )
        shown = choose(shelf.current, visit)
        page = ListPage(languages, shown.title, shown.language, entries=entries)
        return self.house.page(visit, "history.html", page, private=False, index=True)

    def _history_entry(self, visit: Visit, shelf: Shelf, version: Version) -> HistoryEntry:
        slug, translation, previous = shelf.policy.slug, choose(version, visit), shelf.before(version)
        in_force = version is shelf.in_force
        later = shelf.in_force is not None and not in_force and version.effective <= shelf.in_force.effective
        return HistoryEntry(
            name=version_name(version, visit.words),
            url=f"{visit.base}/{slug}/{version.label}",
            facts=standing_facts(version, visit.words, self.house.terms.clock(), in_force=in_force),
            in_force=in_force,
            summary=paragraphs(translation.summary),
            language=translation.language,
            changes_url=changes_url(visit, slug, previous, version) if previous else "",
            since_then_url=changes_url(visit, slug, version, shelf.current) if later else "",
        )

    async def bare(self, request: Request) -> Response:
        """``/terms/`` is ``/terms``."""
        return RedirectResponse(self.house.visit(request).base, 308)

    async def all(self, request: Request) -> Response:
        """Answer ``GET /terms``: every policy that stands now."""
        visit, now = self.house.visit(request), self.house.terms.clock()
        calendar = await self.house.terms.fresh()
        lines = [
            self._policy_line(visit, shelf_of(calendar, standing.policy.slug, now), now)
            for standing in calendar.at(now).standings
        ]
        languages = language_choices(
            self.house.renderer.catalogues.languages, visit.words.language, f"{visit.base}?language={{}}"
        )
        return self.house.page(visit, "policies.html", ListPage(languages, policies=lines), private=False, index=True)

    def _policy_line(self, visit: Visit, shelf: Shelf, now: Instant) -> PolicyLine:
        slug, version, words = shelf.policy.slug, shelf.current, visit.words
        facts = [version_name(version, words), *standing_facts(version, words, now, in_force=version is shelf.in_force)]
        coming = shelf.after(version)
        if coming is not None:
            facts.append(words.say(_("a new version is announced")))
        older, newer = (version, coming) if coming else (shelf.before(version), version)
        shown = choose(version, visit)
        return PolicyLine(
            title=shown.title,
            language=shown.language,
            url=f"{visit.base}/{slug}",
            facts=facts,
            changes_url=changes_url(visit, slug, older, newer) if older else "",
            history_url=f"{visit.base}/{slug}/history",
        )


def _wanted(shelf: Shelf, label: str, default: Version) -> Version:
    if not label:
        return default
    found = find(shelf, label)
    if found is None:
        raise NotFoundError(f"{shelf.policy.slug} has no version {label[:60]}")
    return found


def _view(name: str) -> View:
    return cast("View", name) if name in VIEWS and name != "full" else "inline"
