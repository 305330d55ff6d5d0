"""The pass: small, bound to its subject, sealed, and readable by nobody's clock but its own."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import InputError, SealError
from consentgate.gate.passes import (
    MAX_PASS_LENGTH,
    MAX_SERIALS,
    PASS_PURPOSE,
    Pass,
    PassSealer,
    claims_of,
    is_visitor_id,
    new_visitor_id,
    parse_pass,
)
from consentgate.gate.seals import Seals
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import NOW, OLD_SECRET, SECRET, VISITOR, VISITOR_ID

SEALER = PassSealer(Seals(SECRET))
USER = Subject("42")
SERVICE = Subject("42", SubjectKind.SERVICE)
NAMED_VISITOR = Subject("desk 7", SubjectKind.VISITOR)
SUBJECTS = [VISITOR, USER, SERVICE, NAMED_VISITOR, Subject("name@example.org é", SubjectKind.USER)]

seconds = st.integers(1, 2**32 - 1)
passes = st.builds(
    Pass,
    kind=st.sampled_from(SubjectKind),
    binding=st.binary(min_size=16, max_size=16),
    anonymous=st.just(value=False),
    serials=st.sets(seconds, max_size=MAX_SERIALS).map(lambda serials: tuple(sorted(serials))),
    issued=st.integers(0, 2**32 - 1),
    expires=st.none() | seconds,
    snoozed=st.none() | seconds,
    tree_size=st.integers(0, 2**64 - 1),
    more=st.booleans(),
) | st.builds(
    Pass,
    kind=st.just(SubjectKind.VISITOR),
    binding=st.binary(min_size=16, max_size=16),
    anonymous=st.just(value=True),
    serials=st.just((1, 2)),
    issued=seconds,
    expires=st.none(),
    snoozed=st.none(),
    tree_size=st.just(0),
    more=st.just(value=False),
)


@given(passes)
def test_a_pass_says_after_opening_what_it_said_before_sealing(value: Pass) -> None:
    """Seal and open are inverse for every pass there can be."""
    assert SEALER.open(SEALER.seal(value)) == value


@given(passes)
def test_a_pass_is_short_whatever_it_says(value: Pass) -> None:
    """Even with 48 serials it is below 400 characters, so it always fits a cookie."""
    assert len(SEALER.seal(value)) < MAX_PASS_LENGTH


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.key)
def test_a_pass_belongs_to_its_subject_and_to_nobody_else(subject: Subject) -> None:
    """User 42, service 42 and a visitor are three subjects."""
    value = SEALER.open(SEALER.issue(subject, [1], now=NOW))

    assert [other for other in SUBJECTS if SEALER.belongs_to(value, other)] == [subject]


def test_no_user_id_stands_in_the_cookie() -> None:
    """The id is in the pass only as a keyed digest: neither readable nor to be guessed without the secret."""
    token = SEALER.issue(Subject("alice@example.org"), [1], now=NOW)
    foreign = PassSealer(Seals(OLD_SECRET)).issue(Subject("alice@example.org"), [1], now=NOW)
    data = Seals(SECRET).open(PASS_PURPOSE, token)

    assert b"alice" not in data
    assert SEALER.open(token).binding != PassSealer(Seals(OLD_SECRET)).open(foreign).binding


def test_a_visitor_of_ours_is_known_by_the_random_id_in_the_pass() -> None:
    """The id comes back as it went in; every other pass has none."""
    assert SEALER.open(SEALER.issue(VISITOR, [1], now=NOW)).visitor_id == VISITOR_ID
    assert SEALER.open(SEALER.issue(NAMED_VISITOR, [1], now=NOW)).visitor_id is None
    assert SEALER.open(SEALER.issue(USER, [1], now=NOW)).visitor_id is None


def test_a_visitor_id_has_128_random_bits() -> None:
    """Two ids never meet, and the randomness is the caller's."""
    assert new_visitor_id(lambda size: bytes(range(size))) == "000102030405060708090a0b0c0d0e0f"
    assert is_visitor_id(new_visitor_id(secrets.token_bytes))
    assert not is_visitor_id("0" * 31)
    assert not is_visitor_id("A" * 32)


def test_of_many_versions_the_newest_stay_and_the_pass_says_that_there_are_more() -> None:
    """With 60 acceptances the pass lists the newest 48."""
    value = SEALER.open(SEALER.issue(USER, range(1, 61), now=NOW))

    assert value.serials == tuple(range(13, 61))
    assert value.more
    assert not SEALER.open(SEALER.issue(USER, range(1, 49), now=NOW)).more


def test_instants_become_whole_seconds() -> None:
    """A pass carries seconds; an instant between two of them is cut."""
    token = SEALER.issue(USER, [2, 1, 2], now=NOW + 7, expires=NOW + DAY + 9, snoozed=NOW + SECOND, tree_size=5)

    value = SEALER.open(token)

    assert value.serials == (1, 2)
    assert value.issued == NOW // SECOND
    assert value.expires == (NOW + DAY) // SECOND
    assert value.snoozed_until == NOW + SECOND
    assert value.tree_size == 5


