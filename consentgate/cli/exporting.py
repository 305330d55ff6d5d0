"""The work of ``consentgate export``: where it reads, where it writes, and how it goes on after an interruption.

Room: cli. A database is read with nothing but its driver (`OfDriver`): no SQLAlchemy, no signing key, no thread, so
that a million decisions take a few seconds and 40 MB. What cannot be read that way is opened like the application does.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from consentgate.cli.output import progress, tell
from consentgate.cli.project import with_terms
from consentgate.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from consentgate.service.export import FormName
    from consentgate.service.export_source import Source
    from consentgate.service.selection import Cursor, Selection
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms


@dataclass(frozen=True, slots=True)
class Job:
    """What to export.

    Args:
        form: ``ndjson``, ``csv`` or ``parquet``.
        where: which entries.
        output: the file, or ``None`` for standard output.
        cursor: only what comes after it.
        resume: go on with what an interrupted export has left.
    """

    form: FormName
    where: Selection
    output: Path | None
    cursor: Cursor | None
    resume: bool


@dataclass(slots=True)
class Done:
    """What was written, all in all.

    Args:
        lines, size: how many lines and bytes.
        digest: SHA-256 of all bytes of a Parquet file; the other forms end with theirs.
    """

    lines: int = 0
    size: int = 0
    digest: str | None = None


def run_export(settings: Settings, job: Job) -> Done:
    """Export.

    Raises:
        ConsentGateError: the ledger cannot be read, or what there is cannot be continued.
    """
    from consentgate.service.export_source import OfDriver, OfEngine

    source = OfDriver.open(settings) if job.cursor is None and not job.resume else None
    if source is not None:
        try:
            return _export(source, job)
        finally:
            source.close()

    async def work(terms: Terms) -> Done:
        return _export(OfEngine(terms.engine), job)  # it blocks, but nobody else waits for this loop

    return with_terms(settings, work, reading=True)


def _export(source: Source, job: Job) -> Done:
    from consentgate.service.export_source import check_policies

    check_policies(source.read(lambda lines: lines.slugs()), job.where.policies)
    if job.output is None:
        return _write(source, job, job.cursor, sys.stdout.buffer, Done())
    part = job.output.with_name(job.output.name + ".part")
    with _opened(part, keep=job.resume) as file:
        cursor, so_far = _left(file, job, part) if job.resume else (job.cursor, Done())
        try:
            done = _write(source, job, cursor, file, so_far)
            file.flush()
            os.fsync(file.fileno())
        except (KeyboardInterrupt, OSError, StoreError):
            if job.form != "parquet":
                tell(f"What was written is in {part}: give the same command with --resume to go on.")
            raise
    part.replace(job.output)
    return done


def _write(source: Source, job: Job, cursor: Cursor | None, file: BinaryIO, so_far: Done) -> Done:
    from consentgate.service.export import pages

    gc.freeze()  # what is loaded now stays: the collector need not look at it again for every thousand rows
    lines, size, digest = so_far.lines, so_far.size, sha256() if job.form == "parquet" else None
    with progress("Exporting", "entries") as show:
        for chunk in pages(source, job.form, job.where, cursor, progress=show):
            file.write(chunk)
            lines += chunk.count(b"\n")
            size += len(chunk)
            if digest is not None:
                digest.update(chunk)
    file.flush()
    return Done(lines, size, None if digest is None else digest.hexdigest())


@contextmanager
def _opened(part: Path, *, keep: bool) -> Iterator[BinaryIO]:
    """The file while it is not whole. Exports name people: nobody else may read it, and no link leads elsewhere."""
    flags = os.O_RDWR | (0 if keep else os.O_CREAT | os.O_EXCL) | getattr(os, "O_NOFOLLOW", 0)
    if not keep:
        part.unlink(missing_ok=True)
    try:
        handle = os.open(part, flags, 0o600)
    except FileNotFoundError as error:
        if keep:
            raise ConfigurationError(
                f"there is no {part} to go on with", hint="export without --resume, to begin anew"
            ) from error
        raise
    with os.fdopen(handle, "r+b") as file:
        yield file


def _left(file: BinaryIO, job: Job, part: Path) -> tuple[Cursor | None, Done]:
    """What an interrupted export has left: cut after its last whole entry.

    Returns:
        Where to go on (``None``: at the beginning), and what is there.
    """
    from consentgate.service.resume import whole_part

    found = whole_part(file, job.form)
    if found is None:
        tell(f"{part} has no whole entry yet; beginning anew.")
        file.seek(0)
        file.truncate()
        return None, Done()
    file.seek(found.size)
    file.truncate()
    return found.cursor, Done(found.lines, found.size)
