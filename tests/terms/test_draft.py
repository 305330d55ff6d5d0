"""Laws of drafts: front matter is untrusted, and every refusal names file and line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConsentGateError, DraftError
from consentgate.terms.draft import draft_from_fields, parse_draft
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Impact

GOOD = b"""---
version: 2026-01-31
impact: material
announce: 2026-01-01
effective: 2026-01-31T09:00:00+01:00
summary: |
  Two words changed.
---
# Terms

Be kind.
"""


def parse(raw: bytes, **place: str) -> object:
    """Parse as the file ``terms/2026-01-31.en.md``."""
    return parse_draft(
        raw, file="terms/2026-01-31.en.md", **{"policy": "terms", "label": "2026-01-31", "language": "en", **place}
    )  # type: ignore[arg-type]


def test_a_good_draft_has_its_fields_and_a_text_without_front_matter() -> None:
    """Front matter is never part of what people accept."""
    draft = parse_draft(GOOD, file="x.md", policy="terms", label="2026-01-31", language="en")

    assert draft.text == "# Terms\n\nBe kind.\n"
    assert (draft.impact, draft.summary, draft.enforced) == (Impact.MATERIAL, "Two words changed.", None)
    assert draft.effective is not None
    assert format_instant(draft.effective) == "2026-01-31T08:00:00.000000Z"
    assert draft.raw == GOOD


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    """Editors differ; texts do not."""
    windows = b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n")

    assert (
        parse_draft(windows, file="x", policy="terms", label="2026-01-31", language="en").digest
        == parse_draft(GOOD, file="x", policy="terms", label="2026-01-31", language="en").digest
    )


BAD = {
    "no front matter": (b"# Terms\n", 1, "front matter is missing"),
    "not closed": (b"---\nversion: 2026-01-31\n# Terms\n", 1, "not closed"),
    "broken YAML": (b"---\nversion: 2026-01-31\nimpact: [material\n---\nText.\n", None, "not YAML"),
    "a list": (b"---\n- a\n- b\n---\nText.\n", 2, "key: value"),
    "unknown key": (b"---\nversion: 2026-01-31\nvresion: 1\n---\nText.\n", 3, "unknown key 'vresion'"),
    "twice": (b"---\nversion: 2026-01-31\nimpact: material\nimpact: editorial\n---\nText.\n", 4, "stands twice"),
    "nested": (b"---\nversion: 2026-01-31\nimpact: {a: b}\n---\nText.\n", 3, "single value"),
    "alias": (b"---\nversion: &a 2026-01-31\ntitle: *a\n---\nText.\n", 2, "anchors and aliases"),
    "alias bomb": (b"---\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n---\nText.\n", 2, "anchors and aliases"),
    "tag": (b"---\nversion: !!python/object/apply:os.system ['true']\n---\nText.\n", 2, "single value"),
    "other version": (b"---\nversion: 2026-02-01\n---\nText.\n", 2, "the file's place says '2026-01-31'"),
    "impact": (b"---\nversion: 2026-01-31\nimpact: huge\n---\nText.\n", 3, "impact is 'huge'"),
    "date": (b"---\nversion: 2026-01-31\neffective: soon\n---\nText.\n", 3, "no date"),
    "time without zone": (b"---\nversion: 2026-01-31\neffective: 2026-01-31T09:00\n---\nText.\n", 3, "no time zone"),
    "broken UTF-8 above": (b"---\nversion: 2026-01-31\ntitle: \xff\n---\nText.\n", 3, "not valid UTF-8"),
    "broken UTF-8 below": (b"---\nversion: 2026-01-31\n---\nText.\nMore \xff.\n", 5, "not valid UTF-8"),
    "NUL below": (b"---\nversion: 2026-01-31\n---\nText.\n\nNUL \x00.\n", 6, "U+0000"),
    "empty": (b"---\nversion: 2026-01-31\n---\n\n", None, "empty"),
    "10 MB": (b"---\nversion: 2026-01-31\n---\n" + b"x" * 10_000_000, None, "a text may have"),
    "giant front matter": (b"---\nversion: " + b"x" * 20_000 + b"\n---\nText.\n", 1, "front matter is over"),
    "summary": (b"---\nversion: 2026-01-31\nsummary: " + b"x" * 5_000 + b"\n---\nText.\n", 3, "over 4,000"),
}


@pytest.mark.parametrize(("raw", "line", "says"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_with_file_and_line(raw: bytes, line: int | None, says: str) -> None:
    """A typed error; the reader can go and mend it."""
    with pytest.raises(DraftError) as caught:
        parse(raw)

    assert says in str(caught.value)
    assert str(caught.value).startswith("terms/2026-01-31.en.md")
    if line is not None:
        assert caught.value.line == line


def test_without_a_place_the_front_matter_must_say_which_text_it_is() -> None:
    """As it comes to the admin endpoint."""
    with pytest.raises(DraftError, match="'policy' is missing"):
        parse_draft(GOOD, file="the request body")
    named = GOOD.replace(b"---\n", b"---\npolicy: terms\n", 1)
    draft = parse_draft(named, file="the request body")

    assert (draft.policy, draft.label, draft.language) == ("terms", "2026-01-31", "en")


@pytest.mark.parametrize("field", ["policy", "label", "language"])
def test_a_slug_label_or_language_that_could_be_a_path_is_refused(field: str) -> None:
    """They become addresses and file names."""
    with pytest.raises(DraftError):
        parse(b"---\nimpact: material\n---\nText.\n", **{field: "../x"})


@pytest.mark.parametrize("label", ["changes", "History"])
def test_a_label_whose_address_is_ours_is_refused(label: str) -> None:
    """Bug: a version called "changes" would have been published and never found."""
    with pytest.raises(DraftError, match="its address is ours"):
        parse(b"---\nimpact: material\n---\nText.\n", label=label)


@given(st.binary(max_size=400))
def test_whatever_the_bytes_only_our_errors_come_out(raw: bytes) -> None:
    """The parser is closed."""
    for data in (raw, b"---\n" + raw + b"\n---\nText.\n"):
        with contextlib.suppress(ConsentGateError):
            parse(data)


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60).filter(str.strip),
)
def test_fields_sent_as_json_make_the_draft_a_file_would(title: str, text: str) -> None:
    """One checked way in: JSON is written as front matter and parsed like it."""
    draft = draft_from_fields(
        {"policy": "terms", "version": "1", "impact": "material", "title": title}, text, file="json"
    )
    again = parse_draft(draft.raw, file="file")

    assert (again.text, again.title, again.impact) == (draft.text, draft.title, draft.impact)
    assert draft.title == draft.title.strip()
