"""Sealed values: signed, readable, bound to one purpose.

Room: gate. Used by passes and return addresses here, by offers and kept forms in the rooms above. A seal hides
nothing; it proves that we wrote the value, and for which purpose. Ages are the callers' affair: they put their own
instant into the value, so that a clock some seconds ahead never turns a good value into a refused one (the
timestamps of itsdangerous refuse from one second on).

Form: ``base64url(value) "." base64url(mac)``. The signer is itsdangerous' `Signer` with ``key_derivation="none"``
and an algorithm whose keys were absorbed beforehand: the library derives its key again on each call, which costs
more than the MAC itself. The MAC is HMAC-SHA256 cut to 192 bits (RFC 2104 §5): a multiple of three bytes, so its
base64 has no spare bits, and together with the alphabet test each value has exactly one spelling.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

from itsdangerous.signer import Signer, SigningAlgorithm

from consentgate.errors import ConfigurationError, SealError

MIN_KEY_BYTES = 16
"""Shortest secret we take; `secrets.token_urlsafe(32)` makes a good one."""

MAX_TOKEN_BYTES = 1_500_000
"""Longest sealed value that is looked at: room for a kept form of 256 KiB, far below what could hurt."""

MAC_BYTES = 24
_MAC_TEXT = MAC_BYTES // 3 * 4
_SHAPE = re.compile(rb"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{%d}" % _MAC_TEXT)
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_BLOCK = 64  # bytes of a SHA-256 block
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class PreKeyedHMAC(SigningAlgorithm):
    """HMAC-SHA256, cut to 192 bits, whose keys were absorbed when it was made.

    Args:
        keys: every key it will be asked for, at most 64 bytes each.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._absorbed = {key: self._absorb(key) for key in keys}

    @staticmethod
    def _absorb(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
        block = key.ljust(_BLOCK, b"\0")  # RFC 2104 §2: pad to a block, once with each constant
        return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """The first 24 bytes of HMAC-SHA256(key, value)."""
        inner, outer = self._absorbed[key]
        inner, outer = inner.copy(), outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return outer.digest()[:MAC_BYTES]


class Seals:
    """Seals and opens values for any purpose, with a list of secrets.

    Args:
        secrets: newest first. The newest seals; each of them opens. Text is taken as UTF-8.

    Raises:
        ConfigurationError: no secret, or one of less than `MIN_KEY_BYTES` bytes.
    """

    def __init__(self, secrets: Sequence[str | bytes] | str | bytes) -> None:
        if isinstance(secrets, str | bytes):
            secrets = (secrets,)
        plain = tuple(dict.fromkeys(item.encode() if isinstance(item, str) else bytes(item) for item in secrets))
        if not plain or min(map(len, plain)) < MIN_KEY_BYTES:
            raise ConfigurationError(
                f"a secret of at least {MIN_KEY_BYTES} bytes is needed to seal passes",
                hint='make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
            )
        self._secrets = plain
        self._signers: dict[str, Signer] = {}

    def keys(self, purpose: str) -> tuple[bytes, ...]:
        """The keys of one purpose, newest first: 32 bytes each, derived from the secrets and never equal to them."""
        label = b"consentgate/seal/v1\0" + purpose.encode()
        return tuple(hmac.digest(secret, label, "sha256") for secret in self._secrets)

    def seal(self, purpose: str, value: bytes) -> str:
        """Sign a value for a purpose and write it in characters that are safe in URLs, cookies and forms."""
        text = b2a_base64(value, newline=False).rstrip(b"=").translate(_TO_URL)
        return self._signer(purpose).sign(text).decode("ascii")

    def open(self, purpose: str, token: str | bytes) -> bytes:
        """Return the value that `seal` was given.

        Raises:
            SealError: not sealed by us for this purpose, or not spelled as we spell it.
        """
        value = self.try_open(purpose, token)
        if value is None:
            raise SealError("this value was not sealed by us", hint="open the page again and repeat the step")
        return value

    def try_open(self, purpose: str, token: str | bytes) -> bytes | None:
        """Like `open`, but ``None`` instead of an error: refusing a forged cookie must stay cheap."""
        if isinstance(token, str):
            # What is not ASCII becomes "?", which the shape refuses.
            token = token.encode("ascii", "replace")
        if len(token) > MAX_TOKEN_BYTES or _SHAPE.fullmatch(token) is None:
            return None
        text, mac = token[: -_MAC_TEXT - 1], token[-_MAC_TEXT:]
        if not self._signer(purpose).verify_signature(text, mac):
            return None
        try:
            return a2b_base64(text.translate(_FROM_URL) + b"=" * (-len(text) % 4))
        except Base64Error:  # pragma: no cover - we never sign what is not base64
            return None

    def is_newest(self, purpose: str, token: str | bytes) -> bool:
        """Whether an authentic token was sealed with the newest secret, so that it need not be sealed again."""
        if len(self._secrets) == 1:
            return True
        if isinstance(token, str):
            token = token.encode("ascii", "replace")
        text, _, mac = token.rpartition(b".")
        return hmac.compare_digest(self._signer(purpose).get_signature(text), mac)

    def _signer(self, purpose: str) -> Signer:
        signer = self._signers.get(purpose)
        if signer is None:
            keys = self.keys(purpose)
            # itsdangerous wants the oldest key first and signs with the last.
            signer = Signer(keys[::-1], key_derivation="none", algorithm=PreKeyedHMAC(keys))
            self._signers[purpose] = signer
        return signer
