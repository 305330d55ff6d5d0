"""`consentgate status`: of the ledger, of the policies, of one subject."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.cli.status import parse_subject
from consentgate.errors import InputError
from consentgate.terms.subject import SubjectKind
from tests.cli.conftest import SECOND, Command, Project


def test_it_says_what_the_ledger_is_and_what_is_in_force(decided: Project, command: Command) -> None:
    """Name, size and key of the ledger; for each policy the version in force and how many satisfy it."""
    done = command("status")

    assert "name          example.com/terms\n" in done.out
    assert "entries       6, the last at 20" in done.out
    assert "signed by     example.com/terms+" in done.out
    assert " ".join(done.out.splitlines()[-2].split()) == "terms contract 2.0 2.0 — — 1"


def test_grace_and_what_comes_next_are_told(decided: Project, command: Command) -> None:
    """In grace it says until when; of an announced version, from when."""
    decided.write("3.0.en.md", SECOND + "\nMore.\n", "impact: material\nenforce: 2130-02-01")
    decided.write("4.0.en.md", SECOND, "impact: material\neffective: 2140-01-01")
    command("publish")

    line = " ".join(command("status").out.splitlines()[-2].split())

    assert line == "terms contract 3.0 3.0, grace to 2130-02-01 4.0 2140-01-01 0"


def test_an_open_gate_is_said_to_be_open(published: Project, command: Command) -> None:
    """Where nothing asks anybody, the table is not just empty."""
    (published.policy / "policy.toml").write_text('title = "Terms of Use"\nretired = 2026-02-01\n')
    command("publish")

    assert "the gate is open" in command("status").out


def test_the_json_has_the_checkpoint(decided: Project, command: Command) -> None:
    """A monitor gets the signed checkpoint to keep elsewhere."""
    record = command("status", "--json").json

    assert record["ledger"]["checkpoint"].startswith("example.com/terms\n6\n")
    assert record["ledger"]["size"] == 6
    assert record["policies"][0]["enforced"]["version"] == "2.0"
    assert record["policies"][0]["accepted"] == 1


def test_a_subject_is_told_how_each_policy_stands(decided: Project, command: Command) -> None:
    """A sentence each: whether they pass, what for, and what they accepted last, with the receipt."""
    ada, ben = command("status", "--subject", "user:ada").out, command("status", "--subject", "ben").out
    cy, dee = command("status", "--subject", "user:cy").out, command("status", "--subject", "visitor:dee").out

    assert ada.startswith("terms  required: stopped until 2.0 is accepted; accepted version 1.0 on 20")
    assert "receipt " in ada
    assert ben.startswith("terms  current: nothing to do; accepted version 2.0 on ")
    assert cy.startswith("terms  declined: stopped: declined 2.0; never accepted")
    assert dee.startswith("terms  required: stopped until 2.0 is accepted; never accepted")


def test_the_receipt_that_is_named_can_be_fetched(decided: Project, command: Command) -> None:
    """The id that `status` shows is the one `receipt` takes."""
    policy = command("status", "--subject", "ada", "--json").json["policies"][0]

    assert (policy["state"], policy["blocks"], policy["accepted"]) == ("required", True, "1.0")
    assert command("receipt", policy["receipt"]).code == 0


def test_an_audience_is_minded(published: Project, command: Command) -> None:
    """A policy that binds only a tag is not shown for whoever lacks it."""
    (published.policy / "policy.toml").write_text('title = "Terms of Use"\n[audience]\ntags = ["eu"]\n')
    command("publish")

    assert command("status", "--subject", "ada").out.startswith("No policy")
    assert command("status", "--subject", "ada", "--tag", "eu").out.startswith("terms  required")


def test_a_key_file_that_others_can_read_is_a_warning(published: Project, command: Command) -> None:
    """Whoever can read it can forge passes."""
    path = published.root / "consentgate.secret"
    command("key", "new")
    assert "sealing keys  1 key in consentgate.secret\n" in command("status").out
    assert command("status").err == ""

    path.chmod(0o644)

    assert "warning: others can read consentgate.secret" in command("status").err
    assert command("status", "--json").json["sealing_keys"]["private"] is False


@given(st.sampled_from(SubjectKind), st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name))
def test_a_subject_is_read_as_its_key_is_written(kind: SubjectKind, name: str) -> None:
    """`kind:id` is the inverse of a subject's key, whatever the id looks like."""
    assert parse_subject(f"{kind.value}:{name}").key == f"{kind.value}:{name}"


@pytest.mark.parametrize("text", ["robot:1", "user:", ":", ""])
def test_what_is_no_subject_is_refused(text: str) -> None:
    """An unknown kind, or no id."""
    with pytest.raises(InputError):
        parse_subject(text)
