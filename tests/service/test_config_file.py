"""`consentgate.toml`: every setting, typed, with paths that mean the same everywhere."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError
from consentgate.service.config_file import NAME, ConfigFile, find_config, known_keys, load_settings, read_config
from consentgate.service.settings import WELL_KNOWN, Settings, new_secret, sqlite_path

KEY = (b"0123456789abcdefghijklmnopqrstuv",)
EVERYTHING = """\
database = "data/terms.db"
policies = "policies"
secret_file = "consentgate.secret"
ledger_key = "ledger.key"
origin = "example.com/terms"
prefix = "/legal/terms"
site_name = "The Daily Kettle"
locale = "de"
templates = "/srv/templates"
declined_url = "https://example.com/bye"
exempt = ["/static", "/health"]
open_paths = ["/sign-out"]
state = "state"
anonymous = "remind"
crawlers = "gate"
fail = "open"
record_ip = "truncated"
record_user_agent = true
trusted_proxies = ["10.0.0.0/8"]
offer_hours = 48
snooze_hours = 12
approvals = 1
secure_cookies = true
cookie_domain = "example.com"
metrics = true
tiles = true
test = true
"""


def write(folder: Path, text: str | bytes) -> Path:
    """Write a settings file."""
    path = folder / NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_setting_can_stand_in_the_file(tmp_path: Path) -> None:
    """Each field of `Settings` but the keys themselves, and the name of the key file; no other."""
    config = read_config(write(tmp_path, EVERYTHING))
    settings = config.settings(KEY)
    named = {line.split(" = ")[0] for line in EVERYTHING.splitlines()}

    assert named == set(known_keys())
    assert named == {field.name for field in fields(Settings)} - {"secrets"}
    for field in fields(Settings):
        default = getattr(Settings("sqlite://", KEY), field.name)
        apart = field.name in ("secrets", "secret_file")
        assert apart or getattr(settings, field.name) != default, field.name
    assert config.secret_file is not None
    assert (settings.exempt, settings.secrets) == (("/static", "/health"), KEY)


def test_the_folder_for_a_server_lies_beside_the_file(tmp_path: Path) -> None:
    """Commands find the signing key of a PostgreSQL ledger from every folder, like the application."""
    config = read_config(write(tmp_path, 'database = "postgresql:///terms"\n'))

    assert config.settings(KEY).place == tmp_path / "consentgate-state" / "terms"


def test_no_key_is_no_path(tmp_path: Path) -> None:
    """Web workers say that they hold no key; that is not the name of a file."""
    config = read_config(write(tmp_path, 'database = "postgresql:///terms"\nledger_key = "none"\n'))

    assert config.settings(KEY).ledger_key == "none"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From every folder the same file means the same database."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    write(tmp_path, EVERYTHING)
    monkeypatch.chdir(below)

    config = read_config(Path("../..") / NAME)

    assert sqlite_path(config.values["database"]) == Path(below, "../../data/terms.db")
    assert config.values["policies"].resolve() == tmp_path / "policies"
    assert config.values["templates"] == Path("/srv/templates")
    assert config.secret_file is not None
    assert config.secret_file.resolve() == tmp_path / "consentgate.secret"
    assert Path(config.values["ledger_key"]).resolve() == tmp_path / "ledger.key"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("terms.db", "sqlite:///{here}/terms.db"),
        ("sqlite:///terms.db", "sqlite:///{here}/terms.db"),
        ("sqlite:////srv/terms.db", "sqlite:////srv/terms.db"),
        ("/srv/terms.db", "sqlite:////srv/terms.db"),
        ("sqlite://", "sqlite://"),
        ("postgresql://db/terms", "postgresql://db/terms"),
    ],
)
def test_a_database_is_a_url_or_a_path(written: str, read: str, tmp_path: Path) -> None:
    """Only a relative file is changed."""
    config = read_config(write(tmp_path, f'database = "{written}"\n'))

    assert config.values["database"] == read.format(here=tmp_path)


def test_the_nearest_file_is_found(tmp_path: Path) -> None:
    """That of the folder itself, else of the nearest above it; a folder of that name is none."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "a" / NAME).mkdir()
    upper = write(tmp_path, "")

    assert find_config(below) == upper

    lower = write(below, "")
    assert find_config(below) == lower


def test_what_is_given_stands_over_the_file(tmp_path: Path) -> None:
    """A caller has the last word."""
    config = read_config(write(tmp_path, EVERYTHING))

    assert config.settings(KEY, policies=None, origin="example.org").origin == "example.org"
    assert config.settings(KEY, policies=None).policies is None


