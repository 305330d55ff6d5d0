"""What a command prints, and how: results to standard output, everything else to standard error.

Room: cli. Called by every command. Standard output holds the result alone (with ``--json`` one JSON document), so that
it can be piped; progress and explanations go to standard error, progress only where that is a terminal. Texts, names
and titles come from files of others: no control character of theirs reaches the terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from consentgate.terms.instants import Instant

_WIDE = 10_000
"""Columns of a table: a row is one line, however narrow the terminal; folded cells are worse than a wrapped line."""


def say(text: str = "", *, hanging: str = "") -> None:
    """Print a line of the result; in a terminal broken between words, further lines beginning with `hanging`."""
    typer.echo(_broken(text, hanging, sys.stdout))


def tell(text: str = "", *, hanging: str = "") -> None:
    """Print a line that is not the result: what was done, what to do next."""
    typer.echo(_broken(text, hanging, sys.stderr), err=True)


def _broken(text: str, hanging: str, stream: TextIO) -> str:
    if not stream.isatty():
        return text  # whoever reads a pipe wants whole lines
    width = shutil.get_terminal_size().columns
    return "\n".join(_fill(line, hanging, width) for line in text.split("\n"))


def _fill(line: str, hanging: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.lstrip(), width, initial_indent=indent, subsequent_indent=hanging or indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def show_json(record: Any) -> None:
    """Print the result for machines."""
    typer.echo(json.dumps(record, ensure_ascii=False, indent=2))


def clean(text: str) -> str:
    """Text in which control and other invisible characters are written out: it came from somebody else's file."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def when(instant: Instant | None, *, nothing: str = "—") -> str:
    """An instant for people, always with its zone: ``2026-10-05 00:00 UTC``, seconds only where there are any."""
    if instant is None:
        return nothing
    moment = _moment(instant)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.second else f"{moment:%Y-%m-%d %H:%M} UTC"


def short(instant: Instant | None, *, nothing: str = "—") -> str:
    """An instant for a table, below which `TIMES` stands: to the minute, and midnight as its date."""
    if instant is None:
        return nothing
    moment = _moment(instant)
    return f"{moment:%Y-%m-%d %H:%M}" if (moment.hour, moment.minute) != (0, 0) else f"{moment:%Y-%m-%d}"


TIMES = "All times are UTC; a date alone is its midnight."


def _moment(instant: Instant) -> datetime:
    from consentgate.terms.instants import to_datetime

    return to_datetime(instant)


def count(number: int, thing: str, things: str = "") -> str:
    """A number and what it counts: ``1 version``, ``1,204 versions``, ``2 entries``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def show_traces(left: Sequence[Mapping[str, str]]) -> None:
    """Where copies of what was erased may still be, and until when."""
    if left:
        say("Copies may still be in:")
    for one in left:
        say(f"  {clean(one['what'])} – until {clean(one['until'])}.", hanging="    ")


def colourful() -> bool:
    """Whether standard output takes colours: it is a terminal, unless NO_COLOR or FORCE_COLOR says otherwise."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def console(*, width: int | None = None) -> Console:
    """A console on standard output.

    Args:
        width: in columns; ``None`` for that of the terminal.
    """
    from rich.console import Console

    colours = colourful()
    return Console(
        file=sys.stdout, width=width, force_terminal=colours, no_color=not colours, highlight=False, markup=False,
        emoji=False,
    )  # fmt: skip


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table without lines, each row on one line however narrow the terminal is.

    Args:
        columns: headings.
        rows: cells, as text that may come from anywhere.
        right: headings of the columns that are aligned to the right.
    """
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*(Text(clean(cell)) for cell in row))
    paper = console(width=_WIDE)
    with paper.capture() as capture:
        paper.print(drawn)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; names of nothing continue the value above."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        say(f"  {name:<{width}}  {clean(value)}".rstrip(), hanging=" " * (width + 4))


Progress = Callable[[int, int | None], None]


def _silent(*_: int | None) -> None:
    """Show nothing."""


@contextmanager
def progress(label: str, thing: str) -> Iterator[Progress]:
    """Show how far something is, on standard error, where that is a terminal.

    Args:
        label: what is being done.
        thing: what is counted, such as ``entries``.

    Yields:
        A function to call with (how many are done, how many there are, or ``None`` where that is not known).
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich import progress as bars
    from rich.console import Console

    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TextColumn("{task.completed:,} " + thing),
        bars.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task(label, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
