"""The redline on real policy histories: exact, quick, readable, the same everywhere.

Beside it, in the same run: the process ``git diff --no-index --word-diff`` on the same pair (in turns, the quickest of
each counts), a minimal word diff (longest common subsequence), and diff-match-patch with its defaults. Ours is timed
from two texts in memory to the redline's digest. Without the folder of real histories, made ones stand in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import _redline_texts as texts  # noqa: E402
from _redline_minimum import islands, marked_characters, minimal, seen_of, words_of  # noqa: E402
from _redline_texts import Transition  # noqa: E402
from _report import Report  # noqa: E402

from consentgate.terms.canonical import canonical_text  # noqa: E402
from consentgate.terms.markdown import render  # noqa: E402
from consentgate.terms.redline import Redline, compare, from_bytes, rebuild, to_bytes, visible  # noqa: E402

LARGEST = 3.0
SUMMED = 0.6
MEGABYTES = 200


def main() -> None:
    """Measure everything and print it."""
    if len(sys.argv) > 2 and sys.argv[1] in ("--worst", "--digests"):
        {"--worst": worst_child, "--digests": digests_child}[sys.argv[1]](sys.argv[2])
        return
    report = Report("redline", __doc__)
    folder = texts.corpus_folder()
    neighbours = texts.transitions(folder) if folder else texts.made_histories()
    if not folder:
        report.say("the folder of real histories is absent: made ones stand in")
    if report.quick:
        neighbours = neighbours[::12]
    ends = texts.first_to_last(neighbours)
    report.say(f"{len(neighbours)} transitions, {len(ends)} documents from first to last")
    exactness(report, neighbours, ends)
    speed(report, neighbours, ends)
    readability(report, neighbours, ends)
    moves(report)
    quiet(report, neighbours)
    same_bytes(report, ends)
    worst(report)
    report.finish()


# Exactness


def exactness(report: Report, neighbours: list[Transition], ends: list[Transition]) -> None:
    """Both visible texts from every redline, and the redline against the rendered page."""
    report.say("exactness")
    wrong = 0
    for one in [*neighbours, *ends]:
        redline = compare(one.old, one.new)
        again = from_bytes(to_bytes(redline))
        wrong += rebuild(again) != (visible(one.old), visible(one.new)) or again != redline
    both = len(neighbours) + len(ends)
    report.ratio(
        "rebuilt both visible texts exactly", 100 * (1 - wrong / both), ">=", 100, unit="%", note=f"{both} pairs"
    )
    every = {text for one in neighbours for text in (one.old, one.new)}
    wrong = sum(squeezed(rendered(text)) != squeezed(visible_words(text)) for text in every)
    report.ratio("what is compared is what the page shows", 100 * (1 - wrong / len(every)), ">=", 100, unit="%",
                 note=f"{len(every)} texts")  # fmt: skip


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def rendered(text: str) -> str:
    """The letters of the page we would serve."""
    reader = _Words()
    reader.feed(render(text))
    reader.close()
    return "".join(reader.words)


def visible_words(text: str) -> str:
    """The letters the redline compares, without the numbers a browser writes before list items."""
    return "".join(item.text() for item in compare(text, text).items)


def squeezed(text: str) -> str:
    """Without blanks and what has no width; nor the bar that we write between the cells of a table."""
    return re.sub(r"[\s|\u00ad\u200b\u200e\u200f\u2060\ufeff]+", "", text)


# Speed


def speed(report: Report, neighbours: list[Transition], ends: list[Transition]) -> None:
    """Against Git's process, and from first to last."""
    report.say("speed of neighbouring transitions")
    differing = [one for one in neighbours if one.old != one.new]
    with tempfile.TemporaryDirectory() as folder:
        ratios = [timed(one, Path(folder), 3)[0] for one in differing]
        report.ratio("median neighbouring transition / git --word-diff", statistics.median(ratios), "<=", 1.0,
                     note=f"{len(ratios)} pairs")  # fmt: skip
        report.say("speed of the largest transitions")
        slow = sorted(((*timed(one, Path(folder), 9), one.document) for one in texts.largest(differing)), reverse=True)
        ratio, ours, git, name = slow[0]
        over = [line for line in slow if line[0] > LARGEST]
        report.ratio("largest transition of each document, worst / git", ratio, "<=", LARGEST,
                     note=f"{len(over)} of {len(slow)} documents above {LARGEST}; "
                          f"{name}: {ours * 1000:.1f} ms, git {git * 1000:.1f} ms")  # fmt: skip
        report.beside("… the median of them / git", statistics.median(line[0] for line in slow))
        for ratio, ours, git, name in over[1:]:
            report.beside(f"… {name}", ratio, note=f"{ours * 1000:.1f} ms, git {git * 1000:.1f} ms")
        if not report.quick:
            default = [character_diff(one) / git for (_, _, git, _), one in zip(
                sorted(slow, key=lambda line: line[3]), sorted(texts.largest(differing), key=lambda one: one.document),
                strict=True)]  # fmt: skip
            report.beside("diff-match-patch, defaults, largest transitions, median / git", statistics.median(default),
                          note=f"worst {max(default):.0f}; it gives up after a second")  # fmt: skip
    report.say("speed from first to last")
    times = sorted(min(clocked(one) for _ in range(3)) for one in ends)
    report.ratio("version 1 to latest, p95", 1000 * times[int(0.95 * (len(times) - 1))], "<=", 150, unit="ms")
    report.ratio("version 1 to latest, slowest", 1000 * times[-1], "<=", 500, unit="ms")


