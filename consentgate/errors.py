"""Every error consentgate raises, as one tree.

Room: the ground floor. It imports nothing of consentgate; every other room imports it.

    ConsentGateError
    ├── ConfigurationError        the application was set up wrongly; start-up is refused
    ├── InputError                something handed to us cannot be used as it is
    │   ├── TextError             a text is not valid UTF-8, too large, has a NUL …
    │   ├── CanonicalError        a record cannot be written canonically (RFC 8785, restricted)
    │   ├── DraftError            a draft file is malformed; names file and line
    │   ├── PublishError          drafts are well-formed but may not be published like this
    │   │   └── ImmutableError    a published text would change
    │   └── DecisionError         the decision is not one this offer allows
    ├── NotFoundError             no such policy, version, text, receipt …
    ├── SealError                 a sealed value (pass, offer, return address) does not open
    │   └── OfferExpiredError     an offer is older than its lifetime
    ├── TermsChangedError         something was published between view and click
    ├── HeldError                 a legal hold forbids to erase this
    ├── ConflictError             somebody else changed what this was based on
    │   └── PreconditionError     the entity tag that was sent is not that of what is there
    ├── AccessError               an administrator is needed
    │   ├── UnauthenticatedError  no or no valid credentials
    │   ├── ForbiddenError        valid credentials without the right role
    │   └── ThrottledError        too many sign-ins failed
    ├── StoreError                the shelves
    │   ├── StoreUnavailableError the database cannot be reached or written
    │   ├── OverloadedError       the queue is full; try again
    │   └── RewindError           the database is older than what we remember of it
    └── VerificationError         evidence that does not verify (the only error of `evidence`'s checks)

Each error carries data. ``str()`` is one line for a log, ``hint`` says what to do, ``problem()`` is the same
error as an RFC 9457 document, so command line, pages and API say the same thing.
"""

from __future__ import annotations

from typing import Any, ClassVar

PROBLEM_BASE = "https://consentgate.dev/problems/"


class ConsentGateError(Exception):
    """Base of every error of this package.

    Args:
        message: one line, no trailing full stop needed.
        hint: what the reader can do about it.
        **data: facts for machines; kept in ``data`` and shown in the problem document.
    """

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data: dict[str, Any] = data
        if hint:
            self.add_note(f"hint: {hint}")  # so that a traceback at start-up says it too; `str()` stays one line

    def problem(self) -> dict[str, Any]:
        """This error as an RFC 9457 problem document."""
        document: dict[str, Any] = {
            "type": PROBLEM_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": str(self),
        }
        if self.hint:
            document["hint"] = self.hint
        document.update({key: value for key, value in self.data.items() if value is not None})
        return document


class ConfigurationError(ConsentGateError):
    """The application was set up wrongly; start-up is refused."""

    slug = "configuration"
    title = "consentgate is not set up correctly"


class InputError(ConsentGateError):
    """Something handed to us cannot be used as it is."""

    slug = "invalid-input"
    title = "The input cannot be used"
    status = 422


class TextError(InputError):
    """A text is not valid UTF-8, has a NUL, or is too large."""

    slug = "invalid-text"
    title = "The text cannot be used"


class CanonicalError(InputError):
    """A value has no canonical form under our restriction of RFC 8785."""

    slug = "not-canonical"
    title = "The record has no canonical form"


class DraftError(InputError):
    """A draft or policy file is malformed.

    Args:
        file: the name of the file as the author knows it.
        line: 1-based line the error was found on, or ``None`` where the whole file is meant.
    """

    slug = "invalid-draft"
    title = "The draft is malformed"

    def __init__(self, message: str, *, file: str, line: int | None = None, hint: str = "", **data: Any) -> None:
        super().__init__(message, hint=hint, file=file, line=line, **data)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class PublishError(InputError):
    """Well-formed drafts that may not be published like this."""

    slug = "cannot-publish"
    title = "This cannot be published"


