"""What is below a message, and what a press does. All a press has to tell is in the id of its component, so one works
after a restart, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import discord
from replies import TROUBLE, Interaction, answer
from replies import texts_of as texts_of_user
from words import description_of, label_of, name_of, picked, safe, texts_of

from reactor.choices import Choices
from reactor.models import Download

SELECT_MAX = 25
"""Answers in one menu: Discord takes no more."""
LABELS = {"cancel": "cancel", "retry": "retry", "marked": "marked_take", "usual": "usual_take"}
"""What a button does → the text on it."""


def view(row: Download) -> discord.ui.View:
    """What can be done about a download."""
    found = discord.ui.View(timeout=None)
    for menu in _menus(row) if row.answerable else ():
        found.add_item(menu)
    for verb in _verbs(row):
        found.add_item(Press(verb, row.id, texts_of(row)(LABELS[verb])))
    return found


def _verbs(row: Download) -> Iterator[str]:
    if row.answerable and not (row.choices and row.choices.help):
        if picked(row):
            yield "marked"
        yield "usual"
    if row.status in ("pending", "downloading", "choosing", "uploading"):
        yield "cancel"
    elif row.status in ("failed", "cancelled") or (
        row.status == "downloaded"
        and (row.extra.get("upload_error") or row.extra.get("unsent") or row.error_code == "partial")
    ):
        yield "retry"


def _menus(row: Download) -> Iterator[Menu]:
    found = row.choices or Choices()
    for kind, choices in (("formats", found.formats), ("help", found.help)):
        yield from _pages("choose", kind, row, choices)
    for kind, others in (("subtitles", found.subtitles), ("entries", found.items), ("files", found.files)):
        yield from _pages("mark", kind, row, others)


def _pages(verb: str, kind: str, row: Download, choices: Sequence[Any]) -> Iterator[Menu]:
    """A menu for each page of answers; there are 50 of a kind at most."""
    t = texts_of(row)
    named = t(f"menu_{kind}")
    for at in range(0, len(choices), SELECT_MAX):
        page, marked = choices[at : at + SELECT_MAX], picked(row)
        options = [
            discord.SelectOption(
                label=label_of(each, t), value=each.c, description=description_of(each, t), default=each.c in marked
            )
            for each in page
        ]
        part = t("menu_part", kind=named, first=at + 1, last=at + len(page)) if len(choices) > SELECT_MAX else named
        yield Menu(verb, row.id, f"{kind[0]}{at}", part, options)


class Press(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"(?P<verb>cancel|retry|marked|usual):(?P<id>\d{1,18})",
):
    """A button."""

    def __init__(self, verb: str, id: int, label: str = "") -> None:
        super().__init__(discord.ui.Button(label=label, custom_id=f"{verb}:{id}"))
        self.verb, self.download_id = verb, id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: re.Match[str], /) -> Press:
        return cls(match["verb"], int(match["id"]))

    async def interaction_check(self, interaction: Any, /) -> bool:
        return bool(await interaction.client.tree.interaction_check(interaction))

    async def callback(self, interaction: Any) -> None:
        try:
            if self.verb in ("cancel", "retry"):
                await press(interaction, self.verb, self.download_id)
            else:
                await reply(interaction, self.verb, self.download_id)
        except TROUBLE as error:
            await interaction.client.tree.on_error(interaction, error)


class Menu(
    discord.ui.DynamicItem[discord.ui.Select[Any]],
    template=r"(?P<verb>choose|mark):(?P<id>\d{1,18}):(?P<page>[a-z]\d{1,3})",
):
    """A menu: of a `choose` one answer is taken, of a `mark` several are marked."""

    def __init__(
        self, verb: str, id: int, page: str, placeholder: str, options: Sequence[discord.SelectOption]
    ) -> None:
        most, least = (len(options), 0) if verb == "mark" else (1, 1)
        super().__init__(
            discord.ui.Select(
                custom_id=f"{verb}:{id}:{page}",
                placeholder=placeholder,
                min_values=least,
                max_values=most,
                options=list(options),
            )
        )
        self.verb, self.download_id = verb, id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: re.Match[str], /) -> Menu:
        return cls(match["verb"], int(match["id"]), match["page"], "", item.options)

    async def interaction_check(self, interaction: Any, /) -> bool:
        return bool(await interaction.client.tree.interaction_check(interaction))

    async def callback(self, interaction: Any) -> None:
        try:
            seen = [option.value for option in self.item.options]
            await reply(interaction, self.verb, self.download_id, self.item.values, seen)
        except TROUBLE as error:
            await interaction.client.tree.on_error(interaction, error)


COMPONENTS = (Press, Menu)


async def press(interaction: Interaction, verb: str, number: int) -> None:
    """Stop a download of this channel, or try it again, or to send its file."""
    client, t, row = interaction.client, texts_of_user(interaction), await interaction.client.queue.get(number)
    if row is None or row.extra["channel_id"] != interaction.channel_id:
        return await answer(interaction, t("gone"))
    name = safe(name_of(row))
    if verb == "cancel":
        stopped = await client.queue.cancel(number) or await client.store.stop_upload(number)
        await answer(interaction, t("stopping_one", name=name) if stopped else t("not_under_way", id=number))
    else:
        again = [await client.queue.retry(number), await client.store.upload_again(number)]  # of a list it may be both
        await answer(interaction, t("retrying_one", name=name) if any(again) else t("not_failed", id=number))


async def reply(
    interaction: Interaction, verb: str, number: int, codes: Sequence[str] = (), seen: Sequence[str] = ()
) -> None:
    """Answer what a download asks, or mark what is wanted of it: of the answers in `seen` these `codes`."""
    client, t, row = interaction.client, texts_of_user(interaction), await interaction.client.queue.get(number)
    if row is None or (refusal := _refusal(interaction, row)) is not None:
        return await answer(interaction, t("over" if row is None else refusal or "over"))
    marked = [each for each in picked(row) if each not in seen] + [*codes]
    if verb == "mark":
        sql = "UPDATE downloads SET picked = ? WHERE id = ?"
        await client.store.all(sql, ",".join(marked) or None, number)
        return await answer(interaction, t("marked", n=len(marked)))
    chosen: Sequence[str] = () if verb == "usual" else marked
    known = {each.c: each for each in row.choices.all} if row.choices else {}
    if any(each not in known for each in chosen) or not await client.queue.choose(number, chosen):
        return await answer(interaction, t("over"))
    await client.store.all("UPDATE downloads SET picked = NULL WHERE id = ?", number)
    said = ", ".join(safe(label_of(known[each], t)) for each in chosen[:10])
    await answer(interaction, t("answer_taken", said=said or t("as_usual")))


def _refusal(interaction: Interaction, row: Download) -> str | None:
    """The text of why a press counts for nothing; None when it does."""
    if row.extra["channel_id"] != interaction.channel_id:
        return "gone_since"
    if row.extra["user_id"] != interaction.user.id:
        return "only_asker"
    if interaction.message and row.extra["message_id"] not in (None, interaction.message.id):
        return "old_message"
    return None if row.answerable else "over"
