"""`consentgate publish --site`: a folder goes to a running site, the token to nobody else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from consentgate.app import ConsentGate
from consentgate.cli import remote
from consentgate.cli.remote import draft_record, endpoint, settings_record
from consentgate.errors import ConfigurationError
from consentgate.service.folder import read_folder
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Audience, Kind, Policy
from consentgate.terms.policy_file import policy_from_settings
from consentgate.terms.subject import SubjectKind
from consentgate.testing import SECRET, run
from tests.cli.conftest import SECOND, Command, Project

Answer = Callable[[str, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]


@dataclass
class Site:
    """A server on this machine that answers as it is told, and remembers what it was asked."""

    url: str = ""
    answer: Answer = lambda *_: (200, {}, b"{}")
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append((self.path, headers, body))
            status, more, answer = site.answer(self.path, headers, body)
            if not status:  # the connection breaks
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the gate of the tests; nobody gets as far."""


@dataclass
class Gated:
    """The real thing behind the test server: every request is handed to a gated application."""

    client: TestClient
    terms: Any

    def __call__(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer one request."""
        wanted = {
            name: headers[name]
            for name in ("authorization", "content-type", "accept", "idempotency-key")
            if name in headers
        }
        done = self.client.post(path, content=body, headers=wanted)
        return done.status_code, {"Content-Type": done.headers["content-type"]}, done.content


@pytest.fixture(name="gated")
def _gated(tmp_path: Path, site: Site) -> Iterator[Gated]:
    app = ConsentGate(_bare, database=f"sqlite:///{tmp_path / 'site.db'}", secret=SECRET, origin="example.com/site")
    run(app.terms.start())
    gated = Gated(TestClient(app, base_url="http://127.0.0.1"), app.terms)
    site.answer = gated
    yield gated
    run(app.terms.stop())


def token(gated: Gated, role: str = "publisher") -> str:
    """A token of the site."""
    return str(run(gated.terms.new_token(role, "ci")).secret)


# --- with a real site -----------------------------------------------------------------------------------------------


def test_a_folder_is_published_on_a_site(
    project: Project, command: Command, site: Site, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check, publish, check: drift, done, no drift. What it says is what it says of a database."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", token(gated))
    project.write("1.0.fr.md", "# Conditions\n\nSoyez aimables.\n", "title: Conditions d'utilisation\nsummary: Tout.")

    before = command("publish", "--site", site.url, "--check")
    done = command("publish", "--site", site.url)
    after = command("publish", "--site", site.url, "--check")

    assert (before.code, done.code, after.code) == (1, 0, 0)
    assert before.out == done.out.replace("Published:", "Would be published:")
    assert done.out.splitlines() == [
        "Published:",
        "  terms 1.0   material   en, fr",
        "      announced, effective and enforced 2026-01-01 00:00 UTC",
        "  terms   settings (policy.toml)",
    ]
    assert after.out == "Nothing to publish: 1 version unchanged.\n"
    version = run(gated.terms.reload()).find("terms", "1.0")
    assert version.translation("fr").title == "Conditions d'utilisation"
    assert not project.database.exists()


def test_what_was_published_remotely_is_unchanged_on_the_spot(
    project: Project, command: Command, site: Site, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folder, API and database agree about what a version is: published there again, the folder holds nothing new."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", token(gated))
    project.write("2.0.en.md", SECOND, "impact: material\neffective: 2130-01-01T09:30:00.25+02:00\nsummary: More.")
    (project.policy / "policy.toml").write_text(
        'title = { en = "Terms", fr = "Conditions" }\nnotice_days = 30\nrenew_after = 365\nretain_days = 99\n'
        'retired = 2140-01-01\nreplaced_by = "others"\n[audience]\nkinds = ["user"]\ntags = ["eu"]\npaths = ["/a"]\n'
    )

    assert command("publish", "--site", site.url).code == 0
    assert command("publish", "--database", "site.db").out == "Nothing to publish: 2 versions unchanged.\n"


def test_a_refusal_is_said_in_the_site_s_own_words(
    project: Project, command: Command, site: Site, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's sentence and hint, and who said it."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", token(gated))
    command("publish", "--site", site.url)
    project.write("1.0.en.md", SECOND, "impact: material\nannounce: 2026-01-01\neffective: 2026-01-01")

    done = command("publish", "--site", site.url)

    host = site.url.removeprefix("http://")
    assert done.code == 1
    assert done.err.startswith(f"error: {host} refused: ")
    assert "terms 1.0 is published; its text would change" in done.err
    assert "hint: a correction is a new version" in done.err


@pytest.mark.parametrize(("role", "said"), [("auditor", "needs the role publisher"), (None, "this token is not valid")])
def test_only_a_publisher_publishes(
    role: str | None, said: str, project: Project, command: Command, site: Site, gated: Gated,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Neither a token of another role nor an invented one."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", token(gated, role) if role else "cgt_invented")

    done = command("publish", "--site", site.url)

    assert done.code == 1
    assert said in done.err
    assert run(gated.terms.reload()).versions == ()


# --- with a site of another kind ------------------------------------------------------------------------------------


def test_a_bad_folder_is_refused_before_anything_is_sent(
    project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read here: their errors name the file and line the author knows."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")
    project.write("2.0.en.md", SECOND, "impact: enormous")

    done = command("publish", "--site", site.url)

    assert done.err.startswith("policies/terms/2.0.en.md:2: ")
    assert site.asked == []


def test_the_token_goes_where_it_was_told_and_nowhere_else(
    project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect is an error that names the new address; it is not followed."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")
    for status in (301, 302, 303, 307, 308):
        site.answer = lambda *_, status=status: (status, {"Location": f"{site.url}/elsewhere"}, b"")  # type: ignore[misc]
        site.asked.clear()

        done = command("publish", "--site", site.url)

        assert (done.code, len(site.asked)) == (1, 1)
        assert f"{site.url}/elsewhere" in done.err
        assert "cgt_x" not in done.err


def test_the_token_is_sent_as_a_bearer(
    project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the header, and not in the address, which would be logged."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x\n")

    command("publish", "--site", site.url)

    ((path, headers, body),) = site.asked
    assert path == "/terms/api/v1/publish"
    assert headers["authorization"] == "Bearer cgt_x"
    assert b"cgt_x" not in body


def test_the_prefix_is_that_of_the_settings(
    project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site whose pages live elsewhere says so in its settings file."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")
    (project.root / "consentgate.toml").write_text('database = "a.db"\nprefix = "/legal/terms"\n')

    command("publish", "--site", f"{site.url}/app/")

    assert site.asked[0][0] == "/app/legal/terms/api/v1/publish"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"{}", "answered 200, but not as consentgate does"),
        (200, b"[]", "answered 200, but not as consentgate does"),
        (200, b"<html>", "answered 200, but not as consentgate does"),
        (404, b"<html>", "is the address right?"),
        (502, b"<html>", "the log of the site says why"),
        (422, b"[]", "answered 422, but not as consentgate does"),
        (422, b'{"title": "No", "errors": [{"field": "drafts.0", "message": "too long"}]}', "No (drafts.0: too long)"),
        (401, b'{"title": "No"}', "is the token in CONSENTGATE_TOKEN the right one?"),
    ],
)
def test_an_answer_of_another_kind_is_an_error(
    status: int, body: bytes, said: str, project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's page, another program, an empty object: never taken for a publication."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")
    site.answer = lambda *_: (status, {}, body)

    done = command("publish", "--site", site.url)

    assert done.code == 1
    assert said in done.err
    assert done.out == ""


def test_a_site_that_is_not_there_is_an_error(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be tried again."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")

    done = command("publish", "--site", "http://127.0.0.1:1")

    assert done.code == 1
    assert "cannot be reached" in done.err
    assert "safe to try again" in done.err


def test_a_write_whose_connection_broke_is_sent_once_more_with_its_key(
    project: Project, command: Command, site: Site, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site had done it: the answer is that of the first time, and a second token was not made."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", token(gated, "owner"))
    monkeypatch.setattr(remote, "PAUSE", 0)

    def breaks(path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        done = gated(path, headers, body)
        return done if len(site.asked) > 1 else (0, {}, b"")

    site.answer = breaks
    done = command("token", "new", "--site", site.url, "--role", "auditor", "--label", "Ann")

    keys = [headers["idempotency-key"] for _, headers, _ in site.asked]
    assert (len(keys), len(set(keys))) == (2, 1)
    assert [one.label for one in run(gated.terms.list_tokens())] == ["ci", "Ann"]
    assert done.code == 1  # the secret was in the answer that was lost
    assert "revoke" in done.err


@pytest.mark.parametrize(("later", "times"), [({"Retry-After": "0"}, 2), ({"Retry-After": "31"}, 1), ({}, 1)])
def test_a_site_that_says_when_to_come_back_is_asked_once_more(
    later: dict[str, str], times: int, project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with the same key; not where it says nothing, or to wait for long."""
    monkeypatch.setenv("CONSENTGATE_TOKEN", "cgt_x")
    site.answer = lambda *_: (503, later, b'{"title": "The record cannot be kept right now"}')

    done = command("publish", "--site", site.url)

    assert (done.code, len(site.asked)) == (1, times)
    assert len({headers["idempotency-key"] for _, headers, _ in site.asked}) == 1
    assert "cannot be kept right now" in done.err


@pytest.mark.parametrize("value", ["", "  ", "cgt_a b", "cgt_\x00", "cgt_é"])
def test_without_a_token_nothing_is_sent(
    value: str, project: Project, command: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty secret of CI is found here, not by the site."""
    monkeypatch.setitem(os.environ, "CONSENTGATE_TOKEN", value) if "\x00" not in value else None

    assert command("publish", "--site", site.url).code == 2
    assert site.asked == []


def test_who_publishes_is_known_by_the_token(project: Project, command: Command, site: Site) -> None:
    """`--by` could claim anything."""
    assert command("publish", "--site", site.url, "--by", "Ada").code == 2


# --- addresses and records ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("https://example.com", "https://example.com/terms/api/v1/publish"),
        ("https://example.com:8443/", "https://example.com:8443/terms/api/v1/publish"),
        ("https://example.com/news", "https://example.com/news/terms/api/v1/publish"),
        ("example.com", "https://example.com/terms/api/v1/publish"),
        ("http://localhost:8000", "http://localhost:8000/terms/api/v1/publish"),
        ("http://[::1]:8000", "http://[::1]:8000/terms/api/v1/publish"),
    ],
)
def test_an_address_is_completed(site: str, expected: str) -> None:
    """https unless something else is said."""
    assert endpoint(site, "/terms") == expected


@pytest.mark.parametrize(
    "site",
    [
        "http://example.com", "http://localhost.example.com", "ftp://example.com", "file:///etc/passwd", "https://",
        "https://user:password@example.com", "https://example.com?x=1", "https://example.com#x", "https://example.com:x",
        "",
    ],
)  # fmt: skip
def test_an_address_to_which_no_token_may_go_is_refused(site: str) -> None:
    """Unencrypted, of another scheme, or not an address."""
    with pytest.raises(ConfigurationError):
        endpoint(site, "/terms")


@given(st.text(max_size=30))
def test_no_text_is_taken_for_another_address(site: str) -> None:
    """Whatever is typed: an https address, one of this machine, or an error of ours."""
    try:
        url = endpoint(site, "/terms")
    except ConfigurationError:
        return
    assert url.startswith("https://") or url.split("/")[2].rsplit(":", 1)[0].strip("[]") in {
        "localhost",
        "127.0.0.1",
        "::1",
    }


def test_a_draft_survives_the_way(project: Project) -> None:
    """What arrives as JSON is the draft that was read from the file, whatever it says or leaves out."""
    project.write(
        "2.0.en.md", SECOND, "impact: editorial\neffective: 2130-01-01T09:30:00.25+02:00\nsummary: 'A: \"b\"'"
    )
    project.write("2.0.fr.md", "---\n# Titre\n", "title: '#1 — é'")

    for draft in read_folder(project.policy.parent).drafts:
        fields = json.loads(json.dumps(draft_record(draft)))
        again = draft_from_fields(
            {key: value for key, value in fields.items() if key != "text"}, fields["text"], file="x"
        )
        for name in ("policy", "label", "language", "text", "impact", "announced", "effective", "enforced", "title",
                     "summary"):  # fmt: skip
            assert getattr(again, name) == getattr(draft, name), name


@given(
    st.builds(
        Policy,
        slug=st.just("terms"),
        title=st.sampled_from([(("en", "Terms"),), (("en", "Terms"), ("fr", "Conditions"))]),
        kind=st.sampled_from(Kind),
        audience=st.builds(
            Audience,
            st.frozensets(st.sampled_from(SubjectKind)),
            st.frozensets(st.sampled_from(["eu", "b"])),
            st.sampled_from([(), ("/a", "/b")]),
        ),
        notice_days=st.integers(0, 100),
        renew_after=st.none() | st.integers(1, 100),
        retain_days=st.none() | st.integers(1, 100),
        retired=st.none() | st.integers(0, 4_000_000_000_000_000),
        replaced_by=st.none() | st.just("other"),
    )
)
def test_settings_survive_the_way(policy: Policy) -> None:
    """What arrives as JSON is the policy that was read from `policy.toml`."""
    record = json.loads(json.dumps(settings_record(policy)))
    slug = record.pop("slug")

    assert policy_from_settings(record, slug=slug, file="x") == policy
