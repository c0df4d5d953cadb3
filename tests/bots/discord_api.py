"""A Discord on loopback, as much of one as a bot meets: its HTTP API and its gateway.

async with Discord() as discord:
    … a bot whose DISCORD_API_URL is discord.url …
    await discord.until(lambda: discord.ready)
    discord.command("get", links="http://127.0.0.1/a.bin")
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientPayloadError, WSMsgType, web

from tests.bots.fake import Fake, fields

TOKEN = "put-the-token-of-your-application-here"
BOT = {"id": "900", "username": "fetcher", "discriminator": "0000", "avatar": None, "bot": True, "global_name": None}
ANN, BOB = 4242, 1717
CHANNEL, OTHER_CHANNEL = 500, 501
"""Channels that are talks with one person, but for those in a guild: see `Discord.guilds`."""
HELLO, ACK, DISPATCH, HEARTBEAT, IDENTIFY = 10, 11, 0, 1, 2
SAID = 4
"""The type of an answer that says something at once; the others say it later."""
UPLOAD_MAX, BOOSTED_MAX, REQUEST_MAX = 10 * 1024**2, 50 * 1024**2, 25 * 1024**2
"""Of a file in a talk and in a guild with boosts, and of several files of one message."""
ATTACHED_MAX = 10
FORWARD = 1
"""The type of a reference of which the message holds a snapshot."""
SNAPSHOT = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp")
LIMITS = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "49", "X-RateLimit-Reset-After": "1.0"}
"""How many calls of a kind a channel takes: the bot's library makes one at a time until it knows."""
BUTTON, MENU = 2, 3


@dataclass
class Message:
    """A message of the bot's in a channel, as people see it now."""

    id: int
    channel_id: int
    content: str
    components: list[Any] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    embeds: list[Any] = field(default_factory=list)
    forwarded: Message | None = None
    """What it is a snapshot of."""

    @property
    def attached(self) -> list[tuple[str, bytes]]:
        """Its files, but for those that are shown in an embed."""
        shown = _shown(self.embeds)
        return [file for file in self.files if file[0] not in shown]

    @property
    def buttons(self) -> dict[str, str]:
        """Label → its custom_id."""
        return {each["label"]: each["custom_id"] for each in self._below if each["type"] == BUTTON}

    @property
    def menus(self) -> dict[str, dict[str, str]]:
        """custom_id → label → value, of each menu."""
        menus = (each for each in self._below if each["type"] == MENU)
        return {each["custom_id"]: {one["label"]: one["value"] for one in each["options"]} for each in menus}

    @property
    def _below(self) -> list[Any]:
        return [each for row in self.components for each in row["components"]]


