"""Whatever bytes stand in a request, the gate answers, and nobody passes without a decision on record."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consentgate.gate.hooks import Accepted
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.terms.subject import Subject
from tests.gate.house import GRACE, NOW, OLD_SECRET, VISITOR, House, Site

SITE = Site()
GOOD, OLDER = SITE.token(2).encode(), SITE.token(1).encode()
ANNS = SITE.token(2, subject=Subject("ann")).encode()
FOREIGN = PassSealer(Seals(OLD_SECRET)).issue(VISITOR, [2], now=NOW).encode()

NAMES = [
    b"accept", b"authorization", b"content-length", b"content-type", b"cookie", b"host", b"hx-boosted",
    b"hx-current-url", b"hx-request", b"origin", b"referer", b"sec-fetch-mode", b"sec-fetch-site", b"user-agent",
    b"x-requested-with", b"access-control-request-method", b"x-user",
]  # fmt: skip
PIECES = st.sampled_from([
    b"consentgate", b"__Host-consentgate", b"=", b"; ", b";", b'"', b" ", b"\t", b"\0", b"a=1", b"\xff", b".", b"x",
    OLDER, ANNS, FOREIGN, GOOD[:-1], GOOD[1:], GOOD + b"A", b"navigate", b"text/html", b"true", b"https://a.example/x",
    b"application/x-www-form-urlencoded", b"ann", b"bob",
])  # fmt: skip
VALUES = st.binary(max_size=40) | st.lists(PIECES, max_size=8).map(b"".join)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.binary(max_size=12), VALUES), max_size=10)
COOKIES = st.lists(PIECES | st.just(GOOD) | st.just(b"consentgate=" + GOOD), max_size=6).map(b"".join)


def who(scope: Any) -> str | None:
    """A host that believes a header, whatever bytes stand in it."""
    found = dict(scope["headers"]).get(b"x-user")
    return found.decode() if found else None


@given(
    HEADERS,
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "", "X\0"]),
    st.text(max_size=12).map(lambda path: "/" + path) | st.text(max_size=6),
    st.binary(max_size=20),
    st.sampled_from(["http", "websocket"]),
    st.sampled_from(["http", "https", "ws", "wss", ""]),
    st.sampled_from(["closed", "open"]),
)
@settings(max_examples=400)
def test_every_request_is_answered_and_without_a_good_pass_none_gets_through(
    headers: Any, method: str, path: str, query: bytes, kind: str, scheme: str, fail: Any
) -> None:
    """Pass, 303, 403, 503 or our own page, never an exception; and no pass without a decision on record."""
    ledger = {"user:ann": Accepted(frozenset({2}))}
    site = Site(House(ledger=ledger), subject=who, fail=fail)
    answer = site.get(path, method=method, headers=headers, query=query, kind=kind, scheme=scheme, body=b"a=1")

    fields = dict(headers)
    try:
        user = who({"headers": headers})
        told = user is None or (0 < len(user) <= 256 and "\0" not in user)
    except UnicodeDecodeError:
        user, told = None, False
    preflight = method == "OPTIONS" and kind == "http" and b"access-control-request-method" in fields
    # (No crawler's name can be put together from these pieces.)
    allowed = user == "ann" or preflight or (not told and fail == "open")
    assert answer.reached <= allowed
    if not answer.reached and kind == "http":
        own = path.startswith("/terms")
        assert answer.status in ((200,) if own and answer.body == b"page" else (303, 403, 503))


@given(COOKIES, st.booleans())
@settings(max_examples=400)
def test_a_cookie_header_opens_the_gate_exactly_when_the_good_pass_stands_in_it(cookies: bytes, split: bool) -> None:
    """The quick look and the careful one agree with the plain rule, at first sight and later, whole and split."""
    pairs = [pair.partition(b"=") for pair in cookies.split(b";")]
    values = [value.strip(b" \t") for key, equals, value in pairs if equals and key.strip(b" \t") == b"consentgate"]
    bare = [value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value for value in values]
    opens = GOOD in bare[:4]

    site = Site()
    place = cookies.find(b"; ") if split else -1
    pieces = [cookies] if place < 0 else [cookies[:place], cookies[place + 2 :]]
    for _ in range(3):
        answer = site.get(headers=[(b"cookie", piece) for piece in pieces])
        assert answer.reached is opens
        assert answer.status == (200 if opens else 403)


@given(st.lists(st.sampled_from(["good", "older", "none", "ann", "foreign", "publish", "later", "grace"]), max_size=12))
@settings(max_examples=60)
def test_memory_never_changes_an_answer(story: list[str]) -> None:
    """After any story of visits, publications and time, a gate that remembers answers like one that has just begun."""
    site = Site(memo_size=2)
    tokens = {"good": GOOD, "older": OLDER, "ann": ANNS, "foreign": FOREIGN}
    for step in story:
        if step == "publish":
            site.state.generation.bump()
        elif step == "later":
            site.clock.seconds += 86_400
        elif step == "grace":
            site.publish(GRACE)
        else:
            token = tokens.get(step)
            cookie = b"a=1; consentgate=" + token if token else None
            fresh = Site(House(site.house.calendar), clock=site.clock)
            answers = [each.get(cookie=cookie) for each in (site, fresh)]
            assert answers[0].status == answers[1].status
            assert answers[0].body == answers[1].body
