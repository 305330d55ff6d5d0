"""Hold what the gate works with against what the ledger says was published.

Room: service; part of `consentgate.service.verify`. Policies, versions, translations and redlines are rows that can be
read without their entries; here every one of them is derived again from the entries and the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field

from sqlalchemy import Connection, select

from consentgate.errors import ConsentGateError
from consentgate.evidence.entry import AdminEntry, PublishEntry
from consentgate.service.cancel import ACTION as CANCEL
from consentgate.service.proposals import PROPOSE
from consentgate.service.publish import REDLINE as REDLINE_MEDIA
from consentgate.service.publish import SETTINGS
from consentgate.store import blobs
from consentgate.store import policies as shelf
from consentgate.store.policies import TranslationRow, VersionRow
from consentgate.store.tables import BLOB, CANCELLATION, REDLINE
from consentgate.terms.canonical import digest
from consentgate.terms.instants import Instant
from consentgate.terms.redline import ALGORITHM, compare, from_bytes, to_bytes

Tell = Callable[[str], None]


@dataclass(slots=True)
class Published:
    """What the publications in the ledger add up to.

    Args:
        settings: digest of the settings in force, by policy.
        first: when each version was published, by serial.
        cancelled: when versions were cancelled, by serial.
        last: the newest entry of each version, which has all its texts, by serial.
    """

    settings: dict[str, str] = field(default_factory=dict)
    first: dict[int, Instant] = field(default_factory=dict)
    cancelled: dict[int, Instant] = field(default_factory=dict)
    last: dict[int, PublishEntry] = field(default_factory=dict)

    def take(self, entry: PublishEntry | AdminEntry) -> Iterable[str]:
        """Add an entry; the digests of the documents it names."""
        if isinstance(entry, AdminEntry):
            if entry.action == CANCEL:
                self.cancelled[int(str(entry.details["serial"]))] = entry.at
            if entry.action == PROPOSE:
                return (str(entry.details["content"]),)
            if entry.action != SETTINGS:
                return ()
            self.settings[str(entry.details["policy"])] = named = str(entry.details["settings"])
            return (named,)
        self.settings[entry.policy] = entry.policy_digest
        self.first.setdefault(entry.serial, entry.at)
        self.last[entry.serial] = entry
        return {entry.policy_digest} | {
            one for text in entry.texts for one in (text.text, text.raw, text.summary) if one is not None
        }

    def check(self, connection: Connection, tell: Tell) -> None:
        """Compare with the rows."""
        rows = shelf.load_calendar(connection)
        _same_keys("the policy", self.settings.keys(), [row.slug for row in rows.policies], tell)
        for policy in rows.policies:
            if self.settings.get(policy.slug, "") not in ("", digest(policy.settings.encode())):
                tell(f"the settings of {policy.slug} are not those the ledger says")
        _same_keys("the version", self.last.keys(), [row.serial for row in rows.versions], tell)
        for version in rows.versions:
            if version.serial in self.last:
                texts = [row for row in rows.translations if row.serial == version.serial]
                self._check_version(connection, version, texts, tell)
        rows_there = connection.execute(select(CANCELLATION.c.serial, CANCELLATION.c.at)).all()
        there = {row.serial: row.at for row in rows_there}
        for serial in sorted({one for one, _ in self.cancelled.items() ^ there.items()}):
            tell(f"whether and when version {serial} was cancelled is not what the ledger says")
        _check_redlines(connection, tell)

    def _check_version(self, connection: Connection, row: VersionRow, texts: list[TranslationRow], tell: Tell) -> None:
        name, entry = f"{row.policy} {row.label}", self.last[row.serial]
        if row.published != self.first[row.serial]:
            tell(f"{name} was not published when its row says")
        said = (entry.policy, entry.version, entry.impact, entry.announced, entry.effective, entry.enforced)
        if (*said, entry.prevailing) != (*row[1:7], row.prevailing):
            tell(f"{name} is not what was published under this name")
        if {astuple(one) for one in entry.texts} != {
            (one.language, one.title, one.digest, one.raw_digest, digest(one.summary.encode()) if one.summary else None)
            for one in texts
        }:
            tell(f"the texts of {name} are not those that were published")
        sizes = {
            one.digest: len(one.data) for one in blobs.get_blobs(connection, [one.digest for one in texts]).values()
        }
        if any(one.size != sizes.get(one.digest, one.size) for one in texts):
            tell(f"a text of {name} has another size than its row says")


def _same_keys(what: str, entered: Iterable[object], there: Iterable[object], tell: Tell) -> None:
    entered, there = set(entered), set(there)
    for one in sorted(map(str, entered - there)):
        tell(f"{what} {one} was published, and it is missing")
    for one in sorted(map(str, there - entered)):
        tell(f"{what} {one} was never published in the ledger")


def _check_redlines(connection: Connection, tell: Tell) -> None:
    """Each redline must be the one its two texts give: it is what people are shown instead of them."""
    placed = set()
    for old, new, algorithm, named in connection.execute(select(REDLINE)).all():
        placed.add(named)
        kept = blobs.get_blob(connection, named)
        if kept is None or _of(kept.data) != (old, new, algorithm):
            tell(f"the redline from {old[:16]}… to {new[:16]}… is missing, or another one is in its place")
            continue
        texts = blobs.get_blobs(connection, [old, new])
        if algorithm != ALGORITHM or len(texts) < len({old, new}):  # an older algorithm is not here to be asked
            continue
        try:
            fresh = to_bytes(compare(texts[old].data.decode(), texts[new].data.decode()))
        except (UnicodeDecodeError, ConsentGateError):  # a text that is none any more is among the problems already
            continue
        if fresh != kept.data:
            tell(f"the redline from {old[:16]}… to {new[:16]}… is not what these texts give")
    for named in connection.scalars(select(BLOB.c.digest).where(BLOB.c.media == REDLINE_MEDIA)):
        if named not in placed:
            tell(f"the redline {named} lost its place")


def _of(data: bytes) -> tuple[str, str, str] | None:
    """Which texts a kept redline compares, and by which algorithm; ``None`` where it is none."""
    try:
        redline = from_bytes(data)
    except ConsentGateError:
        return None
    return redline.old_digest, redline.new_digest, redline.algorithm
