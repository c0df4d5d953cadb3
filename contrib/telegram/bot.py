"""The bot: links in, files out. README.md tells how to set it up.

python bot.py
"""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import handlers
import questions
import settings
from aiogram import Bot, Dispatcher
from aiogram.types import BotCommand
from config import Config, log_to_stderr, what_is_wrong
from handlers import COMMANDS, Allowlist
from patience import patiently
from replies import Replies
from status_messages import StatusMessages
from store import Store
from texts import STANDARD, languages

from reactor import Queue, Runner
from reactor.settings import Settings


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config, path = Config.load(), Settings.load().download_db
    log_to_stderr(config.bot_token)
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(config.bot())
        queue = await stack.enter_async_context(Queue(path))
        store = await stack.enter_async_context(Store.open(path))
        runner = await stack.enter_async_context(Runner(launch=config.start_reactor))
        await patiently(lambda: _greet(bot))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(StatusMessages(bot, queue, store, config.edit_interval).run)
            replies = Replies(tasks, store)
            dispatcher = Dispatcher(
                queue=queue,
                store=store,
                replies=replies,
                max_waiting=config.max_waiting,
                pieces=config.pieces,
                runner=runner,
            )
            allowlist = Allowlist(config.users, replies, store)
            dispatcher.message.outer_middleware(allowlist)
            dispatcher.callback_query.outer_middleware(allowlist)
            dispatcher.include_routers(settings.router, questions.router, handlers.router)
            await dispatcher.start_polling(bot, handle_as_tasks=False, close_bot_session=False)
            tasks.cancel_scope.cancel()


async def _greet(bot: Bot) -> None:
    await bot.delete_webhook()
    await bot.me()
    for code, t in languages().items():
        commands = [BotCommand(command=name, description=t(f"command_{name}")) for name in COMMANDS]
        await bot.set_my_commands(commands, language_code=None if code == STANDARD else code)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env is, and the database
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if (sentence := what_is_wrong(error)) is None:
            raise
        sys.exit(f"bot: {sentence}")
