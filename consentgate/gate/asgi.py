"""The quick first look: a closure that lets a good pass through in about a microsecond.

Room: gate; made by ``consentgate.app``. The look is sloppy on purpose: it takes the last cookie header and the first
place where the name of the pass stands in it. That can only cost time, never let anything through, because what it
compares is the exact bytes of a token verified before. Whatever is not at once and certainly good goes to the careful
`Guard`.

What a good pass costs here: one walk over the headers from behind (cookies stand late), two partitions, one look-up,
one clock, one number in shared memory, one look for our prefix in the path. No await of its own, no wrapped ``send``,
nothing kept, no I/O. It is an ``async def`` closure and not a class, because calling an instance costs three times as
much, and not a plain ``def``, because servers look for a coroutine function.
"""

from __future__ import annotations

from consentgate.gate.cookies import PLAIN_NAME, SECURE_NAME
from consentgate.gate.guard import Guard
from consentgate.gate.hooks import ASGIApp, Hooks, Receive, Scope, Send
from consentgate.gate.options import GateOptions, GateState


def build_gate(app: ASGIApp, *, state: GateState, hooks: Hooks, options: GateOptions | None = None) -> ASGIApp:
    """Put the gate before an application.

    Args:
        app: what it protects.
        state: what changes while it runs.
        hooks: the house around it.
        options: how it behaves.

    Returns:
        The ASGI application to serve instead of ``app``.
    """
    options = options or GateOptions()
    guard = Guard(app, state, hooks, options)
    app, careful = guard.app, guard.__call__
    watch = guard.watch
    cell = state.generation.cell
    clock = options.clock
    prefix = options.prefix
    who = options.subject
    needles = _needles(options.secure)

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        good = False
        try:
            for name, value in reversed(scope["headers"]):
                if name == b"cookie":
                    before, _, after = value.partition(needles[scope["scheme"]])
                    epoch = watch.epoch
                    good = (
                        after.partition(b";")[0] in epoch.passes.young
                        and (not before or before[-2:] == b"; ")
                        and clock() < epoch.deadline
                        and cell[0] == epoch.generation
                        and prefix not in scope["path"]
                    )
                    break
        except Exception:  # noqa: BLE001, S110 - no headers (lifespan), no scheme: whatever it is, look carefully
            pass
        await (app if good else careful)(scope, receive, send)

    if who is None:
        return gate

    async def gate_with_subject(scope: Scope, receive: Receive, send: Send) -> None:
        good = False
        try:
            for name, value in reversed(scope["headers"]):
                if name == b"cookie":
                    before, _, after = value.partition(needles[scope["scheme"]])
                    epoch = watch.epoch
                    passes = epoch.passes.young
                    token = after.partition(b";")[0]
                    good = (
                        token in passes
                        and (not before or before[-2:] == b"; ")
                        and clock() < epoch.deadline
                        and cell[0] == epoch.generation
                        and prefix not in scope["path"]
                        and passes[token] == who(scope)
                    )
                    break
        except Exception:  # noqa: BLE001, S110 - the careful look asks `who` again, and tells of its error
            pass
        await (app if good else careful)(scope, receive, send)

    return gate_with_subject


def _needles(secure: bool | None) -> dict[str, bytes]:
    """What to look for in a cookie header, by scheme."""
    https, http = (f"{name}=".encode() for name in (SECURE_NAME, PLAIN_NAME))
    if secure is not None:
        https = http = https if secure else http
    return {"https": https, "wss": https, "http": http, "ws": http}
