"""``consentgate``: the command, put together from its groups.

Room: cli; the entry point ``consentgate.cli.main:main``. Importing this module loads typer and the modules of this
folder, and nothing that is heavy: ``consentgate --help`` answers before a database library is touched.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from consentgate.cli.change import cancel, retire
from consentgate.cli.db import db
from consentgate.cli.demo import demo
from consentgate.cli.diff import diff
from consentgate.cli.doctor import doctor, epoch
from consentgate.cli.draft import drafts
from consentgate.cli.erase import erase, hold, purge
from consentgate.cli.export import bundle, export, receipt
from consentgate.cli.failures import Commands
from consentgate.cli.init import init
from consentgate.cli.key import keys
from consentgate.cli.ledger import checkpoint, consistency
from consentgate.cli.lint import lint_page
from consentgate.cli.lists import decisions, outstanding, statistics
from consentgate.cli.output import say
from consentgate.cli.preview import preview
from consentgate.cli.proposals import proposals
from consentgate.cli.publish import publish
from consentgate.cli.sequencer import sequencer
from consentgate.cli.status import status
from consentgate.cli.subject import subject
from consentgate.cli.token import tokens
from consentgate.cli.verify import verify
from consentgate.cli.versions import versions

_BEGIN, _TEXTS, _RECORD, _KEYS = "Begin", "Texts", "The record", "Keys and tokens"
_WHO, _PEOPLE, _CARE = "Who accepted", "Personal data", "When something is wrong"

# Plain help: boxes would make it twice as long, and rich would have to be loaded for it.
app = typer.Typer(
    name="consentgate",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # it would print local variables, and secrets are among them
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 refused, or something was found · 2 the command or the settings cannot be used.",
)
app.command("init", rich_help_panel=_BEGIN)(init)
app.command("demo", rich_help_panel=_BEGIN)(demo)
app.command("status", rich_help_panel=_BEGIN)(status)
app.add_typer(drafts, rich_help_panel=_TEXTS)
app.command("preview", rich_help_panel=_TEXTS)(preview)
app.command("publish", rich_help_panel=_TEXTS)(publish)
app.add_typer(proposals, rich_help_panel=_TEXTS)
app.command("cancel", rich_help_panel=_TEXTS)(cancel)
app.command("retire", rich_help_panel=_TEXTS)(retire)
app.command("versions", rich_help_panel=_TEXTS)(versions)
app.command("diff", rich_help_panel=_TEXTS)(diff)
app.command("lint-page", rich_help_panel=_TEXTS)(lint_page)
app.command("statistics", rich_help_panel=_WHO)(statistics)
app.command("outstanding", rich_help_panel=_WHO)(outstanding)
app.command("decisions", rich_help_panel=_WHO)(decisions)
app.command("subject", rich_help_panel=_WHO)(subject)
app.command("verify", rich_help_panel=_RECORD)(verify)
app.command("export", rich_help_panel=_RECORD)(export)
app.command("receipt", rich_help_panel=_RECORD)(receipt)
app.command("bundle", rich_help_panel=_RECORD)(bundle)
app.command("checkpoint", rich_help_panel=_RECORD)(checkpoint)
app.command("consistency", rich_help_panel=_RECORD)(consistency)
app.command("erase", rich_help_panel=_PEOPLE)(erase)
app.command("hold", rich_help_panel=_PEOPLE)(hold)
app.command("purge", rich_help_panel=_PEOPLE)(purge)
app.command("doctor", rich_help_panel=_CARE)(doctor)
app.command("sequencer", rich_help_panel=_RECORD)(sequencer)
app.command("epoch", rich_help_panel=_CARE)(epoch)
app.add_typer(db, rich_help_panel=_CARE)
app.add_typer(tokens, rich_help_panel=_KEYS)
app.add_typer(keys, rich_help_panel=_KEYS)


def _version(value: bool) -> None:
    if value:
        import consentgate

        say(f"consentgate {consentgate.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the log, and tracebacks. May stand anywhere.")] = False,
) -> None:
    """Publish terms, see who accepted what, and prove it."""
    del version, debug  # seen to before: `Commands.parse_args` takes --debug from wherever it stands


def main() -> Any:
    """Run the command."""
    # What a reader wrote may be in any script; a terminal that cannot show a letter gets a stand-in, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    return app(prog_name="consentgate")
