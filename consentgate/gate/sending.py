"""The few answers of the host that the gate adds a header to. A good pass never comes here.

Room: gate.
"""

from __future__ import annotations

from consentgate.gate.answers import Header, root_of, terms_links, update_notices
from consentgate.gate.epoch import Epoch, Watch
from consentgate.gate.hooks import ASGIApp, Message, Receive, Scope, Send
from consentgate.gate.options import GateOptions

_MOST_ROOTS = 16
_PRIVATE = frozenset((b"private", b"no-store"))


def gives_pass(send: Send, cookie: bytes) -> Send:
    """A ``send`` that sets the pass on the response, unless a shared cache may keep it.

    A pass in a shared cache would be handed to strangers, so a response marked ``public`` or ``s-maxage`` goes out
    without it (the next one will do), and any other that a shared cache may keep is marked ``private``: so it may with
    ``max-age`` or ``no-cache`` alone, whatever cookies it sets (RFC 9111 §3, §7.3).
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            said = b",".join(value.lower() for name, value in headers if name.lower() == b"cache-control")
            if b"public" not in said and b"s-maxage" not in said:
                headers.append((b"set-cookie", cookie))
                if not _PRIVATE & {part.strip() for part in said.split(b",")}:
                    headers.append((b"cache-control", b"private"))
                message = {**message, "headers": headers}
        await send(message)

    return sending


def with_notices(app: ASGIApp, watch: Watch, options: GateOptions) -> ASGIApp:
    """The application, with ``Link`` and ``Terms-Update`` on each HTTP response where the options ask for them.

    With both off it is the application itself; with nothing to say, ``send`` is handed on as it is.
    """
    if not (options.link_header or options.update_header):
        return app
    notices = _Notices(watch, options)

    async def announcing(scope: Scope, receive: Receive, send: Send) -> None:
        more = notices.on(scope) if scope["type"] == "http" else ()
        if not more:
            await app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await app(scope, receive, sending)

    return announcing


class _Notices:
    """The fields of an epoch, worked out once for each mount point."""

    __slots__ = ("_by_root", "_epoch", "_options", "_watch")

    def __init__(self, watch: Watch, options: GateOptions) -> None:
        self._watch = watch
        self._options = options
        self._epoch: Epoch | None = None
        self._by_root: dict[str, tuple[Header, ...]] = {}

    def on(self, scope: Scope) -> tuple[Header, ...]:
        epoch = self._watch.epoch
        root = root_of(scope)
        if self._epoch is not epoch or len(self._by_root) > _MOST_ROOTS:
            self._epoch, self._by_root = epoch, {}
        found = self._by_root.get(root)
        if found is None:
            pages = (self._options.base_url or "") + root + self._options.prefix
            found = self._by_root[root] = self._make(epoch, pages)
        return found

    def _make(self, epoch: Epoch, pages: str) -> tuple[Header, ...]:
        standings = epoch.snapshot.moment.standings
        links: tuple[Header, ...] = ()
        if self._options.link_header:
            in_force = [standing.policy.slug for standing in standings if standing.in_force is not None]
            links = terms_links(epoch.snapshot.calendar, in_force, pages)
        if self._options.update_header:
            links += update_notices([standing.upcoming for standing in standings if standing.upcoming], pages)
        return links
