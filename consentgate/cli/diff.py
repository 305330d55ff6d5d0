"""``consentgate diff``: what a reader sees changed between two texts.

Room: cli.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentgate.cli import options
from consentgate.cli.output import clean, colourful, console, show_json, tell
from consentgate.cli.project import find_project

if TYPE_CHECKING:
    from consentgate.cli.texts import Text
    from consentgate.terms.redline import Redline

_MEASURE = 100
"""Widest column of text that is pleasant to read, in characters."""


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="The older text.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="B", help="The newer text.", show_default=False)],
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="SLUG", help="A and B are versions of this policy.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="TAG", help="Which translation. Otherwise: the prevailing one.")
    ] = None,
    context: Annotated[
        int, typer.Option("--context", metavar="N", help="Unchanged paragraphs around a change.", min=0, max=100)
    ] = 1,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that opens in any browser instead.")
    ] = None,
    mail: Annotated[
        Path | None, typer.Option("--mail", metavar="FILE", help="Write HTML that mail programs show instead.")
    ] = None,
    site: options.Site = None,
    config: options.Config = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Show what changed between two texts, for a reader.

    Each of them is a file, policy@version, a policy alone (its version in force), or a digest. Moved and
    renumbered clauses are told from changed ones; re-wrapped lines show nothing.
    """
    from consentgate.cli.texts import find_texts
    from consentgate.terms.redline import compare

    before, after = find_texts((old, new), policy, language, find_project(config, database), site)
    redline = compare(before.text, after.text)
    if html is not None:
        _write_page(html, before, after, redline)
        tell(f"Written to {html}.")
    if mail is not None:
        _write_mail(mail, redline)
        tell(f"Written to {mail}.")
    if as_json:
        show_json(_record(before, after, redline))
    elif html is None and mail is None:
        tell(f"{clean(before.name)} → {clean(after.name)}")
        print_redline(redline, context)


def print_redline(redline: Redline, context: int) -> None:
    """Print what changed, for a reader.

    Args:
        redline: what.
        context: unchanged paragraphs around a change.
    """
    from consentgate.terms.views import to_text

    if not colourful():
        typer.echo(to_text(redline, colour=False, context=context), nl=False)
        return
    from rich.text import Text as Styled

    paper = console()
    for line in to_text(redline, colour=True, context=context).split("\n"):
        # Through rich, because the terminal itself would break lines in the middle of words.
        paper.print(Styled.from_ansi(line), width=min(paper.width, _MEASURE))


def _record(before: Text, after: Text, redline: Redline) -> dict[str, Any]:
    from consentgate.terms.views import to_list_of_changes

    return {
        "old": {"name": before.name, "digest": redline.old_digest},
        "new": {"name": after.name, "digest": redline.new_digest},
        "redline_digest": redline.digest,
        "empty": redline.empty,
        "degraded": redline.degraded,
        "summary": asdict(redline.summary),
        "changes": [asdict(line) for line in to_list_of_changes(redline)],
    }


def _write_page(path: Path, before: Text, after: Text, redline: Redline) -> None:
    from html import escape
    from importlib.resources import files

    from consentgate.cli.files import write_whole
    from consentgate.terms.languages import direction
    from consentgate.terms.views import to_html

    style = files("consentgate.web").joinpath("static", "consentgate.css").read_text("utf-8")
    language = after.language or before.language or "en"
    title = f"{escape(before.name)} → {escape(after.name)}"
    digests = f"<code>{redline.old_digest}</code> → <code>{redline.new_digest}</code>"
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n"
        '<body><main class="cg-main"><header class="cg-opening"><h1>What changed</h1>\n'
        f'<p class="cg-lede">{title}</p></header>\n'
        f'<div class="cg-text" lang="{escape(language)}" dir="{direction(language)}">{to_html(redline)}</div>\n'
        f'<p class="cg-fingerprint">SHA-256: {digests}</p>\n'
        "</main></body>\n</html>\n"
    )
    write_whole(path, page.encode())


def _write_mail(path: Path, redline: Redline) -> None:
    from consentgate.cli.files import write_whole
    from consentgate.terms.views import to_email_html

    write_whole(path, f"{to_email_html(redline)}\n".encode())
