"""The tlog-proof form: one spelling, and foreign tools can cut it out."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.proof import InclusionProof

HASH = base64.b64encode(bytes(32)).decode()
proofs = st.builds(
    InclusionProof,
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=50),
)


@given(proofs)
def test_a_proof_gives_back_itself(proof):
    """Reading what was written gives the same proof, its checkpoint verbatim."""
    assert InclusionProof.parse(proof.format()) == proof


def test_a_proof_has_the_lines_of_the_specification():
    """Header, index, hashes, blank line, checkpoint."""
    proof = InclusionProof(7, (bytes(32), b"\1" * 32), b"origin\n")
    second = base64.b64encode(b"\1" * 32).decode()

    assert proof.format() == f"c2sp.org/tlog-proof@v1\nindex 7\n{HASH}\n{second}\n\norigin\n".encode()


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "c2sp.org/tlog-proof@v1\n\nx", "c2sp.org/tlog-proof@v1\nindex 7\n", "index 7\n\nx",
        "c2sp.org/tlog-proof@v2\nindex 7\n\nx", "c2sp.org/tlog-proof@v1\nindex 07\n\nx",
        "c2sp.org/tlog-proof@v1\nindex  7\n\nx", "c2sp.org/tlog-proof@v1\nindex -7\n\nx",
        f"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 7\n{HASH}\n\nx", "c2sp.org/tlog-proof@v1\nindex 7\nAAAA\n\nx",
        f"c2sp.org/tlog-proof@v1\nindex 7\n{HASH} \n\nx", f"c2sp.org/tlog-proof@v1\r\nindex 7\n{HASH}\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 7\n" + f"{HASH}\n" * 64 + "\nx", f"c2sp.org/tlog-proof@v1\n{HASH}\nindex 7\n\nx",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(text):
    """Other headers, careless numbers, an unsigned extra line, more hashes than any tree needs."""
    with pytest.raises(VerificationError):
        InclusionProof.parse(text.encode())


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda tail: b"c2sp.org/tlog-proof@v1\nindex 1\n" + tail))
def test_reading_anything_gives_a_proof_or_a_verification_error(data):
    """Any bytes are a proof that is written the same way, or are refused."""
    try:
        proof = InclusionProof.parse(data)
    except VerificationError:
        return
    assert proof.format() == data


@pytest.mark.parametrize("proof", [InclusionProof(-1, (), b""), InclusionProof(0, (b"short",), b"")])
def test_impossible_proofs_are_not_written(proof):
    """What could not be read again is a programming error."""
    with pytest.raises(ValueError):
        proof.format()
