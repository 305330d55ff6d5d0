"""Published values as plain records for machines: what ``--json`` prints.

Room: service (pure). The keys are those of the administrators' API, so that a program reads both alike.
"""

from __future__ import annotations

from typing import Any

from consentgate.service.publish import Publication
from consentgate.terms.checks import Finding
from consentgate.terms.instants import Instant, format_instant
from consentgate.terms.policy import Version


def version_record(version: Version) -> dict[str, Any]:
    """A version; its serial is 0 while it is not published."""
    return {
        "policy": version.policy,
        "version": version.label,
        "serial": version.serial,
        "impact": version.impact.value,
        "announced": format_instant(version.announced),
        "effective": format_instant(version.effective),
        "enforced": format_instant(version.enforced),
        "prevailing": version.prevailing,
        "languages": list(version.languages),
        "digest": version.digest,
    }


def finding_record(finding: Finding) -> dict[str, Any]:
    """Something a check found."""
    return {
        "code": finding.code,
        "level": finding.level,
        "text": finding.text,
        "file": finding.file,
        "line": finding.line,
    }


def publication_record(publication: Publication) -> dict[str, Any]:
    """What was published, or would be."""
    return {
        "dry_run": publication.dry_run,
        "published": [version_record(version) for version in publication.published],
        "translations": [
            {"policy": version.policy, "version": version.label, "language": translation.language}
            for version, translation in publication.translations
        ],
        "policies": [policy.slug for policy in publication.policies],
        "unchanged": [{"policy": policy, "version": label} for policy, label in publication.unchanged],
        "findings": [finding_record(finding) for finding in publication.findings],
    }


def instant_or_none(instant: Instant | None) -> str | None:
    """An instant in its text form, or ``None``."""
    return None if instant is None else format_instant(instant)
