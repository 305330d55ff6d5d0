"""The table every benchmark prints: a ratio, the bar it must keep, and what stands beside it for comparison.

    from _report import Report
    report = Report("gate", __doc__)          # reads --json and --quick from the command line
    report.ratio("good pass, memo warm / no-op middleware", 3.7, "<=", 4.5)
    report.beside("Starlette SessionMiddleware / no-op middleware", 75.0)
    report.finish()                           # prints, exits 1 when a bar is not kept

Ratios are against baselines of the same run, because machines differ and two numbers taken minutes apart differ too.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Literal, NoReturn

Relation = Literal["<=", ">="]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Args:
        name: what was measured, over what.
        value: the ratio or the number.
        relation: how it must stand to the bar.
        bar: the bar, or ``None`` where nothing is asked.
        unit: after the number; empty for ratios.
        note: a word on how it was measured.
    """

    name: str
    value: float
    relation: Relation = "<="
    bar: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bar is kept."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.relation == "<=" else self.value >= self.bar


class Report:
    """Collects lines and prints them.

    Args:
        name: of the benchmark.
        description: for ``--help``; its first paragraph is printed above the table.
    """

    def __init__(self, name: str, description: str | None = None) -> None:
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--json", action="store_true", help="print a list of {name, value, bar, ok, beside}")
        parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs, not to judge")
        options = parser.parse_args()
        self.json: bool = options.json
        self.quick: bool = options.quick
        self.name = name
        self.title = (description or name).strip().partition("\n\n")[0]
        self.lines: list[Line] = []
        self.peers: list[Line] = []

    def ratio(self, name: str, value: float, relation: Relation, bar: float, *, unit: str = "", note: str = "") -> None:
        """A number of ours with the bar it must keep."""
        self.lines.append(Line(name, value, relation, bar, unit, note))

    def beside(self, name: str, value: float, *, unit: str = "", note: str = "") -> None:
        """A number of somebody else's, for comparison."""
        self.peers.append(Line(name, value, unit=unit, note=note))

    def say(self, text: str) -> None:
        """Progress, on the error stream so that ``--json`` stays clean."""
        print(text, file=sys.stderr, flush=True)

    @property
    def ok(self) -> bool:
        """Whether every bar is kept."""
        return all(line.ok for line in self.lines)

    def finish(self) -> NoReturn:
        """Print everything and end the program: 0 when every bar is kept, else 1."""
        if self.json:
            print(json.dumps([_record(line, beside=False) for line in self.lines]
                             + [_record(line, beside=True) for line in self.peers], indent=2))  # fmt: skip
        else:
            self._print()
        sys.exit(0 if self.ok else 1)

    def _print(self) -> None:
        width = max((len(line.name) for line in (*self.lines, *self.peers)), default=10)
        print(self.title)
        print()
        for line in self.lines:
            mark = "ok  " if line.ok else "OVER" if line.relation == "<=" else "LOW "
            bar = f"bar {line.relation} {line.bar:g}"
            print(f"  {mark} {line.name:<{width}}  {_number(line)}  {bar:<13} {line.note}".rstrip())
        if self.peers:
            print("  beside it:")
        for line in self.peers:
            print(f"       {line.name:<{width}}  {_number(line)}  {line.note}".rstrip())
        if not self.ok:
            print("\n  At least one bar is not kept." + (" (--quick is too short to judge.)" if self.quick else ""))


def _number(line: Line) -> str:
    return f"{line.value:10,.2f}{line.unit and ' ' + line.unit}"


def _record(line: Line, *, beside: bool) -> dict[str, object]:
    return {
        "name": line.name, "value": round(line.value, 4), "bar": line.bar, "ok": line.ok, "beside": beside,
        "relation": line.relation, "unit": line.unit, "note": line.note,
    }  # fmt: skip
