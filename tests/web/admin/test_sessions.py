"""Laws of ``consentgate/web/admin/sessions.py``: a session names a token, ends, and cannot be made up."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ForbiddenError
from consentgate.gate.seals import Seals
from consentgate.terms.instants import SECOND
from consentgate.web.admin.sessions import IDLE, LONGEST, PLAIN_NAME, RECENT, SECURE_NAME, Session, Sessions

NOW = 1_800_000_000 * SECOND
SEALS = Seals("0123456789abcdef0123456789abcdef")


class House:
    """Sessions with a clock that can be set."""

    def __init__(self, *, secure: bool | None = None, seals: Seals = SEALS) -> None:
        self.now = NOW
        self.count = 0
        self.sessions = Sessions(lambda: seals, lambda: self.now, self._random, secure)

    def _random(self, length: int) -> bytes:
        self.count += 1
        return hashlib.sha256(str(self.count).encode()).digest()[:length]

    def back(self, set_cookie: str, *, scheme: str = "http") -> Session | None:
        """What the server makes of a cookie that it gets back."""
        return self.sessions.of(_scope(set_cookie.partition(";")[0]), scheme=scheme)


def _scope(*cookies: str) -> dict[str, Any]:
    return {"type": "http", "headers": [(b"cookie", cookie.encode()) for cookie in cookies]}


def test_a_session_comes_back_as_it_was() -> None:
    """The cookie carries all of it, sealed."""
    house = House()
    session = house.sessions.begin("a1b2c3d4")

    assert house.back(house.sessions.cookie(session, scheme="http")) == session


def test_a_session_ends_a_while_after_the_last_request() -> None:
    """Thirty minutes without a request end it; each request begins them anew."""
    house = House()
    cookie = house.sessions.cookie(house.sessions.begin("a1b2c3d4"), scheme="http")
    house.now += IDLE
    session = house.back(cookie)
    assert session is not None
    later = house.sessions.cookie(session, scheme="http")
    house.now += IDLE

    assert house.back(later) is not None
    house.now += 1
    assert house.back(later) is None


def test_no_request_keeps_a_session_alive_for_ever() -> None:
    """Eight hours after the sign-in it ends, whatever came in between."""
    house = House()
    session: Session | None = house.sessions.begin("a1b2c3d4")
    while session is not None and house.now - NOW <= 2 * LONGEST:
        cookie = house.sessions.cookie(session, scheme="http")
        house.now += IDLE
        session = house.back(cookie)

    assert LONGEST < house.now - NOW <= LONGEST + IDLE


def test_a_proof_is_recent_for_ten_minutes_and_giving_the_token_again_renews_it() -> None:
    """What cannot be undone asks for the token again."""
    house = House()
    session = house.sessions.begin("a1b2c3d4")
    house.now += RECENT
    assert house.sessions.recent(session)
    house.now += 1
    assert not house.sessions.recent(session)
    assert house.sessions.recent(house.sessions.again(session))


@given(st.binary(max_size=200))
def test_no_bytes_make_a_session(raw: bytes) -> None:
    """Without the seal there is nobody, and never an exception."""
    scope = {"headers": [(b"cookie", PLAIN_NAME.encode() + b"=" + raw)]}

    assert House().sessions.of(scope, scheme="http") is None


def test_a_changed_cookie_of_another_site_or_a_pass_is_no_session() -> None:
    """Each character counts, so does the secret, and so does the purpose."""
    house, other = House(), House(seals=Seals("ffffffffffffffffffffffffff012345"))
    cookie = house.sessions.cookie(house.sessions.begin("a1b2c3d4"), scheme="http").partition(";")[0]
    name, _, value = cookie.partition("=")

    assert other.back(cookie) is None
    assert house.back(f"{name}={SEALS.seal('consentgate/pass/v1', b'[]')}") is None
    for place in range(len(value)):
        wrong = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        assert house.back(f"{name}={wrong}") is None


def test_two_cookies_of_the_name_are_nobody() -> None:
    """Somebody planted one of them; a browser's order does not decide which."""
    house = House()
    cookies = [house.sessions.cookie(house.sessions.begin(t), scheme="http").partition(";")[0] for t in ("a", "b")]

    assert house.sessions.of(_scope("; ".join(cookies)), scheme="http") is None
    assert house.sessions.of(_scope(*cookies), scheme="http") is None


@pytest.mark.parametrize(
    ("secure", "scheme", "name"),
    [
        (None, "https", SECURE_NAME),
        (None, "http", PLAIN_NAME),
        (True, "http", SECURE_NAME),
        (False, "https", PLAIN_NAME),
    ],
)
def test_the_cookie_is_strict_and_host_bound_on_https(secure: bool | None, scheme: str, name: str) -> None:
    """``__Host-``, Secure, HttpOnly, SameSite=Strict, and it is taken away under the same name."""
    house = House(secure=secure)
    given = house.sessions.cookie(house.sessions.begin("a"), scheme=scheme)
    taken = house.sessions.end(scheme=scheme)

    for cookie in (given, taken):
        assert cookie.startswith(name + "=")
        assert "; Path=/; " in cookie and "; HttpOnly; SameSite=Strict" in cookie
        assert cookie.endswith("; Secure") == (name == SECURE_NAME)
        assert "Domain" not in cookie
    assert "Max-Age=0;" in taken


def test_a_form_belongs_to_one_session() -> None:
    """Another session's form is refused, an invented one and an empty one too."""
    house = House()
    one, two = house.sessions.begin("a"), house.sessions.begin("b")
    house.sessions.check_form(one.nonce, house.sessions.form_token(one.nonce))

    for wrong in (house.sessions.form_token(two.nonce), one.nonce, "", "x" * 5_000):
        with pytest.raises(ForbiddenError):
            house.sessions.check_form(one.nonce, wrong)
