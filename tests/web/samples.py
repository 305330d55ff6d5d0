"""Texts and offers for the tests of the pages: our own words, made without a database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from consentgate.service.holdings import State
from consentgate.service.offer import OfferDraft, OfferItem
from consentgate.terms.canonical import canonical_text, text_digest
from consentgate.terms.instants import DAY, Instant, parse_instant
from consentgate.terms.policy import Impact, Kind, Policy, Translation, Version
from consentgate.terms.redline import compare
from consentgate.terms.subject import Subject, SubjectKind

NOW: Instant = parse_instant("2026-02-01T09:30:00.000000Z")

OLD = canonical_text("""# Terms of Use

These terms apply to everybody who reads The Daily Kettle, on paper screens or on glass ones.

## 1. What you may do

You may read every article, print it for yourself, and send its address to a friend.
You may not copy whole articles to another site.

## 2. Comments

Comments are read by an editor before they appear. We remove comments that insult other readers.

- Stay on the subject of the article.
- Write under one name only.

## 3. Payment

A subscription costs 6 euros a month. You can end it at the end of each month.

## 4. Liability

We check what we publish. If we get something wrong, we correct it and say so.

## 5. Changes

We may change these terms. We tell you 15 days before.
""")

NEW = canonical_text("""# Terms of Use

These terms apply to everybody who reads The Daily Kettle, on paper screens or on glass ones.

## 1. What you may do

You may read every article, print it for yourself, and send its address to a friend.
You may not copy whole articles to another site, and you may not use them to train software without our written consent.

## 2. Comments

Comments are read by an editor within one working day before they appear. We remove comments that insult other readers
or advertise something.

- Stay on the subject of the article.
- Write under one name only.
- Say where a quotation comes from.

## 3. Gift articles

Subscribers may give away ten articles a month. The address of a gift article works for 14 days.

## 4. Payment

A subscription costs 8 euros a month. You can end it at the end of each month with one click.

| Plan | Price a month | Gift articles |
|------|---------------|---------------|
| Reader | 8 euros | 10 |
| Family | 12 euros | 20 |

## 5. Liability

We check what we publish. If we get something wrong, we correct it and say so.

## 6. Changes

We may change these terms. We tell you 30 days before, and we show you each changed word.
""")

ARABIC_OLD = canonical_text("""# شروط الاستخدام

تسري هذه الشروط على كل من يقرأ صحيفتنا.

## ١. ما يجوز لك

يجوز لك أن تقرأ كل مقال وأن تطبعه لنفسك وأن ترسل عنوانه إلى صديق.

## ٢. التعليقات

يقرأ محرر التعليقات قبل نشرها. نحذف التعليقات التي تهين القراء الآخرين.

## ٣. الدفع

يكلف الاشتراك ستة يورو في الشهر.
""")

ARABIC_NEW = canonical_text("""# شروط الاستخدام

تسري هذه الشروط على كل من يقرأ صحيفتنا.

## ١. ما يجوز لك

يجوز لك أن تقرأ كل مقال وأن تطبعه لنفسك وأن ترسل عنوانه إلى صديق، ولا يجوز لك نسخ المقالات إلى موقع آخر.

## ٢. التعليقات

يقرأ محرر التعليقات خلال يوم عمل واحد قبل نشرها. نحذف التعليقات التي تهين القراء الآخرين أو تعلن عن شيء.

## ٣. الدفع

يكلف الاشتراك ثمانية يورو في الشهر، ويمكنك إنهاؤه في آخر كل شهر.
""")

JAPANESE = canonical_text("""# 利用規約

本規約は、当紙を読むすべての方に適用されます。

## 1. できること

記事を読み、自分のために印刷し、友人に記事のアドレスを送ることができます。

## 2. コメント

コメントは掲載前に編集者が確認します。
""")

PRIVACY = canonical_text("""# Privacy notice

We keep your e-mail address to send you the newspaper, and nothing else.

## Who can see it

Only the three people of the subscription desk.
""")

NEWSLETTER = canonical_text("""# Newsletter

Once a week we would like to send you a letter about what we are working on.
""")

SUMMARY = (
    "Articles may not be used to train software without our consent. The subscription costs 8 euros instead of 6.\n\n"
    "Subscribers may now give away ten articles a month."
)


def translation(language: str, title: str, text: str, summary: str = "") -> Translation:
    """A translation whose digests are those of its text."""
    return Translation(language, title, text_digest(text), text_digest(text), len(text.encode()), summary)


def version(
    policy: str, label: str, serial: int, *translations: Translation, effective: Instant = NOW - 10 * DAY,
    enforced: Instant | None = None, impact: Impact = Impact.MATERIAL,
) -> Version:  # fmt: skip
    """A version announced thirty days before it takes effect; its first translation prevails."""
    return Version(
        policy, label, serial, impact, effective - 30 * DAY, effective, enforced or effective,
        translations[0].language, translations, effective - 30 * DAY,
    )  # fmt: skip


TERMS = Policy("terms-of-use", (("en", "Terms of Use"), ("ar", "شروط الاستخدام")))
PRIVACY_POLICY = Policy("privacy", (("en", "Privacy notice"),), kind=Kind.NOTICE)
NEWSLETTER_POLICY = Policy("newsletter", (("en", "Newsletter"),), kind=Kind.CONSENT)

TERMS_1 = version(
    "terms-of-use", "2024-06-24", 1, translation("en", "Terms of Use", OLD),
    translation("ar", "شروط الاستخدام", ARABIC_OLD), translation("ja", "利用規約", JAPANESE), effective=NOW - 500 * DAY,
)  # fmt: skip
TERMS_2 = version(
    "terms-of-use", "2026-01-22", 2, translation("en", "Terms of Use", NEW, SUMMARY),
    translation("ar", "شروط الاستخدام", ARABIC_NEW, "يكلف الاشتراك ثمانية يورو بدلاً من ستة."),
)  # fmt: skip
PRIVACY_1 = version("privacy", "1.0", 3, translation("en", "Privacy notice", PRIVACY))
NEWSLETTER_1 = version("newsletter", "1.0", 4, translation("en", "Newsletter", NEWSLETTER))

TEXTS = {text_digest(text): text for text in (OLD, NEW, ARABIC_OLD, ARABIC_NEW, JAPANESE, PRIVACY, NEWSLETTER)}

VISITOR = Subject("00112233445566778899aabbccddeeff", SubjectKind.VISITOR)


def item(
    policy: Policy, shown: Version, *, language: str = "en", base: Version | None = None,
    state: State = State.REQUIRED, number: int = 1,
) -> OfferItem:  # fmt: skip
    """An item of an offer, with the redline since the base."""
    chosen = shown.translation(language)
    text = TEXTS[chosen.digest]
    base_translation = base.translation(chosen.language) if base else None
    redline = None
    if base is not None and base_translation is not None and base.serial != shown.serial:
        redline = compare(TEXTS[base_translation.digest], text)
    return OfferItem(
        id=UUID(int=number), policy=policy, version=shown, translation=chosen, state=state, text=text, base=base,
        base_translation=base_translation, redline=redline, skipped=(shown,),
    )  # fmt: skip


def draft(*items: OfferItem, subject: Subject = VISITOR, languages: Sequence[str] = ("en",)) -> OfferDraft:
    """An offer of these items."""
    return OfferDraft(UUID(int=99), subject, tuple(items), tuple(languages), NOW)
