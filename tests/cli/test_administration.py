"""Administration from a terminal: the same commands, in a database and on a site, print the same."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentgate.app import ConsentGate
from consentgate.cli.desk import draft_place
from consentgate.errors import InputError
from consentgate.testing import SECRET
from tests.browser.conftest import serving
from tests.cli.conftest import SECOND, Command, Done, Project

DRAFT = f"---\nimpact: material\neffective: 2130-01-01\nsummary: Letters count, too.\n---\n{SECOND}"

Say = Callable[..., Done]


@dataclass
class Place:
    """Where commands are sent: a database, or a site over it."""

    say: Say
    site: str | None
    project: Project
    tokens: dict[str, str]

    def write(self, name: str, text: str = DRAFT) -> Path:
        """A file beside the project."""
        path = self.project.policy.parent.parent / "texts" / "terms" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the gate of the tests; nobody gets as far."""


@pytest.fixture(name="here")
def _here(published: Project, command: Command) -> Place:
    return Place(command, None, published, {})


@pytest.fixture(name="there")
def _there(published: Project, command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The same database behind a site with two who must publish; the token is Paula's."""
    url = f"sqlite:///{published.database.resolve()}"
    app = ConsentGate(_bare, database=url, secret=SECRET, origin="example.com/terms", approvals=1)
    tokens = {}
    for role, label in (("publisher", "Paula"), ("publisher", "Quentin"), ("owner", "Olga"), ("auditor", "Audrey")):
        done = command("token", "new", "--role", role, "--label", label)
        tokens[label] = done.out.strip()
    with serving(app) as address:
        monkeypatch.setenv("CONSENTGATE_TOKEN", tokens["Paula"])

        def say(*words: object) -> Done:
            return command(*words, "--site", address)

        yield Place(say, address, published, tokens)


def test_a_draft_is_kept_read_replaced_and_forgotten(here: Place) -> None:
    """Its bytes come back; nobody's words are lost without their etag."""
    file = here.write("2.0.en.md")
    put = here.say("draft", "put", file, "--json")
    shown = here.say("draft", "show", "terms/2.0/en")
    file.write_text(DRAFT + "\nMore.\n")
    blind = here.say("draft", "put", file)
    known = here.say("draft", "put", file, "--if-match", put.json["etag"])
    listed = here.say("draft", "list")
    gone = here.say("draft", "delete", "terms/2.0/en")

    assert shown.out == DRAFT
    assert here.say("draft", "put", here.write("letters.md")).code == 2
    assert here.say("draft", "put", here.write("letters.md"), "--as", "terms/2.1/en").code == 0
    here.say("draft", "delete", "terms/2.1/en")
    assert blind.code == 1
    assert "--if-match" in blind.err
    assert known.code == 0, known.err
    assert "terms/2.0/en" in listed.out
    assert "good" in listed.out
    assert gone.out == "terms/2.0/en is forgotten.\n"
    assert here.say("draft", "list").out == "There are no drafts.\n"


def test_a_malformed_draft_is_kept_and_said_to_be(here: Place) -> None:
    """Nothing typed is lost; the exit code says that it could not be published."""
    done = here.say("draft", "put", here.write("2.0.en.md", "---\nimpact: huge\n---\n# Terms\n"))

    assert done.code == 1
    assert "is kept" in done.out
    assert "line 2" in done.err
    assert "malformed" in here.say("draft", "list").out


def test_preview_says_what_publishing_would_do_and_publish_expects_that(here: Place) -> None:
    """The redline, whom it stops, and a state that is refused once something else was published."""
    here.say("draft", "put", here.write("2.0.en.md"))
    here.project.accept("ada")
    shown, state = here.say("preview", "terms/2.0"), here.say("preview", "--json").json["state"]
    stale = here.say("publish", "--draft", "terms/2.0", "--expect", "nothing of the kind")
    done = here.say("publish", "--draft", "terms/2.0", "--expect", state)
    again = here.say("publish", "--draft", "terms/2.0")

    assert "also in letters" in shown.out
    assert "terms 2.0: 1 subject who may pass now, from 2130-01-01 00:00 UTC" in shown.out
    assert f"consentgate publish --draft terms/2.0 --expect {state}" in shown.err
    assert stale.code == 1
    assert "preview again" in stale.err
    assert done.code == 0, done.err
    assert done.out.startswith("Published:\n  terms 2.0   material   en\n")
    assert again.out == "Nothing to publish: 1 version unchanged.\n"


def test_a_scheduled_version_is_cancelled_and_a_policy_retired(here: Place) -> None:
    """What has not taken effect never does; what has is refused with the way out."""
    here.say("draft", "put", here.write("2.0.en.md"))
    here.say("publish", "--draft", "terms/2.0/en")

    assert here.say("cancel", "terms", "2.0", "--reason", "A typo.").out.startswith("terms 2.0 is cancelled")
    refused = here.say("cancel", "terms", "1.0", "--reason", "A typo.")
    assert refused.code == 1
    assert "hint:" in refused.err
    assert here.say("retire", "terms", "--at", "2131-01-01").code == 0
    assert here.say("retire", "nothing").code == 1


def test_who_decided_and_who_has_not(here: Place, tmp_path: Path) -> None:
    """Pages, all of them, one subject with their evidence, numbers with the curve."""
    here.project.accept("ada", "bob", "cem")
    page = here.say("decisions", "--limit", "2", "--json").json
    rest = here.say("decisions", "--limit", "2", "--cursor", page["next"], "--json").json
    every = here.say("decisions", "--all", "--json").json
    subject = here.say("subject", "user:ada", "--bundle", tmp_path / "ada.zip")
    numbers = here.say("statistics")

    assert [one["id"] for one in (*page["items"], *rest["items"])] == [one["id"] for one in every["items"]]
    assert rest["next"] is None
    assert here.say("decisions", "--limit", "2").err.startswith("There is more: --cursor ")
    assert "user:bob" in here.say("decisions", "--subject", "user:bob").out
    assert here.say("decisions", "--policy", "nothing").code == 1
    assert here.say("outstanding", "terms").out == "Nobody is missing.\n"
    assert "accept terms 1.0 (en)" in subject.out
    assert zipfile.is_zipfile(tmp_path / "ada.zip")
    assert numbers.out.splitlines()[1].split() == ["terms", "1.0", "3", "0", "0"]
    assert "█" in numbers.out
    assert here.say("subject", "user:nobody").code == 1


def test_where_a_site_stands_is_said_as_of_a_database(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, policies, a subject, and what changed between two published texts."""
    there.project.accept("ada")
    there.say("draft", "put", there.write("2.0.en.md"))
    proposed = there.say("publish", "--draft", "terms/2.0", "--json")
    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Quentin"])
    approved = there.say("proposals", "approve", proposed.json["proposal"]["id"])
    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Audrey"])
    listed, stands, changed = there.say("versions"), there.say("status"), there.say("diff", "terms@1.0", "terms@2.0")
    ada = there.say("status", "--subject", "ada")

    assert approved.code == 0, approved.err
    assert [line.split()[0] for line in listed.out.splitlines()[2:4]] == ["1.0", "2.0"]
    assert [one["version"] for one in there.say("versions", "terms", "--json").json] == ["1.0", "2.0"]
    assert "example.com/terms" in stands.out
    assert "terms" in stands.out.splitlines()[-2]
    assert there.say("status", "--json").json["policies"][0]["slug"] == "terms"
    assert changed.err.startswith("terms 1.0 (en) → terms 2.0 (en)")
    assert "change" in changed.out
    assert ada.out.startswith("terms  ")
    assert "accepted version 1.0" in ada.out
    assert there.say("diff", "terms@9", "terms").code == 1
    assert there.say("status", "--tag", "x").code == 2


def test_the_ledger_proves_that_it_only_grew(here: Place, tmp_path: Path) -> None:
    """A checkpoint is kept; later its root is the old root of a proof that was checked."""
    kept = here.say("checkpoint").out
    here.project.accept("ada")
    proof = here.say("consistency", kept.split("\n")[1])

    assert kept.split("\n")[2] in proof.out
    assert here.say("consistency", "900").code == 1
    assert here.say("checkpoint", "--output", tmp_path / "note").code == 0
    assert (tmp_path / "note").read_text().startswith("example.com/terms\n")


def test_a_site_is_administered_over_its_api(
    there: Place, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A draft, a preview, a proposal, a second person; and what was published is in the database."""
    there.project.accept("ada")
    assert there.say("draft", "put", there.write("2.0.en.md")).code == 0
    state = there.say("preview", "terms/2.0", "--json").json["state"]
    proposed = there.say("publish", "--draft", "terms/2.0", "--expect", state)
    waiting = there.say("proposals", "list", "--json").json
    own = there.say("proposals", "approve", waiting[0]["id"])
    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Quentin"])
    shown = there.say("proposals", "show", waiting[0]["id"])
    approved = there.say("proposals", "approve", waiting[0]["id"])

    assert "waits for a second person" in proposed.out
    assert own.code == 1
    assert "nobody approves their own" in own.err
    assert "1 subject who may pass now" in shown.out
    assert approved.out.startswith("Published:\n  terms 2.0")
    assert [one["version"] for one in command("versions", "--json").json] == ["1.0", "2.0"]

    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Audrey"])
    for words in (("decisions",), ("outstanding", "terms"), ("statistics",), ("subject", "user:ada"), ("checkpoint",)):
        assert there.say(*words, "--json").json == command(*words, "--json").json, words
    assert there.say("subject", "user:ada", "--bundle", tmp_path / "ada.zip").code == 0
    assert there.say("export", "-o", tmp_path / "record.ndjson").code == 0
    assert command("verify", tmp_path / "record.ndjson").code == 0
    assert there.say("export", "--policy", "nothing", "-o", tmp_path / "no.ndjson").code == 1
    assert not (tmp_path / "no.ndjson").exists()
    refused = there.say("hold", "user:ada", "--basis", "case 12")
    assert refused.code == 1
    assert "this needs the role owner" in refused.err

    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Olga"])
    assert there.say("hold", "user:ada", "--basis", "case 12").out == "1 subject: held, on record.\n"
    held = there.say("erase", "user:ada", "--basis", "asked", "--yes", "--json")
    assert held.code == 1
    assert json.loads(held.out)["status"] == 409
    assert there.say("hold", "user:ada", "--release", "--basis", "closed").code == 0
    assert "personal fields erased" in there.say("erase", "user:ada", "--basis", "asked", "--yes").out
    words = ("--role", "publisher", "--label", "Paula's second", "--holder")
    for say, holder in ((there.say, "paula"), (command, "quentin")):
        assert say("token", "new", *words, holder).code == 0
    assert [one["holder"] for one in there.say("token", "list", "--json").json[-2:]] == ["paula", "quentin"]
    made = there.say("token", "new", "--role", "auditor", "--label", "Ann", "--json").json
    assert made["token"].startswith("cgt_")
    assert there.say("token", "revoke", made["id"]).code == 0
    assert {one["id"]: one["state"] for one in there.say("token", "list", "--json").json}[made["id"]] == "revoked"


@pytest.mark.parametrize(
    "words",
    [
        ("draft", "delete", "terms/2.0/en", "--by", "me"),
        ("cancel", "terms", "2.0", "--reason", "x", "--by", "me"),
        ("proposals", "approve", "x", "--by", "me"),
        ("erase", "--reapply"),
        ("erase", "--field", "ip", "--older-than", "3", "--basis", "x"),
        ("hold",),
        ("export", "--resume", "-o", "x.ndjson"),
        ("draft", "list"),
    ],
)
def test_what_makes_no_sense_on_a_site_is_refused_before_anything_is_sent(
    published: Project, command: Command, words: tuple[str, ...]
) -> None:
    """Options of a database, and no token: exit code 2, nothing done here instead."""
    done = command(*words, "--site", "http://127.0.0.1:9")

    assert done.code == 2, done.err
    assert "hint:" in done.err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("terms/2.0", ("terms", "2.0", None)),
        ("terms/2.0/pt-BR", ("terms", "2.0", "pt-BR")),
        ("/srv/policies/terms/2027-01-15.en.md", ("terms", "2027-01-15", "en")),
        ("policies/terms/3.1.fr.md", ("terms", "3.1", "fr")),
    ],
)
def test_a_draft_is_named_like_its_file_or_by_its_place(text: str, place: tuple[str, str, str | None]) -> None:
    """What a shell completes is as good as what a list shows."""
    assert draft_place(text) == place


