"""The modules of a bot, as it imports them: from its own folder, by names that another bot has, too."""

from __future__ import annotations

import ast
import sys
import warnings
from importlib import import_module
from types import ModuleType

from tests.bots.copied import CONTRIB


def loaded(bot: str, *names: str) -> list[ModuleType]:
    """These modules of a bot; nothing of it stays among those of this process."""
    folder = str(CONTRIB / bot)
    sys.path.insert(0, folder)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'audioop' is deprecated")  # discord.py imports it
            return [import_module(name) for name in names]
    finally:
        sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "") or "").startswith(folder):
                del sys.modules[name]


def settings(bot: str, module: str) -> list[str]:
    """The names of a bot's settings, without its library, which takes seconds to import."""
    tree = ast.parse((CONTRIB / bot / f"{module}.py").read_text())
    (config,) = (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "Config")
    fields = [each.target for each in config.body if isinstance(each, ast.AnnAssign)]
    return [each.id for each in fields if isinstance(each, ast.Name)]
