"""A bundle: everything about one decision, or about one subject, in one zip file.

Room: evidence (pure). Written by the bundle service, verified by anybody::

    README.txt, statement.html, verify.py     for people; nothing is proven by them
    receipts/*.receipt                        each decision, proven on its own (`consentgate.evidence.receipt`)
    publications/*.receipt                    each publication of a version concerned, likewise
    links/*.receipt                           each sign-in that made decisions of a device those of a user, likewise
    documents/…                               texts, redlines, pages, control wordings, gate set-ups, settings
    SHA256SUMS                                of all of the above, as ``sha256sum -c`` reads it

What makes a document evidence is that a proven entry names its digest. A document that no entry names is refused, and
one that an entry names and that is not here is reported as missing. The zip itself is canonical (stored, sorted, one
date): equal contents are equal bytes, and no byte of the file is free.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from consentgate.errors import VerificationError
from consentgate.evidence import receipt
from consentgate.evidence.entry import DecisionEntry, Entry, LinkEntry, PublishEntry
from consentgate.evidence.note import Verifier
from consentgate.evidence.receipt import VerifiedReceipt

SUMS = "SHA256SUMS"
RECEIPTS = "receipts/"
PUBLICATIONS = "publications/"
LINKS = "links/"
DOCUMENTS = "documents/"
FOR_PEOPLE = frozenset({"README.txt", "statement.html", "verify.py"})

MAX_FILES = 20_000
MAX_BYTES = 256_000_000

_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle proves.

    Args:
        decisions: receipts of the decisions, in the order of the ledger.
        publications: receipts of the publications, likewise.
        links: receipts of the sign-ins that carried decisions of a device over to a user, likewise.
        documents: path by digest, of every document that a proven entry names.
        missing: what decisions name and the bundle does not have: (path of the receipt, field, digest).
        trusted: whether the caller's own keys were used, as in a receipt.
    """

    decisions: tuple[VerifiedReceipt, ...]
    publications: tuple[VerifiedReceipt, ...]
    links: tuple[VerifiedReceipt, ...]
    documents: Mapping[str, str]
    missing: tuple[tuple[str, str, str], ...]
    trusted: bool


def write(files: Mapping[str, bytes]) -> bytes:
    """Write a bundle; the inverse of `read`. Equal files give equal bytes.

    Args:
        files: by path; `SHA256SUMS` is added.

    Raises:
        ValueError: a path that cannot stand in a bundle.
    """
    if bad := [name for name in files if not _NAME.fullmatch(name) or name == SUMS]:
        raise ValueError(f"not a path for a bundle: {bad[0]!r}")
    return _zip({**files, SUMS: _sums(files)})


def read(data: bytes) -> dict[str, bytes]:
    """Read what `write` wrote, and only that: the files by path, without `SHA256SUMS`.

    Raises:
        VerificationError: anything else, down to a single bit of the zip itself.
    """
    files = _unzip(data)
    sums = files.pop(SUMS, None)
    if sums is None or sums != _sums(files):
        raise VerificationError(f"the files of the bundle are not those that {SUMS} lists")
    if _zip({**files, SUMS: sums}) != data:
        raise VerificationError("the zip file was packed again, or changed where it holds no file")
    return files


