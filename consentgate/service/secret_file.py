"""The file with the sealing keys: made, rotated, looked at. One key a line, the newest first, comments begin with #.

Room: service. The newest key seals, every key opens; `consentgate.service.settings.read_secret_file` reads the file.
It is readable by its owner alone and appears whole or not at all: a worker that starts meanwhile reads the old keys or
the new ones, never half of a line.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from consentgate.errors import ConfigurationError, InputError
from consentgate.service.settings import new_secret, read_secret_file, resolve_secrets
from consentgate.terms.instants import Instant, to_datetime

_HEAD = """\
# Keys that seal the passes of your visitors and the pages they answer.
# The newest stands first: it seals, all of them open.
# Keep this file out of version control. Whoever reads it can forge passes; no key in it can change the record.
# `consentgate key rotate` puts a new key on top.
"""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """What is known of a key file without showing a key.

    Args:
        path: of the file.
        keys: how many are in it.
        private: whether only its owner can read it (always so where the system has no such permissions).
    """

    path: Path
    keys: int
    private: bool


def create_secret_file(path: Path, now: Instant, make: Callable[[], str] = new_secret) -> SecretFile:
    """Write a new key file with one key.

    Raises:
        InputError: there is such a file already.
    """
    if path.exists() or path.is_symlink():
        raise InputError(
            f"{path} exists already, and was left as it is",
            hint="`consentgate key rotate` adds a key to it; a new file would make every visitor accept again",
        )
    _write(path, _HEAD + _key(make(), now), new=True)
    return look_at(path)


def rotate_secret_file(
    path: Path, now: Instant, *, keep: int | None = None, ahead: bool = False, make: Callable[[], str] = new_secret
) -> SecretFile:
    """Put a new key on top of a key file.

    Args:
        path: of the file.
        now: instant, for the comment above the key.
        keep: how many keys stay in all, the new one among them; ``None``: every one.
        ahead: put it second instead: it opens, and seals only after `promote_secret`, when every host has the file.
        make: makes a key.

    Raises:
        ConfigurationError: the file cannot be read, or holds what is no key.
        InputError: nothing would be kept.
    """
    if keep is not None and keep < 1:
        raise InputError(f"{keep} keys cannot be kept", hint="the new one at least: write --keep 1 or more")
    head, rest = _parts(path)
    if keep is not None:
        rest = _first(rest, keep - 1)
    first = _first(rest, 1) if ahead else ""
    _write(path, head + first + _key(make(), now) + rest[len(first) :])
    return look_at(path)


def promote_secret(path: Path) -> SecretFile:
    """Put the second key of a key file on top: it was made ahead, and every host knows it by now.

    Raises:
        ConfigurationError: the file cannot be read, or holds what is no key.
        InputError: there is no second key.
    """
    head, rest = _parts(path)
    first, both = _first(rest, 1), _first(rest, 2)
    if both == first:
        raise InputError(f"{path} has one key", hint="`consentgate key rotate --ahead` adds one that can be promoted")
    _write(path, head + both[len(first) :] + first + rest[len(both) :])
    return look_at(path)


def _parts(path: Path) -> tuple[str, str]:
    """The comment a key file begins with, and its keys with theirs."""
    resolve_secrets(path)
    lines = path.read_text("ascii").splitlines(keepends=True)
    head = list(takewhile(lambda line: line.startswith("#") and not line.startswith(_MADE), lines))
    rest = "".join(lines[len(head) :])
    return "".join(head), rest if rest.endswith("\n") else rest + "\n"


def look_at(path: Path) -> SecretFile:
    """Say what can be said of a key file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    keys = read_secret_file(path)
    return SecretFile(path, len(keys), os.name != "posix" or not path.stat().st_mode & 0o077)


_MADE = "# made "


def _key(key: str, now: Instant) -> str:
    return f"{_MADE}{to_datetime(now):%Y-%m-%d}\n{key}\n"


def _first(text: str, number: int) -> str:
    """The first keys of a file, with the comments above them."""
    lines, kept = [], 0
    for line in text.splitlines():
        if kept == number:
            break
        lines.append(line)
        kept += bool(line.strip()) and not line.startswith("#")
    return "".join(line + "\n" for line in lines)


def _write(path: Path, text: str, *, new: bool = False) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if new:
                os.link(draft, path)  # unlike a rename it never replaces a file that appeared meanwhile
            else:
                draft.replace(path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", hint="check the folder") from error
