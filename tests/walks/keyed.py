"""An application behind the gate whose sealing keys are in a file, served by `test_keys_are_rotated`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from consentgate.app import ConsentGate


async def hello(scope: Any, _receive: Any, send: Any) -> None:
    """Say hello."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"hello"})


app = ConsentGate(
    hello, database=os.environ["CONSENTGATE_TEST_DATABASE"], secret=Path(os.environ["CONSENTGATE_TEST_KEYS"])
)
