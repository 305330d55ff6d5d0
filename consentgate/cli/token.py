"""``consentgate token``: what administrators and CI sign in with.

Room: cli.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.output import TIMES, clean, say, short, show_json, table, tell, when
from consentgate.cli.project import find_project, who, with_terms
from consentgate.errors import ConfigurationError, ConsentGateError

if TYPE_CHECKING:
    from consentgate.service.overview import TokenInfo
    from consentgate.service.terms import Terms
    from consentgate.service.tokens import NewToken
    from consentgate.terms.instants import Instant

tokens = typer.Typer(name="token", help="Make, list and revoke administrators' tokens.", no_args_is_help=True)


@tokens.command("new")
def new(
    role: Annotated[str, typer.Option("--role", help="auditor, editor, publisher or owner.", show_default=False)],
    label: Annotated[str, typer.Option("--label", help="Who or what will use it, such as ci.", show_default=False)],
    days: Annotated[int, typer.Option("--days", metavar="N", help="Lifetime; at most 3650.", min=1, max=3650)] = 365,
    holder: Annotated[
        str | None,
        typer.Option("--holder", metavar="NAME", help="Whose it is, always written the same: one person, one vote."),
    ] = None,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Make a token. It is shown once: only its digest is kept.

    An auditor reads and exports, an editor drafts, a publisher publishes, an owner does everything.
    """
    from consentgate.service.administrators import ROLES

    if role not in ROLES:
        raise ConfigurationError(f"there is no role {role}", hint=f"one of {', '.join(ROLES)}")

    project = find_project(config, database)
    if site is not None:
        order = {"role": role, "label": label, "days": days, "holder": holder}
        _show_new(Desk(project, site, by).post("/tokens", order), as_json=as_json)
        return

    async def work(terms: Terms) -> NewToken:
        return await terms.new_token(role, label, days=days, by=who(by), holder=holder)

    from consentgate.service.records import instant_or_none

    made = with_terms(project.existing(), work)
    expires = instant_or_none(made.expires)
    record = {"id": made.id, "secret": made.secret, "role": made.role, "label": made.label, "expires": expires}
    _show_new(record, as_json=as_json)


def _show_new(made: dict[str, Any], *, as_json: bool) -> None:
    from consentgate.terms.instants import parse_instant

    if made["secret"] is None:  # the site had made it when the connection broke, and says a secret only once
        raise ConsentGateError(
            f"token {made['id']} was made, and the answer with its secret was lost on the way",
            hint=f"revoke it (`consentgate token revoke {made['id']} --site …`) and make another",
        )
    if as_json:
        names = ("id", "secret", "role", "label", "expires")
        show_json({"token" if name == "secret" else name: made[name] for name in names})
        return
    until = when(parse_instant(made["expires"]) if made["expires"] else None)
    tell(f"Token {made['id']} for {clean(made['label'])}: {made['role']}, until {until}. It is shown this once:")
    say(made["secret"])


@tokens.command("list")
def list_(
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List all tokens, without their secrets."""
    if site is not None:
        _print(Desk(find_project(config, database), site).get("/tokens"), as_json=as_json)
        return

    async def work(terms: Terms) -> tuple[tuple[TokenInfo, ...], Instant]:
        return await terms.list_tokens(), terms.clock()

    from consentgate.service.records import instant_or_none

    found, now = with_terms(find_project(config, database).existing(), work)
    records = [
        {
            "id": one.id,
            "role": one.role,
            "label": one.label,
            "state": one.state(now),
            "created": instant_or_none(one.created),
            "expires": instant_or_none(one.expires),
            "revoked": instant_or_none(one.revoked),
            "holder": one.holder,
        }
        for one in found
    ]
    _print(records, as_json=as_json)


def _print(found: list[dict[str, Any]], *, as_json: bool) -> None:
    from consentgate.terms.instants import parse_instant

    if as_json:
        show_json(found)
        return
    if not found:
        say("There are no tokens.")
        return
    rows = [
        [one["id"], one["role"], one["label"], one["state"], short(parse_instant(one["created"])),
         short(parse_instant(one["expires"]) if one["expires"] else None), one.get("holder") or "—"]
        for one in found
    ]  # fmt: skip
    table(("ID", "ROLE", "LABEL", "STATE", "MADE", "EXPIRES", "HOLDER"), rows)
    say(TIMES)


@tokens.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.", show_default=False)],
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Revoke a token, at once and for good."""

    async def work(terms: Terms) -> None:
        await terms.revoke_token(token_id, by=who(by))

    project = find_project(config, database)
    if site is not None:
        Desk(project, site, by).ask("DELETE", at("tokens", token_id))
    else:
        with_terms(project.existing(), work)
    if as_json:
        show_json({"id": token_id, "state": "revoked"})
    else:
        say(f"Token {clean(token_id)} is revoked.")
