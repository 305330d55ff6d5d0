"""What was verified, in plain words: what is proven, by which key, and what is not.

Room: evidence (pure). Called by ``python -m consentgate.evidence``. The reader may be tired, a lawyer, or both: the
first line is the verdict, and every claim says what it rests on. Everything shown is made printable first, because a
value inside a file could otherwise move the cursor or turn the line around.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from textwrap import wrap
from typing import Any

from consentgate.errors import TextError, VerificationError
from consentgate.evidence.account import Summary
from consentgate.evidence.bundle import VerifiedBundle
from consentgate.evidence.checkpoint import SignedCheckpoint
from consentgate.evidence.entry import DecisionEntry, Entry
from consentgate.evidence.ledger_file import VerifiedLedger
from consentgate.evidence.note import Verifier
from consentgate.evidence.receipt import VerifiedReceipt
from consentgate.terms.canonical import canonical_text, text_digest
from consentgate.terms.instants import SECOND, to_datetime

_LONGEST = 300
_GONE = "not opened: erased, or withheld by whoever passed this on"
_LABELS = {
    "serial": "serial number", "compared": "compared with", "page": "page shown", "control": "box and button",
    "gate": "gate set-up", "supersedes": "replaces", "test": "test set-up",
}  # fmt: skip
_DOCUMENTS = {"text", "redline", "page", "control", "gate", "message", "policy_digest"}
_CLOCK = "That the time is right: it is the word of the operator's clock."
_ELSEWHERE = (
    "That the operator showed everybody the same ledger. Compare the checkpoint with one kept elsewhere, "
    "or ask for one that witnesses have signed."
)


@dataclass(frozen=True, slots=True)
class Report:
    """What to tell about one verified file.

    Args:
        kind: ``receipt``, ``ledger`` or ``checkpoint``.
        trusted: whether the reader's own keys were used.
        keys: those that signed, as verifier keys.
        facts: label and value.
        findings: what the reader should look at, although the file verifies.
        proven: sentences.
        unproven: sentences.
        data: the same for machines.
    """

    kind: str
    trusted: bool
    keys: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    proven: tuple[str, ...]
    unproven: tuple[str, ...]
    findings: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One line."""
        if self.trusted:
            return f"VERIFIED: this {self.kind} is genuine, checked with the key you gave"
        return f"INTACT: nothing in this {self.kind} was changed, but whose key signed it is for you to compare"

    def text(self) -> str:
        """Return the report as lines for a terminal, without the file's name."""
        width = max((len(label) for label, _ in self.facts), default=0)
        lines = [f"  {label.ljust(width)}  {printable(value)}" for label, value in self.facts]
        if not self.trusted:
            lines += [
                "", "  Checked against the key inside the file itself; compare it with the published one.",
                "  Anybody can make such a file with a key of their own. Get the key from where the operator",
                "  publishes it and run this again with --key; it must be this one, to the last letter:",
                *(f"    {printable(key)}" for key in self.keys),
            ]  # fmt: skip
        for title, sentences in (
            ("Look at this", self.findings),
            ("Proven" if self.trusted else "Proven, if the key is theirs", self.proven),
            ("Not proven", self.unproven),
        ):
            if sentences:
                lines += ["", f"  {title}"]
                for sentence in sentences:
                    lines += wrap(printable(sentence), 96, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {
            "kind": self.kind,
            "verified": True,
            "trusted_key": self.trusted,
            "keys": list(self.keys),
            **self.data,
            "findings": list(self.findings),
            "proven": list(self.proven),
            "not_proven": list(self.unproven),
        }


def printable(text: str) -> str:
    """Return text in which control, bidirectional and other invisible characters are written out, cut if very long."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def when(instant: int) -> str:
    """Write an instant for people."""
    return to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S UTC")


def report_receipt(receipt: VerifiedReceipt, compared: Mapping[str, str] | None = None) -> Report:
    """Describe a receipt.

    Args:
        receipt: as verified.
        compared: name of a file -> which document of the entry it is, see `match_document`.
    """
    entry, head = receipt.entry, receipt.checkpoint.checkpoint
    record = entry.to_record()
    facts = [
        ("entry", f"{receipt.index:,} (counting from 0) of the ledger {head.origin}, which had {head.size:,} then"),
        ("recorded", when(entry.at)),
        *_entry_facts(entry, record),
        *((f"personal, {name}", opening.value) for name, opening in sorted(receipt.openings.items())),
        *((f"personal, {name}", _GONE) for name in receipt.unopened),
        *((f"file {name}", f"is the {what} of this entry") for name, what in (compared or {}).items()),
    ]
    proven = ["Exactly this entry stands in that ledger; not one byte of it was changed since it was signed."]
    if receipt.openings:
        proven.append("The personal values above are the ones that were recorded with it.")
    proven += _witnessed(receipt.checkpoint)
    unproven = [_CLOCK]
    if isinstance(entry, DecisionEntry):
        unproven.append("Who the person is: the subject is an identifier of the operator's.")
        unproven.append("That the decision still stands: a later entry may withdraw or replace it.")
        if not compared:
            unproven.append("What the texts say: only their digests are here. Compare a file with --compare FILE.")
    findings = []
    if isinstance(entry, DecisionEntry) and entry.test:
        findings.append("This decision was made in a test set-up. It binds nobody.")
    if isinstance(entry, DecisionEntry) and entry.source == "import":
        findings.append("This decision was imported: another system saw it, and the ledger only took it over.")
    data = {
        "index": receipt.index,
        "entry": record,
        "openings": {name: opening.value for name, opening in receipt.openings.items()},
        "not_opened": list(receipt.unopened),
        "checkpoint": _checkpoint_data(receipt.checkpoint),
        "compared": dict(compared or {}),
    }
    keys = tuple(map(str, receipt.keys))
    return Report("receipt", receipt.trusted, keys, tuple(facts), tuple(proven), tuple(unproven), tuple(findings), data)


def _entry_facts(entry: Entry, record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Name the public facts of an entry; what is null, false or empty goes without saying."""
    done = {"v", "type", "at", "commitments"}
    if isinstance(entry, DecisionEntry):
        yield "decision", f"{entry.decision} — {entry.policy}, version {entry.version}, read in {entry.language}"
        done |= {"decision", "policy", "version", "language"}
    else:
        yield "type", entry.TYPE
    for name, value in record.items():
        if name == "texts":
            yield from ((f"text, {item['language']}", f"{item['title']} — SHA-256 {item['text']}") for item in value)
        elif isinstance(value, dict):
            yield from ((f"{name}, {key}", str(item)) for key, item in value.items() if name not in done)
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value)) or "none"
        elif name not in done and value is not None and value is not False:
            yield _LABELS.get(name, name), f"SHA-256 {value}" if name in _DOCUMENTS else str(value)


