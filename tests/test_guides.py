"""What the README and contrib/docs say, followed word for word: every block of code runs, every name exists."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from contrib.docs import document
from reactor.aria2.embedded import default_conf
from reactor.cli import app_of
from reactor.core.lifecycle import mermaid
from reactor.models import Download
from reactor.programs import find_aria2c
from reactor.queue import Queue
from reactor.settings import FORMER_NAMES, Settings
from reactor.sync_queue import SyncQueue
from tests import bare
from tests.guides import DOCS, EXAMPLES, FENCED, PAGES, README, ROOT, Block, Terminal, only, sections, terminal
from tests.real.elsewhere import listening
from tests.real.harness import ARIA2_CONF, PATIENCE_S, Reactor, running
from tests.real.swarm import free_port
from tests.servers import FileServer
from tests.tools import sqlite3_program

FILM = random.Random(8).randbytes(300_000)
LANGUAGES = {"sh", "python", "sql", "dotenv", "conf", "mermaid", "text"}
OPERATIONS = "operations.md"
NIGHTLY = (OPERATIONS, "adopt.md")
"""The guides whose sections are run nightly: each starts a reactor or two."""
BY_THEMSELVES = {
    ("README.md", ""): "test_trying_it_and_installing_it",
    ("README.md", "Install"): "test_trying_it_and_installing_it",
    (OPERATIONS, "Install"): "test_trying_it_and_installing_it",
    ("README.md", "Put it into your bot"): "test_a_bot_in_python",
    ("README.md", "Your bot is not in Python"): "test_a_bot_in_another_language",
    (OPERATIONS, "Start it"): "test_a_remote_aria2",
    (OPERATIONS, "Delete old files"): "test_deleting_old_files",
    ("contributing.md", "Run a part of the tests"): "test_a_part_of_the_tests",
}
"""Sections that need more than a terminal, and which test is theirs."""
README_LINES_MAX = 150
ADOPT_WAYS, ADOPT_LINES_MAX = ("Own table", "Mirror", "Queue"), 15
"""With the heading."""
INSTALL_S = 300.0
"""How long an installation, or other tests, may take beside tests."""
NO_SETTINGS = {"BOT_API_URL", "BOT_API_LOCAL", "HTTP_PROXY", "NOTIFY_SOCKET", "REACTOR_TESTS_EXEC", "WATCHDOG_USEC"}
PAGES_OWN = {"end_session", "ended_sessions"}
"""Methods of Queue for reactor's own page."""
OTHER_PAGES = tuple((ROOT / "contrib").glob("*/README.md"))


# The blocks


def test_each_way_to_adopt_a_bot_fits_in_a_few_lines() -> None:
    parts = re.split(r"^#+ (.+)\n", (DOCS / "adopt.md").read_text("utf-8"), flags=re.MULTILINE)
    lines = {title: len(text.splitlines()) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    assert {title: lines[title] < ADOPT_LINES_MAX for title in ADOPT_WAYS} == dict.fromkeys(ADOPT_WAYS, True), lines


def test_every_block_is_of_a_kind_that_is_run() -> None:
    odd = [block for section in sections().values() for block in section if block.language not in LANGUAGES]
    assert odd == []
    indented = [page.name for page in PAGES if re.search(r"\n\n    \S", FENCED.sub("", page.read_text("utf-8")))]
    assert indented == [], "a block needs a fence and a language"
    assert BY_THEMSELVES.keys() <= sections().keys(), "a section is gone"
    assert set(BY_THEMSELVES.values()) <= globals().keys()


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(found, id=" ".join(key), marks=[pytest.mark.nightly] if key[0] in NIGHTLY else [])
        for key, found in sections().items()
        if key not in BY_THEMSELVES
    ],
)
async def test_a_section(tmp_path: Path, section: list[Block]) -> None:
    async with terminal(tmp_path, film=FILM) as typed:
        for block in section:
            await run(block, typed)


async def run(block: Block, typed: Terminal) -> None:
    match block.language:
        case "sh" if block.text.startswith("reactor run"):
            await typed.serve(block.text)
        case "sh":
            await typed.shell(block.text)
        case "python":
            await typed.run(sys.executable, "-c", block.text)
        case "sql":
            statements(typed, block.text)
        case "dotenv":
            read_as_env(typed.folder, block.text)
        case "conf":
            await started_with(typed.folder, block.text)
        case "mermaid":
            assert block.text.rstrip("\n") == mermaid()
        case _:
            assert block.language == "text"


