"""Laws of ``policy.toml`` and of the record made from it."""

from __future__ import annotations

import pytest

from consentgate.errors import DraftError
from consentgate.terms.canonical import canonical_json, parse_canonical_json
from consentgate.terms.policy import RESERVED_SLUGS, Audience, Kind
from consentgate.terms.policy_file import parse_policy, policy_from_record, policy_settings
from consentgate.terms.subject import SubjectKind

FULL = b"""
title = { en = "Terms of Use", fr = "Conditions" }
kind = "contract"
prevailing = "en"
notice_days = 30
renew_after = 365
retired = 2030-01-01
replaced_by = "new-terms"
[audience]
kinds = ["user"]
tags = ["business"]
paths = ["/account"]
"""


def test_every_setting_is_read() -> None:
    """The keys of DESIGN §5."""
    policy = parse_policy(FULL, slug="terms", file="policy.toml")

    assert (policy.kind, policy.title_in("fr"), policy.title_in("de")) == (Kind.CONTRACT, "Conditions", "Terms of Use")
    assert policy.audience == Audience(frozenset({SubjectKind.USER}), frozenset({"business"}), ("/account",))
    assert (policy.notice_days, policy.renew_after, policy.replaced_by) == (30, 365, "new-terms")


def test_an_empty_file_is_a_contract_for_everyone_in_english() -> None:
    """Sensible defaults."""
    policy = parse_policy(b"", slug="terms-of-use", file="policy.toml")

    assert (policy.kind, policy.title_in("en"), policy.audience.everyone) == (Kind.CONTRACT, "Terms of use", True)


def test_settings_survive_their_canonical_record() -> None:
    """policy_settings and policy_from_record are inverse."""
    policy = parse_policy(FULL, slug="terms", file="policy.toml")

    assert policy_from_record(parse_canonical_json(canonical_json(policy_settings(policy)))) == policy


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"title = ", "not TOML"),
        (b"\xff", "not TOML"),
        (b'titel = "x"', "unknown key 'titel'"),
        (b'kind = "law"', "kind is 'law'"),
        (b"title = 3", "'title' must be"),
        (b'title = {fr = "Conditions"}', "no title in the prevailing language"),
        (b"notice_days = -1", "between 0 and 36500"),
        (b"notice_days = true", "between 0 and 36500"),
        (b'audience = "all"', "'audience' must be a table"),
        (b'[audience]\nkinds = ["robot"]', "unknown kind"),
        (b'[audience]\npaths = ["account"]', "must begin with /"),
        (b'[audience]\ncolour = ["red"]', "unknown key in audience"),
        (b'prevailing = "engl ish"', "no language tag"),
        (b'retired = "soon"', "'retired'"),
        (b"x" * 20_000, "over 16,384 bytes"),
    ],
)
def test_a_bad_setting_is_refused_by_name(raw: bytes, says: str) -> None:
    """Nothing unknown is ignored: a misspelt key would silently bind nobody."""
    with pytest.raises(DraftError, match=says):
        parse_policy(raw, slug="terms", file="terms/policy.toml")


@pytest.mark.parametrize("slug", ["", "Terms", "a b", "../x", "-x", "x-", "x" * 65, "ä"])
def test_a_slug_is_lower_case_letters_digits_and_hyphens(slug: str) -> None:
    """It stands in URLs, records and passes."""
    with pytest.raises(DraftError, match="no policy slug"):
        parse_policy(b"", slug=slug, file="policy.toml")


@pytest.mark.parametrize("slug", sorted(RESERVED_SLUGS))
def test_a_slug_whose_address_is_ours_is_refused(slug: str) -> None:
    """Bug: a policy called "review" would have been published and never found."""
    with pytest.raises(DraftError, match="its address is ours"):
        parse_policy(b"", slug=slug, file="policy.toml")
