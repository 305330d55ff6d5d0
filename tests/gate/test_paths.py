"""Paths: whole segments, every reading."""

from __future__ import annotations

import doctest

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
             "/static/.well-known/x", "/static//x"],
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
