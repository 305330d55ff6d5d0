"""``consentgate.toml``: the settings of a project in one file that command line and application can share.

Room: service. It reads one file and gives back keyword arguments for `Settings`; it opens nothing and decides nothing.
Every setting but the sealing keys may stand in it: those lie in a key file of their own, which `secret_file` names,
so that the settings can be committed and the keys cannot be by mistake. Relative paths, that of the database among
them, are relative to the file, so that a command means the same database in every sub-folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from consentgate.errors import ConfigurationError
from consentgate.service.settings import (
    NO_KEY,
    STATE,
    WELL_KNOWN,
    Settings,
    resolve_secrets,
    server_database,
    sqlite_path,
)

NAME = "consentgate.toml"
MAX_BYTES = 65_536

_SECRETS = {"secret", "secrets"}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a settings file says.

    Args:
        path: of the file.
        values: arguments of `Settings` by name, paths resolved.
        secret_file: the key file it names, or ``None``.
    """

    path: Path
    values: Mapping[str, Any]
    secret_file: Path | None = None

    def settings(self, secrets: Sequence[bytes], **instead: Any) -> Settings:
        """Make the settings.

        Args:
            secrets: sealing keys, newest first.
            **instead: settings that stand over what the file says.

        Raises:
            ConfigurationError: a value cannot be used, or there is no database; names the file.
        """
        values = {**self.values, **instead}
        if not values.get("database"):
            raise ConfigurationError(
                f"{self.path}: 'database' is missing", hint='add a line such as database = "consentgate.db"'
            )
        try:
            return Settings(secrets=tuple(secrets), **values)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.path}: {error.message}", hint=error.hint, file=str(self.path)) from error


def find_config(start: Path) -> Path | None:
    """The settings file of a folder or of the nearest folder above it, or ``None``.

    Args:
        start: an absolute folder.
    """
    return next((place / NAME for place in (start, *start.parents) if (place / NAME).is_file()), None)


def read_config(path: Path) -> ConfigFile:
    """Read a settings file.

    Raises:
        ConfigurationError: it cannot be read or used; names file and line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"{path}: over {MAX_BYTES:,} bytes", file=str(path))
        raw = path.read_bytes()
        text = raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
        found = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}", hint="make one with `consentgate init`", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        _refuse(path, "not valid UTF-8", "save it as UTF-8", line=raw.count(b"\n", 0, error.start) + 1)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = int(line[1]) if line else text.count("\n") + 1
        _refuse(path, f"not TOML: {error}", "strings stand in quotation marks, lists in [ ]", line=at)
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deeply", file=str(path)) from error
    values = {key: _value(key, value, path, text) for key, value in found.items()}
    if server_database(values.get("database", "")) is not None:
        values.setdefault("state", path.absolute().parent / STATE)
    return ConfigFile(path, values, values.pop("secret_file", None))


def load_settings(path: str | Path = NAME) -> Settings:
    """The settings of an application that shares its file with the command.

    As in `ConsentGate`, what is never stopped (`WELL_KNOWN`) is exempt as well. The sealing keys come from the key file
    that the settings file names, or else from ``CONSENTGATE_SECRET``.

    Args:
        path: of the settings file; a relative one is looked for from the current folder.

    Raises:
        ConfigurationError: the file or the keys cannot be read or used.
    """
    config = read_config(Path(path))
    settings = config.settings(resolve_secrets(config.secret_file), secret_file=config.secret_file)
    return replace(settings, exempt=(*WELL_KNOWN, *settings.exempt))


def known_keys() -> tuple[str, ...]:
    """Every key a settings file may have."""
    return (*sorted(_kinds()),)


@cache
def _kinds() -> dict[str, str]:
    """The form of each key, read off `Settings`, so that a new setting is known here without another line."""
    hints = get_type_hints(Settings)
    kinds = {field.name: _kind(hints[field.name]) for field in fields(Settings) if field.name not in _SECRETS}
    return {**kinds, "database": "database", "ledger_key": "path as text"}


def _kind(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is tuple:
        return "list"
    if get_origin(hint) is Literal:
        return "string"
    return {str: "string", int: "number", bool: "yes or no", Path: "path"}[hint]


def _value(key: str, value: object, path: Path, text: str) -> Any:
    kind = _kinds().get(key)
    if kind is None:
        _refuse_key(key, path, text)
    if not _fits(kind, value):
        _refuse(path, f"{key!r} must be {_FORMS.get(kind, 'a string')}", "", line=_line(key, text))
    folder = path.absolute().parent
    if kind == "list":
        return tuple(value)  # type: ignore[arg-type]  # `_fits` has looked
    if kind == "database":
        return _database(str(value), folder)
    if kind == "path as text" and str(value).startswith("PRIVATE+KEY+"):
        _refuse(path, f"{key!r} holds the key itself", "write the name of the file it is in", line=_line(key, text))
    if kind == "path as text" and value == NO_KEY:
        return value
    if kind in ("path", "path as text"):
        resolved = folder / Path(str(value)).expanduser()
        return resolved if kind == "path" else str(resolved)
    return value


_FORMS = {"list": "a list of strings", "number": "a whole number", "yes or no": "true or false"}


def _fits(kind: str, value: object) -> bool:
    if kind == "list":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "number":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "yes or no":
        return isinstance(value, bool)
    # An empty string says something for a name only: an empty path would be the folder itself.
    return isinstance(value, str) and "\0" not in value and (bool(value) or kind == "string")


def _database(value: str, folder: Path) -> str:
    file = sqlite_path(value)
    if file is None:
        return value
    return f"sqlite:///{folder / file}"


def _refuse_key(key: str, path: Path, text: str) -> NoReturn:
    line = _line(key, text)
    if key in _SECRETS:
        _refuse(
            path, f"{key!r} does not belong here", 'keep it in a key file and write secret_file = "consentgate.secret"',
            line=line,
        )  # fmt: skip
    near = get_close_matches(key, known_keys(), n=1)
    _refuse(path, f"unknown key {key!r}", f"did you mean {near[0]!r}?" if near else _all_keys(), line=line)


def _all_keys() -> str:
    return f"known keys: {', '.join(known_keys())}"


def _line(key: str, text: str) -> int:
    """The line a key stands on; TOML allows it quoted, dotted and as the name of a table."""
    found = re.search(rf"^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*(?:=|\.|\])", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _refuse(path: Path, message: str, hint: str, *, line: int) -> NoReturn:
    raise ConfigurationError(f"{path}:{line}: {message}", hint=hint, file=str(path), line=line)
