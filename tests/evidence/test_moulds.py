"""Moulds: decisions are written faster, in the very same bytes, and nothing else is taken."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError
from consentgate.evidence import entry as module
from consentgate.evidence.commitments import Opening, format_openings
from consentgate.evidence.encoding import format_base64url
from consentgate.evidence.entry import DECISIONS, KINDS, METHODS, SOURCES, DecisionEntry, decode, encode
from consentgate.evidence.moulds import MOST, Moulds
from consentgate.terms.canonical import canonical_json
from consentgate.terms.identifiers import uuid7

identifiers = st.builds(uuid7, st.integers(0, 2**47 * 1000), st.binary(min_size=10, max_size=10))
instants = st.integers(0, 253_402_300_799_999_999)
digests = st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
words = st.from_regex(r"[A-Za-z%é][A-Za-z0-9 ü%s\"\\.\-]{0,10}[a-z]", fullmatch=True)
names = st.sampled_from([*sorted(DecisionEntry.PERSONAL), "x_host"])
committed = st.binary(min_size=32, max_size=32).map(format_base64url)
gaps = st.fixed_dictionaries(
    {
        "id": identifiers,
        "at": instants,
        "commitments": st.dictionaries(names, committed, max_size=5),
        "offer": st.none() | st.uuids(),
        "supersedes": st.none() | identifiers,
        "expires": st.none() | instants,
    }
)
facts = st.fixed_dictionaries(
    {
        "policy": words, "kind": st.sampled_from(KINDS), "version": words, "serial": st.integers(0, 2**53 - 1),
        "language": st.sampled_from(["en", "de-CH", "zh-Hant-TW"]), "text": digests.filter(bool),
        "compared": st.none() | words, "redline": digests, "page": digests, "control": digests,
        "decision": st.sampled_from(DECISIONS), "method": st.sampled_from(METHODS),
        "source": st.sampled_from(SOURCES), "gate": digests, "test": st.booleans(),
    }
)  # fmt: skip
SOME = {
    "id": uuid7(10**15, b"0123456789"), "at": 10**15, "commitments": {"subject": "A" * 43}, "policy": "terms",
    "kind": "contract", "version": "1", "serial": 1, "language": "en", "text": "0" * 64, "decision": "accept",
    "method": "api",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_moulds(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left of the test before."""
    monkeypatch.setattr(module, "_MOULDS", {})


@given(facts, gaps, gaps)
def test_the_second_of_its_kind_has_the_bytes_of_the_long_way(shown, first, second) -> None:
    """Whatever was shown, and whoever decides: the first goes the long way, those after it come from its mould."""
    encode(DecisionEntry(**shown, **first))
    for gap in (first, second, second | {"commitments": first["commitments"]}):
        entry = DecisionEntry(**shown, **gap)
        assert encode(entry) == canonical_json(entry.to_record())
        assert decode(encode(entry)) == entry


def test_the_second_of_its_kind_does_come_from_a_mould(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing here is tested."""
    first = encode(DecisionEntry(**SOME))
    monkeypatch.setattr(module, "canonical_json", None)
    assert encode(DecisionEntry(**SOME)) == first


class _Word(str, Enum):  # noqa: UP042 - the very kind that str() writes otherwise
    """Equal to a string, and written as one only by luck."""

    CONTRACT = "contract"


WRONG = {
    "a time that is none": {"at": -1}, "a time as text": {"at": "now"}, "a truth for a time": {"at": True},
    "another UUID": {"id": UUID(int=5)}, "no UUID": {"id": "5"}, "a replaced one of another kind":
    {"supersedes": UUID(int=5)}, "an offer as text": {"offer": "x"}, "an end before time": {"expires": -1},
    "a commitment cut off": {"commitments": {"subject": "A" * 42}},
    "a commitment with a quotation mark": {"commitments": {"subject": '"' + "A" * 42}},
    "a commitment that is a number": {"commitments": {"subject": 5}},
    "a field nobody knows": {"commitments": {"shoe_size": "A" * 43}},
    "no commitments": {"commitments": None}, "truth for a number": {"serial": True},
    "a number for truth": {"test": 0}, "a number that is not whole": {"serial": 1.0},
    "a list for a word": {"policy": ["terms"]}, "a word that is not allowed": {"kind": _Word.CONTRACT},
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_mould_takes_nothing_that_the_long_way_refuses(change: dict[str, object]) -> None:
    """With a mould for the right ones there, the wrong ones end as they do without."""
    found = []
    for prepared in (False, True):
        module._MOULDS.clear()
        if prepared:
            encode(DecisionEntry(**SOME))
        try:
            found.append(encode(DecisionEntry(**{**SOME, **change})))
        except CanonicalError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_an_entry_that_is_too_long_is_refused_from_a_mould_too() -> None:
    """Many fields of the host's own, each small."""
    encode(DecisionEntry(**SOME))
    many = {f"x_{number}": "A" * 43 for number in range(1_300)}
    for _ in range(2):
        with pytest.raises(CanonicalError, match="the limit is"):
            encode(DecisionEntry(**{**SOME, "commitments": many}))


def test_moulds_are_bounded() -> None:
    """More pages than moulds: nothing grows, and the bytes are the same."""
    moulds = Moulds(field.name for field in fields(DecisionEntry))
    entry = DecisionEntry(**SOME)
    for serial in range(MOST + 5):
        one = replace(entry, serial=serial)
        data = canonical_json(one.to_record())
        moulds.keep(one, one.to_record(), data)
        assert moulds.fill(one) == data
    assert len(moulds._moulds) == 5


openings = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True),
    st.builds(Opening, st.binary(min_size=32, max_size=32), st.text(st.characters(exclude_categories=["Cs"]))),
    max_size=5,
)


@given(openings)
def test_openings_have_the_bytes_of_canonical_json(opened: dict[str, Opening]) -> None:
    """Whatever the values are: control characters, quotation marks, any script."""
    record = {name: [format_base64url(one.salt), one.value] for name, one in opened.items()}
    assert format_openings(opened).encode() == canonical_json(record)
