"""The review page at work, over the real service and the real gate."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from consentgate.errors import OverloadedError, StoreUnavailableError
from consentgate.evidence.receipt import verify
from consentgate.terms.canonical import digest
from consentgate.web.lint import lint, lint_headers
from consentgate.web.review import OFFER_MARK
from tests.web import samples
from tests.web.conftest import Site
from tests.web.forms import actions, hidden_fields


def _review(browser: Any, path: str = "/news/7?page=2&q=a%20b") -> Any:
    stopped = browser.get(path)
    assert stopped.status_code == 303
    return browser.get(stopped.headers["location"])


def _accept(browser: Any, page: Any, **more: Any) -> Any:
    data = hidden_fields(page.text) | {"do": "accept", "assent": "terms-of-use"} | more
    return browser.post("/terms/review", data=data)


def test_who_accepts_lands_where_they_were_going(site: Site) -> None:
    """Stopped, shown the page, ticked, accepted: path and query of the article survive, and the gate is open."""
    site.publish_old()
    browser = site.browser()
    page = _review(browser)
    assert page.status_code == 200
    done = _accept(browser, page)
    assert (done.status_code, done.headers["location"]) == (303, "/news/7?page=2&q=a%20b")
    assert browser.get(done.headers["location"]).text == "article /news/7?page=2&q=a%20b"


def test_a_first_timer_reads_the_whole_text_and_no_redline(site: Site) -> None:
    """Nothing was accepted before, so there is nothing to compare with."""
    site.publish_old()
    page = _review(site.browser()).text
    assert "Our Terms of Use" in page
    assert "cg-redline" not in page
    assert "You may not copy whole articles to another site." in page
    assert lint(page) == []


def test_an_update_shows_what_changed_since_the_readers_own_version(site: Site) -> None:
    """The redline runs from the version this reader accepted; the summary is the author's."""
    site.publish_old()
    site.accept("ann")
    site.publish_new()
    answer = _review(site.browser("ann"))
    page = answer.text
    assert "Updates to our Terms of Use" in page
    assert "Please carefully review the updated text before proceeding to our website." in page
    assert "compared with version 2024-06-24, the last one you accepted" in page
    assert "Articles may not be used to train software without our consent." in page
    assert '<ins class="cg-ins"><span class="cg-vh">[inserted] </span>' in page
    assert "7 changes in 5 sections" in page
    assert lint(page) == []
    assert lint_headers(answer.headers) == []


def test_the_record_names_the_exact_page_that_was_shown(site: Site) -> None:
    """Shown equals signed: the kept page, with the offer put where its mark is, is what the reader had before them."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    _accept(browser, page)
    address = next(part for part in browser.get("/terms/mine").text.split('"') if part.startswith("/terms/receipts/"))
    receipt = browser.get(address)
    entry = verify(receipt.content).entry
    kept = browser.get(f"{address}/page")
    assert digest(kept.content) == entry.page  # type: ignore[attr-defined]
    before, _, after = kept.text.partition(str(OFFER_MARK))
    assert page.text.startswith(before)
    assert page.text.endswith(after)


def test_two_readers_of_the_same_page_leave_one_kept_page(site: Site) -> None:
    """Nothing personal stands in the kept page: it is the same bytes for whoever saw the same."""
    site.publish_old()
    kept = set()
    for name in ("ann", "bob"):
        browser = site.browser(name)
        _accept(browser, _review(browser, f"/private/{name}"))
        text = browser.get("/terms/mine").text
        kept.add(browser.get(next(p for p in text.split('"') if p.endswith("/page"))).content)
    assert len(kept) == 1
    assert b"ann" not in kept.pop().replace(b"language", b"")


def test_an_unticked_box_records_nothing_and_keeps_the_way_back(site: Site) -> None:
    """The server checks what the browser should have: 422, the page again, focus on the box, nothing in the ledger."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    fields = hidden_fields(page.text)
    again = browser.post("/terms/review", data=fields | {"do": "accept"})
    assert again.status_code == 422
    assert 'aria-invalid="true"' in again.text
    assert "autofocus" in again.text
    assert hidden_fields(again.text)["next"] == fields["next"]
    assert site.run(site.terms.decisions, _subject("ann")) == ()
    assert lint(again.text) == []


