"""Words as a reader sees them: how a text falls into tokens, and when two tokens read the same.

Room: terms (pure). Called by the redline. A token is a word or a sign together with the blank *before* it, so that
appending a comma never touches the word it follows. Scripts written without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese) fall into characters with their combining marks; all others into words.

Two tokens read the same when they differ only in what nobody sees: kinds of blank, and characters without width.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

_CJK = re.sub(
    r"\s+",
    "",
    r"""\u2e80-\u2fdf \u3005-\u3007 \u3021-\u3029 \u3031-\u3035 \u303b \u3040-\u30fa \u30fc-\u30ff \u3100-\u312f
    \u31a0-\u31ff \u3400-\u4dbf \u4e00-\u9fff \uf900-\ufaff \uff66-\uff9f \U00020000-\U0003ffff""",
)
_SOUTH_EAST = (
    r"\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e\u0e81-\u0eba\u0ebc-\u0ecd\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
)
_SOUTH_EAST_MARKS = re.sub(
    r"\s+",
    "",
    r"""\u0e31 \u0e33-\u0e3a \u0e45 \u0e47-\u0e4e \u0eb1 \u0eb3-\u0ebc \u0ec8-\u0ecd \u102b-\u103e \u1056-\u1059
    \u105e-\u1060 \u1062-\u1064 \u1067-\u106d \u1071-\u1074 \u1082-\u108d \u17b4-\u17d3""",
)
_SIGNS = re.sub(
    r"\s+",
    "",
    r"""!-/ :-@ \[-^ ` {-~ \xa1-\xa9 \xab-\xb1 \xb4 \xb6-\xb8 \xbb-\xbf \xd7 \xf7 \u037e \u0387 \u055a-\u055f
    \u0589 \u058a \u05be \u05c0
    \u05c3 \u060c \u061b \u061f \u066a-\u066d \u06d4 \u0964 \u0965 \u0e2f \u0e5a \u0e5b \u104a-\u104f
    \u1361-\u1368 \u17d4-\u17da \u2010-\u2027 \u2030-\u205e \u20a0-\u20cf \u2100-\u2bff \u2e00-\u2e7f \u3001-\u3004
    \u3008-\u3020 \u3030 \u303d \u30fb \uff01-\uff0f \uff1a-\uff20 \uff3b-\uff40 \uff5b-\uff65""",
)
_BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = r"\xad\u200b\u200e\u200f\u2060\ufeff"

_LETTER = f"[^{_BLANKS}{_SIGNS}{_CJK}{_SOUTH_EAST}]"
_TOKEN = re.compile(
    f"[{_BLANKS}]*(?:{_LETTER}+(?:['’.,@‐‑-]{_LETTER}+)*|[{_SOUTH_EAST}][{_SOUTH_EAST_MARKS}]*|[^{_BLANKS}])"
)
_UNSEEN_RUN = re.compile(f"[{_UNSEEN}]+")
_DENSE_GAP = re.compile(f"(?<=[{_CJK}\u3001\u3002\uff0c]) (?=[{_CJK}])")
_AFTER_DENSE = re.compile(f"[{_CJK}\u3001\u3002\uff0c]$")
_CJK_START = re.compile(f"[{_CJK}]")
_DENSE_AHEAD = re.compile(f" (?=[{_CJK}])")
_DENSE_AFTER_BLANK = re.compile(f"[{_BLANKS}](?=[{_CJK}])")
_WORD = re.compile(f"[^{_BLANKS}{_SIGNS}]")
_FAR = re.compile("[\u0e00-\u1fff\u2e80-\U0003ffff]")  # all that are dense, and few others; quick to look for
_DENSE = re.compile(f"[{_CJK}{_SOUTH_EAST}]")


def seen(text: str) -> str:
    """A text as it is seen: one blank for each run of blanks, nothing without width, no blank at either end.

    A blank between two Chinese or Japanese characters is dropped: it is where the author wrapped a line.
    """
    if not _clear(text):
        text = text.replace("\n", " ").replace("\xa0", " ")  # the odd blanks that are common
        if not _clear(text):
            text = _UNSEEN_RUN.sub("", text) if has_unseen(text) else text
            return _without_dense_gaps(" ".join(text.split()))
    if "  " in text:
        text = " ".join(text.split())
    return text.strip(" ") if text.isascii() else _without_dense_gaps(text.strip(" "))


def _without_dense_gaps(text: str) -> str:
    return _DENSE_GAP.sub("", text) if _DENSE_AHEAD.search(text) else text


def _clear(text: str) -> bool:
    """Whether a text has no blank but the plain one, and nothing without width."""
    if text.isascii():  # nothing of ASCII has no width; to look for each of its blanks is quicker than to look for all
        return not (
            "\n" in text or "\t" in text or "\r" in text or "\x0b" in text or "\x0c" in text
            or "\x1c" in text or "\x1d" in text or "\x1e" in text or "\x1f" in text
        )  # fmt: skip
    return text.isprintable()


def has_unseen(text: str) -> bool:
    """Whether a text has characters without width."""
    if text.isascii():
        return False
    return (  # to look for each of them is quicker than to look for all
        "\u200b" in text or "\xad" in text or "\ufeff" in text
        or "\u200e" in text or "\u200f" in text or "\u2060" in text
    )  # fmt: skip


def _odd(text: str) -> bool:
    """Whether a clear text has blanks that read like others, so that it must be looked at closely."""
    return "  " in text or (not text.isascii() and _DENSE_AHEAD.search(text) is not None)


def tokens(text: str, start: int = 0) -> tuple[list[str], list[int]]:
    """Cut a text into tokens.

    The first token is compared as if a blank stood before it, so that it reads the same wherever it lands.

    Args:
        text: as displayed.
        start: the offset of its first character, if it is a part of something longer.

    Returns:
        what each token is compared by; and the offset at which each token begins, then the one at which the last ends.
    """
    clear = _clear(text)
    if not clear:
        if has_unseen(text):
            return _tokens_among_unseen(text, start)
        text = text.replace("\n", " ").replace("\xa0", " ")  # the odd blanks that are common
        clear = _clear(text)
    raw = _TOKEN.findall(text)
    if not raw:
        return [], [start]
    places = list(accumulate(map(len, raw), initial=start))
    places[-1] = start + len(text)
    keys = raw if clear and not _odd(text) else _normal(raw, text)
    if not keys[0].startswith(" "):
        keys[0] = " " + keys[0]
    return keys, places


def _tokens_among_unseen(text: str, start: int) -> tuple[list[str], list[int]]:
    """The tokens of what can be seen, with offsets in the text as it is."""
    seen_at = [start + place for place, sign in enumerate(text) if not _UNSEEN_RUN.match(sign)]
    keys, places = tokens(_UNSEEN_RUN.sub("", text))
    # What cannot be seen belongs to the token before it, so that each token still begins with its blank.
    return keys, [start, *[seen_at[place] for place in places[1:-1]], start + len(text)] if keys else [start]


def _normal(raw: list[str], text: str) -> list[str]:
    if _clear(text):
        keys = [" " + token.lstrip() if token[:2] == "  " else token for token in raw]
    else:
        keys = [" " + token.lstrip() if token[:1].isspace() else token for token in raw]
    if is_dense(text) and _DENSE_AFTER_BLANK.search(text):
        for place, (before, key) in enumerate(pairwise(keys), 1):
            if key[:1] == " " and _CJK_START.match(key, 1) and _AFTER_DENSE.match(before[-1:]):
                keys[place] = key[1:]
    return keys


def is_word(key: str) -> bool:
    """Whether a token holds a letter, digit or ideograph, and is not a lone sign."""
    last = key[-1:]
    return (last.isascii() and last.isalnum()) or _WORD.search(key) is not None


def count_words(text: str) -> int:
    """How many words a text has (ideographs and Thai characters count one each)."""
    return sum(map(is_word, tokens(text)[0]))


def is_dense(text: str) -> bool:
    """Whether a text holds characters of a script that is written without spaces."""
    return not text.isascii() and _FAR.search(text) is not None and _DENSE.search(text) is not None