def clocked(one: Transition) -> float:
    """Seconds from two texts to the digest of their redline."""
    start = time.perf_counter()
    _ = compare(one.old, one.new).digest
    return time.perf_counter() - start


def timed(one: Transition, folder: Path, turns: int) -> tuple[float, float, float]:
    """Our time over Git's, and both in seconds; the quickest of some turns of each."""
    (folder / "old").write_text(one.old)
    (folder / "new").write_text(one.new)
    ours, git = [], []
    for _ in range(turns):
        ours.append(clocked(one))
        start = time.perf_counter()
        subprocess.run(["git", "diff", "--no-index", "--word-diff", "old", "new"], cwd=folder, check=False,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        git.append(time.perf_counter() - start)
    return min(ours) / min(git), min(ours), min(git)


def character_diff(one: Transition) -> float:
    """Seconds that diff-match-patch takes as it comes out of the box."""
    from diff_match_patch import diff_match_patch

    start = time.perf_counter()
    diff_match_patch().diff_main(one.old, one.new)
    return time.perf_counter() - start


# Readability


def readability(report: Report, neighbours: list[Transition], ends: list[Transition]) -> None:
    """Marked characters and islands, against a minimal word diff."""
    report.say("readability")
    inside = 0
    for name, pairs in (("neighbouring", neighbours), ("first to last", ends)):
        ratios, ours, least, lone, least_lone = [], 0, 0, 0, 0
        for one in pairs:
            redline = compare(one.old, one.new)
            edits = minimal(*map(words_of, plain_sides(redline)))
            marked, islets, cut = seen_of(redline)
            smallest = marked_characters(edits)
            ours, least, lone, least_lone = ours + marked, least + smallest, lone + islets, least_lone + islands(edits)
            inside += cut
            if smallest > 200:
                ratios.append(marked / smallest)
        ratios.sort()
        note = f"p95 {ratios[int(0.95 * len(ratios))]:.2f}, worst {ratios[-1]:.2f}" if ratios else ""
        report.ratio(f"marked characters / minimum, {name}", ours / max(1, least), "<=", 1.35, note=note)
        report.ratio(f"islands / those of a minimal word diff, {name}", lone / max(1, least_lone), "<=", 1 / 15,
                     note=f"{lone} against {least_lone}")  # fmt: skip
    report.ratio("edits that begin inside a word", inside, "<=", 0)


def plain_sides(redline: Redline) -> tuple[str, str]:
    """Both visible texts without the numbers a browser writes before list items."""
    old = [item.text(new=False) for item in redline.items if item.op not in ("inserted", "moved")]
    new = [item.text() for item in redline.items if item.op not in ("deleted", "left")]
    return "\n".join(old), "\n".join(new)


def moves(report: Report) -> None:
    """Eight clauses moved, all renumbered."""
    old, new = texts.moved_and_renumbered()
    redline = compare(old, new)
    least = marked_characters(minimal(words_of(visible(old)), words_of(visible(new))))
    marked = seen_of(redline)[0]
    report.ratio(
        "8 clauses moved, all renumbered: marked / minimum",
        marked / least,
        "<=",
        0.1,
        note=f"{redline.summary.moved} moved, {redline.summary.renumbered} renumbered, {marked} characters",
    )


# What shows nothing


def quiet(report: Report, neighbours: list[Transition]) -> None:
    """Changes nobody can see."""
    report.say("what must show nothing")
    shown: dict[str, int] = dict.fromkeys(("re-wrapped", "list marks", "bytes"), 0)
    tried = 0
    latest = {one.document: one.new for one in neighbours}
    for text in latest.values():
        tried += 1
        for name, after in (("re-wrapped", rewrapped(text)), ("list marks", remarked(text)), ("bytes", rebyted(text))):
            shown[name] += not compare(text, after).empty
    for name, count in shown.items():
        report.ratio(f"{name} only: pairs that show a change", count, "<=", 0, note=f"{tried} texts")
    kinds = [one for one in neighbours if one.kind in ("none", "metadata")]
    count = sum(bool(compare(one.old, one.new).changes) for one in kinds)
    report.ratio("front matter or blanks only: pairs that show a change", count, "<=", 0, note=f"{len(kinds)} pairs")


_PROSE = re.compile(r"[^\W\d_][^\n|]*(?:\n[^\W\d_][^\n|]*)*")


def rewrapped(text: str) -> str:
    """Paragraphs of plain prose wrapped at another width, as an editor does it."""
    blocks = text.split("\n\n")
    for number, block in enumerate(blocks):
        if _PROSE.fullmatch(block) and not re.search(r"[`<\\]|  \n|\[[^\]]*$|://", block):
            blocks[number] = _wrap(block)
    return "\n\n".join(blocks)


def _wrap(block: str) -> str:
    lines, line = [], ""
    for word in block.split():
        # No line may begin like a list item, a heading or a rule: that would be another text.
        if len(line) + len(word) > 61 and word[0].isalpha():
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def remarked(text: str) -> str:
    """Another mark before list items (further in it could be a line of indented code)."""
    other = {"*": "-", "-": "+", "+": "*"}
    return re.sub(r"(?m)^( {0,3})([-*+])(?= [^\s*+-])", lambda found: found[1] + other[found[2]], text)


def rebyted(text: str) -> str:
    """The same text as another editor would have saved it."""
    return canonical_text("\ufeff" + unicodedata.normalize("NFD", text).replace("\n", "\r\n"))


# The same bytes


def same_bytes(report: Report, ends: list[Transition]) -> None:
    """Twenty processes with hash seeds of their own, half of them while others keep the machine busy."""
    report.say("the same bytes")
    runs = 4 if report.quick else 20
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([(one.old, one.new) for one in ends[:: max(1, len(ends) // 12)]], file)
        file.flush()
        busy: list[subprocess.Popen[bytes]] = []
        digests = []
        try:
            for run in range(runs):
                if run == runs // 2:
                    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
                child = [sys.executable, __file__, "--digests", file.name]
                seed = {**os.environ, "PYTHONHASHSEED": str(run)}
                digests.append(subprocess.run(child, check=True, capture_output=True, env=seed).stdout)
        finally:
            for process in busy:
                process.kill()
                process.wait()
    same = digests.count(digests[0])
    report.ratio(
        "runs that gave the same bytes",
        100 * same / runs,
        ">=",
        100,
        unit="%",
        note=f"{runs} processes, half under load",
    )


def digests_child(path: str) -> None:
    """In a child: one digest over many redlines."""
    whole = hashlib.sha256()
    for old, new in json.loads(Path(path).read_text()):
        whole.update(to_bytes(compare(old, new)))
    print(whole.hexdigest())


# The worst


def worst(report: Report) -> None:
    """Time and memory of the hard texts, each in a process of its own."""
    report.say("texts made to be hard")
    for name in texts.worst_texts():
        child = [sys.executable, __file__, "--worst", name]
        record = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
        report.ratio(
            f"1 MB, {name}", record["seconds"], "<=", SUMMED, unit="s CPU", note=record["degraded"] or "in full"
        )
        report.ratio(f"1 MB, {name}: memory", record["megabytes"], "<=", MEGABYTES, unit="MB")


def peak_megabytes() -> float:
    """The most memory this process has had, as far as the system can tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def worst_child(name: str) -> None:
    """In a child: one hard pair."""
    reset = Path("/proc/self/clear_refs")
    old, new = texts.worst_texts()[name]
    if reset.is_file():
        reset.write_text("5")  # or the peak would be that of our parent, and of making the texts
    compare("# One\n\n* word [link](/a)\n", "# Two\n\n* words *it* [link](/b)\n")
    start = time.process_time()
    redline = compare(old, new)
    seconds = time.process_time() - start
    megabytes = peak_megabytes()
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, "degraded": redline.degraded}))


if __name__ == "__main__":
    main()
