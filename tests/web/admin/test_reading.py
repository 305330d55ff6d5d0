"""Laws of what auditors and owners do: find, read, take home, hold, erase, make tokens; and of policies."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import AsyncIterator

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.web.admin.sessions import RECENT
from tests.web.admin.conftest import AdminSite, send, sign_in

HOME = "/terms/admin"
SUBJECTS = f"{HOME}/subjects"


@pytest.fixture(name="told")
def _told(site: AdminSite) -> AdminSite:
    """Ada accepted the first version, Bob both."""
    site.publish_old()
    site.accept("ada")
    site.accept("bob")
    site.publish_new()
    site.accept("bob")
    return site


def test_a_history_is_read_in_sentences(told: AdminSite) -> None:
    """What was decided, when, and how each policy stands; with the evidence to take home."""
    browser = told.administrator("auditor")
    page = browser.get(SUBJECTS, params={"subject": "user:ada"}).text

    assert "Accepted terms-of-use 2024-06-24 in English, through the host&#39;s own program" in page
    assert "is stopped until they accept" in page
    assert "subject: ada" in page
    assert "Erase" not in page
    link = re.search(rf'href="({HOME}/bundle\?subject=[^"]+)"', page)
    assert link
    names = zipfile.ZipFile(io.BytesIO(browser.get(link[1]).content)).namelist()
    assert any(name.endswith("verify.py") for name in names)


@pytest.mark.parametrize(("wanted", "status"), [("user:nobody", 404), ("user:", 422), ("x" * 400, 422)])
def test_who_is_not_found_is_said_with_the_form_still_filled(told: AdminSite, wanted: str, status: int) -> None:
    """And how a subject is written."""
    answer = told.administrator("auditor").get(SUBJECTS, params={"subject": wanted})

    assert answer.status_code == status
    assert f'value="{wanted}"' in answer.text


def test_decisions_are_filtered_and_paged(told: AdminSite) -> None:
    """By policy, version, decision, subject, day; a filter that is none keeps the form."""
    browser = told.administrator("auditor")
    every = browser.get(f"{HOME}/decisions").text
    some = browser.get(f"{HOME}/decisions", params={"version": "2026-01-22", "policy": "terms-of-use"}).text
    wrong = browser.get(f"{HOME}/decisions", params={"since": "yesterday", "subject": "user:bob"})

    assert every.count("<td>Accepted</td>") == 3
    assert some.count("<td>Accepted</td>") == 1
    assert (wrong.status_code, 'value="user:bob"' in wrong.text) == (422, True)


def test_who_has_not_accepted_is_listed(told: AdminSite) -> None:
    """Ada, with what she accepted last."""
    page = told.administrator("auditor").get(f"{HOME}/policies/terms-of-use/outstanding").text

    assert "user:ada" in page
    assert "2024-06-24" in page
    assert "user:bob" not in page


def test_erasing_demands_the_subject_twice_a_reason_and_a_fresh_token(told: AdminSite) -> None:
    """Each lack comes back with the form filled; then it is done, and the list no longer names them."""
    token = told.token("owner")
    browser = told.browser()
    sign_in(browser, token)
    told.clock.now += RECENT + 1
    shown = f"{SUBJECTS}?subject=user:ada"
    fields = {"subject": "user:ada", "mode": "shred", "basis": "request 17", "confirm": "user:ada"}

    assert 'name="token"' in browser.get(shown).text
    for lacking in ({"token": ""}, {"token": told.token("owner")}):
        answer = send(browser, shown, f"{SUBJECTS}/erase", fields | lacking)
        assert (answer.status_code, 'value="request 17"' in answer.text) == (401, True)
    for lacking in ({"confirm": "user:adam"}, {"basis": ""}, {"mode": "all"}):
        answer = send(browser, shown, f"{SUBJECTS}/erase", fields | {"token": token} | lacking)
        assert answer.status_code == 422
    done = send(browser, shown, f"{SUBJECTS}/erase", fields | {"token": token})
    assert "1 entry erased" in browser.get(done.headers["location"]).text
    assert browser.get(shown).status_code == 404
    assert "user:ada" not in browser.get(f"{HOME}/decisions").text


def test_a_hold_forbids_to_erase_until_it_is_released(told: AdminSite) -> None:
    """409 says so, and the page shows since when and why."""
    browser = told.administrator("owner")
    shown = f"{SUBJECTS}?subject=user:ada"
    send(browser, shown, f"{SUBJECTS}/hold", {"subject": "user:ada", "basis": "case 4"})
    fields = {"subject": "user:ada", "mode": "shred", "basis": "request 17", "confirm": "user:ada"}

    assert "case 4" in browser.get(shown).text
    assert send(browser, shown, f"{SUBJECTS}/erase", fields).status_code == 409
    send(browser, shown, f"{SUBJECTS}/release", {"subject": "user:ada", "basis": "case 4 is closed"})
    assert send(browser, shown, f"{SUBJECTS}/erase", fields).status_code == 303


def test_the_export_is_the_record(told: AdminSite) -> None:
    """NDJSON that ends with its checkpoint; a policy that does not exist keeps the form."""
    browser = told.administrator("auditor")
    lines = browser.get(f"{HOME}/export", params={"format": "ndjson", "openings": "yes"}).text.splitlines()
    wrong = browser.get(f"{HOME}/export", params={"format": "csv", "policy": "none", "subject": "user:ada"})

    assert "checkpoint" in lines[-1]
    assert (wrong.status_code, 'value="user:ada"' in wrong.text) == (404, True)


def test_the_ledger_page_has_checkpoint_and_keys(told: AdminSite) -> None:
    """What an auditor keeps elsewhere."""
    page = told.administrator("editor").get(f"{HOME}/ledger").text
    head = told.run(told.terms.checkpoint)

    assert head.splitlines()[0] in page
    assert head.splitlines()[2].replace("+", "&#43;") in page or head.splitlines()[2] in page


def test_a_token_is_shown_once_and_revoked_at_once(told: AdminSite) -> None:
    """On the page that makes it, never again."""
    browser = told.administrator("owner")
    made = send(browser, f"{HOME}/tokens", f"{HOME}/tokens", {"role": "editor", "label": "Eve", "days": "30"})
    secret = re.search(r"cgt_[0-9a-f]{8}_[0-9a-f]{64}", made.text)
    assert secret
    assert secret[0] not in browser.get(f"{HOME}/tokens").text
    assert sign_in(told.browser(), secret[0]).status_code == 303

    send(browser, f"{HOME}/tokens", f"{HOME}/tokens/revoke", {"id": secret[0].split("_")[1]})
    assert sign_in(told.browser(), secret[0]).status_code == 401


@pytest.mark.parametrize("wrong", [{"days": "0"}, {"days": "many"}, {"label": " "}, {"role": "king"}])
def test_a_token_that_cannot_be_made_keeps_the_form(site: AdminSite, wrong: dict[str, str]) -> None:
    """422 with what was typed."""
    fields = {"role": "editor", "label": "Eve of the law desk", "days": "30"} | wrong
    answer = send(site.administrator("owner"), f"{HOME}/tokens", f"{HOME}/tokens", fields)

    assert answer.status_code == 422
    assert f'value="{fields["days"]}"' in answer.text


def test_a_policy_is_made_changed_and_retired(told: AdminSite) -> None:
    """New, with titles in two languages; other settings; then nobody is asked any more."""
    browser = told.administrator("publisher")
    new = {
        "slug": "house-rules", "title": "House rules\nfr: Règlement", "kind": "notice", "prevailing": "en",
        "notice_days": "7", "renew_after": "", "retain_days": "", "tags": "", "paths": "/club, /shop", "kinds": "user",
    }  # fmt: skip
    made = send(browser, f"{HOME}/policies/new", f"{HOME}/policies/new", new)
    page = browser.get(made.headers["location"]).text
    assert "7 days of notice" in page
    assert "under /club, /shop" in page

    settings = f"{HOME}/policies/house-rules/settings"
    etag = re.search(r'name="etag" value="([^"]+)"', browser.get(settings).text)
    assert etag
    wrong = send(browser, settings, settings, new | {"etag": etag[1], "notice_days": "soon"})
    assert (wrong.status_code, "/club, /shop" in wrong.text) == (422, True)
    assert send(browser, settings, settings, new | {"etag": etag[1], "notice_days": "14"}).status_code == 303
    assert send(browser, settings, settings, new | {"etag": etag[1], "notice_days": "21"}).status_code == 412

    terms = f"{HOME}/policies/terms-of-use"
    etag = re.search(r'name="etag" value="([^"]+)"', browser.get(terms).text)
    assert etag
    send(browser, terms, f"{terms}/retire", {"etag": etag[1], "at": "", "replaced_by": "house-rules"})
    assert "house-rules replaces it" in browser.get(terms).text


def test_a_scheduled_version_is_cancelled_with_a_reason(told: AdminSite) -> None:
    """Never one that is in force."""
    told.write("terms-of-use", "2027-01-01", "# Terms\n\nNew words.\n", effective="2027-01-01", announce="2026-12-01")
    told.publish()
    browser = told.administrator("publisher")
    version = f"{HOME}/policies/terms-of-use/versions/2027-01-01"

    assert send(browser, version, f"{version}/cancel", {"reason": ""}).status_code == 422
    assert send(browser, version, f"{version}/cancel", {"reason": "too early"}).status_code == 303
    assert "cancelled: it never takes effect" in browser.get(version).text
    assert "Cancel it" not in browser.get(version.replace("2027-01-01", "2026-01-22")).text


def test_an_export_that_cannot_begin_is_an_error_page_and_no_broken_file(
    told: AdminSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer had begun, as a file, before the database was asked."""

    async def away(*_: object, **__: object) -> AsyncIterator[bytes]:
        raise StoreUnavailableError("the database is away")
        yield b""

    monkeypatch.setattr(told.terms, "export", away)
    answer = told.administrator("auditor").get(f"{HOME}/export?format=csv")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "content-disposition" not in answer.headers


def test_a_notice_is_acknowledged_and_not_accepted(told: AdminSite) -> None:
    """The page said of a privacy notice that somebody was stopped "until they accept"."""
    told.write("privacy", "1", "# Privacy\n\nWe keep little.\n", kind="notice", title="Privacy Notice")
    told.publish()
    page = told.administrator("auditor").get(f"{SUBJECTS}?subject=user:bob").text

    assert "Privacy Notice: is stopped until they acknowledge it." in page
