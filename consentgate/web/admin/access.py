"""Who asks for an administrators' page, and whether a form of theirs may be believed.

Room: web. The host's ``admin=`` callable comes first; where there is none, or it knows nobody, a session that began
with a token. Nothing is open by default: without either, every page leads to the sign-in.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from consentgate.errors import ForbiddenError, UnauthenticatedError
from consentgate.service.administrators import Administrator, AdministratorOf, host_administrator
from consentgate.service.terms import Terms
from consentgate.web.admin.sessions import Session, Sessions
from consentgate.web.security import Proxies, check_same_origin


@dataclass(frozen=True, slots=True)
class Entered:
    """An administrator in front of a page.

    Args:
        request: theirs.
        administrator: who, and what they may do.
        session: begun with a token; ``None`` for whom the host knows.
        form_token: what their forms carry.
    """

    request: Request
    administrator: Administrator
    session: Session | None
    form_token: str


class Access:
    """The door to the administrators' pages.

    Args:
        terms: the services.
        admin: the host's callable, or ``None``.
        sessions: of those who sign in with a token.
        proxies: whose forwarded headers are believed.
    """

    def __init__(self, terms: Terms, admin: AdministratorOf | None, sessions: Sessions, proxies: Proxies) -> None:
        self._terms = terms
        self._admin = admin
        self._proxies = proxies
        self.sessions = sessions

    def scheme(self, request: Request) -> str:
        """``http`` or ``https`` as the administrator sees it."""
        return self._proxies.scheme(request.scope)

    async def enter(self, request: Request) -> Entered:
        """Who asks.

        Raises:
            UnauthenticatedError: nobody we know; the way in is the sign-in page, or the host's own.
        """
        administrator = await host_administrator(self._admin, request.scope)
        if administrator is not None:
            nonce = f"host:{administrator.id}"
            return Entered(request, administrator, None, self.sessions.form_token(nonce))
        session = self.sessions.of(request.scope, scheme=self.scheme(request))
        if session is None:
            raise UnauthenticatedError("nobody is signed in here", hint="sign in with a token")
        holder = await self._terms.token_holder(session.token)
        return Entered(request, holder.administrator, session, self.sessions.form_token(session.nonce))

    def check_sender(self, request: Request) -> None:
        """Refuse a form that another site sent.

        Stricter than for visitors: a browser says where a form comes from (Fetch Metadata or Origin), and what does
        not say it is no browser in front of one of our pages.

        Raises:
            ForbiddenError: from elsewhere, or from nowhere.
        """
        headers = request.headers
        if "sec-fetch-site" not in headers and "origin" not in headers:
            raise ForbiddenError(
                "the form does not say where it comes from", hint="scripts use the API with `Authorization: Bearer …`"
            )
        if headers.get("sec-fetch-site") == "none":
            raise ForbiddenError("a form cannot come from nowhere", hint="open the page and send it from there")
        check_same_origin(request.scope, self._proxies)

    def check_form(self, entered: Entered, given: str) -> None:
        """Demand that a form is one this administrator was shown.

        Raises:
            ForbiddenError: it is somebody else's.
        """
        nonce = entered.session.nonce if entered.session else f"host:{entered.administrator.id}"
        self.sessions.check_form(nonce, given)

    def proved_recently(self, entered: Entered) -> bool:
        """Whether they gave their token a short while ago. The host answers for those whom it knows: its callable
        returns no owner for a session that is too old for that."""
        return entered.session is None or self.sessions.recent(entered.session)
