"""``consentgate db``: the tables of the database.

Room: cli.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from consentgate.cli import options
from consentgate.cli.failures import FAILED
from consentgate.cli.output import Progress, clean, count, progress, say, show_json, show_traces, tell
from consentgate.cli.project import find_project, near, shown
from consentgate.service.settings import database_url, sqlite_path

if TYPE_CHECKING:
    from consentgate.service.schema import Standing
    from consentgate.service.settings import Settings

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


@db.command("rewrite")
def rewrite(
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for whoever uses the table.", min=0.1)
    ] = 10.0,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write the table of personal values anew, so that nothing that was erased is left in its files.

    PostgreSQL leaves the bytes of erased rows in unused space of its data files. A small table is written anew after
    each erasure; for a large one this is the command, at a quiet hour: while it runs nobody can decide, and it needs as
    much free disk as the table has. Run it as the owner of the table; from PostgreSQL 17 on `consentgate_desk` may.
    An SQLite file needs it only where a long reader kept its log from being emptied.
    """
    from consentgate.service.schema import rewrite as write

    settings = find_project(config, database).existing()
    done = write(settings, wait)
    if as_json:
        show_json({"database": shown(settings), **asdict(done)})
    else:
        left = "Nothing that was erased is left in its files." if done.gone else "Not everything is gone."
        say(f"{clean(shown(settings))}: {_size(done.before)} before, {_size(done.after)} now. {left}")
        show_traces([asdict(one) for one in done.left])
    if not done.gone:
        raise typer.Exit(FAILED)


def _size(number: int) -> str:
    return f"{number / 1e6:,.0f} MB" if number >= 10_000_000 else f"{number / 1e3:,.0f} kB"


@db.command("roles")
def roles(
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="NAME", help="What the roles are called, before _web and so on.")
    ] = "consentgate",
    schema: Annotated[str, typer.Option("--schema", metavar="NAME", help="Where the tables are.")] = "public",
) -> None:
    """Print SQL that makes roles of least privilege on PostgreSQL.

    One for workers that serve visitors, one for administration, one for the sequencer (the only one that needs the
    signing key), one for auditors. Read it, then run it as the owner of the tables, again after each `db upgrade`:
    consentgate db roles | psql DATABASE
    """
    from consentgate.service.schema import roles_script

    typer.echo(roles_script(prefix, schema), nl=False)


@db.command("copy")
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Database to copy: a URL, or the path of a file.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Empty database to copy into, likewise.")],
    as_json: options.Json = False,
) -> None:
    """Move a ledger to another database, such as from SQLite to PostgreSQL.

    Every row is copied and the whole ledger verified in its new place, root for root; until then nothing can open it
    there. Interrupted, it goes on when run again. Run it once while the application runs, stop the application, and
    run it again: that copies only what came since. Keys and secrets stay where they are.
    """
    from consentgate.service.moving import copy as move

    settings = find_project(None, source).existing()
    with ExitStack() as stack:
        moved = move(settings, target, _bars(stack))
    place = shown(replace(settings, database=database_url(target)))
    if as_json:
        show_json(
            {"source": shown(settings), "target": place, "origin": moved.origin, "size": moved.size,
             "checkpoint": moved.checkpoint, "rows": moved.rows, "written": moved.written}
        )  # fmt: skip
        return
    tell(f"{place}: {count(moved.size, 'entry', 'entries')} of {clean(moved.origin)}, verified. "
         f"{count(moved.written, 'row')} of {moved.rows:,} were new or changed.")  # fmt: skip
    for line in _switching(settings, target, place):
        tell(line)


def _bars(stack: ExitStack) -> Callable[[str, int, int | None], None]:
    """One bar for copying, and when that is done one for verifying."""
    shown: dict[str, Progress] = {}

    def show(what: str, done: int, total: int | None) -> None:
        if what not in shown:
            stack.close()
            words = ("Copying", "rows") if what == "copy" else ("Verifying", "entries")
            shown[what] = stack.enter_context(progress(*words))
        shown[what](done, total)

    return show


def _switching(settings: Settings, target: str, place: str) -> list[str]:
    """What to do now."""
    from consentgate.service.keys import key_file

    key = key_file(settings.ledger_key, sqlite_path(settings.database))
    lines = ["To switch, with the application stopped since before this copy began, set:", f"  database = {place}"]
    if key is not None:
        lines.append(f"  ledger_key = {near(key)}   (the signing key stays where it is)")
    if (old := settings.place) is not None:
        memory = [name for end in (".anchor", ".erasures") if (name := old.with_name(old.name + end)).exists()]
        new = replace(settings, database=database_url(target)).place
        if memory and new is not None:
            lines.append("Take along what is remembered outside the database:")
            lines += [f"  cp {near(one)} {near(new)}{one.suffix}" for one in memory]
    return [*lines, "Keep the old database until the application has run on the new one; then nothing may write to it."]


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
