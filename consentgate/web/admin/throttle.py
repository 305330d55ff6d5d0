"""How often somebody may try to sign in.

Room: web. A token has 256 random bits, so nobody guesses one; the throttle keeps a broken script or a bored stranger
from costing us a look-up each time, and makes trying visible in the log. It is memory of one process, bounded, and
counts failures only: an address that has not failed may always try, so that no stranger's failures keep an
administrator out. (Where every request seems to come from one proxy, all have one address: set ``trusted_proxies``.)
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from consentgate.errors import ThrottledError
from consentgate.terms.instants import SECOND, Instant

FAILURES = 5
"""Failures an address has before it must wait; as many are forgiven as time passes."""

FORGIVEN_AFTER = 60 * SECOND
"""One failure is forgotten in this time."""

ADDRESSES = 4_096
"""Most addresses that are remembered; the one that was quiet for longest is forgotten first."""

EVERYBODY = 60
"""Failures of all addresses together, with the same forgiveness for each sixtieth: many addresses are one botnet.
Beyond it an address that has failed waits already after its first failure."""


class Throttle:
    """Counts failures by address, as a bucket that empties with time.

    Args:
        clock: instant now.
    """

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._full: OrderedDict[str, Instant] = OrderedDict()
        self._all: Instant = 0

    def check(self, address: str) -> None:
        """Demand that this address may try now.

        Raises:
            ThrottledError: not yet; it says when.
        """
        now = self._clock()
        own = self._full.get(_network(address), now) - now
        if own <= 0:
            return
        wait = max(
            own - (FAILURES - 1) * FORGIVEN_AFTER, self._all - now - (EVERYBODY - 1) * FORGIVEN_AFTER // EVERYBODY
        )
        if wait > 0:
            raise ThrottledError("too many failed sign-ins", retry_after=-(-wait // SECOND))

    def failed(self, address: str) -> None:
        """Remember a failure."""
        now, network = self._clock(), _network(address)
        self._full[network] = max(self._full.pop(network, now), now) + FORGIVEN_AFTER
        self._all = max(self._all, now) + FORGIVEN_AFTER // EVERYBODY
        if len(self._full) > ADDRESSES:
            self._full.popitem(last=False)


def _network(address: str) -> str:
    """An address; of IPv6 the first half, because whoever has one address there has 2**64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
