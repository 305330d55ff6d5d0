"""Paths: by whole segments, and as any reader behind the gate may understand them.

Room: gate (pure). An ASGI server hands on what was typed, dots and doubled slashes included; the application behind
may resolve them. A path that could be read in two ways is never exempt, and is bound by what either reading is.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from consentgate.terms.policy import under

_SUSPICIOUS = ("//", "/.", "\\")


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
    """The ways to read a path: as it stands and, where that differs, with dots and doubled slashes resolved.

    >>> readings("/a/b"), readings("/x/../account//me")
    (('/a/b',), ('/x/../account//me', '/account/me'))
    """
    if not any(mark in path for mark in _SUSPICIOUS):
        return (path,)
    kept: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    resolved = "/" + "/".join(kept)
    return (path,) if resolved == path else (path, resolved)


class PathSet:
    """Paths and everything under them, by whole segments.

    Args:
        prefixes: such as ``/static``.
    """

    __slots__ = ("prefixes",)

    def __init__(self, prefixes: Sequence[str]) -> None:
        self.prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)

    def __contains__(self, path: str) -> bool:
        """Whether every reading of a path lies at or under one of the prefixes."""
        if not path.startswith(self.prefixes):  # one call says no to nearly every path
            return False
        return all(any(under(reading, prefix) for prefix in self.prefixes) for reading in readings(path))
