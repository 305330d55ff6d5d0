"""``consentgate versions``: what is published, when it counts, and how many accepted it.

Room: cli.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.output import TIMES, clean, say, short, show_json, table
from consentgate.cli.project import find_project, with_terms
from consentgate.errors import NotFoundError

if TYPE_CHECKING:
    from consentgate.service.overview import Tally, VersionState
    from consentgate.service.terms import Terms
    from consentgate.terms.policy import Version

    Found = tuple[Version, VersionState, Tally]


def versions(
    policy: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Only this policy.", show_default=False)
    ] = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List the versions: dates, state, acceptances."""
    from consentgate.service.overview import NO_TALLY, version_state

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
