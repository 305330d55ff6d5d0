"""The pass: a small sealed value that says what a subject has accepted. It travels in a cookie.

Room: gate. The service makes one after each decision, the gate opens it on first sight. It is bound to its subject
by a random visitor id, or by a keyed digest of the host's user id, so that no user id stands in the cookie.

Layout, big-endian, 40 bytes and four for each version::

    1   format            1
    1   flags             subject 0-3 (bits 0-1), more (bit 2)
    16  binding           visitor id, or keyed digest of the subject's key
    4   issued            seconds since 1970
    4   expires           seconds since 1970, 0 for never: from then on the ledger is asked once
    4   snoozed           seconds since 1970, 0 for not at all
    8   tree size         of the ledger when it was issued
    2   count             at most 48
    4n  serials           strictly ascending

At most 48 serials keep it below 400 characters whatever the number of policies; beyond that the newest stay, and
``more`` says that the ledger knows the rest.
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

from consentgate.errors import InputError, SealError
from consentgate.gate.seals import Seals, from_text
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.subject import Subject, SubjectKind

PASS_PURPOSE = "pass"  # noqa: S105 - a label, not a password
BINDING_PURPOSE = "pass-binding"

MAX_SERIALS = 48
MAX_PASS_LENGTH = 400
"""Characters of a sealed pass; anything longer is not looked at."""

_FORMAT = 1
_HEAD = struct.Struct(">BB16sIIIQH")
_SERIALS = tuple(struct.Struct(f">{count}I") for count in range(MAX_SERIALS + 1))
_TREE = slice(30, 38)
_MORE = 0b100
_SUBJECT = 0b011
_MAX_SECONDS = 2**32 - 1
_VISITOR_ID = re.compile(r"[0-9a-f]{32}")

# Flag bits 0-1. A visitor of ours has a random id in the binding; a visitor the host names is bound by digest.
_OURS = 0
_KINDS = (SubjectKind.VISITOR, SubjectKind.USER, SubjectKind.SERVICE, SubjectKind.VISITOR)
_CODES = {SubjectKind.USER: 1, SubjectKind.SERVICE: 2, SubjectKind.VISITOR: 3}


class Pass(NamedTuple):
    """What a sealed pass says. (A tuple, not a dataclass: one is made for each pass seen for the first time.)

    Args:
        kind: of the subject.
        binding: 16 bytes that tell whose it is.
        anonymous: whether it is a visitor's of ours, whose id is the binding itself.
        serials: versions accepted, ascending; at most `MAX_SERIALS`.
        issued: seconds since 1970, by the clock of the worker that sealed it.
        expires: seconds since 1970 from which the ledger must be asked again, or ``None``.
        snoozed: seconds since 1970 until which grace is not spoken of again, or ``None``.
        tree_size: of the ledger when it was sealed; a smaller ledger later means that history was lost.
        more: whether more was accepted than is listed.
    """

    kind: SubjectKind
    binding: bytes
    anonymous: bool
    serials: tuple[int, ...]
    issued: int
    expires: int | None = None
    snoozed: int | None = None
    tree_size: int = 0
    more: bool = False

    @property
    def visitor_id(self) -> str | None:
        """The id of a visitor of ours, else ``None``."""
        return self.binding.hex() if self.anonymous else None

    @property
    def snoozed_until(self) -> Instant | None:
        """`snoozed` as an instant."""
        return None if self.snoozed is None else self.snoozed * SECOND


def new_visitor_id(random: Callable[[int], bytes]) -> str:
    """A fresh visitor id: 128 random bits in hexadecimal.

    Args:
        random: such as `secrets.token_bytes`.
    """
    return random(16).hex()


def is_visitor_id(text: str) -> bool:
    """Whether a string has the form of our visitor ids."""
    return _VISITOR_ID.fullmatch(text) is not None


class PassSealer:
    """Seals passes and opens them.

    Args:
        seals: with every secret; its newest one seals.
    """

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._signer = seals.signer(PASS_PURPOSE)
        self._binding_keys = seals.keys(BINDING_PURPOSE)

    def issue(
        self,
        subject: Subject,
        serials: Iterable[int],
        *,
        now: Instant,
        expires: Instant | None = None,
        snoozed: Instant | None = None,
        tree_size: int = 0,
    ) -> str:
        """Seal a pass for a subject: what goes into the cookie after a decision or a look-up.

        Args:
            subject: whose pass it is.
            serials: every version the subject has accepted; the newest `MAX_SERIALS` are listed.
            now: instant of issue.
            expires: instant of the earliest renewal.
            snoozed: instant until which "not now" holds.
            tree_size: of the ledger.
        """
        anonymous, binding = self._bind(subject)
        ordered = sorted(serial for serial in set(serials) if 0 < serial <= _MAX_SECONDS)
        return self.seal(
            Pass(
                kind=subject.kind,
                binding=binding,
                anonymous=anonymous,
                serials=tuple(ordered[-MAX_SERIALS:]),
                issued=_seconds(now) or 0,
                expires=_seconds(expires),
                snoozed=_seconds(snoozed),
                tree_size=max(tree_size, 0),
                more=len(ordered) > MAX_SERIALS,
            )
        )

    def seal(self, value: Pass) -> str:
        """Write and sign a pass.

        Raises:
            InputError: more serials than `MAX_SERIALS`, out of order, or a number out of range.
        """
        return self._seals.seal(PASS_PURPOSE, _pack(value))

    def open(self, token: str | bytes) -> Pass:
        """Return the pass in a token. An issue instant in the future is no fault of the visitor's and no obstacle.

        Raises:
            SealError: forged, truncated, too long, or in a form we do not write.
        """
        value = self.try_open(token)
        if value is None:
            raise SealError("this pass was not sealed by us", hint="review the terms again to get a new one")
        return value

    def try_open(self, token: str | bytes) -> Pass | None:
        """Like `open`, but ``None`` instead of an error: refusing a forged pass must stay cheap."""
        if isinstance(token, str):
            token = token.encode("ascii", "replace")
        data = self.authentic(token)
        return None if data is None else parse_pass(data)

    def authentic(self, token: bytes) -> bytes | None:
        """The bytes in a token that we sealed, for `parse_pass` and `claims_of`; else ``None``."""
        if len(token) > MAX_PASS_LENGTH:
            return None
        text = self._signer.try_unsign(token)
        return None if text is None else from_text(text)

    def is_newest(self, token: str | bytes) -> bool:
        """Whether an authentic token was sealed with the newest secret."""
        return self._seals.is_newest(PASS_PURPOSE, token)

    def seal_again(self, value: Pass, subject: Subject | None) -> str:
        """Seal an opened pass with the newest secret, and bind it to its subject with it."""
        binding = value.binding if subject is None else self._bind(subject)[1]
        return self.seal(value._replace(binding=binding))

    def bindings(self, subject: Subject) -> tuple[bytes, ...]:
        """Every binding a pass of this subject may have, the newest first: what `GateState.revoked` is keyed by."""
        anonymous, binding = self._bind(subject)
        return (binding,) if anonymous else tuple(_digest(key, subject) for key in self._binding_keys)

    def belongs_to(self, value: Pass, subject: Subject) -> bool:
        """Whether a pass is this subject's; digests made with older secrets count too, so rotation asks nobody."""
        if value.kind is not subject.kind:
            return False
        if value.anonymous:
            return is_visitor_id(subject.id) and value.visitor_id == subject.id
        return any(hmac.compare_digest(value.binding, _digest(key, subject)) for key in self._binding_keys)

    def _bind(self, subject: Subject) -> tuple[bool, bytes]:
        if subject.kind is SubjectKind.VISITOR and is_visitor_id(subject.id):
            return True, bytes.fromhex(subject.id)
        return False, _digest(self._binding_keys[0], subject)


