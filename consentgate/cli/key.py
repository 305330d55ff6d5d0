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
from consentgate.errors import ConfigurationError

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
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Put it second: it opens, and seals when it is promoted.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Put the second key on top instead of making one.")
    ] = False,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Put a fresh key on top of the key file.

    The newest key seals, all of them open. Running workers that were given the file (secret=Path(…), or secret_file in
    consentgate.toml) know the key within a second and seal with it five seconds later; where the keys came another
    way, restart the workers. Visitors get their pass sealed anew on their next visit. Where hosts have copies of the
    file: rotate --ahead, copy it to all of them, rotate --promote, copy it again. Drop old keys (--keep) when that has
    had time: a pass lives for 400 days at most, and an anonymous visitor whose pass no longer opens is asked again.
    """
    from consentgate.service.engine import now
    from consentgate.service.secret_file import promote_secret, rotate_secret_file

    if promote and (ahead or keep is not None):
        raise ConfigurationError("--promote stands alone", hint="drop old keys with the next rotation")
    if ahead and keep == 1:
        raise ConfigurationError("--ahead needs room for two keys", hint="write --keep 2 or more")
    path = find_project(config, None).secret_file(file)
    made = promote_secret(path) if promote else rotate_secret_file(path, now(), keep=keep, ahead=ahead)
    if as_json:
        _show(made)
        return
    where = "the second one on top now" if promote else "a new one in the second place" if ahead else "a new one on top"
    say(f"{made.path}: {count(made.keys, 'key')}, {where}.")
    if ahead:
        tell("It opens and does not seal yet. Copy the file to every host, then: consentgate key rotate --promote")
        return
    tell("Workers that were given this file seal with it in a few seconds. Restart those that got keys another way.")
    if promote:
        tell("Copy the file to every host again.")


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
