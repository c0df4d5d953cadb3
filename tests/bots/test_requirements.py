"""What a bot's requirements.txt says: enough for what it imports, in a folder that is anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.bots.copied import CONTRIB, copied

BOTS = ("telegram", "discord")


def required(folder: Path) -> dict[str, str]:
    """Distribution → its line."""
    lines = (folder / "requirements.txt").read_text().splitlines()
    named = [line for line in lines if line and not line.startswith(("#", "--"))]
    return {line.split("[")[0].split(">")[0].strip(): line for line in named}


@pytest.mark.parametrize("bot", BOTS)
def test_whatever_a_bot_imports_is_required(bot: str) -> None:
    folder = CONTRIB / bot
    imported = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    others = imported - sys.stdlib_module_names - {path.stem for path in folder.glob("*.py")}
    known = packages_distributions()
    assert {known[name][0].lower() for name in others if name != "reactor"} == required(folder).keys() - {
        "aria2-reactor"
    }


@pytest.mark.nightly
@pytest.mark.parametrize("bot", BOTS)
def test_a_wheel_beside_it_is_found_from_wherever_it_is_installed(bot: str, tmp_path: Path) -> None:
    """By pip itself; all else that is required comes from an index, which is not asked here."""
    folder, pip = copied(bot, tmp_path), (sys.executable, "-m", "pip", "--disable-pip-version-check")
    build = (*pip, "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder / "wheels"))
    subprocess.run([*build, str(CONTRIB.parent)], check=True, timeout=100)
    lines = (folder / "requirements.txt").read_text().splitlines()
    only = folder / "only-reactor.txt"
    only.write_text("\n".join(line for line in lines if line.startswith(("--", "aria2-reactor"))))
    target = tmp_path / "installed"
    install = (*pip, "install", "-q", "--no-deps", "--no-index", "--target", str(target), "-r", str(only))
    subprocess.run(install, check=True, timeout=100, cwd="/")
    assert (target / "reactor" / "__init__.py").is_file()
