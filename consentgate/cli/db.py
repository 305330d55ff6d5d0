"""``consentgate db``: the tables of the database.

Room: cli.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from consentgate.cli import options
from consentgate.cli.failures import FAILED
from consentgate.cli.output import clean, say, show_json, tell
from consentgate.cli.project import find_project, shown

if TYPE_CHECKING:
    from consentgate.service.schema import Standing

db = typer.Typer(name="db", help="The tables of the database, and where it lives.", no_args_is_help=True)


@db.command("current")
def current(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """Say which schema version the database has.

    Exit code 1 where this consentgate cannot work with it.
    """
    from consentgate.service.schema import current as look

    settings = find_project(config, database).existing()
    _show(shown(settings), look(settings), as_json=as_json)


@db.command("check")
def check(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """Compare the tables, column by column, with those this consentgate expects.

    Exit code 1 where something is missing or different. What is unexpected (an index of your own) is only said.
    """
    from consentgate.service.schema import check as compare

    settings = find_project(config, database).existing()
    _show(shown(settings), compare(settings), as_json=as_json)


@db.command("upgrade")
def upgrade(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """Make the tables of an empty database, or bring up older ones.

    Needs a role that may change tables; no key, no secret. It only adds, in one transaction: workers of the release
    before may go on meanwhile. An SQLite file is also brought up by itself when it is opened. Going back to the release
    before afterwards means restoring a backup.
    """
    from consentgate.service.schema import upgrade as bring_up

    settings = find_project(config, database).existing()
    before, after = bring_up(settings)
    if as_json:
        show_json({"database": shown(settings), "before": before, "after": after})
    elif before is None:
        tell(f"{shown(settings)}: made the tables, schema version {after}.")
    elif before == after:
        tell(f"{shown(settings)}: nothing to do, schema version {after}.")
    else:
        tell(f"{shown(settings)}: brought from schema version {before} to {after}.")


def _show(name: str, standing: Standing, *, as_json: bool) -> None:
    if as_json:
        show_json({"database": name, "good": standing.good, **asdict(standing)})
    else:
        say(f"{clean(name)}: {_words(standing)}")
        for one in standing.differences:
            say(f"  {clean(one)}", hanging="    ")
    if not standing.good:
        raise typer.Exit(FAILED)


def _words(standing: Standing) -> str:
    if standing.found is None:
        return "no tables yet; `consentgate db upgrade` makes them."
    if standing.found < standing.expected:
        return f"schema version {standing.found}, to be brought to {standing.expected}: run `consentgate db upgrade`."
    if standing.found > standing.expected:
        return f"schema version {standing.found}; this release knows up to {standing.expected}: install a newer one."
    if not standing.good:
        return f"schema version {standing.found}, but not its tables: restore a backup, or repair by hand."
    return f"schema version {standing.found}, as it should be."
