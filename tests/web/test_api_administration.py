"""The API over everything administrators do: thin, told by headers what may be done twice, and described truly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate.app import ConsentGate
from consentgate.errors import StoreUnavailableError
from consentgate.service.administrators import Administrator
from consentgate.terms.subject import Subject
from consentgate.testing import accept_everything
from tests.web.conftest import Site, _application, _who

API = "/terms/api/v1"
TEXT = "# Terms\n\nBe kind to one another.\n"
DRAFT = "---\nimpact: material\n---\n" + TEXT
SETTINGS = {"title": {"en": "Terms"}, "kind": "contract"}


class Clerk:
    """A client with one role."""

    def __init__(self, site: Site, role: str, **extra: str) -> None:
        secret = site.run(site.terms.new_token, role, role).secret
        self.headers = {"authorization": f"Bearer {secret}", "accept": "application/json", **extra}
        self.client = site.browser()

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.request(method, API + path, headers=headers, **options)

    def draft(self, label: str, body: str = DRAFT, *, headers: dict[str, str] | None = None) -> Any:
        """Put a draft."""
        markdown = {"content-type": "text/markdown", **(headers or {})}
        return self("PUT", f"/drafts/terms/{label}/en", content=body, headers=markdown)


@pytest.fixture(name="owner")
def _owner(site: Site) -> Clerk:
    """Who may do everything, on a site with one published version."""
    owner = Clerk(site, "owner")
    draft = {"policy": "terms", "version": "1", "impact": "material", "text": TEXT}
    answer = owner("POST", "/publish", json={"drafts": [draft], "policies": [{"slug": "terms", **SETTINGS}]})
    assert answer.status_code == 200, answer.text
    return owner


def test_the_whole_walk_of_an_editor_over_http(site: Site, owner: Clerk) -> None:
    """Write, preview, publish on what was seen; somebody is stopped, accepts, and the curve moves."""
    site.run(site.terms.record, Subject("ann"), "terms")
    kept = owner.draft("2", DRAFT + "\nBring back what you borrow.\n")
    assert (kept.status_code, kept.json()["error"], kept.headers["etag"]) == (200, None, f'"{kept.json()["etag"]}"')
    ref = {"policy": "terms", "version": "2", "language": "en"}
    seen = owner("POST", "/preview", json={"refs": [ref]}).json()
    assert (seen["stops"], [one["version"] for one in seen["each"]]) == (1, ["2"])
    assert "borrow" in seen["texts"][0]["html"]
    assert "borrow" in seen["texts"][0]["redline_html"]
    done = owner("POST", "/publish", json={"refs": [ref], "expected": seen["state"]})
    assert [one["version"] for one in done.json()["published"]] == ["2"]
    assert owner("GET", "/drafts").json() == []
    (missing,) = owner("GET", "/outstanding", params={"policy": "terms"}).json()["items"]
    assert (missing["subject"]["key"], missing["accepted"]) == ("user:ann", "1")
    site.clock.forward(hours=1)
    site.run(accept_everything, site.terms, "user:ann")

    (numbers,) = owner("GET", "/statistics", params={"policy": "terms"}).json()
    assert (numbers["accepted"], numbers["undecided"], numbers["curve"]["points"][-1]["total"]) == (1, 0, 1)
    page = owner("GET", "/decisions", params={"policy": "terms", "limit": 1}).json()
    assert (page["items"][0]["version"], page["items"][0]["subject"]["id"]) == ("2", "ann")
    rest = owner("GET", "/decisions", params={"policy": "terms", "limit": 1, "cursor": page["next"]}).json()
    assert (rest["items"][0]["version"], rest["next"]) == ("1", None)
    record = owner("GET", "/subjects/user:ann").json()
    assert [item["entry"]["type"] for item in record["history"]] == ["decision", "decision"]
    assert owner("GET", "/subjects/user:ann/bundle").content.startswith(b"PK")


def test_counting_can_be_left_out(site: Site, owner: Clerk) -> None:
    """Null is not nought: whoever does not wait for a number is told none."""
    site.run(site.terms.record, Subject("ann"), "terms")
    draft = {"policy": "terms", "version": "2", "impact": "material", "text": TEXT + "More.\n"}
    counted = owner("POST", "/preview", json={"drafts": [draft]}).json()
    seen = owner("POST", "/preview", json={"drafts": [draft], "count": False}).json()
    assert (counted["stops"], counted["each"][0]["subjects"]) == (1, 1)
    assert (seen["stops"], seen["each"][0]["subjects"]) == (None, None)
    assert seen["state"] == counted["state"]
    (numbers,) = owner("GET", "/statistics", params={"subjects": "false"}).json()
    assert [numbers[name] for name in ("accepted", "refused", "undecided")] == [None] * 3
    assert numbers["curve"]["points"][-1]["total"] == 1


def test_a_scheduled_version_is_cancelled_and_a_policy_retired(owner: Clerk) -> None:
    """With a reason; what is in effect is not cancelled."""
    owner.draft("2", DRAFT.replace("impact", "effective: 2026-12-01\nimpact") + "\nMore.\n")
    owner("POST", "/publish", json={"refs": [{"policy": "terms", "version": "2", "language": "en"}]})
    gone = owner("POST", "/policies/terms/versions/2/cancel", json={"reason": "a mistake"})
    assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    assert owner("POST", "/policies/terms/versions/1/cancel", json={"reason": "a mistake"}).status_code == 409
    assert [one["version"] for one in owner("GET", "/versions").json()] == ["1"]
    assert [one["state"] for one in owner("GET", "/policies/terms/versions").json()] == ["in force", "cancelled"]
    text = owner("GET", "/policies/terms/versions/1/texts/en")
    assert (text.text, text.headers["content-type"]) == (TEXT, "text/markdown; charset=utf-8")

    assert owner("POST", "/policies/terms/retire", json={}).json()["policies"] == ["terms"]
    assert owner("GET", "/policies/terms").json()["in_force"] is None


def test_settings_go_round_by_their_etag(owner: Clerk) -> None:
    """What `GET` shows is what `PUT` takes; the older tag is refused with the present one."""
    before = owner("GET", "/policies/terms")
    wanted = {**before.json()["settings"], "notice_days": 14}
    assert owner("PUT", "/policies/terms", json=wanted).status_code == 412
    done = owner("PUT", "/policies/terms", json=wanted, headers={"if-match": before.headers["etag"]})
    assert done.status_code == 200
    after = owner("GET", "/policies/terms")

    assert after.json()["settings"] == wanted
    late = owner(
        "PUT", "/policies/terms", json=wanted | {"notice_days": 1}, headers={"if-match": before.headers["etag"]}
    )
    assert (late.status_code, late.json()["etag"]) == (412, after.json()["etag"])
    for wrong in ("W/" + before.headers["etag"], "no quotes", '"a", "b"'):
        refused = owner("PUT", "/policies/terms", json=wanted, headers={"if-match": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "If-Match")


def test_two_editors_do_not_overwrite_each_other(owner: Clerk) -> None:
    """A draft that is there needs its tag, for writing and for deleting."""
    first = owner.draft("2")
    assert owner.draft("2", DRAFT + "\nOther.\n").status_code == 412
    tag = {"if-match": first.headers["etag"]}
    second = owner.draft("2", DRAFT + "\nOther.\n", headers=tag)
    assert second.status_code == 200
    assert owner("GET", "/drafts/terms/2/en").text.endswith("Other.\n")
    assert owner("DELETE", "/drafts/terms/2/en", headers=tag).status_code == 412

    assert owner("DELETE", "/drafts/terms/2/en", headers={"if-match": second.headers["etag"]}).status_code == 204
    assert owner("GET", "/drafts/terms/2/en").status_code == 404


# --- once --------------------------------------------------------------------------------------------------------


def test_a_request_with_a_key_is_done_once(site: Site, owner: Clerk) -> None:
    """Sent again it gets the first answer; the ledger has one entry; another body with the key is refused."""
    key = {"idempotency-key": "7f1f"}
    one = owner("POST", "/subjects/user:ann/hold", json={"basis": "case 1"}, headers=key)
    size = owner("GET", "/health").json()["size"]
    two = owner("POST", "/subjects/user:ann/hold", json={"basis": "case 1"}, headers=key)

    assert (two.status_code, two.json(), two.headers["idempotent-replayed"]) == (200, one.json(), "true")
    assert owner("GET", "/health").json()["size"] == size
    other = owner("POST", "/subjects/user:ann/hold", json={"basis": "case 2"}, headers=key)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    elsewhere = Clerk(site, "owner")("POST", "/subjects/user:ann/hold", json={"basis": "case 2"}, headers=key)
    assert elsewhere.status_code == 200
    site.clock.forward(hours=25)
    assert owner("POST", "/subjects/user:ann/hold", json={"basis": "case 2"}, headers=key).status_code == 200


def test_what_was_refused_may_be_sent_again_with_its_key(owner: Clerk) -> None:
    """A refusal is no answer to keep: nothing was done."""
    key = {"idempotency-key": "again"}
    assert owner("POST", "/policies/terms/retire", json={"replaced_by": "none"}, headers=key).status_code == 404
    assert owner("POST", "/policies/terms/retire", json={}, headers=key).status_code == 200


def test_a_token_is_shown_once_also_to_whoever_asks_again(site: Site, owner: Clerk) -> None:
    """The repeated answer has everything but the secret, and the database never had it."""
    key = {"idempotency-key": "token"}
    made = owner("POST", "/tokens", json={"role": "auditor", "label": "Ann"}, headers=key)
    again = owner("POST", "/tokens", json={"role": "auditor", "label": "Ann"}, headers=key)

    assert made.status_code == again.status_code == 201
    assert again.json() == made.json() | {"secret": None}
    assert len(owner("GET", "/tokens").json()) == 2
    stored = (site.folder.parent / "terms.db").read_bytes() + (site.folder.parent / "terms.db-wal").read_bytes()
    assert made.json()["secret"].encode() not in stored
    assert owner("DELETE", f"/tokens/{made.json()['id']}").status_code == 204
    assert owner("DELETE", f"/tokens/{made.json()['id']}").status_code == 404


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 201])
def test_a_key_that_is_none_is_refused(owner: Clerk, key: str) -> None:
    """It would be forgotten or confused with another."""
    answer = owner("POST", "/policies/terms/retire", json={}, headers={"idempotency-key": key.encode()})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/publish", {"drafts": [{"policy": "terms", "text": "x"}]}, "drafts.0.version"),
        ("POST", "/publish", {"drafts": [{"policy": "TERMS", "version": "2", "text": "x"}]}, "drafts.0"),
        ("POST", "/publish", {"policies": [{"title": "x"}]}, "policies.0"),
        ("POST", "/publish", {}, "drafts"),
        ("POST", "/publish", {"unknown": 1}, "unknown"),
        ("POST", "/preview", {"refs": [{"policy": "T", "version": "1", "language": "en"}]}, "policy"),
        ("POST", "/preview", {"at": "soon", "policies": [{"slug": "terms"}]}, "at"),
        ("PUT", "/policies/terms", {"kind": "law"}, "settings"),
        ("POST", "/policies/terms/retire", {"at": "2020-01-01"}, "at"),
        ("POST", "/policies/terms/retire", {"at": "0001-01-01T00:00:00+23:00"}, "at"),
        ("POST", "/policies/terms/versions/1/cancel", {"reason": "a\nb"}, "reason"),
        ("POST", "/policies/terms/versions/1/cancel", {}, "reason"),
        ("PUT", "/drafts/Terms/1/en", {}, "Content-Type"),
        ("GET", "/decisions?limit=0", None, "limit"),
        ("GET", "/decisions?cursor=x", None, "cursor"),
        ("GET", "/decisions?since=yesterday", None, "since"),
        ("GET", "/decisions?subject=", None, "subject"),
        ("GET", "/decisions?version=1", None, "policy"),
        ("GET", "/outstanding", None, "policy"),
        ("GET", "/statistics?since=never", None, "since"),
        ("GET", "/consistency?from=99", None, "from"),
        ("GET", "/consistency?from=1&to=99", None, "to"),
        ("GET", "/export?cursor=1", None, "cursor"),
        ("POST", "/subjects/user:ann/erase", {"basis": "x", "fields": ["nothing"]}, "fields"),
        ("POST", "/subjects/user:ann/erase", {"basis": ""}, "basis"),
        ("POST", "/subjects/user:ann/erase", {"basis": "x", "mode": "burn"}, "mode"),
        ("POST", "/subjects/user:/hold", {"basis": "x"}, "subject"),
        ("POST", "/tokens", {"role": "king", "label": "x"}, "role"),
        ("POST", "/tokens", {"role": "owner", "label": ""}, "label"),
        ("POST", "/tokens", {"role": "owner", "label": "x", "days": 0}, "days"),
        ("POST", "/tokens", {"role": "owner", "label": "x", "holder": "\n"}, "holder"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(
    owner: Clerk, method: str, path: str, body: object, field: str
) -> None:
    """A program or a form can point at it."""
    answer = owner(method, path, json=body) if body is not None else owner(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert field in [one["field"] for one in answer.json()["errors"]], answer.text


# --- who is let in -----------------------------------------------------------------------------------------------


@pytest.fixture(name="hosted")
def _hosted(site: Site) -> Iterator[Callable[..., Any]]:
    """A site whose host recognises administrators by a header, at once or awaited."""
    from starlette.testclient import TestClient

    def name(scope: Any) -> str | None:
        return next((value.decode() for key, value in scope["headers"] if key == b"x-admin"), None)

    async def admin(scope: Any) -> Any:
        known = {"petra": Administrator("petra", frozenset({"publisher"})), "broken": "yes"}
        return known.get(name(scope) or "")

    gated = ConsentGate(_application(), terms=site.terms, subject=_who, admin=admin)
    client = TestClient(gated, base_url="https://kettle.example", raise_server_exceptions=False)
    yield lambda method, path, **options: client.request(method, API + path, **options)


def test_the_hosts_administrator_needs_no_token(hosted: Callable[..., Any], owner: Clerk) -> None:
    """Has the roles the host says, is nobody where the host says nothing, and a token still works beside it."""
    petra = {"x-admin": "petra"}
    assert hosted("GET", "/policies", headers=petra).status_code == 200
    assert hosted("GET", "/decisions", headers=petra).status_code == 403
    assert hosted("GET", "/policies").status_code == 401
    assert hosted("GET", "/decisions", headers={"authorization": owner.headers["authorization"]}).status_code == 200
    wrong = hosted("GET", "/policies", headers={"x-admin": "broken"})
    assert (wrong.status_code, wrong.json()["type"].rsplit("/", 1)[1]) == (500, "configuration")


def test_another_site_cannot_write_in_the_name_of_somebody_signed_in(hosted: Callable[..., Any], owner: Clerk) -> None:
    """The browser says where a request comes from; reading and one's own pages are let through."""
    del owner
    petra = {"x-admin": "petra", "sec-fetch-site": "cross-site"}
    assert hosted("POST", "/policies/terms/retire", json={}, headers=petra).status_code == 403
    other = {"x-admin": "petra", "origin": "https://evil.example"}
    assert hosted("POST", "/policies/terms/retire", json={}, headers=other).status_code == 403
    assert hosted("GET", "/policies", headers=petra).status_code == 200
    mine = {"x-admin": "petra", "sec-fetch-site": "same-origin"}
    assert hosted("POST", "/policies/terms/retire", json={}, headers=mine).status_code == 200


