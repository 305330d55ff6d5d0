"""An application behind the gate that records a decision for each request, served by `test_shutdown`.

Where ``CONSENTGATE_TEST_CAPACITY`` is set, no more than so many decisions may wait.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from consentgate.app import ConsentGate
from consentgate.errors import OverloadedError
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET

SETTINGS = Settings(os.environ["CONSENTGATE_TEST_DATABASE"], (SECRET.encode(),), exempt=("/record",))
terms = Terms(SETTINGS)
# Each transaction takes a moment, so that some decisions always wait when the end comes.
terms.on_step = lambda step: time.sleep(0.05 if step == "before-commit" else 0)


async def record(scope: Any, receive: Any, send: Any) -> None:
    """Record one decision, and answer with its ref."""
    if scope["type"] != "http":
        return
    writer = terms.engine.writer
    writer._capacity = int(os.environ.get("CONSENTGATE_TEST_CAPACITY", writer._capacity))
    os.write(1, b"entered\n")
    try:
        entry = await terms.record(Subject(scope["query_string"].decode()), "terms")
        status, headers, body = 200, [], {"ref": entry.ref.hex()}
    except OverloadedError as error:
        status, headers, body = 503, [(b"retry-after", str(error.retry_after).encode())], error.problem()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


app = ConsentGate(record, terms=terms)
