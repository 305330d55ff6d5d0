"""The answer of a route that demands a policy which was not accepted: an ASGI application, and plain values.

Room: host. The answers are the gate's own, made by the same code; only the review page they lead to asks about the one
policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consentgate.gate import answers
from consentgate.gate.hooks import Message, Receive, Scope, Send, tell
from consentgate.gate.verdict import Verdict
from consentgate.gate.wants import Want, htmx_return, want
from consentgate.host.reception import Reception


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as plain values, for frameworks whose responses are no ASGI applications.

    Args:
        status: HTTP status.
        headers: names and values, in order.
        body: bytes.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Stop:
    """What a request gets that may not go on: 303, the review page, or a problem document (DESIGN §6).

    It is an ASGI application, so Starlette and FastAPI can return it as a response.

    Args:
        reception: of the gate.
        scope: of the request.
        policy: slug of the policy that is demanded.
        verdict: why.
    """

    def __init__(self, reception: Reception, scope: Scope, policy: str, verdict: Verdict) -> None:
        self._reception = reception
        self._scope = reception.outside(scope)
        self.policy = policy
        self.verdict = verdict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer."""
        ours = self._scope
        fields = dict(ours["headers"])
        wanted = Want.PROBLEM if ours["type"] == "websocket" else want(ours["method"], fields)
        if wanted is Want.PAGE:
            await answers.see_other(send, self._review(answers.target_of(ours)))
        elif wanted in (Want.FORM, Want.LOST_FORM):
            # The application has read the form already; it cannot be kept, and the page says so. On the way of a good
            # pass the gate told nothing, and the page must know whose it is.
            tell(ours, self._reception.guest(ours).told(self.verdict))
            await self._reception.review(ours, receive, send, verdict=self.verdict, only=self.policy)
        else:
            headers: tuple[answers.Header, ...] = ()
            if wanted is Want.HTMX:
                back = htmx_return(ours["method"], answers.target_of(ours), fields)
                headers = ((b"hx-redirect", self._review(back)),)
            await answers.problem(ours, send, self.problem(), headers=headers)

    def problem(self) -> dict[str, Any]:
        """The problem document (RFC 9457), as the gate writes it."""
        pages = self._reception.addresses.pages(self._scope, dict(self._scope["headers"]))
        document = answers.describe(self.verdict, self._reception.terms.calendar, pages)
        for part in (document, *document["policies"]):
            part["accept_url"] = f"{pages}/review?policy={self.policy}"
        return document

    async def render(self) -> Rendered:
        """The answer as plain values."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self(self._scope, receive, send)
        start = sent[0]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return Rendered(start["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))

    def _review(self, back: str) -> bytes:
        return self._reception.addresses.review(self._scope, back) + f"&policy={self.policy}".encode("ascii")
