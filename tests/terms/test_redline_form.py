"""Laws of the redline's canonical bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError
from consentgate.terms.canonical import canonical_json, digest, text_digest
from consentgate.terms.redline import compare, from_bytes, rebuild, to_bytes, visible

OLD = """# House rules

See the [list] for prices. Doors open at nine.

1. Shoes stay outside.
2. Coats hang on the hooks by the door.

| a | b |
|---|---|
| 1 | 2 |

The cat is not to be fed.

Umbrellas go into the stand, not onto the floor.

Bicycles go into the yard.

[list]: /prices
"""
NEW = """# House rules

See the [list] for prices. Doors open at ten.

1. Phones are silent.
2. Shoes stay outside.
3. Coats hang on the [hooks](/hooks) by the door.

| a | b |
|---|---|
| 1 | 3 |

Umbrellas go into the stand, not onto the floor.

Bicycles go into the yard.

The cat is not to be fed.

[list]: /prices
"""


def test_reading_what_was_written_gives_the_same_redline() -> None:
    """to_bytes and from_bytes are inverse, and what is derived is the same."""
    redline = compare(OLD, NEW)
    again = from_bytes(to_bytes(redline))
    assert again == redline
    assert (again.items, again.changes, again.links, again.summary) == (
        redline.items, redline.changes, redline.links, redline.summary,
    )  # fmt: skip
    assert rebuild(again) == (visible(OLD), visible(NEW))


def test_the_bytes_are_canonical_json_and_their_digest_is_the_redlines() -> None:
    """Anybody's RFC 8785 writes the same bytes; the digest is over them; both texts are named by theirs."""
    redline = compare(OLD, NEW)
    data = to_bytes(redline)
    record = json.loads(data)
    assert canonical_json(record) == data
    assert redline.digest == digest(data)
    assert (record["old"], record["new"]) == (text_digest(OLD), text_digest(NEW))


def test_what_did_not_change_is_kept_as_the_markdown_it_is() -> None:
    """An auditor reads the unchanged stretches in the record itself."""
    record = json.loads(to_bytes(compare(OLD, NEW)))
    assert "# House rules\n\n" in record["parts"]


def change(path: list[Any], value: Any) -> bytes:
    """The record with one value changed."""
    record = json.loads(to_bytes(compare(OLD, NEW)))
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return canonical_json(record)


def first(op: str) -> int:
    """Index of the first part with this fate."""
    parts = json.loads(to_bytes(compare(OLD, NEW)))["parts"]
    return next(index for index, part in enumerate(parts) if isinstance(part, dict) and part["op"] == op)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["old"], 7),
        (["algorithm"], None),
        (["degraded"], ""),
        (["degraded"], 1),
        (["parts"], {"a": 1}),
        (["parts", 1], 3),
        (["links", 0], [99, "hooks", "", "/hooks"]),
        (["links", 0], [0, "hooks", ""]),
        (["references", 0], ["LIST", "/prices"]),
        (["references", 0], ["LIST", "/prices", None]),
        (["more"], 1),
    ],
)
def test_bytes_that_are_no_redline_are_refused(path: list[Any], value: Any) -> None:
    """Whatever is wrong with a record, the refusal is a CanonicalError."""
    with pytest.raises(CanonicalError):
        from_bytes(change(path, value))


@pytest.mark.parametrize(
    ("op", "path", "value"),
    [
        ("inserted", ["op"], "invented"),
        ("inserted", ["kind"], "video"),
        ("inserted", ["cells"], []),
        ("inserted", ["cells", 0, 0], "!"),
        ("inserted", ["cells", 0, 1, 0, 0], "!"),
        ("inserted", ["cells", 0, 1, 0, 1], 5),
        ("inserted", ["cells", 0, 1, 0], ["+", "words", "b", "/x", "more"]),
        ("inserted", ["level"], 0),
        ("inserted", ["lead"], "yes"),
        ("inserted", ["joined"], "both"),
        ("inserted", ["source"], 0),
        ("inserted", ["colour"], "red"),
        ("moved", ["source"], 0),
        ("moved", ["source"], 999),
        ("moved", ["op"], "inserted"),
    ],
)
def test_items_that_we_do_not_write_are_refused(op: str, path: list[Any], value: Any) -> None:
    """Unknown fates, kinds and fields, wrong types, moves from nowhere, and values we would have left out."""
    with pytest.raises(CanonicalError):
        from_bytes(change(["parts", first(op), *path], value))


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_never_reads_as_the_same_redline(place: int, value: int) -> None:
    """Whatever byte is changed, the bytes are refused or make another redline with another digest."""
    redline = compare(OLD, NEW)
    data = bytearray(to_bytes(redline))
    place %= len(data)
    if data[place] == value:
        return
    data[place] = value
    try:
        other = from_bytes(bytes(data))
    except CanonicalError:
        return
    assert other != redline
    assert other.digest != redline.digest
