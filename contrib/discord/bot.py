"""A Discord bot: links in, files out. README.md tells how to set it up.

All it has to know is in the table `downloads`, so it may be killed and started again at any time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import aiohttp
import anyio
import discord
from client import Config, Fetcher
from pydantic import ValidationError
from replies import AGAIN_S, TROUBLE
from status_messages import StatusMessages
from store import Store
from upload import Uploads
from yarl import URL

from reactor import Queue, Runner
from reactor.database.engine import lock
from reactor.errors import ReactorError
from reactor.settings import Settings

log = logging.getLogger("bot")


async def follow(queue: Queue, work: Callable[[], Awaitable[None]]) -> None:
    """Do this work now and after every change of the database, until cancelled."""
    while True:
        try:
            async with aclosing(queue.changes()) as beats:
                async for _ in beats:
                    await work()
        except TROUBLE as error:
            log.warning("%s; going on in %.0f s", error, AGAIN_S)
            await anyio.sleep(AGAIN_S)


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config, settings = Config(), Settings.load()
    path = settings.download_db
    if config.discord_api_url:
        discord.http.Route.BASE = config.discord_api_url
    with lock(path, "bot"):  # another one would send the same files
        async with (
            Queue(path) as queue,
            Store.open(path) as store,
            Runner(launch=config.start_reactor) as runner,
            Fetcher(config, queue, store, runner, settings.ffmpeg_path) as client,
        ):
            await client.login(config.discord_token.get_secret_value())
            if config.discord_api_url:
                discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = URL((await client.http.get_bot_gateway())[1])
            async with anyio.create_task_group() as tasks:
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, tasks.cancel_scope.cancel)
                uploads = Uploads(client, tasks)
                tasks.start_soon(uploads.run)
                tasks.start_soon(follow, queue, uploads.look)
                tasks.start_soon(follow, queue, StatusMessages(client, tasks).look)
                await client.connect()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env is, and the database
    discord.utils.setup_logging(level=logging.INFO)
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        sys.exit(f"bot: {str(first['loc'][0]).upper()}: {first['msg'].removeprefix('Value error, ')}.")
    except (ReactorError, aiohttp.ClientError) as error:
        sys.exit(f"bot: {error}")
    except discord.LoginFailure:
        sys.exit("bot: DISCORD_TOKEN: Discord does not know this token. Put your application's into .env.")
