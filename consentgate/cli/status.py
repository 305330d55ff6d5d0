"""``consentgate status``: where the ledger and the policies stand, for everybody or for one subject.

Room: cli.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.desk import Desk
from consentgate.cli.output import TIMES, clean, count, facts, say, short, show_json, table, tell, when
from consentgate.cli.project import Project, find_project, shown, with_terms
from consentgate.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from consentgate.service.overview import LedgerState, Tally
    from consentgate.service.secret_file import SecretFile
    from consentgate.service.settings import Settings
    from consentgate.service.status import PolicyStatus
    from consentgate.service.terms import Terms
    from consentgate.terms.calendar import Standing
    from consentgate.terms.subject import Subject


def status(
    subject: Annotated[
        str | None,
        typer.Option("--subject", metavar="KIND:ID", help="How each policy stands for this one, such as user:42."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="A tag the subject has, for policies that ask for one."),
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", metavar="FILE", help="Key file to look at.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Say where the ledger and the policies stand.

    With --subject: how each policy stands for one user, visitor or service.
    """
    project = find_project(config, database)
    if site is not None:
        from consentgate.cli.site_status import site_status

        if tag or secret_file:
            raise ConfigurationError("--tag and --secret-file go with a database", hint="leave them out with --site")
        site_status(Desk(project, site), parse_subject(subject).key if subject else None, as_json=as_json)
        return
    settings = project.existing()
    if subject is not None:
        _of_subject(settings, parse_subject(subject, tag or ()), as_json=as_json)
    else:
        _of_all(project, settings, secret_file, as_json=as_json)


def parse_subject(text: str, tags: list[str] | tuple[str, ...] = ()) -> Subject:
    """Read ``kind:id``; an id alone is that of a user.

    Raises:
        InputError: no such kind, or no id.
    """
    from consentgate.terms.subject import Subject, SubjectKind

    kind, colon, name = text.partition(":")
    if not colon:
        return Subject(text, SubjectKind.USER, frozenset(tags))
    if kind not in set(SubjectKind):
        raise InputError(f"there is no kind of subject {kind!r}", hint="write user:ID, visitor:ID or service:ID")
    return Subject(name, SubjectKind(kind), frozenset(tags))


def _of_all(project: Project, settings: Settings, secret_file: Path | None, *, as_json: bool) -> None:
    async def work(terms: Terms) -> tuple[LedgerState, tuple[Standing, ...], dict[int, Tally]]:
        return await terms.ledger_state(), terms.calendar.at(terms.clock()).standings, await terms.tally()

    state, standings, counts = with_terms(settings, work, reading=True)
    keys = _keys(project, secret_file)
    if as_json:
        show_json(_record(settings, state, standings, counts, keys))
        return
    say("Ledger")
    facts(
        [
            ("name", state.origin),
            ("database", shown(settings)),
            ("entries", f"{state.size:,}, the last at {when(state.at)}" if state.size else "none yet"),
            ("root", state.root or "—"),
            *(("signed by" if place == 0 else "", key) for place, key in enumerate(state.signed_by)),
            ("sealing keys", _said(keys)),
        ]
    )
    say()
    if standings:
        table(_COLUMNS, [_row(standing, counts) for standing in standings], right=("ACCEPTED",))
        say(f"{TIMES} `consentgate versions` lists every version.")
    else:
        say("No policy is in force or announced: the gate is open.")
    if keys is not None and not keys.private:
        tell(f"warning: others can read {keys.path}; whoever can forges passes: chmod 600 {keys.path}")


_COLUMNS = ("POLICY", "KIND", "IN FORCE", "ASKED FOR", "NEXT", "FROM", "ACCEPTED")


def _row(standing: Standing, counts: dict[int, Tally]) -> list[str]:
    version, asked, upcoming = standing.in_force, standing.grace or standing.enforced, standing.announced[:1]
    return [
        standing.policy.slug,
        standing.policy.kind.value,
        version.label if version else "—",
        "nothing"
        if asked is None
        else f"{asked.label}, grace to {short(asked.enforced)}"
        if standing.grace
        else asked.label,
        upcoming[0].label if upcoming else "—",
        short(upcoming[0].effective) if upcoming else "—",
        f"{_accepted(standing, counts):,}",
    ]


