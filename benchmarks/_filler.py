"""Fills a ledger with decisions, fast and genuine: every entry is made, committed to and signed as in earnest.

What is left out is the page: offers are made once, and many decisions go into one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import islice

from sqlalchemy import Connection

from consentgate.service import decide as deciding
from consentgate.service.facts import Facts
from consentgate.service.holdings import NOTHING
from consentgate.service.ledger import Pending
from consentgate.service.terms import Terms
from consentgate.store.blobs import BlobRow
from consentgate.terms.canonical import digest
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.identifiers import uuid7
from consentgate.terms.policy import Act, Policy
from consentgate.terms.subject import Subject

BATCH = 5_000
SLUG = "terms"
PAGE = b"<html>the page that was shown</html>"
CONTROL = b'{"button":"Accept"}'


async def publish(terms: Terms) -> None:
    """Publish the one version everybody decides about."""
    draft = draft_from_fields({"policy": SLUG, "version": "1", "impact": "material"}, "Be kind.\n", file="1")
    await terms.publish([draft], policies=[Policy(SLUG, (("en", "Terms"),))])
    await terms._keep([BlobRow(digest(PAGE), "text/html", PAGE), BlobRow(digest(CONTROL), "application/json", CONTROL)])


async def fill(
    terms: Terms,
    subjects: Iterable[Subject],
    *,
    facts: Facts | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Record an acceptance of each of these subjects; how many.

    Args:
        terms: started, with something published.
        subjects: who accepts.
        facts: circumstances, the same for all.
        progress: called with the number so far.
    """
    waiting, done = iter(subjects), 0
    while some := list(islice(waiting, BATCH)):
        await terms._write(partial(_enter, terms, some, facts or Facts(method="checkbox-button")))
        done += len(some)
        if progress is not None:
            progress(done)
    return done


def _enter(terms: Terms, subjects: list[Subject], facts: Facts, _connection: Connection, pending: Pending) -> None:
    calendar, random = terms.calendar, terms._randomness
    version = terms.version(SLUG)
    model = deciding.offer_elsewhere(version, NOTHING, subjects[0], pending.at, random)
    item = replace(model.items[0], control=digest(CONTROL))
    for subject in subjects:
        mine = replace(item, id=uuid7(pending.at, random(10)))
        offer = replace(model, id=uuid7(pending.at, random(10)), subject=subject, page=digest(PAGE), items=(mine,))
        submission = deciding.prepare(
            offer, {SLUG: Act.ACCEPT}, calendar, subject, facts, terms.settings, random,
            tag=terms.engine.tag(subject), gate=terms.engine.gate_digest,
        )  # fmt: skip
        deciding.enter_elsewhere(pending, submission)
