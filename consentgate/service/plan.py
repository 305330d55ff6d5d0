"""Work out what publishing some drafts would do, without doing it.

Room: service (pure but for what it is given). Idempotent by construction: a plan holds only what is new. What is
published is immutable, so everything that would change it is refused, with the file that tries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from consentgate.errors import DraftError, ImmutableError, PublishError
from consentgate.service.language_names import language_name
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import digest
from consentgate.terms.checks import Finding, check_change, check_text
from consentgate.terms.draft import Draft
from consentgate.terms.instants import DAY, Instant, format_instant
from consentgate.terms.policy import Impact, Policy, Translation, Version
from consentgate.terms.redline import Redline

Compare = Callable[[str, str], Redline]
ReadText = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing would do.

    Args:
        generation: of the calendar this was planned on; publishing re-plans when it moved.
        policies: settings that are new or changed.
        versions: to be published, in order; serials are given out when it happens, here they are 0.
        translations: languages added to versions that are published already.
        unchanged: (policy, label) of versions that are published already, as they are.
        findings: what the checks found.
        texts: canonical text by digest, of everything new.
        raws: the bytes the authors sent, by digest.
        redlines: (old text digest, new text digest) → redline, for what readers will be shown.
    """

    generation: int
    policies: tuple[Policy, ...] = ()
    versions: tuple[Version, ...] = ()
    translations: tuple[tuple[Version, Translation], ...] = ()
    unchanged: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    raws: dict[str, bytes] = field(default_factory=dict)
    redlines: dict[tuple[str, str], Redline] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.policies or self.versions or self.translations)


MAX_BASES = 24
"""Earlier versions a redline is prepared against at publication; older bases are compared when somebody needs them."""


