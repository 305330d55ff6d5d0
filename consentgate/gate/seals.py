"""Sealed values: signed, readable, bound to one purpose.

Room: gate. Used by passes and return addresses here, by offers and kept forms in the rooms above. A seal hides
nothing; it proves that we wrote the value, and for which purpose. Ages are the callers' affair: they put their own
instant into the value, so that a clock some seconds ahead never turns a good value into a refused one (the
timestamps of itsdangerous refuse from one second on).

Form: ``base64url(value) "." base64url(mac)``. The signer is itsdangerous' `Signer` with two things of ours plugged in:
an algorithm whose keys were absorbed beforehand (the library derives its key again on each call, which costs more than
the MAC itself), and a strict spelling (the library's base64 reader skips foreign characters and takes ``+`` for ``-``,
so that one value has endless spellings, each of which would take a place in a memo of verified values). The MAC is
keyed BLAKE2b (RFC 7693 §2.9) of 192 bits: a multiple of three bytes, so that its base64 has no spare bits.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

from itsdangerous.encoding import want_bytes
from itsdangerous.signer import Signer, SigningAlgorithm

from consentgate.errors import ConfigurationError, SealError

MIN_KEY_BYTES = 16
"""Shortest secret we take; `secrets.token_urlsafe(32)` makes a good one."""

MAX_TOKEN_BYTES = 1_500_000
"""Longest sealed value that is looked at: room for a kept form of 256 KiB, far below what could hurt."""

MAC_BYTES = 24
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"===", b"==", b"=")


class PreKeyedBlake2(SigningAlgorithm):
    """Keyed BLAKE2b whose keys were absorbed when it was made.

    Args:
        keys: every key it will be asked for, at most 64 bytes each.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._absorbed = {key: hashlib.blake2b(key=key, digest_size=MAC_BYTES) for key in keys}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """The MAC of a value."""
        state = self._absorbed[key].copy()
        state.update(value)
        return state.digest()


class StrictSigner(Signer):
    """itsdangerous' signer with keys that need no derivation and signatures that have one spelling.

    Args:
        keys: newest first.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # itsdangerous wants the oldest key first and signs with the last.
        super().__init__(keys[::-1], key_derivation="none", algorithm=PreKeyedBlake2(keys))
        self._keys = tuple(keys)

    def get_signature(self, value: str | bytes) -> bytes:
        """The signature of a value with the newest key, as text."""
        return self._spell(self._keys[0], want_bytes(value))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Whether any key made this signature. It is compared as text, so only our spelling of it is one."""
        value, sig = want_bytes(value), want_bytes(sig)
        return any(hmac.compare_digest(self._spell(key, value), sig) for key in self._keys)

    def try_unsign(self, token: bytes) -> bytes | None:
        """What `unsign` returns, or ``None`` instead of an error, which would cost as much as the MAC."""
        value, _, sig = token.rpartition(b".")
        for key in self._keys:
            if hmac.compare_digest(self._spell(key, value), sig):
                return value
        return None

    def _spell(self, key: bytes, value: bytes) -> bytes:
        return b2a_base64(self.algorithm.get_signature(key, value), newline=False).translate(_TO_URL)


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
        self._signers: dict[str, StrictSigner] = {}

    def keys(self, purpose: str) -> tuple[bytes, ...]:
        """The keys of one purpose, newest first: 32 bytes each, derived from the secrets and never equal to them."""
        label = b"consentgate/seal/v1\0" + purpose.encode()
        return tuple(hmac.digest(secret, label, "sha256") for secret in self._secrets)

    def seal(self, purpose: str, value: bytes) -> str:
        """Sign a value for a purpose and write it in characters that are safe in URLs, cookies and forms."""
        return self.signer(purpose).sign(to_text(value)).decode("ascii")

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
        """Like `open`, but ``None`` instead of an error."""
        if isinstance(token, str):
            # What is not ASCII becomes "?", which we never write.
            token = token.encode("ascii", "replace")
        if len(token) > MAX_TOKEN_BYTES:
            return None
        text = self.signer(purpose).try_unsign(token)
        return None if text is None else from_text(text)

    def is_newest(self, purpose: str, token: str | bytes) -> bool:
        """Whether an authentic token was sealed with the newest secret, so that it need not be sealed again."""
        if len(self._secrets) == 1:
            return True
        if isinstance(token, str):
            token = token.encode("ascii", "replace")
        text, _, mac = token.rpartition(b".")
        return hmac.compare_digest(self.signer(purpose).get_signature(text), mac)

    def signer(self, purpose: str) -> StrictSigner:
        """The signer of a purpose; it signs text, so give it what `to_text` wrote."""
        signer = self._signers.get(purpose)
        if signer is None:
            signer = self._signers[purpose] = StrictSigner(self.keys(purpose))
        return signer


def to_text(value: bytes) -> bytes:
    """Base64 for URLs, without padding (RFC 4648 §5)."""
    return b2a_base64(value, newline=False).rstrip(b"=").translate(_TO_URL)


def from_text(text: bytes) -> bytes:
    """What `to_text` was given. Only for text whose signature was verified: a foreign one may raise or be misread."""
    return a2b_base64(text.translate(_FROM_URL) + _PADDING[len(text) % 4])
