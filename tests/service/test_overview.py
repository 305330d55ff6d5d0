"""What an operator looks at: the ledger, the counts, the tokens, the lives of versions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consentgate.errors import NotFoundError
from consentgate.service.overview import NO_TALLY, version_state
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, parse_instant
from consentgate.terms.policy import Act, Impact, Policy, Translation, Version
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, TERMS, Desk, draft

START = parse_instant("2026-03-01T00:00:00.000000Z")


def version(serial: int, announced: int, effective: int) -> Version:
    """A version with these days after `START`."""
    text = Translation("en", "Terms", f"{serial}", f"{serial}", 1)
    begins = START + effective * DAY
    return Version(
        "terms", f"{serial}", serial, Impact.MATERIAL, START + announced * DAY, begins, begins, "en", (text,), 0
    )


def test_the_states_of_a_version_follow_one_another() -> None:
    """Planned, announced, in force, past; and retired with its policy."""
    first, second = version(1, 0, 1), version(2, 2, 3)
    policy = Policy("terms", (("en", "Terms"),))
    calendar = Calendar((policy,), (second, first))

    def states(one: Version, calendar: Calendar = calendar) -> list[str]:
        return [version_state(calendar, one, START + half * DAY // 2) for half in (-1, 0, 2, 4, 6, 8)]

    assert states(first) == ["planned", "announced", "in force", "in force", "past", "past"]
    assert states(second) == ["planned", "planned", "planned", "announced", "in force", "in force"]
    retired = Calendar((replace(policy, retired=START + 4 * DAY),), (first, second))
    assert states(second, retired)[-2:] == ["in force", "retired"]


def test_the_ledger_state_is_that_of_the_signed_head(desk: Desk) -> None:
    """Empty first; then size, root and the key that signed, which is one of its keys."""
    empty = run(desk.terms.ledger_state())
    assert (empty.size, empty.at, empty.root, empty.signed_by) == (0, None, "", ())

    desk.publish(draft("1.0"))
    state = run(desk.terms.ledger_state())

    assert (state.size, state.at) == (1, desk.clock.instant)
    assert state.checkpoint.startswith(f"{state.origin}\n1\n")
    assert state.signed_by == state.keys
    assert state.keys == empty.keys


def test_decisions_are_counted_by_version(desk: Desk) -> None:
    """Acceptances and refusals apart; a version nobody decided about has none."""
    desk.publish(draft("1.0"))
    serial = desk.terms.version("terms", "1.0").serial
    assert run(desk.terms.tally()) == {}

    run(desk.terms.record(ALICE, "terms"))
    run(desk.terms.record(BOB, "terms", act=Act.DECLINE))

    found = run(desk.terms.tally())
    assert (found[serial].accepted, found[serial].refused) == (1, 1)
    assert (NO_TALLY.accepted, NO_TALLY.refused) == (0, 0)


def test_tokens_are_listed_with_their_state(desk: Desk) -> None:
    """Valid until they expire or are revoked; revoking is entered in the ledger."""
    desk.publish(draft("1.0"), policies=(TERMS,))
    made = []
    for days in (1, 2, 3):
        desk.clock.advance(seconds=1)  # they are listed by the instant they were made
        made.append(run(desk.terms.new_token("auditor", f"number {days}", days=days)))
    run(desk.terms.revoke_token(made[1].id))
    size = run(desk.terms.ledger_state()).size
    desk.clock.advance(days=1)

    found = run(desk.terms.list_tokens())

    assert [(one.id, one.state(desk.clock())) for one in found] == [
        (made[0].id, "expired"), (made[1].id, "revoked"), (made[2].id, "valid"),
    ]  # fmt: skip
    assert size == 5
    with pytest.raises(NotFoundError):
        run(desk.terms.revoke_token(made[1].id))
