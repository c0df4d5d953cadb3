"""The house rules: who may import whom, what stays pure, what must have its tests."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

import reactor
from reactor.core import commands

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "reactor"

FLOORS = (
    {
        "choices",
        "errors",
        "failures",
        "lists",
        "models",
        "notices",
        "numbers",
        "options",
        "patterns",
        "plan",
        "row_options",
        "preset_options",
        "presets",
        "settings",
        "hours",
        "programs",
        "records",
        "database_path",
        "server_address",
        "ytdlp_options",
    },
    {"concurrency", "workers", "files"},
    {"core", "media"},
    {"net", "egress"},
    {"aria2", "database", "extractors", "journal"},
    {"daemon", "notify", "queue", "retention", "sync_queue", "runner", "watching", "web", "webhooks"},
    {"cli"},
)
"""A room imports from the floors below it only; the lowest floor's modules may import each other."""
BESIDE = {
    "daemon": {"retention"},
    "egress": {"net"},
    "queue": {"watching"},
    "runner": {"queue"},
    "sync_queue": {"queue"},
    "web": {"queue"},
}
"""Rooms that are used by others of their floor."""
ROOMS_WITH_DOORS_OUT = {"__init__": set().union(*FLOORS[:-1]), "__main__": {"cli"}}
CORE_MAY_IMPORT = {
    "choices",
    "core",
    "errors",
    "failures",
    "lists",
    "models",
    "notices",
    "numbers",
    "options",
    "plan",
    "records",
}
CORE_MAY_IMPORT_OF_PYTHON = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "operator",
    "typing",
}
IMPURE = {"asyncio", "concurrent", "io", "multiprocessing", "os", "random", "secrets", "select", "shutil", "signal"} | {
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
"""What reads a clock, draws lots, waits, or reaches a disk, a socket or another process."""
TOP_LEVEL = {
    "reactor",
    "tests",
    "contrib",
    "pyproject.toml",
    "aria2.conf",
    "Justfile",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "constraints.txt",
    ".ci",
    ".gitignore",
}
FOREIGN = re.compile(
    r"pypi\.org|pythonhosted|npmjs\.|crates\.io|proxy\.golang|debian\.org|ubuntu\.com/ubuntu|/simple/"
    r"|(?<![\w.}])/(?:work|opt|root)/|/home/(?!you|me|user)\w|(?<![\w.}])/tmp/"
)
"""Hosts of registries, and paths of somebody's machine."""


@cache
def files() -> tuple[Path, ...]:
    """What git holds or would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def modules(folder: Path) -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.is_relative_to(folder)]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


PURE = re.compile(r"\bPure(\.|, and)")
RELATIVE = re.compile(r"^\s*from\s+\.", re.MULTILINE)
"""A line like that of a relative import; in a text it may be none."""


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every absolute name imported anywhere in a module: `reactor.core.job`, `json`."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    """The rooms a module imports from. `from reactor import __version__` is no room."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("reactor.")}
    return names - {"__version__"}


def allowed(room: str) -> set[str]:
    if room in ROOMS_WITH_DOORS_OUT:
        return ROOMS_WITH_DOORS_OUT[room]
    floor = next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)
    assert floor is not None, f"{room} has no floor: name it in FLOORS"
    below = set().union(*FLOORS[:floor])
    return below | BESIDE.get(room, set()) | {room} | (FLOORS[0] if floor == 0 else set())


def test_rooms_import_from_the_floors_below_only() -> None:
    wrong = {
        short(path): sorted(strangers)
        for path in modules(HOUSE)
        if (strangers := rooms_imported(path) - allowed(room_of(path)))
    }
    assert wrong == {}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported(path: Path, known: Set[str]) -> set[str]:
    """The modules of reactor that a module imports, by TYPE_CHECKING and within functions too."""
    names = {name if name in known else name.rpartition(".")[0] for name in imports(path)}
    return names & known - {module_of(path)}


