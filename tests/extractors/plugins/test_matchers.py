"""Which URLs a pattern is for."""

from __future__ import annotations

import pytest

from reactor.extractors.plugins.matchers import Matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (
            "*://*.host.example/d/*",
            ("http://host.example/d/", "https://a.b.host.example:8443/d/x.zip?y#z"),
            ("https://host.example/e/", "https://nothost.example/d/", "https://host.example.evil/d/", "ftp://host.example/d/"),
        ),
        ("https://host.example/", ("https://host.example/",), ("http://host.example/", "https://www.host.example/")),
        ("*://HOST.example/a*b*c", ("http://host.example/abc", "http://host.example/a-b-b?c"), ("http://host.example/ac",)),
        ("*://host.example/aa*aa", ("http://host.example/aaaa",), ("http://host.example/aaa",)),
        ("*://*/watch?v=*", ("http://x/watch?v=1",), ("http://x/watch", "http://x/WATCH?v=1")),
        ("*://[::1]/*", ("http://[::1]:80/",), ("http://[::2]/",)),
    ],
)  # fmt: skip
def test_patterns(pattern: str, matching: tuple[str, ...], others: tuple[str, ...]) -> None:
    matcher = Matcher(pattern)
    assert [url for url in matching if not matcher.matches(url)] == []
    assert [url for url in others if matcher.matches(url)] == []


@pytest.mark.parametrize(
    "pattern", ["", "host.example", "*://host.example", "ftp://host/", "*://a*b/", "*://ä/", "(a+)+$", "x" * 2000]
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        Matcher(pattern)


def test_what_is_no_priority() -> None:
    for priority in (1001, -1001, 0.5, True):
        with pytest.raises(ValueError, match="whole number"):
            Matcher("*://h/", priority)  # type: ignore[arg-type]
