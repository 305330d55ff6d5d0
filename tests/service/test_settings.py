"""Laws of settings: what cannot work is refused at start-up, with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import ConfigurationError
from consentgate.service.settings import Settings, database_url, new_secret, resolve_secrets, sqlite_path

GOOD = new_secret()


def test_without_a_secret_nothing_starts_and_the_hint_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default secret, ever."""
    monkeypatch.delenv("CONSENTGATE_SECRET", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        resolve_secrets(None)

    assert "consentgate key new" in caught.value.hint


@pytest.mark.parametrize("weak", ["", "short", "x" * 64, ["" * 3], [GOOD, "short"]])
def test_a_secret_that_can_be_guessed_is_refused(weak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Length and variety, for each key of a list."""
    monkeypatch.delenv("CONSENTGATE_SECRET", raising=False)
    with pytest.raises(ConfigurationError):
        resolve_secrets(weak)


def test_secrets_come_from_a_string_a_list_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, everywhere."""
    other = new_secret()
    path = tmp_path / "keys"
    path.write_text(f"# newest first\n{GOOD}\n\n{other}\n")
    monkeypatch.setenv("CONSENTGATE_SECRET", f"{GOOD} {other}")
    both = (GOOD.encode(), other.encode())

    assert resolve_secrets(GOOD) == both[:1]
    assert resolve_secrets([GOOD, other]) == resolve_secrets(path) == resolve_secrets(None) == both


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        resolve_secrets(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "bad",
    [
        {"prefix": "terms"}, {"prefix": "/terms/"}, {"prefix": "/"}, {"prefix": "/te rms"},
        {"origin": "https://example.com"}, {"origin": "a b"},
        {"anonymous": "maybe"}, {"crawlers": "x"}, {"fail": "x"}, {"record_ip": "some"},
        {"exempt": ("health",)}, {"exempt": ("/",)}, {"open_paths": ("x",)},
        {"offer_hours": 19}, {"snooze_hours": 0},
    ],
    ids=repr,
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused_by_name(bad: dict[str, Any]) -> None:
    """And the hint says what to write."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(database="sqlite://", secrets=(b"x",), **bad)

    assert next(iter(bad)) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "url", "file"),
    [
        ("data/terms.db", "sqlite:///data/terms.db", "data/terms.db"),
        ("sqlite:////srv/terms.db", "sqlite:////srv/terms.db", "/srv/terms.db"),
        ("sqlite://", "sqlite://", None),
        ("postgresql://host/db", "postgresql://host/db", None),
    ],
)
def test_a_path_is_a_sqlite_database(given: str, url: str, file: str | None) -> None:
    """Three slashes and a path, as SQLAlchemy has it."""
    assert database_url(given) == url
    assert sqlite_path(given) == (Path(file) if file else None)


def test_the_gate_record_names_what_could_let_people_past() -> None:
    """Its digest stands in each decision, so it changes with each such setting and with nothing else."""
    plain = Settings(database="sqlite://", secrets=(b"x",))

    assert Settings(database="sqlite://", secrets=(b"y",), site_name="News").gate_record == plain.gate_record
    for option in (
        {"exempt": ("/x",)},
        {"open_paths": ("/x",)},
        {"anonymous": "pass"},
        {"crawlers": "gate"},
        {"fail": "open"},
    ):
        assert Settings(database="sqlite://", secrets=(b"x",), **option).gate_record != plain.gate_record


@pytest.mark.parametrize(
    ("database", "place"),
    [
        ("sqlite:////srv/terms.db", "/srv/terms.db"),
        ("sqlite://", None),
        ("postgresql://somebody:secret@db.example/terms?sslmode=require", "/srv/state/terms"),
        ("postgresql+psycopg://@/my%20terms%2F..?host=/run/postgresql", "/srv/state/my_terms___"),
        ("postgresql://db.example", "/srv/state/consentgate"),
    ],
)
def test_what_must_not_be_in_the_database_has_a_place(database: str, place: str | None) -> None:
    """Key, anchor, erasures and counter lie beside a file, or in a folder of their own: never anywhere else."""
    settings = Settings(database=database, secrets=(b"x",), state=Path("/srv/state"))

    assert settings.place == (Path(place) if place else None)