@pytest.mark.parametrize("ahead", [1, 59, 600, 86_400, 10 * 365 * 86_400])
def test_a_clock_ahead_of_ours_is_no_reason_to_refuse(ahead: int) -> None:
    """A pass of a worker whose clock is ahead opens: refusing it would send the visitor in circles."""
    token = SEALER.issue(VISITOR, [1], now=NOW + ahead * SECOND)

    assert SEALER.open(token).serials == (1,)


def test_a_pass_is_refused_when_any_bit_of_it_was_changed() -> None:
    """Forged in any one character, it opens nothing."""
    token = SEALER.issue(VISITOR, [1, 2], now=NOW)
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        assert SEALER.try_open(changed) is None


def test_a_value_sealed_for_another_purpose_is_no_pass() -> None:
    """The bytes of a pass, sealed as an offer, do not open the gate."""
    seals = Seals(SECRET)
    data = seals.open(PASS_PURPOSE, SEALER.issue(VISITOR, [1], now=NOW))

    assert SEALER.try_open(seals.seal("offer", data)) is None
    assert SEALER.try_open(seals.seal(PASS_PURPOSE, data)) is not None


@given(st.binary(max_size=120))
def test_authentic_bytes_of_another_form_count_as_no_pass(data: bytes) -> None:
    """A later release may write another form under the same secret: not ours, but no error either."""
    token = Seals(SECRET).seal(PASS_PURPOSE, data)
    value = SEALER.try_open(token)

    assert value is None or SEALER.seal(value) == token


@pytest.mark.parametrize(
    "data",
    [b"", b"\1" * 39, b"\2" + b"\0" * 39, b"\1\x08" + b"\0" * 38, b"\1" + b"\0" * 38 + b"\1", b"\1" + b"\0" * 43,
     b"\1" + b"\0" * 38 + b"\x31" + b"\0" * 196],
    ids=["empty", "short", "format", "flags", "count", "tail", "too many"],
)  # fmt: skip
def test_each_way_of_not_being_a_pass_is_refused(data: bytes) -> None:
    """Too short, another format, unknown flags, a count that does not fit, more than there may be."""
    assert parse_pass(data) is None


def test_a_pass_of_another_form_raises_a_seal_error() -> None:
    """`open` has one error."""
    with pytest.raises(SealError):
        SEALER.open(Seals(SECRET).seal(PASS_PURPOSE, b"\2" + b"\0" * 39))


def test_a_pass_that_is_too_long_is_not_verified() -> None:
    """Length comes first."""
    token = Seals(SECRET).seal(PASS_PURPOSE, b"\1" * 400)

    assert len(token) > MAX_PASS_LENGTH
    assert SEALER.try_open(token) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"serials": (2, 1)},
        {"serials": (1, 1)},
        {"serials": tuple(range(1, 50))},
        {"serials": (2**32,)},
        {"serials": (-1,)},
        {"issued": -1},
        {"expires": 2**32},
        {"tree_size": 2**64},
        {"binding": b"short"},
        {"anonymous": True, "kind": SubjectKind.USER},
    ],
    ids=str,
)
def test_a_pass_that_could_not_be_read_back_is_not_written(changes: dict[str, Any]) -> None:
    """What does not fit the form is refused while it can still be told."""
    value = Pass(SubjectKind.VISITOR, b"\0" * 16, anonymous=False, serials=(1,), issued=1)
    with pytest.raises(InputError):
        SEALER.seal(value._replace(**changes))


def test_after_a_rotation_old_passes_still_belong_to_their_users() -> None:
    """The digest made with the older secret counts too, so rotating keys asks nobody again."""
    old, both = PassSealer(Seals(OLD_SECRET)), PassSealer(Seals((SECRET, OLD_SECRET)))
    token = old.issue(USER, [1], now=NOW)

    value = both.open(token)

    assert both.belongs_to(value, USER)
    assert not both.belongs_to(value, Subject("43"))
    assert not both.is_newest(token)


def test_sealing_again_moves_a_pass_to_the_newest_secret() -> None:
    """Sealed again it opens with the new secret alone, for the same subject."""
    both = PassSealer(Seals((SECRET, OLD_SECRET)))
    for subject in SUBJECTS:
        value = both.open(PassSealer(Seals(OLD_SECRET)).issue(subject, [1, 2], now=NOW, snoozed=NOW))

        again = SEALER.open(both.seal_again(value, subject))

        assert again.serials == (1, 2)
        assert SEALER.belongs_to(again, subject)


def test_the_bindings_of_a_subject_are_those_its_passes_can_have() -> None:
    """What is revoked by binding hits passes of every secret in use."""
    both = PassSealer(Seals((SECRET, OLD_SECRET)))
    for subject in SUBJECTS:
        bindings = both.bindings(subject)
        for sealer in (SEALER, PassSealer(Seals(OLD_SECRET))):
            assert sealer.open(sealer.issue(subject, [1], now=NOW)).binding in bindings


@given(passes, passes)
def test_equal_claims_mean_equal_rights(one: Pass, other: Pass) -> None:
    """Two passes with equal claims differ only in whose they are, when they were sealed, and the tree."""
    first, second = (Seals(SECRET).open(PASS_PURPOSE, SEALER.seal(value)) for value in (one, other))
    same = one._replace(binding=other.binding, issued=other.issued, tree_size=other.tree_size) == other

    assert (claims_of(first) == claims_of(second)) == same
    assert parse_pass(first) == one
