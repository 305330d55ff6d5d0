"""How the review page opens: kicker, title and first sentence, worded by the most pressing state.

Room: web (pure). An update is worded differently from a first time, and "you may wait" differently from "you must".
"""

from __future__ import annotations

from collections.abc import Sequence

from consentgate.service.holdings import State
from consentgate.service.offer import OfferItem
from consentgate.terms.policy import Kind
from consentgate.web.present import _
from consentgate.web.render import Words, localised_day


def opening(items: Sequence[OfferItem], words: Words) -> tuple[str, str, str]:
    """Kicker, title and first sentence; worded by the most pressing state of the items."""
    gating = [item for item in items if item.policy.kind.gates] or list(items)
    state = min((item.state for item in gating), key=list(_PRESSING).index)
    one = gating[0].translation.title if len(gating) == 1 else ""
    lead = next(item for item in gating if item.state is state)
    values = {
        "title": one,
        "effective": localised_day(lead.version.effective, words.language),
        "enforced": localised_day(lead.version.enforced, words.language),
    }
    updated = any(item.updated for item in gating)
    kinds = {item.policy.kind for item in gating}
    heading, several = (
        (_("Updates to our %(title)s"), _("Updates to our terms")) if updated else (_("Our %(title)s"), _("Our terms"))
    )
    kicker, first, many = _wording(state, updated=updated, kinds=kinds)
    return (
        words.say(kicker, **values),
        words.say(heading if one else several, **values),
        words.say(first if one else many, **values),
    )


_PRESSING = (State.REQUIRED, State.DECLINED, State.EXPIRED, State.GRACE, State.ANNOUNCED, State.CURRENT)


def _wording(state: State, *, updated: bool, kinds: set[Kind]) -> tuple[str, str, str]:
    """The messages of a state: kicker, first sentence for one text, first sentence for several."""
    if kinds == {Kind.CONSENT}:
        line = _("This is up to you; the site stays open to you either way.")
        return _("Your choice"), line, line
    if state is State.DECLINED:
        return (
            _("You declined"),
            _("You declined our %(title)s. You can read it again here and change your decision."),
            _("You declined some of our texts. You can read them again here and change your decision."),
        )
    if state is State.EXPIRED:
        return (
            _("To be confirmed again"),
            _("It has been a while since you accepted our %(title)s. Please review it and confirm it once more before "
              "proceeding to our website."),
            _("It has been a while since you accepted our terms. Please review them and confirm them once more before "
              "proceeding to our website."),
        )  # fmt: skip
    if state is State.GRACE:
        return (
            _("In force, your decision can wait"),
            _("Our %(title)s changed on %(effective)s. Please review what changed. You can go on without deciding "
              "until %(enforced)s."),
            _("Some of our terms changed. Please review what changed. You can go on without deciding "
              "until %(enforced)s."),
        )  # fmt: skip
    if state is State.ANNOUNCED:
        return (
            _("Announced"),
            _("Our %(title)s will change on %(effective)s. You can accept the new text now; until then the present one "
              "applies."),
            _("Our terms will change on %(effective)s. You can accept the new texts now; until then the present ones "
              "apply."),
        )  # fmt: skip
    if kinds == {Kind.NOTICE}:
        return (
            _("For your information"),
            _("Please read our %(title)s before proceeding to our website."),
            _("Please read the following texts before proceeding to our website."),
        )
    if updated:
        return (
            _("Before you go on"),
            _(
                "We are updating our %(title)s. Please carefully review the updated text before proceeding "
                "to our website."
            ),
            _("We are updating our terms. Please carefully review the updated texts before proceeding to our website."),
        )
    return (
        _("Before you go on"),
        _("Please carefully read our %(title)s before proceeding to our website."),
        _("Please carefully read our terms before proceeding to our website."),
    )
