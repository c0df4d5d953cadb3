"""Each option has a test on what it is for, with real media, files or peers, and one on what it is not for."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from reactor.extractors.unmet import ALL, APPLIES
from reactor.options import Options
from tests.real.test_options import OF_MEDIA

ROOT = Path(__file__).parent
A_FILE = "real/test_options.py::test_a_file_as_its_row_asks_for_it"
SHOWN = {
    "want": "real/test_options.py::test_what_is_asked_of_media_is_made_of_it",
    "quality": "media/test_quality.py::test_the_picture",
    "codec": "real/test_examples.py::a_film_for_old_phones",
    "container": "media/test_quality.py::test_the_container",
    "format": "media/test_quality.py::test_the_picture",
    "language": "media/test_quality.py::test_the_language_of_the_sound",
    "audio": "media/test_convert.py::test_the_sound_of_a_film_with_its_cover_and_tags",
    "subtitles": "media/test_text_tracks.py::test_in_it_and_beside_it",
    "thumbnail": "media/test_convert.py::test_a_film_with_its_cover",
    "chapters": "media/test_convert.py::test_a_film_is_split_by_its_chapters",
    "sponsorblock": "media/test_convert.py::test_what_was_marked_is_removed",
    "clip": "media/test_convert.py::test_a_clip_begins_with_picture_and_sound_together",
    "cut": "real/test_examples.py::a_part_of_it",
    "live": "real/test_broadcasts.py::test_for_as_long_as_is_asked_allowed_and_waited_for",
    "playlist": "real/test_lists.py::test_of_a_list_some_may_be_missing",
    "files": "real/test_options.py::test_only_the_files_of_a_torrent_that_are_asked_for",
    "name": A_FILE,
    "speed_kib": A_FILE,
    "max_mib": A_FILE,
    "checksum": A_FILE,
    "again": "real/test_options.py::test_the_same_again_is_linked_where_its_owner_has_it_already",
    "ask": "real/test_questions.py::test_the_files_of_a_torrent",
    "unanswered": "real/test_questions.py::test_the_qualities_of_a_film_and_what_is_taken_without_an_answer",
    "split_mib": "real/test_options.py::test_what_is_too_large_for_an_upload_comes_in_pieces_also_after_a_kill",
    "cookies": "real/test_cookies.py::test_each_row_is_asked_for_with_its_owners_cookies_and_no_others",
    "referer": A_FILE,
    "use": "real/test_options.py::test_a_preset_brings_what_no_row_may_say_to_the_rows_own_host",
    "strict": "real/test_options.py::test_what_does_not_apply_to_a_file_is_noted_key_by_key_or_fails",
}
OF_FILES = {"checksum": "real/test_options.py::test_only_the_files_of_a_torrent_that_are_asked_for"}
"""What does not apply to a torrent."""


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("key", [field.alias or name for name, field in Options.model_fields.items()])
def test_it_is_shown(key: str) -> None:
    file, _, function = SHOWN[key].partition("::")
    assert function in functions(file)
    applies = APPLIES.get(key)
    if applies is not None and applies.to != ALL:
        assert key in OF_MEDIA or key in OF_FILES, "on what it does not apply to"
