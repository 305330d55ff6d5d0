"""The tutorial is true: its commands are run and its program is served, in an empty folder, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import httpx2
import pytest

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
HTML = {"Accept": "text/html"}


def block(start: str) -> str:
    """The one block of the tutorial that begins like this."""
    (found,) = [text for _, text in BLOCKS if text.startswith(start)]
    return found


@pytest.fixture(name="shell")
def _shell(tmp_path: Path) -> Callable[[str], str]:
    """Runs commands in an empty folder, with the programs of this environment first."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}

    def run(commands: str) -> str:
        done = subprocess.run(
            ["sh", "-eu", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(name="serve")
def _serve(tmp_path: Path) -> Iterator[Callable[[], httpx2.Client]]:
    """Starts the tutorial's application on a free port, and gives a browser that keeps its cookies."""
    running: list[subprocess.Popen[str]] = []

    def start() -> httpx2.Client:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app:app", "--port", "0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        running.append(server)
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                return httpx2.Client(base_url=found[1], headers=HTML, follow_redirects=True)
        raise AssertionError("".join(said))

    yield start
    for server in running:
        server.terminate()
        server.communicate()


def accept(browser: httpx2.Client, page: httpx2.Response) -> httpx2.Response:
    """Tick every box of a review page, and press the button."""
    form = page.text.partition('method="post"')[2].partition("</form>")[0]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input\b[^>]*>", form)]
    fields = [(one["name"], unescape(one["value"])) for one in inputs if one["type"] in ("hidden", "checkbox")]
    data: dict[str, list[str]] = {"do": ["accept"]}
    for key, value in fields:
        data.setdefault(key, []).append(value)
    return browser.post(page.url.copy_with(query=None), data=data, headers={"Origin": origin(page)})


def origin(page: httpx2.Response) -> str:
    """Scheme and host of a page."""
    return f"{page.url.scheme}://{page.url.host}:{page.url.port}"


def test_the_tutorial_works(shell: Callable[[str], str], serve: Callable[[], httpx2.Client], tmp_path: Path) -> None:
    """Whoever types what the tutorial says sees what the tutorial says."""
    shell(block("consentgate init"))
    shell(block("consentgate publish\n"))
    (tmp_path / "app.py").write_text(block("# app.py"), encoding="utf-8")

    with serve() as browser:
        asked = browser.get("/news?page=2")
        assert asked.url.path == "/terms/review"
        back = accept(browser, asked)
        assert (str(back.url), back.text) == (f"{origin(back)}/news?page=2", "You are in.\n")

        told = httpx2.get(f"{origin(back)}/news", headers={"Accept": "*/*"})
        assert (told.status_code, told.headers["content-type"]) == (403, "application/problem+json")

        shell(block("cat > policies"))
        assert "Would be published" in shell(block("consentgate publish --dry-run").splitlines()[0])
        assert browser.get("/news").text == "You are in.\n"
        shell(block("consentgate publish --dry-run"))

        again = browser.get("/news?page=3")
        assert again.url.path == "/terms/review"
        assert re.search(r"<ins\b[^>]*>.*How to leave", again.text, re.DOTALL)
        assert accept(browser, again).url.query == b"page=3"

        mine = browser.get("/terms/mine")
        receipts = re.findall(r'href="(/terms/receipts/[^"/]+)"', mine.text)
        assert len(receipts) == 2
        (tmp_path / "mine.receipt").write_bytes(browser.get(receipts[0]).content)

    assert "How to leave" in shell(block("consentgate diff"))
    assert "VERIFIED" in shell(block("python -m consentgate.evidence"))
    assert "2.0" in shell(block("python -m consentgate.evidence"))
    shell(block("consentgate verify"))


def test_every_command_of_the_tutorial_is_run() -> None:
    """No block of the tutorial is left out of the test above, but for installing, serving and looking."""
    told = [text.split("\n")[0] for _, text in BLOCKS]
    tried = re.findall(r'block\("([^"\\]+)', Path(__file__).read_text(encoding="utf-8"))

    left = [line for line in told if not any(line.startswith(start) for start in tried)]
    assert left == [
        "python -m pip install 'path/to/consentgate[server]'",
        "uvicorn app:app",
        "curl -i http://127.0.0.1:8000/news",
    ]
