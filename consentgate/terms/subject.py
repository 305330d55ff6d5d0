"""Who decides: a subject, as an opaque id.

Room: terms (pure). The id is the host's (a user id, a service name) or ours (a random visitor id); we never look
inside it, and it stands in the ledger only as a commitment.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consentgate.errors import InputError

MAX_ID_LENGTH = 256


class SubjectKind(StrEnum):
    """What kind of subject decides."""

    USER = "user"
    VISITOR = "visitor"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Subject:
    """The person or device that decides.

    Args:
        id: opaque, 1 to 256 characters. Unique within its kind.
        kind: ``user`` (signed in), ``visitor`` (a device with a sealed random id) or ``service`` (a token, a bot).
        tags: labels audiences can ask for, such as ``{"business", "eu"}``.
        acting_for: the organisation or person on whose behalf the subject decides.
        authority: on what ground it may do so ("account representative").
        impersonated_by: the administrator who is looking through this subject's eyes; such a request cannot decide.
        sign_in: how the subject was identified ("password", "oidc:google"), kept as a commitment.
    """

    id: str
    kind: SubjectKind = SubjectKind.USER
    tags: frozenset[str] = frozenset()
    acting_for: str | None = None
    authority: str | None = None
    impersonated_by: str | None = None
    sign_in: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.id) <= MAX_ID_LENGTH or "\0" in self.id:
            raise InputError(
                f"a subject id must have 1 to {MAX_ID_LENGTH} characters and no NUL",
                hint="return a stable opaque id, such as the primary key of the user",
            )

    @property
    def key(self) -> str:
        """Kind and id in one string: what look-ups and passes are bound to."""
        return f"{self.kind.value}:{self.id}"


def parse_subject(text: str) -> Subject:
    """Read a subject as people write it: ``user:42``, ``service:cron``, ``visitor:…``, or a bare user id.

    Raises:
        InputError: an id that cannot be one.
    """
    kind, colon, name = text.partition(":")
    return Subject(name, SubjectKind(kind)) if colon and kind in set(SubjectKind) else Subject(text)
