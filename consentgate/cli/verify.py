"""``consentgate verify``: the whole ledger where it lies, or evidence files with `consentgate.evidence`.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.failures import FAILED, USAGE
from consentgate.cli.output import clean, count, facts, progress, say, show_json
from consentgate.cli.project import find_project, shown
from consentgate.errors import ConfigurationError

if TYPE_CHECKING:
    from consentgate.service.verify import Report


def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Receipts, ledger exports, checkpoints. Without any: the ledger in the database.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="VKEY", help="Public key to trust, and no other; may be repeated."),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option("--compare", metavar="FILE", help="Say which document of the receipt this file is."),
    ] = None,
    roots_only: Annotated[
        bool, typer.Option("--roots-only", help="Of an export, check only digest, root and signature.")
    ] = False,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Verify the ledger, or evidence files.

    What is proven is said, and what is not. Nothing is written, and neither secret nor signing key is needed: a
    copy of the database will do.
    """
    if files:
        _files(files, key or [], compare or [], roots_only=roots_only, as_json=as_json)
        return
    if compare or roots_only:
        raise ConfigurationError(
            "--compare and --roots-only go with files", hint="`consentgate verify FILE --compare …`"
        )
    from consentgate.service.audit import audit

    settings = find_project(config, database).existing()
    with progress("Verifying", "entries") as show:
        report = audit(settings, keys=key or [], progress=show)
    if as_json:
        show_json(_record(report))
    else:
        _print(report, shown(settings), chosen=bool(key))
    if not report.sound:
        raise typer.Exit(FAILED)


def _files(files: list[Path], keys: list[str], compare: list[Path], *, roots_only: bool, as_json: bool) -> None:
    from consentgate.evidence.__main__ import main

    arguments = [word for key in keys for word in ("--key", key)]
    arguments += [word for path in compare for word in ("--compare", str(path))]
    arguments += ["--roots-only"] if roots_only else []
    arguments += ["--json"] if as_json else []
    try:
        code = main([*arguments, "--", *map(str, files)])
    except SystemExit as error:  # argparse found the arguments wanting, and has said so
        code = error.code if isinstance(error.code, int) else USAGE
    if code:
        raise typer.Exit(code)


def _print(report: Report, place: str, *, chosen: bool) -> None:
    say(f"{clean(report.origin)}: {'sound' if report.sound else 'NOT SOUND'}")
    other = report.size - report.publications - report.decisions
    opened = count(report.opened, "entry", "entries")
    facts(
        [
            ("database", place),
            ("entries", f"{report.size:,}"),
            (
                "",
                f"{count(report.decisions, 'decision')}, {count(report.publications, 'publication')}, {other:,} other",
            ),
            ("personal", f"{opened} opened and right, {report.erased:,} erased on record"),
            *(("key" if place == 0 else "", key) for place, key in enumerate(report.key.split() or ["—"])),
        ]
    )
    if not report.sound:
        say("\nProblems (entries are counted from 0)")
        for problem in report.problems:
            say(f"  - {clean(problem)}", hanging="    ")
        return
    say("\nProven" if chosen else "\nProven, if the key above is the one you publish")
    for sentence in _PROVEN if report.size else _PROVEN_EMPTY:
        say(f"  - {sentence}", hanging="    ")
    say("\nNot proven")
    for sentence in _UNPROVEN:
        say(f"  - {sentence}", hanging="    ")


_PROVEN = (
    "No entry was changed, removed or slipped in since it was signed.",
    "Personal values that are kept are those that were recorded; each that is gone was erased on record.",
    "Every text, redline, page and setting an entry names is kept, byte for byte.",
    "What the gate asks for is what the ledger says was published.",
)
_PROVEN_EMPTY = ("Nothing was ever recorded here.",)
_UNPROVEN = (
    "That nobody with the key keeps a second history: hold this one against checkpoints that were given away.",
    "That the clock of the server was right when entries were made.",
)


def _record(report: Report) -> dict[str, Any]:
    return {
        "sound": report.sound,
        "origin": report.origin,
        "size": report.size,
        "keys": report.key.split(),
        "checkpoint": report.checkpoint,
        "decisions": report.decisions,
        "publications": report.publications,
        "opened": report.opened,
        "erased": report.erased,
        "problems": list(report.problems),
    }
