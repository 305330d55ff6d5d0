"""The gate's own answers, taken by themselves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from consentgate.gate.answers import DENIED_CODE, describe, last_accepted, problem, unavailable
from consentgate.gate.hooks import Message
from consentgate.gate.verdict import decide
from consentgate.terms.instants import DAY
from consentgate.terms.subject import SubjectKind
from tests.gate.house import NOW, ONE_POLICY, make_scope


def sent(answer: Any, *arguments: Any, **more: Any) -> list[Message]:
    """The messages of an answer."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    scope, *rest = arguments
    asyncio.run(answer(scope, send, *rest, **more))
    return messages


def test_a_person_is_told_in_words_to_try_again() -> None:
    """503 as a page that needs no template, no script and no database."""
    start, body = sent(unavailable, make_scope("/"), {b"sec-fetch-mode": b"navigate"})

    assert start["status"] == 503
    assert dict(start["headers"])[b"content-type"] == b"text/html; charset=utf-8"
    assert dict(start["headers"])[b"retry-after"] == b"5"
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    assert b"try again" in body["body"]
    assert b"<script" not in body["body"]


def test_a_program_is_told_in_a_document_to_try_again() -> None:
    """503 as a problem document."""
    start, body = sent(unavailable, make_scope("/"), {})

    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert json.loads(body["body"])["status"] == 503


def test_a_websocket_is_denied_when_nothing_can_be_told() -> None:
    """With the document where the server can send it, else closed."""
    able = make_scope("/", kind="websocket", extensions={"websocket.http.response": {}})

    assert sent(unavailable, able, {b"sec-fetch-mode": b"navigate"})[0]["status"] == 503
    assert sent(unavailable, make_scope("/", kind="websocket"), {})[0]["code"] == DENIED_CODE


def test_head_gets_no_body_of_any_answer() -> None:
    """Only the length of what would have come."""
    start, body = sent(unavailable, make_scope("/", method="HEAD"), {b"sec-fetch-mode": b"navigate"})

    assert body["body"] == b""
    assert int(dict(start["headers"])[b"content-length"]) > 100


def test_a_document_may_hold_characters_that_cannot_be_written() -> None:
    """A lone surrogate in a title is replaced; the answer still goes out."""
    _, body = sent(problem, make_scope("/"), {"detail": "caf\u00e9 \ud800"})

    assert json.loads(body["body"])["detail"] == "caf\u00e9 ?"


def test_a_document_names_only_what_stops() -> None:
    """What is current or announced is no problem."""
    verdict = decide(ONE_POLICY.at(NOW), frozenset({1, 2}), kind=SubjectKind.VISITOR)

    assert describe(verdict, ONE_POLICY, "/terms")["policies"] == []


@pytest.mark.parametrize(
    ("accepted", "label"), [((), None), ((1,), "1.0"), ((1, 2), "2.0"), ((2,), "2.0"), ((9,), None)]
)
def test_the_version_last_accepted_is_the_latest_by_effect(accepted: tuple[int, ...], label: str | None) -> None:
    """Of all that were accepted the one that took effect last."""
    found = last_accepted(ONE_POLICY, "terms-of-use", frozenset(accepted))

    assert (found and found.label) == label


def test_a_policy_not_yet_in_force_has_no_text_to_name() -> None:
    """Before the first version takes effect nothing is demanded at all."""
    verdict = decide(ONE_POLICY.at(NOW - 90 * DAY), frozenset(), kind=SubjectKind.VISITOR)

    assert describe(verdict, ONE_POLICY, "/terms")["policies"] == []