BAD: dict[str, tuple[str | bytes, int, str]] = {
    "unknown key": ('database = "a.db"\n\ndatabse = "b.db"\n', 3, "unknown key 'databse'"),
    "unknown table": ('database = "a.db"\n[gate]\nfail = "open"\n', 2, "unknown key 'gate'"),
    "secret": ('\nsecret = "abc"\n', 2, "'secret' does not belong here"),
    "secrets": ('secrets = ["abc"]\n', 1, "'secrets' does not belong here"),
    "private key": ('ledger_key = "PRIVATE+KEY+example.com+00000000+AAAA"\n', 1, "holds the key itself"),
    "number for a string": ("origin = 3\n", 1, "'origin' must be a string"),
    "string for a number": ('offer_hours = "3"\n', 1, "'offer_hours' must be a whole number"),
    "true for a number": ("offer_hours = true\n", 1, "'offer_hours' must be a whole number"),
    "string for a list": ('exempt = "/static"\n', 1, "'exempt' must be a list of strings"),
    "numbers in a list": ("exempt = [1]\n", 1, "'exempt' must be a list of strings"),
    "string for a yes": ('test = "yes"\n', 1, "'test' must be true or false"),
    "empty path": ('policies = ""\n', 1, "'policies' must be a string"),
    "NUL": ('policies = "a\\u0000b"\n', 1, "'policies' must be a string"),
    "not TOML": ('database = "a.db"\norigin = \n', 2, "not TOML"),
    "unfinished": ('database = "a.db', 1, "not TOML"),
    "not UTF-8": (b'database = "a.db"\norigin = "\xff"\n', 2, "not valid UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    """The message begins with file and line."""
    text, line, said = BAD[name]
    path = write(tmp_path, text)

    with pytest.raises(ConfigurationError) as caught:
        read_config(path)

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert said in str(caught.value)
    assert (caught.value.data["file"], caught.value.data["line"]) == (str(path), line)


def test_a_near_miss_is_guessed(tmp_path: Path) -> None:
    """The hint names the key that was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        read_config(write(tmp_path, 'databse = "a.db"\n'))

    assert caught.value.hint == "did you mean 'database'?"


def test_a_key_is_never_repeated_in_an_error(tmp_path: Path) -> None:
    """Errors end up in logs."""
    with pytest.raises(ConfigurationError) as caught:
        read_config(write(tmp_path, 'ledger_key = "PRIVATE+KEY+example.com+00000000+hunter2"\n'))

    assert "hunter2" not in str(caught.value.problem())


@pytest.mark.parametrize("content", [None, b"#" * 70_000, b"a = " + b"[" * 20_000])
def test_a_file_that_cannot_be_read_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    """Missing, too large, nested too deeply."""
    path = tmp_path / NAME if content is None else write(tmp_path, content)

    with pytest.raises(ConfigurationError, match=NAME):
        read_config(path)


def test_without_a_database_there_are_no_settings(tmp_path: Path) -> None:
    """The file may leave it out, but then somebody must name it."""
    config = ConfigFile(tmp_path / NAME, {})

    with pytest.raises(ConfigurationError, match="'database' is missing"):
        config.settings(KEY)
    assert config.settings(KEY, database="sqlite://").database == "sqlite://"


@given(
    st.dictionaries(
        st.sampled_from([*known_keys(), "nonsense", "secret"]),
        st.sampled_from(['""', '"x"', "3", "-1", "true", "[]", '["/a"]', "[1]", "2026-01-01", "{}", "1.5", "nan"]),
    )
)
def test_no_file_ends_in_another_error_than_ours(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]
) -> None:
    """Whatever stands in it: settings, or a `ConfigurationError`."""
    path = write(tmp_path_factory.mktemp("config"), "".join(f"{key} = {value}\n" for key, value in found.items()))
    try:
        settings = read_config(path).settings(KEY)
    except ConfigurationError:
        return
    assert set(found) <= set(known_keys())
    assert settings.database


def test_an_application_can_have_the_settings_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the keys from the file it names, and exempt what `ConsentGate` never stops either."""
    secret = new_secret()
    (tmp_path / "consentgate.secret").write_text(f"# newest first\n{secret}\n")
    path = write(tmp_path, 'database = "terms.db"\nsecret_file = "consentgate.secret"\nexempt = ["/static"]\n')
    monkeypatch.delenv("CONSENTGATE_SECRET", raising=False)

    settings = load_settings(path)

    assert settings.secrets == (secret.encode(),)
    assert settings.exempt == (*WELL_KNOWN, "/static")
    assert settings.database == f"sqlite:///{tmp_path}/terms.db"


def test_without_a_key_file_the_keys_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are none an application refuses to start, as always."""
    path, secret = write(tmp_path, 'database = "terms.db"\n'), new_secret()
    monkeypatch.setenv("CONSENTGATE_SECRET", secret)
    assert load_settings(path).secrets == (secret.encode(),)

    monkeypatch.delenv("CONSENTGATE_SECRET")
    with pytest.raises(ConfigurationError, match="no secret"):
        load_settings(path)
