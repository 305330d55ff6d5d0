"""Checkpoints: three lines, one spelling, signed by the ledger they speak of."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.checkpoint import (
    Checkpoint,
    keep_signatures,
    open_checkpoint,
    open_with_keys,
    sign_checkpoint,
)
from consentgate.evidence.note import COSIGNATURE, Signer, cosign_note, open_note, sign_note
from consentgate.evidence.tlog import EMPTY_ROOT

LOG = Signer("one.example/terms", b"\1" * 32)
OTHER = Signer("two.example/terms", b"\2" * 32)
WITNESS = Signer("witness.example", b"\3" * 32, COSIGNATURE)
HEAD = Checkpoint("one.example/terms", 5, bytes(range(32)))
SIGNED = sign_checkpoint(HEAD, LOG)
COSIGNED = cosign_note(SIGNED, WITNESS, 1_700_000_000)

origins = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)


@given(origins, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_gives_back_its_values(origin, size, root):
    """Reading what was written gives the same checkpoint."""
    checkpoint = Checkpoint(origin, size, root)

    assert checkpoint == Checkpoint.parse(checkpoint.format())


def test_a_checkpoint_has_three_lines():
    """Origin, size and base64 of the root."""
    assert HEAD.format() == "one.example/terms\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


@given(st.text(max_size=60) | st.from_regex(r"[a-z\n]{0,3}\n[0-9+ ]{0,3}\n[A-Za-z0-9+/]{43}=\n?x?", fullmatch=True))
def test_reading_anything_gives_a_checkpoint_or_a_verification_error(text):
    """What is read would be written the same way; all else is refused."""
    try:
        checkpoint = Checkpoint.parse(text)
    except VerificationError:
        return
    assert text == checkpoint.format()


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", f"o\n5\n{ROOT}", f"o\n5\n{ROOT}\n\n", f"o\n5\n{ROOT}\nextension\n", f"\n5\n{ROOT}\n", f"o\n05\n{ROOT}\n",
        f"o\n-5\n{ROOT}\n", f"o\n5 \n{ROOT}\n", f"o\n5\n{ROOT[:-1]}\n", f"o\n5\n{ROOT}=\n", "o\n5\nAAAA\n",
        f"o\n0\n{ROOT}\n", f"o\r\n5\n{ROOT}\n", f"o\n{2**63}\n{ROOT}\n",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(text):
    """Missing or further lines, careless numbers and base64, and an empty ledger with the root of another."""
    with pytest.raises(VerificationError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 2**63, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
    ],
)
def test_impossible_checkpoints_are_not_written(checkpoint):
    """What could not be read again is a programming error."""
    with pytest.raises(ValueError):
        checkpoint.format()


def test_a_signed_checkpoint_opens():
    """With the ledger's key, and with a witness's beside it."""
    empty = Checkpoint(LOG.name, 0, EMPTY_ROOT)

    assert open_checkpoint(SIGNED, [LOG.verifier], origin=LOG.name).checkpoint == HEAD
    assert open_checkpoint(sign_checkpoint(empty, LOG), [LOG.verifier]).checkpoint == empty
    opened = open_checkpoint(COSIGNED, [WITNESS.verifier, OTHER.verifier, LOG.verifier])
    assert opened.by.name == LOG.name
    assert [item.time for item in opened.note.signatures] == [None, 1_700_000_000]


def test_a_checkpoint_of_another_ledger_is_refused_when_one_is_expected():
    """The caller may name the ledger."""
    with pytest.raises(VerificationError, match="not of"):
        open_checkpoint(SIGNED, [LOG.verifier], origin="two.example/terms")


def test_no_key_speaks_for_another_ledger():
    """A trusted key under another ledger's checkpoint proves nothing, nor does a witness alone."""
    forged = sign_note(HEAD.format(), OTHER)
    with pytest.raises(VerificationError, match="not by the ledger itself"):
        open_checkpoint(forged, [LOG.verifier, OTHER.verifier])
    with pytest.raises(VerificationError, match="not by the ledger itself"):
        open_checkpoint(COSIGNED, [WITNESS.verifier])
    namesake = Signer(LOG.name, b"\4" * 32, COSIGNATURE)
    with pytest.raises(VerificationError, match="not by the ledger itself"):
        open_checkpoint(cosign_note(SIGNED, namesake, 5), [namesake.verifier])
    with pytest.raises(ValueError):
        sign_checkpoint(HEAD, OTHER)


def test_a_signed_text_that_is_no_checkpoint_is_refused():
    """A good signature does not make a checkpoint."""
    with pytest.raises(VerificationError, match="three lines"):
        open_checkpoint(sign_note("hello\n", LOG), [LOG.verifier])


def test_keys_in_the_file_must_be_those_of_the_signatures_one_by_one():
    """A key too many, too few, twice, or in another order is refused."""
    keys = [LOG.verifier, WITNESS.verifier]
    assert not open_with_keys(COSIGNED, keys, None)[1]
    for wrong in ([], keys[:1], keys[::-1], [*keys, OTHER.verifier], [*keys, keys[0]]):
        with pytest.raises(VerificationError):
            open_with_keys(COSIGNED, wrong, None)
    twice = SIGNED + SIGNED.partition(b"\n\n")[2]
    with pytest.raises(VerificationError):
        open_with_keys(twice, [LOG.verifier, LOG.verifier], None)


def test_the_readers_keys_decide_where_they_are_given():
    """The keys in the file may be right in themselves: it counts what the reader trusts."""
    impostor = Signer(LOG.name, b"\5" * 32)
    forged = sign_checkpoint(HEAD, impostor)

    assert not open_with_keys(forged, [impostor.verifier], None)[1]
    assert open_with_keys(SIGNED, [LOG.verifier], [LOG.verifier])[1]
    for trusted in ([LOG.verifier], []):
        with pytest.raises(VerificationError, match="no known key"):
            open_with_keys(forged, [impostor.verifier], trusted)


def test_signatures_can_be_left_out():
    """The rest of the note stays valid; a key that has not signed is refused."""
    kept = keep_signatures(COSIGNED, [LOG.verifier])

    assert kept == SIGNED
    turned = keep_signatures(COSIGNED, [WITNESS.verifier, LOG.verifier])
    assert [item.name for item in open_note(turned, [LOG.verifier, WITNESS.verifier]).signatures] == [
        WITNESS.name,
        LOG.name,
    ]
    for keys in ([], [OTHER.verifier], [LOG.verifier, OTHER.verifier]):
        with pytest.raises(VerificationError):
            keep_signatures(COSIGNED, keys)
