"""``consentgate draft``: texts that are being written, in the database or on a site.

Room: cli.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at, draft_place
from consentgate.cli.failures import FAILED
from consentgate.cli.files import write_whole
from consentgate.cli.output import TIMES, clean, count, say, short, show_json, table, tell
from consentgate.cli.project import find_project
from consentgate.cli.publish import finding_line
from consentgate.errors import ConfigurationError

drafts = typer.Typer(name="draft", help="Texts that are being written.", no_args_is_help=True)

_NAMED = re.compile(r".+\.[A-Za-z-]+\.md")

Place = Annotated[
    str,
    typer.Argument(metavar="DRAFT", help="POLICY/VERSION/LANGUAGE, such as terms/2027-01-15/en.", show_default=False),
]
IfMatch = Annotated[
    str | None,
    typer.Option("--if-match", metavar="ETAG", help="Only if the draft is still the one with this etag."),
]


@drafts.command("list")
def list_(
    policy: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Only of this policy.", show_default=False)
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """List all drafts."""
    found = Desk(find_project(config, database), site).get("/drafts", policy=policy)
    if as_json:
        show_json(found)
    elif found:
        table(("DRAFT", "SAVED", "BY", "SIZE", "STATE"), [_row(one) for one in found], right=("SIZE",))
        say(TIMES)
    else:
        say("There are no drafts.")


@drafts.command("show")
def show(
    draft: Place,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, byte for byte.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Print a draft as it was sent: front matter and Markdown."""
    place = _whole(draft)
    answer = Desk(find_project(config, database), site).ask("GET", at("drafts", *place))
    etag = answer.headers.get("etag", "").strip('"')
    if output is not None:
        write_whole(output, answer.body)
        tell(f"{output}: {count(len(answer.body), 'byte')}, etag {etag}.")
    if as_json:
        policy, version, language = place
        text = answer.body.decode("utf-8", "replace")
        show_json({"policy": policy, "version": version, "language": language, "etag": etag, "body": text})
    elif output is None:
        for line in answer.body.decode("utf-8", "replace").splitlines():
            say(clean(line.replace("\t", "    ")))
        tell(f"etag {etag}")


@drafts.command("put")
def put(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Front matter and Markdown.", exists=True, dir_okay=False)
    ],
    place: Annotated[
        str | None,
        typer.Option("--as", metavar="DRAFT", help="POLICY/VERSION/LANGUAGE. Otherwise: as the file's path says."),
    ] = None,
    if_match: IfMatch = None,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever is there.")] = False,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Keep a draft, malformed or not.

    policies/terms/2027-01-15.en.md becomes the draft terms/2027-01-15/en. A new one needs nothing else; to replace
    one, say which with --if-match, so that nobody's words are lost. Exit code 1 where it could not be published.
    """
    if force and if_match:
        raise ConfigurationError("--force and --if-match say two things", hint="leave one out")
    if place is None and not _NAMED.fullmatch(file.name):
        raise ConfigurationError(
            f"the name {file.name} does not say which draft this is",
            hint="call it VERSION.LANGUAGE.md in a folder POLICY, or say --as terms/2027-01-15/en",
        )
    where = _whole(place or str(file.resolve()))
    tag = "*" if force else f'"{if_match}"' if if_match else None
    desk = Desk(find_project(config, database), site, by)
    headers = {"if-match": tag} if tag else {}
    found = desk.ask("PUT", at("drafts", *where), raw=file.read_bytes(), headers=headers).json()
    if as_json:
        show_json(found)
    else:
        say(f"{clean('/'.join(where))} is kept, {count(found['size'], 'byte')}, etag {found['etag']}")
        for finding in found["findings"]:
            say(clean(finding_line(finding)), hanging="  ")
        if found["error"]:
            tell(f"It cannot be published like this: {clean(_trouble(found['error']))}")
    if found["error"]:
        raise typer.Exit(FAILED)


@drafts.command("delete")
def delete(
    draft: Place,
    if_match: IfMatch = None,
    by: options.By = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Forget a draft. What is published stays."""
    place = _whole(draft)
    desk = Desk(find_project(config, database), site, by)
    desk.ask("DELETE", at("drafts", *place), headers={"if-match": f'"{if_match}"' if if_match else "*"})
    if as_json:
        show_json({"policy": place[0], "version": place[1], "language": place[2], "deleted": True})
    else:
        say(f"{clean('/'.join(place))} is forgotten.")


def _whole(text: str) -> tuple[str, str, str]:
    policy, version, language = draft_place(text)
    if language is None:
        raise ConfigurationError(f"which language of {policy} {version}?", hint=f"write {policy}/{version}/en")
    return policy, version, language


def _row(one: dict[str, Any]) -> list[str]:
    from consentgate.terms.instants import parse_instant

    state = f"malformed: {_trouble(one['error'])}" if one["error"] else count(len(one["findings"]), "finding")
    place = f"{one['policy']}/{one['version']}/{one['language']}"
    saved = short(parse_instant(one["updated"]))
    return [place, saved, one["author"], f"{one['size']:,}", "good" if state == "0 findings" else state]


def _trouble(error: dict[str, Any]) -> str:
    line = f" (line {error['line']})" if error["line"] else ""
    return f"{error['message']}{line}"