def test_declining_is_recorded_and_explained(site: Site) -> None:
    """Declining asks for no box, is an entry of its own, and leads to a page with what stays open."""
    site.publish_old()
    browser = site.browser("ann")
    gone = browser.post("/terms/review", data=hidden_fields(_review(browser).text) | {"do": "decline"})
    assert (gone.status_code, gone.headers["location"]) == (303, "/terms/declined")
    assert [entry.decision for entry in site.run(site.terms.decisions, _subject("ann"))] == ["decline"]
    assert "<h1>You declined</h1>" in browser.get("/terms/declined").text
    page = _review(browser).text
    assert "You can read it again here and change your decision." in page


def test_the_host_may_have_its_own_page_for_those_who_decline(make_site: Any) -> None:
    """``declined_url`` on another origin is named in the form-action policy, or Chromium would block the redirect."""
    site = make_site(declined_url="https://goodbye.example/why")
    site.publish_old()
    browser = site.browser()
    page = _review(browser)
    assert "form-action 'self' https://goodbye.example;" in page.headers["content-security-policy"]
    gone = browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "decline"})
    assert gone.headers["location"] == "https://goodbye.example/why"


def test_something_published_between_view_and_click_gives_409_and_the_new_offer(site: Site) -> None:
    """Never a record of a text that was not on the screen: the new one is shown, and a sentence says what happened."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    site.publish_new()
    answer = _accept(browser, page)
    assert answer.status_code == 409
    assert "A new version was published while you were reading." in answer.text
    assert "software without our written consent" in answer.text
    assert site.run(site.terms.decisions, _subject("ann")) == ()
    done = _accept(browser, answer)
    assert (done.status_code, done.headers["location"]) == (303, "/news/7?page=2&q=a%20b")


def test_a_page_that_was_open_for_more_than_a_day_says_so(site: Site) -> None:
    """After the offer's lifetime the page comes again, with a new offer."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    site.clock.forward(hours=20)
    early = hidden_fields(page.text)
    site.clock.forward(hours=5)
    late = _accept(browser, page)
    assert late.status_code == 409
    assert "This page was open for a very long time." in late.text
    assert hidden_fields(late.text)["offer"] != early["offer"]
    assert _accept(browser, late).status_code == 303


def test_twenty_hours_are_enough(site: Site) -> None:
    """An offer lives at least twenty hours."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    site.clock.forward(hours=20)
    assert _accept(browser, page).status_code == 303


def test_a_double_click_and_the_back_button_make_one_record(site: Site) -> None:
    """The same offer answered twice in the same way is the first record again, and leads on as before."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    first, second = _accept(browser, page), _accept(browser, page)
    assert first.headers["location"] == second.headers["location"]
    assert len(site.run(site.terms.decisions, _subject("ann"))) == 1


def test_an_offer_answered_otherwise_already_is_not_answered_again(site: Site) -> None:
    """Accepted, then back and declined on the same page: the first answer stands, and the reader is told."""
    site.publish_old()
    browser = site.browser("ann")
    fields = hidden_fields(_review(browser).text)
    browser.post("/terms/review", data=fields | {"do": "decline"})
    answer = browser.post("/terms/review", data=fields | {"do": "accept", "assent": "terms-of-use"})
    assert answer.status_code == 409
    assert "Your first answer stands." in answer.text


def test_two_tabs_do_not_quarrel(site: Site) -> None:
    """The second tab's acceptance is recorded too, harmlessly; a tab opened later says that all is settled."""
    site.publish_old()
    browser = site.browser("ann")
    one, two = _review(browser, "/one"), _review(browser, "/two")
    assert _accept(browser, one).headers["location"] == "/one"
    assert _accept(browser, two).headers["location"] == "/two"
    settled = browser.get("/terms/review?next=" + quote(hidden_fields(two.text)["next"]))
    assert settled.status_code == 200
    assert "All is settled" in settled.text
    assert 'href="/two"' in settled.text


def test_a_cookie_cleared_between_view_and_click_does_not_matter(site: Site) -> None:
    """The offer knows whom it was made for; the pass that comes back is theirs."""
    site.publish_old()
    browser = site.browser()
    page = _review(browser)
    browser.cookies.clear()
    done = _accept(browser, page)
    assert done.status_code == 303
    assert browser.get(done.headers["location"]).status_code == 200


