"""The ledger, the export and the tokens: what an auditor takes home, and who may come in.

Room: web.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, cast

from starlette.responses import Response, StreamingResponse

from consentgate.errors import ConsentGateError, InputError, NotFoundError, ThrottledError, UnauthenticatedError
from consentgate.service.administrators import ROLES
from consentgate.service.selection import Selection
from consentgate.terms.draft import parse_when
from consentgate.terms.instants import SECOND
from consentgate.terms.languages import canonical_tag
from consentgate.terms.subject import parse_subject
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form
from consentgate.web.admin.frame import Frame
from consentgate.web.admin.overview import ledger_words
from consentgate.web.admin.sentences import counted
from consentgate.web.admin.signing_in import SigningIn

_MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_EXPORT_FIELDS = ("policy", "language", "subject", "since", "until", "format")


class Records:
    """Ledger, export, tokens.

    Args:
        frame: around them.
        signing_in: asks for the token again before a token is made.
    """

    def __init__(self, frame: Frame, signing_in: SigningIn) -> None:
        self._frame = frame
        self._signing_in = signing_in

    async def ledger(self, entered: Entered) -> Response:
        """Answer ``GET /admin/ledger``."""
        health = await self._frame.terms.admin.health(entered.administrator)
        return self._frame.show(
            entered,
            "ledger.html",
            health=health,
            words=ledger_words(health),
            waited=counted(health.age // SECOND, "second", "seconds"),
        )

    # --- export --------------------------------------------------------------------------------------------------

    async def export(self, entered: Entered) -> Response:
        """Answer ``GET /admin/export``: the form, or with ``format`` the file."""
        query = entered.request.query_params
        typed = {name: str(query.get(name, "")).strip() for name in _EXPORT_FIELDS}
        typed["openings"] = "yes" if "openings" in query or not typed["format"] else ""
        if not typed["format"]:
            return await self._export_form(entered, typed)
        try:
            where = await self._selection(typed)
        except (InputError, NotFoundError) as error:
            return await self._export_form(entered, typed, error)
        form = cast(Literal["ndjson", "csv"], typed["format"])
        headers = {
            "Content-Disposition": f'attachment; filename="consentgate-export.{form}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        stream = self._frame.terms.export(form, where=where)
        begun = await anext(stream, b"")  # what fails at once is an error page, not a file that breaks off
        return StreamingResponse(_whole(begun, stream), media_type=_MEDIA[form], headers=headers)

    async def _selection(self, typed: dict[str, str]) -> Selection:
        calendar = await self._frame.terms.fresh()
        if typed["format"] not in _MEDIA:
            raise InputError("choose NDJSON or CSV", field="format")
        if typed["policy"] and typed["policy"] not in calendar.by_slug:
            raise NotFoundError(f"there is no policy {typed['policy'][:64]}", policy=typed["policy"][:64])
        return Selection(
            policies=(typed["policy"],) if typed["policy"] else (),
            languages=(canonical_tag(typed["language"]),) if typed["language"] else (),
            subject=parse_subject(typed["subject"]) if typed["subject"] else None,
            since=parse_when(typed["since"]) if typed["since"] else None,
            until=parse_when(typed["until"]) if typed["until"] else None,
            openings=bool(typed["openings"]),
        )

    async def _export_form(
        self, entered: Entered, typed: dict[str, str], error: ConsentGateError | None = None
    ) -> Response:
        calendar = await self._frame.terms.fresh()
        return self._frame.show(
            entered,
            "export.html",
            status=error.status if error else 200,
            error=error,
            typed=typed,
            policies=[policy.slug for policy in calendar.policies],
        )

    # --- tokens --------------------------------------------------------------------------------------------------

    async def tokens(self, entered: Entered) -> Response:
        """Answer ``GET /admin/tokens``."""
        return await self._tokens(entered)

    async def _tokens(
        self, entered: Entered, error: ConsentGateError | None = None, *, secret: str = "", **typed: str
    ) -> Response:
        now = self._frame.terms.clock()
        every = await self._frame.terms.admin.tokens(entered.administrator)
        return self._frame.show(
            entered,
            "tokens.html",
            status=error.status if error else 200,
            error=error,
            tokens=[(one, one.state(now)) for one in reversed(every)],
            secret=secret,
            roles=ROLES,
            typed={"role": "auditor", "label": "", "days": "365", "holder": "", **typed},
            names={f"token:{one.id}": one.label for one in every},
            ask_token=not self._frame.access.proved_recently(entered),
        )

    async def new_token(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/tokens``: the secret is on this one page, and nowhere else."""
        typed = {name: form.text(name) for name in ("role", "label", "days", "holder")}
        try:
            days = typed["days"]
            if not (days.isascii() and days.isdecimal() and len(days) < 6):
                raise InputError(f"{days[:20]!r} is no number of days", hint="write 1 to 3650", field="days")
            entered = await self._signing_in.prove(entered, form)
            made = await self._frame.terms.admin.new_token(
                entered.administrator, typed["role"], typed["label"], days=int(days), holder=typed["holder"] or None
            )
        except (InputError, UnauthenticatedError, ThrottledError) as error:
            return await self._tokens(entered, error, **typed)
        return self._frame.kept_alive(await self._tokens(entered, secret=made.secret), entered)

    async def revoke(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/tokens/revoke``."""
        await self._frame.terms.admin.revoke_token(entered.administrator, form.text("id"))
        return self._frame.go(f"{self._frame.base(entered.request)}/tokens")


async def _whole(begun: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for chunk in rest:
        yield chunk
