"""Who asks for much keeps nobody waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.copied import telegram
from tests.bots.evening import evening
from tests.bots.telegram import ANN, BOB
from tests.media.samples import Samples
from tests.real.swarm import swarm_in


@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_an_evening(tmp_path: Path, samples: Samples) -> None:
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        telegram(tmp_path, ALLOWED_USERS=f"{ANN},{BOB}", MAX_CONCURRENT_DOWNLOADS="1") as place,
    ):
        await place.uploader.start()
        await evening(place.api, place.server, swarm, samples, place.reactor.rows)