class Discord(Fake):
    """The server, and the people who use the bot's commands."""

    def __init__(self, token: str = TOKEN) -> None:
        super().__init__()
        self.token = token
        self.messages: dict[int, Message] = {}
        self.replies: list[str] = []
        """What only the one who asked could see, in order."""
        self.commands: list[dict[str, Any]] = []
        """Those that the bot has registered."""
        self.later: int = 0
        """So many of the next edits are answered with 429."""
        self.drops: int = 0
        """In the midst of so many of the next uploads the connection is closed."""
        self.archived: set[int] = set()
        """Threads in which nothing can be edited until there is a new message."""
        self.closed: set[int] = set()
        """Channels in which Discord refuses everything."""
        self.no_embeds: set[int] = set()
        """Channels in which the bot may send no embeds."""
        self.no_history: set[int] = set()
        """Channels whose messages the bot may not read again."""
        self.guilds: dict[int, int] = {}
        """Channel → its guild, which has boosts: files may be of 50 MiB there. Before the bot connects."""
        self.speaks: dict[int, str] = {}
        """Person → the language of their Discord."""
        self.floods: dict[int, list[float]] = {}
        """Channel → how long (s) the bot is told to wait, by its next calls there."""
        self.asked: list[tuple[str, int]] = []
        """Method and channel of each call about a message."""
        self.hold = False
        """True: what comes with a file is not read until `release`."""
        self.held: list[int] = []
        """The channels of such calls."""
        self.aborted = 0
        """Calls that were broken off by the bot."""
        self._released = asyncio.Event()
        self.attachments: dict[str, dict[str, Any]] = {}
        self._gateway: web.WebSocketResponse | None = None
        self._sequence = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def ready(self) -> bool:
        """True while the bot listens."""
        return self._gateway is not None

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/gateway", self._serve_gateway), web.route("*", "/api/v10/{path:.+}", self._serve)]

    def shown(self) -> list[str]:
        return [message.content for message in self.messages.values()] + self.replies

    # People

    def command(self, name: str, *, by: int = ANN, channel: int = CHANNEL, **options: str | int) -> None:
        """Somebody uses a slash command; a file in it is what `attach` has given."""
        given = [{"name": n, "value": v, "type": self._type_of(v)} for n, v in options.items()]
        resolved = {"attachments": self.attachments}
        data = {"id": str(self.next_id()), "name": name, "type": 1, "options": given, "resolved": resolved}
        self._interaction(2, data, by, channel)

    def use(self, name: str, content: str, *, by: int = ANN, channel: int = CHANNEL) -> None:
        """Somebody uses a command in the menu of a message that says this."""
        message = self._as_json(Message(self.next_id(), channel, content))
        data = {"id": str(self.next_id()), "name": name, "type": 3, "target_id": message["id"]}
        self._interaction(2, data | {"resolved": {"messages": {message["id"]: message}}}, by, channel)

    def release(self) -> None:
        """Read on."""
        self.hold = False
        self._released.set()
        self._released = asyncio.Event()

    def attach(self, name: str, url: str) -> str:
        """Somebody attaches a file, which Discord serves at this URL."""
        id = str(self.next_id())
        self.attachments[id] = {"id": id, "filename": name, "size": 1, "url": url, "proxy_url": url}
        return id

    def _type_of(self, value: str | int) -> int:
        return 4 if isinstance(value, int) else 11 if value in self.attachments else 3

    def press(self, message: Message, label: str, *, by: int = ANN) -> None:
        """Somebody presses a button below a message."""
        data = {"custom_id": message.buttons[label], "component_type": BUTTON}
        self._interaction(3, data, by, message.channel_id, message=self._as_json(message))

    def choose(self, message: Message, *labels: str, by: int = ANN) -> None:
        """Somebody chooses these, and nothing else, in the menu in which they are."""
        id, options = next(found for found in message.menus.items() if set(labels) <= found[1].keys())
        data = {"custom_id": id, "component_type": MENU, "values": [options[label] for label in labels]}
        self._interaction(3, data, by, message.channel_id, message=self._as_json(message))

    def about(self, *words: str) -> Message | None:
        """The latest message in which all these words stand."""
        found = [m for m in self.messages.values() if all(word in m.content for word in words)]
        return found[-1] if found else None

    def files(self) -> list[tuple[str, bytes]]:
        """Every file that has been uploaded."""
        return [file for message in self.messages.values() for file in message.attached]

    def with_files(self) -> list[Message]:
        """The messages with files, those that were forwarded, too."""
        return [message for message in self.messages.values() if message.files or message.forwarded]

    def _interaction(self, kind: int, data: dict[str, Any], by: int, channel: int, **more: Any) -> None:
        user = {"id": str(by), "username": f"person{by}", "discriminator": "0", "avatar": None, "global_name": None}
        where: dict[str, Any] = {"channel": {"id": str(channel), "type": 1}, "user": user}
        if channel in self.guilds:
            place = {"name": "general", "position": 0, "permission_overwrites": [], "parent_id": None}
            since = "2026-01-01T00:00:00+00:00"
            member = {"roles": [], "joined_at": since, "permissions": "0", "deaf": False, "mute": False, "flags": 0}
            where = {
                "channel": {"id": str(channel), "type": 0} | place,
                "guild_id": str(self.guilds[channel]),
                "member": member | {"user": user},
            }
        self._dispatch(
            "INTERACTION_CREATE",
            {
                "id": str(self.next_id()),
                "application_id": BOT["id"],
                "type": kind,
                "data": data,
                "channel_id": str(channel),
                **where,
                "locale": self.speaks.get(by, "en-US"),
                "token": "an-interaction",
                "version": 1,
                "entitlements": [],
                "attachment_size_limit": UPLOAD_MAX,
                **more,
            },
        )

    # The gateway

    def _dispatch(self, event: str, data: Any) -> None:
        assert self._gateway is not None, "the bot does not listen"
        self._sequence += 1
        frame = {"op": DISPATCH, "t": event, "s": self._sequence, "d": data}
        self._tasks = asyncio.ensure_future(self._gateway.send_json(frame))

    async def _serve_gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": 40_000}})
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            said = json.loads(frame.data)
            if said["op"] == HEARTBEAT:
                await socket.send_json({"op": ACK})
            elif said["op"] == IDENTIFY:
                if said["d"]["token"] != self.token:
                    await socket.close(code=4004)
                    break
                self._gateway = socket
                where = f"ws://127.0.0.1:{self.port}/gateway"
                ready = {"v": 10, "user": BOT, "guilds": [], "session_id": "s", "resume_gateway_url": where}
                self._dispatch("READY", ready | {"application": {"id": BOT["id"], "flags": 0}})
                for guild in set(self.guilds.values()):
                    self._dispatch("GUILD_CREATE", GUILD | {"id": str(guild)})
                self._changed.set()
        if self._gateway is socket:
            self._gateway = None
        return socket

    # The API

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info["path"].split("/")
        if parts[0] not in ("interactions", "webhooks") and request.headers.get("Authorization") != f"Bot {self.token}":
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        about_message = parts[0] == "channels"
        if about_message:
            self.asked.append((request.method, int(parts[1])))
        if self.hold and about_message and request.content_type == "multipart/form-data":
            self.held.append(int(parts[1]))
            self._changed.set()
            await self._released.wait()
        try:
            body, files = await _body(request)
        except (ConnectionError, ClientPayloadError):
            self.aborted += 1
            self._changed.set()
            raise
        self._changed.set()
        if about_message and self.floods.get(int(parts[1])):
            return _later(self.floods[int(parts[1])].pop(0))
        match [request.method, *parts]:
            case ["GET", "users", "@me"]:
                return _json(BOT)
            case ["GET", "oauth2", "applications", "@me"]:
                return _json(APPLICATION)
            case ["GET", "gateway"] | ["GET", "gateway", "bot"]:
                limits = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
                where = f"ws://127.0.0.1:{self.port}/gateway"
                return _json({"url": where, "shards": 1, "session_start_limit": limits})
            case ["PUT", "applications", _, "commands"]:
                known = {
                    "application_id": BOT["id"],
                    "version": "1",
                    "default_member_permissions": None,
                    "description": "",
                }
                self.commands = [{"id": str(self.next_id())} | known | command for command in body]
                return _json(self.commands)
            case ["POST", "interactions", _, _, "callback"]:
                if body["type"] == SAID:
                    self.replies.append(str(body["data"]["content"]))
                return _json(self._answered(body))
            case ["PATCH", "webhooks", _, _, "messages", "@original"]:
                self.replies.append(str(body["content"]))
                return _json(self._as_json(Message(self.next_id(), CHANNEL, self.replies[-1])))
            case [_, "channels", channel, "messages", *_] if int(channel) in self.closed:
                return _json({"message": "Cannot send messages in this channel", "code": 50008}, status=400)
            case ["POST", "channels", _, "messages"] if files and self.drops:
                self.drops -= 1
                assert request.transport is not None
                request.transport.abort()
            case ["POST", "channels", channel, "messages"]:
                return self._refusal(int(channel), body, files) or self._posted(int(channel), body, files)
            case ["PATCH", "channels", channel, "messages", id]:
                return self._edited(int(channel), int(id), body)
        return _json({"message": "404: Not Found", "code": 0}, status=404)

    def _answered(self, body: dict[str, Any]) -> dict[str, Any]:
        interaction = {"id": str(self.next_id()), "type": 2, "response_message_id": str(self.next_id())}
        return {"interaction": interaction, "resource": {"type": body["type"]}}

    def _refusal(self, channel: int, body: dict[str, Any], files: list[tuple[str, bytes]]) -> web.Response | None:
        """What Discord says of a message that it does not take."""
        limit, embeds = BOOSTED_MAX if channel in self.guilds else UPLOAD_MAX, body.get("embeds") or []
        sizes = [len(content) for _, content in files]
        if max(sizes, default=0) > limit or sum(sizes) > max(limit, REQUEST_MAX):
            return _json({"message": "Request entity too large", "code": 40005}, status=413)
        if len(files) > ATTACHED_MAX:
            return _json({"message": "Maximum number of attachments reached (10)", "code": 30015}, status=400)
        if embeds and channel in self.no_embeds:
            return _json({"message": "Missing Permissions", "code": 50013}, status=403)
        if not _shown(embeds) <= {name for name, _ in files}:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        if (reference := body.get("message_reference")) and reference["type"] == FORWARD:
            original = self.messages.get(int(reference["message_id"]))
            where = int(reference["channel_id"]), int(reference.get("guild_id") or 0)
            if original is None or where != (original.channel_id, self.guilds.get(original.channel_id, 0)):
                return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
            if original.channel_id in self.no_history:
                why = "Cannot reference a message without permission to read message history"
                return _json({"message": why, "code": 160009}, status=400)
        return None

    def _posted(self, channel: int, body: dict[str, Any], files: list[tuple[str, bytes]]) -> web.Response:
        content, components, embeds = str(body.get("content") or ""), body.get("components"), body.get("embeds")
        reference = body.get("message_reference") or {}
        original = self.messages[int(reference["message_id"])] if reference.get("type") == FORWARD else None
        message = Message(self.next_id(), channel, content, components or [], [content], files, embeds or [], original)
        self.messages[message.id] = message
        self.archived.discard(channel)
        return _json(self._as_json(message), headers=LIMITS)

    def _edited(self, channel: int, id: int, body: dict[str, Any]) -> web.Response:
        if self.later:
            self.later -= 1
            return _later(0.3)
        message = self.messages.get(id)
        if message is None or message.channel_id != channel:
            return _json({"message": "Unknown Message", "code": 10008}, status=404)
        if channel in self.archived:
            return _json({"message": "Thread is archived", "code": 50083}, status=400)
        message.content, message.components = str(body.get("content") or ""), (body.get("components") or [])
        message.history.append(message.content)
        return _json(self._as_json(message), headers=LIMITS)

    def _as_json(self, message: Message) -> dict[str, Any]:
        empty: dict[str, Any] = {"mentions": [], "mention_roles": [], "embeds": message.embeds}
        plain = {"pinned": False, "mention_everyone": False, "tts": False, "edited_timestamp": None}
        ids = {"id": str(message.id), "channel_id": str(message.channel_id), "author": BOT, "type": 0}
        said = {"content": message.content, "components": message.components, "timestamp": "2026-01-01T00:00:00+00:00"}
        files = {"attachments": [self._attachment(message, *file) for file in message.attached]}
        whole = empty | plain | ids | said | files
        if message.forwarded is None:
            return whole
        copy = self._as_json(message.forwarded)
        where = {"message_id": copy["id"], "channel_id": copy["channel_id"], "type": FORWARD}
        shown = {
            key: copy[key] for key in ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp")
        }
        return whole | {"message_reference": where, "message_snapshots": [{"message": shown}]}

    def _attachment(self, message: Message, name: str, content: bytes) -> dict[str, Any]:
        """Its addresses hold for some time only."""
        signed = f"{self.next_id()}/{name}?ex=6aa00000&is=6a9eae80&hm=0&"
        url = f"https://cdn.discordapp.com/attachments/{message.channel_id}/{signed}"
        return {"id": str(self.next_id()), "filename": name, "size": len(content), "url": url, "proxy_url": url}


