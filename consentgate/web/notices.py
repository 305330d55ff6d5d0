"""Pages that say one thing: declined, nothing to decide, your form is ready, something went wrong.

Room: web (pure). All of them are shown by ``message.html``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consentgate.errors import AccessError, ConsentGateError, NotFoundError, StoreError
from consentgate.web.kept import Resend
from consentgate.web.present import Choice, _
from consentgate.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Action:
    """A link to go on with; the first of a page looks like a button."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ResendForm:
    """The one button that sends a kept form on."""

    action: str
    fields: list[tuple[str, str]]
    charset: str
    label: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """What ``message.html`` shows."""

    heading: str
    paragraphs: list[str]
    actions: list[Action] = field(default_factory=list)
    resend: ResendForm | None = None
    open_paths: tuple[str, ...] = ()
    languages: list[Choice] = field(default_factory=list)


def ready_page(visit: Visit, resend: Resend) -> MessagePage:
    """Decided, and the form that met the gate is ready to be sent by one button."""
    say = visit.words.say
    return MessagePage(
        heading=say(_("Your form is ready")),
        paragraphs=[
            say(
                _(
                    "Your decision is recorded. The form you were sending before has been kept; "
                    "it has not been sent yet."
                )
            ),
            say(_("It goes to: %(address)s"), address=resend.action.partition("?")[0]),
        ],
        resend=ResendForm(resend.action, resend.fields, resend.charset, say(_("Send my form now"))),
    )


def settled_page(visit: Visit, target: str, *, lost: bool = False) -> MessagePage:
    """There is nothing to decide (any more)."""
    say = visit.words.say
    paragraphs = [say(_("There is nothing that needs your decision at the moment."))]
    if lost:
        paragraphs = [
            say(_("Your decision is recorded.")),
            say(
                _(
                    "The form you were sending could not be kept, because it was begun by somebody else. "
                    "It was not sent."
                )
            ),
        ]
    return MessagePage(
        heading=say(_("All is settled")),
        paragraphs=paragraphs,
        actions=[Action(say(_("Continue")), target), Action(say(_("My agreements")), f"{visit.base}/mine")],
    )


def declined_page(visit: Visit, open_paths: tuple[str, ...], *, left: bool) -> MessagePage:
    """What declining means, and what stays open."""
    say = visit.words.say
    return MessagePage(
        heading=say(_("You have not decided")) if left else say(_("You declined")),
        paragraphs=[
            say(_("Nothing has been recorded.")) if left else say(_("Your decision is recorded.")),
            say(
                _(
                    "The parts of our website that need your agreement stay closed to you until you decide otherwise. "
                    "What you agreed to before goes on for what happened until now. "
                    "You can change your decision at any time."
                )
            ),
        ],
        actions=[
            Action(say(_("Read the texts again")), f"{visit.base}/review"),
            Action(say(_("My agreements")), f"{visit.base}/mine"),
        ],
        open_paths=open_paths,
    )


def error_page(visit: Visit, error: ConsentGateError) -> MessagePage:
    """An error in the reader's language; the exact words of the program stay in the problem document and the log."""
    say = visit.words.say
    home = [Action(say(_("All our texts")), visit.base), Action(say(_("Home page")), visit.home)]
    if isinstance(error, NotFoundError):
        return MessagePage(say(_("There is no such page")), [say(_("The address may have been mistyped."))], home)
    if isinstance(error, AccessError):
        line = say(
            _("The form came from another website, so we did not accept it. Please open the page here and decide.")
        )
        return MessagePage(
            say(_("This was not accepted")), [line], [Action(say(_("Open the page")), f"{visit.base}/review")]
        )
    if isinstance(error, StoreError):
        line = say(_("Nothing has been recorded. Please try again in a few minutes."))
        return MessagePage(say(_("We cannot keep records at this moment")), [line], home)
    return MessagePage(say(_("This did not work")), [say(_("Nothing has been recorded."))], home)
