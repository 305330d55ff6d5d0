"""Signed notes: a text and the signatures under it, in the C2SP signed-note form.

Room: evidence (pure). Called by `checkpoint` and, through it, by everything that signs or checks. Imports
``cryptography`` only when a signature is made or checked.

A note is a text that ends in a newline, a blank line, and one line for each signature::

    example.com/terms
    3
    NAZlPuAYTv4b9ka0bMZHlpfKZHkBGHWTCvzHAdp6gEs=

    — example.com/terms SGVsbG8gd29ybGQ…

A signature line is an em dash, a space, the name of the key, a space, and the base64 of a 4-byte key id and the
signature. Name and id together say which key. The id is the start of ``SHA-256(name ‖ "\\n" ‖ type ‖ public key)``.

Keys are strings too, so that they can be printed, mailed and put into settings:

* ``name+hash+base64(type ‖ public key)`` is a *verifier key* and public;
* ``PRIVATE+KEY+name+hash+base64(type ‖ seed)`` is a *signer key* and secret.

Two types of keys are known: 1, Ed25519 over the text, and 4, the cosignature of a witness, which signs a time along
with it. Sources: https://c2sp.org/signed-note (v1.0.0), https://c2sp.org/tlog-cosignature (v1.0.1); the strictness,
and most of the reasons given below, are those of Go's ``golang.org/x/mod/sumdb/note``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from consentgate.errors import VerificationError
from consentgate.evidence.encoding import format_base64, parse_base64, parse_utf8

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = 1
"""Key type: plain Ed25519 signature (RFC 8032) over the text of the note."""

COSIGNATURE = 4
"""Key type: a witness's Ed25519 signature together with the time at which it was made."""

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
"""Limits, as in Go: a parser must not work for ever because somebody wrote a long file."""

_Key = TypeVar("_Key")
_MAX_TIME = 2**63 - 1
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_DASH = "— "


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name.

    Args:
        name: of the key: a URL without scheme, neither spaces nor ``+``.
        public_key: 32 bytes.
        type: `ED25519` or `COSIGNATURE`.

    Raises:
        ValueError: the name cannot be a key name, or the key has another length.
    """

    name: str
    public_key: bytes
    type: int = ED25519
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        _require_key(self.name, self.public_key, self.type)
        material = bytes([self.type]) + self.public_key
        object.__setattr__(self, "id", sha256(self.name.encode() + b"\n" + material).digest()[:4])

    def __str__(self) -> str:
        """Return the verifier key, ``name+hash+base64``: the string to publish."""
        return f"{self.label}+{format_base64(bytes([self.type]) + self.public_key)}"

    @property
    def label(self) -> str:
        """Name and key id, enough to tell keys apart in a sentence."""
        return f"{self.name}+{self.id.hex()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read a verifier key, and only in the spelling that ``str()`` gives.

        Raises:
            VerificationError: malformed, of an unknown type, or with a hash that does not belong to name and key.
        """
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        verifier = _parse_key(cls, name, encoded, "the verifier key")
        if str(verifier) != text:
            raise VerificationError("the verifier key is malformed: its hash does not belong to its name and key")
        return verifier

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check a signature over the text of a note.

        Args:
            text: of the note, with its last newline.
            signature: without the key id.

        Returns:
            For a cosignature the time it states, in seconds since 1970; else ``None``.

        Raises:
            VerificationError: this key did not make it over this text.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        time: int | None = None
        message = text.encode()
        if self.type == COSIGNATURE:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = _cosigned(message, time)
        try:
            if len(signature) != _SIGNATURE_BYTES or (time or 0) > _MAX_TIME:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                f"the signature of the key {self.label} is wrong", hint="the text was changed after it was signed"
            ) from error
        return time


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret key with its name. Its ``repr`` shows no secret.

    Args:
        name: of the key, as in `Verifier`.
        seed: 32 random bytes, from which Ed25519 makes the key (RFC 8032 §5.1.5).
        type: `ED25519` or `COSIGNATURE`. One seed must not serve both (tlog-cosignature).

    Raises:
        ValueError: the name cannot be a key name, or the seed has another length.
    """

    name: str
    seed: bytes = field(repr=False)
    type: int = ED25519
    verifier: Verifier = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        _require_key(self.name, self.seed, self.type)
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verifier", Verifier(self.name, key.public_key().public_bytes_raw(), self.type))

    def secret(self) -> str:
        """Return the signer key, ``PRIVATE+KEY+name+hash+base64``: the string to keep."""
        return f"PRIVATE+KEY+{self.verifier.label}+{format_base64(bytes([self.type]) + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read a signer key, and only in the spelling that `secret` gives.

        Raises:
            VerificationError: malformed. The message never repeats the text.
        """
        name, _, rest = text.removeprefix("PRIVATE+KEY+").partition("+")
        _, _, encoded = rest.partition("+")
        # `from None`, and no detail: what stands at the wrong place may be the secret.
        try:
            signer = _parse_key(cls, name, encoded, "the signer key")
        except VerificationError:
            signer = None
        if signer is None or signer.secret() != text:
            raise VerificationError(
                "the signer key is malformed", hint="it has the form PRIVATE+KEY+name+hash+base64"
            ) from None
        return signer

    def sign(self, text: str, time: int | None = None) -> Signature:
        """Sign the text of a note.

        Args:
            text: with its last newline.
            time: for a cosignature, and only there: seconds since 1970.
        """
        if (time is None) != (self.type != COSIGNATURE):
            raise ValueError("a cosignature states a time, and other signatures do not")
        if time is None:
            made = self._key.sign(text.encode())
        else:
            made = time.to_bytes(8, "big") + self._key.sign(_cosigned(text.encode(), time))
        return Signature(self.name, self.verifier.id, made, time)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature under a note.

    Args:
        name: of the key.
        key_id: 4 bytes.
        data: the signature itself, for a cosignature with its time in front.
        time: stated by a cosignature that was verified, in seconds since 1970; else ``None``.
    """

    name: str
    key_id: bytes
    data: bytes
    time: int | None = None

    def __str__(self) -> str:
        """Return the signature line without its newline."""
        return f"{_DASH}{self.name} {format_base64(self.key_id + self.data)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it.

    Args:
        text: with its last newline.
        signatures: those that were verified, by keys that are known.
        unverified: those by keys that are not known. They prove nothing.
    """

    text: str
    signatures: tuple[Signature, ...] = ()
    unverified: tuple[Signature, ...] = ()

    def format(self) -> bytes:
        """Write the note, verified signatures first."""
        return _format(self.text, [*self.signatures, *self.unverified])


