"""What extractors say → what a person reads."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reactor.errors import Failure
from reactor.extractors.ytdlp.failures import Report, better, browser_may, failure_of, for_a_browser

URL = "https://u:s3cret@video.test/watch?token=s3cret"


def report(*kinds: str, **more: Any) -> Report:
    return Report(kinds=[*kinds, "ExtractorError"], **more)


def code(text: str, **more: Any) -> str:
    return failure_of(report(text=text, expected=True, **more), URL).code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This video is DRM protected", "drm"),
        ("The requested site is known to use DRM protection. It will NOT be supported.", "drm"),
        ("Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies", "needs_cookies"),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "needs_cookies"),
        ("NSFW tweet requires authentication", "needs_cookies"),
        ("This video is age-restricted", "needs_cookies"),
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("The uploader has not made this video available in your country", "geo_blocked"),
        ("This video is not available from your location due to geo restriction", "geo_blocked"),
        ("Your IP address is blocked from accessing this post", "geo_blocked"),
        ("Join this channel to get access to members-only content like this video", "needs_login"),
        ("This video is only available for registered users. Use --username and --password", "needs_login"),
        ("This video requires payment to watch: subscription", "needs_login"),
        ("You need to log in to access this content", "needs_login"),
        ("Instagram sent an empty media response. Use --cookies", "needs_cookies"),
        ("This live event will begin in 5 hours.", "not_started"),
        ("Premieres in 30 minutes", "not_started"),
        ("Rate-limited by the site", "rate_limited"),
        ("Video unavailable. This video has been removed by the uploader", "not_found"),
        ("Video unavailable", "not_found"),
        ("This video is no longer available because the account has been terminated", "not_found"),
        ("Requested format is not available. Use --list-formats for a list", "unsupported"),
        ("No video formats found!", "bad_answer"),
        ("This website is no longer supported since it is primarily used for piracy", "unsupported"),
        ("The extractor is attempting impersonation, but no impersonate target is available", "unsupported"),
        ("Something else", "refused"),
        ("", "refused"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("kinds", "more", "expected", "retryable"),
    [
        (["GeoRestrictedError"], {"text": "private"}, "geo_blocked", False),
        (["MemoryError"], {}, "out_of_memory", False),
        (["SyntaxError"], {}, "settings", False),
        (["HTTPError"], {"status": 404, "text": "No page: HTTP Error 404: Not Found"}, "not_found", False),
        (["HTTPError"], {"status": 401, "text": "HTTP Error 401: Unauthorized"}, "needs_login", False),
        (["HTTPError"], {"status": 403, "text": "HTTP Error 403: Forbidden"}, "forbidden", False),
        (["HTTPError"], {"status": 429, "text": "HTTP Error 429: Too Many Requests"}, "rate_limited", True),
        (["HTTPError"], {"status": 502, "text": "HTTP Error 502: Bad Gateway"}, "server_error", True),
        (["TransportError", "gaierror"], {"text": "Unable to download webpage: resolve"}, "dns", True),
        (["SSLError", "CertificateVerifyError"], {"text": "certificate verify failed"}, "tls", False),
        (["TransportError", "ConnectTimeoutError", "TimeoutError", "ConnectionRefusedError"], {}, "unreachable", True),
        (["TransportError", "TimeoutError"], {"text": "timed out"}, "timeout", True),
        (["IncompleteRead", "TransportError"], {}, "connection_lost", True),
        (["KeyError"], {"text": "'x'"}, "extractor_failed", False),
    ],
)  # fmt: skip
def test_classes_and_statuses(kinds: list[str], more: dict[str, Any], expected: str, retryable: bool) -> None:
    error = failure_of(report(*kinds, **more), URL)
    assert (error.code, error.retryable) == (expected, retryable)
    assert "s3cret" not in str(error)
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("Premieres in 30 minutes", 1800.0),
        ("This live event will begin in a few moments.", None),
        ("This live event will begin in 2 hours.", 7200.0),
        ("Premieres in an hour", 3600.0),
        ("Premieres in 12 days", None),
    ],
)
def test_what_begins_soon_is_tried_again(text: str, after: float | None) -> None:
    error = failure_of(report(text=text, expected=True), URL)
    assert (error.code, error.retryable, error.retry_after_s) == ("not_started", after is not None, after)


def test_what_a_site_says_is_one_clean_line() -> None:
    said = f"Bad\nthings \x1b[31m at {URL} " + "x" * 5000
    error = failure_of(report(text=said), URL)
    assert "s3cret" not in str(error)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 500
    assert "pip install -U" in str(error)


def test_what_a_browser_may_do_better() -> None:
    assert for_a_browser(report("UnsupportedError", text="Unsupported URL: https://h/"))
    assert for_a_browser(report(text="Got HTTP Error 403 caused by Cloudflare anti-bot challenge; try again"))
    assert for_a_browser(report(text="This video is DRM protected")) is None


def test_a_report_that_makes_no_sense() -> None:
    nonsense: tuple[dict[str, Any], ...] = (
        {"kinds": []},
        {"kinds": "x"},
        {"kinds": ["x"], "status": "404"},
        {"kinds": ["x"], "status": 7},
    )
    for told in nonsense:
        with pytest.raises(ValidationError):
            Report.model_validate(told)


@pytest.mark.parametrize(
    ("earlier", "later", "told"),
    [
        ("extractor_failed", "unsupported", "earlier"),
        ("forbidden", "timeout", "earlier"),
        ("extractor_failed", "needs_browser", "later"),
        ("forbidden", "drm", "later"),
        ("needs_cookies", "needs_browser", "earlier"),
    ],
)
def test_the_better_of_two_sentences(earlier: str, later: str, told: str) -> None:
    first, second = Failure(earlier, "earlier"), Failure(later, "later")
    assert better(first, second).message == told


@pytest.mark.parametrize(
    ("told", "may"),
    [
        (Report(kinds=["ExtractorError"], text="Unable to extract title"), True),
        (Report(kinds=["KeyError"], text="'player'"), True),
        (Report(kinds=["HTTPError"], status=403), True),
        (Report(kinds=["ExtractorError"], text="Sign in to confirm you're not a bot", expected=True), True),
        (Report(kinds=["HTTPError"], status=404), False),
        (Report(kinds=["ExtractorError"], text="This video is private", expected=True), False),
        (Report(kinds=["ExtractorError"], text="This video is DRM protected", expected=True), False),
        (Report(kinds=["GeoRestrictedError"]), False),
    ],
)
def test_what_says_nothing_of_what_a_browser_would_see(told: Report, may: bool) -> None:
    assert browser_may(failure_of(told, "https://h/")) is may