def report_ledger(ledger: VerifiedLedger) -> Report:
    """Describe a ledger file."""
    header, summary, head = ledger.header, ledger.summary, ledger.checkpoint.checkpoint
    complete = header.mode == "complete"
    extent = "all of them" if complete else f"a selection of {head.size:,}"
    facts = [("ledger", head.origin), ("entries", f"{ledger.entries:,} ({extent})")]
    findings, data = [], dict[str, Any]()
    if header.filter:
        facts.append(("selected by", ", ".join(f"{name} = {value}" for name, value in header.filter.items())))
    if summary is not None:
        if summary.first is not None and summary.last is not None:
            facts.append(("from, to", f"{when(summary.first)}, {when(summary.last)}"))
        facts += [("of type " + name, f"{count:,}") for name, count in sorted(summary.types.items())]
        facts += [(f"{row[2]}", f"{n:,} × {row[0]}, version {row[1]}") for row, n in sorted(summary.decisions.items())]
        facts.append(("personal", f"{summary.opened:,} fields opened and right, {summary.erased:,} erased on record"))
        findings = list(_ledger_findings(summary, complete=complete))
        data = {
            "types": dict(summary.types),
            "decisions": [[*row, count] for row, count in sorted(summary.decisions.items())],
            "fields": {"opened": summary.opened, "erased": summary.erased, "missing": summary.missing},
            "missing": [{"id": gap.id, "fields": list(gap.fields)} for gap in summary.gaps],
            "unpublished": summary.unpublished,
            "tests": summary.tests,
        }
    data |= {"mode": header.mode, "entries": ledger.entries, "checkpoint": _checkpoint_data(ledger.checkpoint)}
    proven = list(_ledger_proven(ledger)) + _witnessed(ledger.checkpoint)
    keys = tuple(map(str, header.keys))
    return Report(
        "ledger",
        ledger.trusted,
        keys,
        tuple(facts),
        tuple(proven),
        tuple(_ledger_unproven(ledger)),
        tuple(findings),
        data,
    )


def _ledger_findings(summary: Summary, *, complete: bool) -> Iterable[str]:
    if summary.missing:
        where = "; ".join(f"{gap.id}: {', '.join(gap.fields)}" for gap in summary.gaps[:5])
        scope = "no erase entry says why" if complete else "nothing here says why"
        yield f"{_count(summary.missing, 'personal field')} gone and {scope}: {where}"
    if summary.unpublished:
        yield f"{_count(summary.unpublished, 'decision')} about a text that no earlier entry published."
    if summary.tests:
        yield f"{_count(summary.tests, 'decision')} from a test set-up, and not counted above."
    for epoch in summary.epochs:
        lost = None if epoch.known_size is None else epoch.known_size - epoch.size
        missing = "nobody knows how many" if lost is None else "none" if lost <= 0 else f"{lost:,}"
        yield (
            f"After the first {epoch.size:,} entries a backup of {epoch.origin} was restored, and the ledger goes on "
            f"under another name. Entries of it that are lost: {missing}."
        )


def _count(number: int, thing: str) -> str:
    return f"1 {thing} is" if number == 1 else f"{number:,} {thing}s are"


def _ledger_proven(ledger: VerifiedLedger) -> Iterable[str]:
    header = ledger.header
    if header.mode == "complete":
        yield "These are all entries of that ledger, in order: none was changed, removed or slipped in."
    else:
        yield "Each of these entries stands in that ledger, unchanged."
    if ledger.summary is not None and ledger.summary.opened:
        yield "The personal values that are opened are the ones that were recorded."


