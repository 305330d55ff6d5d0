"""What the tests of frameworks share: the policies, and each example running once for a whole module.

Fixtures:
    policies    a folder with one policy in force and one version that is announced
    framework   the name of the framework, each in turn
    site        the address of that framework's example, running
    member      a browser that has accepted there
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frameworks.browser import Browser
from tests.frameworks.servers import FRAMEWORKS, example, write_policies


@pytest.fixture(name="policies", scope="session")
def _policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policies(tmp_path_factory.mktemp("policies"))


@pytest.fixture(name="framework", scope="module", params=FRAMEWORKS)
def _framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="site", scope="module")
def _site(framework: str, policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with example(framework, tmp_path_factory.mktemp(framework), policies) as address:
        yield address


@pytest.fixture(name="member", scope="module")
def _member(site: str) -> Iterator[Browser]:
    with Browser(site) as browser:
        done = browser.accept("/articles/one?page=2&q=a%20b")
        assert (done.status_code, done.headers["location"]) == (303, "/articles/one?page=2&q=a%20b")
        yield browser
