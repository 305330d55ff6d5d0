"""``consentgate subject``: everything about one subject, and their evidence as a file.

Room: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk, at
from consentgate.cli.files import write_whole
from consentgate.cli.output import clean, count, say, show_json, tell, when
from consentgate.cli.project import find_project
from consentgate.cli.status import parse_subject


def subject(
    subject: Annotated[
        str,
        typer.Argument(metavar="KIND:ID", help="Who, such as user:42; an id alone is a user's.", show_default=False),
    ],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FILE", help="Write all evidence to this zip file, too.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Tell the history of one user, visitor or service.

    Each entry in the order in which it was recorded, how each policy stands for them now, and legal holds.
    """
    key = parse_subject(subject).key
    desk = Desk(find_project(config, database), site)
    found = desk.get(at("subjects", key))
    if bundle is not None:
        from consentgate.evidence.bundle import verify

        data = desk.ask("GET", at("subjects", key, "bundle")).body
        packed = verify(data)
        write_whole(bundle, data)
        decisions = count(len(packed.decisions), "decision")
        tell(f"{bundle}: {decisions}, {len(data):,} bytes; check it with: consentgate verify {bundle}")
    if as_json:
        show_json(found)
        return
    say(clean(found["subject"]["key"]))
    for item in found["history"]:
        say(f"  {clean(_told(item))}", hanging="    ")
    say("\nNow")
    for one in found["standing"]:
        about = f" {one['version']}" if one["version"] else ""
        last = f"; accepted last: {one['accepted']}" if one["accepted"] else "; never accepted"
        say(f"  {clean(one['policy'])}{clean(about)}: {one['state']}{clean(last)}")
    for hold in found["holds"]:
        from consentgate.terms.instants import parse_instant

        say(f"  under a legal hold since {when(parse_instant(hold['at']))}: {clean(hold['basis'])}")
    if found["held"] and not found["holds"]:
        say("  under a legal hold on a device of theirs")


def _told(item: dict[str, Any]) -> str:
    """An entry in one line."""
    from consentgate.terms.instants import parse_instant

    entry = item["entry"]
    parts = [when(parse_instant(entry["at"])), f"entry {item['index']}"]
    kind = entry["type"]
    if kind == "decision":
        parts.append(f"{entry['decision']} {entry['policy']} {entry['version']} ({entry['language']})")
        parts.append(f"id {entry['id']}")
    elif kind == "erase":
        parts.append(f"{entry['mode']}: {entry['basis']}")
    else:
        parts.append(kind)
    opened = ", ".join(f"{name} {value}" for name, value in sorted(item["opened"].items()) if name != "subject")
    parts += [opened] if opened else []
    parts += [f"erased: {', '.join(item['erased'])}"] if item["erased"] else []
    return " · ".join(parts)
