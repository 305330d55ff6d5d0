"""Signed notes: as strict as Go's, and the same bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.note import (
    COSIGNATURE,
    MAX_SIGNATURES,
    Note,
    Signer,
    Verifier,
    cosign_note,
    generate_key,
    open_note,
    parse_note,
    sign_note,
)

# The key and the signed note from the documentation of Go's package.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_NOTE = (GO_TEXT + "\n" + GO_SIGNATURE).encode()

ONE = Signer("one.example", b"\1" * 32)
TWO = Signer("two.example/log", b"\2" * 32)
WITNESS = Signer("witness.example", b"\3" * 32, COSIGNATURE)
TEXT = "first line\n\nthird line\n"
NOTE = sign_note(TEXT, ONE, TWO)


def test_we_sign_what_go_signs():
    """Go's example key over Go's example text gives Go's signature, and opens."""
    assert sign_note(GO_TEXT, Signer.parse(GO_SIGNER)) == GO_NOTE
    assert open_note(GO_NOTE, [Verifier.parse(GO_VERIFIER)]).text == GO_TEXT
    assert str(Signer.parse(GO_SIGNER).verifier) == GO_VERIFIER


def test_keys_give_back_their_text():
    """A key pair survives being written and read."""
    secret, public = generate_key("ledger.example/terms", b"\7" * 32)

    assert secret == Signer.parse(secret).secret()
    assert public == str(Verifier.parse(public)) == str(Signer.parse(secret).verifier)


@pytest.mark.parametrize(("parse", "key"), [(Verifier.parse, GO_VERIFIER), (Signer.parse, GO_SIGNER)])
def test_mangled_keys_are_refused(parse, key):
    """Every part of a key, and the key with any one character raised by one, is not a key."""
    parts = {key[start:stop] for start in range(len(key)) for stop in range(start + 1, len(key) + 1)} - {key}
    bumped = {key[:at] + chr(ord(key[at]) + 1) + key[at + 1 :] for at in range(len(key))}
    for text in parts | bumped | {""}:
        with pytest.raises(VerificationError):
            parse(text)


