"""Sign in with a token, sign out, and give the token once more before what cannot be undone.

Room: web. The token is typed into a form and sent in its body: it is never in an address, a log or a cookie.
"""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from consentgate.errors import ConsentGateError, ThrottledError, UnauthenticatedError
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form, read_form
from consentgate.web.admin.frame import FORM_TOKEN, Frame
from consentgate.web.admin.sessions import Session
from consentgate.web.admin.throttle import Throttle
from consentgate.web.security import Proxies

log = logging.getLogger("consentgate")

_NOBODY = "sign-in"
"""The nonce of the sign-in form, which belongs to no session yet."""


class SigningIn:
    """The sign-in page.

    Args:
        frame: around it.
        proxies: whose forwarded headers are believed.
    """

    def __init__(self, frame: Frame, proxies: Proxies) -> None:
        self._frame = frame
        self._proxies = proxies
        self._throttle = Throttle(frame.terms.clock)

    async def show(self, request: Request) -> Response:
        """Answer ``GET /admin/sign-in``."""
        return self._form(request, request.query_params.get("next", ""))

    async def sign_in(self, request: Request) -> Response:
        """Answer ``POST /admin/sign-in``."""
        wanted = ""
        try:
            self._frame.access.check_sender(request)
            form = await read_form(request)
            wanted = form.text("next")
            self._frame.access.sessions.check_form(_NOBODY, form.text(FORM_TOKEN))
            session = await self._begin(request, form.text("token"))
        except (UnauthenticatedError, ThrottledError) as error:
            return self._form(request, wanted, error=error)
        except ConsentGateError as error:
            return self._frame.refused(request, error)
        response = self._frame.go(self._inside(request, wanted))
        cookie = self._frame.access.sessions.cookie(session, scheme=self._frame.access.scheme(request))
        response.headers.append("set-cookie", cookie)
        return response

    async def sign_out(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/sign-out``."""
        del form
        response = self._frame.go(f"{self._frame.base(entered.request)}/sign-in")
        response.headers.append(
            "set-cookie", self._frame.access.sessions.end(scheme=self._frame.access.scheme(entered.request))
        )
        return response

    async def prove(self, entered: Entered, form: Form) -> Entered:
        """Demand the token again, unless it was given a short while ago.

        Args:
            entered: who asks.
            form: whose field ``token`` has it, if it was asked for.

        Raises:
            UnauthenticatedError: it is not theirs, or not given.
            ThrottledError: too many that were not.
        """
        if self._frame.access.proved_recently(entered) or entered.session is None:
            return entered
        given = await self._begin(entered.request, form.text("token"))
        if given.token != entered.session.token:
            raise UnauthenticatedError("this is not the token you signed in with", hint="give that one", field="token")
        session = self._frame.access.sessions.again(entered.session)
        return Entered(entered.request, entered.administrator, session, entered.form_token)

    async def _begin(self, request: Request, token: str) -> Session:
        address = self._proxies.client_ip(request.scope) or "unknown"
        self._throttle.check(address)
        try:
            holder = await self._frame.terms.check_token(token)
        except UnauthenticatedError:
            self._throttle.failed(address)
            log.warning("administration: a sign-in from %s failed", ascii(address)[1:-1])
            raise
        return self._frame.access.sessions.begin(holder.id)

    def _inside(self, request: Request, wanted: str) -> str:
        """Where to go after the sign-in: a page of the administrators', nowhere else."""
        base = self._frame.base(request)
        plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
        inside = wanted == base or wanted.startswith((f"{base}/", f"{base}?"))
        parts = wanted.partition("?")[0].split("/")
        return wanted if plain and inside and ".." not in parts and len(wanted) <= 2_000 else base

    def _form(self, request: Request, wanted: str, *, error: ConsentGateError | None = None) -> Response:
        retry = {"Retry-After": str(error.retry_after)} if isinstance(error, ThrottledError) else None
        return self._frame.page(
            request,
            "sign-in.html",
            status=error.status if error else 200,
            headers=retry,
            form_token=self._frame.access.sessions.form_token(_NOBODY),
            next=self._inside(request, wanted) if wanted else "",
            error=error,
        )
