"""Front matter and Markdown bytes become a `Draft`, or a typed error that names file and line.

Room: terms (pure). Front matter is untrusted input: at most 16 KB, one flat mapping of known keys to scalars,
no anchors, aliases or tags. It is never part of the text people accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import yaml

from consentgate.errors import CanonicalError, DraftError, InputError, TextError
from consentgate.terms.canonical import MAX_TEXT_BYTES, canonical_text, text_digest
from consentgate.terms.instants import Instant, from_datetime
from consentgate.terms.languages import canonical_tag
from consentgate.terms.policy import LABEL, RESERVED_LABELS, SLUG, Impact

MAX_FRONT_MATTER_BYTES = 16_384
MAX_TITLE_LENGTH = 200
MAX_SUMMARY_LENGTH = 4_000

_KEYS = ("policy", "version", "language", "impact", "announce", "effective", "enforce", "title", "summary")


@dataclass(frozen=True, slots=True)
class Draft:
    """One translation of a version that is not yet published.

    Args:
        policy, label, language: which text this is.
        text: canonical.
        raw: the bytes the author sent.
        impact: ``None`` where the draft leaves it to the prevailing translation or to the publisher.
        announced, effective, enforced: as written, ``None`` where left out.
        title, summary: plain text, possibly empty.
        file: name to show in errors.
        lines: the line each key of the front matter stands on, for errors that are found later.
    """

    policy: str
    label: str
    language: str
    text: str
    raw: bytes
    impact: Impact | None = None
    announced: Instant | None = None
    effective: Instant | None = None
    enforced: Instant | None = None
    title: str = ""
    summary: str = ""
    file: str = "the draft"
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """Digest of the canonical text."""
        return text_digest(self.text)


def parse_draft(
    raw: bytes, *, file: str, policy: str | None = None, label: str | None = None, language: str | None = None
) -> Draft:
    """Read one draft.

    Args:
        raw: front matter between two ``---`` lines, then Markdown.
        file: how to call the draft in errors.
        policy, label, language: what the place of the file says; the front matter may repeat it but not differ.
            Where ``None``, the front matter must say it (language: defaults to ``en``).

    Raises:
        DraftError: with file and line.
    """
    if len(raw) > MAX_TEXT_BYTES + MAX_FRONT_MATTER_BYTES:
        raise DraftError(
            f"{len(raw):,} bytes; a text may have {MAX_TEXT_BYTES:,}",
            file=file,
            hint="split it into several policies, or link to the long annexes",
        )
    head, body, first_line = _split(raw, file)
    fields = _front_matter(head, file)
    policy = _agree("policy", policy, fields, file)
    label = _agree("version", label, fields, file)
    language = _agree("language", language, fields, file, default="en")
    require(SLUG.fullmatch(policy), f"{policy!r} is no policy slug", file, hint="a-z, 0-9 and hyphens, at most 64")
    require(LABEL.fullmatch(label), f"{label!r} is no version label", file, hint="letters, digits, . _ -, at most 40")
    require(label.casefold() not in RESERVED_LABELS, f"{label!r} is no version label: its address is ours", file)
    try:
        text = canonical_text(body, name="the text")
    except TextError as error:
        line = error.data.get("line")
        # The message counts lines from where the text begins; the reader's editor counts them from the top.
        message = error.message.removesuffix(f" in line {line}")
        raise DraftError(
            message, file=file, line=None if line is None else line + first_line - 1, hint=error.hint
        ) from error
    return Draft(
        policy=policy,
        label=label,
        language=tag_of(language, file, fields.line("language")),
        text=text,
        raw=raw,
        impact=_impact(fields, file),
        announced=_instant(fields, "announce", file),
        effective=_instant(fields, "effective", file),
        enforced=_instant(fields, "enforce", file),
        title=_plain(fields, "title", MAX_TITLE_LENGTH, file),
        summary=_plain(fields, "summary", MAX_SUMMARY_LENGTH, file),
        file=file,
        lines=fields.lines,
    )


def draft_from_fields(fields: Mapping[str, str], body: str, *, file: str) -> Draft:
    """Make a draft from fields that came as JSON; the same checks as for a file.

    Raises:
        DraftError: with the name of the offending field in the message.
    """
    unknown = set(fields) - set(_KEYS)
    require(not unknown, f"unknown field {', '.join(sorted(unknown))}", file, hint=f"known: {', '.join(_KEYS)}")
    # Written as the file the author would have written: what is kept as raw bytes is then the same in both ways.
    lines = [f"{key}: {_quote(value)}" for key, value in fields.items() if value]
    return parse_draft(("---\n" + "\n".join(lines) + "\n---\n" + body).encode(errors="surrogatepass"), file=file)


def _quote(value: str) -> str:
    dumped: str = yaml.safe_dump(value, default_style='"', width=10**9, allow_unicode=True)
    return dumped.strip()


class _Fields(dict[str, str]):
    """Front matter values with the line each key stands on (1-based)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int | None:
        return self.lines.get(key)