def _ledger_unproven(ledger: VerifiedLedger) -> Iterable[str]:
    header = ledger.header
    if header.mode == "selection":
        yield "That the selection has every entry it should have: only a complete export shows that."
    if ledger.summary is None:
        yield "The form of the entries and the personal values: you asked for the root only."
    elif not header.openings:
        yield "Anything personal: the file was exported without openings."
    yield _CLOCK
    yield _ELSEWHERE


def report_checkpoint(signed: SignedCheckpoint, verifiers: Iterable[Verifier]) -> Report:
    """Describe a checkpoint. There is no key inside it, so it was checked with the reader's own."""
    head = signed.checkpoint
    signed_by = {(item.name, item.key_id) for item in signed.note.signatures}
    return Report(
        kind="checkpoint",
        trusted=True,
        keys=tuple(str(key) for key in verifiers if (key.name, key.id) in signed_by),
        facts=(("ledger", head.origin), ("entries", f"{head.size:,}"), ("root", head.root.hex())),
        proven=("That key signed a ledger of this size and root.", *_witnessed(signed)),
        unproven=("What is in the ledger: a checkpoint is for comparing other files of that ledger with.",),
        data={"checkpoint": _checkpoint_data(signed)},
    )


def report_bundle(bundle: VerifiedBundle) -> Report:
    """Describe a bundle."""
    one = bundle.decisions[0]
    head = one.checkpoint.checkpoint
    facts = [("ledger", f"{head.origin}, which had {head.size:,} entries then")]
    for receipt in bundle.decisions:
        entry = receipt.entry
        if isinstance(entry, DecisionEntry):
            who = receipt.openings["subject"].value if "subject" in receipt.openings else "subject not opened"
            facts.append((when(entry.at), f"{entry.decision} — {entry.policy}, version {entry.version} — {who}"))
    for receipt in bundle.links:
        visitor, user = (
            receipt.openings[name].value if name in receipt.openings else f"{name} not opened"
            for name in ("visitor", "subject")
        )
        facts.append((when(receipt.entry.at), f"link — visitor {visitor} signed in as {user}"))
    facts.append(("documents", f"{len(bundle.documents)}, each named by a proven entry"))
    findings = [
        f"{path} names a {field} that is not in the bundle ({digest[:16]}…)." for path, field, digest in bundle.missing
    ]
    proven = [
        "Exactly these decisions stand in that ledger; not one byte of them was changed since they were signed.",
        "The documents in the bundle are the ones the decisions name: texts, marked changes, pages as shown, controls.",
        "The versions were published as the publications say.",
        *_witnessed(one.checkpoint),
    ]
    unproven = [
        _CLOCK,
        "Who the person is: the subject is an identifier of the operator's.",
        "That these are all decisions of that subject: the operator chose what to pack.",
        "What statement.html says in its own words: it is for reading.",
    ]
    data = {
        "decisions": [receipt.entry.to_record() for receipt in bundle.decisions],
        "links": [receipt.entry.to_record() for receipt in bundle.links],
        "documents": dict(bundle.documents),
        "missing": [list(item) for item in bundle.missing],
        "checkpoint": _checkpoint_data(one.checkpoint),
    }
    keys = tuple(sorted({str(key) for receipt in bundle.decisions for key in receipt.keys}))
    return Report("bundle", bundle.trusted, keys, tuple(facts), tuple(proven), tuple(unproven), tuple(findings), data)


def match_document(entry: Entry, data: bytes) -> str:
    """Say which document of an entry a file is: its text, redline, page ….

    Args:
        entry: names documents by their digests.
        data: the file. Texts are also tried in their canonical form, so other line ends do no harm.

    Raises:
        VerificationError: it is none of them.
    """
    digests = {sha256(data).hexdigest()}
    with suppress(TextError):  # a page or a redline need not be a text
        digests.add(text_digest(canonical_text(data)))
    record = entry.to_record()
    places: list[Mapping[str, object]] = [record, *record.get("texts", ())]
    for place in places:
        for name, value in place.items():
            if isinstance(value, str) and value in digests:
                return name
    hint = "not one byte of a document may differ; take the file from the bundle, or from where it was published"
    if data.startswith(b"---"):
        hint = "it begins with front matter, which is no part of the text people accept; " + hint
    raise VerificationError("the file is none of the documents the entry names", hint=hint)


def _witnessed(signed: SignedCheckpoint) -> list[str]:
    return [
        f"The witness {item.name} saw the ledger in this state at {when(item.time * SECOND)}."
        for item in signed.note.signatures
        if item.time is not None and item.time < 253_402_300_800  # the year 10000, where the calendar ends
    ]


def _checkpoint_data(signed: SignedCheckpoint) -> dict[str, Any]:
    head = signed.checkpoint
    signatures = [{"name": item.name, "time": item.time} for item in signed.note.signatures]
    return {"origin": head.origin, "size": head.size, "root": head.root.hex(), "signatures": signatures}