@pytest.mark.parametrize(
    "key",
    [
        # Go's: a key of another length, and one of an unknown type, each with a hash that fits.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        # Ours: other spellings of the same key.
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        " PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "\ud800+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_keys_that_only_look_right_are_refused(key):
    """Fitting hashes and other spellings do not help."""
    with pytest.raises(VerificationError):
        Verifier.parse(key)


def test_an_error_about_a_secret_key_does_not_repeat_it():
    """Neither the error, nor what caused it, nor the `repr` of a signer shows the secret."""
    encoded = GO_SIGNER.rpartition("+")[2]
    for text in (GO_SIGNER.replace("c74f20a3", "c74f20a4"), "PRIVATE+KEY+ " + encoded, encoded + "+KEY+a+b+c"):
        with pytest.raises(VerificationError) as caught:
            Signer.parse(text)

        told = f"{caught.value}{caught.value.hint}{caught.value.data}{caught.value.__cause__}"
        assert encoded[4:16] not in told
    assert "seed" not in repr(ONE)
    assert repr(ONE.seed) not in repr(ONE)


@pytest.mark.parametrize(
    ("name", "seed", "kind"), [("", 32, 1), ("a b", 32, 1), ("a+b", 32, 1), ("a", 31, 1), ("a", 32, 2)]
)
def test_impossible_keys_cannot_be_made(name, seed, kind):
    """Names with spaces or pluses, seeds of another length and unknown types are programming errors."""
    with pytest.raises(ValueError):
        generate_key(name, bytes(seed), kind)


def test_a_note_opens_with_any_of_its_keys():
    """The known key's signature is verified, the other stands apart as unverified."""
    for known, unknown in ((ONE, TWO), (TWO, ONE)):
        note = open_note(NOTE, [known.verifier])

        assert note.text == TEXT
        assert [known.name] == [item.name for item in note.signatures]
        assert [unknown.name] == [item.name for item in note.unverified]
    assert Note(TEXT, open_note(NOTE, [ONE.verifier, TWO.verifier]).signatures).format() == NOTE


def test_a_note_that_no_known_key_signed_is_refused():
    """Also where a key has the same name, or the same id."""
    namesake = Signer("one.example", b"\5" * 32).verifier
    for known in ([], [namesake], [WITNESS.verifier]):
        with pytest.raises(VerificationError, match="no known key"):
            open_note(NOTE, known)


def test_one_bad_signature_of_a_known_key_refuses_the_note():
    """A good signature beside it does not help, nor does a good one of the same key before it."""
    good = ONE.sign(TEXT)
    bad = ONE.sign("another text\n")
    for signatures in ([bad], [good, bad], [TWO.sign(TEXT), bad], [bad, good]):
        data = Note(TEXT, tuple(signatures)).format()
        with pytest.raises(VerificationError, match="wrong"):
            open_note(data, [ONE.verifier, TWO.verifier])


def test_two_keys_under_one_name_and_id_are_refused():
    """If a list of keys holds a forged twin, we stop instead of choosing."""
    twin = Verifier("one.example", ONE.verifier.public_key)
    other = Verifier("one.example", bytes(32))
    object.__setattr__(other, "id", twin.id)

    assert open_note(NOTE, [ONE.verifier, twin]).signatures
    with pytest.raises(VerificationError, match="two different keys"):
        open_note(NOTE, [ONE.verifier, other])


def test_no_byte_of_a_note_can_be_changed():
    """Any byte changed in any of several ways: refused, with all keys known."""
    known = [ONE.verifier, TWO.verifier]
    for at in range(len(NOTE)):
        for mask in (0x01, 0x20, 0x80):
            data = NOTE[:at] + bytes([NOTE[at] ^ mask]) + NOTE[at + 1 :]
            try:
                note = open_note(data, known)
            except VerificationError:
                continue
            # A changed name or key id makes the signature one of an unknown key, which must be ignored. The text and
            # the other signature still are as they were.
            assert (note.text, len(note.signatures), len(note.unverified)) == (TEXT, 1, 1)


LINE = NOTE.decode().splitlines()[-1]


@pytest.mark.parametrize(
    "data",
    [
        "", "\n", "\n\n", "text", "text\n", "text\n\n", "text\n\n\n", f"text\n{LINE}\n", f"text\n\n{LINE}",
        f"text\n\n{LINE}\n\n", f"text\n\n{LINE}\n ", f"text\n\n{LINE[2:]}\n", f"text\n\n-{LINE[1:]}\n",
        f"text\n\n— {LINE}\n", f"text\n\n{LINE}\r\n", f"te\rxt\n\n{LINE}\n", f"te\txt\n\n{LINE}\n",
        f"te\0xt\n\n{LINE}\n", f"text\n\n{LINE} \n", f"text\n\n{LINE[:-1]}\n", f"text\n\n{LINE}=\n",
        "text\n\n— name\n", "text\n\n— name \n", "text\n\n—  AAAAAAA=\n", "text\n\n— na+me AAAAAAA=\n",
        "text\n\n— na\u00a0me AAAAAAA=\n", "text\n\n— name AAAA\n", "text\n\n— name AAAAAA==\n",
        "text\n\n— name AAAAAAB=\n", "text\n\n— name AAAA AAA=\n",
    ],
)  # fmt: skip
def test_malformed_notes_are_refused(data):
    """Missing lines, other dashes, control characters, careless base64, names that are none."""
    with pytest.raises(VerificationError):
        parse_note(data.encode())


def test_the_last_blank_line_divides():
    """A text may have blank lines, and even lines that look like signatures."""
    text = f"a\n\n{LINE}\n"
    data = sign_note(text, ONE)

    assert text == open_note(data, [ONE.verifier]).text


def test_notes_are_bounded():
    """A hundred signatures are read, one more is not, and neither is more than a megabyte."""
    many = "text\n\n" + "".join(f"— k{number} AAAAAAA=\n" for number in range(MAX_SIGNATURES))

    assert len(parse_note(many.encode()).unverified) == MAX_SIGNATURES
    with pytest.raises(VerificationError, match="limit"):
        parse_note((many + "— last AAAAAAA=\n").encode())
    with pytest.raises(VerificationError, match="limit"):
        parse_note(sign_note("x" * 1_000_000 + "\n", ONE))


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\0\n", "\ud800\n", "cr\r\n"])
def test_texts_that_cannot_stand_in_a_note_are_not_signed(text):
    """What nobody could open is not signed."""
    with pytest.raises(ValueError):
        sign_note(text, ONE)


def test_a_note_needs_a_signer():
    """Nothing is signed by nobody."""
    with pytest.raises(ValueError):
        sign_note(TEXT)


@given(
    st.binary(max_size=80)
    | st.text(max_size=60).map(str.encode)
    | st.builds(lambda a, b: a + NOTE[:b], st.binary(), st.integers(0, 300))
)
def test_opening_anything_raises_a_verification_error(data):
    """Any bytes are a note that is written the same way, or are refused."""
    try:
        note = parse_note(data)
    except VerificationError:
        pass
    else:
        assert data == note.format()
    with pytest.raises(VerificationError):
        open_note(data, [Signer("nobody.example", b"\6" * 32).verifier])


@given(
    st.text(max_size=70)
    | st.from_regex(r"(PRIVATE\+KEY\+)?[a-z]{1,3}\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}", fullmatch=True)
)
def test_parsing_any_key_raises_a_verification_error(text):
    """Any text is a key, or is refused."""
    for parse in (Verifier.parse, Signer.parse):
        with pytest.raises(VerificationError):
            parse(text)


# --- Witnesses ---


def test_a_witness_adds_the_time_at_which_it_saw_the_note():
    """A cosignature verifies, and its time comes with it; the key's own signature stays."""
    note = open_note(cosign_note(NOTE, WITNESS, 1_679_315_147), [ONE.verifier, TWO.verifier, WITNESS.verifier])

    assert [item.time for item in note.signatures] == [None, None, 1_679_315_147]


def test_a_cosignature_is_over_the_message_of_the_specification():
    """Checked with the bare key: the lines `cosignature/v1` and `time`, then the text."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = WITNESS.sign(TEXT, 17)
    message = b"cosignature/v1\ntime 17\n" + TEXT.encode()

    assert (17).to_bytes(8, "big") == signature.data[:8]
    Ed25519PublicKey.from_public_bytes(WITNESS.verifier.public_key).verify(signature.data[8:], message)


def test_the_time_of_a_cosignature_cannot_be_changed():
    """Any changed byte of time or signature is refused, and so is a signature of the other kind."""
    signature = WITNESS.sign(TEXT, 1_679_315_147)
    for at in range(len(signature.data)):
        data = signature.data[:at] + bytes([signature.data[at] ^ 1]) + signature.data[at + 1 :]
        with pytest.raises(VerificationError):
            WITNESS.verifier.verify(TEXT, data)
    for data in (b"", signature.data[8:], signature.data + b"\0", signature.data[:-1]):
        with pytest.raises(VerificationError):
            WITNESS.verifier.verify(TEXT, data)
    plain = Signer(WITNESS.name, WITNESS.seed)
    with pytest.raises(VerificationError):
        plain.verifier.verify(TEXT, signature.data[8:])
    assert plain.verifier.id != WITNESS.verifier.id


def test_a_time_after_the_end_of_time_is_refused():
    """The specification allows times up to 2^63 - 1; a larger one does not verify even when rightly signed."""
    signature = WITNESS.sign(TEXT, 2**63)
    with pytest.raises(VerificationError):
        WITNESS.verifier.verify(TEXT, signature.data)


def test_only_cosignatures_have_a_time():
    """Signing with the wrong kind of key is a programming error."""
    with pytest.raises(ValueError):
        ONE.sign(TEXT, 5)
    with pytest.raises(ValueError):
        WITNESS.sign(TEXT)
    with pytest.raises(ValueError):
        sign_note(TEXT, WITNESS)


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing():
    """Public keys nobody can have are refused at the latest when they should verify."""
    for public in (b"\xff" * 32, bytes(32)):
        with pytest.raises(VerificationError):
            Verifier("one.example", public).verify(TEXT, ONE.sign(TEXT).data)


def test_signature_lines_are_standard_base64():
    """Key id and signature stand in the line as the specification says."""
    line = str(ONE.sign(TEXT))
    raw = base64.b64decode(line.rpartition(" ")[2])

    assert line.startswith("— one.example ")
    assert (ONE.verifier.id, 68) == (raw[:4], len(raw))
