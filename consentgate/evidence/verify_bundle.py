#!/usr/bin/env python3
"""Check this bundle with nothing but Python: ``python verify.py [FOLDER or ZIP] [--key VKEY]``.

What is checked: the digest of every file; of each receipt the leaf hash, the proof up to the signed root, the personal
values against their commitments; that every document is one a proven entry names; and the Ed25519 signature where the
package ``cryptography`` or the program ``openssl`` is there to do it. Without ``--key`` the key inside the bundle is
used: compare it with the one the operator publishes. Exit code: 0 fine, 1 refused, 2 wrong usage, 3 fine but no
signature checked.

Formats: RFC 6962 (tree), C2SP signed-note, tlog-checkpoint and tlog-proof, RFC 8785 (JSON). This file stands alone on
purpose: it imports nothing but the standard library, so that in twenty years it can still be read and run.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any


class Refused(Exception):  # noqa: N818 - it is what is printed
    """Something does not verify."""


def main(arguments: list[str]) -> int:
    """Run the check; returns the exit code."""
    # A key that was given and not understood must never mean "no key": that would accept what anybody signed.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("place", metavar="FOLDER or ZIP", nargs="?", default=Path(__file__).resolve().parent)
    parser.add_argument("--key", metavar="VKEY", help="the key the operator publishes")
    given = parser.parse_args(arguments)
    try:
        return check(load(Path(given.place)), given.key)
    except Refused as error:
        say(f"REFUSED: {plain(str(error))}\nNothing in this bundle is proven.")
        return 1
    except Exception as error:  # noqa: BLE001 - whatever a damaged file does to this program, it is a refusal
        say(f"REFUSED: something in it cannot be read ({plain(repr(error))})\nNothing in this bundle is proven.")
        return 1


def load(place: Path) -> dict[str, bytes]:
    """Read a folder or a zip file: bytes by path."""
    if place.is_file():
        with zipfile.ZipFile(place) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return {
        path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()
    }


def check(files: dict[str, bytes], key: str | None) -> int:
    """Check everything; returns the exit code."""
    sums = files.pop("SHA256SUMS", b"").decode()
    listed = {line[66:]: line[:64] for line in sums.splitlines()}
    for name, wanted in listed.items():
        demand(name in files, f"{name} is missing")
        demand(hashlib.sha256(files[name]).hexdigest() == wanted, f"{name} was changed")
    demand(bool(listed) and set(files) == set(listed), "there are files that SHA256SUMS does not list")
    written = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    demand(sums == written, "SHA256SUMS was changed")
    signed: set[bool] = set()
    named: set[str] = set()
    keys: set[str] = set()
    for name in sorted(files):
        if name.endswith(".receipt"):
            entry, its_keys, ok = receipt(name, files[name], key)
            named |= set(digests(entry))
            keys |= set(its_keys)
            signed.add(ok)
    demand(bool(keys), "there is no receipt in this bundle")
    for name, data in files.items():
        if name.startswith("documents/"):
            demand(hashlib.sha256(data).hexdigest() in named, f"{name} is named by no proven entry")
    if signed == {False}:
        say("\nThe digests and proofs are right, but NO SIGNATURE WAS CHECKED: neither the Python package")
        say("`cryptography` nor the program `openssl` is here. Run this again where one of them is.")
        return 3
    say("\nEverything in this bundle verifies" + (" with the key you gave." if key else ", with the key inside it:"))
    if key is None:
        say("\n".join(f"  {plain(one)}" for one in sorted(keys)))
        say("Compare it, to the last letter, with the one the operator publishes.")
    return 0


def receipt(name: str, data: bytes, trusted: str | None) -> tuple[dict[str, Any], list[str], bool]:
    """Check one receipt: (entry, keys, whether its signature was checked)."""
    head, _, proof = data.partition(b"\n\n")
    lines = head.decode().split("\n")
    demand(lines[0] == "consentgate receipt v1", f"{name} is no receipt")
    leaf = lines[1].removeprefix("entry ").encode()
    openings = json.loads(lines[2].removeprefix("openings "))
    keys = [line.removeprefix("key ") for line in lines[3:]]
    entry = json.loads(leaf)
    for field, (salt, value) in openings.items():
        message = b"consentgate/commit/v1\0" + compact([field, value])
        made = base64.urlsafe_b64encode(hmac.digest(unbase64url(salt), message, "sha256")).decode().rstrip("=")
        demand(hmac.compare_digest(made, entry["commitments"][field]), f"{name}: the value of {field} was changed")
    path, _, note = proof.decode().partition("\n\n")
    first, index, *hashes = path.split("\n")
    demand(first == "c2sp.org/tlog-proof@v1", f"{name} has no tlog-proof")
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    place, width = int(index.removeprefix("index ")), int(size)
    reached = climb(place, width, hashlib.sha256(b"\0" + leaf).digest(), [base64.b64decode(one) for one in hashes])
    demand(reached == base64.b64decode(root), f"{name}: the entry is not in the signed tree")
    checked = signature(name, origin, (text + "\n").encode(), signatures, keys, trusted)
    told = [field for field in ("visitor", "subject", "administrator") if field in openings]
    who = ", ".join(f"{field} {openings[field][1]}" for field in told)
    what = " ".join(str(entry[part]) for part in ("type", "decision", "policy", "version") if entry.get(part))
    where = f"entry {place}, counting from 0, of {width} in {origin}"
    line = f"ok  {what}, {entry['at']}" + (f", {who}" if who else "") + f"  [{where}]"
    say(plain(line))
    return entry, keys, checked


def climb(index: int, size: int, node: bytes, path: list[bytes]) -> bytes:
    """Root that an inclusion proof leads to (RFC 9162 §2.1.3.2)."""
    demand(0 <= index < size, "the proof is for a place outside the tree")
    last = size - 1
    for sibling in path:
        demand(last > 0, "the proof is too long")
        if index & 1 or index == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    demand(last == 0, "the proof is too short")
    return node


def signature(name: str, origin: str, text: bytes, lines: str, keys: list[str], trusted: str | None) -> bool:
    """Check the ledger's signature under a checkpoint; ``False`` where nothing here can do that."""
    for key in [trusted] if trusted else keys:
        owner, _, encoded = key.split("+", 2)
        raw = base64.b64decode(encoded)
        key_id = hashlib.sha256(owner.encode() + b"\n" + raw).digest()[:4]
        for line in lines.splitlines():
            made = base64.b64decode(line.split(" ")[-1])
            if owner == origin and raw[:1] == b"\1" and line.startswith(f"\u2014 {owner} ") and made[:4] == key_id:
                good = ed25519(raw[1:], made[4:], text)
                demand(good is not False, f"{name}: the signature is wrong")
                return good is not None
    raise Refused(f"{name}: it is not signed by {'the key you gave' if trusted else 'the key it names'}")