def verify(data: bytes, *, verifiers: Iterable[Verifier] | None = None) -> VerifiedBundle:
    """Check a bundle, offline.

    Args:
        data: the zip file.
        verifiers: public keys the caller trusts; without them those in the receipts are used.

    Raises:
        VerificationError: it is not a bundle, or something in it does not verify.
    """
    files = read(data)
    keys = None if verifiers is None else list(verifiers)
    decisions = _receipts(files, RECEIPTS, keys)
    publications = _receipts(files, PUBLICATIONS, keys)
    links = _receipts(files, LINKS, keys)
    if not decisions:
        raise VerificationError("there is no decision in this bundle")
    every = [*decisions.values(), *publications.values(), *links.values()]
    if len({one.checkpoint.note.text for one in every}) != 1:
        raise VerificationError("the receipts in this bundle are of different checkpoints")
    ids = {one.entry.id for one in decisions.values()}
    for path, one in links.items():
        if isinstance(one.entry, LinkEntry) and ids.isdisjoint(one.entry.carried):
            raise VerificationError(f"{path} is the link of no decision in this bundle")
    documents = _documents(files, every)
    missing = tuple(
        (path, field, digest)
        for path, one in decisions.items()
        for field, digest in named_by(one.entry)
        if digest not in documents
    )
    return VerifiedBundle(
        decisions=tuple(sorted(decisions.values(), key=lambda one: one.index)),
        publications=tuple(sorted(publications.values(), key=lambda one: one.index)),
        links=tuple(sorted(links.values(), key=lambda one: one.index)),
        documents=documents,
        missing=missing,
        trusted=every[0].trusted,
    )


def named_by(entry: Entry) -> list[tuple[str, str]]:
    """The documents an entry names: (field, digest)."""
    if isinstance(entry, DecisionEntry):
        fields = ("text", "redline", "page", "control", "gate")
        return [(name, value) for name in fields if (value := getattr(entry, name)) is not None]
    if isinstance(entry, PublishEntry):
        named = [("policy_digest", entry.policy_digest)]
        for text in entry.texts:
            named += [("text", text.text), ("raw", text.raw)]
            named += [("summary", text.summary)] if text.summary else []
        return named
    return []


def _receipts(files: Mapping[str, bytes], folder: str, keys: list[Verifier] | None) -> dict[str, VerifiedReceipt]:
    found = {}
    wanted = {RECEIPTS: DecisionEntry, PUBLICATIONS: PublishEntry, LINKS: LinkEntry}[folder]
    for name, data in files.items():
        if not name.startswith(folder):
            continue
        try:
            found[name] = receipt.verify(data, verifiers=keys)
        except VerificationError as error:
            raise VerificationError(f"{name}: {error}", hint=error.hint) from error
        if not isinstance(found[name].entry, wanted):
            raise VerificationError(f"{name} is the receipt of another kind of entry than belongs there")
    return found


def _documents(files: Mapping[str, bytes], receipts: Iterable[VerifiedReceipt]) -> dict[str, str]:
    named = {digest for one in receipts for _, digest in named_by(one.entry)}
    documents = {}
    for name, data in files.items():
        if name.startswith((RECEIPTS, PUBLICATIONS, LINKS)) or name in FOR_PEOPLE:
            continue
        digest = sha256(data).hexdigest()
        if not name.startswith(DOCUMENTS) or digest not in named:
            raise VerificationError(f"{name} belongs to no entry of this bundle", hint="it was changed, or slipped in")
        documents[digest] = name
    return documents


def _sums(files: Mapping[str, bytes]) -> bytes:
    return b"".join(f"{sha256(files[name]).hexdigest()}  {name}\n".encode() for name in sorted(files))


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, _MODE  # Unix, whatever wrote it
            archive.writestr(info, files[name])
    return buffer.getvalue()


def _unzip(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_BYTES:
        raise VerificationError(f"the bundle has {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_FILES:
                raise VerificationError(f"the bundle has {len(infos):,} files; the limit is {MAX_FILES:,}")
            for info in infos:
                # Stored only: what is in the file is what is read, so a small file cannot unpack to a huge one.
                if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                    raise VerificationError("the bundle is compressed; ours never are")
                if not _NAME.fullmatch(info.filename) or info.file_size > len(data):
                    raise VerificationError("the bundle has a file whose name or size is not possible")
            files = {info.filename: archive.read(info) for info in infos}
    except VerificationError:
        raise
    except Exception as error:  # zipfile raises many kinds of errors on damaged archives, and documents few
        raise VerificationError("this is not a zip file, or it was damaged") from error
    if len(files) != len(infos):
        raise VerificationError("the bundle has two files of one name")
    return files
