"""The quick look: nothing but the good pass goes through it, and a good pass costs nothing else."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from consentgate.gate.asgi import build_gate
from consentgate.gate.hooks import PASSAGE_KEY, Passage
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import NAVIGATION, NOW, OLD_SECRET, ONE_POLICY, Clock, House, Site, make_scope, policy, version

NEEDLESS = ("sqlalchemy", "sqlmodel", "fastapi", "starlette", "jinja2", "cryptography", "pydantic")


class Refusing(House):
    """Hooks that load the calendar and fail when they are asked anything else."""

    async def accepted(self, subject: Any) -> Any:
        raise AssertionError("the ledger was asked")

    async def link(self, visitor_id: str, subject: Any) -> Any:
        raise AssertionError("the ledger was asked")


class Step:
    """An await of the application's own."""

    def __await__(self) -> Iterator[str]:
        yield "step"


@pytest.mark.parametrize("subject", [None, lambda scope: None, lambda scope: "ann"], ids=["none", "nobody", "ann"])
def test_a_good_pass_awaits_nothing_wraps_nothing_and_asks_nobody(subject: Any) -> None:
    """The application gets the very objects the server gave, and only its own awaits happen."""
    seen: list[tuple[Any, ...]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))
        await Step()

    async def receive() -> Any:
        raise AssertionError("the gate read the request")

    async def send(message: Any) -> None:
        raise AssertionError("the gate sent something")

    state = GateState(Seals(OLD_SECRET))
    gate = build_gate(app, state=state, hooks=Refusing(), options=GateOptions(clock=Clock(), subject=subject))
    who = subject and subject({})
    token = PassSealer(state.seals).issue(
        Subject(who) if who else Subject("a" * 32, SubjectKind.VISITOR), [2], now=NOW
    )  # fmt: skip
    scope = make_scope("/articles", cookie=token)
    before, threads = dict(scope), threading.active_count()
    for _ in range(3):
        assert list(_steps(gate(scope, receive, send))) == ["step"]

    assert all(found == (scope, receive, send) and found[2] is send for found in seen)
    assert scope == before
    assert scope["state"] == {}
    assert threading.active_count() == threads


def _steps(coroutine: Any) -> Iterator[Any]:
    while True:
        try:
            yield coroutine.send(None)
        except StopIteration:
            return


def test_the_gate_is_a_coroutine_function() -> None:
    """Servers that guess the ASGI version look for one."""
    for subject in (None, lambda scope: None):
        options = GateOptions(subject=subject)
        gate = build_gate(House().pages, state=GateState(Seals(OLD_SECRET)), hooks=House(), options=options)
        assert inspect.iscoroutinefunction(gate)


def test_without_options_the_defaults_hold() -> None:
    """The one argument that may be left out."""
    gate = build_gate(House().pages, state=GateState(Seals(OLD_SECRET)), hooks=House())

    assert inspect.iscoroutinefunction(gate)


@pytest.mark.parametrize(
    "cookies",
    [
        b"consentgate=%b", b"a=1; consentgate=%b", b"consentgate=%b; a=1", b"a=1; consentgate=%b; b=2",
        b"a=1;consentgate=%b", b'consentgate="%b"', b"  consentgate = %b  ;a", b"a=1; consentgate=x; consentgate=%b",
        b"consentgate=; consentgate=%b", b"__Host-consentgate=x; consentgate=%b", b"a=consentgate; consentgate=%b",
    ],
)  # fmt: skip
def test_a_good_pass_is_found_wherever_it_stands(cookies: bytes) -> None:
    """First, last, between, quoted, after a broken one; the first time and the second."""
    site = Site()
    token = site.token(2).encode()
    for _ in range(3):
        assert site.get(headers=NAVIGATION, cookie=cookies % token).reached


@pytest.mark.parametrize(
    "cookies",
    [b"xconsentgate=%b", b"a=1; xconsentgate=%b", b"a=x consentgate=%b", b"consentgate2=%b", b"a=consentgate=%b",
     b"__Host-consentgate=%b", b"consentgate=%bA", b"consentgate=A%b", b"consentgate=%b.", b"consentgate=%b\0",
     b"Consentgate=%b", b"consentgate%%3D%b", b"consentgate:%b", b"a=1, consentgate=%b", b"consentgate=\xc3%b"],
)  # fmt: skip
@pytest.mark.parametrize("subject", [None, lambda scope: None], ids=["without", "with subject"])
def test_what_only_looks_like_a_good_pass_never_opens(cookies: bytes, subject: Any) -> None:
    """Also when the very token is remembered as good, under its own name."""
    site = Site(subject=subject)
    token = site.token(2).encode()
    for _ in range(2):
        assert site.get(headers=NAVIGATION, cookie=b"a=1; consentgate=" + token).reached
        assert site.get(headers=NAVIGATION, cookie=cookies % token).status == 303


