"""What the gate answers: each row of the documented table, on raw ASGI messages."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.gate.answers import DENIED_CODE, PROBLEM_TYPE
from consentgate.gate.hooks import Accepted, Passage
from consentgate.gate.returning import open_return
from consentgate.gate.stopping import MAX_DISCARDED_BYTES
from consentgate.gate.verdict import Outcome, State
from consentgate.gate.wants import MAX_FORM_BYTES
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Kind
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import (
    BY_PATH,
    CONSENT_ONLY,
    GRACE,
    NAVIGATION,
    NOW,
    VISITOR_ID,
    Answer,
    House,
    Site,
    policy,
    version,
)

FORM = {**NAVIGATION, "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
HTML_ONLY = {"accept": "text/html"}


def back(site: Site, answer: Answer) -> str:
    """The address that a redirect to the review page carries, sealed."""
    prefix, _, token = answer.headers["location"].partition("?next=")
    assert prefix.endswith("/terms/review")
    return open_return(site.state.seals, token)


def problem(answer: Answer) -> dict[str, Any]:
    """The problem document of an answer."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.body)
    return document


# Row 1: a page navigation


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [NAVIGATION, HTML_ONLY], ids=["sec-fetch", "accept"])
def test_a_navigation_is_sent_to_the_review_page_and_comes_back_with_path_and_query(
    method: str, headers: Mapping[str, str]
) -> None:
    """303, never cached, with the sealed address of the very page that was wanted."""
    site = Site()

    answer = site.get("/a b/caf\u00e9", query=b"page=2&x=%20", method=method, headers=headers)

    assert (answer.status, answer.reached, answer.body) == (303, False, b"")
    assert back(site, answer) == "/a%20b/caf%C3%A9?page=2&x=%20"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie"


def test_conditional_and_range_requests_are_stopped_like_others() -> None:
    """A cached copy is no way around: neither 304 nor 206 is answered."""
    headers = {**NAVIGATION, "if-none-match": '"x"', "if-modified-since": "Mon", "range": "bytes=0-"}

    assert Site().get(headers=headers).status == 303


def test_the_mount_point_stands_in_front_of_both_addresses() -> None:
    """Under a mount point the browser must be sent to the mounted page, and back to the mounted page."""
    site = Site()
    for path in ("/app/a", "/a"):
        answer = site.get(path, headers=NAVIGATION, root_path="/app")
        assert answer.headers["location"].startswith("/app/terms/review?next=")
        assert back(site, answer) == "/app/a"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/.//evil.example"])
def test_a_hostile_path_is_not_returned_to(path: str) -> None:
    """A path that a browser would take for another site leads back to the front page."""
    site = Site()

    assert back(site, site.get(path, headers=NAVIGATION)) == "/"


def test_the_answer_is_the_same_the_second_time() -> None:
    """What was remembered of an address is what was worked out, also with queries and mount points beside it."""
    site = Site()
    variants: list[dict[str, Any]] = [{}, {"query": b"x=1"}, {"root_path": "/app"}, {"raw_path": None}]
    first = [back(site, site.get("/a", headers=NAVIGATION, **more)) for more in variants]

    assert first == ["/a", "/a?x=1", "/app/a", "/a"]
    assert [back(site, site.get("/a", headers=NAVIGATION, **more)) for more in variants] == first


def test_a_long_address_is_returned_to_but_not_remembered() -> None:
    """What is remembered is bounded in length as well as in number."""
    site = Site()
    path = "/a" * 400
    for _ in range(2):
        assert back(site, site.get(path, headers=NAVIGATION)) == path
    watch = inspect.getclosurevars(site.gate).nonlocals["careful"].__self__.watch  # type: ignore[arg-type]

    assert len(watch.epoch.locations) == 0


# Row 2 and 3: forms


