"""``consentgate erase``, ``hold`` and ``purge``: what is known about people, and how long.

Room: cli.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.output import TIMES, clean, count, say, short, show_json, show_traces, table, tell
from consentgate.cli.project import Project, find_project, who, with_terms
from consentgate.errors import ConfigurationError

if TYPE_CHECKING:
    from consentgate.service.erase import Erased, Hold
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms
    from consentgate.terms.subject import Subject

Subjects = Annotated[
    list[str] | None, typer.Argument(metavar="[KIND:ID]", help="Whom, such as user:42.", show_default=False)
]
Basis = Annotated[
    str | None,
    typer.Option(
        "--basis", metavar="TEXT", help="Why, in one line without personal data. It stands in the ledger in clear.",
        show_default=False,
    ),
]  # fmt: skip
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")]


def erase(
    subject: Subjects = None,
    basis: Basis = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME", help="Only this field, such as ip; may be repeated.")
    ] = None,
    pseudonymise: Annotated[
        bool, typer.Option("--pseudonymise", help="Only what says who it was; what they decided still counts.")
    ] = False,
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than", metavar="DAYS", help="With --field and no subject: of everybody, when so old.", min=0
        ),
    ] = None,
    reapply: Annotated[
        bool, typer.Option("--reapply", help="Erase again what a restored backup brought back.")
    ] = False,
    yes: Yes = False,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Erase what is known about somebody, on record.

    Their decisions, those of their devices, and the links between: values and salts go from the database and its files.
    The entries themselves stay, so every proof stays valid; one more entry says what was erased. It ends with a list of
    where copies may still be, and until when: backups, and on PostgreSQL the server's log and perhaps unused space in
    its files (see `consentgate db rewrite`). Nothing under a legal hold is erased.
    """
    project = find_project(config, database)
    whom = _subjects(subject)
    if [bool(whom), older_than is not None, reapply].count(True) != 1:
        raise ConfigurationError(
            "erase whom?", hint="name subjects, or --field with --older-than, or --reapply after a restore"
        )
    if site is not None and (reapply or older_than is not None):
        raise ConfigurationError("on a site, name subjects", hint="run --older-than and --reapply on its own host")
    if reapply:
        _done(with_terms(project.existing(), lambda terms: terms.reapply_erasures(by=who(by))), as_json=as_json)
        return
    why = _needed(basis)
    if site is not None:
        confirm(f"Erase {', '.join(field) if field else 'everything'} about {count(len(whom), 'subject')}?", yes=yes)
        order = {"basis": why, "mode": "pseudonymise" if pseudonymise else None, "fields": field or None}
        _elsewhere(Desk(project, site, by), whom, "erase", order, as_json=as_json)
        return
    if older_than is not None:
        if not field or pseudonymise:
            raise ConfigurationError("--older-than goes with --field", hint="such as --field ip --older-than 30")
        confirm(f"Erase {', '.join(field)} from everything older than {count(older_than, 'day')}?", yes=yes)

        async def old(terms: Terms) -> Erased:
            from consentgate.service.erase import Erased as Sum

            days = older_than or 0
            done = [await terms.erase_field(one, older_than_days=days, basis=why, by=who(by)) for one in field or ()]
            return sum(done, Sum())

        _done(with_terms(project.existing(), old), as_json=as_json)
        return
    settings = _with_secrets(project, whom)
    confirm(f"Erase {', '.join(field) if field else 'everything'} about {count(len(whom), 'subject')}?", yes=yes)

    async def work(terms: Terms) -> Erased:
        return await terms.erase(
            whom, fields=field or None, mode="pseudonymise" if pseudonymise else None, basis=why, by=who(by)
        )

    _done(with_terms(settings, work), as_json=as_json)


