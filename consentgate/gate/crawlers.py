"""Search engines and link previews: readers that can accept nothing.

Room: gate (pure). With ``crawlers="pass"`` a GET or HEAD of one of these goes through when nobody is signed in and no
pass came along, so that a site behind the gate stays findable. The name is what the client says of itself; who cannot
live with that sets ``crawlers="gate"``. Crawlers that gather text for other ends are not on the list on purpose:
terms are what they ought to read.
"""

from __future__ import annotations

import re

from consentgate.gate.memo import Memo

CRAWLERS: tuple[str, ...] = (
    # search engines
    "Googlebot", "Google-InspectionTool", "Storebot-Google", "AdsBot-Google", "Mediapartners-Google", "bingbot",
    "adidxbot", "BingPreview", "DuckDuckBot", "Applebot", "Baiduspider", "YandexBot", "YandexImages", "SeznamBot",
    "Qwantbot", "Qwantify", "Yahoo! Slurp", "Sogou web spider", "PetalBot", "Yeti", "MojeekBot", "coccocbot",
    # archives
    "archive.org_bot", "ia_archiver",
    # link previews
    "facebookexternalhit", "Twitterbot", "LinkedInBot", "Slackbot", "Discordbot", "TelegramBot", "WhatsApp",
    "Pinterestbot", "redditbot", "SkypeUriPreview", "Mastodon", "Bluesky Cardyb", "vkShare", "Iframely",
)  # fmt: skip
"""Product names as they stand in ``User-Agent``; compared without case, at the start of a word."""

_MAX_LENGTH = 512
_NAMED = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:" + b"|".join(re.escape(name.encode()) for name in CRAWLERS) + rb")(?![A-Za-z])",
    re.IGNORECASE,
)


class Crawlers:
    """Tells crawlers by their ``User-Agent``; remembers the answers in ``seen``, because the names repeat."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: Memo[bytes, bool] = Memo(2_048)

    def __contains__(self, agent: bytes) -> bool:
        answer = self.seen.young.get(agent)
        if answer is None:
            if len(agent) > _MAX_LENGTH:
                return False
            answer = _NAMED.search(agent) is not None
            self.seen.put(agent, answer)
        return answer
