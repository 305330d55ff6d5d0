"""Who administers: an id and roles, from the host or from a token.

Room: service (pure). Every verb of `consentgate.service.administration` is told by whom it is done.

    auditor     reads everything and exports
    editor      writes drafts and previews them
    publisher   editor; and publishes, schedules, cancels, retires, approves
    owner       all of that; and erases, holds, and manages tokens
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from consentgate.errors import ConfigurationError, ForbiddenError

Role = Literal["auditor", "editor", "publisher", "owner"]

ROLES: tuple[Role, ...] = get_args(Role)

IMPLIES: dict[str, frozenset[str]] = {
    "auditor": frozenset({"auditor"}),
    "editor": frozenset({"editor"}),
    "publisher": frozenset({"editor", "publisher"}),
    "owner": frozenset(ROLES),
}
"""What each role may do, by the roles that are asked for."""

MAX_ID_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who does something.

    Args:
        id: stable and opaque: the host's, or ``token:…``. It stands in the ledger as a commitment.
        roles: some of `ROLES`.
        label: how people call them.
        person: whose hand it is, where that is somebody else's id: two tokens of one person are one person.

    Raises:
        ConfigurationError: no id, or a role that does not exist.
    """

    id: str
    roles: frozenset[str]
    label: str = ""
    person: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.id) <= MAX_ID_LENGTH or not self.id.isprintable():
            raise ConfigurationError(
                f"an administrator's id must have 1 to {MAX_ID_LENGTH} printable characters",
                hint="return a stable opaque id from admin=, such as the primary key of the user",
            )
        object.__setattr__(self, "roles", frozenset(self.roles))
        if unknown := self.roles - set(ROLES):
            raise ConfigurationError(
                f"there is no role {', '.join(sorted(unknown))[:60]!r}", hint=f"one of {', '.join(ROLES)}"
            )

    @property
    def hand(self) -> str:
        """The person behind it: who proposed a publication may not approve it by another token."""
        return self.person or self.id

    @property
    def name(self) -> str:
        """The label, or the id."""
        return self.label or self.id

    def may(self, *roles: Role) -> bool:
        """Whether one of these roles is theirs, or implied by one that is."""
        allowed = frozenset().union(*(IMPLIES[role] for role in self.roles))
        return not allowed.isdisjoint(roles)

    def require(self, *roles: Role) -> None:
        """Demand one of these roles.

        Raises:
            ForbiddenError: they have none of them.
        """
        if not self.may(*roles):
            needed, has = " or ".join(roles), ", ".join(sorted(self.roles)) or "no role"
            raise ForbiddenError(
                f"this needs the role {needed}; {self.name!r} has {has}",
                hint=f"make a token with `consentgate token new --role {roles[0]}`, or ask whoever gives out roles",
                role=roles[0],
            )


AdministratorOf: TypeAlias = Callable[[Mapping[str, Any]], Administrator | Awaitable[Administrator | None] | None]
"""The host's ``admin=``: from the ASGI scope of a request to who administers, or ``None``. It may be a coroutine."""


async def host_administrator(admin: AdministratorOf | None, scope: Mapping[str, Any]) -> Administrator | None:
    """The administrator whom the host recognises in a request, or ``None``.

    Raises:
        ConfigurationError: ``admin=`` returned something else.
    """
    found = admin(scope) if admin is not None else None
    if inspect.isawaitable(found):
        found = await found
    if found is None or isinstance(found, Administrator):
        return found
    raise ConfigurationError(
        f"admin= returned {type(found).__name__}", hint="return consentgate.Administrator(id, roles), or None"
    )
