"""Which parts are known to be whole after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.files.staged_checks import CONTROL_SUFFIXES
from reactor.files.whole_parts import NOTES, note_whole, whole_parts


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
