"""The review page as values, rendered in every language and state, and held to its own rules."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from consentgate.service.holdings import State
from consentgate.service.offer import OfferDraft
from consentgate.terms.instants import DAY
from consentgate.web.lint import lint
from consentgate.web.render import Renderer
from consentgate.web.review import CARRY_MARK, NEXT_MARK, OFFER_MARK, ReviewPage, Wishes, build_review
from tests.web.samples import (
    JAPANESE,
    NEWSLETTER_1,
    NEWSLETTER_POLICY,
    NOW,
    PRIVACY_1,
    PRIVACY_POLICY,
    TERMS,
    TERMS_1,
    TERMS_2,
    draft,
    item,
    translation,
    version,
)

RENDERER = Renderer()
LANGUAGES = ("ar", "de", "en", "es", "fr", "ja")

FIRST = draft(item(TERMS, TERMS_2))
UPDATE = draft(item(TERMS, TERMS_2, base=TERMS_1))
NOTICE = draft(item(PRIVACY_POLICY, PRIVACY_1))
CONSENT = draft(item(NEWSLETTER_POLICY, NEWSLETTER_1, state=State.CURRENT))
ALL = draft(*UPDATE.items, *NOTICE.items, *CONSENT.items)


def _page(offer: OfferDraft, language: str = "en", view: str = "inline", **wishes: Any) -> ReviewPage:
    wanted = Wishes(view=view, language=language, base="/terms", **wishes)  # type: ignore[arg-type]
    chains = {"terms-of-use": (TERMS_1, TERMS_2)}
    return build_review(offer, RENDERER.words(language), wanted, chains=chains, now=NOW)


def _html(offer: OfferDraft, language: str = "en", view: str = "inline", **wishes: Any) -> str:
    marks = {"offer_mark": OFFER_MARK, "carry_mark": CARRY_MARK, "next_mark": NEXT_MARK}
    place = {"base": "/terms", "root": "", "home": "/", "site": "The Daily Kettle", "open_paths": ()}
    return RENDERER.render("review.html", language, page=_page(offer, language, view, **wishes), **marks, **place)


@pytest.mark.parametrize(
    ("language", "name"), list(product(LANGUAGES, ("FIRST", "UPDATE", "NOTICE", "CONSENT", "ALL")))
)
def test_the_page_keeps_its_rules_in_every_language(language: str, name: str) -> None:
    """Whatever is asked, in every interface language, in every view, in error and with a kept form."""
    offer = globals()[name]
    for view, kept, missing in product(("inline", "side-by-side", "changes", "full"), (False, True), (False, True)):
        wishes = {"kept": kept, "missing": frozenset({"terms-of-use", "privacy"}) if missing else frozenset()}
        assert lint(_html(offer, language, view, **wishes)) == []


@pytest.mark.parametrize("state", list(State))
def test_each_state_opens_in_its_own_words(state: State) -> None:
    """Required, expired, declined, grace, announced: no two read the same."""
    others = {
        _page(draft(item(TERMS, TERMS_2, base=TERMS_1, state=other))).lede for other in State if other is not state
    }
    mine = _page(draft(item(TERMS, TERMS_2, base=TERMS_1, state=state))).lede
    if state is State.CURRENT:
        assert mine
    else:
        assert mine not in others - {_page(draft(item(TERMS, TERMS_2, base=TERMS_1, state=State.CURRENT))).lede}


def test_an_update_is_worded_differently_from_a_first_time() -> None:
    """Nobody has to wonder whether they have seen this before."""
    assert _page(FIRST).heading == "Our Terms of Use"
    assert _page(UPDATE).heading == "Updates to our Terms of Use"
    assert _page(UPDATE).lede.startswith("We are updating our Terms of Use. Please carefully review")


def test_the_most_pressing_state_words_the_page() -> None:
    """Several policies, one sentence: the one that closes the gate."""
    mixed = draft(item(TERMS, TERMS_2, state=State.ANNOUNCED), item(PRIVACY_POLICY, PRIVACY_1, state=State.REQUIRED))
    assert _page(mixed).kicker == _page(draft(item(PRIVACY_POLICY, PRIVACY_1), item(TERMS, TERMS_2))).kicker


@pytest.mark.parametrize(
    ("offer", "label", "refusal"),
    [
        (FIRST, "Accept", "decline"),
        (NOTICE, "Acknowledge", "leave"),
        (draft(*FIRST.items, *NOTICE.items), "Accept and acknowledge", "decline"),
        (CONSENT, "Save my choice", "leave"),
    ],
)
def test_the_button_says_what_the_click_does(offer: OfferDraft, label: str, refusal: str) -> None:
    """And a notice or a consent that is not answered is left, not declined."""
    page = _page(offer)
    assert (page.accept_label, page.refusal) == (label, refusal)


def test_the_control_in_the_record_is_what_stands_beside_the_button() -> None:
    """Sentence and button, word for word, are on the page."""
    page, html = _page(ALL), _html(ALL)
    for sentence, button, _act in page.controls.values():
        assert f">{button}</button>" in html
        for line in sentence.splitlines():
            assert line in html


def test_the_pages_bytes_do_not_depend_on_who_reads() -> None:
    """Only versions, states and languages: one kept page for everybody who saw the same."""
    from consentgate.terms.subject import Subject

    assert _html(draft(*UPDATE.items, subject=Subject("ann"))) == _html(draft(*UPDATE.items, subject=Subject("bob")))


def test_what_moved_is_not_listed_as_added() -> None:
    """Nothing came and nothing went: the list of changes quotes it without a mark."""
    from consentgate.terms.redline import compare
    from consentgate.web.redlines import change_lines

    first, *rest = [
        f"Clause {word}: you may read every article in this newspaper.\n" for word in ("one", "two", "three")
    ]
    (line,) = change_lines(
        compare("\n".join([first, *rest]), "\n".join([*rest, first])), RENDERER.words("en"), slug="a", anchored=True
    )
    assert (line.kind, line.added, line.removed) == ("Moved", "", "")
    assert line.moved.startswith("Clause one")


def test_ids_of_several_policies_do_not_meet() -> None:
    """Every id of the page is there once, and every link within the page leads to one."""
    for offer, view in product((FIRST, UPDATE, ALL), ("inline", "side-by-side", "changes", "full")):
        html = _html(offer, view=view)
        ids = re.findall(r'<[^>]* id="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_every_skipped_version_has_its_summary() -> None:
    """Who was away for two versions reads both summaries, the older first; a first-timer reads none."""
    from dataclasses import replace

    between = version("terms-of-use", "2025-01-01", 9, translation("en", "Terms of Use", "x\n", "Between."))
    offered = draft(replace(UPDATE.items[0], skipped=(between, TERMS_2)))
    headings = [summary.heading for summary in _page(offered).parts[0].summaries]
    assert [heading.partition(",")[0] for heading in headings] == ["Version 2025-01-01", "Version 2026-01-22"]
    assert _page(FIRST).parts[0].summaries == []


def test_a_text_without_readable_change_says_so_and_is_shown_whole() -> None:
    """Accepted before, asked again (renewal): no empty redline."""
    page = _page(draft(item(TERMS, TERMS_1, base=TERMS_1, state=State.EXPIRED)))
    part = page.parts[0]
    assert part.unchanged_line == "The text reads the same as the one you accepted."
    assert part.redline is None
    assert page.views == []


def test_not_now_is_there_in_grace_only() -> None:
    """A blocked reader is not offered what would not help."""
    later = {state: bool(_page(draft(item(TERMS, TERMS_2, state=state))).later_label) for state in State}
    assert {state for state, offered in later.items() if not offered} == {State.REQUIRED, State.DECLINED, State.EXPIRED}


def test_the_page_says_which_language_prevails_and_when_ours_trails() -> None:
    """The Japanese text is of the older version: English is shown, and both lines stand there."""
    arabic = _page(draft(item(TERMS, TERMS_2, language="ar")), "ar").parts[0].text
    assert "الإنجليزية" in arabic.prevails_line
    japanese = _page(FIRST, "ja").parts[0].text
    assert (japanese.language, japanese.older_than) == ("en", "2024-06-24")
    assert "日本語" in japanese.older_line
    assert JAPANESE


def test_changes_are_marked_with_the_language_they_are_in() -> None:
    """The version accepted had no Japanese: the changes are in English within a Japanese page, and a line says why."""
    from dataclasses import replace

    english = UPDATE.items[0]
    mixed = replace(english, translation=translation("ja", "利用規約", JAPANESE), text=JAPANESE)
    html = _html(draft(mixed), "ja")
    assert '<div class="cg-text" lang="en" dir="ltr" data-cg-view' in html
    assert '<div class="cg-text" lang="ja" dir="ltr" data-cg-full' in html
    assert "両方の版にある英語で表示しています" in html


def test_rtl_and_language_are_marked_where_text_and_interface_differ() -> None:
    """WCAG 3.1.2: an English interface around an Arabic text."""
    html = _html(draft(item(TERMS, TERMS_2, base=TERMS_1, language="ar")), "en")
    assert '<html lang="en" dir="ltr"' in html
    assert '<div class="cg-text" lang="ar" dir="rtl"' in html
    assert '<bdi lang="ar" dir="rtl">' in html


def test_links_carry_the_way_back_and_forms_carry_the_kept_form() -> None:
    """With a kept form, language and view change by buttons that send it along; a link would lose it."""
    plain, kept = _html(UPDATE), _html(UPDATE, kept=True)
    assert f"view=side-by-side{NEXT_MARK}" in plain
    assert str(CARRY_MARK) not in plain
    assert kept.count(str(CARRY_MARK)) == 1
    assert 'name="to_view" value="side-by-side"' in kept
    assert str(NEXT_MARK) not in kept


def test_a_coming_version_names_its_day() -> None:
    """Dates in the reader's language."""
    coming = version("terms-of-use", "2026-06-01", 7, *TERMS_2.translations, effective=NOW // DAY * DAY + 120 * DAY)
    offer = draft(item(TERMS, coming, base=TERMS_1, state=State.ANNOUNCED))
    assert "1 June 2026" in _page(offer).lede
    assert "1. Juni 2026" in _page(offer, "de").lede
    assert "2026年6月1日" in _page(offer, "ja").lede
