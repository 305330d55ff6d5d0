"""Doctor: look at everything that can be wrong around a ledger, and say in words what to do about it.

Room: service. It opens what is there, changes nothing, and needs neither secret nor signing key; so it also says why a
start was refused. Whether the entries themselves are right is what `consentgate verify` finds.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from consentgate.errors import ConfigurationError, ConsentGateError, StoreError, VerificationError
from consentgate.evidence.checkpoint import Checkpoint, open_checkpoint
from consentgate.evidence.note import Signer, Verifier
from consentgate.evidence.tiles import Frontier
from consentgate.service.alarms import Alarm
from consentgate.service.engine import ORIGIN, VERIFIERS, anchor_path, past_of
from consentgate.service.erase import scrub_state
from consentgate.service.erasure_log import ErasureLog
from consentgate.service.keys import key_file, load_signer
from consentgate.service.ledger import Ledger
from consentgate.service.reapply import unknown
from consentgate.service.settings import Settings, database_url, server_database
from consentgate.service.traces import REWRITE
from consentgate.store import erasing, meta
from consentgate.store.database import Database
from consentgate.terms.instants import SECOND, Instant, format_instant

Level = Literal["ok", "note", "warning", "error"]

_SMALLEST_DISK = 200 * 1024 * 1024
_LONG_LOG = 128 * 1024 * 1024
_APART = 2 * SECOND
_FIXED_SQLITE = (3, 51, 3)
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "afs"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at.

    Args:
        level: ``ok``; ``note``: to know; ``warning``: will hurt one day; ``error``: hurts now.
        what: what was found, one sentence.
        hint: what to do; empty where nothing need be done.
    """

    level: Level
    what: str
    hint: str = ""


Findings = Iterator[Diagnosis]


def examine(
    settings: Settings,
    *,
    now: Instant,
    alarms: Sequence[Alarm] = (),
    version: tuple[int, ...] = sqlite3.sqlite_version_info,
) -> tuple[Diagnosis, ...]:
    """Look at everything.

    Args:
        settings: as configured.
        now: instant.
        alarms: of the running handle.
        version: of SQLite.

    Returns:
        What was found, the worst first.
    """
    found = [*_alarms(alarms)]
    if not server_database(settings.database):
        found += _sqlite(version)
    file = settings.place
    if file is not None:
        files = _state(file) if server_database(settings.database) else _files(file)
        found += [*files, *_key(settings, file)]
    if file is None or server_database(settings.database) or (file.is_file() and os.access(file, os.R_OK)):
        found += _opened(settings, file, now)
    order = {"error": 0, "warning": 1, "note": 2, "ok": 3}
    return tuple(sorted(found, key=lambda one: order[one.level]))


def _alarms(alarms: Sequence[Alarm]) -> Findings:
    for alarm in alarms:
        yield Diagnosis("error", alarm.what, alarm.hint)


def _sqlite(version: tuple[int, ...]) -> Findings:
    name = ".".join(map(str, version))
    if version < (3, 37):
        yield Diagnosis("error", f"SQLite {name} knows no STRICT tables", "use a Python with SQLite 3.37 or newer")
    elif version < _FIXED_SQLITE:
        yield Diagnosis(
            "note",
            f"SQLite {name} can damage a file when two programs checkpoint its log at one instant",
            "our processes take turns; open the database with other programs only for reading (fixed in 3.51.3)",
        )
    else:
        yield Diagnosis("ok", f"SQLite {name}")


# --- files -------------------------------------------------------------------------------------------------------


def _files(file: Path) -> Findings:
    if not file.parent.is_dir():
        yield Diagnosis("error", f"the folder {file.parent} does not exist", "make it, or set database= to another")
        return
    if not os.access(file.parent, os.W_OK):
        yield Diagnosis("error", f"the folder {file.parent} cannot be written", "give this account the right to write")
    if not file.exists():
        yield Diagnosis("warning", f"there is no database {file}", "it is made at the first start; or check the path")
    for path in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + ".generation")):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            yield Diagnosis(
                "error", f"{path} cannot be read and written", "give it to the account that runs the application"
            )
    if file.exists() and _others_may_read(file):
        yield Diagnosis(
            "warning", f"everybody on this machine may read {file}", f"it holds personal data: chmod 600 {file}"
        )
    yield from _disk(file)
    log = file.with_name(file.name + "-wal")
    if log.exists() and log.stat().st_size > _LONG_LOG:
        yield Diagnosis(
            "warning",
            f"the write-ahead log has {log.stat().st_size / 1e6:,.0f} MB: a long reader keeps it from being reused",
            "end long exports, backups and forgotten database shells",
        )


