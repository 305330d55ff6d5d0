"""``consentgate export``, ``receipt`` and ``bundle``: the record as files.

Room: cli.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from consentgate.cli import options
from consentgate.cli.files import whole_file, write_whole
from consentgate.cli.output import count, progress, show_json, tell
from consentgate.cli.project import find_project, with_terms
from consentgate.errors import ConfigurationError, InputError, NotFoundError

if TYPE_CHECKING:
    from consentgate.service.export import Selection
    from consentgate.service.terms import Terms
    from consentgate.terms.instants import Instant


class Form(StrEnum):
    """What an export looks like."""

    NDJSON = "ndjson"
    CSV = "csv"


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
        Form, typer.Option("--format", help="ndjson can be verified, csv opens in a spreadsheet.")
    ] = Form.NDJSON,
    output: Output = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="SLUG", help="Only this policy; may be repeated.")
    ] = None,
    decision: Annotated[
        list[Decision] | None, typer.Option("--decision", help="Only decisions like this; may be repeated.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="From then on: a date (midnight UTC) or a time with zone."),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Until before then.")] = None,
    openings: Annotated[
        bool, typer.Option("--openings/--no-openings", help="Whether personal fields are in the file.")
    ] = True,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write the record to a file, or to a pipe.

    Entries are streamed in constant memory and end with the signed checkpoint. The file holds personal fields
    unless --no-openings is given; it is readable by you alone.
    """
    from consentgate.service.export import Selection

    where = Selection(
        policies=tuple(policy or ()),
        acts=tuple(one.value for one in decision or ()),
        since=_instant("--since", since),
        until=_instant("--until", until),
        openings=openings,
    )
    if as_json and output is None:
        raise ConfigurationError("--json goes with --output", hint="without a file the export itself is the output")
    settings = find_project(config, database).existing()
    lines, size = with_terms(settings, lambda terms: _export(terms, form, where, output))
    if as_json:
        show_json({"file": str(output), "format": form.value, "lines": lines, "bytes": size})
    elif output is not None:
        tell(f"{output}: {count(lines, 'line')}, {count(size, 'byte')}.")
        if form is Form.NDJSON:
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


async def _export(terms: Terms, form: Form, where: Selection, output: Path | None) -> tuple[int, int]:
    """Stream the export to where it belongs; how many lines and bytes it has."""
    # A slip of the pen would give an export without entries, which looks like a record without decisions.
    for slug in where.policies:
        if slug not in terms.calendar.by_slug:
            known = ", ".join(terms.calendar.by_slug) or "none"
            raise NotFoundError(f"there is no policy {slug}", hint=f"published: {known}", policy=slug)
    stream = terms.export(form.value, where=where)
    target = whole_file(output) if output is not None else nullcontext(sys.stdout.buffer)
    with target as file, progress("Exporting", "lines") as show:
        return await _copy(stream, file, lambda lines: show(lines, None))


async def _copy(stream: AsyncIterator[bytes], file: BinaryIO, show: Callable[[int], None]) -> tuple[int, int]:
    lines = size = 0
    async for chunk in stream:
        file.write(chunk)
        lines += chunk.count(b"\n")
        size += len(chunk)
        show(lines)
    file.flush()
    return lines, size


def receipt(
    decision: Annotated[
        str,
        typer.Argument(metavar="ID", help="Id of the decision, as `status --subject` shows it.", show_default=False),
    ],
    output: Output = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Write the receipt of a decision.

    It is what its subject takes home and anybody verifies offline.
    """

    async def work(terms: Terms) -> bytes:
        return await terms.receipt(decision)

    data = with_terms(find_project(config, database).existing(), work)
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

    data = with_terms(find_project(config, database).existing(), read)
    packed = verify(data)
    write_whole(output, data)
    if as_json:
        facts = {"file": str(output), "bytes": len(data), "decisions": len(packed.decisions)}
        show_json({**facts, "documents": len(packed.documents), "missing": [list(item) for item in packed.missing]})
    else:
        decisions, documents = count(len(packed.decisions), "decision"), count(len(packed.documents), "document")
        tell(f"{output}: {decisions}, {documents}, {len(data):,} bytes; check it with: consentgate verify {output}")
