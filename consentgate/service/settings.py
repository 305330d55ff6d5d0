"""What an operator may set, checked once at start-up.

Room: service. `Settings` is a frozen value; everything else in the house gets what it needs from it as an argument.
"""

from __future__ import annotations

import os
import re
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from consentgate.errors import ConfigurationError
from consentgate.gate.cookies import check_domain
from consentgate.terms.canonical import canonical_json

MIN_SECRET_LENGTH = 32
"""Characters: 32 hexadecimal digits are 128 bits."""

HOUR = 3_600

WELL_KNOWN = ("/.well-known", "/favicon.ico", "/robots.txt")
"""Paths the gate never stops: certificates are renewed through the first, browsers and crawlers ask for the others on
their own (RFC 8615, RFC 9309), and none of them is content anybody accepts terms for."""

NO_KEY = "none"
"""As `Settings.ledger_key`: this process holds no signing key."""

STATE = "consentgate-state"
"""The folder for what must not be in a PostgreSQL database, where `Settings.state` does not say."""

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
ORIGIN_FORM = re.compile(r"[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~-]+)*")

Secret = str | bytes | Path | Sequence[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with its defaults.

    Args:
        database: SQLAlchemy URL, or a path for SQLite.
        secrets: keys that seal passes, offers and return addresses; the newest first. Newest signs, all verify.
        policies: folder to publish at start-up, or ``None``.
        prefix: path under which our pages live.
        origin: name of the ledger (C2SP checkpoint origin): a URL without its scheme. ``None``: made up at creation.
        ledger_key: file with the ledger's signing key, the key itself, or ``None`` for ``<database>.key``. ``none``, on
            PostgreSQL alone: this process holds no key; another one signs what it records (`consentgate sequencer`).
        state: on PostgreSQL, the folder for what lies beside a SQLite file: signing key, anchor, erasures, counter.
            ``None`` for ``consentgate-state`` in the working directory.
        site_name: shown in our pages.
        locale: interface language where the visitor's is not available.
        templates: the host's override folder.
        declined_url: where a subject goes after declining; ``None`` for our own page.
        exempt: path prefixes (whole segments) that are never gated.
        open_paths: like ``exempt``, and offered as links to those who decline: sign-out, account deletion, support.
        anonymous: what an anonymous visitor meets: ``gate``, ``remind`` or ``pass``.
        crawlers: whether known crawlers are let through.
        fail: what happens when nothing can be decided: ``closed`` (503) or ``open`` (let through and log).
        record_ip: ``none``, ``truncated`` (/24, /48) or ``full``.
        record_user_agent: whether the User-Agent is kept (as an erasable opening).
        trusted_proxies: addresses or networks whose X-Forwarded-* headers are believed.
        offer_hours: lifetime of an offer; at least 20 (WCAG 2.2.1).
        snooze_hours: how long "not now" is remembered in grace.
        secure_cookies: force ``__Host-`` cookies even where the scheme cannot be seen; ``None``: by the scheme.
        cookie_domain: whose sub-domains share the pass, such as ``example.org``; ``None`` binds it to its host.
        metrics: whether counters for monitoring are served (Prometheus text).
        tiles: whether the ledger's checkpoint, tiles and entries are served to everybody (C2SP tlog-tiles).
        test: marks every entry as a test, for good.
        approvals: how many other publishers must approve what one of them publishes: 0 or 1.
        secret_file: where ``secrets`` were read; it is read again when it changes. ``None``: they stay as they are.
    """

    database: str
    secrets: tuple[bytes, ...]
    policies: Path | None = None
    prefix: str = "/terms"
    origin: str | None = None
    ledger_key: str | None = None
    state: Path | None = None
    site_name: str = ""
    locale: str = "en"
    templates: Path | None = None
    declined_url: str | None = None
    exempt: tuple[str, ...] = ()
    open_paths: tuple[str, ...] = ()
    anonymous: Literal["gate", "remind", "pass"] = "gate"
    crawlers: Literal["pass", "gate"] = "pass"
    fail: Literal["closed", "open"] = "closed"
    record_ip: Literal["none", "truncated", "full"] = "none"
    record_user_agent: bool = False
    trusted_proxies: tuple[str, ...] = ()
    offer_hours: int = 24
    snooze_hours: int = 24
    secure_cookies: bool | None = None
    cookie_domain: str | None = None
    metrics: bool = False
    tiles: bool = False
    test: bool = False
    approvals: int = 0
    secret_file: Path | None = None

    def __post_init__(self) -> None:
        _check(
            _PREFIX.fullmatch(self.prefix),
            f"prefix={self.prefix!r}",
            "write a path such as /terms, without a slash at its end",
        )
        _check(
            self.origin is None or ORIGIN_FORM.fullmatch(self.origin),
            f"origin={self.origin!r}",
            "write a URL without its scheme, such as example.com/terms-ledger",
        )
        _check(
            self.anonymous in ("gate", "remind", "pass"), f"anonymous={self.anonymous!r}", "write gate, remind or pass"
        )
        _check(self.crawlers in ("pass", "gate"), f"crawlers={self.crawlers!r}", "write pass or gate")
        _check(self.fail in ("closed", "open"), f"fail={self.fail!r}", "write closed or open")
        _check(
            self.record_ip in ("none", "truncated", "full"),
            f"record_ip={self.record_ip!r}",
            "write none, truncated or full",
        )
        _check(
            20 <= self.offer_hours <= 24 * 30,
            f"offer_hours={self.offer_hours}",
            "write 20 to 720: nobody may be timed out before 20 hours (WCAG 2.2.1)",
        )
        _check(self.approvals in (0, 1), f"approvals={self.approvals!r}", "write 0, or 1 for a second person")
        _check(1 <= self.snooze_hours <= 24 * 30, f"snooze_hours={self.snooze_hours}", "write 1 to 720")
        check_domain(self.cookie_domain)
        for name in ("exempt", "open_paths"):
            for path in getattr(self, name):
                _check(
                    path.startswith("/") and path != "/",
                    f"{name} has {path!r}",
                    "write paths such as /health; / would open everything",
                )

    @property
    def place(self) -> Path | None:
        """The file beside which lies what the database must not hold, with ``.key``, ``.anchor`` … behind its name.

        For SQLite it is the database itself; for PostgreSQL a name in the folder ``state``, where no file is; ``None``
        for a database in memory, which leaves nothing behind.
        """
        name = server_database(self.database)
        if name is None:
            return sqlite_path(self.database)
        return (self.state or Path(STATE)) / name

    @property
    def gate_record(self) -> bytes:
        """Canonical bytes of what decides whether the gate can be walked around; its digest is in every decision."""
        return canonical_json(
            {
                "v": 1,
                "prefix": self.prefix,
                "exempt": list(self.exempt),
                "open_paths": list(self.open_paths),
                "anonymous": self.anonymous,
                "crawlers": self.crawlers,
                "fail": self.fail,
            }
        )


def _check(condition: object, what: str, hint: str) -> None:
    if not condition:
        raise ConfigurationError(f"{what} cannot be used", hint=hint)


def resolve_secrets(secret: Secret | None) -> tuple[bytes, ...]:
    """Return the sealing keys, newest first.

    Args:
        secret: a string, bytes, a list of strings (newest first), or a `Path` to a file with one key a line, newest
            first (as ``consentgate key new`` and ``key rotate`` write it). ``None``: the environment variable
            ``CONSENTGATE_SECRET`` (several keys separated by spaces).

    Raises:
        ConfigurationError: no secret, or one that is too short to be one.
    """
    if secret is None:
        secret = os.environ.get("CONSENTGATE_SECRET", "").split()
    if isinstance(secret, Path):
        secret = read_secret_file(secret)
    keys = [secret] if isinstance(secret, str | bytes) else list(secret)
    encoded = tuple(key.encode() if isinstance(key, str) else key for key in keys if key)
    how = "run `consentgate key new` and pass secret=Path('consentgate.secret'), or set CONSENTGATE_SECRET"
    if not encoded:
        raise ConfigurationError("there is no secret to seal passes with", hint=how)
    for key in encoded:
        if len(key) < MIN_SECRET_LENGTH or len(set(key)) < 8:
            raise ConfigurationError(
                f"a secret of {len(key)} characters can be guessed; {MIN_SECRET_LENGTH} random ones are needed",
                hint=how,
            )
    return encoded


def read_secret_file(path: Path) -> list[str]:
    """Read a key file: one key a line, the newest first; lines that begin with # are comments.

    Raises:
        ConfigurationError: when it cannot be read.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the secret file {path} cannot be read: {error}", hint="make one with `consentgate key new`"
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def new_secret() -> str:
    """A fresh sealing key: 256 random bits as hexadecimal."""
    return randomness.token_hex(32)


def database_url(database: str) -> str:
    """Accept a plain path where a URL is expected: ``data/terms.db`` becomes ``sqlite:///data/terms.db``."""
    return database if "://" in database else f"sqlite:///{database}"


def server_database(database: str) -> str | None:
    """The name of the database on a PostgreSQL server, fit for a file name; ``None`` for SQLite."""
    if not database.startswith("postgres"):
        return None
    name = unquote(database.split("://", 1)[-1].split("?", 1)[0].partition("/")[2])
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) or "consentgate"


def sqlite_path(database: str) -> Path | None:
    """The file of a SQLite URL, or ``None`` for memory and other databases."""
    url = database_url(database)
    if not url.startswith("sqlite"):
        return None
    path = url.split("://", 1)[1].removeprefix("/").split("?", 1)[0]
    return Path(path) if path and path != ":memory:" else None