def _accepted(standing: Standing, counts: dict[int, Tally]) -> int:
    """Acceptances that satisfy what is in force."""
    serials = standing.grace_satisfied_by if standing.grace else standing.satisfied_by
    return sum(tally.accepted for serial, tally in counts.items() if serial in serials)


def _keys(project: Project, secret_file: Path | None) -> SecretFile | None:
    from consentgate.service.secret_file import look_at

    path = project.secret_file(secret_file)
    if secret_file is not None:
        return look_at(path)
    # The account that looks at the record need not be the one that may read the keys.
    return look_at(path) if os.access(path, os.R_OK) else None


def _said(keys: SecretFile | None) -> str:
    if keys is None:
        return "no key file that can be read from here"
    return f"{count(keys.keys, 'key')} in {keys.path.name}"


def _record(
    settings: Settings,
    state: LedgerState,
    standings: tuple[Standing, ...],
    counts: dict[int, Tally],
    keys: SecretFile | None,
) -> dict[str, Any]:
    from consentgate.service.records import instant_or_none, version_record

    return {
        "ledger": {
            "origin": state.origin,
            "database": shown(settings),
            "size": state.size,
            "at": instant_or_none(state.at),
            "root": state.root,
            "checkpoint": state.checkpoint,
            "signed_by": list(state.signed_by),
            "keys": list(state.keys),
        },
        "sealing_keys": None if keys is None else {"file": str(keys.path), "keys": keys.keys, "private": keys.private},
        "policies": [
            {
                "policy": standing.policy.slug,
                "kind": standing.policy.kind.value,
                "in_force": version_record(standing.in_force) if standing.in_force else None,
                "enforced": version_record(standing.enforced) if standing.enforced else None,
                "grace": version_record(standing.grace) if standing.grace else None,
                "announced": [version_record(version) for version in standing.announced],
                "accepted": _accepted(standing, counts),
            }
            for standing in standings
        ],
    }


def _of_subject(settings: Settings, subject: Subject, *, as_json: bool) -> None:
    async def work(terms: Terms) -> tuple[PolicyStatus, ...]:
        return await terms.status(subject)

    found = with_terms(settings, work, reading=True)
    if as_json:
        show_json({"subject": subject.key, "policies": [_policy_record(one) for one in found]})
        return
    if not found:
        say(f"No policy that is in force or announced binds {clean(subject.key)}.")
        return
    width = max(len(one.policy.slug) for one in found)
    for one in found:
        say(f"{one.policy.slug:<{width}}  {_standing(one)}", hanging=" " * (width + 2))
        if one.decision is not None:
            say(f"{'':<{width}}  receipt {one.decision.id}")


def _standing(one: PolicyStatus) -> str:
    """A sentence: the state, what it is about, and what was accepted last."""
    from consentgate.service.holdings import State

    about = {
        State.CURRENT: "nothing to do",
        State.ANNOUNCED: f"nothing to do yet; {_label(one)} is announced",
        State.GRACE: f"asked for {_label(one)}, and not stopped yet",
        State.REQUIRED: f"stopped until {_label(one)} is accepted",
        State.DECLINED: f"stopped: declined {_label(one)}",
        State.EXPIRED: f"stopped: the acceptance of {_label(one)} is to be renewed",
    }[one.state]
    if not one.policy.kind.gates:
        about = "never stopped for a consent"
    last = (
        f"accepted version {one.accepted.label} on {when(one.decision.at)}"
        if one.accepted and one.decision
        else "never accepted"
    )
    return f"{one.state.value}: {about}; {last}"


def _label(one: PolicyStatus) -> str:
    return clean(one.version.label) if one.version else "—"


def _policy_record(one: PolicyStatus) -> dict[str, Any]:
    from consentgate.service.records import instant_or_none

    return {
        "policy": one.policy.slug,
        "kind": one.policy.kind.value,
        "state": one.state.value,
        "blocks": one.state.blocks and one.policy.kind.gates,
        "version": one.version.label if one.version else None,
        "accepted": one.accepted.label if one.accepted else None,
        "accepted_at": instant_or_none(one.decision.at if one.decision else None),
        "receipt": str(one.decision.id) if one.decision else None,
    }
