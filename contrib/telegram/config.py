"""The bot's settings, from `.env` and the environment; reactor reads its own from the same places."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Annotated

from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import BareFilesPathWrapper, FilesPathWrapper, SimpleFilesPathWrapper, TelegramAPIServer
from aiogram.exceptions import TelegramUnauthorizedError
from aiogram.types import LinkPreviewOptions
from aiogram.utils.token import TokenValidationError
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reactor.errors import ReactorError
from reactor.options import SPLIT_MIB_MAX, SPLIT_MIB_MIN

CLOUD_LIMIT_MB, LOCAL_LIMIT_MB = 50, 2000
"""What a bot may send: through Telegram's own Bot API server, and through one of yours."""


class WrongSetting(Exception):
    """A setting cannot be used; the message is a sentence that names it."""


class Config(BaseSettings):
    """See README.md for what each is. Make it with `load`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    bot_token: SecretStr = SecretStr("")
    allowed_users: str = ""
    bot_api_url: str = "https://api.telegram.org"
    bot_api_local: bool = False
    bot_api_path_map: str = ""
    uploads: Annotated[int, Field(ge=1, le=50)] = 3
    upload_limit_mb: Annotated[int, Field(ge=1, le=4000)] | None = None
    edit_interval: Annotated[float, Field(ge=0.05, le=60)] = 3.0
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 20
    start_reactor: bool = True

    @field_validator("allowed_users")
    @classmethod
    def _are_numbers(cls, value: str) -> str:
        if re.fullmatch(r"[\d,;\s]*", value) is None:
            raise ValueError("takes user ids (numbers) with commas between them; /start tells yours")
        return value

    @field_validator("bot_api_path_map")
    @classmethod
    def _is_a_path_map(cls, value: str) -> str:
        server, equals, ours = value.partition("=")
        if value and not (equals and server.startswith("/") and ours.startswith("/")):
            raise ValueError("takes SERVER=LOCAL, two absolute paths, such as /data/files=/srv/bot/downloads")
        return value

    @property
    def users(self) -> frozenset[int]:
        """Who may use the bot."""
        return frozenset(int(word) for word in re.findall(r"\d+", self.allowed_users))

    @property
    def upload_limit(self) -> int:
        """Bytes of the largest file that can be sent."""
        preset = LOCAL_LIMIT_MB if self.bot_api_local else CLOUD_LIMIT_MB
        return (self.upload_limit_mb or preset) * 1_000_000

    @property
    def pieces(self) -> dict[str, int]:
        """Options for every link: what is too large for one message is to come in pieces that are not."""
        mib = min(self.upload_limit // 1024**2, SPLIT_MIB_MAX)
        return {"split_mib": mib} if mib >= SPLIT_MIB_MIN else {}

    @property
    def paths(self) -> FilesPathWrapper:
        """Our paths as the Bot API server on the same disk has them, and the other way round."""
        server, _, ours = self.bot_api_path_map.partition("=")
        return SimpleFilesPathWrapper(Path(server), Path(ours)) if ours else BareFilesPathWrapper()

    def bot(self) -> Bot:
        """The way to Telegram. Raises WrongSetting."""
        server = TelegramAPIServer.from_base(self.bot_api_url, is_local=self.bot_api_local, wrap_local_file=self.paths)
        try:
            return Bot(
                self.bot_token.get_secret_value(),
                AiohttpSession(api=server),
                DefaultBotProperties(parse_mode="HTML", link_preview=LinkPreviewOptions(is_disabled=True)),
            )
        except TokenValidationError as error:
            raise WrongSetting(WRONG_TOKEN) from error

    @classmethod
    def load(cls) -> Config:
        """Read `.env` and the environment. Raises WrongSetting."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            variable = ".".join(str(part) for part in first["loc"][:1]).upper()
            raise WrongSetting(f"{variable}: {first['msg'].removeprefix('Value error, ')}.") from error


def what_is_wrong(error: BaseException) -> str | None:
    """The sentence of an error that a person can mend; None for any other."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TelegramUnauthorizedError):
        return WRONG_TOKEN
    return str(error) if isinstance(error, WrongSetting | ReactorError) else None


class Discreet(logging.Formatter):
    """Lines of a log without the token, which is part of every address at Telegram."""

    def __init__(self, token: SecretStr) -> None:
        super().__init__(LOG_FORMAT)
        self._token = token.get_secret_value()

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return line.replace(self._token, "…") if self._token else line


def log_to_stderr(token: SecretStr) -> None:
    """From now on log what is worth a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet(token))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"
WRONG_TOKEN = "BOT_TOKEN: Telegram does not know this token. Put the one from @BotFather into .env."