def hold(
    subject: Subjects = None,
    basis: Basis = None,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Put somebody under a legal hold, or list who is.

    While the hold lasts, neither `erase` nor `purge` touches what is known about them. Without a subject: the list.
    """
    project, whom = find_project(config, database), _subjects(subject)
    if site is not None:
        if not whom:
            raise ConfigurationError("whom? A site is asked about one subject", hint="`consentgate subject KIND:ID`")
        desk, act = Desk(project, site, by), "release" if release else "hold"
        _elsewhere(desk, whom, act, {"basis": _needed(basis)}, as_json=as_json)
        return
    settings = project.existing()
    if not whom:
        _list(with_terms(settings, lambda terms: terms.holds(), reading=True), as_json=as_json)
        return
    why = _needed(basis)

    async def work(terms: Terms) -> Erased:
        if release:
            return await terms.release_hold(whom, basis=why, by=who(by))
        return await terms.erase(whom, mode="hold", basis=why, by=who(by))

    done = with_terms(settings, work)
    if as_json:
        show_json(_record(done))
    else:
        say(f"{count(len(whom), 'subject')}: {'released' if release else 'held'}, on record.")


def purge(
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="SLUG", help="Only this policy; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Yes = False,
    by: options.By = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Erase what may no longer be kept, on record.

    That is what a policy with retain_days holds of decisions that stopped counting so many days ago. What still counts
    is kept however old it is. For a nightly job: purge --yes
    """
    settings = find_project(config, database).existing()
    due = with_terms(settings, lambda terms: terms.purge(dry_run=True, policies=policy or None), reading=True)
    if dry_run or not due.entries:
        if as_json:
            show_json({**_record(due), "dry_run": dry_run})
        else:
            say(f"{count(due.entries, 'decision')} due." if due.entries else "Nothing is due.")
        return
    confirm(f"Erase who made {count(due.entries, 'decision')}?", yes=yes)
    _done(with_terms(settings, lambda terms: terms.purge(policies=policy or None, by=who(by))), as_json=as_json)


def _elsewhere(desk: Desk, whom: list[Subject], act: str, order: dict[str, Any], *, as_json: bool) -> None:
    """Erase, hold or release on a site, one subject after the other."""
    done = [desk.post(at("subjects", subject.key, act), order) for subject in whom]
    entries, gone = sum(one["entries"] for one in done), all(one["gone"] for one in done)
    left = list({one["where"]: one for answer in done for one in answer.get("left", ())}.values())
    if as_json:
        records = [record for one in done for record in one["records"]]
        show_json({"entries": entries, "records": records, "gone": gone, "left": left})
    elif act != "erase":
        say(f"{count(len(whom), 'subject')}: {'held' if act == 'hold' else 'released'}, on record.")
    elif entries:
        say(f"{count(entries, 'entry', 'entries')}: personal fields erased, on record.")
        _where_else(left, gone=gone)
    else:
        say("There was nothing to erase.")


def _subjects(given: list[str] | None) -> list[Subject]:
    from consentgate.terms.subject import parse_subject

    return [parse_subject(one) for one in given or ()]


def _needed(basis: str | None) -> str:
    if basis is None:
        raise ConfigurationError(
            "why? --basis is missing", hint='such as --basis "asked for by the subject, ticket 4711"'
        )
    return basis


def confirm(question: str, *, yes: bool) -> None:
    """Ask, where somebody can answer; a script must say --yes.

    Raises:
        ConfigurationError: nobody can.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("this cannot be undone, and nobody can be asked", hint="say --yes")
    if not typer.confirm(f"{question} This cannot be undone.", err=True):
        raise typer.Exit(1)


def _with_secrets(project: Project, whom: list[Subject]) -> Settings:
    """The settings with the sealing keys, where they are to be found: to tell the gate that these passes are void."""
    from consentgate.service.settings import resolve_secrets
    from consentgate.terms.subject import SubjectKind

    settings, file = project.existing(), project.secret_file(None)
    try:
        return replace(settings, secrets=resolve_secrets(file if file.is_file() else None))
    except ConfigurationError:
        if any(subject.kind is not SubjectKind.VISITOR for subject in whom) and "CONSENTGATE_SECRET" not in os.environ:
            tell("note: the sealing secret is not at hand, so passes of users that are in browsers go on working.")
            tell("      Name it with secret_file in consentgate.toml, or CONSENTGATE_SECRET, and erase again.")
        return settings


def _done(done: Erased, *, as_json: bool) -> None:
    if as_json:
        show_json(_record(done))
        return
    if not done.entries:
        say("There was nothing to erase.")
        return
    records = count(len(done.records), "entry", "entries")
    say(f"{count(done.entries, 'entry', 'entries')}: personal fields erased, on record in {records}.")
    _where_else([asdict(one) for one in done.left], gone=done.gone)


def _where_else(left: list[dict[str, str]], *, gone: bool) -> None:
    """What may still hold a copy, and until when."""
    if gone:
        say("Nothing of it is left in the files of the database.")
    show_traces(left)


def _record(done: Erased) -> dict[str, Any]:
    records = [
        {"id": str(one.id), "mode": one.mode, "entries": len(one.refs), "basis": one.basis} for one in done.records
    ]
    left = [asdict(one) for one in done.left]
    return {"entries": done.entries, "records": records, "gone": done.gone, "left": left}


def _list(holds: tuple[Hold, ...], *, as_json: bool) -> None:
    if as_json:
        from consentgate.service.records import instant_or_none

        show_json(
            [
                {
                    "subject": one.subject.key if one.subject else None,
                    "since": instant_or_none(one.at),
                    "basis": one.basis,
                }
                for one in holds
            ]
        )
    elif holds:
        rows = [[one.subject.key if one.subject else "(erased)", short(one.at), clean(one.basis)] for one in holds]
        table(("SUBJECT", "SINCE", "BASIS"), rows)
        say(TIMES)
    else:
        say("Nobody is under a legal hold.")
