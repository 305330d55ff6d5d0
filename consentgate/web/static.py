"""Static files, ours and the host's, named by their content so that browsers may keep them for ever.

Room: web. ``/terms/static/consentgate.<twelve hex digits>.css``: a new release has a new name, so nobody sees an old
style beside a new page. What lies in ``static/`` of a host's override folder is served too: ``site.css`` is linked
after our own style, anything else under its plain name as well, so that a style sheet can refer to it.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from consentgate.terms.canonical import digest

FOREVER = "public, max-age=31536000, immutable"

SITE_STYLE = "site.css"
"""The host's own style sheet."""

_NAMES = ("consentgate.css", "consentgate.js", "admin.css", "icon.svg")


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file.

    Args:
        name: as the source calls it.
        public: with the first digits of its digest.
        content: its bytes.
        media_type: as sent.
    """

    name: str
    public: str
    content: bytes
    media_type: str


class Assets:
    """The static files, ours and those of the host's override folder."""

    def __init__(self, overrides: Path | None = None) -> None:
        found = {name: resources.files(__package__).joinpath("static", name).read_bytes() for name in _NAMES}
        folder = overrides / "static" if overrides else None
        if folder and folder.is_dir():
            found |= {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        assets = [_asset(name, content) for name, content in found.items()]
        self._by_public: Mapping[str, Asset] = {asset.public: asset for asset in assets}
        self._by_name: Mapping[str, Asset] = {asset.name: asset for asset in assets}

    def public(self, name: str) -> str:
        """The public name of a file, for templates."""
        return self._by_name[name].public

    @property
    def site_style(self) -> str:
        """Public name of the host's own style sheet, or empty."""
        return self.public(SITE_STYLE) if SITE_STYLE in self._by_name else ""

    def read(self, name: str) -> str:
        """A file's text, for the page that must stand alone when it is saved."""
        return self._by_name[name].content.decode()

    async def serve(self, request: Request) -> Response:
        """Answer ``GET /terms/static/{file}``."""
        name = request.path_params["file"]
        asset = self._by_public.get(name) or self._by_name.get(name)
        if asset is None:
            return Response(
                "Not found", status_code=404, media_type="text/plain", headers={"Cache-Control": "no-store"}
            )
        headers = {
            "Cache-Control": FOREVER if name == asset.public else "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _asset(name: str, content: bytes) -> Asset:
    stem, dot, ending = name.rpartition(".")
    public = f"{stem}.{digest(content)[:12]}.{ending}" if dot else f"{name}.{digest(content)[:12]}"
    return Asset(name, public, content, mimetypes.guess_type(name)[0] or "application/octet-stream")
