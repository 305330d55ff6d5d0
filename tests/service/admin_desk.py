"""What the tests of administration share: who does things, drafts as bytes, and many decisions in few lines."""

from __future__ import annotations

import time
from typing import Any

from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftInfo, DraftRef
from consentgate.service.preview import Preview
from consentgate.service.proposals import Done
from consentgate.store import queue
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import TEXT, Desk

AUDITOR = Administrator("audrey", frozenset({"auditor"}))
EDITOR = Administrator("edith", frozenset({"editor"}))
PUBLISHER = Administrator("paul", frozenset({"publisher"}))
SECOND = Administrator("petra", frozenset({"publisher"}))
OWNER = Administrator("olga", frozenset({"owner"}))


def placed(desk: Desk) -> None:
    """Wait until everything on record has its place in the ledger: on PostgreSQL that is a moment later."""
    deadline = time.monotonic() + 30
    while run(desk.terms._read(queue.waiting)).entries and time.monotonic() < deadline:
        time.sleep(0.01)


def body(label: str, text: str = TEXT, *, policy: str = "terms", language: str = "en", **front: str) -> bytes:
    """The bytes of a draft, material unless said otherwise."""
    fields = {"policy": policy, "version": f"'{label}'", "language": language, "impact": "material", **front}
    return ("---\n" + "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + "---\n" + text).encode()


def write(desk: Desk, label: str, text: str = TEXT, *, by: Administrator = EDITOR, **options: Any) -> DraftInfo:
    """Put a draft in place, whatever is there."""
    policy, language = options.get("policy", "terms"), options.get("language", "en")
    admin = desk.terms.admin
    present = [one.ref for one in run(admin.drafts(EDITOR))]
    match = "*" if DraftRef(policy, label, language) in present else None
    return run(admin.put_draft(by, policy, label, language, body(label, text, **options), if_match=match))


def preview(desk: Desk, *refs: DraftRef, **options: Any) -> Preview:
    """Preview drafts."""
    return run(desk.terms.admin.preview(EDITOR, refs, **options))


def publish(desk: Desk, *refs: DraftRef, by: Administrator = PUBLISHER, **options: Any) -> Done:
    """Publish drafts."""
    return run(desk.terms.admin.publish(by, refs, **options))


def record(desk: Desk, subject: Subject, label: str | None = None, act: Act = Act.ACCEPT, policy: str = "terms") -> Any:
    """A decision that was made elsewhere."""
    return run(desk.terms.record(subject, policy, label, act))