def generate_key(name: str, seed: bytes, type: int = ED25519) -> tuple[str, str]:  # noqa: A002
    """Make a key pair.

    Args:
        name: of the key; for a ledger its origin.
        seed: 32 bytes from `secrets.token_bytes`.
        type: `ED25519` or `COSIGNATURE`.

    Returns:
        The signer key, which is secret, and the verifier key, which is public.
    """
    signer = Signer(name, seed, type)
    return signer.secret(), str(signer.verifier)


def sign_note(text: str, *signers: Signer) -> bytes:
    """Sign a text; the inverse of `open_note`.

    Args:
        text: ends in a newline; no other control characters.
        signers: keys of type `ED25519`. Witnesses add theirs with `cosign_note`.

    Raises:
        ValueError: no signer, or the text cannot stand in a note.
    """
    if not signers or not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note needs a signer and a text of lines without control characters")
    return _format(text, [signer.sign(text) for signer in signers])


def cosign_note(data: bytes, witness: Signer, time: int) -> bytes:
    """Add the signature of a witness. The witness must first have checked the note, see `open_note`.

    Args:
        data: the note.
        witness: key of type `COSIGNATURE`.
        time: seconds since 1970.
    """
    note = parse_note(data)
    return _format(note.text, [*note.unverified, witness.sign(note.text, time)])


def parse_note(data: bytes) -> Note:
    """Read a note without checking any signature: all of them are in ``unverified``.

    Raises:
        VerificationError: it is not a note, is larger than 1 MB, or has more than 100 signatures.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise VerificationError(f"the note has {len(data):,} bytes; the limit is {MAX_NOTE_BYTES:,}")
    whole = parse_utf8(data, "the note")
    if found := _CONTROL.search(whole):
        raise VerificationError(f"the note has the control character U+{ord(found[0]):04X}")
    # The text itself may have blank lines: the last one divides.
    text, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise VerificationError("the note has no signatures after a blank line")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise VerificationError(f"the note has {len(lines)} signatures; the limit is {MAX_SIGNATURES}")
    return Note(text + "\n", unverified=tuple(_parse_signature(line) for line in lines))


def open_note(data: bytes, verifiers: Iterable[Verifier]) -> Note:
    """Check a note with the keys that are known.

    Signatures by other keys are ignored, so that keys can rotate and witnesses can sign. But a wrong signature by a
    known key refuses the whole note, and so does a note that no known key has signed.

    Args:
        data: the note.
        verifiers: the known keys.

    Raises:
        VerificationError: malformed, wrongly signed, or not signed by a known key.
    """
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.id), verifier) != verifier:
            raise VerificationError(f"two different keys are called {verifier.label}")
    note = parse_note(data)
    verified, unverified = list[Signature](), list[Signature]()
    for signature in note.unverified:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            unverified.append(signature)
        else:
            verified.append(replace(signature, time=key.verify(note.text, signature.data)))
    if not verified:
        signed = ", ".join(f"{item.name}+{item.key_id.hex()}" for item in unverified[:5])
        raise VerificationError(
            f"no known key has signed this; it is signed by {signed}",
            hint="get the verifier key from where the operator publishes it, and compare name and hash",
            known=[str(verifier) for verifier in known.values()],
        )
    return Note(note.text, tuple(verified), tuple(unverified))


def _cosigned(text: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % time + text


def _format(text: str, signatures: Iterable[Signature]) -> bytes:
    return (text + "\n" + "".join(f"{signature}\n" for signature in signatures)).encode()


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _is_key_name(name):
        raise VerificationError(f"not a signature line: {line[:60]!r}")
    data = parse_base64(encoded, "a signature")
    if len(data) < 5:
        raise VerificationError("a signature is cut off")
    return Signature(name, data[:4], data[4:])


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name)) and not _CONTROL.search(name)


def _require_key(name: str, material: bytes, kind: int) -> None:
    if not _is_key_name(name):
        raise ValueError(f"not the name of a key: {name[:60]!r}")
    if len(material) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {_KEY_BYTES} bytes, not {len(material)}")
    if kind not in (ED25519, COSIGNATURE):
        raise ValueError(f"unknown type of key: {kind}")


def _parse_key(make: Callable[[str, bytes, int], _Key], name: str, encoded: str, what: str) -> _Key:
    data = parse_base64(encoded, what)
    try:
        return make(name, data[1:], data[0] if data else 0)
    except ValueError as error:
        raise VerificationError(f"{what} is malformed: {error}") from error
