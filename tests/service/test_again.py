"""Laws of a request that is sent again: done once, told the first answer, never mixed up with another."""

from __future__ import annotations

import asyncio

import pytest

from consentgate.errors import ConflictError, InputError
from consentgate.service.again import Answer, Claim, claim
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


def test_of_many_at_once_one_is_let_through(desk: Desk) -> None:
    """The others are told to wait; nothing is done twice however fast a client tries again."""

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(claim(desk.terms, OWNER, "k", b"r") for _ in range(20)), return_exceptions=True)

    found = run(all_at_once())
    assert sum(isinstance(one, Claim) for one in found) == 1
    assert sum(isinstance(one, ConflictError) for one in found) == 19


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


def test_a_key_is_forgotten_after_a_day(desk: Desk) -> None:
    """Also one whose request never got its answer: a process that died holds nothing for ever."""
    first(desk)
    desk.clock.advance(hours=23)
    with pytest.raises(ConflictError):
        run(claim(desk.terms, OWNER, "k", b"r"))
    desk.clock.advance(hours=1, seconds=1)

    assert isinstance(run(claim(desk.terms, OWNER, "k", b"r")), Claim)


def test_what_is_kept_names_nobody(desk: Desk) -> None:
    """Neither the key nor who sent it stands in the table, only a digest of both."""
    run(first(desk, "secret-key", b"secret-request").complete(DONE))
    row = run(desk.terms._read(lambda connection: connection.exec_driver_sql("SELECT * FROM consentgate_answer").one()))

    assert "olga" not in str(row)
    assert "secret" not in str(row)
    assert run(desk.terms._read(lambda connection: answers.answer(connection, row[0]))) is not None
