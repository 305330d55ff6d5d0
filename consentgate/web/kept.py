"""A form that met a closed gate: sealed into the review page, and sent on after the decision.

Room: web. Nothing typed is lost (notes: node-solid-server#981). The seal is bound to the subject, so that nobody can
put a form of their own making into somebody else's page and have them press the button.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from consentgate.errors import SealError
from consentgate.gate.hooks import KeptForm
from consentgate.gate.returning import safe_return
from consentgate.gate.seals import Seals

PURPOSE = "kept-form"

# The legacy encodings of the WHATWG Encoding standard (§4.2), as Python calls them. All are read in linear time.
_CHARSET = re.compile(
    r"utf-8|ascii|iso8859-[0-9]+|cp(?:125[0-8]|866|874|932|949)|koi8-[ru]|mac-(?:roman|cyrillic)"
    r"|gb(?:k|2312|18030)|big5(?:hkscs)?|euc_(?:jp|kr)|iso2022_jp|shift_jis"
)


@dataclass(frozen=True, slots=True)
class Resend:
    """A kept form, ready to be sent by the visitor's own browser.

    Args:
        action: where it was going, path and query.
        fields: names and values, in order, duplicates and empty ones included.
        charset: to send it in, where it is not UTF-8.
    """

    action: str
    fields: list[tuple[str, str]]
    charset: str = ""


def seal_kept(seals: Seals, kept: KeptForm, subject_key: str) -> str:
    """Seal a kept form for one subject."""
    head = json.dumps([subject_key, kept.target, kept.content_type]).encode()
    return seals.seal(PURPOSE, head + b"\n" + kept.body)


def open_kept(seals: Seals, token: str, subject_key: str) -> Resend:
    """Open a kept form.

    Raises:
        SealError: not ours, another subject's, or on its way to another site.
    """
    head, _, body = seals.open(PURPOSE, token).partition(b"\n")
    owner, target, content_type = json.loads(head)
    action = safe_return(target)
    if owner != subject_key or action is None:
        raise SealError("this form was kept for somebody else", hint="go back and send it again")
    text, charset = _decode(body, content_type)
    return Resend(action, text, charset)


def kept_owner(seals: Seals, token: str) -> str | None:
    """The key of the subject a form was kept for, or ``None`` where it is not ours."""
    data = seals.try_open(PURPOSE, token)
    return None if data is None else str(json.loads(data.partition(b"\n")[0])[0])


def _is_of_the_web(charset: str) -> bool:
    """Whether browsers may send a form in it. Python knows others, of which some take minutes for what we keep."""
    try:
        return _CHARSET.fullmatch(codecs.lookup(charset).name) is not None
    except (LookupError, ValueError):
        return False


def _decode(body: bytes, content_type: str) -> tuple[list[tuple[str, str]], str]:
    """The fields of a urlencoded body, and the charset they were written in.

    Browsers write UTF-8 unless the host's page was in something else; windows-1252 is what the web calls Latin-1 and
    reads every byte, so nothing is lost on the way back.
    """
    raw = body.decode("latin-1")
    named = content_type.lower().partition("charset=")[2].strip(" \"'").split(";")[0]
    for charset in (named, "utf-8") if _is_of_the_web(named) else ("utf-8",):
        try:
            fields = parse_qsl(raw, keep_blank_values=True, encoding=charset, errors="strict")
        except (LookupError, ValueError):
            continue
        return fields, "" if charset.replace("_", "-") == "utf-8" else charset
    return parse_qsl(raw, keep_blank_values=True, encoding="latin-1"), "windows-1252"
