"""One visit to one of our pages: who asks, in which language, from where; and the answer's frame.

Room: web. Made by `House.visit` from the ASGI scope; the gate has put its `Passage` there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from consentgate.errors import InputError
from consentgate.gate.cookies import PassCookie
from consentgate.gate.hooks import passage_of
from consentgate.gate.passes import new_visitor_id
from consentgate.service.facts import Facts
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.canonical import digest
from consentgate.terms.languages import canonical_tag, parse_accept_language
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.web.render import Renderer, Words
from consentgate.web.review import CARRY_MARK, NEXT_MARK, OFFER_MARK
from consentgate.web.security import Proxies, origin_of, page_headers


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks for what, and how they want to read it.

    Args:
        request: the request.
        subject: who the host or the pass says it is; ``None`` for a visitor without a pass.
        words: the interface in the visitor's language.
        wanted: language ranges, best first; an explicit ``?language=`` stands before the browser's.
        asked: the language that was asked for explicitly, or empty.
        switched: the same, where the browser's own wishes would have given another one: worth carrying on in links.
        root: where the host's application is mounted.
        base: address of our pages.
    """

    request: Request
    subject: Subject | None
    words: Words
    wanted: tuple[str, ...]
    asked: str
    switched: str
    root: str
    base: str

    @property
    def home(self) -> str:
        """The host's first page."""
        return f"{self.root}/"

    def query(self, name: str) -> str:
        """A value of the query, or empty."""
        return str(self.request.query_params.get(name, ""))


@dataclass(frozen=True, slots=True)
class House:
    """What all pages share.

    Args:
        terms: the services.
        renderer: templates, words, static files.
        proxies: whose forwarded headers are believed.
        cookie: that passes travel in: the same as the gate's.
        random: returns *n* random bytes.
    """

    terms: Terms
    renderer: Renderer
    proxies: Proxies
    cookie: PassCookie
    random: Callable[[int], bytes] = field(default=secrets.token_bytes)

    @property
    def settings(self) -> Settings:
        """As configured."""
        return self.terms.settings

    def visit(self, request: Request, *, asked: str = "") -> Visit:
        """Read a visit from a request.

        Args:
            request: whose scope went through the gate.
            asked: language from a form; otherwise the query's.
        """
        asked = _tag(asked or str(request.query_params.get("language", "")))
        header = parse_accept_language(request.headers.get("accept-language", ""))
        choose = partial(self.renderer.catalogues.choose, default=self.settings.locale)
        wanted = (asked, *header) if asked else header
        language = choose(wanted)
        root = str(request.scope.get("root_path", ""))
        return Visit(
            request=request,
            subject=passage_of(request.scope).subject,
            words=self.renderer.words(language),
            wanted=wanted or (language,),
            asked=asked,
            switched=asked if asked and choose(header) != language else "",
            root=root,
            base=root + self.settings.prefix,
        )

    def subject_of(self, visit: Visit) -> Subject:
        """Who is asked: a visitor without a pass becomes somebody here; the offer carries the new id."""
        return visit.subject or Subject(new_visitor_id(self.random), SubjectKind.VISITOR)

    def facts(self, visit: Visit) -> Facts:
        """The circumstances of a decision made in our page; what of them is kept is the service's affair."""
        return Facts(
            ip=self.proxies.client_ip(visit.request.scope),
            user_agent=visit.request.headers.get("user-agent"),
            method="checkbox-button",
        )

    def give_pass(self, response: Response, visit: Visit, token: str) -> Response:
        """Put a pass into the visitor's browser."""
        response.raw_headers.append((b"set-cookie", self.cookie.set(token, visit.request.scope)))
        return response

    def html(self, visit: Visit, template: str, page: Any, **context: Any) -> str:
        """Render one of our pages."""
        return self.renderer.render(
            template,
            visit.words.language,
            page=page,
            base=visit.base,
            root=visit.root,
            home=visit.home,
            site=self.settings.site_name,
            open_paths=self.settings.open_paths,
            offer_mark=OFFER_MARK,
            carry_mark=CARRY_MARK,
            next_mark=NEXT_MARK,
            **context,
        )

    def answer(
        self,
        visit: Visit,
        html: str,
        *,
        status: int = 200,
        private: bool = True,
        index: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page with the headers that every page of ours has.

        A public page carries an entity tag and is answered with 304 where the reader has it already.
        """
        declined = origin_of(self.settings.declined_url)
        frame = page_headers(private=private, index=index, form_action=[declined] if declined else [])
        frame["Content-Language"] = visit.words.language
        frame.update(headers or {})
        body = html.encode()
        if not private:
            frame["ETag"] = f'"{digest(body)[:32]}"'
            if frame["ETag"] in visit.request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=frame)
        return Response(body, status_code=status, media_type="text/html", headers=frame)

    def page(self, visit: Visit, template: str, page: Any, **answer: Any) -> Response:
        """Render and answer in one step."""
        return self.answer(visit, self.html(visit, template, page), **answer)


def redirect(location: str) -> Response:
    """``303 See Other``: the next request is a GET, whatever this one was; nobody may keep it."""
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store", "Vary": "Cookie"})


def _tag(raw: str) -> str:
    try:
        return canonical_tag(raw) if raw else ""
    except InputError:
        return ""