@pytest.mark.parametrize(("scheme", "name", "opens"), [
    ("http", b"consentgate", True), ("http", b"__Host-consentgate", False),
    ("https", b"consentgate", False), ("https", b"__Host-consentgate", True),
])  # fmt: skip
@pytest.mark.parametrize("place", [b"%b=%b", b"a=1; %b=%b"])
def test_the_cookie_of_the_scheme_counts(scheme: str, name: bytes, opens: bool, place: bytes) -> None:
    """On https only the name that a sibling domain cannot plant, even when the token is remembered from http."""
    site = Site()
    token = site.token(2).encode()
    for _ in range(2):
        assert site.get(cookie=b"a=1; consentgate=" + token).reached
        assert site.get(cookie=b"a=1; __Host-consentgate=" + token, scheme="https").reached
        assert site.get(headers=NAVIGATION, cookie=place % (name, token), scheme=scheme).reached is opens


@pytest.mark.parametrize(("secure", "name"), [(True, b"__Host-consentgate"), (False, b"consentgate")])
def test_the_scheme_can_be_overruled(secure: bool, name: bytes) -> None:
    """Behind a proxy that hides it."""
    site = Site(secure=secure)
    other = b"consentgate" if secure else b"__Host-consentgate"
    for scheme in ("http", "https"):
        for _ in range(2):
            assert site.get(cookie=b"a=1; %b=%b" % (name, site.token(2).encode()), scheme=scheme).reached
            assert not site.get(cookie=b"a=1; %b=%b" % (other, site.token(2).encode()), scheme=scheme).reached


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_pass_is_found_in_a_split_cookie_header(place: int) -> None:
    """HTTP/2 may send cookies in several fields; a stranger's field beside it changes nothing."""
    site = Site()
    pieces = [b"a=1", b"b=2; c=3"]
    pieces.insert(place, b"consentgate=" + site.token(2).encode())
    for _ in range(2):
        assert site.get(headers=[(b"cookie", piece) for piece in pieces] + list(_navigation())).reached
        assert site.get(headers=[*_navigation(), *((b"cookie", piece) for piece in pieces)]).reached


