"""Who is reading: a signed cookie with a name in it.

This stands in for the sign-in your site has already. Any name will do and there is no password: it is an example.
What matters is `People.who`. The gate wraps the site from outside, so it asks before any middleware of the site has
run, and on every request: the answer has to come from the request itself, without a database, and quickly.
"""

from __future__ import annotations

from functools import lru_cache

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

COOKIE = "courier-reader"


class People:
    """Names readers, and remembers the name in a cookie that only we can write.

    Args:
        secret: the site's own, for the site's own cookies; the gate has another.
    """

    def __init__(self, secret: str) -> None:
        self._seal = URLSafeSerializer(secret, salt=COOKIE)
        # A browser sends the same cookies with every request, so they need not be read and checked anew each time.
        self._read = lru_cache(maxsize=4_096)(self._read_once)

    def who(self, scope: Scope) -> str | None:
        """The reader of this request, as a stable id, or ``None`` for somebody who is not signed in."""
        cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        return self._read(cookies) if cookies else None

    def _read_once(self, cookies: bytes) -> str | None:
        sealed = cookie_parser(cookies.decode("latin-1")).get(COOKIE)
        try:
            return str(self._seal.loads(sealed)) if sealed else None
        except BadSignature:
            return None

    def sign_in(self, response: Response, name: str, *, secure: bool) -> None:
        """Remember a name until the browser is closed."""
        response.set_cookie(COOKIE, str(self._seal.dumps(name)), httponly=True, samesite="lax", secure=secure)

    def sign_out(self, response: Response) -> None:
        """Forget the name."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