def _split(raw: bytes, file: str) -> tuple[bytes, bytes, int]:
    """Return front matter, body, and the 1-based line on which the body begins."""
    content = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not content.startswith(b"---\n"):
        raise DraftError(
            "the front matter is missing",
            file=file,
            line=1,
            hint="begin with a line ---, then version, impact and so on, then a line ---, then the text",
        )
    end = content.find(b"\n---\n", 3)
    if end < 0 and content.endswith(b"\n---"):
        end = len(content) - 4
    if end < 0 or end > MAX_FRONT_MATTER_BYTES:
        raise DraftError(
            "the front matter is not closed"
            if end < 0
            else f"the front matter is over {MAX_FRONT_MATTER_BYTES:,} bytes",
            file=file,
            line=1,
            hint="end it with a line ---",
        )
    head = content[4 : end + 1]
    return head, content[end + 5 :], head.count(b"\n") + 3


def _front_matter(head: bytes, file: str) -> _Fields:
    try:
        source = head.decode("utf-8")
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 2
        raise DraftError(
            "the front matter is not valid UTF-8", file=file, line=line, hint="save it as UTF-8"
        ) from error
    fields = _Fields()
    try:
        # Events first: an alias bomb is refused before anything is built from it.
        for event in yaml.parse(source, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = event.start_mark.line + 2 if event.start_mark else 2
                raise DraftError("anchors and aliases are not allowed in front matter", file=file, line=line)
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DraftError(
            f"the front matter is not YAML: {getattr(error, 'problem', None) or _unreadable(error)}",
            file=file,
            line=_yaml_line(error, source),
            hint="write one `key: value` a line; a value with : or # in it stands in quotation marks",
        ) from error
    if node is None:
        return fields
    if not isinstance(node, yaml.MappingNode):
        raise DraftError("the front matter must be a list of `key: value` lines", file=file, line=2)
    for key_node, value_node in node.value:
        _take(fields, key_node, value_node, file)
    return fields


def _unreadable(error: Exception) -> str:
    character = getattr(error, "character", None)
    return f"it has the character U+{character:04X}" if isinstance(character, int) else "cannot be read"


def _yaml_line(error: Exception, source: str) -> int:
    """The line of the file; a character that YAML refuses is reported by its place alone."""
    mark, place = getattr(error, "problem_mark", None), getattr(error, "position", None)
    line: int = mark.line if mark else source.count("\n", 0, place) if isinstance(place, int) else -1
    return min(line, source.count("\n") - 1) + 2


def _take(fields: _Fields, key_node: yaml.Node, value_node: yaml.Node, file: str) -> None:
    line = key_node.start_mark.line + 2
    key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
    if key not in _KEYS:
        raise DraftError(f"unknown key {key!r}", file=file, line=line, hint=f"known keys: {', '.join(_KEYS)}")
    if key in fields:
        raise DraftError(f"{key!r} stands twice", file=file, line=line, hint="keep one of the two")
    if not isinstance(value_node, yaml.ScalarNode):
        raise DraftError(f"{key!r} must be a single value", file=file, line=line)
    value = str(value_node.value).strip()
    if "\0" in value:
        raise DraftError(f"{key!r} has a NUL character", file=file, line=line)
    fields[key] = value
    fields.lines[key] = line


def _agree(key: str, given: str | None, fields: _Fields, file: str, default: str | None = None) -> str:
    written = fields.get(key)
    if given is None and not written and default is None:
        raise DraftError(f"{key!r} is missing", file=file, line=2, hint=f"add a line `{key}: …` to the front matter")
    if given is not None and written and written.casefold() != given.casefold():
        raise DraftError(
            f"{key!r} is {written!r} here, but the file's place says {given!r}",
            file=file,
            line=fields.line(key),
            hint="rename the file or correct the line",
        )
    return given or written or default or ""


def require(condition: object, message: str, file: str, *, line: int | None = None, hint: str = "") -> None:
    """Raise a `DraftError` unless the condition holds."""
    if not condition:
        raise DraftError(message, file=file, line=line, hint=hint)


def tag_of(tag: str, file: str, line: int | None = None) -> str:
    """The canonical spelling of a language tag, or a `DraftError`."""
    try:
        return canonical_tag(tag)
    except InputError as error:
        raise DraftError(error.message, file=file, line=line, hint=error.hint) from error


def _impact(fields: _Fields, file: str) -> Impact | None:
    written = fields.get("impact")
    if not written:
        return None
    try:
        return Impact(written)
    except ValueError as error:
        raise DraftError(
            f"impact is {written[:40]!r}",
            file=file,
            line=fields.line("impact"),
            hint="write `material` (must be accepted again) or `editorial` (need not)",
        ) from error


def parse_when(text: str) -> Instant:
    """Read an ISO date (midnight UTC) or a date-time with a zone.

    Raises:
        InputError: for anything else, including a time without a zone.
    """
    try:
        moment = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is no date", hint="write 2026-01-31, or 2026-01-31T09:00:00+01:00") from error
    return from_datetime(moment)


def _instant(fields: _Fields, key: str, file: str) -> Instant | None:
    written = fields.get(key)
    if not written:
        return None
    try:
        return parse_when(written)
    except (InputError, OverflowError) as error:
        raise DraftError(
            f"{key!r}: {error}", file=file, line=fields.line(key), hint=getattr(error, "hint", "")
        ) from error


def _plain(fields: _Fields, key: str, limit: int, file: str) -> str:
    value = fields.get(key, "")
    require(len(value) <= limit, f"{key!r} is over {limit:,} characters", file, line=fields.line(key))
    if not value:
        return ""
    try:
        return canonical_text(value, name=repr(key)).strip()
    except (TextError, CanonicalError) as error:
        raise DraftError(error.message, file=file, line=fields.line(key), hint=error.hint) from error
