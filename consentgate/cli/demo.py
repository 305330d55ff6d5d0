"""``consentgate demo``: the example newspaper, where the repository is at hand.

Room: cli. The examples are no part of the installed package; whoever has the repository has them.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from consentgate.errors import ConfigurationError

_MODULE = "examples.news_site.main"


def demo(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on. Otherwise: HOST, or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port. Otherwise: PORT, or 8000.", min=0, max=65535)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Where it keeps its record. Otherwise: demo-data.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was accepted and published before.")] = False,
) -> None:
    """Run the example news site.

    It asks its readers to accept its terms, and lets you publish new ones under /demo.
    """
    if not _at_hand("uvicorn"):
        raise ConfigurationError(
            "the demonstration needs a server, and uvicorn is not installed",
            hint="pip install 'consentgate[server]'",
        )
    if not _at_hand(_MODULE):
        raise ConfigurationError(
            "the example is not here: it comes with the repository, not with the package",
            hint="clone the repository and run `make demo` in it",
        )
    arguments = [] if host is None else ["--host", host]
    arguments += [] if port is None else ["--port", str(port)]
    arguments += [] if data is None else ["--data", str(data)]
    arguments += ["--fresh"] if fresh else []
    sys.argv = ["consentgate demo", *arguments]
    importlib.import_module(_MODULE).main()


def _at_hand(module: str) -> bool:
    """Whether a module can be imported; the examples also from the repository one stands in."""
    here = str(Path.cwd())
    if module == _MODULE and Path("examples", "news_site", "main.py").is_file() and here not in sys.path:
        sys.path.insert(0, here)
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
