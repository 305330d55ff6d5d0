"""Paths: whole segments, every reading."""

from __future__ import annotations

import doctest
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.gate import paths
from consentgate.gate.paths import PathSet, local_path, mounted_path, readings

FREE = PathSet(("/static", "/sign-out/", "/a/b"))


def test_the_examples_are_true() -> None:
    """What the documentation shows is what happens."""
    assert doctest.testmod(paths).failed == 0


@pytest.mark.parametrize(
    "path", ["/static", "/static/", "/static/site.css", "/static/a/../b", "/sign-out", "/sign-out/now", "/a/b/c",
             "/static/.well-known/x", "/static//x", "/static/a;v=2.css", "/static/100%.css", "/static/%7Ex",
             "/static/..x", "/static/caf\u00e9", "/static/%zz"],
)  # fmt: skip
def test_a_path_at_or_under_a_prefix_is_in_the_set(path: str) -> None:
    """The prefix itself, and everything below it."""
    assert path in FREE


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "/statics", "/static.css", "/Static", "/a", "/a/bc", "/x/static", "//static", "/static/../account",
        "/static/..", "/static/x/../../account", "/static\\..\\account", "/static/..\\account", "/./static",
        "/account/../static", "static", "*",
    ],
)  # fmt: skip
def test_a_path_that_only_looks_like_it_is_not(path: str) -> None:
    """Neither a longer word, nor another case, nor one that an application behind could resolve to another place."""
    assert path not in FREE


@pytest.mark.parametrize(
    "path",
    [
        "/static/%2e%2e/account", "/static/%2E%2E/account", "/static/.%2e/account", "/static/%2e",
        "/static/..%2faccount",
        "/static/..%2Faccount", "/static%2f..%2faccount", "/static/%2f", "/static/%2faccount", "/static/..;/account",
        "/static/.;/account", "/static/..;x=1/account", "/static;/../account", "/static/..%3b/account",
        "/static/%5c", "/static/..%5caccount", "/static/..%5Caccount", "/static/..\\account", "/static/a\\b",
        "/static\\",
        "/static/\0", "/static/\0/../account", "/static/x%00.css", "/static/%00", "/static/%252e%252e/account",
        "/static/%25252e%25252e/account", "/static/..%252faccount", "/static/\t/x", "/static/a\nb", "/static/\x7f",
        "/static/%0d%0ax", "/static/%1f",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_still_encoded_after_decoding_is_never_exempt(path: str) -> None:
    """Whoever decodes once more, cuts at a semicolon or NUL, or takes a backslash for a slash would go elsewhere."""
    assert path not in FREE


@pytest.mark.parametrize(
    ("path", "second"),
    [
        ("/x/%2e%2e/account", "/account"), ("/x/%252e%252e/account", "/account"), ("/x/..%2faccount", "/account"),
        ("/x/..;v=1/account", "/account"), ("/account;v=1/x", "/account/x"), ("/x%5c..%5caccount", "/account"),
        ("/account\0.css", "/account"), ("/account%00.css", "/account"), ("/a%63count", "/account"),
    ],
)  # fmt: skip
def test_a_path_is_also_read_as_one_who_decodes_again_would(path: str, second: str) -> None:
    """As many times as anybody may; so a policy for some paths binds there, too."""
    assert readings(path)[0] == path
    assert readings(path)[-1] == second


@given(st.text(alphabet="/.%2eEfF5c;\0a", max_size=16).map(lambda tail: "/static" + tail))
def test_whatever_is_exempt_stays_below_its_prefix_however_often_it_is_decoded(path: str) -> None:
    """The rule behind the table."""
    if path in FREE:
        again = path
        for _ in range(6):
            again = unquote(again)
        kept: list[str] = []
        for segment in again.replace("\\", "/").partition("\0")[0].split("/"):
            plain = segment.partition(";")[0]
            if plain == "..":
                kept = kept[:-1]
            elif plain not in ("", "."):
                kept.append(plain)
        assert kept[0] == "static"


def test_an_empty_set_has_nothing() -> None:
    """Without exempt paths nothing is exempt."""
    assert "/" not in PathSet(())
    assert "" not in PathSet(())


@given(st.text(alphabet="/.\\ab", max_size=12).map(lambda tail: "/" + tail))
def test_the_resolved_reading_has_nothing_left_to_resolve(path: str) -> None:
    """There are one or two readings; the first is the path as it came, and reading the last again changes nothing."""
    found = readings(path)

    assert found[0] == path
    assert len(found) <= 2
    assert "\\" not in found[-1] or len(found) == 1
    assert readings(found[-1]) == (found[-1],)


@pytest.mark.parametrize(
    ("path", "root", "local", "mounted"),
    [
        ("/a", "", "/a", "/a"),
        ("/app/a", "/app", "/a", "/app/a"),
        ("/app", "/app", "/", "/app/"),
        ("/app/", "/app", "/", "/app/"),
        ("/a", "/app", "/a", "/app/a"),
        ("/apple", "/app", "/apple", "/app/apple"),
        ("/app/a", "/app/", "/a", "/app/a"),
        ("/a", "/", "/a", "/a"),
    ],
)
def test_the_mount_point_is_understood_in_both_spellings(path: str, root: str, local: str, mounted: str) -> None:
    """Servers that put the mount point into the path and servers that leave it out mean the same page."""
    scope = {"path": path, "root_path": root}

    assert local_path(scope) == local
    assert mounted_path(scope) == mounted


def test_a_scope_without_a_mount_point_is_at_the_root() -> None:
    """`root_path` is optional in ASGI."""
    assert local_path({"path": "/a"}) == "/a"
    assert mounted_path({"path": "/a", "root_path": None}) == "/a"