def test_the_role_is_asked_before_the_body_is_read(site: Site, owner: Clerk) -> None:
    """Whoever may not write learns nothing about what would be taken."""
    del owner
    auditor = Clerk(site, "auditor")
    for method, path in (("POST", "/publish"), ("PUT", "/policies/terms"), ("POST", "/tokens"), ("POST", "/preview")):
        assert auditor(method, path, content=b"\xff").status_code == 403


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
def test_not_a_byte_of_the_body_is_read_before_the_role_is_known(
    site: Site, owner: Clerk, headers: dict[str, str]
) -> None:
    """Whoever may not write cannot make the server hold 16 MB either; with an Idempotency-Key they once could."""
    del owner
    asked: list[str] = []

    async def knock(role: str) -> int:
        secret = (await site.terms.new_token(role, role)).secret if role else "cgt_wrong"
        told = {"authorization": f"Bearer {secret}", "content-type": "application/json", **headers}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "https",
            "path": f"{API}/tokens", "raw_path": f"{API}/tokens".encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"kettle.example"), *((key.encode(), value.encode()) for key, value in told.items())],
            "client": None, "server": None,
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            asked.append(role)
            return {"type": "http.request", "body": b'{"role": "auditor", "label": "Ann"}', "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await site.app(scope, receive, send)
        return int(sent[0]["status"])

    assert [site.run(knock, role) for role in ("", "publisher", "owner")] == [401, 403, 201]
    assert set(asked) == {"owner"}


@pytest.mark.parametrize("dies", ["before the act", "after the act"])
def test_a_token_is_made_once_though_its_answer_was_lost(
    site: Site, owner: Clerk, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    """The record cannot be reached before, or the client goes away after: sent again with its key, one is made."""
    make = site.terms.new_token

    async def lost(*given: Any, **options: Any) -> Any:
        if dies == "after the act":
            await make(*given, **options)
        raise StoreUnavailableError("the database is busy")

    order, key = {"role": "auditor", "label": "Ann"}, {"idempotency-key": "lost"}
    with monkeypatch.context() as patch:
        patch.setattr(site.terms, "new_token", lost)
        assert owner("POST", "/tokens", json=order, headers=key).status_code == 503
    again = owner("POST", "/tokens", json=order, headers=key)

    assert again.status_code == (201 if dies == "before the act" else 409), again.text
    assert again.status_code == 201 or again.json()["done"] is True
    assert [one["label"] for one in owner("GET", "/tokens").json()] == ["owner", "Ann"]


# --- the description ---------------------------------------------------------------------------------------------


def test_the_description_is_openapi_and_says_every_refusal(site: Site) -> None:
    """3.1, every reference leads somewhere, every operation documents its refusals with an example, every write takes
    an Idempotency-Key."""
    document = site.browser().get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    assert _references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            said = operation["responses"]
            assert {"401", "403", "422", "500", "503"} <= said.keys(), (method, path)
            assert method == "get" or "409" in said, (method, path)
            for code, answer in said.items():
                if code[0] in "45":
                    content = answer["content"]["application/problem+json"]
                    assert content["example"]["status"] == int(code)
                    assert set(answer["content"]) == {"application/problem+json"}
            if method != "get":
                assert "Idempotency-Key" in [one["name"] for one in operation["parameters"]], (method, path)
            assert operation["security"], (method, path)
            assert operation["summary"], (method, path)


def test_a_method_that_an_address_does_not_have_is_told_which_it_has(owner: Clerk) -> None:
    """All of them (RFC 9110, section 15.5.6), though they are routes of their own."""
    refused = owner("PATCH", "/policies/terms", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")
    assert refused.headers["content-type"] == "application/problem+json"
    assert owner("DELETE", "/tokens").headers["allow"] == "GET, POST"


def test_a_fault_of_ours_is_a_problem_document_that_tells_nothing(
    site: Site, owner: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 as described, with the key of the request free again; what it was stands in the log."""

    async def broken(*_: Any, **_options: Any) -> Any:
        raise RuntimeError("secret of the house")

    owner.client = TestClient(site.app, base_url="https://kettle.example", raise_server_exceptions=False)
    order, key = {"role": "auditor", "label": "Ann"}, {"idempotency-key": "fault"}
    with monkeypatch.context() as patch:
        patch.setattr(site.terms, "new_token", broken)
        answer = owner("POST", "/tokens", json=order, headers=key)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert owner("POST", "/tokens", json=order, headers=key).status_code == 201


def test_an_unreachable_record_says_when_to_try_again(
    site: Site, owner: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 has Retry-After, whatever it was."""

    async def away(*_: Any, **_options: Any) -> Any:
        raise StoreUnavailableError("the database is busy")

    monkeypatch.setattr(site.terms, "_read", away)
    answer = owner("GET", "/decisions")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        mine = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return mine.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def test_half_a_character_in_json_is_refused_and_not_answered_about(owner: Clerk) -> None:
    """A lone surrogate stood in the detail of the problem document, which then could not be encoded."""
    answer = owner("POST", "/publish", content=b'{"policies": [{"slug": "\\uD800", "title": "x"}]}',
                   headers={"content-type": "application/json"})  # fmt: skip

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"replaced_by": "terms", "retired": "2030-01-01"}, 422),
        ({"replaced_by": "nothing", "retired": "2030-01-01"}, 404),
        ({"retired": "2020-01-01"}, 422),
        ({"retired": "2030-01-01"}, 200),
    ],
)
def test_settings_retire_a_policy_no_other_way_than_retire_does(
    owner: Clerk, change: dict[str, Any], status: int
) -> None:
    """A policy could replace itself, or nothing that exists, or have been retired years ago."""
    answer = owner("PUT", "/policies/terms", json={**SETTINGS, **change}, headers={"if-match": "*"})

    assert answer.status_code == status, answer.text
