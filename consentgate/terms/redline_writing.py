"""How a redline is written down: canonical JSON, part by part.

Room: terms (pure). Called by `redline`, which writes what it finds at once, and by `redline_form`, which writes again
what it has read, to refuse what we would not have written. It is RFC 8785 by hand (keys in order, no blanks), because
there is much to write, and nothing in it that JSON refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted

ALGORITHM = "consentgate-redline/2"
"""Name of the rules by which the marks are made; another rule gets another number."""

write_text = _quoted
"""A stretch that is kept, as its Markdown."""


def write_redline(
    *,
    digests: tuple[str, str],
    parts: Sequence[str],
    links: Sequence[tuple[int, str, str, str]],
    references: Sequence[Sequence[str]],
    degraded: str | None,
    algorithm: str = ALGORITHM,
) -> bytes:
    """The whole.

    Args:
        digests: of the old and of the new canonical text.
        parts: written by `write_item` and `write_text`.
        links, references, degraded, algorithm: as in `redline_form.Redline`.
    """
    written = [f"[{place},{_quoted(text)},{_quoted(old)},{_quoted(new)}]" for place, text, old, new in links]
    defined = [f"[{','.join(map(_quoted, reference))}]" for reference in references]
    return (
        f'{{"algorithm":{_quoted(algorithm)},"degraded":{"null" if degraded is None else _quoted(degraded)},'
        f'"links":[{",".join(written)}],"new":{_quoted(digests[1])},"old":{_quoted(digests[0])},'
        f'"parts":[{",".join(parts)}],"references":[{",".join(defined)}]}}'
    ).encode()


def write_item(
    op: str,
    kind: str,
    level: int,
    path: str,
    lead: bool,
    old_number: str,
    new_number: str,
    cells: Sequence[tuple[str, Sequence[tuple[str, str, str, str]]]],
    source: int = -1,
    joined: str = "",
) -> str:
    """One block: the values of a `redline_items.Item`, in its order; what is empty is left out."""
    if len(cells) == 1:
        record = f'{{"cells":[{_write_cell(*cells[0])}]'
    else:
        record = f'{{"cells":[{",".join([_write_cell(*cell) for cell in cells])}]'
    if joined:
        record += f',"joined":"{joined}"'
    record += f',"kind":"{kind}","lead":true' if lead else f',"kind":"{kind}"'
    if level:
        record += f',"level":{level}'
    if new_number:
        record += f',"new_number":{_quoted(new_number)}'
    if old_number:
        record += f',"old_number":{_quoted(old_number)}'
    record += f',"op":"{op}"'
    if path:
        record += f',"path":{_quoted(path)}'
    return record + (f',"source":{source}}}' if source >= 0 else "}")


def _write_cell(op: str, pieces: Sequence[tuple[str, str, str, str]]) -> str:
    written = [
        f'["{fate}",{_quoted(text)}]'
        if not marks and not href
        else f'["{fate}",{_quoted(text)},"{marks}",{_quoted(href)}]'
        if href
        else f'["{fate}",{_quoted(text)},"{marks}"]'
        for fate, text, marks, href in pieces
    ]
    return f'["{op}",[{",".join(written)}]]'


def with_source(item: str, source: int) -> str:
    """A block that moved, once it is known where it came from."""
    return f'{item[:-1]},"source":{source}}}'
