"""What a browser is started with. What the process does is tested by those who talk to it."""

from __future__ import annotations

import pytest

from reactor.extractors.browser.worker import UNTOLD, options, why


@pytest.mark.parametrize("sandbox", [True, False])
def test_the_sandbox_is_on_unless_it_cannot_be(sandbox: bool) -> None:
    started = options({"executable": "/b", "sandbox": sandbox, "proxy": None, "headless_tells": False})
    assert (started["executable_path"], started["chromium_sandbox"], started["headless"]) == ("/b", sandbox, True)
    assert not any("sandbox" in switch for switch in started["args"])
    assert UNTOLD in started["args"]
    assert started["proxy"] is None


def test_a_proxy_is_for_the_addresses_of_this_machine_too() -> None:
    started = options({"executable": "/b", "sandbox": True, "proxy": "http://127.0.0.1:1", "headless_tells": False})
    assert started["proxy"] == {"server": "http://127.0.0.1:1", "bypass": "<-loopback>"}


def test_the_login_of_a_proxy_is_not_part_of_its_address() -> None:
    started = options(
        {"executable": "/b", "sandbox": True, "proxy": "http://anna:s3cret@127.0.0.1:1", "headless_tells": False}
    )
    assert started["proxy"] == {
        "server": "http://127.0.0.1:1",
        "bypass": "<-loopback>",
        "username": "anna",
        "password": "s3cret",
    }


LOGS = """BrowserType.launch: Target page, context or browser has been closed
Browser logs:

<launching> /usr/bin/chromium --headless
[pid=7][err] /usr/bin/chromium: 9: [: unexpected operator
{line}
  - [pid=7] <process did exit: exitCode={code}, signal={signal}>
"""


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (LOGS.format(line="[pid=7][err] [7:7:1/2.3:FATAL:a/b.cc:315] Socket path too long.", code=1, signal="null"),
         "Socket path too long."),
        (LOGS.format(line="", code=127, signal="null"), "it ended with exit code 127"),
        (LOGS.format(line="", code="null", signal="SIGABRT"), "it ended by SIGABRT"),
        ("Chromium sandboxing failed!", "its sandbox does not work here; allow it unprivileged user namespaces"),
        ("No such file.\nmore", "No such file."),
    ],
)  # fmt: skip
def test_why_a_browser_does_not_start(told: str, reason: str) -> None:
    assert why(told) == reason