@pytest.mark.parametrize("subject", [None, lambda scope: None], ids=["without", "with subject"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_the_cookie_field_may_stand_anywhere(place: int, subject: Any) -> None:
    """Browsers send it last; some proxies sort the fields, or put theirs behind."""
    site = Site(subject=subject)
    for cookie, opens in ((b"a=1; consentgate=" + site.token(2).encode(), True), (b"a=1", False), (None, False)):
        headers = list(_navigation())
        if cookie is not None:
            headers.insert(place, (b"cookie", cookie))
        for _ in range(2):
            assert site.get(headers=headers).status == (200 if opens else 303)


def _navigation() -> Iterator[tuple[bytes, bytes]]:
    return ((name.encode(), value.encode()) for name, value in NAVIGATION.items())


def test_a_publication_holds_from_the_next_request_on() -> None:
    """No request that begins after the bump passes on the terms of before."""
    site = Site()
    token = site.token(2)
    assert site.get(cookie=token).reached

    site.publish(Calendar((policy(),), (version(1), version(2), version(3))))

    assert site.get(cookie=token).status == 403
    assert site.get(cookie=site.token(3)).reached
    assert site.house.asked == ["reload", "reload"]


def test_a_planned_version_is_demanded_from_its_instant_on() -> None:
    """To the microsecond, with the pass remembered as good before; nothing need be loaded for it."""
    planned = Calendar((policy(),), (version(1), version(2, announced=NOW, effective=NOW + DAY)))
    site = Site(House(planned))
    token = site.token(1)
    seen = []
    for moment in (NOW, NOW + DAY - SECOND, NOW + DAY, NOW + DAY + SECOND):
        site.clock.seconds = moment / SECOND
        seen.append((site.get(cookie=token).reached, site.get(cookie=token).reached))

    assert seen == [(True, True), (True, True), (False, False), (False, False)]
    assert site.house.asked == ["reload"]


def test_a_clock_that_goes_back_opens_nothing() -> None:
    """An instant that was over stays over for what was loaded since."""
    site = Site(House(Calendar((policy(),), (version(1), version(2, announced=NOW, effective=NOW + DAY)))))
    site.clock.seconds += 2 * 86_400
    assert site.get(cookie=site.token(1)).status == 403
    site.clock.seconds -= 60

    assert site.get(cookie=site.token(1)).status == 403


def test_a_thousand_visitors_with_room_for_eight_are_all_judged_rightly() -> None:
    """The memory is bounded, and forgetting never lets in or keeps out."""
    site = Site(memo_size=8)
    visitors = [Subject(f"{number:032x}", SubjectKind.VISITOR) for number in range(60)]
    tokens = [site.token(2 - number % 2, subject=visitor) for number, visitor in enumerate(visitors)]
    for _ in range(2):
        for number, token in enumerate(tokens):
            assert site.get(cookie=token).reached == (number % 2 == 0)
            assert site.get(cookie=token).reached == (number % 2 == 0)


def test_the_memory_of_verdicts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors with ever new sets of versions are judged rightly."""
    monkeypatch.setattr("consentgate.gate.snapshot._MOST_VERDICTS", 4)
    site = Site()
    for serial in range(1, 30):
        for _ in range(2):
            assert site.get(cookie=site.token(serial)).reached == (serial == 2)
            assert site.get(cookie=site.token(2, serial + 100)).reached


def test_the_memory_of_passes_stays_within_its_bound() -> None:
    """Whoever mints thousands of valid passes fills nothing."""
    site = Site(memo_size=8)
    for number in range(100):
        assert site.get(cookie=site.token(2, subject=Subject(f"{number:032x}", SubjectKind.VISITOR))).reached
    watch = inspect.getclosurevars(site.gate).nonlocals["careful"].__self__.watch  # type: ignore[arg-type]

    assert len(watch.epoch.passes) <= 8
    assert len(watch.epoch.opened) <= 8


@pytest.mark.parametrize(
    "broken",
    [{"headers": ()}, {"headers": [(b"cookie", b"")]}, {"scheme": "gopher"}, {"root_path": None}, {"raw_path": b"\xff"},
     {"state": None}],
    ids=str,
)  # fmt: skip
def test_a_scope_that_is_a_little_odd_is_judged_all_the_same(broken: dict[str, Any]) -> None:
    """Optional keys may be missing or empty: with a pass through, without stopped."""
    site = Site()
    if broken.get("state", 0) is None:
        broken = {}
        scope_without = {"state"}
    else:
        scope_without = set()
    scope = {**make_scope("/a", cookie=site.token(2)), **broken}
    for key in scope_without:
        del scope[key]
    messages = []

    async def send(message: Any) -> None:
        messages.append(message)

    for _ in _steps(_run(site, scope, send)):
        raise AssertionError("the gate waited")
    assert messages[0]["status"] in (200, 403)


async def _run(site: Site, scope: Any, send: Any) -> None:
    await site.gate(scope, None, send)  # type: ignore[arg-type]


def test_the_host_finds_the_passage_of_a_request() -> None:
    """Where something is to be told it stands in the scope; where not, the shared value says that all is well."""
    site = Site(anonymous="remind")
    told = site.get()

    assert isinstance(told.scope["state"][PASSAGE_KEY], Passage)
    assert PASSAGE_KEY not in site.get(cookie=site.token(2)).scope["state"]
    assert site.get(cookie=site.token(2)).passage == Passage()


@pytest.mark.parametrize("module", ["consentgate.gate", "consentgate.gate.asgi"])
def test_importing_the_gate_loads_no_database_no_framework_and_no_cryptography(module: str) -> None:
    """A worker that only lets people pass needs none of them."""
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "consentgate" in loaded
    assert [name for name in NEEDLESS if name in loaded] == []


def test_a_calendar_in_memory_is_not_loaded_again_when_only_time_has_passed() -> None:
    """A new epoch for the clock's sake costs no query."""
    site = Site(House(ONE_POLICY), memo_seconds=10)
    for _ in range(5):
        site.clock.seconds += 11
        assert site.get(cookie=site.token(2)).reached

    assert site.house.asked == ["reload"]
