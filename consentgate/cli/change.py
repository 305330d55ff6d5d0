"""``consentgate cancel`` and ``retire``: take back what has not taken effect; end a policy.

Room: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.output import clean, say, show_json
from consentgate.cli.project import find_project
from consentgate.cli.publish import print_done


def cancel(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Which policy.", show_default=False)],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Which version.", show_default=False)],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why: one line, without personal data.", show_default=False)
    ],
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Withdraw a version that has not taken effect.

    It never will, on any server, and its label is not given again. What is in effect cannot be cancelled: publish a
    new version.
    """
    desk = Desk(find_project(config, database), site, by)
    found = desk.post(at("policies", policy, "versions", version, "cancel"), {"reason": reason})
    if as_json:
        show_json(found)
    else:
        say(f"{clean(found['policy'])} {clean(found['version'])} is {found['state']}: it never takes effect.")


def retire(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Which policy.", show_default=False)],
    when: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="From then on: a date or a time. Otherwise: now.")
    ] = None,
    replaced_by: Annotated[
        str | None, typer.Option("--replaced-by", metavar="SLUG", help="The policy in its place.")
    ] = None,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Ask nobody about a policy any more.

    Where a folder of policies is published at start-up, write `retired` into its policy.toml, too: the folder speaks
    last.
    """
    desk = Desk(find_project(config, database), site, by)
    done = desk.post(at("policies", policy, "retire"), {"at": when, "replaced_by": replaced_by})
    if as_json:
        show_json(done)
    else:
        print_done(done)
