"""Laws of the sealing keys while we run: seen when their file changes, never used before others know them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consentgate.errors import SealError
from consentgate.gate.seals import Seals
from consentgate.service.keyring import SETTLING, Keyring
from consentgate.service.secret_file import promote_secret, rotate_secret_file
from consentgate.service.settings import resolve_secrets
from consentgate.service.terms import Terms
from consentgate.testing import run
from tests.service.conftest import settings_for

FIRST, SECOND, THIRD = ("first-0123456789abcdef", "second-0123456789abcdef", "third-0123456789abcdef")


class Ring:
    """A keyring on a file, at a time of our own."""

    def __init__(self, path: Path, *keys: str) -> None:
        self.path, self.now = path, 100.0
        self.write(*keys)
        self.keyring = Keyring(tuple(key.encode() for key in keys), path, lambda: self.now)

    def write(self, *keys: str) -> None:
        """Put another file in its place."""
        draft = self.path.with_name("draft")
        draft.write_text("".join(key * 2 + "\n" for key in keys))
        draft.replace(self.path)

    def seals_with(self) -> str:
        """Which key seals."""
        token = self.keyring.seals.seal("test", b"value")
        return next(key for key in (FIRST, SECOND, THIRD) if Seals(key * 2).try_open("test", token))

    def opens(self) -> set[str]:
        """Which keys open."""
        seals = self.keyring.seals
        return {key for key in (FIRST, SECOND, THIRD) if seals.try_open("test", Seals(key * 2).seal("test", b"value"))}


@pytest.fixture(name="ring")
def _ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path / "seal", FIRST)


def test_a_new_key_opens_at_once_and_seals_when_everybody_knows_it(ring: Ring) -> None:
    """No worker meets a pass that was sealed with a key it has not read yet."""
    ring.write(SECOND, FIRST)
    assert ring.keyring.look() is ring.keyring.seals
    assert (ring.seals_with(), ring.opens()) == (FIRST, {FIRST, SECOND})
    ring.now += SETTLING - 0.01
    assert ring.keyring.look() is None
    assert ring.seals_with() == FIRST
    ring.now += 0.01
    assert ring.keyring.look() is ring.keyring.seals
    assert (ring.seals_with(), ring.opens()) == (SECOND, {FIRST, SECOND})
    assert ring.keyring.look() is None


def test_a_key_that_was_made_ahead_seals_after_it_was_promoted(ring: Ring) -> None:
    """In the second place it only opens, however long."""
    ring.write(FIRST, SECOND)
    ring.keyring.look()
    ring.now += 1_000
    assert ring.keyring.look() is None
    assert (ring.seals_with(), ring.opens()) == (FIRST, {FIRST, SECOND})
    ring.write(SECOND, FIRST)
    ring.keyring.look()
    ring.now += SETTLING
    ring.keyring.look()
    assert ring.seals_with() == SECOND


def test_a_key_that_was_taken_out_opens_nothing_at_once(ring: Ring) -> None:
    """Whoever takes the sealing key out has a reason not to wait."""
    ring.write(SECOND)
    ring.keyring.look()
    assert (ring.seals_with(), ring.opens()) == (SECOND, {SECOND})


def test_two_rotations_in_a_row_end_with_the_last(ring: Ring) -> None:
    """What was waited for is replaced by what is waited for now."""
    ring.write(SECOND, FIRST)
    ring.keyring.look()
    ring.now += SETTLING / 2
    ring.write(THIRD, SECOND, FIRST)
    ring.keyring.look()
    ring.now += SETTLING / 2
    ring.keyring.look()
    assert (ring.seals_with(), ring.opens()) == (FIRST, {FIRST, SECOND, THIRD})
    ring.now += SETTLING
    ring.keyring.look()
    assert ring.seals_with() == THIRD


def test_a_file_that_cannot_be_used_changes_nothing(ring: Ring) -> None:
    """Gone, empty or too short: the keys of before stay, and why is known until it is mended."""
    for spoil in (lambda: ring.write(), lambda: ring.path.write_text("short\n"), ring.path.unlink):
        spoil()
        assert ring.keyring.look() is None
        assert ring.keyring.trouble is not None
        assert (ring.seals_with(), ring.opens()) == (FIRST, {FIRST})
    ring.write(FIRST)
    assert ring.keyring.look() is None
    assert ring.keyring.trouble is None


def test_keys_that_changed_before_the_start_are_those_of_the_file(tmp_path: Path) -> None:
    """Settings may be made in one process and used in another, much later; an unreadable file leaves those."""
    ring = Ring(tmp_path / "seal", FIRST)
    ring.write(SECOND, FIRST)
    ring.keyring = Keyring((FIRST.encode() * 2,), ring.path)
    assert ring.seals_with() == SECOND
    ring.keyring = Keyring((THIRD.encode() * 2,), tmp_path / "nowhere")
    assert ring.seals_with() == THIRD
    ring.keyring = Keyring((FIRST.encode() * 2,))
    assert ring.keyring.look() is None


def test_a_running_handle_learns_of_another_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that watches for publications looks at the key file, too; trouble with it rings an alarm."""
    monkeypatch.setattr("consentgate.service.keyring.SETTLING", 0.0)
    ring = Ring(tmp_path / "seal", FIRST)
    told: list[Seals] = []

    def until(what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    async def main() -> None:
        settings = settings_for(f"sqlite:///{tmp_path / 'terms.db'}", secret_file=ring.path)
        terms = Terms(settings)
        terms.on_seals.append(told.append)
        async with terms:
            assert told == [terms.engine.seals]
            first = terms.engine.seals
            rotate_secret_file(ring.path, 0)
            until(lambda: len(told) == 3)
            assert terms.engine.seals is told[-1]
            token = terms.engine.seals.seal("test", b"value")
            with pytest.raises(SealError):
                first.open("test", token)
            assert terms.engine.seals.open("test", first.seal("test", b"value")) == b"value"
            ring.path.write_text("short\n")
            until(lambda: "secret" in {alarm.kind for alarm in terms.alarms()})
            ring.write(THIRD)
            until(lambda: terms.alarms() == ())

    with caplog.at_level(logging.INFO, logger="consentgate"):
        run(main())
    assert FIRST not in caplog.text
    assert THIRD not in caplog.text


def test_promoting_keeps_every_key_and_its_comment(tmp_path: Path) -> None:
    """The first two change places; the rest stays where it was."""
    path = tmp_path / "seal"
    path.write_text("# Ours.\n" + "".join(f"# made {key[0]}\n{key * 2}\n" for key in (FIRST, SECOND, THIRD)))
    promote_secret(path)
    assert [key.decode() for key in resolve_secrets(path)] == [SECOND * 2, FIRST * 2, THIRD * 2]
    assert path.read_text().startswith("# Ours.\n# made s\n")
    promote_secret(path)
    rotate_secret_file(path, 0, ahead=True, make=lambda: "x" * 8 + FIRST * 2)
    assert [key.decode()[:6] for key in resolve_secrets(path)] == [FIRST[:6], "xxxxxx", SECOND[:6], THIRD[:6]]