class Planner:
    """Plans one publication.

    Args:
        calendar: what is published.
        now: instant of the publication.
        read_text: canonical text of a digest that is published.
        compare: makes redlines.
        short_notice: publish although the notice period is not kept (it will be a finding).
    """

    def __init__(
        self, calendar: Calendar, now: Instant, read_text: ReadText, compare: Compare, *, short_notice: bool = False
    ) -> None:
        self._calendar = calendar
        self._now = now
        self._read_text = read_text
        self._compare = compare
        self._short_notice = short_notice
        self._findings: list[Finding] = []
        self._texts: dict[str, str] = {}
        self._raws: dict[str, bytes] = {}
        self._redlines: dict[tuple[str, str], Redline] = {}
        self._unchanged: list[tuple[str, str]] = []
        self._added: list[tuple[Version, Translation]] = []
        self._open: set[str] = set()
        self._mains: dict[tuple[str, str], Draft] = {}

    def plan(self, policies: Iterable[Policy], drafts: Iterable[Draft]) -> Plan:
        """Return what publishing these would do.

        Args:
            policies: settings; a policy that has drafts must be here or be known already.
            drafts: any order.

        Raises:
            PublishError, ImmutableError, DraftError: nothing is published.
        """
        settings = {policy.slug: policy for policy in policies}
        changed = tuple(policy for slug, policy in settings.items() if self._calendar.by_slug.get(slug) != policy)
        known = {**self._calendar.by_slug, **settings}
        groups: dict[tuple[str, str], list[Draft]] = {}
        for draft in drafts:
            if draft.policy not in known:
                raise DraftError(
                    f"there is no policy {draft.policy!r}",
                    file=draft.file,
                    hint="send its settings along, or make its policy.toml",
                )
            groups.setdefault((draft.policy, draft.label), []).append(draft)
        versions: list[Version] = []
        for slug in dict.fromkeys(slug for slug, _ in groups):
            self._open.clear()
            mine = [self._version(known[slug], group) for (owner, _), group in groups.items() if owner == slug]
            versions += self._in_order(known[slug], [item for item in mine if item is not None])
        for policy in changed:
            self._check_settings(policy)
        return Plan(
            self._calendar.generation, changed, tuple(versions), tuple(self._added), tuple(self._unchanged),
            tuple(self._findings), self._texts, self._raws, self._redlines,
        )  # fmt: skip

    def _check_settings(self, policy: Policy) -> None:
        before = self._calendar.by_slug.get(policy.slug)
        if before and before.kind is not policy.kind and self._calendar.chain(policy.slug):
            raise ImmutableError(
                f"{policy.slug} is a {before.kind} and cannot become a {policy.kind}",
                hint="start a new policy and retire this one",
                policy=policy.slug,
            )
        if before and before.prevailing != policy.prevailing and self._calendar.chain(policy.slug):
            raise ImmutableError(
                f"the prevailing language of {policy.slug} is {before.prevailing} and cannot change",
                hint="start a new policy and retire this one",
                policy=policy.slug,
            )

    def _version(self, policy: Policy, drafts: list[Draft]) -> Version | None:
        """The new version these drafts make, or ``None`` when it is published already."""
        by_language: dict[str, Draft] = {}
        for draft in drafts:
            if draft.language in by_language:
                raise PublishError(
                    f"two texts for {policy.slug} {draft.label} in {draft.language}: "
                    f"{by_language[draft.language].file} and {draft.file}",
                    hint="keep one",
                    file=draft.file,
                )
            by_language[draft.language] = draft
        label = drafts[0].label
        if published := self._calendar.find(policy.slug, label):
            self._compare_published(published, by_language)
            return None
        for other in (version for version in self._calendar.versions if version.policy == policy.slug):
            if other.label.casefold() == label.casefold():
                raise PublishError(
                    f"{policy.slug} has a version {other.label}; {label} would be taken for it",
                    hint="give it another label",
                    file=drafts[0].file,
                )
        main = by_language.get(policy.prevailing)
        if main is None:
            raise DraftError(
                f"{policy.slug} {label} has no text in its prevailing language {policy.prevailing!r}",
                file=drafts[0].file,
                hint=f"add {label}.{policy.prevailing}.md",
            )
        self._mains[policy.slug, label] = main
        self._agree(main, by_language.values())
        translations = [self._translation(policy, by_language.pop(policy.prevailing))]
        translations += [self._translation(policy, by_language[tag]) for tag in sorted(by_language)]
        announced = self._now if main.announced is None else main.announced
        effective = max(announced, self._now) if main.effective is None else main.effective
        enforced = effective if main.enforced is None else main.enforced
        if not announced <= effective <= enforced:
            raise DraftError(
                f"dates out of order: announce {format_instant(announced)}, effective {format_instant(effective)}, "
                f"enforce {format_instant(enforced)}",
                file=main.file,
                line=_line(main, "effective" if announced > effective else "enforce", "announce"),
                hint="announce ≤ effective ≤ enforce; what is left out means: at publication",
            )
        version = Version(
            policy.slug, label, 0, main.impact or Impact.MATERIAL, announced, effective, enforced,
            policy.prevailing, tuple(translations), self._now,
        )  # fmt: skip
        if main.impact is None:
            self._open.add(label)  # decided in `_settle`, where the version before is known
        return version

    def _agree(self, main: Draft, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            for name in ("impact", "announced", "effective", "enforced"):
                theirs = getattr(draft, name)
                if theirs is not None and theirs != getattr(main, name):
                    raise DraftError(
                        f"{name} differs from that in {main.file}, which prevails",
                        file=draft.file,
                        line=_line(draft, _KEY_OF.get(name, name)),
                        hint="leave it out here",
                    )

    def _translation(self, policy: Policy, draft: Draft) -> Translation:
        raw_digest = digest(draft.raw)
        self._texts[draft.digest] = draft.text
        self._raws[raw_digest] = draft.raw
        self._findings += check_text(draft.text, file=draft.file, first_line=_first_line(draft.raw))
        return Translation(
            draft.language, draft.title or policy.title_in(draft.language), draft.digest, raw_digest,
            len(draft.text.encode()), draft.summary,
        )  # fmt: skip

    def _compare_published(self, published: Version, by_language: dict[str, Draft]) -> None:
        fresh = False
        if self._calendar.is_cancelled(published):
            self._findings.append(
                Finding(
                    "cancelled",
                    f"{published.label} was cancelled and never takes effect; give its text a new label to publish it.",
                    file=f"{published.policy} {published.label}",
                )
            )
            by_language = {tag: draft for tag, draft in by_language.items() if tag in published.languages}
        for language, draft in by_language.items():
            if language not in published.languages:
                policy = self._calendar.by_slug[published.policy]
                self._added.append((published, self._translation(policy, draft)))
                self._findings.append(
                    Finding(
                        "translation-added",
                        f"A translation ({language}) of the published version {published.label}.",
                        "note",
                        draft.file,
                    )
                )
                fresh = True
                continue
            there = published.translation(language)
            differing = [
                name
                for name, ours, theirs in (
                    ("text", draft.digest, there.digest),
                    ("summary", draft.summary, there.summary),
                    ("title", draft.title or there.title, there.title),
                    ("impact", draft.impact or published.impact, published.impact),
                    ("announce", _or(draft.announced, published.announced), published.announced),
                    ("effective", _or(draft.effective, published.effective), published.effective),
                    ("enforce", _or(draft.enforced, published.enforced), published.enforced),
                )
                if ours != theirs
            ]
            if differing:
                raise ImmutableError(
                    f"{draft.file}: {published.policy} {published.label} is published; "
                    f"its {' and '.join(differing)} would change",
                    hint="a correction is a new version: restore this file and publish under a new label",
                    policy=published.policy,
                    version=published.label,
                    file=draft.file,
                    line=_line(draft, next((key for key in differing if key != "text"), "")),
                    differing=differing,
                )
        if not fresh:
            self._unchanged.append((published.policy, published.label))

    def _in_order(self, policy: Policy, fresh: list[Version]) -> list[Version]:
        """Check new versions of one policy against those before them, and settle impacts that were left open."""
        published = self._calendar.chain(policy.slug)
        settled: list[Version] = []
        for version in sorted(fresh, key=lambda version: (version.effective, version.label)):
            chain = sorted((*published, *settled), key=lambda other: other.effective)
            earlier = [other for other in chain if other.effective <= version.effective]
            self._check_history(policy, version, published)
            version = self._settle(version, earlier)
            if earlier:
                # The first import of a folder brings its history: what was announced before we were there stays true.
                self._check_notice(policy, version, historic=not published and version.announced <= self._now)
            self._warn_of_scheduled(version, chain[len(earlier) :])
            settled.append(version)
        return settled

    def _check_history(self, policy: Policy, version: Version, published: Sequence[Version]) -> None:
        """What took effect already cannot get a predecessor; what is only scheduled can."""
        past = [other for other in published if other.effective <= self._now]
        if past and version.effective < past[-1].effective:
            raise PublishError(
                f"{policy.slug} {version.label} would take effect before {past[-1].label}, which is in force already",
                hint="give it a later effective date",
                **self._place(version, "effective"),
            )

    def _warn_of_scheduled(self, version: Version, later: Sequence[Version]) -> None:
        for other in later:
            self._findings.append(
                Finding(
                    "before-scheduled",
                    f"{other.label} is scheduled to follow: check that it has this change too, or it will be lost.",
                    file=f"{version.policy} {version.label}",
                )
            )

    def _settle(self, version: Version, chain: Sequence[Version]) -> Version:
        if not chain:
            return replace(version, impact=Impact.MATERIAL)  # whoever comes first has everything to accept
        before, text = chain[-1], self._text(version.digest)
        redline = self._prepare(version, chain)
        self._findings += check_change(
            self._text(before.digest), text, words_changed=not redline.empty, file=f"{version.policy} {version.label}"
        )
        if version.label in self._open and not redline.empty:
            raise PublishError(
                f"{version.policy} {version.label} does not say its impact, and words changed",
                hint="write `impact: material` (must be accepted again) or `impact: editorial` into its front matter",
                **self._place(version),
            )
        missing = sorted(set(before.languages) - set(version.languages))
        if missing:
            self._findings.append(
                Finding(
                    "translation-missing",
                    f"{version.policy} {version.label} has no {' or '.join(map(language_name, missing))} text yet; "
                    f"its readers will see {language_name(version.prevailing)}.",
                    file=f"{version.policy} {version.label}",
                )
            )
        return replace(version, impact=Impact.EDITORIAL) if version.label in self._open else version

    def _prepare(self, version: Version, chain: Sequence[Version]) -> Redline:
        """Compare with the versions people may hold, in every language; return the redline against the last one."""
        last: Redline | None = None
        for before in reversed(chain[-MAX_BASES:]):
            for translation in version.translations:
                if translation.language not in before.languages:
                    continue  # its readers see the prevailing texts compared
                redline = self._redline(before.translation(translation.language).digest, translation.digest)
                if before is chain[-1] and translation.language == version.prevailing:
                    last = redline
        assert last is not None  # noqa: S101  (the chain is not empty and the prevailing language is always there)
        return last

    def _redline(self, old: str, new: str) -> Redline:
        if (old, new) not in self._redlines:
            self._redlines[old, new] = self._compare(self._text(old), self._text(new))
        return self._redlines[old, new]

    def _text(self, text_digest: str) -> str:
        return self._texts[text_digest] if text_digest in self._texts else self._read_text(text_digest)

    def _place(self, version: Version, key: str = "version") -> dict[str, str | int | None]:
        """Where a version was written, as data of an error about it."""
        main = self._mains[version.policy, version.label]
        return {
            "policy": version.policy,
            "version": version.label,
            "file": main.file,
            "line": _line(main, key, "version"),
        }

    def _check_notice(self, policy: Policy, version: Version, *, historic: bool) -> None:
        days = policy.notice_days
        if not days or version.impact is Impact.EDITORIAL or historic:
            return
        given = version.effective - max(version.announced, self._now)
        if given >= days * DAY:
            return
        message = (
            f"{policy.slug} {version.label} gives {max(given, 0) // DAY} days of notice; its policy promises {days}"
        )
        if not self._short_notice:
            raise PublishError(
                message,
                hint="set a later effective date, or publish with --short-notice if the change may not wait",
                **self._place(version, "effective"),
            )
        self._findings.append(Finding("short-notice", message + ".", file=f"{policy.slug} {version.label}"))


_KEY_OF = {"announced": "announce", "enforced": "enforce"}


def _line(draft: Draft, *keys: str) -> int | None:
    """The line of the first of these keys that stands in the front matter."""
    return next((draft.lines[key] for key in keys if key in draft.lines), None)


def _or(value: Instant | None, other: Instant) -> Instant:
    return other if value is None else value


def _first_line(raw: bytes) -> int:
    """Line of the file on which the text begins: below the second ``---`` line."""
    content = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    end = content.find(b"\n---\n", 3)
    return content.count(b"\n", 0, end) + 3 if end > 0 else 1
