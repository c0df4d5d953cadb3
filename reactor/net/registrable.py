"""Whose a host is: the domain that somebody has registered, as `example.co.uk` of `cdn.example.co.uk`.

Under what one may register a domain says the Public Suffix List. That of the package tldextract is read, as it was
shipped: nothing is fetched, and the package, which brings an HTTP client along, is not loaded.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from reactor.net.jar import is_address

PACKAGE, LIST = "tldextract", ".tld_set_snapshot"
PRIVATE = "===BEGIN PRIVATE DOMAINS==="
"""What comes after that are services which give away names: those of one of them have its servers in common."""
LABELS_MAX = 127


def site_of(url: str) -> str | None:
    """The registrable domain of a URL's host; the host itself where it has none; None of a URL without a host."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return registrable(host) if host else None


@lru_cache(maxsize=4096)
def registrable(host: str) -> str:
    """The registrable domain of a host; the host itself (an address, `nas`, a public suffix) where it has none."""
    host = host.rstrip(".").lower()
    labels = [_shown(label) for label in host.split(".")]
    if len(labels) > LABELS_MAX or is_address(host):
        return host
    known = _suffixes()
    for at in range(len(labels)):
        rest = ".".join(labels[at + 1 :])
        name = ".".join(labels[at:])
        if f"!{name}" in known:
            return name
        if name in known or f"*.{rest}" in known or at == len(labels) - 1:
            return ".".join(labels[max(0, at - 1) :])
    return host


def _shown(label: str) -> str:
    """As the list has it."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


@cache
def _suffixes() -> frozenset[str]:
    """The rules of the list: `co.uk`, `*.ck`, `!www.ck`."""
    found = find_spec(PACKAGE)
    folders = found.submodule_search_locations if found is not None else None
    if not folders:  # a frozen bot may have left it out: two labels are right more often than not
        return frozenset()
    icann, _, _ = (Path(folders[0]) / LIST).read_text("utf-8").partition(PRIVATE)
    return frozenset(line.strip() for line in icann.splitlines() if line.strip() and not line.startswith("//"))
