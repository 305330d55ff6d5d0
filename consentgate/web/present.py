"""What every page shows in the same way: choices, notices, dates, counts, and which text a translation answers to.

Room: web (pure). Values for templates and the sentences in them; no request, no service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal
from urllib.parse import urlencode

from babel import Locale
from markupsafe import Markup

from consentgate.terms.instants import Instant
from consentgate.terms.languages import direction
from consentgate.terms.policy import Impact, Translation, Version
from consentgate.terms.redline import Redline
from consentgate.web.render import Words, autonym, localised_day

VIEWS = ("inline", "side-by-side", "changes", "full")
View = Literal["inline", "side-by-side", "changes", "full"]

_HEADING = re.compile(r'<h([1-6]) id="([^"]+)">(.*?)</h\1>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def _(message: str) -> str:
    """Mark a message for extraction where it is translated later."""
    return message


def n_(one: str, many: str) -> tuple[str, str]:
    """Mark a counted message, in English singular and plural, for extraction where it is translated later."""
    return one, many


@dataclass(frozen=True, slots=True)
class Choice:
    """One link or button of a row of which one is chosen.

    Args:
        label: as shown.
        url: where the link leads.
        chosen: whether it is what is shown now.
        lang: language of the label, if it is another.
        field, value: of a button instead of a link, where the page carries a kept form that a link would lose.
    """

    label: str
    url: str
    chosen: bool
    lang: str = ""
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, in a title and a sentence.

    Args:
        title, body: as shown.
        tone: ``error`` is announced at once by a screen reader (WCAG 4.1.3), ``info`` when it is convenient.
        url, link: where to go from there, and its words.
    """

    title: str
    body: str = ""
    tone: Literal["error", "info"] = "info"
    url: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class TextLines:
    """How a text is introduced.

    Args:
        title: in the text's own language.
        language, dir: of the text.
        prevails_line: which language prevails, where the text is a translation.
        older_than: label of a newer version the reader's own language lacks, or empty.
        older_line: the sentence about it.
    """

    title: str
    language: str
    dir: str
    prevails_line: str = ""
    older_than: str = ""
    older_line: str = ""


def text_lines(version: Version, translation: Translation, words: Words, chain: Sequence[Version] = ()) -> TextLines:
    """Introduce a version's translation.

    Args:
        version, translation: what is shown.
        words: the interface language.
        chain: all versions of the policy: where this version has no text in the reader's language but an earlier one
            has, the page says so.
    """
    prevails = older = ""
    if translation.language != version.prevailing:
        prevails = words.say(
            _("This is a translation. If the texts differ, the one in %(language)s prevails."),
            language=language_name(version.prevailing, words.language),
        )
    known = _latest_in(words.language, version, chain)
    if known is not None:
        older = words.say(
            _(
                "There is no translation of this version into %(language)s yet; "
                "the latest one is of version %(version)s."
            ),
            language=language_name(words.language, words.language),
            version=known.label,
        )
    return TextLines(
        translation.title, translation.language, direction(translation.language), prevails,
        known.label if known else "", older,
    )  # fmt: skip


def _latest_in(language: str, version: Version, chain: Sequence[Version]) -> Version | None:
    """The newest earlier version that has the reader's language, where this version lacks it."""
    if any(_same_language(tag, language) for tag in version.languages):
        return None
    earlier = [item for item in chain if item.effective <= version.effective and item.serial != version.serial]
    return next(
        (item for item in reversed(earlier) if any(_same_language(tag, language) for tag in item.languages)), None
    )


def _same_language(one: str, other: str) -> bool:
    return one.lower().split("-")[0] == other.lower().split("-")[0]