CHOICES = '{"v": 1, "formats": [{"c": "f1", "label": "720p", "pick": {"quality": 720}}]}'
ASKS = f"status = 'choosing', choices = '{CHOICES}'"
ROWS = {
    1: "media_key = 'file:1'",
    2: "parent_id = 1, item_key = 'a', position = 1",
    3: ASKS,
    4: "status = 'failed', error_code = 'timeout'",
    5: "status = 'downloaded', error_code = 'partial', items_total = 2",
    6: """status = 'downloaded', files = '[{"path": "a.mkv", "bytes": 7, "mime": null}]'""",
    7: "parent_id = 5, item_key = 'a', position = 1, status = 'listed'",
    8: ASKS,
}
"""What the statements of the pages are about, by the ids of the rows: a list and its entry, who asks, what has failed,
a list of which some did not come with an entry that is only listed, a folder."""


def statements(typed: Terminal, text: str) -> None:
    """Run them, on a table with ROWS: each finds what it is about."""
    database = typed.folder / "bot.db"
    with SyncQueue(database) as queue:
        for _ in range(len(ROWS)):
            queue.add("https://example.com/other.mkv")
    for id, said in ROWS.items():
        sqlite3_program(database, f"UPDATE downloads SET {said} WHERE id = {id}")
    for statement in re.sub(r"--.*", "", text).split(";")[:-1]:
        *told, changed = sqlite3_program(database, f"{typed.real(statement)}; SELECT changes();").splitlines()
        found = told if statement.strip().startswith("SELECT") else changed == "1"
        assert found or "CREATE TABLE" in statement, statement


def read_as_env(folder: Path, text: str) -> dict[str, str]:
    """What is in it, after it was read as settings."""
    pairs = dict(line.split("=", 1) for line in text.splitlines())
    assert pairs.keys() <= document.setting_rows().keys()
    (folder / ".env").write_text(text)
    Settings.load(_env_file=folder / ".env")
    return pairs


async def started_with(folder: Path, text: str) -> None:
    """Have a reactor whose aria2c has these lines too."""
    async with running(folder) as reactor:
        await reactor.stop()
        reactor.conf.write_text(reactor.conf.read_text() + text)
        await reactor.start()


# What needs more than a terminal


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository, without what a run leaves in it."""
    place = tmp_path / "copy"
    skipped = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("reactor", "contrib"):
        shutil.copytree(ROOT / name, place / name, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "aria2.conf", "constraints.txt"):
        shutil.copy(ROOT / name, place)
    return place


OFFLINE = {
    # What is to be installed is taken from where the tests run, but for the program itself.
    "PYTHONPATH": next(path for path in sys.path if path.endswith("site-packages")),
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def test_a_bare_machine_is_tried_with_the_first_two_commands() -> None:
    """By `python -m tests.bare`. The second one is CI's own, as tests/test_house.py sees to."""
    assert [block.text.rstrip("\n") for block in sections()["README.md", ""]] == bare.commands()
    assert only("operations.md", "Install", "sh") == only("README.md", "Install", "sh")


@pytest.mark.nightly
@pytest.mark.timeout(2 * INSTALL_S)
async def test_trying_it_and_installing_it(copy: Path, tmp_path: Path) -> None:
    """The README's first command, and after it those under Install."""
    demo, install = bare.commands()[0], only("README.md", "Install", "sh")
    async with terminal(tmp_path) as typed:
        await typed.shell(demo, cwd=copy, patience_s=INSTALL_S, **OFFLINE)
        suffixes = sorted(path.suffix for path in (copy / "downloads").iterdir() if path.is_file())
        assert suffixes == [".flac", ".mp4", ".pdf"]
        assert "aria2c" in await typed.shell(install, cwd=copy, patience_s=INSTALL_S, **OFFLINE)


async def test_a_bot_in_python(tmp_path: Path) -> None:
    async with FileServer() as server:
        program = only("README.md", "Put it into your bot", "python")
        program = program.replace(f"{EXAMPLES}film.mkv", server.put("/film.bin", FILM))
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            cwd=tmp_path,
            env=Reactor(tmp_path).environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            printed, complaint = await bot.communicate()
    lines = printed.decode().splitlines()
    assert (bot.returncode, complaint) == (0, b"")
    assert lines[0].split()[0] in ("pending", "downloading")
    assert lines[-2].startswith("downloaded 100.0 ")
    assert Path(lines[-1]).read_bytes() == FILM


@pytest.mark.nightly
async def test_a_bot_in_another_language(tmp_path: Path) -> None:
    text = only("README.md", "Your bot is not in Python", "sql").replace("--", "\n--")
    add, ask, cancel, once_more = (f"{part};" for part in text.split(";")[:4])
    async with FileServer() as server, running(tmp_path) as reactor:
        url = server.put("/film.bin", FILM, stall_after=1000)
        sqlite3_program(reactor.db, add.replace(f"{EXAMPLES}film.mkv", url))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        assert sqlite3_program(reactor.db, ask).startswith("downloading|")
        sqlite3_program(reactor.db, cancel)
        await reactor.until_final()
        assert sqlite3_program(reactor.db, ask).startswith("cancelled|")
        server.release()
        sqlite3_program(reactor.db, once_more)
        await reactor.until(lambda: reactor.row(1)["status"] == "downloaded")
        assert sqlite3_program(reactor.db, ask) == "downloaded|100.0|0.0||\n"
    assert reactor.files() == {"film.bin": FILM}


