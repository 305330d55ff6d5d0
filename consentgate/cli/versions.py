"""``consentgate versions``: what is published, when it counts, and how many accepted it.

Room: cli.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.output import TIMES, clean, say, short, show_json, table
from consentgate.cli.project import find_project, with_terms
from consentgate.errors import NotFoundError
from consentgate.terms.instants import parse_instant

if TYPE_CHECKING:
    from consentgate.service.overview import Tally, VersionState
    from consentgate.service.terms import Terms
    from consentgate.terms.policy import Version

    Found = tuple[Version, VersionState, Tally]


def versions(
    policy: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Only this policy.", show_default=False)
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List the versions: dates, state, acceptances.

    With --site without acceptances: see `consentgate statistics`.
    """
    from consentgate.service.overview import NO_TALLY, version_state

    if site is not None:
        _on_site(Desk(find_project(config, database), site), policy, as_json=as_json)
        return

    titles: dict[str, str] = {}

    async def work(terms: Terms) -> list[Found]:
        calendar, counts, now = terms.calendar, await terms.tally(), terms.clock()
        if policy is not None and policy not in calendar.by_slug:
            known = ", ".join(calendar.by_slug) or "none"
            raise NotFoundError(f"there is no policy {policy}", hint=f"published: {known}", policy=policy)
        titles.update((one.slug, one.title_in(one.prevailing)) for one in calendar.policies)
        return [
            (version, version_state(calendar, version, now), counts.get(version.serial, NO_TALLY))
            for slug in calendar.by_slug
            if policy in (None, slug)
            for version in calendar.chain(slug)
        ]

    found = with_terms(find_project(config, database).existing(), work, reading=True)
    if as_json:
        show_json([_record(*one) for one in found])
    elif found:
        for slug, chain in groupby(found, lambda one: one[0].policy):
            say(f"{slug} — {clean(titles[slug])}")
            _table(list(chain))
            say()
        say(TIMES)
    else:
        say("Nothing is published.")


def _on_site(desk: Desk, policy: str | None, *, as_json: bool) -> None:
    policies = desk.get("/policies") if policy is None else [desk.get(at("policies", policy))]
    chains = {
        one["slug"]: [
            version for version in desk.get(at("policies", one["slug"], "versions")) if version["state"] != "cancelled"
        ]
        for one in policies
    }
    if as_json:
        show_json([version for chain in chains.values() for version in chain])
        return
    for one in policies:
        titles = one["settings"]["title"]
        title = titles.get(one["settings"].get("prevailing")) or next(iter(titles.values()), "")
        say(f"{one['slug']} — {clean(title)}")
        table(_COLUMNS[:-1], [_site_row(version) for version in chains[one["slug"]]])
        say()
    say(TIMES if policies else "Nothing is published.")


def _site_row(version: dict[str, Any]) -> list[str]:
    times = [short(parse_instant(version[name])) for name in ("announced", "effective", "enforced")]
    return [version["version"], version["state"], version["impact"], *times, " ".join(version["languages"])]


def _table(chain: list[Found]) -> None:
    refused = any(tally.refused for _, _, tally in chain)
    table(
        (*_COLUMNS, "REFUSED") if refused else _COLUMNS,
        [_row(*one)[: None if refused else -1] for one in chain],
        right=("ACCEPTED", "REFUSED"),
    )


_COLUMNS = ("VERSION", "STATE", "IMPACT", "ANNOUNCED", "EFFECTIVE", "ENFORCED", "LANGUAGES", "ACCEPTED")


def _row(version: Version, state: VersionState, tally: Tally) -> list[str]:
    return [
        version.label, state, version.impact.value, short(version.announced), short(version.effective),
        short(version.enforced), " ".join(version.languages), f"{tally.accepted:,}", f"{tally.refused:,}",
    ]  # fmt: skip


def _record(version: Version, state: VersionState, tally: Tally) -> dict[str, Any]:
    from consentgate.service.records import version_record

    return {
        **version_record(version),
        "state": state,
        "accepted": tally.accepted,
        "refused": tally.refused,
        "decisions": {act.value: number for act, number in sorted(tally.acts.items())},
    }
