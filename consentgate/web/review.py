"""The review page as values: what it says about each policy, and the exact words beside each control.

Room: web (pure). Made from an offer's draft; `deciding` renders it and seals what was rendered. Nothing in here may
depend on the subject but through versions, states and languages: the page's bytes are kept by their digest, one blob
for all who saw the same (DESIGN §7), and nothing personal may stand in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from consentgate.service.holdings import State
from consentgate.service.offer import OfferDraft, OfferItem
from consentgate.terms.instants import Instant
from consentgate.terms.languages import direction
from consentgate.terms.policy import Act, Kind, Version
from consentgate.web.opening import opening
from consentgate.web.present import (
    Choice,
    Notice,
    TextLines,
    View,
    _,
    contents,
    language_choices,
    language_name,
    paragraphs,
    standing_facts,
    stats_line,
    text_lines,
    version_name,
    view_choices,
)
from consentgate.web.redlines import ChangeLine, change_lines, redline_html, text_html
from consentgate.web.render import Words, plain_day

OFFER_MARK = Markup("<!--consentgate:offer-->")
"""Where the sealed offer, the return address and the kept form go; the page's digest is over the page with this."""
CARRY_MARK = Markup("<!--consentgate:carry-->")
"""Where the return address and the kept form go in the form that changes view or language."""
NEXT_MARK = Markup("<!--consentgate:next-->")
"""Where links of the page carry the return address on."""

TEXT_TOP = 4
"""The page's title is h1, a policy's h2, its parts h3: a text's own begin at h4, or h3 where it stands alone."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The author's summary of one version."""

    heading: str
    language: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to a consent."""

    value: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ConsentChoice:
    """The separate, free choice of a consent: never a condition of anything (GDPR Art. 7(2), 7(4))."""

    legend: str
    free_line: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One policy on the page."""

    slug: str
    label: str
    base_label: str
    kind: Kind
    updated: bool
    text: TextLines
    facts: list[str]
    summaries: list[Summary]
    stats: str
    changes: list[ChangeLine]
    marked: TextLines
    redline: Markup | None
    full: Markup
    unchanged_line: str
    sentence: str
    choice: ConsentChoice | None
    contents: list[dict[str, str]] = field(default_factory=list)
    missing: bool = False
    first_missing: bool = False


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Everything the template shows."""

    kicker: str
    heading: str
    lede: str
    language: str
    view: View
    parts: list[Part]
    languages: list[Choice]
    views: list[Choice]
    notice: Notice | None
    kept_line: str
    carries: bool
    locked_line: str
    decision_heading: str
    accept_label: str
    decline_label: str
    refusal: str
    later_label: str
    missing_line: str
    after_line: str
    controls: dict[str, tuple[str, str, Act]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the page is wanted.

    Args:
        view: of the redline.
        language: asked for by the reader, or the interface language.
        base: address of our pages.
        kept: whether the page carries a kept form.
        only: slug of the one policy that is asked about, or empty.
        notice: what happened before.
        missing: slugs whose box was not ticked.
    """

    view: View
    language: str
    base: str
    kept: bool = False
    only: str = ""
    notice: Notice | None = None
    missing: frozenset[str] = frozenset()