async def test_deleting_old_files(tmp_path: Path) -> None:
    """Of a database that is there already."""
    async with terminal(tmp_path) as typed:
        await typed.shell("reactor prepare")
        for block in sections()[OPERATIONS, "Delete old files"]:
            await run(block, typed)


async def test_a_remote_aria2(tmp_path: Path) -> None:
    """A certificate, an aria2c with it, and a reactor that trusts it."""
    port = free_port()

    def here(text: str) -> str:
        places = {"downloads.lan": "localhost", "192.168.1.5": "127.0.0.1", "/etc/reactor": str(tmp_path)}
        for name, ours in {**places, "6800": str(port)}.items():
            text = text.replace(name, ours)
        return text

    certificate, conf, env = (here(only("operations.md", "Start it", each)) for each in ("sh", "conf", "dotenv"))
    async with terminal(tmp_path) as typed:
        await typed.shell(certificate)
    (tmp_path / "there.conf").write_text(f"{default_conf().read_text()}{ARIA2_CONF}{conf}dir={tmp_path}\n")
    aria2c = await asyncio.create_subprocess_exec(
        str(find_aria2c().path), f"--conf-path={tmp_path / 'there.conf'}", stdin=subprocess.DEVNULL
    )
    try:
        await listening("127.0.0.1", port)
        async with running(tmp_path, **read_as_env(tmp_path, env)) as reactor:
            assert [event["event"] for event in reactor.events("aria2_connected")] == ["aria2_connected"]
            assert reactor.children() == []
    finally:
        aria2c.kill()
        await aria2c.wait()


@pytest.mark.timeout(2 * INSTALL_S)
async def test_a_part_of_the_tests(tmp_path: Path) -> None:
    command = only("contributing.md", "Run a part of the tests", "sh")
    async with terminal(tmp_path) as typed:
        printed = await typed.shell(command.replace(".venv/bin/", f"{Path(sys.executable).parent}/"), ROOT, INSTALL_S)
    assert len(re.findall(r"^[1-9]\d* passed", printed, re.MULTILINE)) == command.count("pytest")


# The README


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= README_LINES_MAX


def test_the_readmes_settings_are_those_of_the_page() -> None:
    listed = [line for line in README.read_text("utf-8").splitlines() if re.match(r"\| `[A-Z0-9_]+` \|", line)]
    assert len(listed) == 10
    assert set(listed) <= set(document.setting_rows().values()), "\n".join(document.setting_rows().values())


def test_the_readmes_figures_are_those_of_the_page() -> None:
    readme, page = (path.read_text("utf-8").splitlines() for path in (README, DOCS / "benchmark.md"))
    start = readme.index("| figure | reactor | rival | ratio | to reach | |")
    figures = [line for line in readme[start:] if line.startswith("|")][2:8]
    assert len(figures) == 6
    assert set(figures) <= set(page)


# What is named is there


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            found = (page.parent / path) if path else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                dead.append(target)
    assert dead == []


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def in_quotes(page: Path, pattern: str) -> set[str]:
    return set(re.findall(rf"`{pattern}", page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = in_quotes(page, r"((?:reactor|tests|contrib)/[\w./-]+)`")
    assert [name for name in sorted(named) if not (ROOT / name).exists() and "NAME" not in name] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    commands = get_command(app_of()).commands  # type: ignore[attr-defined]
    assert in_quotes(page, r"reactor ([a-z]+)") <= commands.keys()
    recipes = set(re.findall(r"^([a-z]+)[ \w*]*:$", (ROOT / "Justfile").read_text("utf-8"), re.MULTILINE))
    assert in_quotes(page, r"just ([a-z]+)") <= recipes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_is_one(page: Path) -> None:
    if page.name in ("architecture.md", "core.md"):  # they name constants of the code
        return
    named = in_quotes(page, r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
    if page.name == "settings.md":
        named -= {name.upper() for name in FORMER_NAMES.values()}
    assert named - NO_SETTINGS <= document.setting_rows().keys()


@pytest.mark.parametrize(("kind", "count"), [(Queue, 25), (SyncQueue, 22)])
def test_the_contract_names_every_method(kind: type, count: int) -> None:
    page = (DOCS / "contract.md").read_text("utf-8")
    methods = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))} - PAGES_OWN
    assert len(methods) == count
    assert [name for name in methods if f"`{name}(" not in page] == []


def test_the_contract_names_every_column() -> None:
    page = (DOCS / "contract.md").read_text("utf-8")
    first = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert [name for name in Download.model_fields if name != "extra" and f"`{name}`" not in first] == []
