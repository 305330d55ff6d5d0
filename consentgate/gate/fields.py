"""The header fields of a request as a mapping.

Room: gate (pure).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Fields = Mapping[bytes, bytes]
"""Header fields by lower-case name. Of a repeated one the last counts; cookie fields are joined."""


def fields_of(headers: Sequence[tuple[bytes, bytes]]) -> Fields:
    """The fields of a request.

    HTTP/2 and HTTP/3 may split the cookie field for compression; what came in pieces is joined again, as RFC 9113
    §8.2.3 and RFC 9114 §4.2.1 ask for.

    Args:
        headers: as in an ASGI scope, names in lower case.
    """
    fields = dict(headers)
    if len(fields) != len(headers) and b"cookie" in fields:
        fields[b"cookie"] = b"; ".join([value for name, value in headers if name == b"cookie"])
    return fields


def cookie_field(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The last cookie field of a request; empty when there is none."""
    for name, value in reversed(headers):
        if name == b"cookie":
            return value
    return b""
