"""The ledger's signing key: found, or made once, beside the database and never inside it.

Room: service. The key is an Ed25519 signer key in the text form of C2SP signed notes. Whoever has it can sign
checkpoints in this ledger's name, so its file is readable by its owner only and no log ever shows it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from consentgate.errors import ConfigurationError, VerificationError
from consentgate.evidence.note import Signer

_HINT = "restore the key file from your backup, or set ledger_key= to it"


def load_signer(setting: str | None, beside: Path | None) -> Signer | None:
    """Return the signer that is configured or lies beside the database, or ``None`` where there is none yet.

    Args:
        setting: the key itself, the path of its file, or ``None`` for the default place.
        beside: the database file, or ``None`` for a database in memory.

    Raises:
        ConfigurationError: there is a key, but it cannot be used.
    """
    if setting and setting.startswith("PRIVATE+KEY+"):
        return _parse(setting, "ledger_key")
    path = key_file(setting, beside)
    if path is None:
        return None
    try:
        return _parse(path.read_text("ascii").strip(), str(path))
    except FileNotFoundError:
        if setting:
            raise ConfigurationError(f"the ledger key file {path} does not exist", hint=_HINT) from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the ledger key {path} cannot be read: {error}", hint=_HINT) from error


def create_signer(origin: str, beside: Path | None) -> Signer:
    """Make a signer for a new ledger and keep it beside the database (mode 600).

    Two processes that start at once end with one key: the file appears whole or not at all, and the first wins.
    """
    signer = Signer(origin, secrets.token_bytes(32))
    path = key_path(beside)
    if path is None:
        return signer
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(signer.secret() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _parse(path.read_text("ascii").strip(), str(path))


def next_signer(origin: str, key: Path) -> Signer:
    """Make a signer for the next epoch and keep it beside the present key, which stays in use for now.

    Args:
        origin: its name.
        key: file of the present key.
    """
    signer = Signer(origin, secrets.token_bytes(32))
    draft = _next_path(key)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(signer.secret() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return signer


def take_next(key: Path, origin: str) -> bool:
    """Put the key of a new epoch in the place of the one before, which is kept beside it; whether there was one.

    Called when the epoch is on record, and at each start: whatever crashed in between is finished here.
    """
    draft = _next_path(key)
    try:
        signer = _parse(draft.read_text("ascii").strip(), str(draft))
    except (OSError, UnicodeDecodeError, ConfigurationError):
        return False
    if signer.name != origin:
        return False
    if key.exists():
        key.replace(numbered(key))
    draft.replace(key)
    return True


def numbered(path: Path) -> Path:
    """A name beside a file under which it can be kept: ``terms.db.key.1``, or the next number that is free."""
    number = 1
    while path.with_name(f"{path.name}.{number}").exists():
        number += 1
    return path.with_name(f"{path.name}.{number}")


def _next_path(key: Path) -> Path:
    return key.with_name(key.name + ".next")


def key_file(setting: str | None, beside: Path | None) -> Path | None:
    """The file the key is in, or ``None`` where it is in no file."""
    if setting and setting.startswith("PRIVATE+KEY+"):
        return None
    return Path(setting) if setting else key_path(beside)


def key_path(beside: Path | None) -> Path | None:
    """Where the key of a database lies by default: ``terms.db`` has ``terms.db.key``."""
    return None if beside is None else beside.with_name(beside.name + ".key")


def _parse(text: str, where: str) -> Signer:
    try:
        return Signer.parse(text)
    except VerificationError as error:
        raise ConfigurationError(f"{where} is not a ledger key", hint=_HINT) from error
