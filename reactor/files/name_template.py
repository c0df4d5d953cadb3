"""The option `name`: our own braces, filled with text that is data and nothing else. Pure.

Names are cut where they are published, as all names are.
"""

from __future__ import annotations

from collections.abc import Mapping

from reactor.files.names import clean_name, split_suffix
from reactor.patterns import pattern

VALUE_MAX = 300
"""Characters of one value: names are cut to less."""
_PLACEHOLDER = pattern(r"\{([a-z]+)\}")
_EMPTY = pattern(r"\(\s*\)|\[\s*\]")
_EDGES = " -_·|,"


def fill_template(template: str, values: Mapping[str, str], name: str) -> str:
    """The template with its values in place, under the suffix of `name`: what a file is does not change with its name.
    What nobody knows stays empty, with the brackets around it. `name` itself, where nothing is left."""
    suffix = split_suffix(name)[1]
    known = {"ext": suffix[1:]} | {key: value[:VALUE_MAX] for key, value in values.items()}
    filled = _PLACEHOLDER.sub(lambda found: known.get(found[1], ""), template)
    filled = " ".join(_EMPTY.sub("", filled).split()).strip(_EDGES)
    if suffix and filled.lower().endswith(suffix.lower()):
        filled = filled[: -len(suffix)].rstrip()
    stem = clean_name(filled, fallback="")
    return f"{stem}{suffix}" if stem else name