def test_a_form_is_kept_and_the_review_page_shown_in_place() -> None:
    """403 with the page, and everything needed to send the form on: nothing typed is lost."""
    site = Site()

    answer = site.get("/orders", method="POST", query=b"shop=1", headers=FORM, body=[b"name=A", b"nn&city=", b"B"])

    assert (answer.status, answer.reached) == (403, False)
    (seen,) = site.house.reviews
    assert seen["kept"].body == b"name=Ann&city=B"
    assert (seen["kept"].path, seen["kept"].target, seen["kept"].query) == ("/orders", "/orders?shop=1", b"shop=1")
    assert seen["kept"].content_type == "application/x-www-form-urlencoded"
    assert not seen["too_large"]
    assert seen["verdict"].outcome is Outcome.REVIEW
    assert seen["passage"].verdict is seen["verdict"]


def test_a_form_of_just_the_greatest_length_is_kept_and_one_byte_more_is_not() -> None:
    """The bound is counted on what arrives, whatever was announced."""
    site = Site()
    for size in (MAX_FORM_BYTES, MAX_FORM_BYTES + 1):
        site.get("/orders", method="POST", headers={**FORM, "content-length": "5"}, body=[b"x" * size, b""])

    assert [len(seen["kept"].body) if seen["kept"] else None for seen in site.house.reviews] == [MAX_FORM_BYTES, None]
    assert [seen["too_large"] for seen in site.house.reviews] == [False, True]


@pytest.mark.parametrize(
    "headers",
    [
        {**FORM, "content-length": str(MAX_FORM_BYTES + 1)},
        {**FORM, "content-type": "multipart/form-data; boundary=x"},
        {**FORM, "content-type": "text/plain"},
        {**FORM, "sec-fetch-site": "cross-site"},
    ],
    ids=["long", "files", "text", "foreign"],
)
def test_a_form_that_cannot_be_kept_is_answered_with_a_page_that_says_so(headers: Mapping[str, str]) -> None:
    """Too long, with files, or from another site: 403, and `too_large` tells the page to say that nothing was sent."""
    site = Site()

    answer = site.get("/orders", method="POST", headers=headers, body=b"x=1")

    assert answer.status == 403
    assert [(seen["kept"], seen["too_large"]) for seen in site.house.reviews] == [(None, True)]


def test_an_upload_may_finish_within_bounds_and_is_forgotten() -> None:
    """A browser cut off while it sends would show an error; one that sends without end is not listened to."""
    site = Site()
    chunk = b"x" * 1_000_000
    for count, left in ((3, 0), (20, 20 - MAX_DISCARDED_BYTES // len(chunk) - 1)):
        answer = site.get(method="POST", headers={**FORM, "content-type": "multipart/form-data"}, body=[chunk] * count)
        assert answer.status == 403
        assert len(answer.inbox) == left


def test_a_visitor_who_leaves_while_sending_gets_no_answer() -> None:
    """Nobody is there, so nothing is sent and nothing raised."""
    site = Site()

    answer = site.get("/orders", method="POST", headers=FORM, body=[])

    assert answer.messages == []
    assert site.house.reviews == []


# Row 4: programs


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"accept": "application/json"}),
        ("GET", {"accept": "text/event-stream"}),
        ("GET", {**NAVIGATION, "sec-fetch-mode": "cors"}),
        ("GET", {**HTML_ONLY, "x-requested-with": "XMLHttpRequest"}),
        ("POST", {"content-type": "application/json"}),
        ("PATCH", NAVIGATION),
        ("DELETE", {}),
        ("PROPFIND", {}),
        ("OPTIONS", {}),
    ],
)
def test_a_program_gets_a_problem_document(method: str, headers: Mapping[str, str]) -> None:
    """403, RFC 9457, with everything a program or its owner needs to go on."""
    site = Site()

    answer = site.get("/api/items", method=method, headers={"host": "news.example", **headers}, cookie=site.token(1))

    assert (answer.status, answer.reached) == (403, False)
    document = problem(answer)
    assert document["type"] == PROBLEM_TYPE
    assert document["status"] == 403
    assert document["accept_url"] == "http://news.example/terms/review"
    assert document["policies"] == [
        {
            "policy": "terms-of-use",
            "title": "Terms Of Use",
            "kind": "contract",
            "state": "required",
            "required_version": "2.0",
            "accepted_version": "1.0",
            "accept_url": "http://news.example/terms/review",
            "effective_at": "2025-06-05T15:06:40.000000Z",
            "text_url": "http://news.example/terms/terms-of-use/2.0",
            "text_digest": f"{2:064x}",
            "accepted_text_digest": f"{1:064x}",
            "changes_url": "http://news.example/terms/terms-of-use/changes?from=1.0&to=2.0",
        }
    ]
    assert answer.headers["link"] == '<http://news.example/terms/terms-of-use>; rel="terms-of-service"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_head_gets_the_headers_of_the_document_and_no_body() -> None:
    """RFC 9110 section 9.3.2."""
    answer = Site().get(method="HEAD", headers={"accept": "application/json"})

    assert (answer.status, answer.body) == (403, b"")
    assert int(answer.headers["content-length"]) > 100


