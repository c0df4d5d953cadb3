"""Clicks that start a page's player: which control of which frame, and how. Runs in the browser's process.

clicked = await click_best(frames, worth_starting)          Click, or None: nothing is worth it
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from playwright.async_api import ElementHandle, Frame
from playwright.async_api import Error as PlaywrightError

from reactor.extractors.browser.controls import Control, Worth, best, controls_of
from reactor.extractors.browser.page_script import asking
from reactor.extractors.browser.patience import with_timeout
from reactor.records import dataclass

CLICK_S = 1.5


@dataclass(frozen=True, slots=True)
class Click:
    """One that was tried."""

    control: Control
    element: ElementHandle
    reached: bool
    """False: something lies over it, or it is gone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What will be clicked."""

    frame: Frame
    control: Control
    worth: float


async def choose(frames: Iterable[Frame], worth: Worth, *, least: float = 0.0) -> Choice | None:
    """The control of all frames that is worth most, and more than `least`."""
    here = list(frames)
    told = await asyncio.gather(*(with_timeout(each.evaluate(asking("controls")), []) for each in here))
    found: Choice | None = None
    for frame, controls in zip(here, told, strict=True):
        one = best(controls_of(controls), worth, frame.url, least=found.worth if found else least)
        if one:
            found = Choice(frame, one[1], one[0])
    return found


async def take(choice: Choice) -> ElementHandle | None:
    """The element that was chosen, which counts as clicked from now on; None when it is gone."""
    handle = await with_timeout(choice.frame.evaluate_handle(asking("control"), choice.control.n), None)
    return handle.as_element() if handle else None


async def click(choice: Choice) -> Click | None:
    """Click as a person does: where it can be seen, with what goes before a click. None when it is gone."""
    element = await take(choice)
    if element is None:
        return None
    return Click(choice.control, element, await reached(element))


async def reached(element: ElementHandle) -> bool:
    """Click an element; False when something lies over it, or it is gone."""
    try:
        await element.click(timeout=CLICK_S * 1000, no_wait_after=True)
    except PlaywrightError:
        return False
    return True


async def click_through(missed: Click) -> None:
    """Click where the control is, whatever lies over it; and the control itself, which a script may still listen to."""
    box = await with_timeout(missed.element.bounding_box(), None)
    frame = await with_timeout(missed.element.owner_frame(), None)
    if box and frame:
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await with_timeout(frame.page.mouse.click(*middle), None)
    await with_timeout(missed.element.evaluate("one => one.click()"), None)
