"""What protects the pages: headers, same origin, proxies, bounded forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError, ForbiddenError
from consentgate.web.security import Proxies, check_same_origin, content_security_policy, origin_of, page_headers
from tests.web.conftest import Site

PROXIES = Proxies.parse(["10.0.0.0/8", "2001:db8::/32"])


def _scope(client: str | None = "203.0.113.9", scheme: str = "http", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (client, 1) if client else None, "scheme": scheme, "headers": raw}


EVERY_PAGE = [
    "/terms",
    "/terms/review",
    "/terms/mine",
    "/terms/declined",
    "/terms/terms-of-use",
    "/terms/terms-of-use/2024-06-24",
    "/terms/terms-of-use/changes",
    "/terms/terms-of-use/history",
    "/terms/nothing-here",
    "/terms/review?policy=none",
]


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_page_is_protected(site: Site, path: str) -> None:
    """Nothing inline, nothing from elsewhere, no frames, no sniffing, no referrer to others, in every answer."""
    site.publish_old()
    headers = site.browser().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["content-language"] == "en"


@pytest.mark.parametrize("path", ["/terms/review", "/terms/mine", "/terms/declined", "/terms/status"])
def test_personal_pages_are_kept_by_nobody_and_listed_nowhere(site: Site, path: str) -> None:
    """No cache in between, no search engine."""
    site.publish_old()
    headers = site.browser("ann").get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex"
    assert "Cookie" in headers["vary"]


@pytest.mark.parametrize("path", ["/terms", "/terms/terms-of-use", "/terms/terms-of-use/history"])
def test_public_pages_can_be_kept_and_asked_again(site: Site, path: str) -> None:
    """They carry an entity tag, and cost nothing when they are asked for a second time."""
    site.publish_old()
    browser = site.browser()
    first = browser.get(path)
    assert first.headers["cache-control"] == "no-cache"
    assert "x-robots-tag" not in first.headers
    assert "set-cookie" not in first.headers
    again = browser.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_host_origin_is_named_as_a_form_target() -> None:
    """Nothing else is added to the policy."""
    assert "form-action 'self' https://a.example;" in content_security_policy(["https://a.example"])
    assert origin_of("https://a.example/b?c") == "https://a.example"
    assert origin_of("/declined") is None
    assert origin_of(None) is None


def test_an_older_browser_is_told_not_to_frame_us_too() -> None:
    """For those that do not know frame-ancestors."""
    assert page_headers(private=True, index=False)["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://us.example", "host": "us.example"}, False),
        ({"origin": "http://us.example", "host": "us.example"}, True),
        ({"origin": "https://US.example:8443", "host": "us.example:8443"}, True),
        ({"origin": "http://us.example.evil.example", "host": "us.example"}, False),
        ({"origin": "null", "host": "us.example"}, False),
        ({"origin": "http://[", "host": "us.example"}, False),
        ({"host": "us.example"}, True),
    ],
)
def test_only_our_own_pages_may_send_a_decision(headers: dict[str, str], allowed: bool) -> None:
    """Fetch metadata first, then Origin; neither means an old browser, and the sealed offer speaks for it."""
    scope = _scope(**headers)
    if allowed:
        check_same_origin(scope, Proxies())
    else:
        with pytest.raises(ForbiddenError):
            check_same_origin(scope, Proxies())


def test_a_forwarded_host_counts_behind_our_own_proxy_only() -> None:
    """A visitor cannot name the host the check compares with."""
    headers = {"origin": "https://us.example", "host": "inner:8000", "x_forwarded_host": "us.example"}
    check_same_origin(_scope("10.1.2.3", **headers), PROXIES)
    with pytest.raises(ForbiddenError):
        check_same_origin(_scope("203.0.113.9", **headers), PROXIES)


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "rubbish", None),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8::1", "2001:db9::7", "2001:db9::7"),
        (None, "198.51.100.1", None),
    ],
)
def test_the_address_is_the_first_that_is_not_ours_from_the_right(
    client: str | None, forwarded: str, expected: str | None
) -> None:
    """What stands further left is whatever the visitor sent."""
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    assert PROXIES.client_ip(_scope(client, **headers)) == expected


@given(st.lists(st.ip_addresses().map(str), max_size=5), st.ip_addresses(v=4).map(str))
def test_whatever_a_visitor_writes_left_of_their_own_address_changes_nothing(forged: list[str], own: str) -> None:
    """The last hop that a proxy of ours added is the visitor, however long the forged prefix."""
    if PROXIES.trusts(own):
        return
    header = ", ".join([*forged, own])
    assert PROXIES.client_ip(_scope("10.0.0.1", x_forwarded_for=header)) == own


@pytest.mark.parametrize(
    ("client", "scheme", "forwarded", "expected"),
    [
        ("203.0.113.9", "http", "https", "http"),
        ("10.0.0.1", "http", "https", "https"),
        ("10.0.0.1", "http", "gopher", "http"),
        ("10.0.0.1", "https", "", "https"),
    ],
)
def test_the_scheme_is_believed_of_our_own_proxy(client: str, scheme: str, forwarded: str, expected: str) -> None:
    """And of nobody else."""
    headers = {"x_forwarded_proto": forwarded} if forwarded else {}
    assert PROXIES.scheme(_scope(client, scheme, **headers)) == expected


def test_a_proxy_that_is_no_network_stops_the_start() -> None:
    """Not a surprise at the first request."""
    with pytest.raises(ConfigurationError):
        Proxies.parse(["everything"])


def test_a_decision_records_no_address_unless_asked_to(make_site: Any) -> None:
    """None by default; truncated where the operator says so, seen through the proxy."""
    from consentgate.evidence.receipt import verify
    from tests.web.forms import hidden_fields

    for mode, expected in (("none", None), ("truncated", "198.51.100.0/24")):
        site = make_site(record_ip=mode, trusted_proxies=("127.0.0.0/8",))
        site.publish_old()
        browser = site.browser("ann")
        browser._transport.client = ("127.0.0.1", 1)
        page = browser.get("/terms/review", headers={"x-forwarded-for": "198.51.100.7"})
        data = hidden_fields(page.text) | {"do": "accept", "assent": "terms-of-use"}
        browser.post("/terms/review", data=data, headers={"x-forwarded-for": "198.51.100.7"})
        text = browser.get("/terms/mine").text
        receipt = browser.get(next(part for part in text.split('"') if part.startswith("/terms/receipts/")))
        opened = verify(receipt.content).openings
        assert (opened["ip"].value if "ip" in opened else None) == expected
