"""What a template needs to say that the terms are about to change.

Room: host. In memory: no query, no wait, so it may stand on every page.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consentgate.gate import answers
from consentgate.gate.verdict import Item, State
from consentgate.host.reception import Reception, reception_of
from consentgate.terms.instants import to_datetime
from consentgate.terms.policy import Version

log = logging.getLogger("consentgate")

_PRESSING = (State.REQUIRED, State.EXPIRED, State.GRACE, State.ANNOUNCED)
_COMING = frozenset((State.GRACE, State.ANNOUNCED))


@dataclass(frozen=True, slots=True)
class Banner:
    """What to say above a page.

    Args:
        policy: slug.
        title: of the text, in its prevailing language.
        version: label of the version that is coming, or waits for a decision.
        state: ``announced`` (may be accepted early), ``grace`` (in force, the gate does not insist yet); and with
            ``anonymous="remind"`` also ``required`` and ``expired``.
        effective: from when on it binds.
        enforced: from when on the gate insists.
        url: of the page where it can be read and decided about; it leads back here.
        changes_url: what changed since the version accepted last, or ``None`` for who accepted none.
    """

    policy: str
    title: str
    version: str
    state: str
    effective: datetime
    enforced: datetime
    url: str
    changes_url: str | None


def consentgate_banner(request: Any) -> Banner | None:
    """What to say about a change of the terms to who reads this page, or ``None``: a template global.

    Jinja: ``templates.env.globals["consentgate_banner"] = consentgate_banner``, then
    ``{% set change = consentgate_banner(request) %}{% if change %}…``.

    Args:
        request: of Starlette, FastAPI, Litestar, Quart or Django, or the ASGI scope itself.
    """
    scope = request if isinstance(request, MutableMapping) else request.scope
    reception = reception_of(scope)
    if reception is None:
        return None
    try:
        verdict = reception.judge(scope)
    except Exception:
        # ``subject=`` is the host's and may raise; on an exempt page that must not take the page with it.
        log.exception("there is no banner, because the subject could not be told")
        return None
    shown = _PRESSING if reception.terms.settings.anonymous == "remind" else _COMING
    waiting = [item for item in verdict.items if item.state in shown and item.version is not None]
    if not waiting:
        return None
    item = min(waiting, key=lambda one: (_PRESSING.index(one.state), one.version.effective if one.version else 0))
    return _banner(reception, scope, item, verdict.accepted)


def _banner(reception: Reception, scope: Any, item: Item, accepted: frozenset[int]) -> Banner:
    version = item.version
    assert isinstance(version, Version)  # noqa: S101 - chosen for having one
    calendar = reception.terms.calendar
    outside = reception.outside(scope)
    pages = answers.root_of(outside) + reception.terms.settings.prefix
    review = reception.addresses.review(outside, answers.target_of(outside)).decode("ascii")
    earlier = answers.last_accepted(calendar, item.policy, accepted)
    changed = earlier is not None and earlier.serial != version.serial
    return Banner(
        policy=item.policy,
        title=version.translation(version.prevailing).title,
        version=version.label,
        state=item.state.value,
        effective=to_datetime(version.effective),
        enforced=to_datetime(version.enforced),
        url=f"{review}&policy={item.policy}",
        changes_url=f"{pages}/{item.policy}/changes?from={earlier.label}&to={version.label}"
        if earlier is not None and changed
        else None,
    )
