"""Laws of drafts and of publishing them: nothing typed is lost, and the last page says what will happen."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate.web.admin import frame
from tests.web.admin.conftest import AdminSite, form_token, send

HOME = "/terms/admin"
DRAFT = f"{HOME}/drafts/terms-of-use/2027-03-01/en"
BODY = "---\nimpact: material\neffective: 2027-03-01\nannounce: 2026-12-01\nsummary: A kettle.\n---\n"
TEXT = "# Terms of Use\n\nYou may bring your own kettle.\n"


def _new(browser: TestClient, **fields: str) -> Any:
    wanted = {"policy": "terms-of-use", "label": "2027-03-01", "language": "en"} | fields
    return send(browser, f"{HOME}/drafts/new", f"{HOME}/drafts/new", wanted)


def _save(browser: TestClient, body: str, *, do: str = "save") -> Any:
    page = browser.get(DRAFT).text
    found = re.search(r'name="etag" value="([^"]*)"', page)
    assert found
    return browser.post(DRAFT, data={"form_token": form_token(page), "etag": found[1], "body": body, "do": do})


def _state(page: str) -> str:
    found = re.search(r'name="state" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_a_new_draft_begins_with_the_text_in_force(site: AdminSite) -> None:
    """So that an editor changes words and does not paste pages."""
    site.publish_old()
    browser = site.administrator("editor")
    answer = _new(browser)

    assert (answer.status_code, answer.headers["location"]) == (303, DRAFT)
    page = browser.get(DRAFT).text
    assert "effective: " in page
    assert "impact: material" in page
    assert "The two texts read the same." in page


def test_the_editor_shows_preview_redline_and_checks_beside_the_text(site: AdminSite) -> None:
    """After saving, with the version it is compared with."""
    site.publish_old()
    browser = site.administrator("editor")
    _new(browser)
    saved = _save(browser, BODY + TEXT)
    page = browser.get(saved.headers["location"]).text

    assert "Saved." in page
    assert "Compared with 2024-06-24" in page
    assert "bring your own kettle" in page
    assert "<ins" in page
    assert "As readers will see it" in page


def test_a_malformed_draft_is_kept_with_its_error(site: AdminSite) -> None:
    """What was typed is there, the error names the line, and it cannot be chosen for publishing."""
    site.publish_old()
    browser = site.administrator("editor")
    _new(browser)
    broken = "---\nimpact: huge\n---\n" + TEXT
    page = browser.get(_save(browser, broken).headers["location"])

    assert "impact: huge" in page.text
    assert "cannot be published like this" in page.text
    assert "2027-03-01.en.md:2" in page.text
    assert "disabled" in browser.get(f"{HOME}/drafts").text


def test_who_saves_second_keeps_their_words_and_sees_the_others(site: AdminSite) -> None:
    """412 with both texts; saving again then replaces knowingly."""
    site.publish_old()
    slow, quick = site.administrator("editor"), site.administrator("editor")
    _new(slow)
    page = slow.get(DRAFT).text
    etag = re.search(r'name="etag" value="([^"]*)"', page)
    assert etag
    _save(quick, BODY + "# Terms\n\nThe quick one's words.\n")
    fields = {"form_token": form_token(page), "etag": etag[1], "body": BODY + "# Terms\n\nThe slow one's words.\n"}
    answer = slow.post(DRAFT, data=fields)

    assert answer.status_code == 412
    assert "The slow one&#39;s words." in answer.text
    assert "The quick one&#39;s words." in answer.text
    theirs = re.search(r'name="etag" value="([^"]*)"', answer.text)
    assert theirs
    assert slow.post(DRAFT, data=fields | {"etag": theirs[1]}).status_code == 303


def test_an_uploaded_file_says_its_version_and_language_by_its_name(site: AdminSite) -> None:
    """As the files of a policies folder do."""
    site.publish_old()
    browser = site.administrator("editor")
    page = browser.get(f"{HOME}/drafts/new").text
    answer = browser.post(
        f"{HOME}/drafts/new",
        data={"form_token": form_token(page), "policy": "terms-of-use", "label": "x", "language": "en"},
        files={"file": ("2027-03-01.fr.md", (BODY + "# Conditions\n\nVotre théière.\n").encode(), "text/markdown")},
    )

    assert answer.headers["location"] == DRAFT.removesuffix("en") + "fr"
    assert "Votre théière." in browser.get(answer.headers["location"]).text


def test_a_place_that_is_none_is_refused_with_the_form_still_filled(site: AdminSite) -> None:
    """422, the field is named, the others keep what was typed."""
    answer = _new(site.administrator("editor"), policy="No Slug!", label="3.1")

    assert answer.status_code == 422
    assert 'value="No Slug!"' in answer.text
    assert 'value="3.1"' in answer.text
    assert re.search(r'id="policy"[^>]*aria-invalid="true"', answer.text)


def test_the_last_page_says_what_will_happen_to_whom_and_when(site: AdminSite) -> None:
    """Dates, how many are stopped, the notice; then one button publishes, and the drafts are gone."""
    site.publish_old()
    for user in ("ada", "bob"):
        site.accept(user)
    browser = site.administrator("publisher")
    _new(browser)
    _save(browser, BODY + TEXT)
    page = browser.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text

    assert "On 1 December 2026 00:00 UTC visitors can read and accept version 2027-03-01" in page
    assert "On 1 March 2027 00:00 UTC it takes effect." in page
    assert "2 people who accepted before are stopped and must accept it before they go on." in page
    fields = {"form_token": form_token(page), "draft": "terms-of-use/2027-03-01/en", "state": _state(page)}
    done = browser.post(f"{HOME}/publish", data=fields)
    assert "Published" in done.text
    assert "There is no draft." in browser.get(f"{HOME}/drafts").text
    assert "Version 2027-03-01 takes effect on 1 March 2027" in browser.get(HOME).text
    again = browser.post(f"{HOME}/publish", data=fields)
    assert again.status_code == 200
    assert "nothing was done twice" in again.text


def test_where_there_are_many_decisions_the_last_page_does_not_wait_for_the_count(
    site: AdminSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says in words whom it stops; a link counts them, with the same drafts and the same day."""
    site.publish_old()
    site.accept("ada")
    browser = site.administrator("publisher")
    _new(browser)
    _save(browser, BODY + TEXT)
    monkeypatch.setattr(frame, "MANY", 1)
    page = browser.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text

    assert "whoever accepted before and has not accepted this version is stopped" in page
    assert "Whom it stops is not counted yet" in page
    (link,) = re.findall(r'<a href="([^"]*)">Count now</a>', page)
    counted = browser.get(f"{HOME}/publish{unescape(link)}").text
    assert "1 person who accepted before is stopped" in counted
    assert "not counted" not in counted
    fields = {"form_token": form_token(page), "draft": "terms-of-use/2027-03-01/en", "state": _state(page)}
    assert "Published" in browser.post(f"{HOME}/publish", data=fields).text


