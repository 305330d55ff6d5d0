"""Drafts: the list, a new one (typed or uploaded), and the editor with preview and redline beside it.

Room: web. What an editor typed is never lost: a malformed draft is kept with its error beside it, and who was slower
than somebody else gets their own words back, with the other's beneath.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from consentgate.errors import ConsentGateError, DraftError, InputError, NotFoundError, PreconditionError, TextError
from consentgate.service.drafts import DraftInfo, draft_ref
from consentgate.service.preview import Preview
from consentgate.terms.instants import DAY, Instant, to_datetime
from consentgate.web.admin.access import Entered
from consentgate.web.admin.forms import Form
from consentgate.web.admin.frame import LANGUAGE, Frame
from consentgate.web.admin.sentences import Told, findings_told
from consentgate.web.present import stats_line
from consentgate.web.redlines import redline_html, text_html

_ROOM = 30
"""Days a new draft proposes between now and its effect, at least."""

_FILE_NAME = re.compile(
    r"(?P<label>[A-Za-z0-9][A-Za-z0-9._-]{0,39}?)\.(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)\.md"
)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A draft in the list."""

    url: str
    value: str
    language: str
    saved: Instant
    trouble: str


@dataclass(frozen=True, slots=True)
class DraftGroup:
    """The drafts of one version."""

    policy: str
    label: str
    lines: tuple[DraftLine, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the editor: the text as readers will see it, and what changed."""

    title: str
    text: Markup
    redline: Markup | None
    summary: str
    compared: str
    told: tuple[Told, ...]


class Writing:
    """The editors' pages.

    Args:
        frame: around them.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def every(self, entered: Entered) -> Response:
        """Answer ``GET /admin/drafts``."""
        drafts = await self._frame.terms.admin.drafts(entered.administrator)
        base = self._frame.base(entered.request)
        groups = [
            DraftGroup(policy, label, tuple(_line(base, info) for info in infos))
            for (policy, label), infos in groupby(drafts, key=lambda info: info.ref[:2])
        ]
        return self._frame.show(entered, "drafts.html", groups=groups)

    # --- a new one -----------------------------------------------------------------------------------------------

    async def new(self, entered: Entered) -> Response:
        """Answer ``GET /admin/drafts/new``."""
        query = entered.request.query_params
        policy = str(query.get("policy", ""))
        return await self._new(entered, {"policy": policy, "label": self._today(), "language": "en"})

    async def create(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST /admin/drafts/new``."""
        fields = {name: form.text(name) for name in ("policy", "label", "language")}
        uploads = form.files.get("file", ())
        try:
            if uploads:
                body = uploads[0][1]
                if named := _FILE_NAME.fullmatch(uploads[0][0]):
                    fields |= named.groupdict()
            else:
                body = await self._beginning(fields)
            ref = draft_ref(fields["policy"], fields["label"], fields["language"])
            info = await self._frame.terms.admin.put_draft(entered.administrator, *ref, body)
        except PreconditionError as error:
            exists = InputError(
                "there is a draft of this version in this language already",
                hint="open it in the list of drafts, or choose another version",
                field="label",
            )
            exists.__cause__ = error
            return await self._new(entered, fields, exists)
        except InputError as error:
            return await self._new(entered, fields, error)
        return self._frame.go(_address(self._frame.base(entered.request), info))

    async def _new(self, entered: Entered, fields: dict[str, str], error: ConsentGateError | None = None) -> Response:
        calendar = await self._frame.terms.fresh()
        return self._frame.show(
            entered,
            "draft-new.html",
            policies=[(policy.slug, policy.title_in(LANGUAGE)) for policy in calendar.policies],
            fields=fields,
            error=error,
            wrong=error.data.get("field", "") if error else "",
            status=error.status if error else 200,
        )

    async def _beginning(self, fields: dict[str, str]) -> bytes:
        """What a new draft begins with: the text in force in its language, or a few words to replace."""
        calendar = await self._frame.terms.fresh()
        standing = calendar.at(self._frame.terms.clock()).standing(fields["policy"])
        version = standing.in_force if standing else None
        text = "# Title\n\nWrite here.\n"
        if version is not None and fields["language"] in version.languages:
            text = await self._frame.terms.text(version.translation(fields["language"]).digest)
        policy = calendar.by_slug.get(fields["policy"])
        # Midnight of a day that leaves the whole notice, also to who writes it at noon and publishes it tomorrow.
        days = max(_ROOM, policy.notice_days if policy else 0) + 2
        effective = to_datetime(self._frame.terms.clock() + days * DAY).date().isoformat()
        front = f"impact: material\neffective: {effective}\nsummary: What changed, in plain words.\n"
        return f"---\n{front}---\n{text}".encode()

    def _today(self) -> str:
        return to_datetime(self._frame.terms.clock()).date().isoformat()

    # --- the editor ----------------------------------------------------------------------------------------------

    async def edit(self, entered: Entered) -> Response:
        """Answer ``GET /admin/drafts/{policy}/{label}/{language}``."""
        info = await self._frame.terms.admin.draft(entered.administrator, *_place(entered))
        return await self._editor(entered, info, info.body, saved="saved" in entered.request.query_params)

    async def save(self, entered: Entered, form: Form) -> Response:
        """Answer ``POST`` to the same: save, or delete."""
        place, admin = _place(entered), self._frame.terms.admin
        etag = form.text("etag")
        if form.text("do") == "delete":
            await admin.delete_draft(entered.administrator, *place, if_match=etag)
            return self._frame.go(f"{self._frame.base(entered.request)}/drafts")
        uploads = form.files.get("file", ())
        body = uploads[0][1] if uploads else form.raw("body").encode("utf-8", "surrogatepass")
        try:
            info = await admin.put_draft(entered.administrator, *place, body, if_match=etag)
        except PreconditionError as error:
            return await self._meanwhile(entered, body, error)
        except InputError as error:
            info = await admin.draft(entered.administrator, *place)
            return await self._editor(entered, info, body, error=error)
        return self._frame.go(f"{_address(self._frame.base(entered.request), info)}?saved")

    async def _meanwhile(self, entered: Entered, body: bytes, error: PreconditionError) -> Response:
        """Somebody else saved, published or deleted it: keep what was typed, and show theirs."""
        try:
            theirs = await self._frame.terms.admin.draft(entered.administrator, *_place(entered))
        except NotFoundError:
            theirs = DraftInfo(draft_ref(*_place(entered)), "", b"", "", 0, None, None)
        return await self._editor(entered, theirs, body, error=error, theirs=_shown(theirs.body))

    async def _editor(
        self,
        entered: Entered,
        info: DraftInfo,
        body: bytes,
        *,
        saved: bool = False,
        error: ConsentGateError | None = None,
        theirs: str = "",
    ) -> Response:
        beside, trouble = await self._beside(entered, info) if body == info.body else (None, None)
        return self._frame.show(
            entered,
            "draft.html",
            status=error.status if error else 200,
            ref=info.ref,
            etag=info.etag,
            body=_shown(body),
            here=_address(self._frame.base(entered.request), info),
            value="/".join(info.ref),
            saved=saved,
            error=error or info.error or trouble,
            malformed=error is None and (info.error or trouble) is not None,
            theirs=theirs,
            beside=beside,
        )

    async def _beside(self, entered: Entered, info: DraftInfo) -> tuple[Beside | None, ConsentGateError | None]:
        """The preview of one draft; where it could not be published, at least its text, and why."""
        if info.parsed is None:
            return None, None
        alone = Beside(
            info.parsed.title or str(info.ref.label),
            text_html(info.parsed.text, slug="draft", top=3), None, "", "", findings_told(info.findings),
        )  # fmt: skip
        if not entered.administrator.may("editor"):
            return alone, None
        try:
            preview = await self._frame.terms.admin.preview(entered.administrator, [info.ref], count=False)
        except (DraftError, InputError, TextError) as error:
            return alone, error
        return self._compared(preview, alone), None

    def _compared(self, preview: Preview, alone: Beside) -> Beside:
        if not preview.texts:
            return alone
        text, words = preview.texts[0], self._frame.renderer.words(LANGUAGE)
        marked = redline_html(text.redline, "changes", words, slug="draft", top=3) if text.redline else None
        return Beside(
            title=text.translation.title,
            text=text_html(text.source, slug="draft", top=3),
            redline=marked,
            summary=stats_line(text.redline, words) if text.redline else "",
            compared=text.before.label if text.before else "",
            told=findings_told(preview.publication.findings),
        )


def _line(base: str, info: DraftInfo) -> DraftLine:
    trouble = str(info.error) if info.error else ""
    return DraftLine(_address(base, info), "/".join(info.ref), info.ref.language, info.updated, trouble)


def _address(base: str, info: DraftInfo) -> str:
    return f"{base}/drafts/" + "/".join(quote(part, safe="") for part in info.ref)


def _place(entered: Entered) -> tuple[str, str, str]:
    found: dict[str, Any] = entered.request.path_params
    return found["policy"], found["label"], found["language"]


def _shown(body: bytes) -> str:
    """Bytes in a text field; what is no UTF-8 was uploaded, and its error says where."""
    return body.decode("utf-8", "replace").replace("\r\n", "\n").removeprefix("\ufeff")
