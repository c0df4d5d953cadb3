"""Regular expressions that are compiled when they are used first.

The two hundred patterns of reactor take longer to compile than all its modules to load, and a run uses a few of them.
Every pattern with a name of its own is made here; the tests compile each of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr

if TYPE_CHECKING:
    pattern = re.compile
else:

    def pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """What `re.compile` makes, with its attributes; but a function of `re` does not take it for a pattern."""
        return Pattern(source, flags)


class Pattern:
    """Stands for a compiled pattern."""

    def __init__(self, source: Any, flags: int) -> None:
        self._made_of = source, flags

    def __getattr__(self, name: str) -> Any:
        """Called once for each attribute, which is the compiled pattern's own from then on."""
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(re.compile(*self._made_of), name)
        setattr(self, name, value)
        return value
