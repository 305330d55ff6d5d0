"""Laws of administrators' tokens: shown once, kept as a digest, expiring, revocable, and no more than their role."""

from __future__ import annotations

from functools import partial

import pytest

from consentgate.errors import ForbiddenError, InputError, NotFoundError, UnauthenticatedError
from consentgate.service import tokens
from consentgate.testing import run
from tests.service.conftest import Desk


def revoke(desk: Desk, token_id: str) -> None:
    """Revoke a token."""
    desk.terms.engine.submit(partial(tokens.revoke, token_id, "test", desk.terms.engine.randomness)).result()


def test_a_token_is_taken_until_it_expires(desk: Desk) -> None:
    """The last moment is excluded."""
    made = run(desk.terms.new_token("auditor", "Ann", days=2))
    assert run(desk.terms.check_token(made.secret)).label == "Ann"
    desk.clock.advance(days=2)
    with pytest.raises(UnauthenticatedError):
        run(desk.terms.check_token(made.secret))


def test_a_revoked_token_is_not_taken(desk: Desk) -> None:
    """And cannot be revoked twice."""
    made = run(desk.terms.new_token("auditor", "Ann"))
    revoke(desk, made.id)

    with pytest.raises(UnauthenticatedError):
        run(desk.terms.check_token(made.secret))
    with pytest.raises(NotFoundError):
        revoke(desk, made.id)


@pytest.mark.parametrize("change", ["", "x", "cgt_", "Bearer", None])
def test_anything_but_the_token_is_not_taken(desk: Desk, change: str | None) -> None:
    """One character off, nothing, another form."""
    made = run(desk.terms.new_token("owner", "Ann"))
    wrong = made.secret[:-1] + ("0" if made.secret[-1] != "0" else "1") if change is None else change

    with pytest.raises(UnauthenticatedError):
        run(desk.terms.check_token(wrong))


def test_neither_database_nor_ledger_knows_the_secret(desk: Desk) -> None:
    """Only its digest is stored; that it was made is an entry."""
    made = run(desk.terms.new_token("owner", "Ann"))
    dump = desk.terms.engine.database.read(
        lambda connection: [
            tuple(row) for row in connection.exec_driver_sql("SELECT * FROM consentgate_token").fetchall()
        ]
    )

    assert made.secret not in repr(dump)
    assert made.secret.encode() not in desk.export()
    assert b'\\"action\\":\\"token.new\\"' in desk.export()


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("auditor", {"auditor"}), ("editor", {"editor"}), ("publisher", {"editor", "publisher"}),
        ("owner", {"auditor", "editor", "publisher", "owner"}),
    ],
)  # fmt: skip
def test_a_role_allows_what_it_is_for(desk: Desk, role: str, may: set[str]) -> None:
    """And nothing else."""
    holder = run(desk.terms.check_token(run(desk.terms.new_token(role, "x")).secret))
    for wanted in tokens.ROLES:
        if wanted in may:
            holder.require(wanted)
        else:
            with pytest.raises(ForbiddenError):
                holder.require(wanted)


@pytest.mark.parametrize(
    ("role", "label", "days"), [("king", "x", 1), ("owner", "", 1), ("owner", "a\nb", 1), ("owner", "x", 0)]
)
def test_a_token_nobody_could_use_well_is_not_made(desk: Desk, role: str, label: str, days: int) -> None:
    """Roles, labels and lifetimes are checked."""
    with pytest.raises(InputError):
        run(desk.terms.new_token(role, label, days=days))


def test_a_token_is_made_once_however_often_its_transaction_runs(desk: Desk) -> None:
    """A commit that reported an error although it happened is tried again: the secret that is shown is the one kept."""
    engine = desk.terms.engine
    order = tokens.draw("owner", "Ann", 7, "test", engine.randomness)
    first, again = (engine.submit(partial(tokens.create, order, engine.randomness)).result() for _ in range(2))

    assert first == again
    assert run(desk.terms.check_token(again.secret)).label == "Ann"
    assert len(run(desk.terms.list_tokens())) == 1
    assert desk.export().count(b'\\"action\\":\\"token.new\\"') == 1
