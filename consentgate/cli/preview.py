"""``consentgate preview``: what publishing would do, without doing it.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, find_refs, published_body
from consentgate.cli.diff import print_redline
from consentgate.cli.output import clean, count, say, show_json, tell, when
from consentgate.cli.project import find_project
from consentgate.cli.publish import print_publication
from consentgate.errors import ConfigurationError


def preview(
    draft: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DRAFT", help="POLICY/VERSION, or POLICY/VERSION/LANGUAGE; may be repeated.", show_default=False
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="FOLDER", help="What a folder of policies would publish.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="Effective date of texts that leave theirs open.")
    ] = None,
    context: Annotated[
        int, typer.Option("--context", metavar="N", help="Unchanged paragraphs around a change.", min=0, max=100)
    ] = 1,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Say what publishing drafts, or a folder, would do.

    Each text with what changed, what the checks found, whether the notice period is kept, and how many people will
    be stopped from when on. The last line is the state it was made on: `publish --expect STATE` publishes only where
    nothing has changed since. Without DRAFT and --folder: all drafts.
    """
    if draft and folder:
        raise ConfigurationError("drafts, or a folder", hint="leave one of them out")
    desk = Desk(find_project(config, database), site)
    named: list[str] = []
    if folder is not None:
        from consentgate.service.folder import read_folder

        body: dict[str, Any] = published_body(read_folder(folder))
    else:
        named = draft or sorted({f"{one['policy']}/{one['version']}" for one in desk.get("/drafts")})
        if not named:
            raise ConfigurationError("there are no drafts", hint="`consentgate draft put FILE`, or --folder FOLDER")
        body = {"refs": find_refs(desk, named)}
    found = desk.post("/preview", {**body, "at": at})
    if as_json:
        show_json(found)
        return
    print_preview(found, context)
    if found["texts"] or found["publication"]["policies"]:
        what = str(folder) if folder is not None else " ".join(f"--draft {clean(one)}" for one in named)
        tell(f"\nTo publish exactly this: consentgate publish {what} --expect {found['state']}")


def print_preview(found: dict[str, Any], context: int = 1) -> None:
    """Print a preview.

    Args:
        found: as the API answers it.
        context: unchanged paragraphs around a change.
    """
    from consentgate.terms.canonical import canonical_json
    from consentgate.terms.redline import from_bytes

    for text in found["texts"]:
        against = f", compared with {text['compared_with']}" if text["compared_with"] else ", the first version"
        say(clean(f"{text['title']} — {text['policy']} {text['version']} ({text['language']}){against}"))
        if text["redline"] is not None:
            print_redline(from_bytes(canonical_json(text["redline"])), context)
        elif text["compared_with"]:
            say(f"  There was no text in {clean(text['language'])} before.")
        say()
    print_publication(found["publication"])
    for notice in found["notices"]:
        if notice["promised"] or not notice["kept"]:
            kept = "kept" if notice["kept"] else "NOT KEPT"
            days = f"{count(notice['given'], 'day')} of notice, {notice['promised']} promised"
            say(f"  notice of {notice['policy']} {notice['version']}: {days}: {kept}")
    if found["each"]:
        say("Whom it stops:")
    for stop in found["each"]:
        say(f"  {clean(_stop(stop))}", hanging="    ")
    if len(found["each"]) > 1:
        say(f"  together {count(found['stops'], 'subject')}, each counted once")
    new = {stop["policy"] for stop in found["each"] if stop["first"]}
    if changed := [slug for slug in found["publication"]["policies"] if slug not in new]:
        say(f"Not counted: whom the changed settings of {clean(', '.join(changed))} stop.")


def _stop(stop: dict[str, Any]) -> str:
    from consentgate.terms.instants import parse_instant

    name, from_when = f"{stop['policy']} {stop['version']}", when(parse_instant(stop["at"]))
    if stop["first"]:
        return f"{name}: everybody whom it binds, from {from_when}: nobody can have accepted this policy yet"
    return f"{name}: {count(stop['subjects'], 'subject')} who may pass now, from {from_when}"
