"""``consentgate export``, ``receipt`` and ``bundle``: the record as files.

Room: cli.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk
from consentgate.cli.exporting import Job, run_export
from consentgate.cli.files import whole_file, write_whole
from consentgate.cli.output import count, progress, show_json, tell
from consentgate.cli.project import find_project, with_terms
from consentgate.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from consentgate.service.terms import Terms
    from consentgate.terms.instants import Instant


class Form(StrEnum):
    """What an export looks like."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class Decision(StrEnum):
    """What can be decided; the acts of `consentgate.terms.policy`."""

    ACCEPT = "accept"
    DECLINE = "decline"
    ACKNOWLEDGE = "acknowledge"
    GRANT = "grant"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="File to write, whole or not at all. Otherwise: to standard output."
    ),
]


def export(
    form: Annotated[
        Form,
        typer.Option("--format", help="ndjson can be verified; csv opens in a spreadsheet; parquet needs pyarrow."),
    ] = Form.NDJSON,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; it has this name once it is whole. Otherwise: to standard output.",
        ),
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="SLUG", help="Only this policy; may be repeated.")
    ] = None,
    version: Annotated[
        list[str] | None, typer.Option("--version", metavar="LABEL", help="Only this version; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option("--language", metavar="TAG", help="Only texts in this language; may be repeated."),
    ] = None,
    decision: Annotated[
        list[Decision] | None, typer.Option("--decision", help="Only decisions like this; may be repeated.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="KIND:ID", help="Only what concerns this one and their devices.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="From then on: a date (midnight UTC) or a time with zone."),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Until before then.")] = None,
    openings: Annotated[
        bool, typer.Option("--openings/--no-openings", help="Whether personal fields are in the file.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with FILE.part, which an interrupted export has left.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="CURSOR", help="Write only the rest: SIZE.LAST.DIGEST of what is there."),
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write the record to a file, or to a pipe.

    Entries are streamed in constant memory and end with the signed checkpoint. The file holds personal fields
    unless --no-openings is given; it is readable by you alone. While it is written it is called FILE.part, and an
    export that was interrupted goes on with --resume, given the same options.
    """
    from consentgate.service.selection import Cursor, Selection
    from consentgate.terms.subject import parse_subject

    where = Selection(
        policies=tuple(policy or ()),
        versions=tuple(version or ()),
        languages=tuple(language or ()),
        acts=tuple(one.value for one in decision or ()),
        subject=parse_subject(subject) if subject else None,
        since=_instant("--since", since),
        until=_instant("--until", until),
        openings=openings,
    )
    if output is None and (as_json or resume):
        raise ConfigurationError(
            f"{'--json' if as_json else '--resume'} goes with --output",
            hint="without a file the export itself is the output",
        )
    if resume and (after or form is Form.PARQUET):
        raise ConfigurationError("--resume goes on with a file of lines", hint="leave --after and parquet out")
    if site is not None:
        query = {
            "format": form.value, "policy": policy, "version": version, "language": language,
            "decision": [one.value for one in decision or ()], "subject": subject, "since": since, "until": until,
            "openings": str(openings).lower(), "cursor": after,
        }  # fmt: skip
        _from_site(Desk(find_project(config, database), site), query, output, resume=resume, as_json=as_json)
        return
    job = Job(form.value, where, output, Cursor.parse(after) if after else None, resume)
    done = run_export(find_project(config, database).existing(), job)
    if as_json:
        extra: dict[str, object] = {"sha256": done.digest} if done.digest else {"lines": done.lines}
        show_json({"file": str(output), "format": form.value, "bytes": done.size, **extra})
    elif output is not None:
        extent = f"SHA-256 {done.digest}" if done.digest else count(done.lines, "line")
        tell(f"{output}: {count(done.size, 'byte')}, {extent}.")
        if form is Form.NDJSON:
            tell(f"Anybody can check it with: consentgate verify {output}")


def _from_site(desk: Desk, query: dict[str, Any], output: Path | None, *, resume: bool, as_json: bool) -> None:
    """Take a site's record home: the file is there once it is whole."""
    if resume:
        raise ConfigurationError("--resume goes on with a file of this host's", hint="with a site: --after CURSOR")
    if output is None:
        desk.download("/export", query, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
        return
    with whole_file(output) as file, progress("Exporting", "bytes") as show:
        done = 0

        def write(chunk: bytes) -> None:
            nonlocal done
            file.write(chunk)
            done += len(chunk)
            show(done, None)

        size = desk.download("/export", query, write)
    if as_json:
        show_json({"file": str(output), "format": query["format"], "bytes": size})
    else:
        tell(f"{output}: {count(size, 'byte')}.")
        if query["format"] == Form.NDJSON:
            tell(f"Anybody can check it with: consentgate verify {output}")


def _instant(name: str, text: str | None) -> Instant | None:
    from consentgate.terms.draft import parse_when

    if text is None:
        return None
    try:
        return parse_when(text)
    except (InputError, OverflowError) as error:
        hint = getattr(error, "hint", "") or "write 2026-01-31, or 2026-01-31T09:00:00+01:00"
        raise ConfigurationError(f"{name}: {error}", hint=hint) from error


def receipt(
    decision: Annotated[
        str,
        typer.Argument(metavar="ID", help="Id of the decision, as `status --subject` shows it.", show_default=False),
    ],
    output: Output = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write the receipt of a decision.

    It is what its subject takes home and anybody verifies offline.
    """

    async def work(terms: Terms) -> bytes:
        return await terms.receipt(decision)

    project = find_project(config, database)
    if site is not None:
        data = Desk(project, site).ask("GET", "/receipt", query={"decision": decision}).body
    else:
        data = with_terms(project.existing(), work, reading=True)
    if output is not None:
        write_whole(output, data)
        tell(f"{output}: check it with: consentgate verify {output}")
    if as_json:
        show_json({"id": decision, "file": str(output) if output else None, "receipt": data.decode()})
    elif output is None:
        typer.echo(data, nl=False)


def bundle(
    decision: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of one decision, as `status --subject` shows it.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="KIND:ID", help="Of everything about one subject.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The zip file to write.")] = Path(
        "bundle.zip"
    ),
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write all evidence of a decision or a subject.

    Receipts, texts, redlines, pages, and a verifier, in a zip file that proves itself: whoever gets it runs the
    verify.py inside, which needs nothing but Python. It holds personal fields, and is readable by you alone.
    """
    from consentgate.evidence.bundle import verify
    from consentgate.terms.subject import parse_subject

    async def read(terms: Terms) -> bytes:
        return await terms.bundle(parse_subject(subject) if subject else None, decision=decision)

    project = find_project(config, database)
    if site is not None:
        data = Desk(project, site).ask("GET", "/bundle", query={"subject": subject, "decision": decision}).body
    else:
        data = with_terms(project.existing(), read, reading=True)
    packed = verify(data)
    write_whole(output, data)
    if as_json:
        facts = {"file": str(output), "bytes": len(data), "decisions": len(packed.decisions)}
        show_json({**facts, "documents": len(packed.documents), "missing": [list(item) for item in packed.missing]})
    else:
        decisions, documents = count(len(packed.decisions), "decision"), count(len(packed.documents), "document")
        tell(f"{output}: {decisions}, {documents}, {len(data):,} bytes; check it with: consentgate verify {output}")
