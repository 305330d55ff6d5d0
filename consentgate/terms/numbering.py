"""The number a clause begins with, so that a renumbering can be told from a change of words.

Room: terms (pure). Called by the redline. The rule is cautious: what could be part of the sentence ("30 days …",
"2.5 percent …") is not a number of a clause. A changed number is never hidden either: it is shown, quietly.
"""

from __future__ import annotations

import re

_ROMAN = "[ivxlc]{1,7}|[IVXLC]{1,7}"
_LABEL = re.compile(
    r"\s*(?:"
    r"[(（](?:\d{1,3}[a-z]?|[a-zA-Z]|" + _ROMAN + r")[)）]"  # (1) (a) (iv)
    r"|(?:\d{1,3}\.)+\d{1,3}[a-z]?[.)]"  # 4.2. 4.2)
    r"|(?:\d{1,3}[a-z]?|[a-zA-Z]|" + _ROMAN + r")(?:\.\)?|\)|\\\.)(?=\s)"  # 4. 4) a. iv)
    r"|(?:\d{1,2}\.)+\d{1,3}(?=\s+[^\W\d_a-zß-öø-ÿ])"  # 4.2 The …
    r"|§+\s?\d{1,4}[a-z]?(?=\s)\.?"
    r"|[第][0-9一二三四五六七八九十百]{1,5}[条條章节節]"
    r"|[0-9０-９]{1,3}[．、）]|[一二三四五六七八九十]{1,4}、"
    r")\s*"
)
_HEADING_LABEL = re.compile(
    r"\s*(?:(?:article|section|part|chapter|clause|annex|artikel|abschnitt|artículo|sección|art\.)\s+)?"
    r"(?:\d{1,3}|[A-Z]|" + _ROMAN + r")(?:\.\d{1,3})*[.:)]?(?=\s+\S)\s*",
    re.IGNORECASE,
)
_HEADING_NUMERAL = re.compile(r"\d|[IVX]+\b|[A-Z][.:)]")


def label_length(text: str, *, heading: bool) -> int:
    """How many characters at the start of a block are its number, with the blanks around it.

    Returns:
        0 where there is no number, or nothing but the number.
    """
    if not heading and (start := text[:9]).isascii() and start[:1].isalpha() and "." not in start and ")" not in start:
        return 0  # an ordinary sentence, as most are
    found = _LABEL.match(text)
    if not found and heading:
        found = _HEADING_LABEL.match(text)
        if found and not _HEADING_NUMERAL.search(found[0]):
            found = None
    return found.end() if found and found.end() < len(text) else 0
