"""Which answer a request can use: the documented rules, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.gate.wants import MAX_FORM_BYTES, Want, accepts_html, htmx_return, is_own_form, want

CHROME = {"sec-fetch-mode": "navigate", "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OLD_BROWSER = {"accept": "text/html, */*; q=0.01"}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "content-length": "20"}
OWN = {"sec-fetch-site": "same-origin"}


def fields(*parts: dict[str, str]) -> dict[bytes, bytes]:
    """Header fields as the gate sees them."""
    return {name.encode(): value.encode() for part in parts for name, value in part.items()}


@pytest.mark.parametrize(
    ("method", "parts", "expected"),
    [
        # somebody opens an address
        ("GET", [CHROME], Want.PAGE),
        ("HEAD", [CHROME], Want.PAGE),
        ("GET", [OLD_BROWSER], Want.PAGE),
        ("GET", [{"accept": "application/xhtml+xml"}], Want.PAGE),
        ("GET", [{"accept": "TEXT/HTML"}], Want.PAGE),
        ("GET", [{"accept": "text/*"}], Want.PAGE),
        ("GET", [{"sec-fetch-mode": "navigate", "accept": "*/*"}], Want.PAGE),
        ("GET", [CHROME, {"if-none-match": '"x"', "range": "bytes=0-9"}], Want.PAGE),
        ("GET", [CHROME, {"authorization": "Basic x"}], Want.PAGE),
        # a program asks
        ("GET", [], Want.PROBLEM),
        ("GET", [{"accept": "*/*"}], Want.PROBLEM),
        ("GET", [{"accept": "application/json"}], Want.PROBLEM),
        ("GET", [{"accept": "text/html;q=0, application/json"}], Want.PROBLEM),
        ("GET", [{"accept": "text/event-stream"}], Want.PROBLEM),
        ("GET", [CHROME, {"sec-fetch-mode": "cors"}], Want.PROBLEM),
        ("GET", [CHROME, {"sec-fetch-mode": "no-cors"}], Want.PROBLEM),
        ("GET", [CHROME, {"sec-fetch-mode": "same-origin"}], Want.PROBLEM),
        ("GET", [OLD_BROWSER, {"x-requested-with": "XMLHttpRequest"}], Want.PROBLEM),
        ("PUT", [CHROME, FORM, OWN], Want.PROBLEM),
        ("DELETE", [CHROME], Want.PROBLEM),
        ("OPTIONS", [CHROME], Want.PROBLEM),
        ("POST", [{"content-type": "application/json"}], Want.PROBLEM),
        ("POST", [CHROME, {"content-type": "application/json"}], Want.PROBLEM),
        ("POST", [CHROME], Want.PROBLEM),
        ("POST", [FORM, OWN], Want.PROBLEM),
        ("POST", [FORM, OWN, {"sec-fetch-mode": "cors"}], Want.PROBLEM),
        # somebody sends a form that can be kept
        ("POST", [CHROME, FORM, OWN], Want.FORM),
        ("POST", [CHROME, FORM, OWN, {"content-length": str(MAX_FORM_BYTES)}], Want.FORM),
        ("POST", [CHROME, {"content-type": "APPLICATION/X-WWW-FORM-URLENCODED"}, OWN], Want.FORM),
        ("POST", [CHROME, FORM, {"sec-fetch-site": "none"}], Want.FORM),
        ("POST", [OLD_BROWSER, FORM, {"host": "a.example", "origin": "https://A.example"}], Want.FORM),
        ("POST", [OLD_BROWSER, FORM, {"host": "a.example", "referer": "http://a.example/form?x"}], Want.FORM),
        # … and one that cannot
        ("POST", [CHROME, FORM, OWN, {"content-length": str(MAX_FORM_BYTES + 1)}], Want.LOST_FORM),
        ("POST", [CHROME, FORM, OWN, {"content-length": "-1"}], Want.LOST_FORM),
        ("POST", [CHROME, FORM, OWN, {"content-length": "9" * 30}], Want.LOST_FORM),
        ("POST", [CHROME, FORM, OWN, {"content-encoding": "gzip"}], Want.LOST_FORM),
        ("POST", [CHROME, FORM, {"sec-fetch-site": "cross-site"}], Want.LOST_FORM),
        ("POST", [CHROME, FORM, {"sec-fetch-site": "same-site"}], Want.LOST_FORM),
        ("POST", [CHROME, FORM], Want.LOST_FORM),
        ("POST", [OLD_BROWSER, FORM, {"host": "a.example", "origin": "null"}], Want.LOST_FORM),
        ("POST", [OLD_BROWSER, FORM, {"host": "a.example", "origin": "https://b.example"}], Want.LOST_FORM),
        ("POST", [CHROME, OWN, {"content-type": "multipart/form-data; boundary=x"}], Want.LOST_FORM),
        ("POST", [CHROME, OWN, {"content-type": "text/plain"}], Want.LOST_FORM),
        # a part of a page
        ("GET", [{"hx-request": "true", "accept": "*/*"}], Want.HTMX),
        ("POST", [{"hx-request": "true", "sec-fetch-mode": "cors"}, FORM], Want.HTMX),
        ("DELETE", [{"hx-request": "true"}], Want.HTMX),
        ("GET", [{"hx-request": "false"}, CHROME], Want.PAGE),
        ("GET", [{"hx-request": "true"}, CHROME], Want.PAGE),
        ("POST", [{"hx-request": "true"}, CHROME, FORM, OWN], Want.FORM),
    ],
)
def test_each_kind_of_request_gets_the_answer_it_can_use(method: str, parts: Any, expected: Want) -> None:
    """The table of the documentation."""
    assert want(method, fields(*parts)) is expected


FIELDS = [
    b"accept", b"content-type", b"content-length", b"sec-fetch-mode", b"sec-fetch-site", b"origin", b"referer", b"host",
    b"hx-request", b"hx-current-url", b"x-requested-with",
]  # fmt: skip


@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", ""]),
    st.dictionaries(st.sampled_from(FIELDS), st.binary(max_size=30)),
)
def test_every_request_gets_one_of_the_answers(method: str, found: dict[bytes, bytes]) -> None:
    """Whatever bytes stand in the fields, there is an answer and no error, and nothing foreign is kept."""
    answer = want(method, found)

    assert isinstance(answer, Want)
    if answer is Want.FORM:
        assert is_own_form(found)
    assert htmx_return(method, "/here", found).startswith("/")


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (b"text/html", True),
        (b"application/json, text/html;level=1;q=0.1", True),
        (b"text/html;q=0.0", False),
        (b"text/html; q=0", False),
        (b"text/html;q=1", True),
        (b"text/html;q=", False),
        (b"text/html;charset=q", True),
        (b"*/*", False),
        (b"", False),
        (b",,;;,", False),
        (b"text/htmlx", False),
        (b"\xff\xfe,text/html", True),
    ],
)
def test_html_is_accepted_only_when_it_is_named(accept: bytes, html: bool) -> None:
    """A wildcard is what programs send."""
    assert accepts_html(accept) is html


@pytest.mark.parametrize(
    ("method", "parts", "back"),
    [
        ("GET", {"hx-boosted": "true"}, "/here?x=1"),
        ("GET", {"hx-current-url": "https://a.example/page?tab=2#part", "host": "a.example"}, "/page?tab=2"),
        ("POST", {"hx-boosted": "true", "hx-current-url": "https://a.example/page", "host": "a.example"}, "/page"),
        ("GET", {"hx-current-url": "https://evil.example/page", "host": "a.example"}, "/"),
        ("GET", {"hx-current-url": "https://a.example//evil.example", "host": "a.example"}, "/"),
        ("GET", {"hx-current-url": "https://a.example", "host": "a.example"}, "/"),
        ("GET", {"hx-current-url": "javascript:alert(1)", "host": "a.example"}, "/"),
        ("GET", {"hx-current-url": "https://[::1/x", "host": "[::1"}, "/"),
        ("GET", {"hx-current-url": "https://a.example/caf\u00e9", "host": "a.example"}, "/"),
        ("GET", {"host": "a.example"}, "/"),
        ("GET", {}, "/"),
    ],
)
def test_after_a_part_of_a_page_the_visitor_comes_back_to_the_page(method: str, parts: Any, back: str) -> None:
    """To the page that asked for the part, when it is ours; a boosted link is a page itself."""
    assert htmx_return(method, "/here?x=1", fields(parts)) == back