def test_who_signs_in_between_view_and_click_is_asked_as_who_they_are_now(site: Site) -> None:
    """The offer was made for somebody else: nothing is recorded for either."""
    site.publish_old()
    page = _review(site.browser("ann"))
    answer = _accept(site.browser("bob"), page)
    assert answer.status_code == 409
    assert "You are signed in as somebody else than when this page was opened." in answer.text
    assert site.run(site.terms.decisions, _subject("bob")) == ()


@pytest.mark.parametrize("offer", ["", "rubbish", "a.b", "x" * 5000])
def test_a_broken_offer_is_refused_with_the_page_again(site: Site, offer: str) -> None:
    """400, a fresh offer, nothing recorded."""
    site.publish_old()
    browser = site.browser("ann")
    answer = browser.post("/terms/review", data={"offer": offer, "do": "accept", "assent": "terms-of-use"})
    assert answer.status_code == 400
    assert "The page did not come back complete." in answer.text
    assert lint(answer.text) == []


def test_a_form_that_met_the_gate_is_sent_on_by_one_button(site: Site) -> None:
    """Nothing typed is lost: duplicates, empty values, line breaks and foreign letters arrive as they were typed."""
    site.publish_old()
    browser = site.browser()
    typed = [("text", "one\r\ntwo"), ("tag", "a"), ("tag", "b"), ("empty", ""), ("name", "Zoë 日本 <&>\"'")]
    body = "&".join(f"{name}={quote(value)}" for name, value in typed)
    stopped = browser.post(
        "/comment?from=article", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert stopped.status_code == 403
    assert "The form you were sending is kept." in stopped.text
    assert lint(stopped.text) == []
    ready = _accept(browser, stopped)
    assert ready.status_code == 200
    assert actions(ready.text)[0] == "/comment?from=article"
    fields = hidden_fields(ready.text)
    assert fields["name"] == "Zoë 日本 <&>\"'"
    assert browser.post("/comment?from=article", data=fields).json()[0] == ["text", "one\r\ntwo"]


def test_a_kept_form_survives_errors_and_changes_of_language_and_view(site: Site) -> None:
    """It travels through every page that stands between."""
    site.publish_old()
    browser = site.browser("ann")
    page = browser.post("/comment", data={"text": "mine"})
    for step in ({"do": "accept"}, {"do": "show", "to_language": "de"}, {"do": "show", "to_view": "full"}):
        page = browser.post("/terms/review", data=hidden_fields(page.text) | step)
        assert hidden_fields(page.text)["kept"]
    site.publish_new()
    page = _accept(browser, page)
    assert page.status_code == 409
    assert hidden_fields(_accept(browser, page).text) == {"text": "mine"}


def test_a_kept_form_is_nobody_elses(site: Site) -> None:
    """Sealed to its subject: another's page with it records the decision, drops the form, and says so."""
    site.publish_old()
    ann, bob = site.browser("ann"), site.browser("bob")
    kept = hidden_fields(ann.post("/comment", data={"text": "a secret of Ann's"}).text)["kept"]
    answer = _accept(bob, _review(bob), kept=kept)
    assert answer.status_code == 200
    assert "It was not sent." in answer.text
    assert "secret" not in answer.text


def test_a_form_too_large_or_with_files_is_said_not_to_have_arrived(site: Site) -> None:
    """It is not kept, and the page says how to send it again."""
    site.publish_old()
    browser = site.browser()
    for stopped in (
        browser.post("/comment", data={"text": "x" * 300_000}),
        browser.post("/comment", files={"file": ("a.txt", b"hello")}),
    ):
        assert stopped.status_code == 403
        assert "The form you sent has not arrived." in stopped.text
        assert "kept" not in hidden_fields(stopped.text)


def test_in_grace_not_now_opens_the_gate_for_a_while(site: Site) -> None:
    """Effective but not yet enforced: "Not now" is offered, remembered, and records nothing."""
    site.publish_old()
    site.accept("ann")
    site.write("terms-of-use", "2026-01-22", samples.NEW, enforce="2026-03-01")
    site.publish()
    browser = site.browser("ann")
    page = _review(browser)
    assert "You can go on without deciding until 1 March 2026." in page.text
    assert "Not now" in page.text
    assert lint(page.text) == []
    later = browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "later"})
    assert later.headers["location"] == "/news/7?page=2&q=a%20b"
    assert browser.get("/news/8").status_code == 200
    assert len(site.run(site.terms.decisions, _subject("ann"))) == 1