def build_review(
    draft: OfferDraft, words: Words, wishes: Wishes, *, chains: Mapping[str, Sequence[Version]], now: Instant
) -> ReviewPage:
    """Build the page for an offer that has at least one item.

    Args:
        draft: what is asked.
        words: the interface language.
        wishes: how the page is wanted.
        chains: all versions by policy.
        now: instant.
    """
    items = draft.items
    accept = _accept_label(items, words)
    parts: list[Part] = []
    controls: dict[str, tuple[str, str, Act]] = {}
    first = True
    for item in items:
        missing = item.policy.slug in wishes.missing
        part = _part(item, words, wishes, accept, chains.get(item.policy.slug, ()), now, missing=missing, first=first)
        first = first and not missing
        parts.append(part)
        controls[part.slug] = _control(part, accept)
    gating = [item for item in items if item.policy.kind.gates]
    later = bool(gating) and not any(item.state.blocks for item in gating)
    kicker, heading, lede = opening(items, words)
    return ReviewPage(
        kicker=kicker,
        heading=heading,
        lede=lede,
        language=wishes.language,
        view=wishes.view,
        parts=parts,
        languages=_languages(items, words, wishes),
        views=_views(items, words, wishes),
        notice=wishes.notice,
        kept_line=words.say(_("The form you were sending is kept. After your decision one button sends it on."))
        if wishes.kept
        else "",
        carries=wishes.kept,
        locked_line=words.say(
            _("You are looking at this site through another person's eyes. Only that person can decide.")
        )
        if draft.subject.impersonated_by
        else "",
        decision_heading=words.say(_("Your decision")),
        accept_label=accept,
        decline_label=_decline_label(items, words),
        refusal="decline" if any(item.policy.kind is Kind.CONTRACT for item in items) else "leave",
        later_label=words.say(_("Not now")) if later else "",
        missing_line=words.say(_("Please tick this box if you agree; until then nothing is recorded.")),
        after_line=words.say(_("We record your decision with exactly this text, and you can download a receipt.")),
        controls=controls,
    )


def _accept_label(items: Sequence[OfferItem], words: Words) -> str:
    kinds = {item.policy.kind for item in items}
    if kinds == {Kind.CONSENT}:
        return words.say(_("Save my choice"))
    if Kind.CONTRACT in kinds and Kind.NOTICE in kinds:
        return words.say(_("Accept and acknowledge"))
    return words.say(_("Accept")) if Kind.CONTRACT in kinds else words.say(_("Acknowledge"))


def _decline_label(items: Sequence[OfferItem], words: Words) -> str:
    kinds = {item.policy.kind for item in items}
    if Kind.CONTRACT in kinds:
        return words.say(_("Decline"))
    return words.say(_("Leave without acknowledging")) if Kind.NOTICE in kinds else words.say(_("Leave it open"))


def _part(
    item: OfferItem, words: Words, wishes: Wishes, accept: str, chain: Sequence[Version], now: Instant,
    *, missing: bool, first: bool,
) -> Part:  # fmt: skip
    slug, redline, kind = item.policy.slug, item.redline, item.policy.kind
    title, label = item.translation.title, item.version.label
    marked = redline is not None and not redline.empty and wishes.view != "full"
    full = text_html(item.text, slug=slug, top=TEXT_TOP if marked else TEXT_TOP - 1, title=title)
    return Part(
        slug=slug,
        label=label,
        base_label=item.base.label if item.base and item.base.serial != item.version.serial else "",
        kind=kind,
        updated=item.updated,
        text=text_lines(item.version, item.translation, words, chain),
        facts=_facts(item, words, now),
        summaries=_summaries(item, words),
        stats=stats_line(redline, words) if redline is not None else "",
        changes=change_lines(redline, words, slug=slug, anchored=marked) if redline is not None else [],
        redline=redline_html(redline, wishes.view, words, slug=slug, top=TEXT_TOP, title=title)
        if marked and redline is not None
        else None,
        marked=_marked(item, words),
        full=full,
        contents=[] if marked else contents(full),
        unchanged_line=_unchanged_line(item, words),
        sentence=_sentence(kind, title, label, accept, words),
        choice=_consent_choice(item, accept, words) if kind is Kind.CONSENT else None,
        missing=missing,
        first_missing=missing and first,
    )


def _marked(item: OfferItem, words: Words) -> TextLines:
    """In which language the changes are: the reader's, or another where the version they accepted lacked theirs."""
    language = item.base_translation.language if item.base_translation else item.translation.language
    line = ""
    if language != item.translation.language:
        line = words.say(
            _("The changes are shown in %(language)s, which both versions have."),
            language=language_name(language, words.language),
        )
    return TextLines(item.translation.title, language, direction(language), line)


def _facts(item: OfferItem, words: Words, now: Instant) -> list[str]:
    in_force = item.state is not State.ANNOUNCED and item.version.effective <= now
    facts = [version_name(item.version, words), *standing_facts(item.version, words, now, in_force=in_force)]
    if item.base and item.base.serial != item.version.serial:
        facts.append(
            words.say(_("compared with version %(version)s, the last one you accepted"), version=item.base.label)
        )
    if item.redline is not None and item.redline.degraded:
        facts.append(words.say(_("very large changes are shown by whole passages")))
    return facts