def _state(place: Path) -> Findings:
    """The folder that stands in for the one a SQLite file lies in."""
    folder = place.parent
    if not folder.is_dir():
        yield Diagnosis("note", f"there is no folder {folder}", "it is made at the first start; or set state= to it")
    elif not os.access(folder, os.W_OK):
        yield Diagnosis("error", f"the folder {folder} cannot be written", "give this account the right to write")
    elif os.name == "posix" and folder.stat().st_mode & stat.S_IRWXO:
        yield Diagnosis("warning", f"others on this machine may look into {folder}", f"chmod 700 {folder}")


def _disk(file: Path) -> Findings:
    usage = shutil.disk_usage(file.parent)
    if usage.free < _SMALLEST_DISK:
        yield Diagnosis(
            "warning",
            f"{usage.free / 1e6:,.0f} MB are free where the database is",
            "make room: a full disk refuses decisions",
        )
    if (kind := _filesystem(file.parent)) in _NETWORK:
        yield Diagnosis(
            "error",
            f"the database lies on a network file system ({kind})",
            "put it on a local disk: SQLite's log and our locks do not hold there",
        )


def _filesystem(folder: Path) -> str | None:
    """The kind of file system a folder is on, where Linux tells."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    place, best, kind = str(folder.resolve()), "", None
    for _, mount, found, *_rest in (line.split(" ") for line in lines):
        if (place == mount or place.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _others_may_read(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)


def _key(settings: Settings, file: Path) -> Findings:
    place = key_file(settings.ledger_key, file)
    if place is None:
        yield Diagnosis("note", "the signing key stands in the settings", "a file of its own is easier to keep secret")
        return
    if not place.exists():
        level: Level = "error" if file.exists() else "note"
        yield Diagnosis(level, f"there is no signing key {place}", "restore it from your backup of keys")
        return
    try:
        load_signer(settings.ledger_key, file)
    except ConfigurationError as error:
        yield Diagnosis("error", str(error), error.hint)
    if os.name == "posix" and place.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Diagnosis("warning", f"others on this machine may read the signing key {place}", f"chmod 600 {place}")


# --- what is in the database -------------------------------------------------------------------------------------


def _opened(settings: Settings, file: Path | None, now: Instant) -> list[Diagnosis]:
    if file is None:
        return []
    try:
        database = Database.open(database_url(settings.database), create=False)
    except ConsentGateError as error:
        return [Diagnosis("error", f"the database cannot be opened: {error}", error.hint)]
    try:
        checks: tuple[Callable[[Database, Settings, Path, Instant], Findings], ...] = (_ledger, _erasures)
        return [one for check in checks for one in check(database, settings, file, now)]
    except StoreError as error:
        return [Diagnosis("error", f"the database cannot be read: {error}", error.hint)]
    finally:
        database.close()


def _ledger(database: Database, settings: Settings, file: Path, now: Instant) -> Findings:
    values = database.read(meta.everything)
    origin = values.get(ORIGIN)
    if origin is None:
        yield Diagnosis("note", "this database holds no ledger yet", "it gets one at the first start")
        return
    if origin.startswith("localhost"):
        yield Diagnosis(
            "note", f"the ledger is called {origin}", "before going live begin one with a name of your own: origin="
        )
    verifiers = [Verifier.parse(text) for text in json.loads(values.get(VERIFIERS, "[]"))]
    yield from _own_key(settings, file, origin)
    past = past_of(values)
    ledger = Ledger(Signer(origin, bytes(32)), verifiers, lambda: now, None, past)
    anchor = anchor_path(file)
    # Before the head is read: another process may add entries in between.
    remembered = anchor.read_bytes() if anchor is not None and anchor.exists() else None
    try:
        head = database.read(ledger.load)
    except StoreError as error:
        yield Diagnosis("error", f"the ledger is damaged: {error}", error.hint)
        return
    for one in past:
        lost = max(0, one.known - one.size)
        yield Diagnosis(
            "note", f"{one.origin} ended at {one.size:,} entries, and {lost:,} were lost; {origin} goes on", ""
        )
    if head is None:
        yield Diagnosis("note", f"the ledger {origin} has no entry yet", "")
        return
    entries = "entry" if head.size == 1 else "entries"
    yield Diagnosis("ok", f"the head of {origin} is signed by its key: {head.size:,} {entries}", "")
    if head.at > now + _APART:
        yield Diagnosis(
            "error",
            f"the last entry is of {format_instant(head.at)}, the clock says {format_instant(now)}",
            "set the clock of this host; until then entries get the time of the one before",
        )
    yield from _anchor(database, ledger, head.size, remembered)


def _own_key(settings: Settings, file: Path, origin: str) -> Findings:
    try:
        signer = load_signer(settings.ledger_key, file)
    except ConfigurationError:
        return  # said already
    if signer is not None and signer.name != origin:
        yield Diagnosis(
            "error",
            f"the signing key is that of {signer.name}, the ledger is {origin}",
            "put the key file of this database in its place",
        )


def _anchor(database: Database, ledger: Ledger, size: int, remembered: bytes | None) -> Findings:
    """Hold the database against what is remembered outside of it."""
    if remembered is None:
        yield Diagnosis(
            "warning",
            "there is no anchor file beside the database: an old backup would not be noticed by it",
            "it is written with the next entry; keep a checkpoint elsewhere, too",
        )
        return
    try:
        known = open_checkpoint(remembered, ledger.verifiers).checkpoint
    except VerificationError as error:
        yield Diagnosis("warning", f"the anchor file cannot be used: {error}", "it is written anew with the next entry")
        return
    if known.origin != ledger.origin:
        yield Diagnosis("note", f"the anchor file is still of {known.origin}", "it is written anew with the next entry")
    elif known.size > size:
        yield Diagnosis(
            "error",
            f"the database has {size:,} entries; the anchor file remembers {known.size:,}: an old backup was restored",
            "look for a newer copy; if the newest is lost, begin a new epoch with `consentgate epoch`",
        )
    elif not _agrees(database, ledger, known):
        yield Diagnosis(
            "error",
            f"the first {known.size:,} entries are not those the anchor file remembers: there are two histories",
            "stop every process; find out which database is the right one, see `consentgate verify`",
        )
    else:
        yield Diagnosis("ok", f"the anchor file agrees, up to entry {known.size:,}", "")


def _agrees(database: Database, ledger: Ledger, known: Checkpoint) -> bool:
    try:
        frontier = database.read(lambda connection: Frontier.load(known.size, ledger.reader(connection, known.size)))
    except VerificationError:
        return False
    return frontier.root == known.root


def _erasures(database: Database, _settings: Settings, file: Path, _now: Instant) -> Findings:
    remembered = ErasureLog.beside(file).read()
    lost = database.read(lambda connection: unknown(connection, remembered))
    if lost:
        yield Diagnosis(
            "error",
            f"{len(lost):,} erasures are not in this database: a backup brought back what was erased",
            "run `consentgate erase --reapply`",
        )
    scrub = database.read(scrub_state)
    if scrub == "due":
        yield Diagnosis(
            "warning",
            "what was erased may still be in the files of the database or in its log",
            f"end long readers; it is cleared at the next erasure, at the next start, or by `{REWRITE}`",
        )
    elif scrub == "rewrite":
        yield Diagnosis(
            "note",
            "what was erased may still be in unused space of the data files, because the table is large",
            f"run `{REWRITE}` at a quiet hour: nobody can decide while it does",
        )
    if held := database.read(erasing.held_tags):
        yield Diagnosis("note", f"{len(held):,} subjects are under a legal hold", "see `consentgate hold`")
