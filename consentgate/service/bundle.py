"""Bundle: everything about one subject, or one decision, gathered for an auditor, a court, or the subject.

Room: service. Deterministic: the same ledger gives the same bytes. What it proves is `consentgate.evidence.bundle`'s
business; here it is only put together, in one picture of the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from uuid import UUID

from sqlalchemy import Connection

from consentgate.errors import InputError, NotFoundError
from consentgate.evidence import bundle
from consentgate.evidence.commitments import parse_openings
from consentgate.evidence.entry import DecisionEntry, LinkEntry, PublishEntry, decode
from consentgate.evidence.receipt import SUFFIX
from consentgate.service.engine import Engine
from consentgate.service.receipts import make_receipt
from consentgate.service.statement import statement
from consentgate.store import blobs, entries, subjects
from consentgate.store.entries import EntryRow
from consentgate.terms.canonical import digest
from consentgate.terms.identifiers import parse_identifier
from consentgate.terms.subject import Subject

MAX_DECISIONS = 2_000
"""Most decisions one bundle holds; a subject with more is exported instead."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a bundle is about.

    Args:
        decisions: in the order of the ledger, with the subject's id where it is still known.
        publications: of every version that was decided about or compared with.
        links: each sign-in that carried decisions of a device over to this user: (index, entry, user, visitor).
    """

    decisions: tuple[tuple[int, DecisionEntry, str | None], ...]
    publications: tuple[tuple[int, PublishEntry], ...]
    links: tuple[tuple[int, LinkEntry, str | None, str | None], ...] = ()


def bundle_of(engine: Engine, *, subject: Subject | None, decision: str | None, connection: Connection) -> bytes:
    """Write the bundle of a subject, or of one decision.

    Raises:
        NotFoundError: there is nothing on record.
        InputError: neither or both are asked for, or there is too much for one file.
    """
    if (subject is None) == (decision is None):
        raise InputError("a bundle is about one subject or one decision", hint="name one of the two")
    rows = _decisions(engine, subject, decision, connection)
    links = _links(engine, subject, {entry.id for _, entry, _ in rows}, connection) if subject is not None else ()
    case = Case(tuple(rows), tuple(_publications([entry for _, entry, _ in rows], connection)), tuple(links))
    files: dict[str, bytes] = {}
    for index, entry, _ in case.decisions:
        name = f"{index:08d}-{entry.policy}-{entry.version}-{entry.decision}{SUFFIX}"
        files[bundle.RECEIPTS + name] = make_receipt(engine.ledger, entry.id, connection)
    for index, publication in case.publications:
        name = f"{index:08d}-{publication.policy}-{publication.version}{SUFFIX}"
        files[bundle.PUBLICATIONS + name] = make_receipt(engine.ledger, publication.id, connection)
    for index, link, _, _ in case.links:
        files[f"{bundle.LINKS}{index:08d}-link{SUFFIX}"] = make_receipt(engine.ledger, link.id, connection)
    files |= _documents(case, connection)
    keys = [str(key) for key in engine.ledger.verifiers]
    files["statement.html"] = statement(
        case.decisions, case.publications, files, engine.ledger.origin, keys, links=case.links
    )
    files["verify.py"] = resources.files("consentgate.evidence").joinpath("verify_bundle.py").read_bytes()
    files["README.txt"] = _readme(engine.ledger.origin, keys).encode()
    return bundle.write(files)


def _decisions(
    engine: Engine, subject: Subject | None, decision: str | None, connection: Connection
) -> list[tuple[int, DecisionEntry, str | None]]:
    if subject is not None:
        refs = [row.ref for row in subjects.decisions_of(connection, engine.tag(subject))]
    else:
        try:
            refs = [parse_identifier(decision or "").bytes]
        except InputError as error:
            raise NotFoundError("there is no such decision", hint="give the whole id of the decision") from error
    if len(refs) > MAX_DECISIONS:
        raise InputError(f"{len(refs):,} decisions are too many for one bundle", hint="use an export")
    openings = subjects.openings_by_refs(connection, refs)
    found = []
    for row in entries.entries_by_refs(connection, refs).values():
        entry = decode(row.leaf)
        if isinstance(entry, DecisionEntry):
            opened = parse_openings(openings[row.ref].openings) if row.ref in openings else {}
            found.append((row.idx, entry, opened["subject"].value if "subject" in opened else None))
    if not found:
        raise NotFoundError("there is no decision on record", hint="check the id; an erased subject cannot be found")
    return sorted(found, key=lambda item: item[0])


def _links(
    engine: Engine, subject: Subject, decisions: set[UUID], connection: Connection
) -> Iterable[tuple[int, LinkEntry, str | None, str | None]]:
    """What made decisions of a device those of this user: without it nothing says why they stand in the bundle."""
    openings = {row.ref: row for row in subjects.openings_of(connection, engine.tag(subject)) if row.act == "link"}
    for row in sorted(entries.entries_by_refs(connection, openings).values(), key=lambda row: row.idx):
        entry = decode(row.leaf)
        if isinstance(entry, LinkEntry) and not decisions.isdisjoint(entry.carried):
            opened = parse_openings(openings[row.ref].openings)
            told = [opened[name].value if name in opened else None for name in ("subject", "visitor")]
            yield row.idx, entry, told[0], told[1]


def _publications(decisions: Iterable[DecisionEntry], connection: Connection) -> list[tuple[int, PublishEntry]]:
    """Publications of the versions decided about and compared with: found by their labels in the stream of entries."""
    wanted = {(entry.policy, label) for entry in decisions for label in (entry.version, entry.compared) if label}
    found = [
        (row.idx, entry)
        for row in _publish_rows(connection)
        if isinstance(entry := decode(row.leaf), PublishEntry) and (entry.policy, entry.version) in wanted
    ]
    return sorted(found, key=lambda item: item[0])


def _publish_rows(connection: Connection) -> Iterable[EntryRow]:
    """Publications have an administrator's opening and no subject: that is how they are found without a full scan."""
    refs = subjects.refs_without_subject(connection)
    return entries.entries_by_refs(connection, refs).values()