APPLICATION: dict[str, Any] = {
    "id": BOT["id"],
    "name": "fetcher",
    "description": "",
    "icon": None,
    "bot_public": True,
    "bot_require_code_grant": False,
    "verify_key": "0",
    "flags": 0,
    "owner": BOT,
    "team": None,
    "rpc_origins": [],
}


GUILD: dict[str, Any] = {
    "name": "a guild",
    "premium_tier": 2,
    "owner_id": "1",
    "preferred_locale": "en-US",
    "member_count": 1,
    **dict.fromkeys(("verification_level", "default_message_notifications", "explicit_content_filter"), 0),
    **dict.fromkeys(("mfa_level", "nsfw_level", "system_channel_flags", "afk_timeout"), 0),
    **dict.fromkeys(("large", "unavailable", "premium_progress_bar_enabled"), False),
    **{name: [] for name in ("roles", "channels", "members", "emojis", "stickers", "features", "threads")},
    **{name: [] for name in ("voice_states", "presences", "stage_instances", "guild_scheduled_events")},
}


def _later(seconds: float) -> web.Response:
    wait = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    return _json(wait, status=429, headers={"Retry-After": str(seconds), "Via": "1.1 here"})


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer whose type has no charset: the bot's library takes it for text otherwise."""
    said = json.dumps(body).encode()
    return web.Response(body=said, status=status, headers={"Content-Type": "application/json"} | (headers or {}))


async def _body(request: web.Request) -> tuple[Any, list[tuple[str, bytes]]]:
    """What was said, and the files that came along, each of which it has to name."""
    if request.content_type != "multipart/form-data":
        return (await request.json() if request.can_read_body else {}), []
    form = await fields(request)
    files = [value for name, value in form.items() if re.fullmatch(r"files\[\d+\]", name)]
    body = json.loads(form.get("payload_json") or "{}")
    assert [each["filename"] for each in body["attachments"]] == [name for name, _ in files]
    return body, files


def _shown(embeds: list[Any]) -> set[str]:
    """The files that are shown in embeds."""
    places = [embed.get(place) or {} for embed in embeds for place in ("image", "thumbnail")]
    return {place["url"].removeprefix("attachment://") for place in places if place}
