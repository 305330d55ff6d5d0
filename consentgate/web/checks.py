"""Every page on which people accept is checked before it is kept, and what the check found goes on record.

Room: web. The rules are those of `consentgate.web.lint`. A page is checked once for each of its digests, that is, once
for each template, versions, base and language. What is found is kept beside the words of the control, whose digest is
in the record: whoever overrides our templates and loses a rule is told in the log, and so is whoever reads the record.

`rehearse` does the same with a made-up text, so that a template of the host's can be checked before anybody sees it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from types import MappingProxyType
from uuid import UUID

from jinja2 import TemplateError

from consentgate.errors import ConfigurationError
from consentgate.service.holdings import State
from consentgate.service.offer import OfferDraft, OfferItem, PageCheck
from consentgate.service.settings import Settings
from consentgate.terms.canonical import digest, text_digest
from consentgate.terms.instants import DAY, Instant
from consentgate.terms.policy import Impact, Kind, Policy, Translation, Version
from consentgate.terms.redline import compare
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.web.lint import RULES, lint
from consentgate.web.render import Renderer
from consentgate.web.review import CARRY_MARK, NEXT_MARK, OFFER_MARK, ReviewPage, Wishes, build_review

log = logging.getLogger("consentgate")

TEMPLATE = "review.html"
MARKS = MappingProxyType({"offer_mark": OFFER_MARK, "carry_mark": CARRY_MARK, "next_mark": NEXT_MARK})

_MOST = 10_000


class Checks:
    """What the pages shown by this process were found to be."""

    def __init__(self) -> None:
        self._found: dict[str, PageCheck] = {}
        self._told: set[tuple[str, str]] = set()
        # A thousand people may open a new page in one second: one of them has it checked, the others wait for that.
        self._lock = threading.Lock()

    async def check(self, html: str) -> PageCheck:
        """Check a page, or remember what was found when the same bytes were shown before.

        Raises:
            ConfigurationError: the mark for the sealed offer does not stand in it exactly once.
        """
        check_mark(html)
        key = digest(html.encode())
        known = self._found.get(key)
        return known if known is not None else await asyncio.to_thread(self._look, key, html)

    def _look(self, key: str, html: str) -> PageCheck:
        with self._lock:
            if key not in self._found:  # else: another thread looked while we waited
                if len(self._found) >= _MOST:
                    self._found.clear()
                self.tell(found := check_page(html))
                self._found[key] = found
            return self._found[key]

    def tell(self, check: PageCheck) -> None:
        """Say in the log what is not kept, each thing once."""
        for rule, message, _line in check.findings:
            if (rule, message) not in self._told and len(self._told) < _MOST:
                self._told.add((rule, message))
                log.warning("the review page does not keep the rule %s: %s; this goes on record", rule, message)


def check_page(html: str) -> PageCheck:
    """Hold a page against the rules."""
    return PageCheck(RULES, tuple((one.rule, one.message, one.line) for one in lint(html)))


def check_mark(html: str) -> None:
    """See that there is one place for the sealed offer.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    if html.count(OFFER_MARK) != 1:
        raise ConfigurationError(
            "the template review.html must have {{ offer_mark }} exactly once, inside its form",
            hint="compare your override with the original",
        )


# --- a rehearsal ---------------------------------------------------------------------------------------------------

_OLD = """# Sample terms

Books are lent for two weeks, at the [desk](/desk).

1. Be quiet where other readers sit at their tables.
2. Bring every book back to the desk by the door.
3. Ask the people at the desk where you find nothing.
"""
_NEW = """# Sample terms

Books are lent for three weeks, at the [desk](/counter).

1. Bring every book back to the desk by the door.
2. Ask the people at the desk where you find nothing.
3. Be quiet where other readers sit at their tables.
"""


def rehearse(renderer: Renderer, settings: Settings) -> PageCheck:
    """Render the review page with made-up texts, in every view and every language, and check it.

    Args:
        renderer: with the host's overrides.
        settings: as configured.

    Raises:
        ConfigurationError: it cannot be rendered, or has no place for the sealed offer.
    """
    found: dict[tuple[str, str], int] = {}  # the same thing is found on every page; it is said once
    for language in renderer.catalogues.languages:
        for offer, wishes in _scenes(settings.prefix, language):
            page = build_review(offer, renderer.words(language), wishes, chains={}, now=offer.shown_at)
            html = _render(renderer, settings, language, page)
            check_mark(html)
            for rule, message, line in check_page(html).findings:
                found.setdefault((rule, message), line)
    return PageCheck(RULES, tuple((rule, message, line) for (rule, message), line in found.items()))


def _render(renderer: Renderer, settings: Settings, language: str, page: ReviewPage) -> str:
    try:
        return renderer.render(
            TEMPLATE, language, page=page, base=settings.prefix, root="", home="/", site=settings.site_name,
            open_paths=settings.open_paths, **MARKS,
        )  # fmt: skip
    except TemplateError as error:
        raise ConfigurationError(
            f"the review page cannot be rendered with the templates in {settings.templates}: {error}",
            hint="compare your override with the original",
        ) from error


def _scenes(base: str, language: str) -> list[tuple[OfferDraft, Wishes]]:
    """Somebody new and somebody who returns, with everything that can be asked, as it may be wanted."""
    now: Instant = 20_000 * DAY
    new, returning = _offer(now, updated=False), _offer(now, updated=True)
    return [
        (new, Wishes("inline", language, base)),
        (returning, Wishes("inline", language, base, missing=frozenset({"contract", "notice"}))),
        (returning, Wishes("side-by-side", language, base, kept=True)),
        (returning, Wishes("changes", language, base)),
    ]


def _offer(now: Instant, *, updated: bool) -> OfferDraft:
    items = []
    for number, kind in enumerate(Kind):
        old, new = _version(kind, 2 * number + 1, _OLD, now - 9 * DAY), _version(kind, 2 * number + 2, _NEW, now - DAY)
        base = old if updated else None
        items.append(
            OfferItem(
                id=UUID(int=number), policy=Policy(kind.value, (("en", "Sample terms"),), kind=kind), version=new,
                translation=new.translations[0], state=State.REQUIRED, text=_NEW, base=base,
                base_translation=base.translations[0] if base else None,
                redline=compare(_OLD, _NEW) if base else None, skipped=(new,),
            )
        )  # fmt: skip
    return OfferDraft(UUID(int=9), Subject("0" * 32, SubjectKind.VISITOR), tuple(items), ("en",), now)


def _version(kind: Kind, serial: int, text: str, day: Instant) -> Version:
    key = text_digest(text)
    translation = Translation("en", "Sample terms", key, key, len(text), "Books are lent for longer.")
    return Version(
        kind.value, str(serial), serial, Impact.MATERIAL, day, day, day, "en", (translation,), day,
    )  # fmt: skip
