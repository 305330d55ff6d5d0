"""Where the newspaper and the gate meet.

`gated` is all that a site of your own needs; the rest starts the demonstration::

    python -m examples.news_site            # http://127.0.0.1:8000/, or HOST and PORT
    python -m examples.news_site --fresh    # forget everything that was accepted and published before
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from starlette.applications import Starlette

from consentgate import ConsentGate
from consentgate.app import GatedApp
from consentgate.service.settings import new_secret
from examples.news_site import demo
from examples.news_site.app import create_site
from examples.news_site.people import People

HERE = Path(__file__).parent
POLICIES = HERE.parents[1] / "policies"


def gated(site: Starlette, people: People, data: Path) -> GatedApp:
    """Put the gate around the newspaper.

    Args:
        site: any ASGI app; it is wrapped from outside and stays as it is.
        people: knows who is reading; its `who` is what the gate asks on each request.
        data: where the database and the secret lie.
    """
    app = ConsentGate(
        site,
        policies=POLICIES,  # Markdown, published at start-up if it is new
        database=f"sqlite:///{data / 'courier.db'}",
        secret=kept_secret(data / "consentgate.secret"),
        subject=people.who,
        # None of the gate's business: what the pages are drawn with, the way in, and the demonstration itself.
        exempt=["/static", "/favicon.ico", "/sign-in", demo.PATH],
        # The way out. These stay open to somebody who declines, and are offered to them.
        open_paths=["/sign-out", "/account/delete", "/contact", "/corrections"],
        site_name="The Harbour Courier",
        templates=HERE / "gate",  # our colours and our mark on the gate's pages
    )
    site.state.terms = app.terms  # the handle: the banner and the controls of the demonstration use it
    return app


def kept_secret(file: Path) -> Path:
    """Make a secret at the first start. A real site makes it once, by hand: ``consentgate key new``."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(new_secret() + "\n", encoding="ascii")
    return file


def create_app(data: Path) -> demo.Stage:
    """The newspaper behind its gate, on a stage that can be set back."""
    people = People(secrets.token_hex())  # sign-ins end with the process, which will do for an example
    site = create_site(people, more_routes=demo.ROUTES, more_context=demo.around, lifespan=demo.lifespan)
    return demo.Stage(site, partial(gated, site, people, data), data)


def main() -> None:
    """Run the demonstration."""
    import uvicorn

    words = argparse.ArgumentParser(prog="python -m examples.news_site", description="A newspaper behind consentgate.")
    words.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
    words.add_argument("--port", type=int, default=os.environ.get("PORT") or "8000")
    words.add_argument("--data", type=Path, default=Path("demo-data"), help="where database and secret are kept")
    words.add_argument("--fresh", action="store_true", help="begin anew: delete what is kept there")
    wanted = words.parse_args()
    place = listen(wanted.host, wanted.port)
    if wanted.fresh:
        shutil.rmtree(wanted.data, ignore_errors=True)
    app = create_app(wanted.data)
    app.announce_at(wanted.host, place.getsockname()[1])
    app.crowded = True
    asyncio.run(app.fill())
    # One worker: the controls of the demonstration act on this process. The gate itself minds any number.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[place])


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is printed, or say in a sentence that somebody else has it."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as problem:
        number = getattr(problem, "errno", None)
        reason = os.strerror(number) if number and number > 0 else "there is no such place"
        sys.exit(f"Cannot listen on {host}, port {port}: {reason}. Try another one: make demo PORT=8001")


if __name__ == "__main__":
    main()
