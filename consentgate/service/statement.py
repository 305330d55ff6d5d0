"""The statement of a bundle: what happened, for people, on one page that prints well.

Room: service (pure). It proves nothing by itself and says so; each line names the file that does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape

from consentgate.evidence.bundle import LINKS, PUBLICATIONS, RECEIPTS, named_by
from consentgate.evidence.entry import DecisionEntry, LinkEntry, PublishEntry
from consentgate.terms.instants import Instant, to_datetime

_DID = {
    "accept": "accepted", "decline": "declined", "acknowledge": "acknowledged", "grant": "granted",
    "refuse": "refused", "withdraw": "withdrew",
}  # fmt: skip
_HOW = {
    "checkbox-button": "by ticking a box and pressing a button on the page that is in this bundle",
    "api": "through a program; no page of ours was shown",
    "import": "in another system, from which the record was imported",
}
_WHAT = {
    "text": "the text", "redline": "the marked changes", "page": "the page as it was shown",
    "control": "the wording of box and button", "gate": "the gate's set-up", "policy_digest": "the policy's settings",
    "raw": "the author's file", "summary": "the author's summary",
}  # fmt: skip
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.55 Georgia, "Times New Roman", serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem; border-top: 1px solid; padding-top: 1rem }
code { font: 0.78em/1.4 ui-monospace, Consolas, monospace; overflow-wrap: anywhere }
dt { font-weight: bold; margin-top: .5rem } dd { margin-left: 1.5rem }
@media print { body { margin: 0; max-width: none } section { break-inside: avoid } a { color: inherit } }
"""


def statement(
    decisions: Sequence[tuple[int, DecisionEntry, str | None]],
    publications: Iterable[tuple[int, PublishEntry]],
    files: Mapping[str, bytes],
    origin: str,
    keys: Iterable[str],
    *,
    links: Sequence[tuple[int, LinkEntry, str | None, str | None]] = (),
) -> bytes:
    """Write the statement.

    Args:
        decisions: (index in the ledger, entry, subject where it is known).
        publications: (index, entry).
        files: of the bundle so far, to link to.
        origin: of the ledger.
        keys: its public keys.
        links: (index, entry, user, visitor) of each sign-in that carried decisions of a device over to a user.
    """
    paths = {sha256(data).hexdigest(): path for path, data in files.items()}
    users = {user for _, _, user, _ in links if user}
    devices = {visitor for _, _, _, visitor in links if visitor}
    subjects = sorted(({who for _, _, who in decisions if who} | users) - (devices if users else set()))
    about = ", ".join(f"<b>{escape(who)}</b>" for who in subjects) or "a subject whose identity was erased"
    parts = [
        "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n",
        f"<title>Statement on {len(decisions)} decision{_s(decisions)}</title>\n<style>{_STYLE}</style>\n",
        "<h1>Statement</h1>\n",
        f"<p>The ledger <b>{escape(origin)}</b> has {len(decisions)} decision{_s(decisions)} of {about}. Each was ",
        "recorded at the time stated (UTC, by the operator's clock) and cannot have been changed since without the ",
        "check failing. This page is for reading; what proves it are the files it names: see README.txt.</p>\n",
        *(_decision(index, entry, paths, files) for index, entry, _ in decisions),
        *(_signed_in(*link, paths) for link in links),
        *(_publication(index, entry, paths) for index, entry in publications),
        "<h2>Keys</h2>\n<p>Compare them with those the operator publishes:</p>\n",
        *(f"<p><code>{escape(key)}</code></p>\n" for key in keys),
        "</html>\n",
    ]
    return "".join(parts).encode()


def _decision(index: int, entry: DecisionEntry, paths: Mapping[str, str], files: Mapping[str, bytes]) -> str:
    compared = (
        f"They were shown what had changed since version {escape(entry.compared)}, which they had accepted before. "
        if entry.compared and entry.redline
        else ""
    )
    expires = f"It counts until {_when(entry.expires)}. " if entry.expires else ""
    test = "This record was made in a <b>test</b> set-up. " if entry.test else ""
    return (
        f"<section><h2>{_when(entry.at)}</h2>\n"
        f"<p>The subject <b>{_DID[entry.decision]}</b> {escape(entry.policy)}, version {escape(entry.version)} "
        f"(read in {escape(entry.language)}), {_HOW[entry.method]}. {compared}{expires}{test}</p>\n<dl>"
        f"<dt>the proof</dt><dd>{_link(RECEIPTS, index, paths)}</dd>\n"
        + _documents(named_by(entry), paths)
        + _checked(files.get(paths.get(entry.control or "", "")))
        + "</dl></section>\n"
    )


def _checked(control: bytes | None) -> str:
    """What the check of the page found before it was shown; it stands in the record of box and button."""
    try:
        page = json.loads(control or b"{}").get("page")
        if page is None:
            return ""
        found = [f"{one['rule']}: {one['message']}" for one in page["findings"]]
        rules = escape(page["rules"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    said = "every rule is kept" if not found else "not kept: " + "; ".join(found)
    return f"<dt>the check of the page</dt><dd>{escape(said)} ({rules})</dd>\n"


def _signed_in(index: int, entry: LinkEntry, user: str | None, visitor: str | None, paths: Mapping[str, str]) -> str:
    whose = f"Visitor <b>{escape(visitor)}</b>" if visitor else "A visitor whose identity was erased"
    carried = f"{len(entry.carried)} decision{_s(entry.carried)}"
    return (
        f"<section><h2>{_when(entry.at)}</h2>\n<p>{whose} signed in as "
        f"<b>{escape(user or 'a user whose identity was erased')}</b>: what was decided on that device before "
        f"({carried}) counts for that user from then on.</p>\n"
        f"<dl><dt>the proof</dt><dd>{_link(LINKS, index, paths)}</dd>\n</dl></section>\n"
    )


def _publication(index: int, entry: PublishEntry, paths: Mapping[str, str]) -> str:
    return (
        f"<section><h2>{escape(entry.policy)}, version {escape(entry.version)}</h2>\n"
        f"<p>Published {_when(entry.at)} as a {entry.impact} change; announced {_when(entry.announced)}, in force "
        f"from {_when(entry.effective)}, demanded from {_when(entry.enforced)}. The text in "
        f"{escape(entry.prevailing)} prevails.</p>\n<dl><dt>the proof</dt>"
        f"<dd>{_link(PUBLICATIONS, index, paths)}</dd>\n" + _documents(named_by(entry), paths) + "</dl></section>\n"
    )


def _documents(named: Iterable[tuple[str, str]], paths: Mapping[str, str]) -> str:
    lines = []
    for field, digest in named:
        path = paths.get(digest)
        where = f"<a href='{escape(path)}'>{escape(path)}</a>" if path else "not kept, or lost"
        lines.append(f"<dt>{_WHAT[field]}</dt><dd>{where}<br><code>SHA-256 {digest}</code></dd>\n")
    return "".join(lines)


def _link(folder: str, index: int, paths: Mapping[str, str]) -> str:
    path = next(path for path in paths.values() if path.startswith(f"{folder}{index:08d}-"))
    return f"<a href='{escape(path)}'>{escape(path)}</a>, entry {index} (counting from 0) of the ledger"


def _when(instant: Instant) -> str:
    return to_datetime(instant).strftime("%-d %B %Y, %H:%M:%S UTC")


def _s(items: Sequence[object]) -> str:
    return "" if len(items) == 1 else "s"
