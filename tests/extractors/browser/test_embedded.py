"""Manifests inside of other answers."""

from __future__ import annotations

import base64
import json

import pytest

from reactor.extractors.browser.embedded import MANIFESTS_MAX, is_manifest, manifests_in

HLS = "#EXTM3U\n#EXTINF:9,\nhttps://h/1.ts\n"
MPD = '<?xml version="1.0"?><MPD type="static"></MPD>'


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (json.dumps({"a": {"m": HLS}, "b": [MPD, HLS]}), [HLS, MPD]),
        (json.dumps([coded(HLS), coded(MPD)]), [HLS, MPD]),
        (json.dumps([f"{HLS}{n}" for n in range(99)]), [f"{HLS}{n}" for n in range(MANIFESTS_MAX)]),
        (json.dumps({"say": "no #EXTM3U here", "m": "I0VYVE0zVQ!!"}), []),
        (json.dumps(["I0VYVE0zV\ud800"]), []),
        ("[" * 5000 + "#EXTM3U", []),
        (HLS, []),
        ("{}", []),
    ],
)
def test_manifests_in_json(text: str, wanted: list[str]) -> None:
    assert manifests_in(text) == wanted


def test_how_manifests_begin() -> None:
    assert [is_manifest(text) for text in (f"\ufeff\n{HLS}", MPD, "<html>MPD", "", "x#EXTM3U")] == [
        *(True, True, False, False, False)
    ]
