"""Paths: by whole segments, and as any reader behind the gate may understand them.

Room: gate (pure). An ASGI server hands on what was typed, dots and doubled slashes included; the application behind
may resolve them. A path that could be read in two ways is never exempt, and is bound by what either reading is.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from consentgate.terms.policy import under

_SUSPICIOUS = ("//", "/.", "\\", "%", ";", "\0")
_MOST_DECODINGS = 4
# What no server leaves in a decoded path unless somebody encoded it twice, or means to be read in two ways: escapes of
# controls and of "%", ".", "/", ";" and "\\"; backslashes and controls themselves; dots before a semicolon.
_TRICKS = re.compile(r"%(?:[01][0-9a-f]|2[5ef]|3b|5c|7f)|[\x00-\x1f\x7f\\]|/\.\.?;", re.IGNORECASE)


def local_path(scope: MutableMapping[str, Any]) -> str:
    """The decoded path without the mount point.

    ASGI 3 (2023) has the path begin with ``root_path``; some servers still leave it out. Both are understood.
    """
    path: str = scope["path"]
    root: str = (scope.get("root_path") or "").rstrip("/")
    if root and path.startswith(root):
        rest = path[len(root) :]
        if not rest or rest[0] == "/":
            return rest or "/"
    return path


def mounted_path(scope: MutableMapping[str, Any]) -> str:
    """The decoded path with the mount point, as the visitor's browser knows it."""
    root: str = (scope.get("root_path") or "").rstrip("/")
    return root + local_path(scope)


def readings(path: str) -> tuple[str, ...]:
    """The ways to read a path: as it stands; with dots and doubled slashes resolved; and decoded once more.

    The last is what a reader makes of it that decodes what is decoded already, drops what stands behind a semicolon
    (RFC 3986 §3.3 leaves its meaning to each application), or ends at a NUL.

    >>> readings("/a/b"), readings("/x/../account//me")
    (('/a/b',), ('/x/../account//me', '/account/me'))
    >>> readings("/x/%2e%2e/account;v=1")
    ('/x/%2e%2e/account;v=1', '/account')
    """
    if not any(mark in path for mark in _SUSPICIOUS):
        return (path,)
    return tuple(dict.fromkeys((path, _resolve(path), _resolve(_decode_again(path)))))


def _resolve(path: str) -> str:
    kept: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


def _decode_again(path: str) -> str:
    for _ in range(_MOST_DECODINGS):
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    path = path.replace("\\", "/").partition("\0")[0]
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


class PathSet:
    """Paths and everything under them, by whole segments.

    Args:
        prefixes: such as ``/static``.
    """

    __slots__ = ("prefixes",)

    def __init__(self, prefixes: Sequence[str]) -> None:
        self.prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)

    def __contains__(self, path: str) -> bool:
        """Whether every reading of a path lies at or under one of the prefixes; one that plays tricks never does."""
        if not path.startswith(self.prefixes):  # one call says no to nearly every path
            return False
        if _TRICKS.search(path) is not None:
            return False
        return all(any(under(reading, prefix) for prefix in self.prefixes) for reading in readings(path))
