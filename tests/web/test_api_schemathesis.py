"""The API answers what its OpenAPI description says, whatever is sent (schemathesis, with the rights of an owner).

For each operation: values that fit the description and values that do not, for things that exist and things that do
not. Never a 5xx, an undocumented status or content type, or a document that its schema does not allow. The examples
are the same in each run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from consentgate.service.administrators import Administrator
from tests.web.conftest import Site
from tests.web.test_api_roles import BASE, TABLE

EXAMPLES = 12
"""For each operation and each mode."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

EDITH = Administrator("edith", frozenset({"publisher"}))
DRAFT = b"---\nimpact: material\neffective: 2031-01-01\n---\n# Terms\n\nNew words.\n"


@dataclass
class Served:
    """A site, its description, and what exists on it."""

    client: TestClient
    schema: Any
    known: dict[str, str]


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two versions, decisions, a draft, a proposal, a token."""
    with Site(tmp_path_factory.mktemp("openapi"), approvals=1) as site:
        site.publish_old()
        site.accept("ada")
        site.publish_new()
        site.accept("bob")
        draft = site.run(site.terms.admin.put_draft, EDITH, "terms-of-use", "2031-01-01", "en", DRAFT)
        proposal = site.run(site.terms.admin.publish, EDITH, [draft.ref]).proposal
        token = site.run(site.terms.new_token, "auditor", "somebody else").id
        client = site.browser()
        client.headers["authorization"] = f"Bearer {site.run(site.terms.new_token, 'owner', 'tests').secret}"
        document = client.get(f"{BASE}/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url="https://kettle.example")
        known = {
            "policy": "terms-of-use", "version": "2031-01-01", "language": "en", "proposal": proposal.id,
            "subject": "user:ada", "token": token,
        }  # fmt: skip
        yield Served(client, schema, known)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), TABLE, ids=[f"{method} {path}" for method, path in TABLE])
def test_an_operation_answers_what_it_says(served: Served, method: str, path: str, mode: GenerationMode) -> None:
    """As described, for every request."""
    operation = served.schema[BASE + path.replace(":path}", "}")][method]

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), exists=st.booleans())
    def check(case: Any, exists: bool) -> None:
        if exists:
            _of_what_exists(served, case, positive=mode is GenerationMode.POSITIVE)
        response = _send(served.client, case)
        case.validate_response(response, checks=CHECKS)

    check()


def _of_what_exists(served: Served, case: Any, *, positive: bool) -> None:
    """Let a request be about something that is there; and with what the description gives as its example."""
    known = served.known | ({"version": "2024-06-24"} if "/policies/" in case.path else {})
    for name in case.path_parameters or {}:
        case.path_parameters[name] = known[name]
    if positive:
        for name in set(case.query or {}) & {"policy", "subject", "version"}:
            case.query[name] = known[name]
        content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
        case.body = content.get(case.media_type, {}).get("example", case.body)


def _send(client: TestClient, case: Any) -> Any:
    """Send it as it would travel."""
    wanted = case.as_transport_kwargs(headers=dict(client.headers))
    names = ("method", "url", "params", "data", "json", "headers", "cookies")
    sent = requests.Request(**{name: wanted[name] for name in names if name in wanted}).prepare()
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    return client.request(str(sent.method), str(sent.url), content=body, headers=dict(sent.headers))


def test_the_checks_refuse_an_answer_that_is_not_described(served: Served) -> None:
    """With 404 struck from the description, the same request that was fine is found."""
    document = json.loads(json.dumps(served.schema.raw_schema))
    del document["paths"][f"{BASE}/policies/{{policy}}"]["get"]["responses"]["404"]
    told = schemathesis.openapi.from_dict(document)
    told.config.update(base_url="https://kettle.example")
    for schema, fine in ((served.schema, True), (told, False)):
        case = schema[f"{BASE}/policies/{{policy}}"]["GET"].Case(path_parameters={"policy": "nothing"})
        response = _send(served.client, case)
        if fine:
            case.validate_response(response, checks=CHECKS)
        else:
            with pytest.raises(FailureGroup, match="Undocumented status code"):
                case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize("act", ["erase", "hold", "release"])
def test_a_subject_with_a_line_break_is_answered_as_described(served: Served, act: str) -> None:
    """No address of ours has one: 404, which the description says of every operation on a subject."""
    answer = served.client.post(f"{BASE}/subjects/user:a%0A/{act}", json={"basis": "asked"})

    assert answer.status_code == 404
    assert "404" in served.schema.raw_schema["paths"][f"{BASE}/subjects/{{subject}}/{act}"]["post"]["responses"]
