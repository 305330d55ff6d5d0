"""`consentgate token`."""

from __future__ import annotations

import re

import pytest

from consentgate.errors import UnauthenticatedError
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.testing import SECRET, run
from tests.cli.conftest import Command, Project


def check(project: Project, secret: str) -> str:
    """The role the API would see behind a token."""

    async def look() -> str:
        async with Terms(Settings(f"sqlite:///{project.database}", (SECRET.encode(),))) as terms:
            return (await terms.check_token(secret)).role

    return run(look())


def test_a_token_alone_stands_on_standard_output(published: Project, command: Command) -> None:
    """`TOKEN=$(consentgate token new …)` is all CI needs; what else there is to say goes elsewhere."""
    done = command("token", "new", "--role", "publisher", "--label", "ci")

    assert re.fullmatch(r"cgt_[0-9a-f]{8}_[0-9a-f]{64}\n", done.out)
    assert "shown this once" in done.err
    assert check(published, done.out.strip()) == "publisher"


def test_a_token_is_never_shown_again(published: Project, command: Command) -> None:
    """The list has id, role and label; neither it nor the export has the secret."""
    made = command("token", "new", "--role", "auditor", "--label", "Ada's laptop", "--days", "30", "--json").json

    listed, exported = command("token", "list"), command("export")

    assert f"{made['id']}  auditor  Ada's laptop  valid" in listed.out
    assert made["token"] not in listed.out + exported.out
    assert made["token"].split("_")[2] not in listed.out + exported.out


def test_the_list_says_whose_each_token_is(published: Project, command: Command) -> None:
    """Bug: one person has one vote, but who holds which token could be seen over HTTP alone."""
    command("token", "new", "--role", "publisher", "--label", "laptop", "--holder", "ada")
    command("token", "new", "--role", "publisher", "--label", "ci")

    rows = command("token", "list").out.splitlines()

    assert [line.split()[-1] for line in rows[:3]] == ["HOLDER", "ada", "—"]
    assert [one["holder"] for one in command("token", "list", "--json").json] == ["ada", None]


def test_a_revoked_token_opens_nothing(published: Project, command: Command) -> None:
    """At once, and for good; revoking twice is an error that says so."""
    made = command("token", "new", "--role", "owner", "--label", "me", "--json").json

    assert command("token", "revoke", made["id"], "--by", "Ada").out == f"Token {made['id']} is revoked.\n"
    assert command("token", "list", "--json").json[0]["state"] == "revoked"
    with pytest.raises(UnauthenticatedError):
        check(published, made["token"])
    assert command("token", "revoke", made["id"]).code == 1


def test_no_tokens_is_said(published: Project, command: Command) -> None:
    """An empty list is a sentence for people and a list for programs."""
    assert command("token", "list").out == "There are no tokens.\n"
    assert command("token", "list", "--json").json == []


@pytest.mark.parametrize(
    "words",
    [("--role", "king", "--label", "x"), ("--role", "owner", "--label", "x", "--days", "0"), ("--role", "owner")],
)
def test_a_token_that_cannot_be_made_is_refused(words: tuple[str, ...], published: Project, command: Command) -> None:
    """An unknown role, no lifetime, no label; the ledger is as it was."""
    before = published.entries

    assert command("token", "new", *words).code == 2
    assert published.entries == before


def test_a_label_with_control_characters_is_refused(published: Project, command: Command) -> None:
    """It would be printed by every `token list` to come."""
    done = command("token", "new", "--role", "owner", "--label", "a\x1b[2Jb")

    assert done.code == 1
    assert "\x1b" not in done.err
