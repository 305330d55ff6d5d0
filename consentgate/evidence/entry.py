"""The entries of the ledger, and their one byte form.

Room: evidence (pure). Called by the services that record (`encode`), and by every check (`decode`). Knows no storage.

An entry is RFC 8785 JSON of at most 65,535 bytes. Public facts stand in clear; everything personal stands as a
commitment, see `consentgate.evidence.commitments`. Every entry has ``v`` (the version of this format), ``type``,
``id``, ``at`` and ``commitments``; the other keys are the fields of the class. Reading refuses unknown and missing
keys: what is not understood is not called proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, get_type_hints

from consentgate.errors import CanonicalError, VerificationError
from consentgate.evidence.forms import (
    Commitments,
    Count,
    Details,
    Digest,
    Flag,
    Form,
    Id,
    Ids,
    Language,
    MaybeCount,
    MaybeDigest,
    MaybeId,
    MaybeMoment,
    MaybeName,
    MaybeUuid,
    Moment,
    Name,
    Names,
    Reason,
    Title,
    choice,
    list_of,
    refuse,
)
from consentgate.evidence.moulds import Moulds
from consentgate.evidence.tiles import MAX_ENTRY_BYTES
from consentgate.terms.canonical import canonical_json, parse_canonical_json

VERSION = 1
"""Version of the entry format, the key ``v``."""

DECISIONS = ("accept", "decline", "acknowledge", "grant", "refuse", "withdraw")
METHODS = ("checkbox-button", "api", "import")
SOURCES = ("server", "import")
KINDS = ("contract", "notice", "consent")
IMPACTS = ("material", "editorial")
ERASURES = ("pseudonymise", "shred", "hold", "release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What all entries have.

    Args:
        id: UUID of version 7; a second entry with the same id is the same entry.
        at: when it happened, by the clock of the server.
        commitments: personal fields, by name.
    """

    TYPE: ClassVar[str]
    PERSONAL: ClassVar[frozenset[str]] = frozenset({"administrator", "approver"})
    """Names that may be committed to; names beginning with ``x_`` are the host's own and always allowed."""

    id: Id
    at: Moment
    commitments: Commitments

    @property
    def ref(self) -> bytes:
        """The id as 16 bytes: the key of its row."""
        return self.id.bytes

    def to_record(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {"v": VERSION, "type": self.TYPE, **_write(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read an entry of this type.

        Raises:
            VerificationError: another type or version, keys unknown or missing, or a value of the wrong form.
        """
        if record.get("v") != VERSION or isinstance(record["v"], bool):
            refuse("v", f"{VERSION} (a later version needs a later consentgate)", record.get("v"))
        if record.get("type") != cls.TYPE:
            refuse("type", cls.TYPE, record.get("type"))
        entry: Self = _read(cls, {key: value for key, value in record.items() if key not in ("v", "type")}, "entry")
        entry.check_personal()
        return entry

    def check_personal(self) -> None:
        """Check that an entry of this type may commit to these fields.

        Raises:
            VerificationError: it names the field.
        """
        for name in self.commitments:
            if name not in self.PERSONAL and not name.startswith("x_"):
                refuse("commitments", "an object of known fields", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry(Entry):
    """A subject decided about one version of one policy.

    Args:
        policy: its slug.
        kind: of the policy: ``contract``, ``notice`` or ``consent``.
        version: label of the version.
        serial: its serial number.
        language: tag of the translation that was shown.
        text: digest of that text.
        compared: label of the version it was compared with, or ``None`` for a first-timer.
        redline: digest of the redline that was shown, or ``None``.
        page: digest of the page that was shown, or ``None`` where none was (``api``, ``import``).
        control: digest of assent sentence, checkbox and button, or ``None`` likewise.
        decision: ``accept``, ``decline``, ``acknowledge``, ``grant``, ``refuse`` or ``withdraw``.
        method: ``checkbox-button``, ``api`` or ``import``.
        source: ``server``, or ``import`` where another system saw it.
        gate: digest of the gate's configuration in force, or ``None``.
        offer: id of the offer that was answered, or ``None``.
        supersedes: id of the decision this one replaces, or ``None``.
        expires: from when on it counts no more, or ``None``.
        test: made in a test set-up. Never unset afterwards.
    """

    TYPE: ClassVar[str] = "decision"
    PERSONAL: ClassVar[frozenset[str]] = frozenset(
        {"subject", "subject_kind", "acting_for", "authority", "session", "ip", "user_agent", "sign_in"}
    )

    policy: Name
    kind: Annotated[str, choice(*KINDS)]
    version: Name
    serial: Count
    language: Language
    text: Digest
    compared: MaybeName = None
    redline: MaybeDigest = None
    page: MaybeDigest = None
    control: MaybeDigest = None
    decision: Annotated[str, choice(*DECISIONS)]
    method: Annotated[str, choice(*METHODS)]
    source: Annotated[str, choice(*SOURCES)] = "server"
    gate: MaybeDigest = None
    offer: MaybeUuid = None
    supersedes: MaybeId = None
    expires: MaybeMoment = None
    test: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedText:
    """One translation of a published version.

    Args:
        language: its tag.
        title: as readers see it.
        text: digest of the canonical text.
        raw: digest of the bytes the author sent.
        summary: digest of the author's summary of changes, or ``None``.
    """

    language: Language
    title: Title
    text: Digest
    raw: Digest
    summary: MaybeDigest = None


_TEXT = Form(lambda value, name: _read(PublishedText, value, name), lambda value: _write(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEntry(Entry):
    """A version was published. It stands in the ledger before anybody can decide about it.

    Args:
        policy: its slug.
        kind: of the policy.
        version: label.
        serial: number.
        impact: ``material`` or ``editorial``.
        announced: shown as coming from then on.
        effective: binding from then on.
        enforced: the gate blocks from then on.
        prevailing: language tag of the translation that prevails.
        texts: the translations, at least one.
        supersedes: label of the version it replaces, or ``None``.
        policy_digest: digest of the policy's settings.
    """

    TYPE: ClassVar[str] = "publish"

    policy: Name
    kind: Annotated[str, choice(*KINDS)]
    version: Name
    serial: Count
    impact: Annotated[str, choice(*IMPACTS)]
    announced: Moment
    effective: Moment
    enforced: Moment
    prevailing: Language
    texts: Annotated[tuple[PublishedText, ...], list_of(_TEXT, least=1)]
    supersedes: MaybeName = None
    policy_digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEntry(Entry):
    """A visitor signed in: what the visitor decided now counts for the user.

    Args:
        carried: ids of these decisions.
    """

    TYPE: ClassVar[str] = "link"
    PERSONAL: ClassVar[frozenset[str]] = frozenset({"visitor", "subject", "subject_kind", "session", "sign_in"})

    carried: Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEntry(Entry):
    """A subject was sent a notice of a version.

    Args:
        policy: its slug.
        version: label.
        channel: ``email``, ``banner``, ….
        message: digest of what was sent.
    """

    TYPE: ClassVar[str] = "notice"
    PERSONAL: ClassVar[frozenset[str]] = frozenset({"subject", "subject_kind", "address"})

    policy: Name
    version: Name
    channel: Name
    message: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseEntry(Entry):
    """Openings were deleted, or are held: this tells planned erasure from loss.

    Args:
        refs: ids of the entries whose openings it concerns.
        fields: names of the fields, or ``None`` for all.
        mode: ``pseudonymise`` (some fields), ``shred`` (all), ``hold`` (a legal hold: nothing is deleted) or
            ``release`` (the hold is over).
        basis: why, in one line without personal data.
    """

    TYPE: ClassVar[str] = "erase"
    PERSONAL: ClassVar[frozenset[str]] = frozenset({"administrator", "approver", "subject", "subject_kind"})

    @property
    def erases(self) -> bool:
        """Whether anything was deleted."""
        return self.mode in ("pseudonymise", "shred")

    refs: Ids
    fields: Names = None
    mode: Annotated[str, choice(*ERASURES)]
    basis: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEntry(Entry):
    """An administrator did something.

    Args:
        action: such as ``token.create``.
        details: public facts about it.
    """

    TYPE: ClassVar[str] = "admin"
    PERSONAL: ClassVar[frozenset[str]] = frozenset({"administrator", "approver", "subject", "subject_kind"})

    action: Name
    details: Details


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEntry(Entry):
    """The ledger goes on under a new name after a restore: the last one had come further than what was restored.

    The entries before this one are those of the previous ledger, as far as they are left: ``size`` is the place of
    this entry, and ``root`` the root over everything before it. So old and new checkpoints can be compared.

    Args:
        origin: name of the previous ledger.
        size: entries of it that were restored.
        root: root over these, in lower-case hexadecimal.
        known_size: how many it is known to have had before that, or ``None`` where nobody knows.
        known_root: its root at that size, or ``None``.
    """

    TYPE: ClassVar[str] = "epoch"

    origin: Name
    size: Count
    root: Digest
    known_size: MaybeCount = None
    known_root: MaybeDigest = None


TYPES: dict[str, type[Entry]] = {
    cls.TYPE: cls for cls in (DecisionEntry, PublishEntry, LinkEntry, NoticeEntry, EraseEntry, AdminEntry, EpochEntry)
}
"""The types of entries by the name that stands in ``type``."""


def encode(entry: Entry) -> bytes:
    """Write an entry; the inverse of `decode`.

    Raises:
        CanonicalError: a field has a value that cannot stand there, or the entry is longer than 65,535 bytes.
    """
    moulds = _moulds_of(entry)
    if moulds is not None:
        filled = moulds.fill(entry)
        if filled is not None and len(filled) <= MAX_ENTRY_BYTES:
            return filled
    try:
        record = entry.to_record()
        _check_written(entry, record)
    except (VerificationError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CanonicalError(f"this {entry.TYPE} cannot be recorded: {error}") from error
    data = canonical_json(record)
    if len(data) > MAX_ENTRY_BYTES:
        raise CanonicalError(f"the entry has {len(data):,} bytes; the limit is {MAX_ENTRY_BYTES:,}")
    if moulds is not None:
        moulds.keep(entry, record, data)
    return data


_MOULDS: dict[type[Entry], Moulds] = {}


def _moulds_of(entry: Entry) -> Moulds | None:
    """The moulds of decisions; there are few entries of any other type."""
    if type(entry) is not DecisionEntry:
        return None
    found = _MOULDS.get(DecisionEntry)
    return found if found is not None else _MOULDS.setdefault(DecisionEntry, Moulds(_forms(DecisionEntry)))


def _check_written(entry: Entry, record: dict[str, Any]) -> None:
    """What nobody could read again is not written: read again whatever is not certain to be readable.

    Raises:
        VerificationError: a field.
    """
    for name, form in _forms(type(entry)).items():
        if not form.sure(getattr(entry, name)):
            form.read(record[name], name)
    entry.check_personal()


def decode(data: bytes) -> Entry:
    """Read an entry, and only in the bytes that `encode` writes.

    Raises:
        VerificationError: anything else.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise VerificationError(f"the entry has {len(data):,} bytes; the limit is {MAX_ENTRY_BYTES:,}")
    try:
        record = parse_canonical_json(data)
    except CanonicalError as error:
        raise VerificationError(f"the entry is not canonical JSON: {error}") from error
    kind = record.get("type") if isinstance(record, dict) else None
    if not isinstance(kind, str) or kind not in TYPES:
        raise VerificationError(f"not an entry of a known type: {str(kind)[:40]!r}")
    return TYPES[kind].from_record(record)


_FORMS: dict[type[Any], dict[str, Form]] = {}


def _forms(cls: type[Any]) -> dict[str, Form]:
    """Forms by field, from the annotations of a class; resolved at the first use."""
    if cls not in _FORMS:
        hints = get_type_hints(cls, include_extras=True)
        _FORMS[cls] = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return _FORMS[cls]


def _write(value: Any) -> dict[str, Any]:
    return {name: form.write(getattr(value, name)) for name, form in _forms(type(value)).items()}


def _read(cls: type[Any], record: Any, what: str) -> Any:
    forms = _forms(cls)
    if not isinstance(record, Mapping) or record.keys() != forms.keys():
        keys = record.keys() ^ forms.keys() if isinstance(record, Mapping) else [type(record).__name__]
        raise VerificationError(f"{what}: unknown or missing keys: {', '.join(sorted(map(str, keys)))[:200]}")
    return cls(**{name: form.read(record[name], name) for name, form in forms.items()})
