"""``consentgate key``: the keys that seal passes, and the public key that verifies the ledger.

Room: cli. Two kinds of keys that have nothing to do with each other: the sealing keys are ours to rotate at will; the
ledger's signing key lies beside the database, and only its public half is ever shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentgate.cli import options
from consentgate.cli.output import count, say, show_json, tell
from consentgate.cli.project import find_project, with_terms

if TYPE_CHECKING:
    from consentgate.service.overview import LedgerState
    from consentgate.service.secret_file import SecretFile
    from consentgate.service.terms import Terms

keys = typer.Typer(
    name="key",
    help="Make, rotate and show keys.",
    no_args_is_help=True,
)

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="Key file. Otherwise: that of consentgate.toml, or consentgate.secret.",
        show_default=False,
    ),
]


@keys.command("new")
def new(file: File = None, config: options.Config = None, as_json: options.Json = False) -> None:
    """Make a key file with one fresh key. A file that exists is never touched."""
    from consentgate.service.engine import now
    from consentgate.service.secret_file import create_secret_file

    made = create_secret_file(find_project(config, None).secret_file(file), now())
    if as_json:
        _show(made)
        return
    say(f"{made.path}: {count(made.keys, 'key')}, readable by you alone.")
    tell(f'Hand it to the application: secret=Path("{made.path}"). Keep it out of version control.')


@keys.command("rotate")
def rotate(
    file: File = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", help="Keep N keys, the new one among them. Otherwise: all.", min=1),
    ] = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Put a fresh key on top of the key file.

    The newest key seals, all of them open. Restart the workers to make them read it, all at once: one that does
    not know the new key yet takes a pass that was sealed with it for none. From then on visitors get their pass
    sealed anew on their next visit. Drop old keys (--keep) when that has had time: a pass lives for 400 days at
    most, and an anonymous visitor whose pass no longer opens is asked again.
    """
    from consentgate.service.engine import now
    from consentgate.service.secret_file import rotate_secret_file

    made = rotate_secret_file(find_project(config, None).secret_file(file), now(), keep=keep)
    if as_json:
        _show(made)
        return
    say(f"{made.path}: {count(made.keys, 'key')}, a new one on top.")
    tell("Restart the workers, all at once. Passes are sealed with the new key on each visitor's next visit.")


def _show(file: SecretFile) -> None:
    show_json({"file": str(file.path), "keys": file.keys, "private": file.private})


@keys.command("show")
def show(config: options.Config = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """Print the public key of the ledger.

    Publish it where whoever holds a receipt will look for it.
    """

    async def work(terms: Terms) -> LedgerState:
        return await terms.ledger_state()

    state = with_terms(find_project(config, database).existing(), work)
    if as_json:
        show_json({"origin": state.origin, "keys": list(state.keys)})
        return
    for key in state.keys:
        say(key)
    if len(state.keys) > 1:
        tell("The first signs now; the others signed before, and still verify what they signed.")
