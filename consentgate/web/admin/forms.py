"""Forms of the administrators' pages: urlencoded or multipart, bounded before they are read.

Room: web.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from consentgate.errors import InputError

MAX_BYTES = 4_000_000
"""A text of 1 MB, as an upload or typed (urlencoded it may grow to three times that)."""

MAX_FIELDS = 400
MAX_FILES = 20


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent: texts by name, and uploaded files by name.

    Args:
        fields: every value of a name, in order.
        files: (file name, bytes) by field name; empty uploads are left out.
    """

    fields: dict[str, tuple[str, ...]]
    files: dict[str, tuple[tuple[str, bytes], ...]]

    def text(self, name: str) -> str:
        """The first value of a field without white space around it, or empty."""
        return self.fields.get(name, ("",))[0].strip()

    def raw(self, name: str) -> str:
        """The first value of a field as it was typed, with plain line ends (browsers send CRLF), or empty."""
        return self.fields.get(name, ("",))[0].replace("\r\n", "\n")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return self.fields.get(name, ())


async def read_form(request: Request) -> Form:
    """Read a form of at most `MAX_BYTES`.

    Raises:
        InputError: no form, or too much of one.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            parser = MultiPartParser(
                request.headers, _bounded(request), max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_BYTES
            )
            return await _form(await parser.parse())
        if kind == "application/x-www-form-urlencoded":
            plain = FormParser(request.headers, _bounded(request), max_fields=MAX_FIELDS, max_part_size=MAX_BYTES)
            return await _form(await plain.parse())
    except (MultiPartException, UnicodeError) as error:
        # UnicodeError: a multipart form may name a charset, and some of Python's codecs refuse everything.
        words = str(getattr(error, "message", error))[:200]
        raise InputError(f"the form cannot be read: {words}", hint="send the form of the page") from error
    raise InputError("this is no form", hint="send the form of the page; scripts use the API")


async def _form(data: FormData) -> Form:
    fields: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[tuple[str, bytes], ...]] = {}
    try:
        for name, value in data.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                if content or value.filename:
                    files[name] = (*files.get(name, ()), (value.filename or "", content))
            else:
                fields[name] = (*fields.get(name, ()), value)
    finally:
        await data.close()
    return Form(fields, files)


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise InputError(f"the form is larger than {MAX_BYTES:,} bytes", hint="a text has at most 1 MB")
        yield chunk
