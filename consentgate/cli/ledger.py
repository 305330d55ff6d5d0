"""``consentgate checkpoint`` and ``consistency``: what to keep of a ledger, to catch it rewriting history.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk
from consentgate.cli.files import write_whole
from consentgate.cli.output import clean, count, facts, say, show_json, tell
from consentgate.cli.project import find_project


def checkpoint(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the signed note there.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Print the newest checkpoint of the ledger.

    A signed note (C2SP tlog-checkpoint). Kept by somebody else, it proves later that nothing before it was changed.
    """
    found = Desk(find_project(config, database), site).get("/checkpoint")
    if output is not None:
        write_whole(output, found["checkpoint"].encode())
        tell(f"{output}: {count(found['size'], 'entry', 'entries')} of {clean(found['origin'])}.")
    if as_json:
        show_json(found)
    elif output is None:
        typer.echo(found["checkpoint"], nl=False)


def consistency(
    old: Annotated[int, typer.Argument(metavar="FROM", help="Number of entries of a checkpoint you kept.", min=1)],
    new: Annotated[
        int | None, typer.Argument(metavar="TO", help="Of a later one. Otherwise: now.", min=1, show_default=False)
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Prove that the ledger only grew between two sizes.

    The proof (RFC 6962, 2.1.2) is checked here before it is printed. Compare the old root with the one in the
    checkpoint that you kept: that it is the same is for you to see.
    """
    from consentgate.evidence.tlog import check_consistency

    query = {"from": old} if new is None else {"from": old, "to": new}
    found = Desk(find_project(config, database), site).get("/consistency", **query)
    old_root, new_root = bytes.fromhex(found["old_root"]), bytes.fromhex(found["new_root"])
    check_consistency([bytes.fromhex(one) for one in found["proof"]], found["old"], old_root, found["new"], new_root)
    if as_json:
        show_json(found)
        return
    same = count(found["old"], "entry is", "entries are")
    say(f"{clean(found['origin'])}: the first {same} the beginning of {found['new']:,}.")
    facts(
        [
            (f"root of {found['old']:,}", _base64(found["old_root"])),
            (f"root of {found['new']:,}", _base64(found["new_root"])),
            *(("proof" if place == 0 else "", _base64(one)) for place, one in enumerate(found["proof"])),
        ]
    )


def _base64(hexadecimal: str) -> str:
    """As a checkpoint writes it."""
    from base64 import b64encode

    return b64encode(bytes.fromhex(hexadecimal)).decode()