def test_a_program_that_accepted_nothing_is_told_no_changes() -> None:
    """Without an accepted version there is nothing to compare with."""
    (entry,) = problem(Site().get())["policies"]

    assert entry["accepted_version"] is None
    assert "changes_url" not in entry


@pytest.mark.parametrize(
    ("headers", "more", "pages"),
    [
        ({"host": "a.example:8443"}, {"scheme": "https"}, "https://a.example:8443/terms"),
        ({"host": "[::1]:80"}, {}, "http://[::1]:80/terms"),
        ({"host": "a.example"}, {"root_path": "/app"}, "http://a.example/app/terms"),
        ({"host": "a.example/x"}, {}, "/terms"),
        ({"host": "a.example\r\nx: y"}, {}, "/terms"),
        ({"host": "user@a.example"}, {}, "/terms"),
        ({"host": "a" * 300}, {}, "/terms"),
        ({}, {}, "/terms"),
    ],
)
def test_addresses_for_programs_name_the_host_when_it_is_one(
    headers: Mapping[str, str], more: dict[str, Any], pages: str
) -> None:
    """A host header that is no host is left out instead of repeated."""
    assert problem(Site().get(headers=headers, **more))["accept_url"] == pages + "/review"


def test_the_configured_address_goes_before_what_the_request_says() -> None:
    """Behind a proxy the operator knows better."""
    site = Site(base_url="https://news.example")

    assert problem(site.get(headers={"host": "internal:8000"}))["accept_url"] == "https://news.example/terms/review"


def test_a_privacy_notice_is_linked_as_one() -> None:
    """RFC 6903 has a relation of its own for it."""
    calendar = Calendar((policy("privacy", kind=Kind.NOTICE), policy()), (version(1, "privacy"), version(2)))
    site = Site(House(calendar))
    links = [value for name, value in site.get().all_headers if name == b"link"]

    assert [link.partition(b"rel=")[2] for link in links] == [b'"privacy-policy"', b'"terms-of-service"']


# Row 5: HTMX


def test_htmx_is_told_where_to_go() -> None:
    """The same 403 with `HX-Redirect`, to come back to the page that asked for the part."""
    site = Site()
    headers = {"hx-request": "true", "hx-current-url": "http://a.example/list?page=3", "host": "a.example"}

    answer = site.get("/parts/row", method="POST", headers=headers)

    assert answer.status == 403
    assert problem(answer)["type"] == PROBLEM_TYPE
    prefix, _, token = answer.headers["hx-redirect"].partition("?next=")
    assert prefix == "/terms/review"
    assert open_return(site.state.seals, token) == "/list?page=3"


# Row 6: WebSocket


def test_a_websocket_gets_the_document_where_the_server_can_send_it() -> None:
    """A denial response with the same document."""
    answer = Site().get("/ws", kind="websocket", extensions={"websocket.http.response": {}})

    assert [message["type"] for message in answer.messages] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert (answer.status, answer.reached) == (403, False)
    assert problem(answer)["type"] == PROBLEM_TYPE


