"""Links whose words stayed and whose target changed.

Room: terms (pure). Called by the redline. A reader does not see a target, yet a text can bind by what it points to.
"""

from __future__ import annotations

from collections.abc import Sequence

from consentgate.terms.inline import Cell
from consentgate.terms.redline_items import LinkChange
from consentgate.terms.words import seen


def changed_links(index: int, olds: Sequence[Cell], news: Sequence[Cell]) -> list[LinkChange]:
    """Links whose words stand on both sides and whose targets differ.

    Args:
        index: of the part the cells belong to.
        olds, news: the cells of one block, or of the blocks that are one on the other side.
    """
    before, after = _targets(olds), _targets(news)
    if before == after:
        return []
    changes = []
    for text, targets in after.items():
        for old, new in zip(before.get(text, ()), targets, strict=False):
            if old != new:
                changes.append(LinkChange(index, text, old, new))
    if _words(olds) == _words(news):  # a link was put on, or taken off, words that stayed
        for text in [*before, *(text for text in after if text not in before)]:
            one, other = before.get(text, []), after.get(text, [])
            changes += [LinkChange(index, text, old, "") for old in one[len(other) :]]
            changes += [LinkChange(index, text, "", new) for new in other[len(one) :]]
    return changes


def _words(cells: Sequence[Cell]) -> list[str]:
    return [seen("".join(run.text for run in cell)) for cell in cells]


def _targets(cells: Sequence[Cell]) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for cell in cells:
        text = href = ""
        for run in cell:
            if run.href == href:
                text += run.text
                continue
            if href:
                targets.setdefault(seen(text), []).append(href)
            text, href = run.text, run.href
        if href:
            targets.setdefault(seen(text), []).append(href)
    return targets
