"""Tiles: the public half of the ledger, as other people's monitors read it (https://c2sp.org/tlog-tiles).

Room: service. Nothing personal is here: entries have commitments only. At most 256 rows are read for one answer.
"""

from __future__ import annotations

from sqlalchemy import Connection

from consentgate.errors import NotFoundError, VerificationError
from consentgate.evidence.tiles import TileName, format_entry_bundle, parse_tile_path
from consentgate.evidence.tlog import HASH_SIZE, TILE_WIDTH
from consentgate.service.ledger import Ledger
from consentgate.store import entries as shelf


def read_tile(ledger: Ledger, path: str, connection: Connection) -> tuple[bytes, bool]:
    """Read a tile or an entry bundle.

    Args:
        ledger: for its tree.
        path: below the ledger's address, such as ``tile/0/x001/067`` or ``tile/entries/000.p/8``.
        connection: in a transaction.

    Returns:
        Its bytes, and whether it is full. Both kinds never change once they are there.

    Raises:
        NotFoundError: no such path, or the ledger is not that large.
    """
    try:
        name = parse_tile_path(path)
    except VerificationError as error:
        raise NotFoundError("there is no such tile", hint="see https://c2sp.org/tlog-tiles for the paths") from error
    head = shelf.head(connection)
    if head is None or not name.exists_in(head.size):
        raise NotFoundError("the ledger is not that large yet", hint="the checkpoint says how large it is")
    data = _bundle(name, connection) if name.level is None else _hashes(ledger, name, connection, head.size)
    return data, name.width == TILE_WIDTH


def _bundle(name: TileName, connection: Connection) -> bytes:
    place = name.hashes()
    return format_entry_bundle(row.leaf for row in shelf.entries(connection, place.start, place.stop))


def _hashes(ledger: Ledger, name: TileName, connection: Connection, size: int) -> bytes:
    (hashes,) = ledger.reader(connection, size)([name.hashes()])
    if len(hashes) != name.width * HASH_SIZE:
        raise VerificationError("a tile is missing from the database", hint="run `consentgate verify`")
    return hashes
