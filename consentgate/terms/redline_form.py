"""What a redline is: its values, its canonical bytes, and the two texts it can be turned back into.

Room: terms (pure). `redline.compare` makes these; `views` shows them; the ledger keeps their digest; an auditor reads
them back with `from_bytes`. Only what cannot be derived is written down: sections, changes and counts follow from the
items, so that no record can contradict itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from consentgate.errors import CanonicalError
from consentgate.terms.blocks import Block, References, cut_plain, read_piece, read_plain
from consentgate.terms.canonical import digest, parse_canonical_json
from consentgate.terms.chunks import cut
from consentgate.terms.redline_changes import Change, Section, Summary, find_changes, find_sections
from consentgate.terms.redline_items import (
    CELL_OPS,
    IN_NEW,
    IN_OLD,
    KINDS,
    LEFT,
    MOVED,
    NEW_PIECES,
    OLD_PIECES,
    OPS,
    PIECE_OPS,
    Cell,
    Item,
    Kept,
    LinkChange,
    Piece,
    same_item,
)
from consentgate.terms.redline_writing import write_item, write_redline, write_text
from consentgate.terms.words import seen

BLOCKS, PLAIN, WORDS = "blocks", "plain", "words"


@dataclass(frozen=True)
class Redline:
    """The marked comparison of two texts.

    Args:
        data: its canonical bytes; everything else is read from them, when it is first asked for.
    """

    data: bytes = field(repr=False)

    @cached_property
    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.data)
        return record

    @property
    def old_digest(self) -> str:
        """Digest of the old canonical text."""
        return _string(self._record["old"])

    @property
    def new_digest(self) -> str:
        """Digest of the new canonical text."""
        return _string(self._record["new"])

    @property
    def algorithm(self) -> str:
        """The rules by which it was made: `ALGORITHM`."""
        return _string(self._record["algorithm"])

    @property
    def degraded(self) -> str | None:
        """``None``, or what was done more coarsely than usual because there was too much to do, joined by ``+``:
        ``plain`` (Markdown was not read), ``blocks`` (in some stretch no paragraph was paired with the one it came
        from), ``words`` (some passage is shown as replaced as a whole)."""
        degraded = self._record["degraded"]
        return None if degraded is None else _string(degraded)

    @cached_property
    def parts(self) -> tuple[Item | Kept, ...]:
        """Both texts in reading order: items where they differ, kept stretches where they do not."""
        return tuple([Kept(part) if isinstance(part, str) else _read_item(part) for part in self._record["parts"]])

    @cached_property
    def link_parts(self) -> tuple[LinkChange, ...]:
        """Changed link targets, with indices into `parts`."""
        return tuple([LinkChange(item, *map(_string, words)) for item, *words in self._record["links"]])

    @cached_property
    def references(self) -> tuple[tuple[str, ...], ...]:
        """Link definitions that kept stretches need: label, target, title."""
        return tuple([(*map(_string, reference),) for reference in self._record["references"]])

    @cached_property
    def _places(self) -> tuple[tuple[Item, ...], list[int]]:
        """Every item, and for each part the index of its first item."""
        definitions: References = {label: {"href": href, "title": title} for label, href, title in self.references}
        items: list[Item] = []
        places = []
        for part in self.parts:
            places.append(len(items))
            if isinstance(part, Kept):
                items += map(same_item, self._blocks(part.source, definitions))
            else:
                items.append(part)
        for place, item in enumerate(items):
            if item.source >= 0:
                items[place] = item._replace(source=places[item.source])
        return tuple(items), places

    def _blocks(self, source: str, definitions: References) -> Iterator[Block]:
        if PLAIN in self.degradations:
            return (block for piece in cut_plain(source) for block in read_plain(piece))
        return (block for piece in cut(source) for block in read_piece(piece, definitions))

    @property
    def degradations(self) -> tuple[str, ...]:
        """The parts of `degraded`."""
        return tuple(self.degraded.split("+")) if self.degraded else ()

    @property
    def items(self) -> tuple[Item, ...]:
        """Every block of both texts, in reading order."""
        return self._places[0]

    @cached_property
    def links(self) -> tuple[LinkChange, ...]:
        """Changed link targets, with indices into `items`."""
        return tuple(link._replace(item=self._places[1][link.item]) for link in self.link_parts)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The numbered changes, in reading order."""
        return tuple(find_changes(self.items))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Every section, changed or not."""
        return tuple(find_sections(self.items, self.changes))

    @cached_property
    def change_of(self) -> dict[int, int]:
        """Number of the change that an item belongs to, by the item's index."""
        return {index: change.number for change in self.changes for index in change.items}

    @cached_property
    def summary(self) -> Summary:
        """The counts."""
        return Summary(
            changes=len(self.changes),
            sections=sum(1 for section in self.sections if section.changes),
            words_added=sum(change.words_added for change in self.changes),
            words_removed=sum(change.words_removed for change in self.changes),
            moved=sum(1 for item in self.items if item.op == MOVED),
            renumbered=sum(1 for item in self.items if item.renumbered),
            links=len(self.links),
        )

    @property
    def empty(self) -> bool:
        """Whether a reader would see no difference at all: no word, no number, no link target."""
        return not (self.changes or self.links or self.summary.renumbered)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes: what stands in the record."""
        return digest(self.data)


def rebuild(redline: Redline) -> tuple[str, str]:
    """Both visible texts, rebuilt from nothing but the redline.

    Returns:
        what `redline.visible` says of the old and of the new text.
    """
    old = [item for item in redline.items if item.op in IN_OLD]
    new = [item for item in redline.items if item.op in IN_NEW]
    return _side(old, new=False), _side(new, new=True)


def _side(items: list[Item], *, new: bool) -> str:
    ops, side = (NEW_PIECES, "new") if new else (OLD_PIECES, "old")
    lines: list[str] = []
    rest = ""
    for item in reversed(items):
        if item.joined == side:
            rest = item.cells[0].text(ops) + rest
            continue
        number = item.new_number if new else item.old_number
        text = seen(item.cells[0].text(ops) + rest) if rest else item.text(new=new)
        lines.append(f"{number} {text}\n" if number else text + "\n")
        rest = ""
    return "".join(reversed(lines))


def to_bytes(redline: Redline) -> bytes:
    """The redline as canonical JSON (RFC 8785, restricted)."""
    return redline.data


def _written_again(redline: Redline) -> bytes:
    """What its values would be written as."""
    parts = [write_text(part.source) if isinstance(part, Kept) else write_item(*part) for part in redline.parts]
    return write_redline(
        algorithm=redline.algorithm,
        digests=(redline.old_digest, redline.new_digest),
        parts=parts,
        links=redline.link_parts,
        references=redline.references,
        degraded=redline.degraded,
    )


def from_bytes(data: bytes) -> Redline:
    """Read what `to_bytes` wrote.

    Raises:
        CanonicalError: for bytes that `to_bytes` would not have written.
    """
    record = parse_canonical_json(data)
    try:
        redline = Redline(data)
        redline.__dict__["_record"] = record  # as the cached property would
        _check_places(redline)
        again = _written_again(redline)
    except CanonicalError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CanonicalError(f"not a redline: {str(error)[:80]}") from error
    if again != data:
        raise CanonicalError("JSON, but not a redline as we write it")
    return redline


def _check_places(redline: Redline) -> None:
    """No item points to where it did not come from."""
    for part in redline.parts:
        if isinstance(part, Item) and (part.op == MOVED) != (part.source >= 0):
            raise ValueError("a move without its place")
        if isinstance(part, Item) and part.source >= 0:
            left = redline.parts[part.source]
            if not isinstance(left, Item) or left.op != LEFT:
                raise ValueError("a move from where nothing left")
    if any(not 0 <= link.item < len(redline.parts) for link in redline.link_parts):
        raise ValueError("a link outside the text")
    codes = redline.degradations
    if redline.degraded is not None and (
        not codes or list(codes) != sorted({BLOCKS, PLAIN, WORDS}.intersection(codes))
    ):
        raise ValueError("an unknown degradation")
    if any(len(reference) != 3 for reference in redline.references):
        raise ValueError("a reference without label, target and title")


def _read_item(record: dict[str, Any]) -> Item:
    cells = tuple(
        Cell(
            _one_of(op, CELL_OPS), tuple(Piece(_one_of(fate, PIECE_OPS), *map(_string, rest)) for fate, *rest in pieces)
        )
        for op, pieces in record["cells"]
    )
    if not cells:
        raise ValueError("an item without words")
    return Item(
        op=_one_of(record["op"], OPS),
        kind=_one_of(record["kind"], KINDS),
        level=int(record.get("level", 0)),
        path=_string(record.get("path", "")),
        lead=bool(record.get("lead", False)),
        old_number=_string(record.get("old_number", "")),
        new_number=_string(record.get("new_number", "")),
        cells=cells,
        source=int(record.get("source", -1)),
        joined=_one_of(record.get("joined", ""), ("", "old", "new")),
    )


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.20} is not a text")
    return value


def _one_of(value: object, known: Collection[str]) -> str:
    if value not in known:
        raise ValueError(f"unknown {value!r:.20}")
    return str(value)