def test_not_now_is_not_offered_where_the_gate_is_closed(site: Site) -> None:
    """Enforced is enforced; and a forged "later" opens nothing."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)
    assert "Not now" not in page.text
    browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "later"})
    assert browser.get("/news/8").status_code == 303


def test_an_announced_version_can_be_accepted_early(site: Site) -> None:
    """It asks nobody by itself; at its own address it can be accepted before it takes effect."""
    site.publish_old()
    site.accept("ann")
    site.write("terms-of-use", "2026-06-01", samples.NEW, effective="2026-06-01", announce="2026-01-30")
    site.publish()
    browser = site.browser("ann")
    assert browser.get("/news/7").status_code == 200
    page = browser.get("/terms/review?policy=terms-of-use")
    assert "will change on 1 June 2026" in page.text
    site.clock.forward(hours=1)
    assert lint(page.text) == []
    _accept(browser, page)
    assert site.run(site.terms.decisions, _subject("ann"))[0].version == "2026-06-01"


def test_an_acceptance_that_ran_out_is_asked_for_again_in_its_own_words(site: Site) -> None:
    """After ``renew_after`` days: the page says why, shows the text whole, and one more acceptance opens the gate."""
    (site.folder / "terms-of-use").mkdir(parents=True)
    (site.folder / "terms-of-use" / "policy.toml").write_text('title = "Terms of Use"\nrenew_after = 90\n')
    site.publish_old()
    browser = site.browser("ann")
    _accept(browser, _review(browser))
    assert browser.get("/news/7").status_code == 200
    site.clock.forward(hours=24 * 91)
    page = _review(browser)
    assert "It has been a while since you accepted our Terms of Use." in page.text
    assert "The text reads the same as the one you accepted." in page.text
    assert "You may not copy whole articles to another site." in page.text
    assert lint(page.text) == []
    assert _accept(browser, page).status_code == 303
    assert browser.get("/news/7").status_code == 200


def test_a_copy_of_the_text_that_was_shown_can_be_kept(site: Site) -> None:
    """The page links both texts as files; the new one is the text whose digest stands in the record."""
    site.publish_old()
    site.accept("ann")
    site.publish_new()
    browser = site.browser("ann")
    page = _review(browser)
    links = [part for part in page.text.split('"') if part.startswith("/terms/terms-of-use/2")]
    assert [link.partition("?")[0].rpartition("/")[2] for link in links] == [
        "2026-01-22.html", "2026-01-22.md", "2026-01-22", "2024-06-24",
    ]  # fmt: skip
    _accept(browser, page)
    entry = site.run(site.terms.decisions, _subject("ann"))[0]
    saved = browser.get(links[1])
    assert digest(saved.content) == entry.text
    assert saved.headers["content-disposition"].startswith("attachment")
    assert entry.text in browser.get(links[0]).text
    assert "6 euros" in browser.get(links[3]).text


def test_a_notice_is_acknowledged_not_agreed_to(site: Site) -> None:
    """A privacy notice asks to be seen; the button, the sentence and the record say so, and leaving records nothing."""
    site.write("privacy", "1.0", samples.PRIVACY, kind="notice", title="Privacy notice")
    site.publish()
    browser = site.browser("ann")
    page = _review(browser)
    assert ">Acknowledge</button>" in page.text
    assert "agree" not in page.text.partition("<form")[2].partition("</form")[0]
    assert lint(page.text) == []
    left = browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "leave"})
    assert left.headers["location"] == "/terms/declined?left=1"
    assert "Nothing has been recorded." in browser.get(left.headers["location"]).text
    _accept(browser, page, assent="privacy")
    assert [entry.decision for entry in site.run(site.terms.decisions, _subject("ann"))] == ["acknowledge"]


def test_contract_and_notice_together_need_each_its_own_box(site: Site) -> None:
    """One button, two boxes; the button's words fit both."""
    site.publish_old()
    site.write("privacy", "1.0", samples.PRIVACY, kind="notice", title="Privacy notice")
    site.publish()
    browser = site.browser("ann")
    page = _review(browser)
    assert ">Accept and acknowledge</button>" in page.text
    assert lint(page.text) == []
    assert _accept(browser, page).status_code == 422
    assert _accept(browser, page, assent=["terms-of-use", "privacy"]).status_code == 303


