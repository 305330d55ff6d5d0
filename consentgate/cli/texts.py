"""A text as it is named in a terminal: a file, ``policy@version``, a policy alone (its version in force), a digest.

Room: cli; called by ``diff``. A database is opened only where a name is not that of a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from consentgate.cli.desk import Desk, at
from consentgate.cli.project import Project, with_terms
from consentgate.errors import ConfigurationError, DraftError, InputError, NotFoundError, TextError
from consentgate.terms.canonical import MAX_TEXT_BYTES, canonical_text

if TYPE_CHECKING:
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms

_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was found.

    Args:
        name: as people call it.
        language: tag, or empty where it is not known.
        text: canonical.
    """

    name: str
    language: str
    text: str


def find_texts(
    names: tuple[str, str], policy: str | None, language: str | None, project: Project, site: str | None = None
) -> tuple[Text, Text]:
    """Find two texts.

    Args:
        names: as typed.
        policy: where the names are labels of its versions.
        language: tag of the translation; ``None`` for the prevailing one.
        project: where to look for what is not a file.
        site: address of a running site to look at instead.

    Raises:
        NotFoundError, InputError: no such text, or several.
        DraftError: a file cannot be read as a text.
    """
    files = [None if policy is not None else _from_file(Path(name)) for name in names]

    async def work(terms: Terms) -> list[Text]:
        return [
            file or await _published(terms, name, policy, language) for file, name in zip(files, names, strict=True)
        ]

    if site is not None:
        desk = Desk(project, site)
        old, new = (file or _on_site(desk, name, policy, language) for file, name in zip(files, names, strict=True))
        return old, new
    found = [file for file in files if file is not None]
    one, other = found if len(found) == 2 else with_terms(_where(project, names, files, policy), work)
    return one, other


def _where(project: Project, names: tuple[str, str], files: list[Text | None], policy: str | None) -> Settings:
    """The ledger to look in for what is no file; where there is none, the name of the file is what was mistyped."""
    try:
        return project.existing()
    except ConfigurationError as error:
        if policy is not None:
            raise
        name = names[files.index(None)]
        raise ConfigurationError(
            f"{name} is no file, and there is no database to look for a published text of that name",
            hint=f"check the file's name; or {error.hint}",
        ) from error


async def _published(terms: Terms, name: str, policy: str | None, language: str | None) -> Text:
    slug, _, label = (policy, "@", name) if policy is not None else name.partition("@")
    if slug not in terms.calendar.by_slug:
        return await _by_digest(terms, name)
    version = terms.version(slug, label or None)
    if language is not None and language not in version.languages:
        raise NotFoundError(
            f"{slug} {version.label} has no {language} text", hint=f"there are {', '.join(version.languages)}"
        )
    translation = version.translation(language or version.prevailing)
    return Text(
        f"{slug} {version.label} ({translation.language})", translation.language, await terms.text(translation.digest)
    )


def _on_site(desk: Desk, name: str, policy: str | None, language: str | None) -> Text:
    slug, _, label = (policy, "@", name) if policy is not None else name.partition("@")
    if not label:
        in_force = desk.get(at("policies", slug))["in_force"]
        if in_force is None:
            raise NotFoundError(f"{slug} has no version in force", hint="write policy@version")
        label = in_force["version"]
    version = desk.get(at("policies", slug, "versions", label))
    chosen = language or version["prevailing"]
    answer = desk.ask("GET", at("policies", slug, "versions", label, "texts", chosen))
    return Text(f"{slug} {label} ({chosen})", chosen, answer.body.decode())


async def _by_digest(terms: Terms, name: str) -> Text:
    """A text by its digest or the beginning of it, if only one begins so."""
    translations = [
        (version, translation)
        for version in terms.calendar.versions
        for translation in version.translations
        if _DIGEST.fullmatch(name) and translation.digest.startswith(name)
    ]
    if len({translation.digest for _, translation in translations}) > 1:
        raise InputError(f"several texts have a digest that begins with {name}", hint="write more of it")
    if not translations:
        known = ", ".join(terms.calendar.by_slug) or "none"
        raise NotFoundError(
            f"{name} is neither a file, nor a published version, nor the digest of one",
            hint=f"write FILE, policy@version, policy or digest; published policies: {known}",
        )
    version, translation = translations[0]
    said = f"{version.policy} {version.label} ({translation.language})"
    return Text(said, translation.language, await terms.text(translation.digest))


def _from_file(path: Path) -> Text | None:
    """A text from disk, a draft with its front matter or Markdown alone; ``None`` where there is no such file."""
    from consentgate.terms.draft import MAX_FRONT_MATTER_BYTES, parse_draft

    if not path.is_file():
        return None
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES + MAX_FRONT_MATTER_BYTES:
        raise DraftError(f"{size:,} bytes; a text may have {MAX_TEXT_BYTES:,}", file=str(path))
    raw = path.read_bytes()
    if raw.removeprefix(b"\xef\xbb\xbf").startswith((b"---\n", b"---\r")):
        # A draft may lie anywhere while it is written: its place is asked only for what its front matter leaves out.
        label, _, tag = path.stem.rpartition(".")
        draft = parse_draft(
            raw,
            file=str(path),
            policy=None if _says(raw, b"policy") else "draft",
            label=None if _says(raw, b"version") else label or "draft",
            language=None if _says(raw, b"language") or not label else tag,
        )
        return Text(str(path), draft.language, draft.text)
    try:
        return Text(str(path), "", canonical_text(raw))
    except TextError as error:
        raise DraftError(error.message, file=str(path), line=error.data.get("line"), hint=error.hint) from error


def _says(raw: bytes, key: bytes) -> bool:
    return (
        re.search(rb"^" + key + rb"[ \t]*:[ \t]*[^ \t\r\n]", raw[:16_384].partition(b"\n---")[0], re.MULTILINE)
        is not None
    )
