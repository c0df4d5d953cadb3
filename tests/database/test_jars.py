"""Whose cookies are whose, and who else can get at them: the folder beside the database, attacked."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from reactor.database.jars import JARS_MAX, STORED_BYTES_MAX, Jars
from reactor.errors import CookiesError

INSTANCE = "0" * 32


def text(value: str, host: str = "site.example") -> str:
    return f"{host}\tFALSE\t/\tFALSE\t0\tsid\t{value}"


def values(jars: Jars, owner: str | int | None, name: str) -> list[str] | None:
    jar = jars.get(owner, name)
    return None if jar is None else [each.value for each in jar.cookies]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "bot.db"
    path.touch(0o600)
    return path


@pytest.fixture
def jars(database: Path) -> Jars:
    return Jars(database, INSTANCE)


def files(jars: Jars) -> list[Path]:
    return sorted(path for path in jars.path.rglob("*") if not path.is_dir())


def test_a_jar_is_its_owners(jars: Jars) -> None:
    told = jars.put("ann", "mine", text("A"))
    assert (told.owner, told.name, told.cookies, told.hosts, told.left_out) == ("ann", "mine", 1, ("site.example",), 0)
    jars.put("bob", "mine", text("B"))
    jars.put(42, "mine", text("N"))
    jars.put(None, "mine", text("nobody"))
    assert [values(jars, owner, "mine") for owner in ("ann", "bob", "42", None, "")] == [
        ["A"],
        ["B"],
        ["N"],
        ["nobody"],
        ["nobody"],
    ]
    assert values(jars, "ann", "other") is values(jars, "eve", "mine") is None
    jars.put("ann", "mine", text("A2"))
    assert values(jars, "ann", "mine") == ["A2"]
    assert [(each.owner, each.name) for each in jars.list_all()] == [
        (None, "mine"),
        *((o, "mine") for o in ("42", "ann", "bob")),
    ]
    assert not jars.remove("eve", "mine")
    assert jars.remove("ann", "mine")
    assert not jars.remove("ann", "mine")
    assert jars.list_owner("ann") == []
    assert [each.owner for each in jars.list_owner("bob")] == ["bob"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777], ids=oct)
def test_it_is_private_whatever_the_umask(jars: Jars, umask: int) -> None:
    before = os.umask(umask)
    try:
        jars.put("ann", "mine", text("A"))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (jars.path, *jars.path.rglob("*"))}
    assert set(modes.values()) == {0o700, 0o600}
    assert [mode for path, mode in modes.items() if path.is_file()] == [0o600]
    assert values(jars, "ann", "mine") == ["A"]


def test_it_is_the_groups_where_the_database_is(jars: Jars, database: Path) -> None:
    database.chmod(0o660)
    jars.put("ann", "mine", text("A"))
    (file,) = files(jars)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (jars.path, file.parent, file)] == [0o2770, 0o2770, 0o660]


def test_a_folder_that_was_opened_to_others_is_closed_again(jars: Jars) -> None:
    jars.put("ann", "mine", text("A"))
    jars.path.chmod(0o777)
    assert values(jars, "ann", "mine") == ["A"]
    assert stat.S_IMODE(jars.path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "owner", ["../../bob", "/etc/passwd", "..", "a\0b", "a\nb", "😀" * 50, "\udc80", ".", "a" * 200]
)
def test_no_owner_is_a_path(jars: Jars, owner: str, tmp_path: Path) -> None:
    jars.put(owner, "mine", text("A"))
    assert values(jars, owner, "mine") == ["A"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot.db", "bot.db.cookies"]
    (file,) = files(jars)
    assert all(set(part) <= set("0123456789abcdef") for part in file.relative_to(jars.path).parts)


@pytest.mark.parametrize("name", ["../mine", "", ".", "..", ".hidden", "a/b", "a b", "ü", "a\0", "x" * 65, "-"])
def test_no_jar_is_named_as_a_path(jars: Jars, name: str) -> None:
    with pytest.raises(CookiesError, match="name of a jar"):
        jars.put("ann", name, text("A"))
    assert not jars.path.exists()


@pytest.mark.parametrize("owner", [True, 1.5, b"ann", ["ann"], "a" * 201, 2**70])
def test_an_owner_is_a_text_or_a_number(jars: Jars, owner: object) -> None:
    with pytest.raises(CookiesError, match=r"The owner (is|must be)"):
        jars.put(owner, "mine", text("A"))  # type: ignore[arg-type]


def test_two_databases_in_one_folder_have_nothing_in_common(jars: Jars, tmp_path: Path) -> None:
    jars.put("ann", "mine", text("A"))
    (tmp_path / "other.db").touch(0o600)
    other = Jars(tmp_path / "other.db", "1" * 32)
    assert other.get("ann", "mine") is None
    other.put("ann", "mine", text("O"))
    assert (values(jars, "ann", "mine"), values(other, "ann", "mine")) == (["A"], ["O"])


def test_the_folder_of_another_database_has_nothing_for_this_one(jars: Jars, database: Path) -> None:
    """Another bot's database has taken the name: its owner 42 is somebody else."""
    jars.put(42, "mine", text("A"))
    other = Jars(database, "1" * 32)
    assert other.get(42, "mine") is None
    assert other.list_owner(42) == other.list_all() == []
    assert not other.remove(42, "mine")
    assert values(jars, 42, "mine") == ["A"]


def test_a_jar_that_was_put_where_another_ones_is_is_nobodys(jars: Jars) -> None:
    jars.put("ann", "mine", text("A"))
    jars.put("bob", "mine", text("B"))
    of_ann, of_bob = (path for path in files(jars) if path)
    first, second = of_ann.read_bytes(), of_bob.read_bytes()
    of_ann.write_bytes(second)
    of_bob.write_bytes(first)
    for owner in ("ann", "bob"):
        with pytest.raises(CookiesError, match="cannot be read"):
            jars.get(owner, "mine")
    assert jars.list_all() == []
    jars.put("ann", "mine", text("A2"))
    assert values(jars, "ann", "mine") == ["A2"]


