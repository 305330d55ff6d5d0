"""``consentgate publish``: a folder of drafts becomes versions, here or on a remote site.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, find_refs, published_body
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
    draft: Annotated[
        list[str] | None,
        typer.Option(
            "--draft", metavar="DRAFT", help="Publish this draft instead: POLICY/VERSION[/LANGUAGE]; may be repeated."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="Effective date of texts that leave theirs open.")
    ] = None,
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="STATE", help="Only if nothing changed since `preview` said this.")
    ] = None,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Publish what is new in a folder of policies, or drafts.

    All of it or nothing. What is published already stays as it is, so doing it twice changes nothing; a file that
    would change a published text is refused. With --draft, --at or --expect it is an administrator's act: where the
    site asks for a second person, it becomes a proposal.
    """
    project = find_project(config, database)
    asked, notes = dry_run or check, list[str]()
    if draft or at or expect:
        order = {"at": at, "expected": expect, "dry_run": asked, "short_notice": short_notice}
        record = _ordered(Desk(project, site, by), project, folder, draft or [], order)
    elif site is None:
        record = _here(project, folder, notes, dry_run=asked, short_notice=short_notice, by=who(by))
    elif by is None:
        record = _remotely(project, folder, site, dry_run=asked, short_notice=short_notice)
    else:
        raise ConfigurationError("--by goes with a database", hint="on a site the token says who publishes")
    drift = bool(record["published"] or record["translations"] or record["policies"])
    if as_json:
        show_json({**record, "drift": drift} if check else record)
    else:
        print_done(record)
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


def _ordered(
    desk: Desk, project: Project, folder: Path | None, drafts: list[str], order: dict[str, Any]
) -> dict[str, Any]:
    """Publish by way of the administrators' API, which knows drafts, dates and expected states."""
    from consentgate.service.folder import read_folder

    if drafts and folder is not None:
        raise ConfigurationError("a folder, or drafts", hint="leave one of them out")
    if drafts:
        body: dict[str, Any] = {"refs": find_refs(desk, drafts, published=True)}
    else:
        body = published_body(read_folder(project.policies(folder)))
    done: dict[str, Any] = desk.post("/publish", {**body, **order})
    return done


def print_done(record: dict[str, Any]) -> None:
    """Print what was published, or the proposal that was made of it.

    Args:
        record: as the API answers it.
    """
    print_publication(record)
    proposal = record.get("proposal")
    if proposal is not None:
        say(f"Nothing is published yet: proposal {proposal['id']} waits for a second person.")
        tell(f"Somebody else looks at it and approves it: consentgate proposals show {proposal['id']}")


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
        say(clean(finding_line(finding)), hanging="  ")


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


def finding_line(finding: dict[str, Any]) -> str:
    """A finding in one line, beginning with its level and place."""
    place = finding["file"] + (f":{finding['line']}" if finding["line"] else "")
    return f"{finding['level']}: {place + ': ' if place else ''}{finding['text']}"
