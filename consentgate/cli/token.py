"""``consentgate token``: what administrators and CI sign in with.

Room: cli.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from consentgate.cli import options
from consentgate.cli.output import TIMES, clean, say, short, show_json, table, tell, when
from consentgate.cli.project import find_project, who, with_terms
from consentgate.errors import ConfigurationError

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
    by: options.By = None,
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

    async def work(terms: Terms) -> NewToken:
        return await terms.new_token(role, label, days=days, by=who(by))

    made = with_terms(find_project(config, database).existing(), work)
    if as_json:
        from consentgate.service.records import instant_or_none

        show_json(
            {
                "id": made.id,
                "token": made.secret,
                "role": made.role,
                "label": made.label,
                "expires": instant_or_none(made.expires),
            }
        )
        return
    tell(f"Token {made.id} for {clean(made.label)}: {made.role}, until {when(made.expires)}. It is shown this once:")
    say(made.secret)


@tokens.command("list")
def list_(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """List all tokens, without their secrets."""

    async def work(terms: Terms) -> tuple[tuple[TokenInfo, ...], Instant]:
        return await terms.list_tokens(), terms.clock()

    found, now = with_terms(find_project(config, database).existing(), work)
    if as_json:
        from consentgate.service.records import instant_or_none

        show_json(
            [
                {
                    "id": one.id,
                    "role": one.role,
                    "label": one.label,
                    "state": one.state(now),
                    "created": instant_or_none(one.created),
                    "expires": instant_or_none(one.expires),
                    "revoked": instant_or_none(one.revoked),
                }
                for one in found
            ]
        )
    elif found:
        rows = [[one.id, one.role, one.label, one.state(now), short(one.created), short(one.expires)] for one in found]
        table(("ID", "ROLE", "LABEL", "STATE", "MADE", "EXPIRES"), rows)
        say(TIMES)
    else:
        say("There are no tokens.")


@tokens.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.", show_default=False)],
    by: options.By = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Revoke a token, at once and for good."""

    async def work(terms: Terms) -> None:
        await terms.revoke_token(token_id, by=who(by))

    with_terms(find_project(config, database).existing(), work)
    if as_json:
        show_json({"id": token_id, "state": "revoked"})
    else:
        say(f"Token {clean(token_id)} is revoked.")
