"""``consentgate proposals``: publications that wait for a second person.

Room: cli.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.output import TIMES, clean, facts, say, short, show_json, table, when
from consentgate.cli.preview import print_preview
from consentgate.cli.project import find_project
from consentgate.cli.publish import print_publication

proposals = typer.Typer(name="proposals", help="Publications that wait for a second person.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `proposals list` shows it.", show_default=False)]


@proposals.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were decided about.")] = False,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List what waits, the newest first."""
    found = Desk(find_project(config, database), site).get("/proposals", status=None if every else "open")
    if as_json:
        show_json(found)
    elif found:
        table(("ID", "MADE", "BY", "STATUS", "WHAT"), [_row(one) for one in found])
        say(TIMES)
    else:
        say("There are no proposals." if every else "Nothing waits for a second person.")


@proposals.command("show")
def show(
    proposal: Id,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Say what approving a proposal would do, as of now."""
    desk = Desk(find_project(config, database), site)
    found = desk.get(at("proposals", proposal))
    preview = desk.get(at("proposals", proposal, "preview")) if found["status"] == "open" else None
    if as_json:
        show_json({**found, "preview": preview})
        return
    facts(_facts(found))
    if preview is not None:
        say()
        print_preview(preview)


@proposals.command("approve")
def approve(
    proposal: Id,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Publish what somebody else proposed. Nobody approves their own."""
    done = Desk(find_project(config, database), site, by).post(at("proposals", proposal, "approve"))
    if as_json:
        show_json(done)
    else:
        print_publication(done)


@proposals.command("reject")
def reject(
    proposal: Id,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why: one line, without personal data.", show_default=False)
    ],
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Reject a proposal, also your own. The reason stands in the ledger."""
    done = Desk(find_project(config, database), site, by).post(at("proposals", proposal, "reject"), {"reason": reason})
    if as_json:
        show_json(done)
    else:
        say(f"Proposal {clean(done['id'])} is rejected.")


def _facts(one: dict[str, Any]) -> list[tuple[str, str]]:
    from consentgate.terms.instants import parse_instant

    found = [
        ("proposal", one["id"]),
        ("what", what(one)),
        ("made", f"{when(parse_instant(one['at']))} by {one['author']}"),
        ("status", one["status"]),
    ]
    if one["decided"]:
        found.append(("decided", f"{when(parse_instant(one['decided']))} by {one['decider']}"))
    return [*found, ("reason", one["reason"])] if one["reason"] else found


def _row(one: dict[str, Any]) -> list[str]:
    from consentgate.terms.instants import parse_instant

    return [one["id"], short(parse_instant(one["at"])), one["author"], one["status"], what(one)]


def what(one: dict[str, Any]) -> str:
    """What a proposal would publish, in a few words."""
    texts = [f"{text['policy']} {text['version']} ({text['language']})" for text in one["texts"]]
    return ", ".join([*texts, *(f"{slug} settings" for slug in one["policies"])])
