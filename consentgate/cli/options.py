"""Options that many commands have, said once.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consentgate.cli.failures import Manner

_WHERE = "Where"


def _talk_json(context: typer.Context, value: bool) -> bool:
    """Let the handler of errors know, too."""
    if isinstance(context.obj, Manner):
        context.obj.as_json = context.obj.as_json or value
    return value


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file. Otherwise: consentgate.toml of this folder or of one above it.",
        rich_help_panel=_WHERE,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="CONSENTGATE_DATABASE",
        help="Database: a URL, or the path of an SQLite file.",
        rich_help_panel=_WHERE,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document.", callback=_talk_json, is_eager=True)
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who does this, for the record. Otherwise: the name of the account.",
        show_default=False,
    ),
]
Site = Annotated[
    str | None,
    typer.Option(
        "--site",
        metavar="URL",
        help="Ask a running site instead of a database; the token is read from CONSENTGATE_TOKEN.",
        rich_help_panel=_WHERE,
    ),
]