@pytest.mark.parametrize("more", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
def test_a_websocket_is_closed_before_it_is_accepted_where_it_cannot(more: dict[str, Any]) -> None:
    """The server then answers the handshake with 403."""
    answer = Site().get("/ws", kind="websocket", **more)

    assert answer.messages == [
        {"type": "websocket.close", "code": DENIED_CODE, "reason": "terms acceptance required"}
    ]  # fmt: skip
    assert not answer.reached


def test_a_websocket_with_a_good_pass_is_accepted() -> None:
    """The handshake carries the cookie."""
    site = Site()

    assert site.get("/ws", kind="websocket", cookie=site.token(2)).reached
    assert site.get("/ws", kind="websocket", cookie=site.token(2)).reached
    secure = f"__Host-consentgate={site.token(2)}".encode()
    assert site.get("/ws", kind="websocket", cookie=secure, scheme="wss").reached


# Row 7 and 8: what is never stopped


def test_a_preflight_passes_and_other_options_do_not() -> None:
    """A browser sends no cookies with it; the request that follows is judged."""
    site = Site()

    assert site.get(method="OPTIONS", headers={"access-control-request-method": "POST", "origin": "x"}).reached
    assert not site.get(method="OPTIONS", headers={"origin": "x"}).reached


@pytest.mark.parametrize("path", ["/static/a.css", "/health", "/sign-out", "/account/delete"])
def test_exempt_and_open_paths_pass(path: str) -> None:
    """And nobody is asked anything for them."""
    site = Site(exempt=("/static", "/health"), open_paths=("/sign-out", "/account/delete"))

    assert site.get(path, headers=NAVIGATION).reached
    assert site.house.asked == []


@pytest.mark.parametrize("path", ["/statics", "/static/../secret", "/account", "/static/..\\secret", "//static"])
def test_a_path_that_only_looks_exempt_is_stopped(path: str) -> None:
    """Whole segments, and no way around with dots."""
    site = Site(exempt=("/static",), open_paths=("/account/delete",))

    assert site.get(path, headers=NAVIGATION).status == 303


def test_exempt_paths_are_meant_without_the_mount_point() -> None:
    """Mounted elsewhere, the same paths are exempt."""
    site = Site(exempt=("/static",))

    assert site.get("/app/static/x", headers=NAVIGATION, root_path="/app").reached
    assert not site.get("/app/x", headers=NAVIGATION, root_path="/app").reached


@pytest.mark.parametrize("path", ["/terms", "/terms/", "/terms/review", "/terms/static/x.css", "/terms/terms-of-use"])
@pytest.mark.parametrize("passes", [True, False])
def test_our_own_pages_are_served_by_us_with_and_without_a_pass(path: str, passes: bool) -> None:
    """The application never sees our prefix, and our pages are never gated: that would be a loop."""
    site = Site()
    for _ in range(2):
        answer = site.get(path, headers=NAVIGATION, cookie=site.token(2) if passes else None)
        assert (answer.status, answer.body, answer.reached) == (200, b"page", False)


def test_our_own_pages_under_a_mount_point() -> None:
    """The prefix is meant without the mount point."""
    assert Site().get("/app/terms/review", root_path="/app").body == b"page"


@pytest.mark.parametrize("path", ["/termsx", "/x/terms", "/terms.html", "//terms/review"])
def test_a_path_that_only_contains_our_prefix_is_the_applications(path: str) -> None:
    """It is gated like any other, and reached with a pass."""
    site = Site()

    assert site.get(path, headers=NAVIGATION).status == 303
    for _ in range(2):
        assert site.get(path, cookie=site.token(2)).reached


def test_our_pages_are_told_who_asks() -> None:
    """The visitor and the pass, with the verdict the pass gives; a stranger is nobody."""
    site = Site()

    stranger = site.get("/terms/review").passage
    visitor = site.get("/terms/review", cookie=site.token(1)).passage

    assert (stranger.subject, stranger.verdict.outcome) == (None, Outcome.REVIEW)
    assert visitor.subject == Subject(VISITOR_ID, SubjectKind.VISITOR)
    assert visitor.proof is not None
    assert visitor.proof.serials == (1,)
    assert visitor.visitor_id == VISITOR_ID


def test_our_pages_are_served_when_the_store_is_down() -> None:
    """They know that something failed; their static files are not even asked about."""
    site = Site(House(fault=StoreUnavailableError("down")))

    assert site.get("/terms/review").passage.failed
    assert site.get("/terms/static/x.css").passage == Passage()


def test_lifespan_goes_to_the_application_or_to_whom_the_options_say() -> None:
    """Start-up is wired by the house."""
    site = Site()
    site.get(kind="lifespan")
    assert [scope["type"] for scope in site.seen] == ["lifespan"]

    started = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["type"])

    other = Site(lifespan=lifespan)
    other.get(kind="lifespan")
    assert (started, other.seen) == (["lifespan"], [])