def _summaries(item: OfferItem, words: Words) -> list[Summary]:
    """The authors' summaries of every version since the reader's own: nobody misses what they skipped."""
    if not item.updated:
        return []
    found = []
    for version in item.skipped:
        translation = version.translation(item.translation.language)
        if translation.summary.strip():
            heading = words.say(
                _("Version %(version)s, %(date)s"),
                version=version.label,
                date=plain_day(version.effective, words.language),
            )
            found.append(Summary(heading, translation.language, paragraphs(translation.summary)))
    return found


def _unchanged_line(item: OfferItem, words: Words) -> str:
    if item.base is not None and (item.redline is None or item.redline.empty):
        return words.say(_("The text reads the same as the one you accepted."))
    return ""


def _sentence(kind: Kind, title: str, label: str, button: str, words: Words) -> str:
    """The assent sentence: it quotes the button and names text and version (Berman; Chabolla; WCAG G155)."""
    if kind is Kind.CONTRACT:
        message = _("By ticking this box and pressing “%(button)s”, I agree to the %(title)s, version %(version)s.")
    elif kind is Kind.NOTICE:
        message = _(
            "By ticking this box and pressing “%(button)s”, I confirm that I have been shown the %(title)s, "
            "version %(version)s."
        )
    else:
        return ""
    return words.say(message, button=button, title=title, version=label)


def _consent_choice(item: OfferItem, button: str, words: Words) -> ConsentChoice:
    named = {"title": item.translation.title, "version": item.version.label}
    granted = item.base is not None
    options = []
    if not granted or (item.base and item.base.serial != item.version.serial):
        options.append(
            Option(Act.GRANT.value, words.say(_("Yes, I consent to: %(title)s, version %(version)s."), **named))
        )
    if granted:
        options.append(
            Option(
                Act.WITHDRAW.value, words.say(_("I withdraw my consent to: %(title)s, version %(version)s."), **named)
            )
        )
    else:
        refuse = words.say(_("No, I do not consent to: %(title)s, version %(version)s."), **named)
        options.append(Option(Act.REFUSE.value, refuse))
    return ConsentChoice(
        legend=words.say(_("A free choice: %(title)s"), title=item.translation.title),
        free_line=words.say(
            _(
                "Nothing else depends on it. You may leave it open, and change it at any time under “%(place)s”. "
                "It is saved when you press “%(button)s”."
            ),
            place=words.say(_("My agreements")),
            button=button,
        ),
        options=tuple(options),
    )


def _control(part: Part, button: str) -> tuple[str, str, Act]:
    """Sentence, button and act of a policy's control, as its digest goes into the record."""
    if part.choice is None:
        return part.sentence, button, Act.ACCEPT if part.kind is Kind.CONTRACT else Act.ACKNOWLEDGE
    return "\n".join([part.choice.legend, *(option.sentence for option in part.choice.options)]), button, Act.GRANT


def _languages(items: Sequence[OfferItem], words: Words, wishes: Wishes) -> list[Choice]:
    tags = {tag for item in items for tag in item.version.languages} | {words.language}
    chosen = next((tag for tag in tags if tag.lower() == wishes.language.lower()), words.language)
    url = _link(wishes, view=wishes.view, language="{}")
    return language_choices(tags, chosen, url, field="to_language" if wishes.kept else "")


def _views(items: Sequence[OfferItem], words: Words, wishes: Wishes) -> list[Choice]:
    if not any(item.redline is not None and not item.redline.empty for item in items):
        return []
    url = _link(wishes, view="{}", language=wishes.language)
    return view_choices(words, wishes.view, url, field="to_view" if wishes.kept else "")


def _link(wishes: Wishes, **query: str) -> Any:
    only = f"&policy={wishes.only}" if wishes.only else ""
    pairs = "&".join(f"{key}={value}" for key, value in sorted(query.items()))
    return f"{wishes.base}/review?{pairs}{only}"
