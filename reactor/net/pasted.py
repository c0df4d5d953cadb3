"""The link in what a person pasted: a chat's message, a line of a mail, a piece of a web page.

It may stand inside a sentence, in brackets or quotes, between the marks of Markdown (`**…**`), with a comma behind it,
with characters that nobody sees, with `&amp;` for `&`, with `\\/` for `/`, in BBCode, disarmed (`hxxp://`,
`example[.]com`), encoded as a whole (`https%3A%2F%2F`), or with its scheme misspelt (`https:/`, `ttps://`). Pure.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from reactor.files.suffixes import FILE_SUFFIXES
from reactor.patterns import pattern

_UNSEEN = pattern("[\u00ad\u200b\u200e\u200f\u202a-\u202c\u2060\u2066-\u2069\ufeff]")
"""Soft hyphen, zero-width space, word joiner, byte order mark, and marks of the writing direction: what programs put
into text unasked. Not what turns the letters of a name around: nobody means that."""
_SCHEME = r"h(?:t{1,3}|xx|\*\*)ps?(?:(?:[:;]|\[:\])[/\\]{1,2}|//|:(?=[\w-]+\.\w))|t{1,2}ps?://|s?ftp://"
"""As people type it."""
_LINK = pattern(
    rf"""(?:(?<![!#-&*-9;=?-Z\\^_a-z}}~])|(?<!\S)(?:(?P<mark>[*_~|]{{1,3}})|(?P<field>\[?[a-z][\w-]{{0,19}}=)|[-+]))
    (?P<link>{_SCHEME}|(?:web\+)?magnet:(?:/{{0,2}}\?|%3f))""",
    re.IGNORECASE | re.VERBOSE,
)
"""Where a link begins. In front of it stands nothing, a bracket, a quote, a colon, or no ASCII at all; or one of the
marks by which chats make text bold, slanted, struck out or hidden; the name of a field (`url=`, `[url=`); or the dot of
a list."""
_HOST_LIKE = pattern(r"(?:[\w-]+(?:\.|\[\.\]|\(\.\)))+[a-z]{2,24}(?::\d+)?/\S*", re.IGNORECASE)
_INFO_HASH = pattern(r"(?<![0-9a-z%/])[0-9a-f]{40}(?![0-9a-z])", re.IGNORECASE)
_MAGNET_WITH_SPACES = pattern(r"magnet:.*&(?:amp;)?(?:tr|xt|ws|xl)(?:\.\d+)?=\S*", re.IGNORECASE)
"""A magnet link whose name holds raw spaces: it goes on to its last key."""
_WRAPPED_MAGNET = pattern(
    r"(?<=[\w%])[ \t]*\r?\n[ \t]*(?=&(?:amp;)?(?:as|dn|so|tr|ws|x\.pe|xl|xs|xt)(?:\.\d+)?=)", re.IGNORECASE
)
"""Where a mail has broken one."""
_SPELLED = pattern(r"h?(?:t{1,3}|xx|\*\*)p(s?)(?:(?:[:;]|\[:\])?[/\\]{1,2}|:(?=[\w-]+\.\w))", re.IGNORECASE)
_DISARMED_DOT = pattern(r"\[\.\]|\(\.\)")
_DOUBLED = pattern(r"^https?://(?=https?://)", re.IGNORECASE)
_AFTER = pattern(r"[，。！？；：、（）【】《》「」『』]|\[/|(?:\]\(|[,;|])(?=https?://|magnet:)", re.IGNORECASE)
"""Punctuation that no URL holds unencoded, what closes BBCode, and another link, such as the address of a Markdown link
whose text is one, too."""
_GLUED = pattern(r"\.(\w{1,8})(?=[^\x00-\x7f|]+$|\||https?://)", re.IGNORECASE | re.ASCII)
"""The suffix of a file, with something behind it that is no part of its name."""
_WIDE = pattern(r"(?:[a-z]{4,5}|[ａ-ｚ]{4,5})[:：][/／]{2}", re.IGNORECASE)
"""A scheme as East Asian keyboards may write it."""
_TWICE = pattern(r"\bhttps?(?=https?://)|(?<=://)[ \t]+(?=[\w\[])", re.IGNORECASE)
_ENCODED = pattern(r"(?<!\S)https?%3a%2f%2f\S+", re.IGNORECASE)
_ENTITIES = {"&quot;": '"', "&lt;": "<", "&gt;": ">", "&#39;": "'", "&apos;": "'", "&nbsp;": " "}
_CLOSES = {'"': '"', "'": "'", "`": "`", "<": ">", "“": "”", "„": "“", "«": "»", "‘": "’"}
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BEHIND = ".,;!?#…\"'`<>”’»“‘"


def link_in(text: str) -> str:
    """The first link in `text`, or the text itself where it holds none or is one word."""
    text = _plain(text)
    found = _LINK.search(text)
    if found is None:
        words = text.split()
        host_like = next((word for word in words if _HOST_LIKE.match(word)), "")
        word = text if len(words) == 1 else host_like
        info_hash = None if host_like else _INFO_HASH.search(text)
        if info_hash:
            return info_hash[0]
        return _armed(_ended(word)) if word else text
    start, mark = found.start("link"), found["mark"] or ""
    rest, before = text[start:], text[:start][-1:] if start == found.start() else ""
    closes = "]" if (found["field"] or "").startswith("[") else _CLOSES.get(before)
    closing = rest.find(closes) if closes else -1
    link = rest[:closing] if closing > 0 and "\n" not in rest[:closing] else _words(rest, alone=not before)
    link = link.partition("|")[0] if before == "<" else link  # Slack: <address|text>
    link = link.partition("][")[0] if text[:start].endswith("[[") else link  # Org mode: [[address][text]]
    return _armed(_ended(_ended(link).removesuffix(mark)).replace(" ", "%20"))


def links_in(text: str) -> int:
    """How many links `text` holds, as far as they have a scheme."""
    return len(_LINK.findall(_plain(text)))


def _plain(text: str) -> str:
    """Without what programs put into text: unseen characters, HTML's entities, JSON's escapes, an encoding around a
    whole link; and with ASCII where a scheme has wide letters."""
    text = _WRAPPED_MAGNET.sub("", _UNSEEN.sub("", text).strip())
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    if ":\\/\\/" in text:
        text = text.replace("\\/", "/")
    text = text.replace("\\u0026", "&")
    text = _WIDE.sub(lambda scheme: unicodedata.normalize("NFKC", scheme[0]), text)
    text = _ENCODED.sub(lambda link: unquote(link[0], errors="replace"), text)
    return _TWICE.sub("", text)


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
    glued = next((found for found in _GLUED.finditer(link) if found[1].lower() in FILE_SUFFIXES), None)
    link = link[: glued.end()] if glued else link
    while link:
        last = link[-1]
        closes = last in _BRACKETS and link.count(last) > link.count(_BRACKETS[last])
        drawn = not last.isascii() and unicodedata.category(last) in ("So", "Sk", "Cf", "Mn")  # an emoji, as it is made
        if last not in _BEHIND and not closes and not drawn and not (last == ":" and ":" in link[:-1]):
            break
        link = link[:-1]
    return link.replace("\N{ZERO WIDTH NON-JOINER}", "%E2%80%8C").replace("\N{ZERO WIDTH JOINER}", "%E2%80%8D")


def _armed(link: str) -> str:
    while "&amp;" in link:
        link = link.replace("&amp;", "&")
    if spelled := _SPELLED.match(link):
        address = re.split(r"[?#]", link[spelled.end() :], maxsplit=1)[0]
        rest = link[spelled.end() + len(address) :]
        address = address.replace("\\", "/") if "\\" in spelled[0] else address
        link = f"http{spelled[1].lower()}://{address}{rest}"
    link = link.removeprefix("//")
    while _DOUBLED.match(link):
        link = _DOUBLED.sub("", link)
    scheme, sign, behind = link.partition("://") if "://" in link else ("", "", link)
    host = re.split(r"[/?#]", behind, maxsplit=1)[0]
    return f"{scheme}{sign}{_DISARMED_DOT.sub('.', host)}{behind[len(host) :]}"
