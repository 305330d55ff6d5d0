"""``consentgate publish``: a folder of drafts becomes versions, here or on a remote site.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.failures import FAILED
from consentgate.cli.output import clean, count, say, show_json, tell
from consentgate.cli.project import Project, find_project, in_memory, missing, shown, who, with_terms
from consentgate.errors import ConfigurationError

if TYPE_CHECKING:
    from consentgate.service.settings import Settings


def publish(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folder of policies. Otherwise: that of consentgate.toml, or ./policies.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 when something is not published. For CI.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be published.")] = False,
    short_notice: Annotated[
        bool, typer.Option("--short-notice", help="Publish although the promised notice is not given.")
    ] = False,
    by: options.By = None,
    site: Annotated[
        str | None,
        typer.Option(
            "--site",
            metavar="URL",
            help="Publish on a running site instead of in a database; the token is read from CONSENTGATE_TOKEN.",
        ),
    ] = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Publish what is new in a folder of policies.

    All of it or nothing. What is published already stays as it is, so doing it twice changes nothing; a file that
    would change a published text is refused.
    """
    project = find_project(config, database)
    asked, notes = dry_run or check, list[str]()
    if site is None:
        record = _here(project, folder, notes, dry_run=asked, short_notice=short_notice, by=who(by))
    elif by is None:
        record = _remotely(project, folder, site, dry_run=asked, short_notice=short_notice)
    else:
        raise ConfigurationError("--by goes with a database", hint="on a site the token says who publishes")
    drift = bool(record["published"] or record["translations"] or record["policies"])
    if as_json:
        show_json({**record, "drift": drift} if check else record)
    else:
        print_publication(record)
    for note in notes:
        tell(note)
    if check and drift:
        tell("Not everything in this folder is published. Without --check it would be now.")
        raise typer.Exit(FAILED)


def _here(
    project: Project, folder: Path | None, notes: list[str], *, dry_run: bool, short_notice: bool, by: str
) -> dict[str, Any]:
    from consentgate.service.publish import Publication
    from consentgate.service.records import publication_record
    from consentgate.service.terms import Terms

    source, settings = project.policies(folder), project.settings()
    place, new = shown(settings), missing(settings)

    async def ask(terms: Terms) -> Publication:
        return await terms.publish(source, by=by, dry_run=True, short_notice=short_notice)

    async def do(terms: Terms) -> tuple[Publication, str]:
        return await terms.publish(source, by=by, short_notice=short_notice), terms.engine.ledger.origin

    if dry_run or new:
        # Where there is no database yet, a dry run leaves none behind; nor does a folder that cannot be published.
        done = with_terms(in_memory(settings) if new else settings, ask)
        if new and dry_run:
            notes.append(f"There is no database at {place} yet: this was compared with nothing.")
    if not dry_run:
        done, origin = with_terms(settings, do)
        notes += _birth(settings, origin, place) if new else []
    return publication_record(done)


def _birth(settings: Settings, origin: str, place: str) -> list[str]:
    """What must be known about a ledger that was just begun."""
    notes = [f"A new ledger was begun: {clean(origin)}, in {place}."]
    if settings.ledger_key is None:
        notes.append(f"Its signing key is {place}.key. Keep a copy elsewhere; without it nothing can be added.")
        if settings.origin is None:
            notes.append("That name is made up, and for good: for a real site set origin, and begin a new database.")
    return notes


def _remotely(project: Project, folder: Path | None, site: str, *, dry_run: bool, short_notice: bool) -> dict[str, Any]:
    from consentgate.cli.remote import publish_at
    from consentgate.service.folder import read_folder

    prefix = project.config.values.get("prefix", "/terms") if project.config else "/terms"
    return publish_at(site, prefix, read_folder(project.policies(folder)), dry_run=dry_run, short_notice=short_notice)


def print_publication(record: dict[str, Any]) -> None:
    """Print what was published, or would be.

    Args:
        record: as `consentgate.service.records.publication_record` makes it, here or on a site.
    """
    dry, lines = record["dry_run"], list[str]()
    for version in record["published"]:
        languages = ", ".join(version["languages"])
        lines += [f"  {version['policy']} {version['version']}   {version['impact']}   {languages}", _dates(version)]
    lines += [f"  {one['policy']} {one['version']}   {one['language']} translation" for one in record["translations"]]
    lines += [f"  {slug}   settings (policy.toml)" for slug in record["policies"]]
    if lines:
        say("Would be published:" if dry else "Published:")
        for line in lines:
            say(clean(line), hanging=" " * 6)
    same = record["unchanged"]
    if same:
        say(f"{'' if lines else 'Nothing to publish: '}{count(len(same), 'version')} unchanged.")
    elif not lines:
        say("Nothing to publish.")
    for finding in record["findings"]:
        say(clean(_finding(finding)), hanging="  ")


def _dates(version: dict[str, Any]) -> str:
    """The three instants of a version, those that are the same said once."""
    from consentgate.cli.output import when
    from consentgate.terms.instants import parse_instant

    said: dict[str, list[str]] = {}
    for name in ("announced", "effective", "enforced"):
        said.setdefault(when(parse_instant(version[name])), []).append(name)
    return "      " + " · ".join(f"{_and(names)} {instant}" for instant, names in said.items())


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _finding(finding: dict[str, Any]) -> str:
    place = finding["file"] + (f":{finding['line']}" if finding["line"] else "")
    return f"{finding['level']}: {place + ': ' if place else ''}{finding['text']}"
