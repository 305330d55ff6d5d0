"""Many decisions at once, as the benchmarks make them."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "_filler.py"


def load_filler() -> ModuleType:
    """The module that fills a ledger for the benchmarks."""
    spec = spec_from_file_location("consentgate_benchmarks_filler", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
