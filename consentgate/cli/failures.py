"""What a command that fails prints, and the exit code it ends with.

Room: cli. Every error of the tree is one line, that of a draft beginning with ``file:line:`` so that editors can jump
to it, and below it the hint. A traceback is shown with ``--debug`` alone, and for errors that are not of the tree:
those are faults of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from consentgate.cli.output import clean, show_json, tell
from consentgate.errors import ConfigurationError, ConsentGateError

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes: done; refused, or something was found; the command line or the settings cannot be used."""


class RefusedError(ConsentGateError):
    """What the API refused, in its own words.

    Args:
        document: its problem document.
        host: which site said it; empty for this process.
    """

    def __init__(self, document: Mapping[str, Any], host: str = "") -> None:
        said = str(document.get("detail") or document.get("title") or "refused")
        message = f"{host} refused: {said}" if host else said
        errors = document.get("errors")
        if isinstance(errors, list):
            fields = [f"{one.get('field')}: {one.get('message')}" for one in errors[:5] if one.get("message") != said]
            message += f" ({'; '.join(fields)})" if fields else ""
        super().__init__(message, hint=str(document.get("hint", "")))
        self.document = dict(document)

    def problem(self) -> dict[str, Any]:
        """The document itself."""
        return self.document


class Manner:
    """How this run talks; one object for all commands of a run."""

    def __init__(self) -> None:
        self.debug = False
        self.as_json = False


class Commands(TyperGroup):
    """The command group that turns our errors into one line and an exit code, and knows ``--debug`` anywhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` from wherever it stands before ``--``: it is typed after something went wrong."""
        ctx.obj = Manner()
        end = args.index("--") if "--" in args else len(args)
        if "--debug" in args[:end]:
            ctx.obj.debug = True
            args = [arg for arg in args[:end] if arg != "--debug"] + args[end:]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands in help, by what they are for."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panels.setdefault(command.rich_help_panel, []).append((name, command.get_short_help_str(60)))
        width = max(len(name) for rows in panels.values() for name, _ in rows)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(f"{name:<{width}}", said) for name, said in rows])

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        manner: Manner = ctx.obj
        try:
            with log_to_terminal(debug=manner.debug):
                return super().invoke(ctx)
        except ConsentGateError as error:
            if manner.debug:
                raise
            show_error(error, as_json=manner.as_json)
            raise typer.Exit(USAGE if isinstance(error, ConfigurationError) else FAILED) from None
        except OSError as error:
            # A closed pipe (`consentgate export | head`) is not an error of anybody; typer ends quietly on it.
            if manner.debug or isinstance(error, BrokenPipeError):
                raise
            name = f"{error.filename}: " if error.filename else ""
            show_error(ConsentGateError(f"{name}{error.strerror or error}"), as_json=manner.as_json)
            raise typer.Exit(FAILED) from None


def show_error(error: ConsentGateError, *, as_json: bool = False) -> None:
    """Print an error: the sentence and its hint to standard error, and with ``--json`` the problem document."""
    tell(sentence(error))
    if error.hint:
        tell(f"  hint: {clean(error.hint)}", hanging="        ")
    if as_json:
        show_json(error.problem())


def sentence(error: ConsentGateError) -> str:
    """An error in one line, beginning with the place in a file where there is one."""
    line, file, number = clean(str(error)), clean(str(error.data.get("file") or "")), error.data.get("line")
    if not file:
        return f"error: {line}"
    place = f"{file}:{number}" if number else file
    # Some messages say the file themselves, and some of those not the line.
    return f"{place}: {line.removeprefix(f'{place}: ').removeprefix(f'{file}: ')}"


class _Terminal(logging.Handler):
    """Shows what the house logs as lines of standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if str(record.msg).startswith("no policy is published"):
            return  # meant for servers; a command that finds none says so itself
        tell(f"{record.levelname.lower()}: {clean(record.getMessage())}")


@contextmanager
def log_to_terminal(*, debug: bool) -> Iterator[None]:
    """Show warnings of the house while a command runs, and with ``--debug`` everything."""
    log, shown = logging.getLogger("consentgate"), _Terminal()
    before = log.level
    log.addHandler(shown)
    log.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    finally:
        log.removeHandler(shown)
        log.setLevel(before)