def _documents(case: Case, connection: Connection) -> dict[str, bytes]:
    """Every document that an entry names and that is kept, under a name people understand."""
    names: dict[str, str] = {}

    def call(value: str | None, path: str) -> None:
        if value is not None:
            names.setdefault(value, bundle.DOCUMENTS + path)

    for _, publication in case.publications:
        stem = f"{publication.policy}-{publication.version}"
        for text in publication.texts:
            call(text.text, f"texts/{stem}.{text.language}.md")
            call(text.raw, f"drafts/{stem}.{text.language}.md")
            call(text.summary, f"summaries/{stem}.{text.language}.txt")
        call(publication.policy_digest, f"settings/{publication.policy}-{publication.policy_digest[:8]}.json")
    for index, entry, _ in case.decisions:
        call(entry.text, f"texts/{entry.policy}-{entry.version}.{entry.language}.md")
        if entry.redline:
            call(entry.redline, f"redlines/{entry.policy}-{entry.compared}-to-{entry.version}.{entry.language}.json")
        call(entry.page, f"pages/{index:08d}.html")
        call(entry.control, f"controls/{index:08d}.json")
        call(entry.gate, f"gate/{entry.gate[:8] if entry.gate else ''}.json")
    kept = blobs.get_blobs(connection, names)
    # A row that was changed behind our back is left out, and the bundle then says that the document is missing.
    found: dict[str, bytes] = {}
    for value, row in kept.items():
        if digest(row.data) == value:
            path = names[value]
            found[path if path not in found else f"{path}.{value[:8]}"] = row.data
    return found


def _readme(origin: str, keys: Iterable[str]) -> str:
    return "\n".join(
        [
            "What this is",
            "  The record of one or several decisions about terms, with everything that proves them.",
            "  Open statement.html first. It prints well.",
            "",
            "How to check it",
            "  1. python verify.py                       needs Python 3.11 and nothing else",
            "     python -m consentgate.evidence FILE     the same by the package consentgate, on the zip file",
            "  2. sha256sum -c SHA256SUMS                 every file is the one that was packed",
            "  Each receipt ends in a C2SP tlog-proof, so other tools can check it, too.",
            "",
            f"The ledger is {origin}. Its public keys, to be compared with those the operator publishes:",
            *(f"  {key}" for key in keys),
            "",
            "What is where",
            "  receipts/      each decision: the exact entry, the personal values, the proof, the signature",
            "  publications/  the same for each publication of a version that was decided about",
            "  links/         the same for each sign-in that made decisions of a device those of a user",
            "  documents/     texts, redlines, pages as they were shown, wording of box and button, gate set-up;",
            "                 each is the document whose SHA-256 stands in a receipt",
            "",
            "What is not proven",
            "  That the clock was right, and who stands behind a subject's identifier: both are the operator's word.",
            "",
        ]
    )
