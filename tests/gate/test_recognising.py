"""Several passes at once: left over from another setting, shared by sub-domains, planted. None loops a visitor."""

from __future__ import annotations

import pytest

from consentgate.gate.hooks import Accepted
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import BY_PATH, NAVIGATION, NOW, OLD_SECRET, SECRET, VISITOR_ID, House, Site

OTHER = Subject("f" * 32, SubjectKind.VISITOR)
HTTPS = {"scheme": "https"}
ON_SITE = {**NAVIGATION, "host": "www.example.org"}
ELSEWHERE = {**NAVIGATION, "host": "localhost"}
SHARED, BOUND = b"__Secure-consentgate=", b"__Host-consentgate="


def shared_site(**more: object) -> Site:
    """A site whose sub-domains share the pass."""
    return Site(cookie_domain="example.org", **more)  # type: ignore[arg-type]  # they are options


@pytest.mark.parametrize("order", ["older first", "newer first"])
def test_of_two_passes_under_one_name_the_newer_counts(order: str) -> None:
    """Browsers send the older first; whoever has just accepted must not be asked again because of it."""
    site = Site(House(BY_PATH))
    older, newer = site.token(7, now=NOW - 10**9), site.token(1, subject=OTHER)
    pair = [older, newer] if order == "older first" else [newer, older]
    cookie = "; ".join(f"consentgate={token}" for token in pair).encode()
    for _ in range(2):
        answer = site.get("/account", headers=NAVIGATION, cookie=cookie)
        assert answer.reached
        site.get("/terms/review", cookie=cookie)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_two_passes_one_good_one_is_enough(order: tuple[int, int]) -> None:
    """The bug: the first that was the visitor's was taken, good or not, and the next never looked at."""
    site = Site()
    cookie = "; ".join(f"consentgate={site.token(serial)}" for serial in order).encode()
    for _ in range(3):
        assert site.get(headers=NAVIGATION, cookie=cookie).reached


def test_our_pages_take_the_newest_pass_for_the_visitors() -> None:
    """What is accepted next belongs to the visitor who accepted last."""
    site = Site()
    cookie = f"consentgate={site.token(1, now=NOW - 10**9)}; consentgate={site.token(2, subject=OTHER)}".encode()

    passage = site.get("/terms/review", cookie=cookie).passage

    assert (passage.subject, passage.visitor_id) == (OTHER, OTHER.id)


def test_a_shared_pass_opens_by_both_looks() -> None:
    """On https under the name that may have a domain; first in the header, later, the first time and the second."""
    site = shared_site()
    token = site.token(2).encode()
    for cookie in (SHARED + token, b"a=1; " + SHARED + token, b"a=1; " + SHARED + token + b"; b=2"):
        for _ in range(2):
            answer = site.get(headers=ON_SITE, cookie=cookie, **HTTPS)
            assert answer.reached
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("cookie", [b"consentgate=%b", b"x__Secure-consentgate=%b", b"__Secure-consentgate2=%b"])
def test_a_shared_pass_under_another_name_never_opens(cookie: bytes) -> None:
    """Also not when the very token is remembered as good."""
    site = shared_site()
    token = site.token(2).encode()
    for _ in range(2):
        assert site.get(headers=ON_SITE, cookie=b"a=1; " + SHARED + token, **HTTPS).reached
        assert site.get(headers=ON_SITE, cookie=b"a=1; " + cookie % token, **HTTPS).status == 303


def test_a_shared_pass_opens_nothing_where_passes_are_bound_to_their_host() -> None:
    """A sibling domain could have planted it."""
    site = Site()

    assert site.get(headers=ON_SITE, cookie=SHARED + site.token(2).encode(), **HTTPS).status == 303


