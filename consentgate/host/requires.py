"""``requires("dpa")``: a policy that single routes demand, beside those the gate demands of everybody.

Room: host; spoken to by FastAPI and Starlette, and through `Requires.stopped` by any framework whose requests have a
``scope``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from consentgate.errors import ConfigurationError, ConsentGateError
from consentgate.gate.answers import PROBLEM_TYPE
from consentgate.gate.hooks import Scope
from consentgate.host.reception import reception_of
from consentgate.host.stop import Stop
from consentgate.terms.policy import SLUG


class TermsRequiredError(ConsentGateError):
    """A route demands a policy that was not accepted. Starlette and FastAPI answer it with its `stop`.

    Args:
        stop: the answer.
    """

    slug = PROBLEM_TYPE.rpartition("/")[2]
    title = "Terms acceptance required"
    status = 403

    def __init__(self, stop: Stop) -> None:
        super().__init__(f"{stop.policy} must be accepted first", hint="accept it at accept_url", policy=stop.policy)
        self.stop = stop

    def problem(self) -> dict[str, Any]:
        """The same document that the gate sends."""
        return self.stop.problem()


class Requires:
    """The demand for one policy; make it with `requires`.

    Args:
        policy: slug.
    """

    def __init__(self, policy: str) -> None:
        if SLUG.fullmatch(policy) is None:
            raise ConfigurationError(f"{policy!r} is no policy slug", hint="a-z, 0-9 and hyphens, at most 64")
        self.policy = policy
        # FastAPI reads the signature of a dependency; written out, no annotation is left to be resolved.
        parameter = inspect.Parameter(
            "connection", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=HTTPConnection
        )  # fmt: skip
        self.__signature__ = inspect.Signature([parameter])

    async def __call__(self, connection: HTTPConnection) -> None:
        """Let through who has accepted; also ``await requires("dpa")(request)`` inside a route.

        Raises:
            TermsRequiredError: who asks has not; Starlette and FastAPI turn it into the answer.
            ConfigurationError: no such policy, or the request did not come through a gate.
        """
        stop = await self.stopped(connection.scope)
        if stop is not None:
            # The innermost application's own table, as `add_exception_handler` fills it: mounted ones have theirs.
            handlers = connection.scope.get("starlette.exception_handlers")
            if handlers is not None:
                handlers[0].setdefault(TermsRequiredError, _answer)
            raise TermsRequiredError(stop)

    async def stopped(self, scope: Scope) -> Stop | None:
        """The answer to a request that may not go on, or ``None``: for any framework.

        Args:
            scope: ``request.scope``.

        Raises:
            ConfigurationError: no such policy, or the request did not come through a gate.
        """
        reception = reception_of(scope)
        if reception is None:
            raise ConfigurationError(
                f"a route requires {self.policy!r}, but the request came through no gate that could be asked",
                hint="wrap the application with ConsentGate, and let the server send lifespan",
            )
        verdict = await reception.demand(scope, self.policy)
        return None if verdict is None else Stop(reception, scope, self.policy, verdict)

    def before(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a Starlette endpoint: a function, coroutine or not, or a method of an endpoint class."""

        @functools.wraps(endpoint)
        async def demanding(*args: Any, **kwargs: Any) -> Any:
            connection = next(one for one in (*args, *kwargs.values()) if isinstance(one, HTTPConnection))
            stop = await self.stopped(connection.scope)
            if stop is None:
                if inspect.iscoroutinefunction(endpoint):
                    return await endpoint(*args, **kwargs)
                return await run_in_threadpool(endpoint, *args, **kwargs)
            if connection.scope["type"] != "websocket":
                return stop
            return await _answer(connection, TermsRequiredError(stop))

        return demanding


def requires(policy: str) -> Requires:
    """Demand a policy on single routes.

    FastAPI: ``@app.post("/projects", dependencies=[Depends(requires("dpa"))])``. Starlette:
    ``@requires("dpa").before``. Others: ``await requires("dpa").stopped(request.scope)``.

    To keep the gate itself from demanding it everywhere, give the policy an audience with a tag that no subject has::

        [audience]
        tags = ["on-demand"]

    Args:
        policy: slug.

    Raises:
        ConfigurationError: that is no slug.
    """
    return Requires(policy)


async def _answer(connection: Any, error: Exception) -> Stop | None:
    """The exception handler: a response for requests; a WebSocket is denied at once."""
    assert isinstance(error, TermsRequiredError)  # noqa: S101 - it is registered for these alone
    if connection.scope["type"] != "websocket":
        return error.stop
    await error.stop(connection.scope, connection.receive, connection.send)
    return None