def test_nothing_is_published_where_something_changed_since_the_last_page(site: AdminSite) -> None:
    """409, and the page as things stand now."""
    site.publish_old()
    browser = site.administrator("publisher")
    _new(browser)
    _save(browser, BODY + TEXT)
    page = browser.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text
    _save(browser, BODY + TEXT + "\nAnd a cup.\n")
    fields = {"form_token": form_token(page), "draft": "terms-of-use/2027-03-01/en", "state": _state(page)}
    answer = browser.post(f"{HOME}/publish", data=fields)

    assert answer.status_code == 409
    assert "And a cup." in answer.text
    assert _state(answer.text) != _state(page)
    assert "2027-03-01" not in browser.get(HOME).text


def test_an_editor_sees_the_last_page_and_cannot_publish(site: AdminSite) -> None:
    """It says which role could."""
    site.publish_old()
    browser = site.administrator("editor")
    _new(browser)
    _save(browser, BODY + TEXT)
    page = browser.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text
    form = form_token(page)
    answer = browser.post(f"{HOME}/publish", data={"form_token": form, "draft": "terms-of-use/2027-03-01/en"})

    assert "To publish takes the role publisher" in page
    assert answer.status_code == 403


def test_a_second_person_approves_and_never_oneself(tmp_path: Path) -> None:
    """With ``approvals=1``: proposed, refused to its author, approved by another, published."""
    with AdminSite(tmp_path, approvals=1) as site:
        site.publish_old()
        first, second = site.administrator("publisher"), site.administrator("publisher")
        _new(first)
        _save(first, BODY + TEXT)
        page = first.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text
        fields = {"form_token": form_token(page), "draft": "terms-of-use/2027-03-01/en", "state": _state(page)}
        proposed = first.post(f"{HOME}/publish", data=fields)
        assert "it is not published yet" in proposed.text
        found = re.search(rf'href="({HOME}/proposals/[^"]+)"', proposed.text)
        assert found

        own = first.get(found[1]).text
        assert "somebody else approves it" in own
        assert first.post(f"{found[1]}/approve", data={"form_token": form_token(own)}).status_code == 403
        assert "What will happen" in second.get(found[1]).text
        assert "Published" in send(second, found[1], f"{found[1]}/approve").text
        assert "Version 2027-03-01 takes effect" in first.get(HOME).text


