"""Roles of least privilege: run on a real server, each can do its work and not more."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import psycopg
import pytest

from consentgate.errors import InputError
from consentgate.store.database import Database
from consentgate.store.roles import PRIVILEGES, ROLES, script
from consentgate.store.tables import METADATA, PREFIX
from tests.postgres import USER, Server

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_numbers = itertools.count()


class House:
    """A schema with our tables and roles, and connections as each role."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.fresh()
        self.schema = self.url.rpartition("%3D")[2]
        self.prefix = f"role{server.version}_{next(_numbers)}"
        Database.open(self.url).close()
        self.sql("")

    def sql(self, before: str) -> None:
        """Run the script as the owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(before + script(self.prefix, self.schema))  # type: ignore[arg-type]  # it is ours

    def url_of(self, role: str) -> str:
        """The database's URL for a role."""
        return self.url.replace(f"{USER}@", f"{self.prefix}_{role}@")

    def try_as(self, role: str, statement: str) -> str:
        """What comes of a statement: ``done``, how many rows it touched when none, or the error's class."""
        with psycopg.connect(self.url_of(role)) as connection:
            try:
                return "done" if connection.execute(statement).rowcount else "nothing"  # type: ignore[arg-type]
            except psycopg.Error as error:
                connection.rollback()
                return type(error).__name__


@pytest.fixture(name="house", params=[15, 18])
def _house(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> House:
    return House(postgres(request.param))


@pytest.fixture(name="one_house", scope="module")
def _one_house(postgres: Callable[[int], Server]) -> House:
    return House(postgres(15))


def test_every_table_is_somebodys() -> None:
    """No table is forgotten in the script: and no name in it is of no table."""
    named = {name for rights in PRIVILEGES.values() for name in rights}

    assert {PREFIX + name for name in named} == set(METADATA.tables)


def test_each_role_has_exactly_the_rights_the_script_says(house: House) -> None:
    """As the server itself reports them, for each role, table and right."""
    for role in ROLES:
        for table in METADATA.tables:
            name = table.removeprefix(PREFIX)
            said = PRIVILEGES[role].get(name, "") + ("," + PRIVILEGES["web"].get(name, "") if role == "desk" else "")
            wanted = {right.strip() for right in said.split(",")} - {""}
            found = {
                right
                for right in RIGHTS
                if house.server.execute(
                    f"SELECT has_table_privilege('{house.prefix}_{role}', '{house.schema}.{table}', '{right}')"
                )[0][0]
            }
            assert found == wanted, (role, table)


def test_the_script_can_be_run_again_and_takes_back_what_is_too_much(house: House) -> None:
    """After an upgrade it is run again; a right that was given by hand is gone then."""
    house.sql(f"GRANT DELETE ON {house.schema}.consentgate_entry TO {house.prefix}_web;")

    assert house.try_as("web", "DELETE FROM consentgate_entry") == "InsufficientPrivilege"


ENTRY = "INSERT INTO consentgate_entry VALUES (0, '\\x00', '\\x00', '\\x00')"
OPENING = "INSERT INTO consentgate_opening (ref, at, openings) VALUES ('\\x01', 1, '{}')"
PUBLISHED = "UPDATE consentgate_meta SET value = '7' WHERE key = 'generation'"
NAME = "UPDATE consentgate_meta SET value = 'x' WHERE key = 'schema_version'"
REVOKED = "INSERT INTO consentgate_meta VALUES ('revoked:00', '1')"
DENIED = "InsufficientPrivilege"


@pytest.mark.parametrize(
    ("role", "statement", "outcome"),
    [
        ("web", OPENING, "done"),
        ("web", PUBLISHED, "done"),
        ("web", REVOKED, "done"),
        ("web", NAME, "nothing"),
        ("web", "INSERT INTO consentgate_meta VALUES ('origin', 'mine')", DENIED),
        ("web", "SELECT ref FROM consentgate_opening FOR UPDATE", "done"),
        ("web", "UPDATE consentgate_opening SET at = 2", DENIED),
        ("web", "DELETE FROM consentgate_opening", DENIED),
        ("web", ENTRY, DENIED),
        ("web", "UPDATE consentgate_head SET note = 'x'", DENIED),
        ("web", "SELECT * FROM consentgate_token", DENIED),
        ("web", "CREATE TABLE mine (id int)", DENIED),
        ("web", "ALTER TABLE consentgate_opening ADD COLUMN mine int", DENIED),
        ("desk", "UPDATE consentgate_opening SET openings = '{ }'", "done"),
        ("desk", "SELECT * FROM consentgate_token", "nothing"),
        ("desk", NAME, "nothing"),
        ("desk", ENTRY, DENIED),
        ("desk", "DELETE FROM consentgate_opening", DENIED),
        ("sequencer", ENTRY, "done"),
        ("sequencer", "INSERT INTO consentgate_meta VALUES ('origin', 'mine')", "done"),
        ("sequencer", "SELECT * FROM consentgate_opening", DENIED),
        ("sequencer", "UPDATE consentgate_entry SET leaf = '\\x01'", DENIED),
        ("sequencer", "DELETE FROM consentgate_entry", DENIED),
        ("auditor", "SELECT * FROM consentgate_opening", "done"),
        ("auditor", "SELECT * FROM consentgate_token", DENIED),
        ("auditor", OPENING, DENIED),
        ("auditor", PUBLISHED, DENIED),
    ],
)
def test_each_role_can_do_its_work_and_not_more(one_house: House, role: str, statement: str, outcome: str) -> None:
    """What a thief of one role's password could do to the record, tried."""
    house = one_house
    with psycopg.connect(house.url, autocommit=True) as owner:
        owner.execute("DELETE FROM consentgate_opening; DELETE FROM consentgate_meta WHERE key LIKE 'revoked%'")
        if "opening" in statement and "INSERT" not in statement:
            owner.execute(OPENING)

    assert house.try_as(role, statement) == outcome


@pytest.mark.parametrize("name", ["", "consent gate", "x; DROP TABLE", "Gate", "gate'", "9lives", "a-b"])
def test_a_name_that_would_have_to_be_quoted_is_refused(name: str) -> None:
    """Neither prefix nor schema can carry SQL of its own."""
    with pytest.raises(InputError):
        script(name)
    with pytest.raises(InputError):
        script(schema=name)