def ed25519(public: bytes, made: bytes, text: bytes) -> bool | None:
    """Whether a signature is right; ``None`` where nothing here can tell."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return by_openssl(public, made, text)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(made, text)
    except InvalidSignature:
        return False
    return True


def by_openssl(public: bytes, made: bytes, text: bytes) -> bool | None:
    """The same by the program openssl (3.0 or later)."""
    der = bytes.fromhex("302a300506032b6570032100") + public  # RFC 8410 §4: the key's wrapping is always the same
    with tempfile.TemporaryDirectory() as folder:
        key, mark, words = (Path(folder, name) for name in ("key.der", "signature", "text"))
        for path, data in ((key, der), (mark, made), (words, text)):
            path.write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(key), "-rawin"]
        try:
            done = subprocess.run(  # noqa: S603 - fixed words and paths of our own
                [*command, "-in", str(words), "-sigfile", str(mark)], capture_output=True, check=False
            )
        except OSError:
            return None
    return done.returncode == 0


def digests(entry: dict[str, Any]) -> list[str]:
    """Digests of the documents an entry names."""
    found = [entry.get(field) for field in ("text", "redline", "page", "control", "gate", "policy_digest")]
    for text in entry.get("texts", []):
        found += [text["text"], text["raw"], text["summary"]]
    return [one for one in found if one]


def compact(value: Any) -> bytes:
    """RFC 8785, for the values that stand in our records."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unbase64url(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def demand(condition: bool, otherwise: str) -> None:
    """Refuse unless a condition holds."""
    if not condition:
        raise Refused(otherwise)


def plain(text: str) -> str:
    """One line without signs that move the cursor: what stands in a file must not pass for words of this program."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
