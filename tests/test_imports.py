"""The front door and the floors: what may be imported from where, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path

import pytest

import consentgate

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

HEAVY = {
    "cryptography", "diff_match_patch", "fastapi", "jinja2", "pydantic", "sqlalchemy", "sqlmodel", "starlette",
}  # fmt: skip


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter loads for `python ARGUMENTS`."""
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "site" in names, "no import was seen: the measurement is broken"
    return names


def foreign_to_python(names: set[str], nothing: set[str]) -> set[str]:
    """What is neither of the standard library nor loaded by the bare interpreter (`.pth` files of tools)."""
    return names - nothing - sys.stdlib_module_names - {"org"}  # the standard library's pickle looks for Jython


@pytest.fixture(name="bare", scope="module")
def _bare() -> set[str]:
    return loaded_by("-c", "pass")


def test_importing_the_package_loads_only_the_standard_library(bare: set[str]) -> None:
    """`import consentgate` loads nothing that has to be installed."""
    assert foreign_to_python(loaded_by("-c", "import consentgate"), bare) == {"consentgate"}


def test_the_gate_loads_nothing_foreign_but_itsdangerous(bare: set[str]) -> None:
    """`import consentgate.gate`, and each of its modules, loads no database, no web framework, no templates."""
    modules = sorted(path.stem for path in Path(consentgate.__path__[0], "gate").glob("*.py"))
    names = ["consentgate.gate", *(f"consentgate.gate.{name}" for name in modules if name != "__init__")]

    loaded = foreign_to_python(loaded_by("-c", f"import {', '.join(names)}"), bare)

    assert loaded <= {"consentgate", "itsdangerous"}


def test_the_auditor_starts_without_a_heavy_library() -> None:
    """`python -m consentgate.evidence --help` answers before any heavy library is loaded."""
    assert not HEAVY & loaded_by("-m", "consentgate.evidence", "--help")


def test_nothing_is_loaded_twice_for_a_public_name() -> None:
    """A public name is found lazily once and is an ordinary attribute from then on."""
    script = "import consentgate as c; a = c.Subject; assert 'Subject' in vars(c); assert a is c.Subject"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", sorted(set(consentgate.__all__) - {"__version__"}))
def test_every_public_name_is_the_one_of_its_home(name: str) -> None:
    """Each public name is the very object its module defines, and type checkers are told the same home."""
    home = type_checked_names()[name]

    assert getattr(consentgate, name) is getattr(import_module(home), name)


def test_type_checkers_and_programs_see_the_same_names() -> None:
    """`__all__`, `dir()` and the imports for type checkers name the same things."""
    assert set(consentgate.__all__) == {*type_checked_names(), "__version__"}
    assert set(consentgate.__all__) <= set(dir(consentgate))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Asking the package for what it does not have fails like on any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        consentgate.Nonsense  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    """`consentgate.__version__` is what was installed, and that is what pyproject.toml says."""
    written = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
    installed = any(item.name == "consentgate" for item in distributions())

    assert consentgate.__version__ == (written if installed else "0+unknown")


def test_the_floors_hold() -> None:
    """No room imports a room above it or beside it: the contracts of pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program), "--no-cache"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def type_checked_names() -> dict[str, str]:
    """Public name to module, as the `if TYPE_CHECKING` block of the package says."""
    tree = ast.parse(Path(consentgate.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_link_out_of_the_project_is_never_committed() -> None:
    """What git tracks as a symbolic link stays inside the clone: another machine has nothing at its other end."""
    listed = subprocess.run(
        ["git", "ls-files", "--stage"], cwd=PYPROJECT.parent, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a clone of git")
    links = [Path(line.partition("\t")[2]) for line in listed.stdout.splitlines() if line.startswith("120000 ")]

    outside = [
        link
        for link in links
        if not (PYPROJECT.parent / link).resolve(strict=False).is_relative_to(PYPROJECT.parent)
        or (PYPROJECT.parent / link).readlink().is_absolute()
    ]

    assert outside == []
