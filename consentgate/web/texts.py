"""One text: the one in force, each version at its permanent address, and its files.

Room: web. Public pages: nothing in them depends on who asks, so they may be listed by search engines, and they are
never gated (DSA Art. 14(1)).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consentgate.errors import NotFoundError
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Translation, Version
from consentgate.web.present import (
    Choice,
    Notice,
    TextLines,
    _,
    contents,
    language_choices,
    standing_facts,
    text_lines,
    version_name,
)
from consentgate.web.redlines import text_html
from consentgate.web.render import localised_day
from consentgate.web.shelf import Shelf, changes_url, choose, find, shelf_of
from consentgate.web.visit import House, Visit

SUFFIXES = (".md", ".json", ".html")


@dataclass(frozen=True, slots=True)
class HeadLink:
    """A ``<link>`` and, where it has no media type, a ``Link`` header."""

    rel: str
    url: str
    hreflang: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class TextPage:
    """What ``text.html`` shows."""

    text: TextLines
    html: Markup
    kicker: str
    version_name: str
    facts: list[str]
    links: list[HeadLink]
    languages: list[Choice]
    contents: list[dict[str, str]]
    html_url: str
    markdown_url: str
    changes_url: str
    history_url: str
    digest: str
    notice: Notice | None = None


class Texts:
    """The pages of texts."""

    def __init__(self, house: House) -> None:
        self.house = house

    # --- one text ------------------------------------------------------------------------------------------------

    async def in_force(self, request: Request) -> Response:
        """Answer ``GET /terms/{slug}``: the text in force."""
        shelf = shelf_of(await self.house.terms.fresh(), request.path_params["slug"], self.house.terms.clock())
        return await self._text(self.house.visit(request), shelf, shelf.current)

    async def permanent(self, request: Request) -> Response:
        """Answer ``GET /terms/{slug}/{label}``, with ``.md``, ``.json`` or ``.html`` behind it for a file."""
        shelf = shelf_of(await self.house.terms.fresh(), request.path_params["slug"], self.house.terms.clock())
        label, suffix = request.path_params["label"], ""
        version = find(shelf, label)
        if version is None:
            # A label may have dots itself ("3.1"), so a whole match goes first.
            suffix = next((ending for ending in SUFFIXES if label.endswith(ending)), "")
            version = find(shelf, label.removesuffix(suffix)) if suffix else None
        if version is None:
            raise NotFoundError(f"{shelf.policy.slug} has no version {label}")
        visit = self.house.visit(request)
        if not suffix:
            return await self._text(visit, shelf, version, permanent=True)
        return await self._file(visit, shelf, version, suffix)

    async def _text(self, visit: Visit, shelf: Shelf, version: Version, *, permanent: bool = False) -> Response:
        translation = choose(version, visit)
        raw = await self.house.terms.text(translation.digest)
        words, slug = visit.words, shelf.policy.slug
        html = text_html(raw, slug=slug, top=2, title=translation.title)
        here = f"{visit.base}/{slug}/{version.label}"
        previous = shelf.before(version)
        links = self._links(visit, shelf, version)
        page = TextPage(
            text=text_lines(version, translation, words, shelf.versions),
            html=html,
            kicker=words.say(_("The text in force")) if version is shelf.in_force else version_name(version, words),
            version_name=version_name(version, words),
            facts=[
                version_name(version, words),
                *standing_facts(version, words, self.house.terms.clock(), in_force=version is shelf.in_force),
            ],
            links=links,
            languages=language_choices(
                {*version.languages, words.language},
                translation.language if visit.asked in ("", translation.language) else visit.asked,
                f"{here if permanent else f'{visit.base}/{slug}'}?language={{}}",
            ),
            contents=contents(html),
            html_url=f"{here}.html?language={translation.language}",
            markdown_url=f"{here}.md?language={translation.language}",
            changes_url=changes_url(visit, slug, previous, version) if previous else "",
            history_url=f"{visit.base}/{slug}/history",
            digest=translation.digest,
            notice=self._standing_notice(visit, shelf, version),
        )
        body = self.house.html(visit, "text.html", page)
        headers = {
            "Link": link_header(links),
            "Content-Language": translation.language,
            "Repr-Digest": repr_digest(body),
        }
        return self.house.answer(visit, body, private=False, index=True, headers=headers)

    def _standing_notice(self, visit: Visit, shelf: Shelf, version: Version) -> Notice | None:
        """Nobody should take an old text, or one to come, for the one that binds."""
        say = visit.words.say
        if shelf.policy.retired is not None and shelf.policy.retired <= self.house.terms.clock():
            return Notice(say(_("This text does not apply any more.")))
        if version is shelf.in_force:
            return None
        if shelf.in_force is None or version.effective > self.house.terms.clock():
            return self._coming(visit, shelf, version)
        line = say(_("Version %(version)s has taken its place."), version=shelf.in_force.label)
        return Notice(say(_("This is an earlier version.")), line)

    def _coming(self, visit: Visit, shelf: Shelf, version: Version) -> Notice:
        """A text to come; once it is announced it can be accepted already, and this is where people look for that."""
        title = visit.words.say(_("This text does not apply yet."))
        if shelf.in_force is None or version.announced > self.house.terms.clock() or not shelf.policy.kind.gates:
            return Notice(title)
        language = visit.words.language
        body = visit.words.say(
            _("Our %(title)s will change on %(effective)s. You can accept the new text now; until then the present one "
              "applies."),
            title=choose(version, visit).title,
            effective=localised_day(version.effective, language),
        )  # fmt: skip
        url = f"{visit.base}/review?policy={shelf.policy.slug}"
        return Notice(title, body, url=url, link=visit.words.say(_("Go to your decision")))

    def _links(self, visit: Visit, shelf: Shelf, version: Version) -> list[HeadLink]:
        """RFC 5829 relations between versions, RFC 6903 for what the text is, and the other forms of it."""
        base = f"{visit.base}/{shelf.policy.slug}"
        links = [
            HeadLink("canonical", f"{base}/{version.label}"),
            HeadLink("latest-version", base),
            HeadLink("version-history", f"{base}/history"),
        ]
        if previous := shelf.before(version):
            links.append(HeadLink("predecessor-version", f"{base}/{previous.label}"))
        if following := shelf.after(version):
            links.append(HeadLink("successor-version", f"{base}/{following.label}"))
        if shelf.policy.kind.value == "contract":
            links.append(HeadLink("terms-of-service", base))
        elif shelf.policy.kind.value == "notice":
            links.append(HeadLink("privacy-policy", base))
        links += [
            HeadLink("alternate", f"{base}/{version.label}?language={tag}", hreflang=tag) for tag in version.languages
        ]
        for suffix, media in ((".md", "text/markdown"), (".json", "application/json")):
            links.append(HeadLink("alternate", f"{base}/{version.label}{suffix}", type=media))
        return links

    # --- a text as a file ----------------------------------------------------------------------------------------

    async def _file(self, visit: Visit, shelf: Shelf, version: Version, suffix: str) -> Response:
        translation = choose(version, visit)
        text = await self.house.terms.text(translation.digest)
        headers = {
            "Content-Language": translation.language,
            "Link": link_header(self._links(visit, shelf, version)),
            "Vary": "Accept-Language",
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if suffix == ".json":
            response: Response = JSONResponse(self._record(visit, shelf, version, translation, text), headers=headers)
        elif suffix == ".md":
            response = Response(
                text, media_type="text/markdown", headers=headers | _attachment(version, translation, "md")
            )
        else:
            body = self._saved(visit, shelf, version, translation, text)
            response = Response(
                body, media_type="text/html", headers=headers | _attachment(version, translation, "html")
            )
            response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        response.headers["Repr-Digest"] = repr_digest(bytes(response.body))
        response.headers["ETag"] = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
        return response

    def _saved(self, visit: Visit, shelf: Shelf, version: Version, translation: Translation, text: str) -> str:
        facts = [
            version_name(version, visit.words),
            *standing_facts(version, visit.words, self.house.terms.clock(), in_force=version is shelf.in_force),
        ]
        return self.house.renderer.render(
            "saved.html",
            visit.words.language,
            text=text_lines(version, translation, visit.words, shelf.versions),
            html=text_html(text, slug=shelf.policy.slug, top=2, title=translation.title),
            site=self.house.settings.site_name,
            version_name=version_name(version, visit.words),
            facts=facts,
            digest=translation.digest,
            address=self._absolute(
                visit, f"{visit.base}/{shelf.policy.slug}/{version.label}?language={translation.language}"
            ),
        )

    def _absolute(self, visit: Visit, path: str) -> str:
        """An address with scheme and host as the visitor sees them, for a file that leaves the site."""
        return f"{self.house.proxies.scheme(visit.request.scope)}://{visit.request.url.netloc}{path}"

    def _record(
        self, visit: Visit, shelf: Shelf, version: Version, translation: Translation, text: str
    ) -> dict[str, object]:
        base = f"{visit.base}/{shelf.policy.slug}"
        return {
            "policy": shelf.policy.slug,
            "kind": shelf.policy.kind.value,
            "version": version.label,
            "impact": version.impact.value,
            "announced": format_instant(version.announced),
            "effective": format_instant(version.effective),
            "enforced": format_instant(version.enforced),
            "in_force": version is shelf.in_force,
            "prevailing": version.prevailing,
            "languages": list(version.languages),
            "language": translation.language,
            "title": translation.title,
            "summary": translation.summary,
            "sha256": translation.digest,
            "text": text,
            "text_url": f"{base}/{version.label}",
            "history_url": f"{base}/history",
        }


def repr_digest(body: str | bytes) -> str:
    """The ``Repr-Digest`` field of these bytes (RFC 9530)."""
    data = body.encode() if isinstance(body, str) else body
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def link_header(links: Sequence[HeadLink]) -> str:
    """Links as one header field (RFC 8288)."""
    written = []
    for link in links:
        extra = f'; hreflang="{link.hreflang}"' if link.hreflang else ""
        extra += f'; type="{link.type}"' if link.type else ""
        written.append(f'<{link.url}>; rel="{link.rel}"{extra}')
    return ", ".join(written)


def _attachment(version: Version, translation: Translation, ending: str) -> dict[str, str]:
    name = f"{version.policy}-{version.label}.{translation.language}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}