def test_a_rejection_says_why(tmp_path: Path) -> None:
    """The reason stands with the proposal; without one the form comes back."""
    with AdminSite(tmp_path, approvals=1) as site:
        site.publish_old()
        first, second = site.administrator("publisher"), site.administrator("publisher")
        _new(first)
        _save(first, BODY + TEXT)
        page = first.get(f"{HOME}/publish", params={"draft": "terms-of-use/2027-03-01/en"}).text
        fields = {"form_token": form_token(page), "draft": "terms-of-use/2027-03-01/en", "state": _state(page)}
        proposed = first.post(f"{HOME}/publish", data=fields).text
        found = re.search(rf'href="({HOME}/proposals/[^"]+)"', proposed)
        assert found

        assert send(second, found[1], f"{found[1]}/reject", {"reason": ""}).status_code == 422
        assert send(second, found[1], f"{found[1]}/reject", {"reason": "too early"}).status_code == 303
        assert "too early" in first.get(f"{HOME}/proposals").text


def test_a_draft_is_deleted_by_its_last_reader_only(site: AdminSite) -> None:
    """And is gone from the list."""
    site.publish_old()
    browser = site.administrator("editor")
    _new(browser)
    assert _save(browser, "", do="delete").headers["location"] == f"{HOME}/drafts"

    assert browser.get(DRAFT).status_code == 404


def test_what_is_published_for_a_date_is_not_said_to_be_in_effect(site: AdminSite) -> None:
    """The last page said "published", and no more, of what takes effect in a year."""
    site.publish_old()
    browser = site.administrator("publisher")
    fields = {"policy": "terms-of-use", "label": "2", "language": "en"}
    send(browser, f"{HOME}/drafts/new", f"{HOME}/drafts/new", fields)
    here = f"{HOME}/publish?draft=terms-of-use/2/en"
    state = re.search(r'name="state" value="([^"]+)"', browser.get(here).text)
    assert state
    done = send(browser, here, f"{HOME}/publish", {"draft": "terms-of-use/2/en", "state": state[1]}).text

    assert "which takes effect on " in done


def test_what_a_new_draft_proposes_keeps_the_promised_notice(site: AdminSite) -> None:
    """It proposed midnight in 30 days, which from noon on is 29, and never looked at what the policy promises."""
    site.folder.joinpath("terms-of-use").mkdir(parents=True)
    site.folder.joinpath("terms-of-use/policy.toml").write_text(
        'title = "Terms of Use"\nkind = "contract"\nnotice_days = 60\n'
    )
    site.publish_old()
    browser = site.administrator("publisher")
    fields = {"policy": "terms-of-use", "label": "2", "language": "en"}
    page = browser.get(send(browser, f"{HOME}/drafts/new", f"{HOME}/drafts/new", fields).headers["location"]).text

    assert "days of notice" not in page
    assert "gives only" not in browser.get(f"{HOME}/publish?draft=terms-of-use/2/en").text
