"""`consentgate key`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from consentgate.service.settings import resolve_secrets
from tests.cli.conftest import Command, Project

SECRET = Path("consentgate.secret")


def test_a_new_key_file_is_one_the_application_takes(command: Command) -> None:
    """It is private, holds one key, and `ConsentGate(secret=Path(…))` reads it."""
    done = command("key", "new")

    assert done.out == "consentgate.secret: 1 key, readable by you alone.\n"
    assert len(resolve_secrets(SECRET)) == 1
    if os.name == "posix":
        assert stat.S_IMODE(SECRET.stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(command: Command) -> None:
    """A new one would make every visitor accept again."""
    command("key", "new")
    before = SECRET.read_bytes()

    done = command("key", "new")

    assert done.code == 1
    assert "exists already" in done.err
    assert SECRET.read_bytes() == before


def test_rotating_puts_a_new_key_on_top(command: Command) -> None:
    """The newest stands first; the others stay; what to do next is said."""
    command("key", "new")
    old = resolve_secrets(SECRET)

    done = command("key", "rotate")

    new = resolve_secrets(SECRET)
    assert new[1:] == old
    assert new[0] not in old
    assert "seal with it in a few seconds. Restart those that got keys another way." in done.err
    assert old[0].decode() not in done.out + done.err


def test_a_key_goes_to_every_host_before_it_seals(command: Command) -> None:
    """`--ahead` puts it second, `--promote` on top; neither loses a key, and the two do not go together."""
    command("key", "new")
    assert command("key", "rotate", "--promote").code == 1
    old = resolve_secrets(SECRET)

    done = command("key", "rotate", "--ahead")
    ahead = resolve_secrets(SECRET)
    assert (ahead[0], len(ahead)) == (old[0], 2)
    assert "Copy the file to every host, then: consentgate key rotate --promote" in done.err
    assert "Copy the file to every host again." in command("key", "rotate", "--promote").err
    assert resolve_secrets(SECRET) == ahead[::-1]
    assert command("key", "rotate", "--promote", "--ahead").code == 2
    assert command("key", "rotate", "--ahead", "--keep", "1").code == 2
    assert resolve_secrets(SECRET) == ahead[::-1]


def test_old_keys_are_dropped_only_when_asked_for(command: Command) -> None:
    """`--keep` counts the new one."""
    command("key", "new")
    command("key", "rotate")
    newest = resolve_secrets(SECRET)[0]

    assert command("key", "rotate", "--keep", "2", "--json").json["keys"] == 2
    assert resolve_secrets(SECRET)[1] == newest
    assert command("key", "rotate", "--keep", "0").code == 2


def test_the_file_of_the_settings_is_meant(project: Project, command: Command) -> None:
    """Where no file is named, it is the one the application uses."""
    (project.root / "consentgate.toml").write_text('database = "a.db"\nsecret_file = "keys/seal"\n')
    Path("keys").mkdir()

    assert command("key", "new").out.startswith("keys/seal: 1 key")
    assert command("key", "rotate").out.startswith("keys/seal: 2 keys")
    assert command("key", "new", "other").out.startswith("other: 1 key")


@pytest.mark.parametrize("words", [("key", "rotate"), ("key", "new", "no/such/folder/file")])
def test_a_file_that_cannot_be_used_is_an_error(words: tuple[str, ...], command: Command) -> None:
    """There is nothing to rotate, or no place to write."""
    done = command(*words)

    assert done.code == 2
    assert done.err.startswith("error: ")
    assert list(Path().iterdir()) == []


def test_the_public_key_is_shown_and_nothing_else(published: Project, command: Command) -> None:
    """One line to publish; the private key never leaves its file."""
    done = command("key", "show")
    private = Path("consentgate.db.key").read_text()

    assert done.out.startswith("example.com/terms+")
    assert len(done.out.splitlines()) == 1
    assert private.strip().split("+")[-1] not in done.out
    assert command("key", "show", "--json").json == {"origin": "example.com/terms", "keys": [done.out.strip()]}
