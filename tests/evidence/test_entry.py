"""Entries: one byte form, read strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError, VerificationError
from consentgate.evidence import entry as module
from consentgate.evidence.entry import (
    DECISIONS,
    ERASURES,
    IMPACTS,
    KINDS,
    METHODS,
    SOURCES,
    TYPES,
    AdminEntry,
    DecisionEntry,
    EpochEntry,
    EraseEntry,
    LinkEntry,
    NoticeEntry,
    PublishedText,
    PublishEntry,
    decode,
    encode,
)
from consentgate.evidence.tiles import MAX_ENTRY_BYTES
from consentgate.terms.canonical import canonical_json
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import format_instant

COMMITMENT = "A" * 43
DAYS = 3650 * 86_400_000_000

identifiers = st.builds(uuid7, st.integers(0, 2**47 * 1000), st.binary(min_size=10, max_size=10))
instants = st.integers(0, 200_000_000_000_000_000)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
words = st.from_regex(r"[A-Za-z0-9é][A-Za-z0-9 ü.\-]{0,10}", fullmatch=True)
languages = st.sampled_from(["en", "de-CH", "zh-Hant-TW", "ar", "x-private"[2:]])
counts = st.integers(0, 2**53 - 1)


def maybe(strategy):
    """The strategy, or `None`."""
    return st.none() | strategy


def commitments(cls):
    """Commitments to names this type allows."""
    allowed = st.sampled_from([*sorted(cls.PERSONAL), "x_host_field"])
    return st.dictionaries(allowed, st.just(COMMITMENT) | st.just("b_-4" + "z" * 38 + "0"), max_size=4)


def build(cls, **fields):
    """Entries of this type."""
    return st.builds(cls, id=identifiers, at=instants, commitments=commitments(cls), **fields)


texts = st.builds(PublishedText, language=languages, title=words, text=digests, raw=digests, summary=maybe(digests))
entries = st.one_of(
    build(
        DecisionEntry, policy=words, kind=st.sampled_from(KINDS), version=words, serial=counts, language=languages,
        text=digests, compared=maybe(words), redline=maybe(digests), page=maybe(digests), control=maybe(digests),
        decision=st.sampled_from(DECISIONS), method=st.sampled_from(METHODS), source=st.sampled_from(SOURCES),
        gate=maybe(digests), offer=maybe(st.uuids()), supersedes=maybe(identifiers), expires=maybe(instants),
        test=st.booleans(),
    ),
    build(
        PublishEntry, policy=words, kind=st.sampled_from(KINDS), version=words, serial=counts,
        impact=st.sampled_from(IMPACTS), announced=instants, effective=instants, enforced=instants,
        prevailing=languages, texts=st.lists(texts, min_size=1, max_size=3).map(tuple), supersedes=maybe(words),
        policy_digest=digests,
    ),
    build(LinkEntry, carried=st.lists(identifiers, max_size=3).map(tuple)),
    build(NoticeEntry, policy=words, version=words, channel=words, message=digests),
    build(
        EraseEntry, refs=st.lists(identifiers, max_size=3).map(tuple),
        fields=maybe(st.lists(words, max_size=3).map(tuple)), mode=st.sampled_from(ERASURES), basis=words,
    ),
    build(
        AdminEntry, action=words,
        details=st.dictionaries(
            st.from_regex(r"[a-z0-9_]{1,5}", fullmatch=True),
            st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | words, max_size=3,
        ),
    ),
    build(
        EpochEntry, origin=words, size=counts, root=digests, known_size=maybe(counts), known_root=maybe(digests)
    ),
)  # fmt: skip


@given(entries)
def test_an_entry_gives_back_itself(entry):
    """Reading what was written gives the same entry, of the same type; the bytes are canonical JSON."""
    data = encode(entry)

    assert decode(data) == entry
    assert type(decode(data)) is type(entry)
    assert canonical_json(json.loads(data)) == data
    assert entry.ref == entry.id.bytes


def test_a_decision_has_the_documented_bytes(make_decision):
    """The bytes of one decision, spelled out: whatever changes them is a new version of the format."""
    entry = make_decision(1, {"subject": COMMITMENT})

    assert (
        encode(entry)
        == (
            '{"at":"2026-01-01T00:00:00.000001Z","commitments":{"subject":"' + COMMITMENT + '"},"compared":null,'
            '"control":"' + "f" * 64 + '","decision":"accept","expires":null,"gate":null,'
            f'"id":"{entry.id}","kind":"contract","language":"en","method":"checkbox-button","offer":null,'
            '"page":"' + "e" * 64 + '","policy":"rules","redline":null,"serial":1,"source":"server","supersedes":null,'
            f'"test":false,"text":"{entry.text}","type":"decision","v":1,"version":"2026-01-01"}}'
        ).encode()
    )


@given(entries, st.data())
def test_a_key_too_many_or_too_few_is_refused(entry, data):
    """What is not understood is not called proven."""
    record = json.loads(encode(entry))
    gone = data.draw(st.sampled_from(sorted(record)))
    for changed in ({**record, "extra": None}, {key: value for key, value in record.items() if key != gone}):
        with pytest.raises(VerificationError):
            decode(canonical_json(changed))


@given(entries, st.data())
def test_a_value_of_another_type_is_refused(entry, data):
    """No field takes a value of a type it does not have: numbers for strings, strings for lists, and so on."""
    record = json.loads(encode(entry))
    key = data.draw(st.sampled_from(sorted(record)))
    for value in ("", "\u0000", -1, [None], ["x"], {"x": []}):
        if value == record[key] or (isinstance(value, list) and entry.TYPE == "erase" and key == "fields"):
            continue
        with pytest.raises(VerificationError):
            decode(canonical_json({**record, key: value}))


def test_every_type_can_be_read_and_no_other(make_decision):
    """The seven types of the design; an unknown type or version is refused."""
    assert set(TYPES) == {"decision", "publish", "link", "notice", "erase", "admin", "epoch"}
    record = json.loads(encode(make_decision(1, {})))
    changes = [{"type": "other"}, {"type": None}, {"type": ["decision"]}, {"type": "link"}]
    changes += [{"v": 2}, {"v": True}, {"v": "1"}, {"v": None}]
    for change in changes:
        with pytest.raises(VerificationError):
            decode(canonical_json({**record, **change}))
    for name in ("type", "v"):
        with pytest.raises(VerificationError):
            decode(canonical_json({key: value for key, value in record.items() if key != name}))


def test_a_record_is_read_by_its_own_type_only(make_decision, publication):
    """A caller who expects a decision does not get a publication."""
    with pytest.raises(VerificationError, match="type"):
        DecisionEntry.from_record(publication.to_record())

    assert DecisionEntry.from_record(make_decision(1, {}).to_record()) == make_decision(1, {})


FIELDS = [
    ("id", "0190f2b4-7c1e-4a3b-8c4d-000000000000"), ("id", "0190F2B4-7C1E-7A3B-8C4D-000000000000"), ("id", None),
    ("at", "2026-01-01T00:00:00Z"), ("at", "2026-13-01T00:00:00.000000Z"), ("at", 0),
    ("offer", "0190F2B4-7C1E-7A3B-8C4D-000000000000"), ("offer", "{0190f2b4-7c1e-7a3b-8c4d-000000000000}"),
    ("policy", " "), ("policy", "a\nb"), ("policy", "a\u2028b"), ("policy", "x" * 201), ("policy", "\u0085"),
    ("serial", -1), ("serial", True), ("serial", "1"), ("test", 1), ("test", None), ("test", "false"),
    ("language", "e"), ("language", "en_US"), ("language", "en-"), ("language", "en\n"),
    ("text", "A" * 64), ("text", "a" * 63), ("text", "a" * 64 + "\n"), ("text", None), ("redline", ""),
    ("decision", "agree"), ("decision", "Accept"), ("method", "button"), ("kind", "law"), ("source", None),
    ("commitments", {"subject": "A" * 42}), ("commitments", {"subject": "A" * 42 + "B"}), ("commitments", []),
    ("commitments", {"subject": "A" * 42 + "="}), ("commitments", {"administrator": COMMITMENT}),
    ("commitments", {"visitor": COMMITMENT}), ("commitments", {"x_": COMMITMENT, "y": COMMITMENT}),
    ("commitments", {"subject": None}), ("commitments", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_careless_fields_of_a_decision_are_refused(make_decision, field, value):
    """Each field has one form, and the error names the field."""
    record = json.loads(encode(make_decision(1, {})))
    with pytest.raises(VerificationError) as caught:
        decode(canonical_json({**record, field: value}))

    assert field in str(caught.value)


def test_the_hosts_own_names_may_be_committed_to(make_decision):
    """Names beginning with `x_` are the host's."""
    entry = make_decision(1, {"x_branch": COMMITMENT})

    assert decode(encode(entry)) == entry


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "short"}, {"serial": True}, {"serial": 2**53}, {"id": UUID(int=5)}, {"at": 10**30}, {"at": "now"},
        {"policy": None}, {"policy": "\ud800"}, {"decision": "agree"}, {"commitments": {"name": COMMITMENT}},
        {"commitments": None}, {"offer": "text"}, {"test": 1},
    ],
)  # fmt: skip
def test_what_nobody_could_read_is_not_written(make_decision, changes):
    """A wrong value is refused when it is recorded, as an error that says what cannot be recorded."""
    with pytest.raises(CanonicalError, match="decision cannot be recorded"):
        encode(replace(make_decision(1, {}), **changes))


