"""``consentgate sequencer``: the process that holds the signing key, so that web workers need not.

Room: cli.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from consentgate.cli import options
from consentgate.cli.output import clean, tell
from consentgate.cli.project import find_project, shown


def sequencer(
    config: options.Config = None,
    database: options.Database = None,
    key: Annotated[Path | None, typer.Option("--key", help="The signing key's file.", show_default=False)] = None,
    once: Annotated[bool, typer.Option("--once", help="End as soon as nothing waits.")] = False,
) -> None:
    """Give decisions their places in the ledger, and sign.

    For PostgreSQL, where web workers run with ledger_key = "none". Several may run, on several hosts: one of them
    works, the others take over, until they are told to end (SIGTERM, Ctrl-C). What waits then is durable, and is seen
    to by whoever starts next.
    """
    from consentgate.errors import ConfigurationError
    from consentgate.gate.generation import Generation
    from consentgate.service.engine import Engine
    from consentgate.service.settings import NO_KEY

    settings = find_project(config, database).settings()
    if key is not None:
        settings = replace(settings, ledger_key=str(key))
    if settings.ledger_key == NO_KEY:
        raise ConfigurationError(
            'the settings say ledger_key = "none", and a sequencer needs the key',
            hint="name the file with --key, or give it settings of its own with --config",
        )
    engine = Engine.open(settings, Generation.local())
    try:
        if engine.sequencer is None:
            raise ConfigurationError(
                "on SQLite there is nothing to sequence: whoever records also signs", hint="it is for PostgreSQL"
            )
        if once:
            engine.settle(float("inf"))
            return
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        tell(f"Sequencing {clean(engine.ledger.origin)} in {shown(settings)}. SIGTERM or Ctrl-C ends it.")
        while not ended.wait(1.0):
            pass
    finally:
        engine.close()
