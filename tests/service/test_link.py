"""Laws of linking: what a device accepted counts for its user after sign-in, and for nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, TEXT, VISITOR, Desk, draft


def test_what_the_visitor_accepted_counts_for_the_user_after_sign_in(desk: Desk) -> None:
    """No second question; the redline later starts from there."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    accepted = run(desk.terms.link(VISITOR.id, ALICE))

    assert (accepted.serials, desk.state(ALICE)) == ({1}, "current")
    desk.publish(draft("2", TEXT + "And smile.\n"))
    assert desk.offer(ALICE).items[0].base.label == "1"


def test_linking_twice_is_linking_once(desk: Desk) -> None:
    """The answer may get lost."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    before = run(desk.terms.head())

    assert run(desk.terms.link(VISITOR.id, ALICE)).serials == {1}
    assert run(desk.terms.head()) == before


def test_links_that_share_a_batch_are_one_link(desk: Desk) -> None:
    """A page and its parts arrive together after sign-in; and of two users only the first inherits."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    before = run(desk.terms.head())

    async def at_once() -> None:
        await asyncio.gather(*(desk.terms.link(VISITOR.id, who) for who in (ALICE, ALICE, ALICE, BOB)))

    run(at_once())
    after = run(desk.terms.head())
    assert before is not None
    assert after is not None
    assert after.size == before.size + 1
    assert sorted(str(desk.state(who)) for who in (ALICE, BOB)) == ["current", "required"]


def test_the_next_user_of_a_shared_browser_inherits_nothing(desk: Desk) -> None:
    """A visitor is linked to the first user only."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))

    assert run(desk.terms.link(VISITOR.id, BOB)).serials == frozenset()
    assert desk.state(BOB) == "required"


def test_what_the_visitor_does_after_the_link_is_not_the_users(desk: Desk) -> None:
    """The link reaches back, never forward."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    desk.clock.advance(seconds=1)
    desk.publish(draft("2", TEXT + "And smile.\n"))
    desk.accept(VISITOR)

    assert desk.state(ALICE) == "required"


def test_a_link_is_an_entry_with_both_subjects_as_commitments(desk: Desk) -> None:
    """And the whole still verifies."""
    desk.publish(draft("1"))
    entry = desk.accept(VISITOR).decisions[0]
    run(desk.terms.link(VISITOR.id, ALICE))
    line = next(line for line in desk.export().splitlines() if b'\\"type\\":\\"link\\"' in line)

    assert str(entry.id).encode() in line
    assert run(desk.terms.verify()).problems == []


def test_nothing_is_linked_for_an_impersonating_administrator_or_an_empty_visitor(desk: Desk) -> None:
    """Looking through somebody's eyes leaves no trace in their record."""
    desk.publish(draft("1"))
    assert run(desk.terms.link(VISITOR.id, ALICE)).serials == frozenset()
    desk.accept(VISITOR)

    assert run(desk.terms.link(VISITOR.id, replace(ALICE, impersonated_by="root"))).serials == frozenset()
