"""The publication counter: seen by every process of the host, never lost, never backwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from consentgate.gate.generation import Generation


def test_a_new_counter_begins_at_zero_and_counts_in_ones(tmp_path: Path) -> None:
    """Each bump is one more."""
    generation = Generation.open(tmp_path / "generation")

    assert [generation.value, generation.bump(), generation.bump(), generation.value] == [0, 1, 2, 2]
    generation.close()


def test_two_views_of_one_file_see_the_same_number_at_once(tmp_path: Path) -> None:
    """What one worker publishes the other sees on its next read."""
    one, other = Generation.open(tmp_path / "generation"), Generation.open(tmp_path / "generation")
    cell = other.cell

    one.bump()

    assert cell[0] == 1
    assert other.bump() == 2
    assert one.value == 2
    del cell
    one.close()
    other.close()


def test_another_process_is_seen(tmp_path: Path) -> None:
    """A worker of its own process moves our number."""
    path = tmp_path / "generation"
    generation = Generation.open(path)
    program = "import sys; from consentgate.gate.generation import Generation; Generation.open(sys.argv[1]).bump()"

    subprocess.run([sys.executable, "-c", program, str(path)], check=True)

    assert generation.value == 1
    generation.close()


def test_the_number_outlives_its_processes(tmp_path: Path) -> None:
    """Closed and opened again, it goes on."""
    path = tmp_path / "generation"
    first = Generation.open(path)
    first.bump()
    first.close()

    second = Generation.open(path)

    assert second.value == 1
    second.close()


def test_bumps_at_the_same_time_all_count(tmp_path: Path) -> None:
    """Eight threads with a view each lose none of their bumps."""
    generations = [Generation.open(tmp_path / "generation") for _ in range(8)]

    def bump(generation: Generation) -> None:
        for _ in range(50):
            generation.bump()

    threads = [threading.Thread(target=bump, args=(generation,)) for generation in generations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert generations[0].value == 400
    for generation in generations:
        generation.close()


def test_opening_never_shortens_a_file(tmp_path: Path) -> None:
    """A shortened mapping would kill its readers, so a longer file keeps its length."""
    path = tmp_path / "generation"
    path.write_bytes(b"\x05" + b"\0" * 7 + b"more")

    generation = Generation.open(path)

    assert generation.value == int.from_bytes(b"\x05" + b"\0" * 7, sys.byteorder)
    assert path.read_bytes()[8:] == b"more"
    generation.close()


def test_the_file_is_the_operators_alone(tmp_path: Path) -> None:
    """Nobody else on the machine may write it."""
    Generation.open(tmp_path / "generation").close()

    assert (tmp_path / "generation").stat().st_mode & 0o077 == 0


def test_the_number_wraps_instead_of_failing(tmp_path: Path) -> None:
    """After the last number comes zero: comparisons are for equality."""
    generation = Generation.local()
    generation.cell[0] = 2**64 - 1

    assert generation.bump() == 0


def test_a_counter_in_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """No silent counter of one process where one of the host was asked for."""
    with pytest.raises(OSError, match="generation"):
        Generation.open(tmp_path / "missing" / "generation")


def test_a_local_counter_is_of_this_process_alone() -> None:
    """Two local counters know nothing of each other, and closing one is harmless."""
    one, other = Generation.local(), Generation.local()
    one.bump()

    assert (one.value, other.value) == (1, 0)
    one.close()


def test_a_file_that_cannot_be_mapped_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor stays open when mapping fails."""
    closed: list[int] = []
    close = os.close

    def failing(*_: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr("consentgate.gate.generation.mmap.mmap", failing)
    monkeypatch.setattr("consentgate.gate.generation.os.close", lambda number: (closed.append(number), close(number)))
    with pytest.raises(OSError, match="no memory"):
        Generation.open(tmp_path / "generation")

    assert len(closed) == 1