def test_a_scope_of_a_kind_we_do_not_know_is_the_applications() -> None:
    """New kinds of ASGI scopes are none of our business."""
    site = Site()
    site.get(kind="webtransport")

    assert len(site.seen) == 1


# What is demanded


@pytest.mark.parametrize("calendar", [Calendar(), CONSENT_ONLY], ids=["nothing", "consent only"])
def test_without_a_policy_that_binds_the_gate_is_open_and_says_so_once(
    calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning in the log, and everybody passes."""
    site = Site(House(calendar))
    with caplog.at_level(logging.WARNING, logger="consentgate"):
        assert all(site.get(headers=NAVIGATION).reached for _ in range(3))

    assert [record.message for record in caplog.records] == [
        "no policy is in force, so the gate is open; publish one to close it"
    ]


def test_in_grace_a_navigation_meets_the_page_in_between_and_nothing_else_does() -> None:
    """A reminder interrupts a person who opens a page; programs, forms and sockets go on."""
    site = Site(House(GRACE))
    token = site.token(1)

    assert site.get(headers=NAVIGATION, cookie=token).status == 303
    assert site.get(headers=NAVIGATION, cookie=site.token(2)).reached
    for answer in (
        site.get(cookie=token),
        site.get(method="POST", headers=FORM, cookie=token),
        site.get(kind="websocket", cookie=token),
    ):
        assert answer.reached
        assert answer.passage.verdict.outcome is Outcome.REMIND


def test_not_now_is_remembered_in_the_pass_until_it_ends() -> None:
    """A snoozed pass goes through in grace, until the snooze or the grace is over."""
    site = Site(House(GRACE))
    token = site.token(1, snoozed=NOW + DAY)
    seen = []
    for days in (0, 0.5, 1.5, 6):
        site.clock.seconds = NOW / 1e6 + days * 86_400
        seen.append(site.get(headers=NAVIGATION, cookie=token).reached)

    assert seen == [True, True, False, False]


def test_a_policy_that_binds_some_paths_stops_there_only() -> None:
    """A stranger passes elsewhere; who has accepted passes everywhere."""
    site = Site(House(BY_PATH))
    for _ in range(2):
        assert site.get("/articles", headers=NAVIGATION).reached
        assert site.get("/account/x", headers=NAVIGATION).status == 303
        assert site.get("/x/..//account", headers=NAVIGATION).status == 303
        assert site.get("/account/x", headers=NAVIGATION, cookie=site.token(1)).reached
        other = site.token(9)
        assert site.get("/articles", headers=NAVIGATION, cookie=other).reached
        assert site.get("/account", headers=NAVIGATION, cookie=other).status == 303


# Anonymous visitors and crawlers


def test_visitors_can_be_reminded_instead_of_stopped() -> None:
    """`anonymous="remind"`: everything goes through, and the host is told."""
    site = Site(anonymous="remind")
    for headers in (NAVIGATION, {}):
        answer = site.get(headers=headers)
        assert answer.reached
        assert answer.passage.verdict.outcome is Outcome.REMIND
        assert answer.passage.verdict.items[0].state is State.REQUIRED
    assert site.get(headers=NAVIGATION, cookie=site.token(1)).passage.verdict.outcome is Outcome.REMIND
    assert Site(House(GRACE), anonymous="remind").get(headers=NAVIGATION).reached


def test_visitors_can_be_left_alone_and_users_are_still_stopped() -> None:
    """`anonymous="pass"` does not look at visitors, whatever cookie they bring."""
    site = Site(anonymous="pass", subject=lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode() or None)

    assert site.get(headers=NAVIGATION).reached
    assert site.get(headers=NAVIGATION, cookie="forged").reached
    assert site.get(headers=NAVIGATION, cookie=b"other=1").reached
    assert site.get(headers={**NAVIGATION, "x-user": "ann"}).status == 303


def test_crawlers_pass_where_a_visitor_would_be_stopped_unless_told_otherwise() -> None:
    """Only to read, only without a pass, and only on the list."""
    robot = {**NAVIGATION, "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
    site, strict = Site(), Site(crawlers="gate")
    for extra in ({}, {"cookie": b"other=1"}):
        assert site.get(headers=robot, **extra).reached
        assert strict.get(headers=robot, **extra).status == 303
    assert site.get(headers={"user-agent": "Googlebot/2.1"}).reached
    assert site.get(method="HEAD", headers=robot).reached
    assert site.get(method="POST", headers=robot).status == 403
    assert site.get(headers=robot, cookie=site.token(1)).status == 303
    assert Site(House(GRACE)).get(headers=robot).reached


def test_a_crawlers_name_does_not_help_a_user() -> None:
    """Who is signed in is nobody's crawler."""
    site = Site(subject=lambda scope: "ann")

    assert site.get(headers={**NAVIGATION, "user-agent": "Googlebot/2.1"}).status == 303


# Failure


@pytest.mark.parametrize("fault", [StoreUnavailableError("down"), RuntimeError("bug")])
def test_closed_means_503_when_nothing_can_be_told(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """At the first request, with nothing loaded, nobody gets through."""
    site = Site(House(fault=fault))
    with caplog.at_level(logging.ERROR, logger="consentgate"):
        assert [site.get(headers=NAVIGATION).status for _ in range(2)] == [503, 503]

    assert "fail=closed" in caplog.text


def test_open_means_through_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The host is told that the gate could not tell."""
    site = Site(House(fault=RuntimeError("bug")), fail="open")
    with caplog.at_level(logging.ERROR, logger="consentgate"):
        answer = site.get(headers=NAVIGATION)

    assert answer.reached
    assert answer.passage.failed
    assert "fail=open" in caplog.text


def test_a_database_in_trouble_is_asked_once_a_second() -> None:
    """After a failure the next requests fail at once instead of lining up."""
    site = Site(House(fault=StoreUnavailableError("down")))
    for _ in range(5):
        assert site.get().status == 503
    assert site.house.asked == ["reload"]

    site.clock.seconds += 1.1
    site.house.fault = None
    assert site.get(headers=NAVIGATION).status == 303
    assert site.house.asked == ["reload", "reload"]


def test_a_publication_that_cannot_be_loaded_stops_or_keeps_the_terms_known_before() -> None:
    """Closed: nobody passes on terms that may be out of date. Open: the gate goes on with what it knows."""
    for fail, statuses in (("closed", [503, 503]), ("open", [200, 303])):
        site = Site(fail=fail)
        token = site.token(2)
        assert site.get(cookie=token).reached
        site.house.fault = StoreUnavailableError("down")
        site.state.generation.bump()

        assert [site.get(cookie=token).status, site.get(headers=NAVIGATION).status] == statuses


@pytest.mark.parametrize(
    "subject",
    [lambda scope: 1 / 0, lambda scope: scope["session"], lambda scope: 42, lambda scope: "", lambda scope: "x" * 300,
     lambda scope: b"ann"],
    ids=["error", "no session", "number", "empty", "long", "bytes"],
)  # fmt: skip
@pytest.mark.parametrize("fail", ["closed", "open"])
def test_a_subject_function_that_fails_never_lets_anybody_in_as_somebody_else(subject: Any, fail: Any) -> None:
    """It counts as not being able to tell, with a pass and without, quick look or careful."""
    site = Site(subject=subject, fail=fail)
    for cookie in (None, site.token(2), site.token(2)):
        answer = site.get(headers=NAVIGATION, cookie=cookie)
        assert answer.status == (503 if fail == "closed" else 200)
        assert answer.passage.failed == (fail == "open")
    assert site.get("/terms/review", headers=NAVIGATION).passage.failed


class Slow(House):
    """Loads only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def reload(self) -> Calendar:
        self.note("reload")
        await self.gate.wait()
        return self.calendar


def test_a_crowd_that_arrives_after_a_publication_loads_it_once() -> None:
    """Fifty requests wait for one query, and one that is cancelled while it loads leaves the task to the next."""

    async def run() -> tuple[list[int], list[str]]:
        house = Slow()
        site = Site(house)
        first = asyncio.create_task(site.request())
        crowd = [asyncio.create_task(site.request()) for _ in range(50)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        house.gate.set()
        return [answer.status for answer in await asyncio.gather(*crowd)], house.asked

    statuses, asked = asyncio.run(run())

    assert statuses == [403] * 50
    assert asked == ["reload", "reload"]


def test_a_request_that_is_cancelled_is_not_answered_with_503() -> None:
    """Cancelling is the server's business, not a failure of the store."""

    async def run() -> None:
        site = Site(Slow())
        task = asyncio.create_task(site.request())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


# The log


def test_each_stop_is_one_line_without_anything_private(caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, policies, versions and the answer; no query, no cookie, no line break of a stranger's."""
    site = Site()
    with caplog.at_level(logging.INFO, logger="consentgate"):
        site.get("/a\nFAKE LINE\u2028", query=b"secret=1", headers=NAVIGATION, cookie="forged-token")
        site.get("/b", method="PO\nST", headers=FORM, cookie=b"session=hidden", body=b"password=1")
        site.get("/c", kind="websocket")

    lines = [record.message for record in caplog.records]
    assert lines == [
        "stopped GET /a\\nFAKE LINE\\u2028: terms-of-use 2.0 (required); answer page",
        "stopped PO\\nST /b: terms-of-use 2.0 (required); answer problem",
        "stopped WEBSOCKET /c: terms-of-use 2.0 (required); answer problem",
    ]
    assert caplog.records[0].consentgate == {  # type: ignore[attr-defined]
        "event": "stopped",
        "method": "GET",
        "path": "/a\\nFAKE LINE\\u2028",
        "answer": "page",
        "outcome": "review",
        "policies": [{"policy": "terms-of-use", "version": "2.0", "state": "required"}],
    }
    assert not any(word in caplog.text for word in ("secret", "forged", "hidden", "password"))


def test_the_stranger_and_the_known_are_logged_alike(caplog: pytest.LogCaptureFixture) -> None:
    """The shortcut for strangers leaves the same line as the long way."""
    site = Site()
    site.get(headers=NAVIGATION)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="consentgate"):
        site.get(headers=NAVIGATION, cookie=b"other=1")
        site.get(headers=NAVIGATION)
        site.get(headers=NAVIGATION, cookie=site.token(1))

    assert len({record.message for record in caplog.records}) == 1
    assert len(caplog.records) == 3


def test_the_ledger_is_not_asked_for_a_stranger() -> None:
    """A flood of requests without a pass costs the database nothing."""
    site = Site(House(ledger={"user:ann": Accepted(frozenset({2}))}))
    for cookie in (None, b"other=1", "forged", b"consentgate=; consentgate=x"):
        assert site.get(headers=NAVIGATION, cookie=cookie).status == 303

    assert site.house.asked == ["reload"]
