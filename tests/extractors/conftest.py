"""Media for extractors."""

from __future__ import annotations

import pytest

from reactor.programs import find_ffmpeg
from tests.media.samples import Samples


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(find_ffmpeg().path, tmp_path_factory.mktemp("samples"))
