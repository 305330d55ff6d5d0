"""``consentgate init``: a folder to begin with.

Room: cli.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from consentgate.cli import options, samples
from consentgate.cli.output import say, show_json, tell
from consentgate.errors import InputError

_SLUG = "terms-of-use"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to begin.", show_default="this folder")
    ] = Path(),
    origin: Annotated[
        str | None,
        typer.Option("--origin", metavar="NAME", help="Name of the ledger, for good, such as example.com/terms."),
    ] = None,
    site_name: Annotated[
        str | None, typer.Option("--site-name", metavar="TEXT", help="What visitors see on top of the pages.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Begin: a sample policy, settings, a key file.

    Nothing that exists is overwritten; missing lines are added to .gitignore.
    """
    label = f"{datetime.now(UTC):%Y-%m-%d}"
    place = folder / "policies" / _SLUG
    files = {
        place / "policy.toml": samples.POLICY,
        place / f"{label}.en.md": samples.TEXT.format(label=label),
        folder / "consentgate.toml": _config(origin, site_name),
    }
    secret, ignore = folder / "consentgate.secret", folder / ".gitignore"
    taken = [path for path in (*files, secret, place) if path.exists()]
    if taken:
        raise InputError(
            f"{taken[0]} exists already; nothing was written",
            hint="begin in another folder, or move it away",
            files=[str(path) for path in taken],
        )
    _write(files, secret, ignore)
    written = [*map(str, files), str(secret), str(ignore)]
    if as_json:
        show_json({"written": written})
        return
    for path in written:
        say(path)
    where = folder.resolve()
    tell()
    tell(
        samples.NEXT.format(
            database=where / "consentgate.db" if folder != Path() else "consentgate.db",
            secret=secret,
            origin=f'\n         origin="{origin}",' if origin else "",
            text=place / f"{label}.en.md",
        ).rstrip()
    )


def _config(origin: str | None, site_name: str | None) -> str:
    """The settings file; a name that was given is checked the way it will be when it is read."""
    from consentgate.service.settings import Settings

    Settings("sqlite://", (), origin=origin)
    return samples.CONFIG.format(
        origin=f"origin = {json.dumps(origin)}" if origin else '# origin = "example.com/terms"',
        # A JSON string is a TOML basic string, but for one character: DEL may not stand bare.
        site_name=f"site_name = {json.dumps(site_name)}" if site_name else '# site_name = "Example"',
    )


def _write(files: dict[Path, str], secret: Path, ignore: Path) -> None:
    from consentgate.service.engine import now
    from consentgate.service.secret_file import create_secret_file

    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    create_secret_file(secret, now())
    before = ignore.read_text("utf-8") if ignore.exists() else ""
    lines = [line for line in samples.IGNORED if line not in before.splitlines()]
    if lines:
        gap = "" if not before or before.endswith("\n") else "\n"
        with ignore.open("a", encoding="utf-8", newline="\n") as file:
            file.write(gap + "".join(f"{line}\n" for line in lines))