class ImmutableError(PublishError):
    """A published text would change; corrections are new versions."""

    slug = "published-is-immutable"
    title = "A published version cannot be changed"
    status = 409


class NotFoundError(ConsentGateError):
    """There is no such policy, version, text or receipt."""

    slug = "not-found"
    title = "Not found"
    status = 404


class SealError(ConsentGateError):
    """A sealed value (pass, offer, return address) does not open with any of our keys."""

    slug = "seal-broken"
    title = "This was not sealed by us"
    status = 400


class OfferExpiredError(SealError):
    """An offer is older than its lifetime (at least 20 hours, WCAG 2.2.1)."""

    slug = "offer-expired"
    title = "This page was open too long"
    status = 409


class TermsChangedError(ConsentGateError):
    """Something was published between view and click: nothing is recorded, the new offer is shown."""

    slug = "terms-changed"
    title = "The terms changed while you were reading"
    status = 409


class DecisionError(InputError):
    """The decision is not one this offer allows, or the box was not ticked."""

    slug = "decision-not-possible"
    title = "This decision is not possible"


class HeldError(ConsentGateError):
    """A legal hold forbids to erase this; nothing was erased."""

    slug = "held"
    title = "This is under a legal hold"
    status = 409


class ConflictError(ConsentGateError):
    """Somebody else changed what this was based on; nothing was done. Look again, then decide again."""

    slug = "conflict"
    title = "Somebody else changed this"
    status = 409


class PreconditionError(ConflictError):
    """The entity tag that was sent (``If-Match``) is not that of what is there; nothing was done.

    Args:
        etag: of what is there, or ``None`` where nothing is.
    """

    slug = "changed-meanwhile"
    status = 412

    def __init__(self, message: str, *, etag: str | None = None, hint: str = "", **data: Any) -> None:
        super().__init__(message, hint=hint, etag=etag, **data)
        self.etag = etag


class AccessError(ConsentGateError):
    """An administrator is needed here."""

    slug = "access"
    title = "Administrators only"
    status = 403


class UnauthenticatedError(AccessError):
    """No credentials, or none that are valid."""

    slug = "unauthenticated"
    title = "Credentials are needed"
    status = 401


class ForbiddenError(AccessError):
    """Valid credentials, but without the role this needs."""

    slug = "forbidden"
    title = "Your role does not allow this"
    status = 403


class ThrottledError(AccessError):
    """Too many sign-ins failed from one address, or altogether.

    Args:
        retry_after: seconds.
    """

    slug = "throttled"
    title = "Too many attempts"
    status = 429

    def __init__(self, message: str, *, retry_after: int = 60, hint: str = "", **data: Any) -> None:
        hint = hint or f"try again in {retry_after} seconds"
        super().__init__(message, hint=hint, retry_after=retry_after, **data)
        self.retry_after = retry_after


class StoreError(ConsentGateError):
    """The shelves: the database failed or refused."""

    slug = "store"
    title = "The record cannot be kept right now"
    status = 503


class StoreUnavailableError(StoreError):
    """The database cannot be reached or written."""

    slug = "store-unavailable"


class OverloadedError(StoreError):
    """The bounded queue of decisions is full; nothing was recorded, try again.

    Args:
        retry_after: seconds.
    """

    slug = "overloaded"
    title = "Too many decisions at once"

    def __init__(self, message: str, *, retry_after: int = 2, hint: str = "", **data: Any) -> None:
        super().__init__(message, hint=hint, retry_after=retry_after, **data)
        self.retry_after = retry_after


class RewindError(StoreError):
    """The database is older than what we remember of it, or holds another history under the same name."""

    slug = "rewind"
    title = "The ledger went back in time"


class VerificationError(ConsentGateError):
    """Evidence that does not verify. The only error that the checks of ``consentgate.evidence`` raise."""

    slug = "verification-failed"
    title = "This evidence does not verify"
    status = 422
