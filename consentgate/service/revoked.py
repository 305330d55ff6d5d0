"""Passes that are no evidence any more, because what stood behind them was erased.

Room: service. A pass says what its subject accepted, and the gate believes it without asking. After an erasure it must
ask: `GateState.revoked` maps the binding of a pass to the second up to which passes are not believed. What is kept here
is a keyed digest of the binding, so that no visitor's id stays in the database after the visitor was erased.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping


class Revocations(Mapping[bytes, int]):
    """Binding of a pass -> second, without knowing the bindings.

    Args:
        key: of the digests.
        seconds: by digest.
    """

    __slots__ = ("_key", "_seconds")

    def __init__(self, key: bytes, seconds: Mapping[bytes, int]) -> None:
        self._key = key
        self._seconds = seconds

    def __getitem__(self, binding: bytes) -> int:
        return self._seconds[digest_of(self._key, binding)]

    def __iter__(self) -> Iterator[bytes]:
        """The digests: the bindings themselves are not known."""
        return iter(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)


def digest_of(key: bytes, binding: bytes) -> bytes:
    """What is kept of a binding."""
    return hmac.digest(key, b"revoked\0" + binding, "sha256")[:16]
