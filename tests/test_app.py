"""Laws of the one line: what it is given is used, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consentgate import ConfigurationError, ConsentGate
from consentgate.testing import SECRET, memory_terms


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Any application."""


@pytest.mark.parametrize(
    "option", [{"exempt": ["/x"]}, {"secret": SECRET}, {"policies": "p"}, {"cookie_domain": "a.example"}], ids=str
)
def test_a_setting_beside_a_handle_is_refused_and_not_ignored(option: dict[str, Any]) -> None:
    """Bug: exempt= was silently ignored where terms= was given."""
    with pytest.raises(ConfigurationError, match=f"{next(iter(option))} would be ignored"):
        ConsentGate(app, terms=memory_terms(), **option)


def test_without_a_secret_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default secret; the hint says how to make one."""
    monkeypatch.delenv("CONSENTGATE_SECRET", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        ConsentGate(app, database="sqlite://")

    assert "consentgate key new" in caught.value.hint
    assert any("consentgate key new" in note for note in caught.value.__notes__)


def test_a_folder_that_is_not_there_is_named(tmp_path: Any) -> None:
    """Before anything is served."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        ConsentGate(app, database=f"sqlite:///{tmp_path}/nowhere/terms.db", secret=SECRET)


def test_the_key_file_is_the_same_wherever_the_process_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again while we run, and a server may have gone to another folder by then."""
    (tmp_path / "seal").write_text(f"{SECRET}\n")
    monkeypatch.chdir(tmp_path)
    gated = ConsentGate(app, database="sqlite://", secret=Path("seal"))

    assert gated.terms.settings.secret_file == tmp_path / "seal"
    assert ConsentGate(app, database="sqlite://", secret=SECRET).terms.settings.secret_file is None


@pytest.mark.parametrize("name", ["exempt", "open_paths"])
def test_one_path_instead_of_a_list_is_called_by_its_name(name: str) -> None:
    """Bug: exempt="/static" was taken apart into letters, and '/' refused, which nobody had written."""
    with pytest.raises(ConfigurationError, match=f"{name} is a list of paths, not one string") as caught:
        ConsentGate(app, database="sqlite://", secret=SECRET, **{name: "/static"})  # type: ignore[arg-type]  # the bug

    assert caught.value.hint == f"write {name}=['/static']"


def test_a_subject_that_is_no_function_is_refused_at_the_start() -> None:
    """Bug: subject="me" was found out by the first visitor, with a 503 and a TypeError in the log."""
    with pytest.raises(ConfigurationError, match="subject= is str, not a function"):
        ConsentGate(app, database="sqlite://", secret=SECRET, subject="me")  # type: ignore[arg-type]  # the bug
