"""``consentgate doctor`` and ``epoch``: what is wrong around the ledger, and how it goes on after a restore.

Room: cli.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from consentgate.cli import options
from consentgate.cli.erase import Yes, confirm
from consentgate.cli.failures import FAILED
from consentgate.cli.output import clean, count, say, show_json, tell
from consentgate.cli.project import find_project, shown, who
from consentgate.errors import ConsentGateError

if TYPE_CHECKING:
    from consentgate.service.doctor import Diagnosis
    from consentgate.service.epoch import NewEpoch
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms

_MARKS = {"error": "ERROR", "warning": "warning", "note": "note", "ok": "ok"}


def doctor(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """Say what is wrong around the ledger, and what to do.

    Files and their rights, signing key, anchor file, clock, disk, write-ahead log, SQLite, erasures that a backup took
    back, templates that override ours. Nothing is changed. Exit code 1 where something is wrong now. Whether the
    entries are right: `verify`.
    """
    from consentgate.service.doctor import examine
    from consentgate.service.engine import now

    settings = find_project(config, database).settings()
    found = [*_templates(settings), *examine(settings, now=now())]
    if as_json:
        show_json([{"level": one.level, "what": one.what, "hint": one.hint} for one in found])
    else:
        say(f"{shown(settings)}")
        for one in found:
            say(f"  {_MARKS[one.level]:<8} {clean(one.what)}", hanging="           ")
            if one.hint:
                say(f"           {clean(one.hint)}", hanging="           ")
    if any(one.level == "error" for one in found):
        raise typer.Exit(FAILED)


def _templates(settings: Settings) -> list[Diagnosis]:
    """What the page on which people accept lost by the host's templates: the rules of `lint-page`."""
    from consentgate.cli.lint import rehearsed
    from consentgate.service.doctor import Diagnosis

    if settings.templates is None:
        return []
    hint = f"consentgate lint-page {settings.templates}"
    try:
        found = rehearsed(settings.templates)
    except ConsentGateError as error:
        return [Diagnosis("error", f"the review page cannot be made from your templates: {error}", error.hint or hint)]
    return [
        Diagnosis("warning", f"the review page with your templates breaks the rule {one.rule}: {one.message}", hint)
        for one in found
    ]


def epoch(
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin", metavar="NAME", help="The new name. Otherwise: the old one with /2, or the next number."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also where nothing seems to be lost.")] = False,
    yes: Yes = False,
    by: options.By = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Go on under a new name after a backup was restored.

    Receipts and checkpoints from the lost span are out in the world, signed with the old name: going on under it would
    be a second history. The new name has a new key. Stop the application first; publish the new public key afterwards.
    What was erased since the backup is erased again.
    """
    import asyncio

    from consentgate.service.terms import Terms as Handle

    settings = find_project(config, database).settings()
    confirm("Begin a new epoch of this ledger?", yes=yes)
    terms: Terms = Handle(settings)
    done = asyncio.run(terms.new_epoch(origin, by=who(by), force=force))
    if as_json:
        show_json(
            {
                "origin": done.origin, "key": done.key, "before": done.before, "size": done.size, "known": done.known,
                "lost": done.lost,
            }
        )  # fmt: skip
    else:
        _tell(done)


def _tell(done: NewEpoch) -> None:
    lost = "nobody knows how many are lost" if done.lost is None else f"{count(done.lost, 'entry', 'entries')} lost"
    size = count(done.size, "entry", "entries")
    say(f"{clean(done.before)} ends at {size}; {lost}. The ledger goes on as {clean(done.origin)}.")
    tell("Publish its public key where the old one stands:")
    say(clean(done.key))
