"""What several tests of the whole need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reactor.programs import find_ffmpeg
from tests.media.samples import Samples


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(find_ffmpeg().path, tmp_path_factory.mktemp("samples"))


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files; not a deep one, in which no browser would work."""
    with TemporaryDirectory() as folder:
        yield Path(folder)