def language_name(tag: str, language: str) -> str:
    """A language's name in another: ``German`` in English, ``Deutsch`` in German."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(Locale.parse(language, sep="-")) or autonym(tag)
    except ValueError:
        return tag


def version_name(version: Version, words: Words) -> str:
    """``Version 2024-06-24``."""
    return words.say(_("Version %(version)s"), version=version.label)


def standing_facts(version: Version, words: Words, now: Instant, *, in_force: bool) -> list[str]:
    """Since when or from when a version applies, and what it asks."""
    day = localised_day(version.effective, words.language)
    if in_force:
        facts = [words.say(_("in force since %(date)s"), date=day)]
    elif version.effective > now:
        facts = [words.say(_("applies from %(date)s"), date=day)]
    else:
        facts = [words.say(_("applied from %(date)s"), date=day)]
    if version.enforced > max(version.effective, now):
        facts.append(words.say(_("to be accepted by %(date)s"), date=localised_day(version.enforced, words.language)))
    if version.impact is Impact.EDITORIAL:
        facts.append(words.say(_("editorial changes only")))
    return facts


def stats_line(redline: Redline, words: Words) -> str:
    """``6 changes in 3 sections, 84 words added, 12 removed``, with moves, numbers and links where there are any."""
    counts = redline.summary
    if redline.empty:
        return words.say(_("The two texts read the same."))
    parts = []
    if counts.changes:
        changes = words.count(n_("%(num)s change", "%(num)s changes"), counts.changes)
        within = words.count(n_("in %(num)s section", "in %(num)s sections"), counts.sections)
        parts.append(words.say(_("%(changes)s %(in_sections)s"), changes=changes, in_sections=within))
    for number, message in (
        (counts.words_added, n_("%(num)s word added", "%(num)s words added")),
        (counts.words_removed, n_("%(num)s word removed", "%(num)s words removed")),
        (counts.moved, n_("%(num)s passage moved", "%(num)s passages moved")),
        (counts.renumbered, n_("%(num)s passage renumbered", "%(num)s passages renumbered")),
        (counts.links, n_("%(num)s link changed", "%(num)s links changed")),
    ):
        if number:
            parts.append(words.count(message, number))
    # CLDR has list patterns for this, but only some languages inherit all of theirs.
    return reduce(lambda first, rest: words.say(_("%(first)s, %(rest)s"), first=first, rest=rest), parts)


def paragraphs(text: str) -> tuple[str, ...]:
    """Plain text cut at its blank lines."""
    return tuple(part.strip() for part in re.split(r"\n\s*\n", text) if part.strip())


def view_choices(words: Words, chosen: str, url: str, *, field: str = "") -> list[Choice]:
    """The ways to read a redline.

    Args:
        words: the interface language.
        chosen: the present view.
        url: with ``{}`` where the view's name goes.
        field: name of a form field, where buttons stand in for links.
    """
    labels = {
        "inline": words.say(_("Changes in the text")),
        "side-by-side": words.say(_("Side by side")),
        "changes": words.say(_("Changes only")),
        "full": words.say(_("Full text")),
    }
    return [Choice(labels[view], url.format(view), view == chosen, field=field, value=view) for view in VIEWS]


def language_choices(tags: Iterable[str], chosen: str, url: str, *, field: str = "") -> list[Choice]:
    """Languages to choose from, each in its own name, always in the same order."""
    ordered = sorted(set(tags), key=lambda tag: autonym(tag).casefold())
    return [Choice(autonym(tag), url.format(tag), tag == chosen, tag, field, tag) for tag in ordered]


def contents(html: str) -> list[dict[str, str]]:
    """The two upper levels of headings of a rendered text, as links."""
    found = [(int(level), name, _TAG.sub("", inner)) for level, name, inner in _HEADING.findall(html)]
    top = min((level for level, _name, _inner in found), default=0)
    # A text usually opens with its own title, alone on its level: then the level below is what a reader looks for.
    if sum(1 for level, *_rest in found if level == top) == 1:
        top += 1
    return [{"id": name, "title": Markup(inner)} for level, name, inner in found if level <= top and inner.strip()]  # noqa: S704 - sanitised by nh3


def address(path: str, **query: str | None) -> str:
    """A path with the parts of a query that are set."""
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