def test_a_folder_that_is_a_symbolic_link_is_not_followed(jars: Jars, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    jars.path.symlink_to(elsewhere)
    for attempt in (lambda: jars.put("ann", "mine", text("A")), lambda: jars.get("ann", "mine"), jars.list_all):
        with pytest.raises(CookiesError, match=r"symbolic link|no folder"):
            attempt()
    assert list(elsewhere.iterdir()) == []


def test_symbolic_links_and_pipes_within_are_no_jars_and_are_replaced(jars: Jars, tmp_path: Path) -> None:
    jars.put("ann", "mine", text("A"))
    (file,) = files(jars)
    secret = tmp_path / "secret"
    secret.write_bytes(file.read_bytes())
    for link in (True, False):
        file.unlink()
        if link:
            file.symlink_to(secret)
        else:
            os.mkfifo(file)
        with pytest.raises(CookiesError, match="cannot be read"):
            jars.get("ann", "mine")
        assert jars.list_owner("ann") == []
    file.unlink()
    file.symlink_to(secret)
    jars.put("ann", "mine", text("B"))
    assert not file.is_symlink()
    assert b'"A"' in secret.read_bytes()
    assert values(jars, "ann", "mine") == ["B"]


def test_an_owners_folder_that_is_a_link_to_anothers_is_not_followed(jars: Jars) -> None:
    jars.put("ann", "mine", text("A"))
    (of_ann,) = files(jars)
    jars.put("bob", "mine", text("B"))
    of_bob = next(path for path in files(jars) if path != of_ann)
    of_bob.unlink()
    of_bob.parent.rmdir()
    of_bob.parent.symlink_to(of_ann.parent)
    with pytest.raises(CookiesError, match=r"symbolic link|no folder"):
        jars.get("bob", "mine")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"v":1,"owner":"ann","name":"mine","cookies":[[1]]}', b"[" * 99_999]
)
def test_a_damaged_jar_is_told_and_can_be_set_again(jars: Jars, data: bytes) -> None:
    jars.put("ann", "mine", text("A"))
    (file,) = files(jars)
    file.write_bytes(data)
    with pytest.raises(CookiesError, match=r"`mine` cannot be read\. Set them again"):
        jars.get("ann", "mine")
    jars.put("ann", "mine", text("B"))
    assert values(jars, "ann", "mine") == ["B"]


def test_a_huge_file_is_not_read(jars: Jars) -> None:
    jars.put("ann", "mine", text("A"))
    (file,) = files(jars)
    with file.open("r+b") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(CookiesError, match="cannot be read"):
        jars.get("ann", "mine")
    assert STORED_BYTES_MAX < 1 << 40


def test_an_owner_has_a_number_of_jars_and_no_more(jars: Jars) -> None:
    for n in range(JARS_MAX):
        jars.put("ann", f"j{n}", text(str(n)))
    with pytest.raises(CookiesError, match="20 jars of this owner already"):
        jars.put("ann", "more", text("x"))
    jars.put("ann", "j0", text("again"))
    jars.put("bob", "more", text("x"))
    assert len(jars.list_owner("ann")) == JARS_MAX


def test_ten_thousand_owners(jars: Jars) -> None:
    """A jar is found by its name, whoever else has one."""
    jars.put("ann", "mine", text("A"))
    for n in range(10_000):
        (jars.path / f"{n:040x}").mkdir(0o700)
    looked: list[str] = []
    listing = os.listdir

    def noting(path: object = ".") -> list[str]:
        found = listing(path)  # type: ignore[call-overload]
        looked.extend(found)
        return found  # type: ignore[no-any-return]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", noting)
        assert values(jars, "ann", "mine") == ["A"]
        jars.put("ann", "second", text("B"))
        assert len(jars.list_owner("ann")) == 2
    assert len(looked) < 10


def test_a_jar_that_is_replaced_while_it_is_read_is_the_one_or_the_other(jars: Jars, database: Path) -> None:
    jars.put("ann", "mine", "\n".join(text("0", f"s{n}.example") for n in range(200)))
    done, wrong = threading.Event(), list[object]()

    def replace() -> None:
        for turn in range(40):
            jars.put("ann", "mine", "\n".join(text(str(turn), f"s{n}.example") for n in range(200)))
        done.set()

    writer, reader = threading.Thread(target=replace), Jars(database, INSTANCE)
    writer.start()
    last = None
    while not done.is_set():
        last = values(reader, "ann", "mine")
        if last is None or len(set(last)) != 1 or len(last) != 200:
            wrong.append(last)
    writer.join()
    assert wrong == []
    assert values(reader, "ann", "mine") == ["39"] * 200
    assert [path.name for path in files(jars) if path.name.startswith(".")] == []


def test_what_a_killed_writer_left_goes_with_the_next_one(jars: Jars) -> None:
    jars.put("ann", "mine", text("A"))
    (file,) = files(jars)
    left = file.with_name(f".{file.name}.abcd")
    left.write_text("SECRET")
    os.utime(left, (1, 1))
    assert [each.name for each in jars.list_owner("ann")] == ["mine"]
    jars.put("ann", "mine", text("B"))
    assert files(jars) == [file]


def test_a_disk_that_takes_nothing_leaves_the_old_jar(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    jars.put("ann", "mine", text("A"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CookiesError, match="cannot be used: No space left on device"):
        jars.put("ann", "mine", text("B"))
    assert values(jars, "ann", "mine") == ["A"]
    assert len(files(jars)) == 1
