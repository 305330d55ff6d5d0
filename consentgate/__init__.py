"""consentgate: nobody passes until they have accepted the terms in force, and everybody sees what changed.

The front door. Every public name is here and is loaded when it is first asked for (PEP 562), so that importing
the package costs nothing, and so that the gate and the auditor never load a database or a web framework that they do
not use. This file may import nothing at run time but the standard library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consentgate.app import ConsentGate as ConsentGate
    from consentgate.errors import AccessError as AccessError
    from consentgate.errors import ConfigurationError as ConfigurationError
    from consentgate.errors import ConsentGateError as ConsentGateError
    from consentgate.errors import DecisionError as DecisionError
    from consentgate.errors import InputError as InputError
    from consentgate.errors import NotFoundError as NotFoundError
    from consentgate.errors import SealError as SealError
    from consentgate.errors import StoreError as StoreError
    from consentgate.errors import TermsChangedError as TermsChangedError
    from consentgate.errors import VerificationError as VerificationError
    from consentgate.gate.hooks import Passage as Passage
    from consentgate.gate.hooks import passage_of as passage_of
    from consentgate.host.banner import consentgate_banner as consentgate_banner
    from consentgate.host.requires import requires as requires
    from consentgate.service.administrators import Administrator as Administrator
    from consentgate.service.config_file import load_settings as load_settings
    from consentgate.service.terms import Terms as Terms
    from consentgate.terms.policy import Act as Act
    from consentgate.terms.policy import Audience as Audience
    from consentgate.terms.policy import Impact as Impact
    from consentgate.terms.policy import Kind as Kind
    from consentgate.terms.policy import Policy as Policy
    from consentgate.terms.policy import Version as Version
    from consentgate.terms.subject import Subject as Subject
    from consentgate.terms.subject import SubjectKind as SubjectKind

    __version__: str

_HOMES = {
    "AccessError": "consentgate.errors",
    "Act": "consentgate.terms.policy",
    "Administrator": "consentgate.service.administrators",
    "Audience": "consentgate.terms.policy",
    "ConfigurationError": "consentgate.errors",
    "ConsentGate": "consentgate.app",
    "ConsentGateError": "consentgate.errors",
    "DecisionError": "consentgate.errors",
    "Impact": "consentgate.terms.policy",
    "InputError": "consentgate.errors",
    "Kind": "consentgate.terms.policy",
    "NotFoundError": "consentgate.errors",
    "Passage": "consentgate.gate.hooks",
    "Policy": "consentgate.terms.policy",
    "SealError": "consentgate.errors",
    "StoreError": "consentgate.errors",
    "Subject": "consentgate.terms.subject",
    "SubjectKind": "consentgate.terms.subject",
    "Terms": "consentgate.service.terms",
    "TermsChangedError": "consentgate.errors",
    "VerificationError": "consentgate.errors",
    "Version": "consentgate.terms.policy",
    "consentgate_banner": "consentgate.host.banner",
    "load_settings": "consentgate.service.config_file",
    "passage_of": "consentgate.gate.hooks",
    "requires": "consentgate.host.requires",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # asked once, found directly from then on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("consentgate")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0+unknown"