@pytest.mark.parametrize("text", ["", "terms", "a/b/c/d", "//", "2.0.en.md"])
def test_what_names_no_draft_is_refused(text: str) -> None:
    """With how to write it."""
    with pytest.raises(InputError, match="names no draft"):
        draft_place(text)


def test_a_preview_says_that_it_does_not_count_whom_changed_settings_stop(here: Place) -> None:
    """A number that is not there is not nought."""
    folder = here.project.policy.parent
    before = here.say("preview", "--folder", folder)
    settings = here.project.policy / "policy.toml"
    settings.write_text("renew_after = 30\n" + settings.read_text())
    shown = here.say("preview", "--folder", folder)

    assert "Not counted" not in before.out
    assert "Not counted: whom the changed settings of terms stop." in shown.out


def test_evidence_of_one_decision_is_taken_home_from_a_site(
    there: Place, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A receipt and a bundle, as from the database itself; both verify. A publisher gets neither."""
    there.project.accept("ada")
    refused = there.say("bundle", "--subject", "user:ada", "-o", tmp_path / "no.zip")
    monkeypatch.setenv("CONSENTGATE_TOKEN", there.tokens["Audrey"])
    decision = there.say("decisions", "--json").json["items"][0]["id"]
    receipt, bundle = tmp_path / "one.receipt", tmp_path / "one.zip"
    done = there.say("receipt", decision, "-o", receipt)
    packed = there.say("bundle", decision, "-o", bundle, "--json")

    assert (refused.code, (tmp_path / "no.zip").exists()) == (1, False)
    assert done.code == 0, done.err
    assert receipt.read_text() == command("receipt", decision).out
    assert packed.json["decisions"] == 1
    assert "INTACT" in command("verify", bundle).out
    assert there.say("receipt", "0197a1e0-7a3b-7c11-9d2e-3f4a5b6c7d8e", "-o", receipt).code == 1
