"""``consentgate decisions``, ``outstanding`` and ``statistics``: who decided what, and who has not.

Room: cli.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk
from consentgate.cli.export import Decision
from consentgate.cli.output import TIMES, clean, count, progress, say, short, show_json, table, tell, when
from consentgate.cli.project import find_project
from consentgate.errors import ConfigurationError

PAGE = 500
"""Items of a page when all of them are asked for."""

Limit = Annotated[int, typer.Option("--limit", metavar="N", help="Most lines of a page.", min=1, max=500)]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="Go on where the last page ended, as it said.")
]
Every = Annotated[bool, typer.Option("--all", help="Every page, one after the other.")]


def decisions(
    policy: Annotated[str | None, typer.Option("--policy", metavar="SLUG", help="About this policy.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="LABEL", help="About this version; with --policy.")
    ] = None,
    decision: Annotated[Decision | None, typer.Option("--decision", help="Those like this.")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="KIND:ID", help="Of this one and their devices.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="From then on: a date (midnight UTC) or a time.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Until before then.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="TAG", help="Those that were shown a text in this language.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    every: Every = False,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List decisions, the newest first.

    A page costs the same however many there are. For the evidence, see `export`.
    """
    desk = Desk(find_project(config, database), site)
    query = {
        "policy": policy, "version": version, "decision": decision.value if decision else None, "subject": subject,
        "since": since, "until": until, "language": language,
    }  # fmt: skip
    page = _pages(desk, "/decisions", query, limit, cursor, every=every)
    columns = ("AT", "SUBJECT", "DECISION", "POLICY", "VERSION", "LANGUAGE", "HOW", "ID")
    _show(page, columns, _decision, "No decision is like this.", as_json=as_json)


def outstanding(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Which policy.", show_default=False)],
    limit: Limit = 50,
    cursor: Cursor = None,
    every: Every = False,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List who has not accepted what is required now.

    Those on record: whoever never decided about anything is not here.
    """
    desk = Desk(find_project(config, database), site)
    page = _pages(desk, "/outstanding", {"policy": policy}, limit, cursor, every=every)
    _show(page, ("SUBJECT", "STATE", "ACCEPTED LAST", "DECIDED LAST"), _missing, "Nobody is missing.", as_json=as_json)


def statistics(
    policy: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Only this policy.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Where curves begin. Otherwise: the publication.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Say how many accepted, refused, or did not decide.

    The numbers count people on record, each exactly once; below them stands how acceptance grew.
    """
    found = Desk(find_project(config, database), site).get("/statistics", policy=policy, since=since)
    if as_json:
        show_json(found)
        return
    if not found:
        say("Nothing is published.")
        return
    rows = [
        [one["policy"], one["version"] or "—", *(f"{one[name]:,}" for name in ("accepted", "refused", "undecided"))]
        for one in found
    ]
    table(
        ("POLICY", "VERSION", "ACCEPTED", "REFUSED", "NOT DECIDED"), rows, right=("ACCEPTED", "REFUSED", "NOT DECIDED")
    )
    for one in found:
        if one["curve"] and one["curve"]["points"]:
            _curve(one["policy"], one["curve"])


def _curve(policy: str, curve: dict[str, Any]) -> None:
    """The curve as bars, the newest periods last."""
    from consentgate.terms.instants import parse_instant

    since = when(parse_instant(curve["since"]))
    say(f"\n{policy} {clean(curve['version'])} since {since}, by {_period(curve['period'])}")
    points = curve["points"][-20:]
    if len(points) < len(curve["points"]):
        say(f"  … {count(len(curve['points']) - len(points), 'period')} before")
    most = max(point["total"] for point in points) or 1
    width = max(len(f"{point['total']:,}") for point in points)
    for point in points:
        bar = "█" * round(40 * point["total"] / most)
        say(f"  {short(parse_instant(point['at'])):<16}  {point['total']:>{width},}  {bar}".rstrip())


def _period(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= size:
            return name if seconds == size else count(seconds // size, name)
    return count(seconds, "second")


def _pages(
    desk: Desk, path: str, query: dict[str, Any], limit: int, cursor: str | None, *, every: bool
) -> dict[str, Any]:
    """One page, or all of them as if they were one."""
    if not every:
        page: dict[str, Any] = desk.get(path, **query, limit=limit, cursor=cursor)
        return page
    if cursor is not None:
        raise ConfigurationError("--all begins at the beginning", hint="leave --cursor out")
    items: list[Any] = []
    with progress("Reading", "lines") as show:
        while True:
            page = desk.get(path, **query, limit=PAGE, cursor=cursor)
            items += page["items"]
            show(len(items), None)
            cursor = page["next"]
            if cursor is None:
                return {"items": items, "next": None}


def _show(
    page: dict[str, Any],
    columns: tuple[str, ...],
    row: Callable[[dict[str, Any]], list[str]],
    nothing: str,
    *,
    as_json: bool,
) -> None:
    if as_json:
        show_json(page)
        return
    if page["items"]:
        table(columns, [row(one) for one in page["items"]])
        say(TIMES)
    elif page["next"] is None:
        say(nothing)
    if page["next"] is not None:
        tell(f"There is more: --cursor {page['next']}")


def _decision(one: dict[str, Any]) -> list[str]:
    from consentgate.terms.instants import parse_instant

    decision = f"{one['decision']} (test)" if one["test"] else one["decision"]
    return [
        when(parse_instant(one["at"])).removesuffix(" UTC"), _who(one), decision, one["policy"], one["version"],
        one["language"], one["method"], one["id"],
    ]  # fmt: skip


def _missing(one: dict[str, Any]) -> list[str]:
    from consentgate.terms.instants import parse_instant

    last = short(parse_instant(one["last"])) if one["last"] else "never"
    return [_who(one), one["state"], one["accepted"] or "—", last]


def _who(one: dict[str, Any]) -> str:
    return one["subject"]["key"] if one["subject"] else "(erased)"
