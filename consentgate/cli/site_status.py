"""``consentgate status --site``: where the ledger and the policies of a running site stand.

Room: cli; called by ``status``. It shows what the administrators' API answers, so any role may look at the policies,
and an auditor at a subject.
"""

from __future__ import annotations

from typing import Any

from consentgate.cli.desk import Desk, at
from consentgate.cli.output import TIMES, clean, facts, say, short, show_json, table, when
from consentgate.terms.instants import parse_instant


def site_status(desk: Desk, subject: str | None, *, as_json: bool) -> None:
    """Print it.

    Args:
        desk: of the site.
        subject: key, such as ``user:42``: how each policy stands for this one.
        as_json: what the API answered.
    """
    if subject is not None:
        found = desk.get(at("subjects", subject))
        if as_json:
            show_json({"subject": subject, "policies": found["standing"]})
            return
        for one in found["standing"]:
            say(f"{one['policy']}  {_standing(one)}", hanging="  ")
        if not found["standing"]:
            say(f"No policy that is in force or announced binds {clean(subject)}.")
        return
    health, policies = desk.get("/health"), desk.get("/policies")
    if as_json:
        show_json({"ledger": health, "policies": policies})
        return
    last = f", the last at {when(parse_instant(health['at']))}" if health["at"] else ""
    say("Ledger")
    facts(
        [
            ("name", health["origin"]),
            ("entries", f"{health['size']:,}{last}" if health["size"] else "none yet"),
            (
                "waiting",
                f"{health['waiting']:,}, the oldest for {health['age']:.1f} s" if health["waiting"] else "none",
            ),
            *(("alarm", clean(alarm["what"])) for alarm in health["alarms"]),
        ]
    )
    say()
    if policies:
        table(("POLICY", "KIND", "IN FORCE", "NEXT", "FROM"), [_row(one) for one in policies])
        say(f"{TIMES} `consentgate versions --site` lists every version.")
    else:
        say("Nothing is published: the gate is open.")


def _row(one: dict[str, Any]) -> list[str]:
    upcoming = one["scheduled"][0] if one["scheduled"] else None
    return [
        one["slug"],
        one["settings"]["kind"],
        one["in_force"]["version"] if one["in_force"] else "—",
        upcoming["version"] if upcoming else "—",
        short(parse_instant(upcoming["effective"])) if upcoming else "—",
    ]


def _standing(one: dict[str, Any]) -> str:
    about = f", about {clean(one['version'])}" if one["version"] else ""
    last = f"accepted version {clean(one['accepted'])}" if one["accepted"] else "never accepted"
    return f"{one['state']}{about}; {last}"
