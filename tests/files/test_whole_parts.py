"""Which parts are known to be whole after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.files.staged_checks import CONTROL_SUFFIXES
from reactor.files.staging import Staging
from reactor.files.whole_parts import NOTES, forget_whole, note_whole, whole_parts


@pytest.mark.fault(17)
def test_what_was_noted_is_believed_while_it_is_so(tmp_path: Path) -> None:
    names = ["1.ts", "2.ts", "3.ts", "4.ts", "5.ts", "6.ts"]
    assert whole_parts(tmp_path, names, CONTROL_SUFFIXES) == set()
    for name in names[:5]:
        (tmp_path / name).write_bytes(b"12345")
    note_whole(tmp_path, {"1.ts": 5, "2.ts": 9, "3.ts": 4})
    note_whole(tmp_path, {"3.ts": 5, "4.ts": 5, "6.ts": 5, "../1.ts": 5})
    (tmp_path / "4.ts.aria2").touch()
    with (tmp_path / NOTES).open("a") as notes:
        notes.write('{"x": 1}\n["5.ts", 5.0]\n["5.ts", null]\n["5.ts"')  # the process died while it wrote
    assert whole_parts(tmp_path, names, CONTROL_SUFFIXES) == {"1.ts", "3.ts"}
    assert whole_parts(tmp_path, ["2.ts"], CONTROL_SUFFIXES) == set()


@pytest.mark.fault(17)
def test_what_is_fetched_anew_is_not_whole_though_it_has_as_many_bytes_as_before(tmp_path: Path) -> None:
    """Beside the parts of an aria2c that saves no control files nothing tells what a kill left half of."""
    staging = Staging(tmp_path, instance="0123456789ab")
    staging.prepare(1, fresh=False)
    folder, names = staging.folder(1), ["1.ts", "2.ts"]
    for name in names:
        (folder / name).write_bytes(b"12345")
    note_whole(folder, dict.fromkeys(names, 5))
    staging.prepare(1, fresh=False, spoilt=["1.ts", "3.ts"])
    (folder / "1.ts").write_bytes(b"1\0\0\0" + b"5")  # another connection's bytes, and a gap
    assert whole_parts(folder, names, CONTROL_SUFFIXES) == {"2.ts"}
    note_whole(folder, {"1.ts": 5})
    assert whole_parts(folder, names, CONTROL_SUFFIXES) == {*names}


@pytest.mark.fault(17)
def test_what_was_not_so_any_more_when_it_was_looked_at_stays_so(tmp_path: Path) -> None:
    note_whole(tmp_path, {"1.ts": 5})
    assert whole_parts(tmp_path, ["1.ts"], CONTROL_SUFFIXES) == set()
    (tmp_path / "1.ts").write_bytes(b"1\0\0\0" + b"5")  # it was being fetched anew, and that was killed
    assert whole_parts(tmp_path, ["1.ts"], CONTROL_SUFFIXES) == set()


def test_nothing_is_noted_of_what_was_never_whole(tmp_path: Path) -> None:
    forget_whole(tmp_path, ["1.ts"])
    assert not (tmp_path / NOTES).exists()