def test_an_entry_fits_into_an_entry_bundle(publication):
    """At most 65,535 bytes, writing and reading."""
    wide = replace(publication.texts[0], title="é" * 500)
    huge = replace(publication, texts=(wide,) * 100)
    with pytest.raises(CanonicalError, match="limit"):
        encode(huge)
    record = canonical_json(huge.to_record())
    assert len(record) > MAX_ENTRY_BYTES
    with pytest.raises(VerificationError, match="limit"):
        decode(record)


def test_no_byte_of_an_entry_can_be_changed_unseen(sample):
    """A changed byte gives another entry or a refusal, never the same entry."""
    leaf, entry = sample.leaves[2], sample.entries[2]
    for at in range(len(leaf)):
        for mask in (0x01, 0x20, 0x80):
            try:
                other = decode(leaf[:at] + bytes([leaf[at] ^ mask]) + leaf[at + 1 :])
            except VerificationError:
                continue
            assert other != entry


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"null", b"[]", b'"decision"', b"\xff", b'{"v":1}', b'{"type":"decision","v":1}', b"1" * 5000,
        b"[" * 60_000, b'{"type":1.5,"v":1}', b'{"type":"decision" ,"v":1}', b'{"type":NaN}',
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data):
    """Other JSON, broken JSON, no JSON."""
    with pytest.raises(VerificationError):
        decode(data)


@given(st.binary(max_size=60))
def test_reading_any_bytes_raises_a_verification_error(data):
    """Random bytes are never an entry, and raise nothing else."""
    with pytest.raises(VerificationError):
        decode(data)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["language", "text", "x"]), inner),
    max_leaves=8,
)


@given(st.data(), st.sampled_from(sorted(TYPES)))
def test_reading_any_record_raises_a_verification_error(data, kind):
    """Records with the right keys and any values are entries that are written the same way, or are refused."""
    keys = module._forms(TYPES[kind])
    record = {key: data.draw(json_values, label=key) for key in keys} | {"v": 1, "type": kind}
    record["id"], record["at"] = str(uuid7(0, bytes(10))), format_instant(0)
    record["commitments"] = {}
    raw = canonical_json(record)
    try:
        entry = decode(raw)
    except VerificationError:
        return
    assert encode(entry) == raw