def test_no_module_imports_itself_through_others() -> None:
    """Imports within functions count. Only the packages' `__init__` may point at what imports them: they name what is
    loaded at first use (PEP 562), for the time that a start takes."""
    paths = {module_of(path): path for path in modules(HOUSE)}
    lazy = {"reactor", "reactor.extractors"}
    graph = {name: modules_imported(path, paths.keys()) - lazy for name, path in paths.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_engine_of_the_database_is_chosen_in_one_place() -> None:
    """Everything else speaks to `Store` and `Table`; `doctor` examines the files of SQLite."""
    package = HOUSE / "database"
    may = {package / "engine.py", HOUSE / "cli" / "doctor" / "database.py"}
    engines = ("sqlite", "postgres")
    rooms = tuple(package / engine for engine in engines)
    others = [path for path in modules(HOUSE) if path not in may and not any(map(path.is_relative_to, rooms))]
    names = tuple(f"reactor.database.{engine}" for engine in engines)
    direct = {short(path) for path in others for name in imports(path) if name.startswith(names)}
    assert direct == set()
    general = [path for path in others if path.parent == package]
    assert general
    assert [short(path) for path in general if {"sqlite3", "aiosqlite", "psycopg"} & set(imports(path))] == []


def test_rooms_have_no_circle() -> None:
    """Those of the lowest floor are single modules; of them the test above holds it."""
    rooms: dict[str, set[str]] = {}
    for path in modules(HOUSE):
        if (room := room_of(path)) not in FLOORS[0] and room not in ROOMS_WITH_DOORS_OUT:
            rooms.setdefault(room, set()).update(rooms_imported(path) - {room} - FLOORS[0])
    try:
        list(TopologicalSorter(rooms).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_package_has_its_public_names_and_nothing_else() -> None:
    tree = ast.parse((HOUSE / "__init__.py").read_text(encoding="utf-8"))
    nodes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert [node.name for node in tree.body if isinstance(node, nodes)] == ["__getattr__"]
    assert all(getattr(reactor, name) for name in reactor.__all__)


def test_the_core_imports_nothing_that_touches_the_world() -> None:
    wrong = []
    for path in modules(HOUSE / "core"):
        for name in imports(path):
            package, _, rest = name.partition(".")
            pure = package in CORE_MAY_IMPORT_OF_PYTHON
            if not pure and not (package == "reactor" and rest.split(".")[0] in CORE_MAY_IMPORT):
                wrong.append(f"{short(path)}: {name}")
    assert wrong == []


def test_what_the_core_imports_touches_nothing_either() -> None:
    wrong = []
    for room in CORE_MAY_IMPORT - {"core"}:
        path = HOUSE / f"{room}.py"
        wrong += [f"{room}: {name}" for name in imports(path) if name.partition(".")[0] in IMPURE | {"datetime"}]
        wrong += [f"{room}: {other}" for other in rooms_imported(path) - CORE_MAY_IMPORT - {"patterns"}]
    assert wrong == []


def test_a_module_that_calls_itself_pure_is() -> None:
    """“Pure.” in its docstring: it neither waits nor imports what touches the world."""
    found, pure = [], 0
    for path in modules(HOUSE):
        if not PURE.search(text := path.read_text(encoding="utf-8")):
            continue
        if not PURE.search(ast.get_docstring(tree := ast.parse(text)) or ""):
            continue
        pure += 1
        found += [f"{short(path)}: {name}" for name in imports(path) if name.partition(".")[0] in IMPURE]
        found += [f"{short(path)}: {node.name}" for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert pure > 40
    assert found == []


def test_one_module_of_the_daemon_reads_the_clock() -> None:
    clocks = [path for path in modules(HOUSE / "daemon") if {"time"} & {name.split(".")[0] for name in imports(path)}]
    assert [short(path) for path in clocks] == ["reactor/daemon/clock.py"]


def test_nobody_but_the_daemon_and_the_doctor_speaks_to_aria2() -> None:
    may = ("reactor/aria2/", "reactor/daemon/", "reactor/cli/doctor/")
    others = [path for path in modules(HOUSE) if not short(path).startswith(may)]
    assert [short(path) for path in others if "aria2" in rooms_imported(path)] == []


def test_the_core_neither_waits_nor_prints_nor_opens() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for path in modules(HOUSE / "core"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, waiting), f"{short(path)}:{getattr(node, 'lineno', 0)} waits"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "print", "input"), f"{short(path)}:{node.lineno}"


def test_the_tests_import_absolutely() -> None:
    for path in modules(ROOT / "tests"):
        if RELATIVE.search(path.read_text(encoding="utf-8")):
            imports(path)  # which asserts it


def test_every_ignored_type_error_says_which() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)")
    found = [short(path) for path in modules(ROOT) if path != Path(__file__) and bare.search(path.read_text("utf-8"))]
    assert found == []


def test_no_test_is_skipped_but_for_a_missing_program() -> None:
    skip = re.compile(r"mark\.(skip|xfail)|pytest\.(skip|xfail|importorskip)\(")
    may = (Path(__file__), ROOT / "tests" / "tools.py")  # the second with a reason, which CI takes for a failure
    tests = [path for path in modules(ROOT / "tests") if path not in may]
    assert [short(path) for path in tests if skip.search(path.read_text("utf-8"))] == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in modules(ROOT / "tests")}
    assert [short(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_every_extractor_has_its_tests() -> None:
    names = {path.stem for path in modules(HOUSE / "extractors")} - {"__init__", "base", "documents"}
    tested = {path.stem.removeprefix("test_") for path in modules(ROOT / "tests" / "extractors")}
    assert names, "there are extractors"
    assert sorted(names - tested) == []


def command_names() -> list[str]:
    return [kind.__name__ for kind in get_args(commands.Command)]


def test_the_list_of_commands_is_found() -> None:
    assert {"PollRows", "AddTransfers", "SaveDownloaded", "Tell"} <= set(command_names())


@pytest.mark.parametrize("command", command_names())
def test_every_command_is_carried_out_and_tested(command: str) -> None:
    arm = re.compile(rf"\bcase (\w+\.)?{command}\(|isinstance\(command, (\w+\.)?{command}\)")
    performers = (HOUSE / "daemon" / "perform.py", HOUSE / "database" / "sql" / "saving.py")
    assert any(arm.search(path.read_text("utf-8")) for path in performers), f"nobody carries out {command}"
    tests = [path for path in modules(ROOT / "tests") if path != Path(__file__)]
    word = re.compile(rf"\bcommands\.{command}\b|\b{command}\(")
    assert any(word.search(path.read_text("utf-8")) for path in tests), f"no test speaks of {command}"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = re.search(r"^# The README's test command:\n(.+)$", script, re.MULTILINE)
    assert command is not None
    assert command[1] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_top_level_holds_only_what_belongs_there() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} - TOP_LEVEL == set()


def test_no_file_names_a_registry_or_a_path_of_this_machine() -> None:
    found = []
    for path in files():
        if path == Path(__file__) or path.suffix in (".png", ".gif", ".torrent"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if FOREIGN.search(line):
                found.append(f"{short(path)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_versions_are_exact_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 40
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_what_takes_seconds_to_import_is_imported_by_those_tests_only_that_need_it() -> None:
    """Each worker collects all tests."""
    slow = ("aiogram", "discord", "yt_dlp", "apprise", "matplotlib")
    found = []
    collected = ("conftest.py", "test_*.py")
    for path in modules(ROOT / "tests"):
        if not any(map(path.match, collected)) or not any(map(path.read_text("utf-8").__contains__, slow)):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = {each.name for each in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            found += [f"{short(path)}: {name}" for name in names if name.partition(".")[0] in slow]
    assert found == []
