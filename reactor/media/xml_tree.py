"""Strangers' XML as a tree of elements. Pure, and linear in the text.

A document whose DOCTYPE declares something is refused before it is parsed, so that there are no entities to expand; one
that only names a DTD elsewhere, which nobody fetches, is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from reactor.errors import DownloadError
from reactor.patterns import pattern

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DEPTH_MAX = 64
"""Levels of nested elements."""
ELEMENTS_MAX = 400_000
"""Elements of one document, counted by their tags."""
_DOCTYPE = pattern(r"<!DOCTYPE\s[^<>\[]*>")
_AMPERSAND = pattern(
    r"(<!\[CDATA\[.*?(?:\]\]>|\Z))|&(?!(?:#\d{1,7}|#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos);)", re.IGNORECASE | re.DOTALL
)
"""One that nobody has escaped, as in the query of an address; or a CDATA section, in which it need not be."""


def read_tree(
    text: str, root: str | tuple[str, ...], bad: Callable[[str], DownloadError], too_large: DownloadError
) -> Element:
    """The element named `root`, or one of these, with names without namespaces. Raises `bad` with a reason, and
    `too_large`."""
    from xml.etree import ElementTree  # in the processes that read documents only

    text = _DOCTYPE.sub("", text, count=1)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise bad("it declares entities")
    if text.count("<") > ELEMENTS_MAX:
        raise too_large
    text = text.lstrip("\ufeff \t\r\n")
    try:
        found = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        try:
            found = ElementTree.fromstring(_AMPERSAND.sub(lambda found: found[1] or "&amp;", text))
        except (ElementTree.ParseError, ValueError):
            raise bad("it is not valid XML") from error
    todo = [(found, 0)]
    while todo:
        element, depth = todo.pop()
        if depth > DEPTH_MAX:
            raise bad("its elements are nested too deeply")
        element.tag = element.tag.rpartition("}")[2]
        todo += [(child, depth + 1) for child in element]
    roots = (root,) if isinstance(root, str) else root
    if found.tag not in roots:
        raise bad(f"its first element is not {' or '.join(roots)}")
    return found
