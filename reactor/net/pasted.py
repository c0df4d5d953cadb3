"""The link in what a person pasted: a chat's message, a line of a mail, a piece of a web page.

It may stand inside a sentence, in brackets or quotes, with a comma behind it, with characters that nobody sees, with
`&amp;` for `&`, disarmed (`hxxp://`, `example[.]com`). Pure.
"""

from __future__ import annotations

import re

from reactor.files.suffixes import FILE_SUFFIXES

_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")
"""Soft hyphen, zero-width space, word joiner and byte order mark: what programs put into text unasked."""
_LINK = re.compile(r"""(?<![!#-&*-9;=?-Z\\^_a-z}~])(?:h(?:tt|xx)ps?://|magnet:/{0,2}\?)""", re.IGNORECASE)
"""Where a link begins. In front of it stands nothing, a bracket, a quote, a colon, or no ASCII at all."""
_HOST_LIKE = re.compile(r"(?:[\w-]+\.)+[a-z]{2,24}(?::\d+)?/\S*", re.IGNORECASE)
_MAGNET_WITH_SPACES = re.compile(r"magnet:.*&(?:amp;)?(?:tr|xt|ws|xl)(?:\.\d+)?=\S*", re.IGNORECASE)
"""A magnet link whose name holds raw spaces: it goes on to its last key."""
_DISARMED = re.compile(r"^hxxp", re.IGNORECASE)
_DISARMED_DOT = re.compile(r"\[\.\]|\(\.\)")
_DOUBLED = re.compile(r"^https?://(?=https?://)", re.IGNORECASE)
_AFTER = re.compile(r"[，。！？；：、（）【】《》「」『』]|\]\((?=https?://|magnet:)", re.IGNORECASE)
"""Punctuation that no URL holds unencoded, and the address of a Markdown link whose text is one, too."""
_CLOSES = {'"': '"', "'": "'", "`": "`", "<": ">", "“": "”", "„": "“", "«": "»", "‘": "’"}
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BEHIND = ".,;!?#…\"'`<>”’»“‘"


def link_in(text: str) -> str:
    """The first link in `text`, or the text itself where it holds none or is one word."""
    text = _UNSEEN.sub("", text).strip()
    found = _LINK.search(text)
    if found is None:
        words = text.split()
        host_like = next((word for word in words if _HOST_LIKE.match(word)), "")
        word = text if len(words) == 1 else host_like
        return _armed(_ended(word)) if word else text
    rest, before = text[found.start() :], text[: found.start()][-1:]
    closing = rest.find(_CLOSES[before]) if before in _CLOSES else -1
    link = rest[:closing] if closing > 0 and "\n" not in rest[:closing] else _words(rest, alone=not before)
    return _armed(_ended(link).replace(" ", "%20"))


def links_in(text: str) -> int:
    """How many links `text` holds, as far as they have a scheme."""
    return len(_LINK.findall(_UNSEEN.sub("", text)))


def _words(rest: str, *, alone: bool) -> str:
    """The first word, and those behind it when the link stands `alone` and only the last one ends as a file does:
    `http://host/my file.zip`."""
    words, line = rest.split(), rest.splitlines()[0]
    if magnet := _MAGNET_WITH_SPACES.match(line):
        return magnet[0]
    several = alone and len(words) > 1 and line == rest and len(_LINK.findall(rest)) == 1
    ends = [_ended(word).rpartition(".")[2].lower() in FILE_SUFFIXES for word in words]
    return line if several and ends[-1] and not any(ends[:-1]) else words[0]


def _ended(link: str) -> str:
    """Without the punctuation, the quotes, and the brackets that close what was opened in front of it."""
    link = _AFTER.split(link)[0]
    link = link.lstrip("<({\"'`“‘«„")
    while link:
        last = link[-1]
        if last not in _BEHIND and not (last in _BRACKETS and link.count(last) > link.count(_BRACKETS[last])):
            break
        link = link[:-1]
    return link


def _armed(link: str) -> str:
    while "&amp;" in link:
        link = link.replace("&amp;", "&")
    link = _DISARMED.sub("http", link)
    while _DOUBLED.match(link):
        link = _DOUBLED.sub("", link)
    scheme, sign, behind = link.partition("://")
    host = re.split(r"[/?#]", behind, maxsplit=1)[0]
    return f"{scheme}{sign}{_DISARMED_DOT.sub('.', host)}{behind[len(host) :]}"