def test_a_site_that_begins_to_share_asks_nobody_again() -> None:
    """A pass bound to the host still counts, and the next page brings the shared one; then both are sent."""
    site = shared_site()
    token = site.token(2).encode()

    first = site.get(headers=ON_SITE, cookie=b"a=1; " + BOUND + token, **HTTPS)
    again = site.get(headers=ON_SITE, cookie=b"a=1; " + BOUND + token, **HTTPS)

    assert first.reached
    assert again.reached
    for answer in (first, again):
        given = answer.headers["set-cookie"]
        assert given.startswith("__Secure-consentgate=")
        assert "; Domain=example.org; Path=/;" in given
    assert first.cookie is not None
    both = b"a=1; " + BOUND + token + b"; " + SHARED + first.cookie.encode()
    for _ in range(2):
        answer = site.get(headers=ON_SITE, cookie=both, **HTTPS)
        assert answer.reached
        assert "set-cookie" not in answer.headers


def test_a_program_with_a_bound_pass_gets_through_and_no_cookie() -> None:
    """Only a page in a browser is worth one."""
    site = shared_site()
    headers = {"accept": "application/json", "host": "www.example.org"}

    answer = site.get(headers=headers, cookie=BOUND + site.token(2).encode(), **HTTPS)

    assert answer.reached
    assert "set-cookie" not in answer.headers


def test_a_bound_pass_left_over_never_hides_the_shared_one() -> None:
    """It says less than what was accepted since: the visitor passes on the shared one, and is not asked for ever."""
    site = shared_site()
    cookie = BOUND + site.token(1, now=NOW - 10**9).encode() + b"; " + SHARED + site.token(2).encode()
    for _ in range(3):
        assert site.get(headers=ON_SITE, cookie=cookie, **HTTPS).reached


def test_a_host_outside_of_the_domain_is_not_given_a_cookie_with_each_page() -> None:
    """There the bound pass is the right one: it opens, and stays as it is."""
    site = shared_site()
    for _ in range(2):
        answer = site.get(headers=ELSEWHERE, cookie=BOUND + site.token(2).encode(), **HTTPS)
        assert answer.reached
        assert "set-cookie" not in answer.headers


def test_a_shared_pass_of_an_older_secret_is_sealed_again_with_its_domain() -> None:
    """Name, domain and attributes are those of any shared pass."""
    old = Site(secrets=(OLD_SECRET,))
    site = shared_site(secrets=(SECRET, OLD_SECRET))

    answer = site.get(headers=ON_SITE, cookie=SHARED + old.token(2).encode(), **HTTPS)

    assert answer.reached
    given = answer.headers["set-cookie"]
    assert given.startswith("__Secure-consentgate=")
    assert given.partition("; ")[2] == "Domain=example.org; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
    assert site.sealer.open(answer.cookie or "").visitor_id == VISITOR_ID


def test_a_user_on_a_new_device_gets_a_shared_pass() -> None:
    """On plain http it has the plain name, and the domain."""
    site = shared_site(house=House(ledger={"user:ann": Accepted(frozenset({2}))}), subject=lambda scope: "ann")

    answer = site.get(headers=ON_SITE)

    assert answer.headers["set-cookie"].startswith("consentgate=")
    assert "; Domain=example.org;" in answer.headers["set-cookie"]
    assert site.get(headers=ON_SITE, cookie=answer.cookie).reached
    assert site.house.asked == ["reload", "accepted user:ann"]


@pytest.mark.parametrize("serial", [2, 1], ids=["good", "not good"])
def test_each_larger_ledger_that_a_pass_knows_is_told_once(serial: int) -> None:
    """At first sight and never again: when the pass opens, when it does not, and through what many passes share."""
    site = Site()
    for size in (0, 5, 3, 5, 9):
        for number in (1, 2):
            subject = Subject(f"{size:016x}{number:016x}", SubjectKind.VISITOR)
            token = site.token(serial, subject=subject, tree_size=size)
            for _ in range(2):
                assert site.get(cookie=f"a=1; consentgate={token}".encode()).reached is (serial == 2)

    assert site.house.sizes == [5, 9]


def test_nothing_is_told_of_what_we_did_not_seal() -> None:
    """Anybody could write a large number."""
    site = Site()
    forged = Site(secrets=(OLD_SECRET,)).token(2, tree_size=10**9)
    for cookie in (f"consentgate={forged}".encode(), f"a=1; consentgate={forged}".encode()):
        site.get(cookie=cookie)

    assert site.house.sizes == []
