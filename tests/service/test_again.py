"""Laws of a request that is sent again: done once, told the first answer, never mixed up with another."""

from __future__ import annotations

import asyncio

import pytest

from consentgate.errors import ConflictError, InputError, NotFoundError
from consentgate.service.again import Answer, Claim, claim
from consentgate.service.fence import behind
from consentgate.store import answers
from consentgate.testing import run
from tests.service.admin_desk import AUDITOR, OWNER
from tests.service.conftest import Desk

DONE = Answer(200, "application/json", b"{}")


def first(desk: Desk, key: str = "k", request: bytes = b"r") -> Claim:
    """Claim a key that is free."""
    found = run(claim(desk.terms, OWNER, key, request))
    assert isinstance(found, Claim)
    return found


def act(desk: Desk, claimed: Claim) -> None:
    """Do what the request asks for: one token is made."""

    async def work() -> None:
        with behind(claimed.fence):
            await desk.terms.new_token("auditor", "Ann", by="olga")

    run(work())


def test_of_many_at_once_one_is_let_through(desk: Desk) -> None:
    """The others are told to wait; nothing is done twice however fast a client tries again."""

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(claim(desk.terms, OWNER, "k", b"r") for _ in range(20)), return_exceptions=True)

    found = run(all_at_once())
    assert sorted(type(one).__name__ for one in found) == ["Claim", *["ConflictError"] * 19], found


def test_the_same_request_has_the_first_answer_and_another_is_refused(desk: Desk) -> None:
    """A key is for one request of one administrator."""
    run(first(desk).complete(DONE))

    assert run(claim(desk.terms, OWNER, "k", b"r")) == DONE
    with pytest.raises(InputError, match="another request"):
        run(claim(desk.terms, OWNER, "k", b"other"))
    assert isinstance(run(claim(desk.terms, AUDITOR, "k", b"other")), Claim)


def test_what_failed_may_be_tried_again(desk: Desk) -> None:
    """A claim that is released is free."""
    run(first(desk).release())

    assert isinstance(run(claim(desk.terms, OWNER, "k", b"other")), Claim)


def test_an_answer_is_forgotten_after_a_day(desk: Desk) -> None:
    """And so is a request that acted and whose answer was lost: nothing is held for ever."""
    run(first(desk).complete(DONE))
    lost = first(desk, "lost")
    act(desk, lost)
    desk.clock.advance(hours=23)
    assert run(claim(desk.terms, OWNER, "k", b"r")) == DONE
    desk.clock.advance(hours=1, seconds=1)

    assert isinstance(run(claim(desk.terms, OWNER, "k", b"r")), Claim)
    assert isinstance(run(claim(desk.terms, OWNER, "lost", b"r")), Claim)


def test_a_request_that_died_before_it_did_anything_frees_its_key_after_a_minute(desk: Desk) -> None:
    """Until then it may still be on its way; afterwards one may try again, and of many again only one."""
    first(desk)
    desk.clock.advance(seconds=59)
    with pytest.raises(ConflictError, match="no answer yet"):
        run(claim(desk.terms, OWNER, "k", b"r"))
    desk.clock.advance(seconds=2)

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(claim(desk.terms, OWNER, "k", b"r") for _ in range(9)), return_exceptions=True)

    found = run(all_at_once())
    assert sum(isinstance(one, Claim) for one in found) == 1
    assert sum(isinstance(one, ConflictError) for one in found) == 8


def test_a_request_that_died_after_it_acted_is_never_done_again(desk: Desk) -> None:
    """Its process died between the act and the answer: whoever asks again is told that it was done, for the day."""
    died = first(desk)
    act(desk, died)
    desk.clock.advance(hours=2)

    with pytest.raises(ConflictError, match="was done") as refused:
        run(claim(desk.terms, OWNER, "k", b"r"))
    assert refused.value.data["done"] is True
    assert len(run(desk.terms.list_tokens())) == 1


def test_a_request_that_acted_keeps_its_key_whatever_went_wrong_afterwards(desk: Desk) -> None:
    """An answer of 503, or a client that went away, says nothing about what is on record."""
    mine = first(desk)
    act(desk, mine)
    run(mine.release())

    with pytest.raises(ConflictError, match="was done"):
        run(claim(desk.terms, OWNER, "k", b"r"))


def test_a_request_that_lost_its_key_does_nothing_any_more(desk: Desk) -> None:
    """It stood still for a minute and a later one was let through: the later one's act is the only one."""
    slow = first(desk)
    desk.clock.advance(seconds=61)
    quick = first(desk)
    act(desk, quick)

    with pytest.raises(ConflictError, match="given up"):
        act(desk, slow)
    run(slow.complete(Answer(201, "text/plain", b"not this")))
    run(slow.release())
    run(quick.complete(DONE))
    assert run(claim(desk.terms, OWNER, "k", b"r")) == DONE
    assert len(run(desk.terms.list_tokens())) == 1


def test_an_act_that_is_refused_leaves_the_key_free(desk: Desk) -> None:
    """The word that it was done goes back together with what was not done."""
    mine = first(desk)

    async def refused() -> None:
        with behind(mine.fence):
            await desk.terms.revoke_token("00000000", by="olga")

    with pytest.raises(NotFoundError):
        run(refused())
    run(mine.release())
    assert isinstance(run(claim(desk.terms, OWNER, "k", b"r")), Claim)


def test_what_is_kept_names_nobody(desk: Desk) -> None:
    """Neither the key nor who sent it stands in the table, only a digest of both."""
    run(first(desk, "secret-key", b"secret-request").complete(DONE))
    row = run(desk.terms._read(lambda connection: connection.exec_driver_sql("SELECT * FROM consentgate_answer").one()))

    assert "olga" not in str(row)
    assert "secret" not in str(row)
    assert run(desk.terms._read(lambda connection: answers.answer(connection, row[0]))) is not None
