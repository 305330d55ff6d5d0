"""The few responses of the host that get a header from us."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consentgate.gate.hooks import Accepted, Message
from consentgate.gate.sending import gives_pass
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Kind
from tests.gate.house import NAVIGATION, NOW, House, Site, policy, version

COOKIE = b"consentgate=T; Path=/"
PLANNED = Calendar(
    (policy(), policy("privacy", kind=Kind.NOTICE)),
    (version(1), version(2, announced=NOW - DAY, effective=NOW + 20 * DAY), version(3, "privacy")),
)


def through(*messages: Message) -> list[Message]:
    """What a server gets of these messages."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        sending = gives_pass(send, COOKIE)
        for message in messages:
            await sending(message)

    asyncio.run(run())
    return sent


def start(*headers: tuple[bytes, bytes]) -> Message:
    """The beginning of a response."""
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


@pytest.mark.parametrize("cache", [b"public, max-age=60", b"max-age=0, s-maxage=60", b"PUBLIC"])
def test_a_response_that_shared_caches_may_keep_goes_out_without_the_pass(cache: bytes) -> None:
    """A cache would hand it to strangers."""
    message = start((b"cache-control", cache))

    assert through(message) == [message]


@pytest.mark.parametrize("cache", [b"no-store", b"private", b"max-age=60, Private", b"no-cache,no-store"])
def test_any_other_response_gets_the_pass_and_keeps_its_headers(cache: bytes) -> None:
    """The host's own word on caching stands."""
    (message,) = through(start((b"Cache-Control", cache), (b"set-cookie", b"session=1")))

    assert message["headers"] == [
        (b"Cache-Control", cache), (b"set-cookie", b"session=1"), (b"set-cookie", COOKIE),
    ]  # fmt: skip


@pytest.mark.parametrize("cache", [b"max-age=60", b"no-cache", b"must-revalidate", b'private="x-name", max-age=60'])
def test_a_pass_never_goes_out_on_a_response_that_a_shared_cache_could_keep_by_default(cache: bytes) -> None:
    """Without ``private`` a cache may store it, cookie and all; the host's own directives stay as they are."""
    (message,) = through(start((b"cache-control", cache)))

    assert message["headers"] == [(b"cache-control", cache), (b"set-cookie", COOKIE), (b"cache-control", b"private")]


def test_a_response_that_says_nothing_about_caching_becomes_private() -> None:
    """Heuristic caching would keep the pass otherwise (RFC 9111 section 4.2.2)."""
    (message,) = through({"type": "http.response.start", "status": 200})

    assert message["headers"] == [(b"set-cookie", COOKIE), (b"cache-control", b"private")]


def test_the_rest_of_a_response_is_handed_on_untouched() -> None:
    """Bodies, trailers, pushes: not ours, and the host's message is not changed in place."""
    first, body = start((b"a", b"b")), {"type": "http.response.body", "body": b"x", "more_body": True}
    sent = through(first, body)

    assert sent[1] is body
    assert first["headers"] == [(b"a", b"b")]


def test_a_user_gets_the_pass_with_the_response_itself() -> None:
    """In the cookie of the scheme, on this very page."""
    for scheme, name in (("http", "consentgate="), ("https", "__Host-consentgate=")):
        site = Site(House(ledger={"user:ann": Accepted(frozenset({2}))}), subject=lambda scope: "ann")
        answer = site.get(headers=NAVIGATION, scheme=scheme)
        assert answer.reached
        assert answer.headers["set-cookie"].startswith(name)
        assert ("Secure" in answer.headers["set-cookie"]) == (scheme == "https")


def links(site: Site, **more: Any) -> list[str]:
    """The `Link` fields of a response to a good pass."""
    answer = site.get(cookie=site.token(1, 3), **more)
    assert answer.reached
    return [value.decode() for name, value in answer.all_headers if name == b"link"]


def test_links_to_the_terms_stand_on_every_response_when_asked_for() -> None:
    """RFC 6903: terms of service, and privacy policy for the notice of that name."""
    site = Site(House(PLANNED), link_header=True, app_headers=[(b"x-own", b"1")])
    expected = ['</terms/terms-of-use>; rel="terms-of-service"', '</terms/privacy>; rel="privacy-policy"']
    for _ in range(2):
        assert links(site) == expected
    assert links(site, root_path="/app", path="/app/x")[0] == '</app/terms/terms-of-use>; rel="terms-of-service"'
    assert links(Site(House(PLANNED), link_header=True, base_url="https://a.example"))[0].startswith(
        "<https://a.example/t"
    )
    assert links(Site(House(PLANNED))) == []


def test_what_is_coming_stands_on_every_response_when_asked_for() -> None:
    """Programs learn of a planned version before it binds."""
    site = Site(House(PLANNED), update_header=True)
    effective = (NOW + 20 * DAY) // 1_000_000

    assert site.get(cookie=site.token(1, 3)).headers["terms-update"] == (
        f'policy="terms-of-use", version="2.0", effective=@{effective}, accept="/terms/review"'
    )


def test_with_nothing_to_say_the_servers_send_is_handed_on() -> None:
    """No version announced: not even the option costs a wrapped `send`."""
    site = Site(update_header=True)
    answer = site.get(cookie=site.token(2))

    assert answer.reached
    assert "terms-update" not in answer.headers
    assert site.sends[0].__qualname__.startswith("Site.request")


def test_notices_follow_a_publication() -> None:
    """What is worked out once is worked out again for new terms."""
    site = Site(House(PLANNED), update_header=True)
    assert "terms-update" in site.get(cookie=site.token(1, 3)).headers
    site.publish(Calendar((policy(),), (version(1),)))

    assert "terms-update" not in site.get(cookie=site.token(1)).headers


def test_a_websocket_is_not_given_headers() -> None:
    """Notices are for HTTP responses."""
    site = Site(House(PLANNED), link_header=True)

    assert site.get(kind="websocket", cookie=site.token(1, 3)).messages == [{"type": "websocket.accept"}]