def test_a_consent_is_never_a_condition(site: Site) -> None:
    """It opens nothing and closes nothing, is given and withdrawn at one address, and nothing is chosen beforehand."""
    site.write("newsletter", "1.0", samples.NEWSLETTER, kind="consent", title="Newsletter")
    site.publish()
    browser = site.browser("ann")
    assert browser.get("/news/7").status_code == 200
    assert 'href="/terms/review?policy=newsletter"' in browser.get("/terms/mine").text
    page = browser.get("/terms/review?policy=newsletter")
    assert "checked" not in page.text
    assert lint(page.text) == []
    data = hidden_fields(page.text) | {"do": "accept", "choice-newsletter": "grant"}
    assert browser.post("/terms/review", data=data).status_code == 303
    page = browser.get("/terms/review?policy=newsletter")
    assert "I withdraw my consent to: Newsletter, version 1.0." in page.text
    site.clock.forward(hours=1)
    browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "accept", "choice-newsletter": "withdraw"})
    decisions = site.run(site.terms.decisions, _subject("ann"))
    assert [entry.decision for entry in decisions] == ["withdraw", "grant"]


def test_a_consent_left_open_records_nothing(site: Site) -> None:
    """No answer is an answer too."""
    site.write("newsletter", "1.0", samples.NEWSLETTER, kind="consent", title="Newsletter")
    site.publish()
    browser = site.browser("ann")
    page = browser.get("/terms/review?policy=newsletter")
    for do in ("accept", "leave"):
        assert browser.post("/terms/review", data=hidden_fields(page.text) | {"do": do}).status_code == 303
    assert site.run(site.terms.decisions, _subject("ann")) == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
    ],
)
def test_another_sites_form_decides_nothing(site: Site, headers: dict[str, str]) -> None:
    """Fetch metadata where the browser sends it, Origin where it does not."""
    site.publish_old()
    browser = site.browser("ann")
    fields = hidden_fields(_review(browser).text) | {"do": "accept", "assent": "terms-of-use"}
    if not headers["sec-fetch-site"]:
        del browser.headers["sec-fetch-site"]
        headers = {name: value for name, value in headers.items() if value}
    assert browser.post("/terms/review", data=fields, headers=headers).status_code == 403
    assert site.run(site.terms.decisions, _subject("ann")) == ()


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_no_address_but_our_own_is_ever_followed(site: Site, target: str) -> None:
    """A return address that we did not seal leads nowhere."""
    site.publish_old()
    browser = site.browser("ann")
    page = browser.get("/terms/review?next=" + quote(target, safe=""))
    assert "evil.example" not in page.text
    done = _accept(browser, page, next=target)
    assert done.headers["location"] == "/terms/mine?done=1"


def test_a_full_queue_says_try_again_and_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After and the page again; the kept form is still there."""
    site.publish_old()
    browser = site.browser("ann")
    page = browser.post("/comment", data={"text": "mine"})

    async def full(*_: Any, **__: Any) -> None:
        raise OverloadedError("full", retry_after=3)

    with monkeypatch.context() as patch:
        patch.setattr(site.terms, "decide", full)
        answer = _accept(browser, page)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert hidden_fields(_accept(browser, answer).text) == {"text": "mine"}


def test_a_dead_database_gives_503_and_not_a_stack(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the page can be drafted, a plain page says that nothing was recorded."""
    site.publish_old()
    browser = site.browser("ann")
    page = _review(browser)

    async def dead(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(site.terms, "decide", dead)
    answer = _accept(browser, page)
    assert answer.status_code == 503
    assert "Nothing has been recorded." in answer.text
    assert answer.headers["retry-after"]


def test_a_form_of_another_kind_or_size_is_refused(site: Site) -> None:
    """Bounded: only urlencoded, and not a megabyte of it."""
    site.publish_old()
    browser = site.browser("ann")
    assert browser.post("/terms/review", json={"do": "accept"}).status_code == 422
    assert browser.post("/terms/review", data={"kept": "x" * 1_100_000}).status_code == 422
    assert browser.post("/terms/review", data={f"f{i}": "1" for i in range(300)}).status_code == 422


def _subject(name: str) -> Any:
    from consentgate.terms.subject import Subject

    return Subject(name)
