"""What else is known about a decision, and how little of it is kept.

Room: service. Everything here is personal: it enters the ledger as commitments only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from consentgate.terms.subject import Subject

MAX_USER_AGENT = 400


@dataclass(frozen=True, slots=True)
class Facts:
    """Circumstances of a decision, as the web room sees them.

    Args:
        ip: address of the client, or ``None``.
        user_agent: header, or ``None``.
        session: the host's reference to its session, or ``None``.
        method: ``checkbox-button``, ``api`` or ``import``.
    """

    ip: str | None = None
    user_agent: str | None = None
    session: str | None = None
    method: Literal["checkbox-button", "api", "import"] = "api"


def personal_fields(
    subject: Subject, facts: Facts, *, record_ip: Literal["none", "truncated", "full"], record_user_agent: bool
) -> dict[str, str]:
    """The fields to commit to: those that are known, and wanted."""
    fields = {
        "subject": subject.id,
        "subject_kind": subject.kind.value,
        "acting_for": subject.acting_for,
        "authority": subject.authority,
        "sign_in": subject.sign_in,
        "session": facts.session,
        "ip": shorten_ip(facts.ip, record_ip),
        "user_agent": facts.user_agent[:MAX_USER_AGENT] if record_user_agent and facts.user_agent else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def shorten_ip(ip: str | None, mode: Literal["none", "truncated", "full"]) -> str | None:
    """The address as the operator wants it kept: not at all, as its network (/24, /48), or whole.

    >>> shorten_ip("203.0.113.77", "truncated"), shorten_ip("203.0.113.77", "none")
    ('203.0.113.0/24', None)
    """
    if mode == "none" or not ip:
        return None
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None  # a UNIX socket, or something forged: nothing worth keeping
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if mode == "full":
        return str(address)
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))
