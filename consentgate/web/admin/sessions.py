"""An administrator's session: a sealed cookie that names a token, and the proof that a form is ours.

Room: web. The cookie says which token somebody signed in with, never the token; every request asks the store whether
that token still stands, so a revoked token ends its sessions at the next click. Nothing of a session is kept on the
server, and nothing in it is believed without the seal.

A session ends `IDLE` after the last request and `LONGEST` after the sign-in (ASVS 7.3). What cannot be undone asks for
the token again, unless it was given in the last `RECENT`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consentgate.errors import ForbiddenError
from consentgate.gate.cookies import read_cookies
from consentgate.gate.seals import Seals
from consentgate.terms.instants import SECOND, Instant

SESSION = "consentgate/admin-session/v1"
FORM = "consentgate/admin-form/v1"

IDLE = 30 * 60 * SECOND
LONGEST = 8 * 3_600 * SECOND
RECENT = 10 * 60 * SECOND
_AHEAD = 60 * SECOND
"""How far another worker's clock may be ahead of ours."""

SECURE_NAME = "__Host-consentgate-admin"
PLAIN_NAME = "consentgate-admin"

_MAX_COOKIE = 2_000


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Args:
        token: id of the token; ``host`` stands for administrators the host knows, whose session is the host's.
        nonce: 32 hexadecimal digits, which the forms of this session repeat.
        begun: when they signed in.
        seen: their last request.
        proved: when they last gave the token.
    """

    token: str
    nonce: str
    begun: Instant
    seen: Instant
    proved: Instant


class Sessions:
    """Begins, reads and ends sessions.

    Args:
        seals: of the site.
        clock: instant now.
        random: returns *n* random bytes.
        secure: whether the cookie is the https one; ``None`` goes by the scheme of the request.
    """

    def __init__(
        self,
        seals: Callable[[], Seals],
        clock: Callable[[], Instant],
        random: Callable[[int], bytes],
        secure: bool | None,
    ) -> None:
        self._seals = seals
        self._clock = clock
        self._random = random
        self._secure = secure

    def begin(self, token: str) -> Session:
        """A session of somebody who just gave this token."""
        now = self._clock()
        return Session(token, self._random(16).hex(), now, now, now)

    def again(self, session: Session) -> Session:
        """The same session, after the token was given once more."""
        return replace(session, proved=self._clock())

    def of(self, scope: Mapping[str, Any], *, scheme: str) -> Session | None:
        """The session of a request, or ``None`` where there is none, or it ended."""
        name = self._name(scheme).encode()
        lines = [value for header, value in scope["headers"] if header == b"cookie"]
        found = [raw for line in lines for raw in read_cookies(line, name)]
        # Two cookies of one name are somebody's doing; which of them counts is not for a browser's order to decide.
        return self._open(found[0]) if len(found) == 1 else None

    def recent(self, session: Session) -> bool:
        """Whether the token was given a short while ago."""
        return -_AHEAD <= self._clock() - session.proved <= RECENT

    def cookie(self, session: Session, *, scheme: str) -> str:
        """The ``Set-Cookie`` value that keeps a session alive."""
        session = replace(session, seen=max(session.seen, self._clock()))
        fields = [session.token, session.nonce, session.begun, session.seen, session.proved]
        return self._set(self._seals().seal(SESSION, json.dumps(fields).encode()), IDLE // SECOND, scheme)

    def end(self, *, scheme: str) -> str:
        """The ``Set-Cookie`` value that ends a session."""
        return self._set("", 0, scheme)

    def form_token(self, nonce: str) -> str:
        """What every form of a session carries: sealed, so that nobody who plants a cookie can write one."""
        return self._seals().seal(FORM, nonce.encode())

    def check_form(self, nonce: str, given: str) -> None:
        """Demand that a form is one of this session.

        Raises:
            ForbiddenError: it is of another session, or of no page of ours.
        """
        opened = self._seals().try_open(FORM, given[:_MAX_COOKIE])
        if opened is None or not hmac.compare_digest(opened, nonce.encode()):
            raise ForbiddenError(
                "this form belongs to another session", hint="open the page again, look at it, and send it from there"
            )

    def _open(self, raw: bytes) -> Session | None:
        opened = self._seals().try_open(SESSION, raw) if len(raw) <= _MAX_COOKIE else None
        if opened is None:
            return None
        session = Session(*json.loads(opened))
        now = self._clock()
        alive = session.seen - _AHEAD <= now <= session.seen + IDLE and now <= session.begun + LONGEST
        return session if alive else None

    def _name(self, scheme: str) -> str:
        secure = scheme == "https" if self._secure is None else self._secure
        return SECURE_NAME if secure else PLAIN_NAME

    def _set(self, value: str, max_age: int, scheme: str) -> str:
        name = self._name(scheme)
        end = "; Secure" if name == SECURE_NAME else ""
        return f"{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{end}"
