"""The README's first two commands on a machine that has Python, git and a shell, and none of the programs of
`programs.txt`: a clone of what is committed here, an empty home, a PATH of links to what every system has.

python -m tests.bare [FOLDER]           10 minutes; FOLDER is where it is done, else a temporary one
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools import NOT_INSTALLED, packages

ROOT = Path(__file__).parents[1]
BASE = """bash sh env git cat cp mv rm ls mkdir rmdir ln chmod touch head tail sed grep awk cut tr sort uniq wc find
    xargs date sleep true false test expr basename dirname readlink id uname mktemp tee kill ps df tar gzip"""
"""What is there on every system."""
LIMIT_S = 3600.0


def lay(folder: Path) -> dict[str, str]:
    """Make the machine in an empty folder; the environment of whoever sits before it."""
    programs, home, temporary = folder / "bin", folder / "home", folder / "tmp"
    for made in (programs, home, temporary):
        made.mkdir()
    for name in BASE.split():
        if (found := shutil.which(name)) is not None:
            (programs / name).symlink_to(Path(found).resolve())
    # The interpreter below any virtual environment.
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    # Where packages come from is the machine's affair.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    if (settings := Path("~/.config/pip/pip.conf").expanduser()).exists():
        pip.setdefault("PIP_CONFIG_FILE", str(settings))
    return pip | {"PATH": str(programs), "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}


def commands() -> list[str]:
    """The README's first two."""
    return re.findall(r"^```sh\n(.+?)\n```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)[:2]


def run(command: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run one as it stands, and show what it prints; its lines. Raises CalledProcessError."""
    sys.stdout.write(f"$ {command}\n")
    printed = []
    shell = (str(Path(environment["PATH"]) / "bash"), "-c", command)
    with subprocess.Popen(shell, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            printed.append(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed


def main(folder: Path) -> int:
    """0 when both commands did their work, and the second has named every program that it could not do without."""
    environment = lay(folder)
    clone = folder / "reactor"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    try:
        _, lines = [run(command, clone, environment) for command in commands()]
    except subprocess.CalledProcessError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    named = {name for name in packages() for line in lines if f" for {name}, {NOT_INSTALLED}" in line}
    sys.stdout.write(f"Missing, and named: {', '.join(sorted(named))}.\n")
    return 0 if {"chromium", "jq"} <= named else 1


def called() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bare", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where all of it is made, and stays; without one, it goes")
    folder: Path | None = parser.parse_args().folder
    if folder is not None:
        folder.mkdir(parents=True)
        return main(folder)
    with tempfile.TemporaryDirectory(prefix="bare-") as temporary:
        return main(Path(temporary))


if __name__ == "__main__":
    sys.exit(called())
