"""aria2's error numbers and messages, and the failures they stand for."""

from __future__ import annotations

import pytest

from reactor.aria2.failures import ARIA2, classify, classify_status
from reactor.failures import HTTP


@pytest.mark.fault(30, 31)
@pytest.mark.parametrize(
    ("number", "text", "code", "retryable"),
    [
        (1, "Failed to establish connection, cause: Connection refused", "unreachable", True),
        (1, "SSL/TLS handshake failure: unable to get local issuer certificate", "tls", False),
        (1, "SSL/TLS handshake failure:  `not signed by known authorities or invalid' `expired'", "tls", False),
        (1, "SSL/TLS handshake failure: hostname does not match", "tls", False),
        (1, "SSL/TLS handshake failure: Error in the pull function.", "unreachable", True),
        (1, "SSL/TLS handshake failure: SSL I/O error", "unreachable", True),
        (1, "SSL/TLS handshake failure: EOF was received", "unreachable", True),
        (1, "fallocate failed. cause: No space left on device", "no_space", True),
        (1, "Download aborted.", "changed", True),
        (16, "Download aborted.", "storage", False),
        (2, "Timeout.", "timeout", True),
        (3, "Resource not found", "not_found", False),
        (8, "Invalid range header.", "cannot_resume", True),
        (9, "", "no_space", True),
        (16, "Failed to open the file, cause: File name too long", "storage", False),
        (17, "", "storage", True),
        (19, "Could not resolve host", "dns", True),
        (22, "The response status is not successful. status=403", "forbidden", False),
        (22, "The response status is not successful. status=410", "not_found", False),
        (22, "The response status is not successful. status=416", "changed", True),
        (22, "The response status is not successful. status=429", "rate_limited", True),
        (22, "The response status is not successful. status=500", "server_error", True),
        (22, "status=418", "refused", False),
        (22, "The response status is not successful. status=413", "refused", False),
        (22, "The response status is not successful. status=589", "too_large", False),
        (22, "No URI available.", "server_error", True),
        (29, "HTTP 503", "server_error", True),
        (24, "Authorization failed.", "needs_login", False),
        (32, "Checksum error detected.", "checksum", True),
        (99, "something new", "failed", False),
        (None, "", "failed", False),
    ],
)
def test_what_an_error_of_aria2_means(number: int | None, text: str, code: str, retryable: bool) -> None:
    failure = classify(number, text)
    assert (failure.code, failure.retryable) == (code, retryable)


def test_every_failure_is_a_sentence_for_a_person() -> None:
    for failure in (*ARIA2.values(), *map(classify_status, HTTP)):
        assert failure.text[0].isupper() or failure.text.startswith("aria2c")
        assert failure.text.endswith(".")
