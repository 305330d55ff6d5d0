"""Texts to compare: the folder of real policy histories where it is there, and texts made here.

The real histories are not part of the repository (set CONSENTGATE_SHARED, or put the folder ``shared`` beside it).
Where they are absent, histories made by a seeded generator stand in, so that the benchmark runs in any clone.
"""

from __future__ import annotations

import json
import os
import random
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Transition:
    """Two versions of one document.

    Args:
        document: name and language.
        old, new: canonical texts without front matter.
        kind: what a heuristic says happened, or empty.
        lines: how many lines changed.
    """

    document: str
    old: str
    new: str
    kind: str = ""
    lines: int = 0


def corpus_folder() -> Path | None:
    """The folder of real histories, if it is there."""
    shared = Path(os.environ.get("CONSENTGATE_SHARED", ROOT.parent / "shared"))
    return shared / "corpus" if (shared / "corpus" / "transitions.json").is_file() else None


def read_text(raw: bytes) -> str:
    """A file of the corpus as a canonical text: what is not allowed in a published text is dropped, not refused."""
    from consentgate.terms.canonical import canonical_text

    text = raw.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = _FRONT_MATTER.sub("", _CONTROL.sub("", text), count=1)
    return canonical_text(text if text.strip() else "(empty)")


def transitions(folder: Path) -> list[Transition]:
    """Every neighbouring pair of the corpus."""
    texts: dict[str, str] = {}

    def text(path: str) -> str:
        if path not in texts:
            texts[path] = read_text((folder / path).read_bytes())
        return texts[path]

    found = []
    for record in json.loads((folder / "transitions.json").read_text())["transitions"]:
        path = Path(record["from"])
        language = path.name.split(".")[1] if path.name.count(".") > 1 else ""
        lines = record["lines_deleted"] + record["lines_inserted"]
        document = f"{path.parent}.{language}".rstrip(".")
        found.append(Transition(document, text(record["from"]), text(record["to"]), record["kind"], lines))
    return found


def first_to_last(neighbours: list[Transition]) -> list[Transition]:
    """Version 1 and the latest of each document."""
    ends: dict[str, tuple[str, str]] = {}
    for one in neighbours:
        first = ends[one.document][0] if one.document in ends else one.old
        ends[one.document] = (first, one.new)
    return [Transition(document, old, new) for document, (old, new) in ends.items() if old != new]


def largest(neighbours: list[Transition]) -> list[Transition]:
    """The transition that touches most lines, for each document (its languages together)."""
    found: dict[str, Transition] = {}
    for one in neighbours:
        name = one.document.partition(".")[0]
        if name not in found or one.lines > found[name].lines:
            found[name] = one
    return list(found.values())


# What follows is made here.

_SYLLABLES = [
    "ba",
    "co",
    "da",
    "fe",
    "gi",
    "ho",
    "ju",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "wa",
    "xe",
    "yo",
    "zu",
]


def vocabulary(size: int, seed: int = 1) -> list[str]:
    """So many words that mean nothing."""
    draw = random.Random(seed)
    return ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(size)]


def sentence(draw: random.Random, words: list[str], length: int) -> str:
    """Words with a capital and a full stop."""
    return " ".join(draw.choices(words, k=length)).capitalize() + "."


def policy(seed: int, clauses: int = 100) -> list[str]:
    """The clauses of a policy, without their numbers."""
    draw = random.Random(seed)
    words = vocabulary(1500)
    return [" ".join(sentence(draw, words, draw.randint(6, 18)) for _ in range(draw.randint(2, 6)))
            for _ in range(clauses)]  # fmt: skip


def numbered(clauses: list[str], first: int = 1) -> str:
    """Clauses as a numbered list."""
    return "# Terms\n\n" + "\n\n".join(f"{number}. {text}" for number, text in enumerate(clauses, first)) + "\n"


def moved_and_renumbered() -> tuple[str, str]:
    """Eight of a hundred clauses moved, and all numbers changed."""
    clauses = policy(7)
    after = list(clauses)
    draw = random.Random(8)
    for clause in draw.sample(clauses, 8):
        after.remove(clause)
        after.insert(draw.randrange(len(after)), clause)
    return numbered(clauses), numbered(after, first=20)


def edited(text: str, seed: int) -> str:
    """Some words of a text changed, some sentences added and removed."""
    draw = random.Random(seed)
    words = vocabulary(400, seed)
    paragraphs = text.split("\n\n")
    for number in range(0, len(paragraphs), 9):
        parts = paragraphs[number].split(" ")
        parts[draw.randrange(len(parts))] = draw.choice(words)
        paragraphs[number] = " ".join(parts)
    at = draw.randrange(1, len(paragraphs))
    paragraphs.insert(at, " ".join(sentence(draw, words, 12) for _ in range(3)))
    del paragraphs[draw.randrange(1, len(paragraphs))]
    return "\n\n".join(paragraphs).rstrip("\n") + "\n"


def made_histories() -> list[Transition]:
    """Histories that stand in where the real ones are absent."""
    found = []
    for document in range(6):
        text = numbered(policy(document, 20 + 40 * document))
        for version in range(6):
            after = edited(text, 10 * document + version)
            found.append(Transition(f"made-{document}", text, after, lines=version))
            text = after
    return found


SIZE = 999_000


def paragraphs(seed: int, words: list[str], blank: str = "\n\n", size: int = SIZE) -> str:
    """Nearly a megabyte of paragraphs."""
    draw = random.Random(seed)
    found: list[str] = []
    length = 0
    while length < size:
        found.append(sentence(draw, words, 60))
        length += len(found[-1]) + len(blank)
    return blank.join(found)[:size].rstrip() + "\n"


def each_400th_changed(text: str) -> str:
    """Each 400th word another one."""
    count = 0

    def change(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return "altered" if count % 400 == 0 else found[0]

    return re.sub(r"[a-z]+", change, text)


def worst_texts() -> dict[str, tuple[str, str]]:
    """Pairs of nearly a megabyte each that are made to be hard."""
    words = vocabulary(9000)
    backwards = [word[::-1] + "n" for word in words]
    long = paragraphs(1, words)
    line = paragraphs(1, words, " ")
    pieces = long.rstrip("\n").split("\n\n")
    half = len(pieces) // 2
    same = ["The same paragraph stands here, again and again."] * 20_000
    return {
        "unrelated": (long, paragraphs(2, backwards)),
        "unrelated, same vocabulary": (long, paragraphs(2, words)),
        "each 400th word changed": (long, each_400th_changed(long)),
        "halves swapped": (long, "\n\n".join(pieces[half:] + pieces[:half]) + "\n"),
        "ten-word vocabulary": (paragraphs(1, words[:10]), paragraphs(2, words[:10])),
        "ten-word vocabulary, one line": (paragraphs(1, words[:10], " "), paragraphs(2, words[:10], " ")),
        "one line, each 400th word changed": (line, each_400th_changed(line)),
        "one line, unrelated": (line, paragraphs(2, words, " ")),
        "20,000 identical paragraphs": ("\n\n".join(same) + "\n", "\n\n".join(same[:-7]) + "\n"),
        "20,000 identical, one word changed": (
            "\n\n".join(same) + "\n",
            "\n\n".join(text.replace("again.", "anew.") for text in same) + "\n",
        ),
        "only asterisks": ("**a* " * 190_000 + "\n", "**b* " * 190_000 + "\n"),
        "only brackets": ("[" * 900_000 + "\n", "[" * 900_001 + "\n"),
        "only tags": ("<div><p>x " * 90_000 + "\n", "<div><p>y " * 90_000 + "\n"),
    }  # fmt: skip
