"""A gate that is set up wrongly does not start."""

from __future__ import annotations

from typing import Any

import pytest

from consentgate.errors import ConfigurationError
from consentgate.gate.options import GateOptions


async def _waiting(scope: Any) -> None:
    return None


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": ""},
        {"prefix": "/"},
        {"prefix": "terms"},
        {"prefix": "/terms/"},
        {"prefix": "/terms//x"},
        {"prefix": "/../x"},
        {"prefix": "/ter ms"},
        {"exempt": "/static"},
        {"exempt": ("static",)},
        {"exempt": ("/",)},
        {"exempt": ("",)},
        {"open_paths": ("//",)},
        {"anonymous": "yes"},
        {"crawlers": True},
        {"fail": "ajar"},
        {"subject": _waiting},
        {"base_url": "news.example"},
        {"base_url": "https://news.example/"},
        {"cookie_domain": ".news.example"},
        {"memo_size": 1},
        {"memo_seconds": 0},
    ],
    ids=",".join,
)
def test_what_cannot_be_meant_is_refused_at_the_start(options: dict[str, Any]) -> None:
    """A typed error that names the option, not a gate that is open by accident."""
    with pytest.raises(ConfigurationError):
        GateOptions(**options)


def test_the_defaults_are_the_documented_ones() -> None:
    """Visitors are stopped, crawlers pass, failure closes, nothing is exempt, no header is added."""
    options = GateOptions()

    assert (options.prefix, options.anonymous, options.crawlers, options.fail) == ("/terms", "gate", "pass", "closed")
    assert (options.exempt, options.open_paths, options.secure) == ((), (), None)
    assert not options.link_header
    assert not options.update_header


@pytest.mark.parametrize("prefix", ["/terms", "/legal/terms", "/~x", "/a-b_c.d"])
def test_any_path_below_the_root_can_be_the_prefix(prefix: str) -> None:
    """Several segments too."""
    assert GateOptions(prefix=prefix).prefix == prefix
