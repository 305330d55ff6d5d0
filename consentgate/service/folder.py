"""Read a folder of policies from disk.

Room: service (the only place that reads drafts from files). The layout is DESIGN's:

    policies/terms-of-use/policy.toml
    policies/terms-of-use/2024-06-24.en.md

The folder is untrusted input like any other: sizes are looked at before anything is read, and a file that is none
of ours is an error that says so, not a text that silently never gets published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consentgate.errors import DraftError
from consentgate.terms.canonical import MAX_TEXT_BYTES
from consentgate.terms.draft import MAX_FRONT_MATTER_BYTES, Draft, parse_draft
from consentgate.terms.policy import Kind, Policy
from consentgate.terms.policy_file import parse_policy

MAX_FILES = 10_000
_MAX_BYTES = MAX_TEXT_BYTES + MAX_FRONT_MATTER_BYTES


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    Args:
        policies: one for each sub-folder: contracts, notices, consents, each by name.
        drafts: every translation of every version.
    """

    policies: tuple[Policy, ...]
    drafts: tuple[Draft, ...]


def read_folder(root: Path) -> Folder:
    """Read every policy and draft under a folder.

    Raises:
        DraftError: with the file as the author knows it (relative to the folder's parent), and the line.
    """
    if not root.is_dir():
        raise DraftError("there is no such folder", file=str(root), hint="make a sample with `consentgate init`")
    policies: list[Policy] = []
    drafts: list[Draft] = []
    for place in sorted(root.iterdir()):
        if not place.is_dir() or place.name.startswith((".", "_")):
            continue
        policies.append(
            parse_policy(_read(place / "policy.toml", root), slug=place.name, file=_name(place / "policy.toml", root))
        )
        drafts += _drafts(place, root, len(drafts))
    if not policies:
        raise DraftError(
            "there is no policy in this folder", file=str(root), hint="a policy is a sub-folder with a policy.toml"
        )
    # Contracts first: they are what a visitor is stopped for, and come first on the page.
    kinds = list(Kind)
    return Folder(tuple(sorted(policies, key=lambda policy: (kinds.index(policy.kind), policy.slug))), tuple(drafts))


def _drafts(place: Path, root: Path, so_far: int) -> list[Draft]:
    drafts: list[Draft] = []
    labels: dict[str, str] = {}
    for path in sorted(place.iterdir()):
        if path.suffix != ".md" or path.name.startswith((".", "_")) or path.name.casefold() == "readme.md":
            continue
        if so_far + len(drafts) >= MAX_FILES:
            raise DraftError(f"more than {MAX_FILES:,} files", file=str(root))
        label, dot, language = path.stem.rpartition(".")
        if not dot or not label:
            raise DraftError(
                "the name has no language",
                file=_name(path, root),
                hint=f"call it {path.stem}.en.md: <version>.<language>.md",
            )
        # Two labels that differ in case only would be two versions here and one file on another machine.
        if labels.setdefault(label.casefold(), label) != label:
            raise DraftError(
                f"two versions with one label: {labels[label.casefold()]} and {label}", file=_name(path, root)
            )
        drafts.append(
            parse_draft(_read(path, root), file=_name(path, root), policy=place.name, label=label, language=language)
        )
    return drafts


def _read(path: Path, root: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DraftError(
                f"{path.stat().st_size:,} bytes; a text may have {MAX_TEXT_BYTES:,}",
                file=_name(path, root),
                hint="split it into several policies, or link to the long annexes",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DraftError("this file is missing", file=_name(path, root), hint="each policy folder needs one") from error
    except OSError as error:
        raise DraftError(f"cannot be read: {error.strerror}", file=_name(path, root)) from error


def _name(path: Path, root: Path) -> str:
    return str(Path(root.name) / path.relative_to(root))