def _digest(key: bytes, subject: Subject) -> bytes:
    return hmac.digest(key, subject.key.encode("utf-8", "surrogatepass"), "sha256")[:16]


def _seconds(instant: Instant | None) -> int | None:
    """Whole seconds, kept within what four bytes hold; never 0, which stands for "none"."""
    return None if instant is None else min(max(instant // SECOND, 1), _MAX_SECONDS)


def _pack(value: Pass) -> bytes:
    if len(value.serials) > MAX_SERIALS or any(
        earlier >= later for earlier, later in zip(value.serials, value.serials[1:], strict=False)
    ):
        raise InputError(f"a pass lists at most {MAX_SERIALS} serials, strictly ascending")
    if len(value.binding) != 16 or (value.anonymous and value.kind is not SubjectKind.VISITOR):
        raise InputError("a pass is bound by 16 bytes, and only a visitor's is anonymous")
    flags = (_OURS if value.anonymous else _CODES[value.kind]) | (_MORE if value.more else 0)
    try:
        head = _HEAD.pack(
            _FORMAT, flags, value.binding, value.issued, value.expires or 0, value.snoozed or 0,
            value.tree_size, len(value.serials),
        )  # fmt: skip
        return head + _SERIALS[len(value.serials)].pack(*value.serials)
    except struct.error as error:
        raise InputError(f"a number does not fit a pass: {error}") from error


def claims_of(data: bytes) -> bytes:
    """What authentic bytes say, without whose they are, when they were sealed and the tree: equal for many passes."""
    return data[:2] + data[22:30] + data[38:]


def tree_of(data: bytes) -> bytes:
    """The tree size in authentic bytes of a pass, in eight bytes, which compare as the numbers do."""
    return data[_TREE]


def parse_pass(data: bytes) -> Pass | None:
    """The pass in authentic bytes; ``None`` for a format of another release, which then counts as no pass."""
    if len(data) < _HEAD.size or data[0] != _FORMAT:
        return None
    _, flags, binding, issued, expires, snoozed, tree_size, count = _HEAD.unpack_from(data)
    if count > MAX_SERIALS or len(data) != _HEAD.size + 4 * count or flags > (_MORE | _SUBJECT):
        return None
    code = flags & _SUBJECT
    return Pass(
        _KINDS[code],
        binding,
        code == _OURS,
        _SERIALS[count].unpack_from(data, _HEAD.size),
        issued,
        expires or None,
        snoozed or None,
        tree_size,
        flags > _SUBJECT,
    )
