"""Which element starts a player, and which one agrees: on pages of a few lines, in a real browser."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, async_playwright

from reactor.extractors.browser.controls import Worth, worth_agreeing, worth_starting
from reactor.extractors.browser.elements import elements_of
from reactor.extractors.browser.page_script import PREPARE, What, asking
from reactor.extractors.browser.starting import choose, take
from reactor.extractors.browser.worker import options
from tests.tools import needed

BIG = "style='display: block; width: 90px; height: 60px'"


GATHER = """stun => new Promise(done => {
  const peer = new RTCPeerConnection({iceServers: [{urls: stun}]});
  peer.createDataChannel("x");
  peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
})"""
"""Ask a server for the address by which it sees us, and wait until the browser has no more to ask."""


@pytest.fixture(scope="module")
async def page() -> AsyncIterator[Page]:
    setup = {"executable": needed("chromium"), "sandbox": False, "proxy": None, "headless_tells": False}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options(setup))
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        yield page
        await browser.close()


async def asked(page: Page, html: str, what: What) -> str | None:
    """The id of the element that a page of this body answers with."""
    await page.set_content(f"<!doctype html><body>{html}</body>")
    element = (await page.evaluate_handle(asking(what))).as_element()
    return await element.get_attribute("id") if element else None


async def chosen(page: Page, html: str, worth: Worth) -> str | None:
    """The id of the element that is chosen on a page of this body."""
    await page.set_content(f"<!doctype html><body>{html}</body>")
    choice = await choose(page.frames, worth)
    element = await take(choice) if choice else None
    return await element.get_attribute("id") if element else None


STARTS = {
    "video.js": f"<a id=no href=x>x</a><button id=yes class=vjs-big-play-button {BIG}></button>",
    "plyr": f"<button id=yes class='plyr__control plyr__control--overlaid' {BIG}></button>",
    "a name alike": f"<div id=yes class='my-Big-Play-icon' {BIG}></div>",
    "skip before play": f"<div id=no class=play-button {BIG}></div><a id=yes class=x-skip-ad-y {BIG}>Skip</a>",
    "said in English": "<button id=no>Share</button><button id=yes>▶ Play</button>",
    "said in German": "<button id=no>Teilen</button><div id=yes role=button aria-label=Abspielen>▶</div>",
    "said in Russian": "<a id=yes href=#>Смотреть</a>",
    "said in Japanese": "<button id=yes title=再生>▶</button>",
    "said in Hindi": "<button id=yes>चलाएं</button>",
    "not a word in a sentence": "<button id=no>Play the lottery</button>",
    "not what is hidden": "<button id=no class=play-button style='visibility: hidden'>x</button>",
    "not what is disabled": f"<button id=no class=play-button disabled {BIG}></button>",
    "not what is too small": "<i id=no class=play-icon style='display: block; width: 2px; height: 2px'></i>",
    "the larger of two films": "<video id=no width=150 height=150></video><video id=yes width=600 height=400></video>",
    "a link around a picture": "<a id=yes href=#play><img alt='' style='width: 400px; height: 240px'></a>",
    "a sign that is drawn": "<svg id=yes width=80 height=80 style='cursor: pointer'><circle cx=40 cy=40 r=38 /></svg>",
    "what is round and in the middle": (
        "<button id=yes style='position: fixed; left: 600px; top: 320px; width: 80px; height: 80px'></button>"
    ),
    "not what is wide and in the middle": (
        "<button id=no style='position: fixed; left: 440px; top: 340px; width: 400px; height: 40px'>Subscribe</button>"
    ),
    "nothing": "<p>text",
    "in a shadow": """
        <div id=host></div>
        <script>
          document.getElementById("host").attachShadow({mode: "open"}).innerHTML =
            "<div id=outer></div><button id=yes class=vds-play-button>x</button>";
        </script>""",
}
AGREES = {
    "OneTrust": "<button id=onetrust-accept-btn-handler>Okay then</button>",
    "Usercentrics": "<button id=yes data-testid=uc-accept-all-button>!</button>",
    "not the refusal": "<button id=no>Reject all</button><button id=yes>Accept All</button>",
    "French": "<button id=no>Continuer sans accepter</button><a id=yes href=#>J'accepte</a>",
    "Polish": "<div id=yes role=button>Zgadzam się</div>",
    "Turkish": "<input id=yes type=button value='Kabul et'>",
    "Chinese": "<button id=yes> 同意 </button>",
    "an age": "<button id=no>Leave</button><button id=yes>I am over 18!</button>",
    "not a banner": "<button id=no>Accept the challenge of a lifetime</button>",
}
DOWNLOADS = {
    "the free way": "<a id=no href=/buy>Premium download</a><a id=yes href=/free>Slow download</a>",
    "not another site's": (
        "<a id=no href=http://ads.test/x>Download now</a><button id=yes>Download big.zip (200 KB)</button>"
    ),
    "not a menu's": "<nav><a id=no href=/apps>Download</a></nav><a id=yes href=/x>Download</a>",
    "not the app": "<a id=no href=/app>Download our app</a>",
    "not a question": "<a id=no href=/faq>How to download</a>",
    "not yet": "<button id=no disabled>Download</button>",
    "by what it is called": "<a id=yes href='javascript:x()' class=download-btn>x.zip</a>",
    "by a picture": "<a id=yes href='javascript:x()'><img alt='Download' width=90 height=30></a>",
    "which makes a link": "<button id=yes>Generate link</button>",
    "after it was agreed to": (
        "<label><input type=checkbox onchange='yes.disabled = !this.checked'> I agree to the terms</label>"
        "<button id=yes disabled>Download</button>"
    ),
    "not what is agreed to for nothing": (
        "<label><input type=checkbox onchange='yes.disabled = !this.checked'> Send me the newsletter</label>"
        "<button id=no disabled>Download</button>"
    ),
    "in a form": "<form method=post><input id=yes type=submit value='Free Download'></form>",
}
LANGUAGES = {
    **{"de": "Jetzt herunterladen", "fr": "Télécharger", "es": "Descargar archivo", "pt": "Baixar grátis"},
    **{
        "it": "Scarica",
        "nl": "Downloaden",
        "pl": "Pobierz plik",
        "sv": "Ladda ner",
        "no": "Last ned",
        "da": "Hent fil",
    },
    **{"fi": "Lataa tiedosto", "cs": "Stáhnout", "sk": "Stiahnuť", "hu": "Letöltés", "ro": "Descarcă", "el": "Λήψη"},
    **{"tr": "Ücretsiz indir", "ru": "Скачать файл", "uk": "Завантажити", "ar": "تحميل الملف", "he": "הורדה"},
    **{
        "hi": "डाउनलोड करें",
        "ja": "無料ダウンロード",
        "zh": "立即下载",
        "ko": "다운로드",
        "th": "ดาวน์โหลด",
        "vi": "Tải xuống",
    },
    **{"id": "Unduh", "en": "Download big.zip (200 KB)"},
}


@pytest.mark.parametrize("name", DOWNLOADS)
async def test_what_begins_a_download(page: Page, name: str) -> None:
    assert await asked(page, DOWNLOADS[name], "download") == ("yes" if "id=yes" in DOWNLOADS[name] else None)


@pytest.mark.parametrize("said", LANGUAGES.values(), ids=LANGUAGES)
async def test_download_in_every_language(page: Page, said: str) -> None:
    assert await asked(page, f"<button id=no>x</button><button id=yes>{said}</button>", "download") == "yes"


@pytest.mark.parametrize(
    ("body", "gate"),
    [
        ("<p>text", ""),
        ("<p>Please log in to download this file.", "login"),
        ("<p>Nur für registrierte Nutzer", "login"),
        ("<div class=h-captcha style='width: 300px; height: 80px'>x</div>", "captcha"),
        ("<div class=h-captcha style='display: none'>x</div>", ""),
        ("<div class=grecaptcha-badge><iframe src='about:blank#recaptcha' width=200 height=60></iframe></div>", ""),
        ("<h1>File Not Found</h1>", "gone"),
        ("<p>Die Datei wurde leider gelöscht.", "gone"),
        ("<p>The file was found by everybody.", ""),
    ],
)
async def test_what_stands_before_a_file(page: Page, body: str, gate: str) -> None:
    await page.set_content(f"<body>{body}")
    assert await page.evaluate(asking("gate")) == gate


async def test_a_page_that_counts_down(page: Page) -> None:
    await page.set_content("<p>Wait <b>3</b> seconds</p><p>1000 files</p>")
    told = [await page.evaluate(asking("counting"))]
    for text in ("2", "2", "40", "1"):
        await page.evaluate("text => document.querySelector('b').textContent = text", text)
        told.append(await page.evaluate(asking("counting")))
    assert told == [False, True, False, False, False], "what falls by more is no countdown"


@pytest.mark.parametrize("name", STARTS)
async def test_what_starts_a_player(page: Page, name: str) -> None:
    html = STARTS[name]
    assert await chosen(page, html, worth_starting) == ("yes" if "id=yes" in html else None)


@pytest.mark.parametrize("name", AGREES)
async def test_what_agrees(page: Page, name: str) -> None:
    html = AGREES[name]
    known = "yes" if "id=yes" in html else "onetrust-accept-btn-handler" if "onetrust" in html else None
    assert await chosen(page, html, worth_agreeing) == known


async def test_a_button_of_no_use_is_left_alone(page: Page) -> None:
    await page.set_content("<button id=a>Play</button>")
    choices = []
    for _ in range(4):
        choices.append(await choose(page.frames, worth_starting))
        if choices[-1]:
            await take(choices[-1])
    assert [choice is not None for choice in choices] == [True, True, True, False]


async def test_films_are_told_and_asked_to_play(page: Page) -> None:
    await page.set_content("<video></video><audio src='data:audio/wav,x'></audio><video loop></video>")
    told = await page.evaluate(asking("media"))
    elements, running = elements_of(told["films"], page.url)
    assert ([each.duration_s for each in elements], running, told["manifests"]) == ([None] * 3, False, [])
    assert await page.evaluate(asking("play")) is None
    skipped = elements_of((await page.evaluate(asking("skip"), 65.0))["films"], page.url)[0]
    assert [each.source for each in skipped] == [each.source for each in elements]
    # A player that is to give its element a source when it is asked to start has not been asked.
    assert await page.evaluate("() => document.querySelector('video').paused") is True


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ("<option value=''>Select a server<option value=a>Server 1<option value=b>Server 2", "a"),
        ("<option value=a>Mirror 1<option value=b>Mirror 2", "b"),
        ("<option value=a>English<option value=b>Deutsch", None),
    ],
)
async def test_a_place_is_chosen_from_a_list(page: Page, options: str, chosen: str | None) -> None:
    await page.set_content(f"<select onchange='document.title = this.value'>{options}</select>")
    assert await page.evaluate(asking("place")) is (chosen is not None)
    assert await page.title() == (chosen or "")
    assert await page.evaluate(asking("place")) is False, "once each"


async def test_titles(page: Page) -> None:
    await page.set_content(
        "<title> T </title><meta property='og:title' content='O'><script type='application/ld+json'>{}</script>"
    )
    assert await page.evaluate(asking("titles")) == {"og": "O", "ld": ["{}"], "title": "T"}


async def test_a_page_that_tampers_with_its_own_tools(page: Page) -> None:
    assert page.context.browser
    fresh = await page.context.browser.new_page()  # what it does to its document would stay
    await fresh.set_content("<script>document.querySelectorAll = () => { throw new Error('x'.repeat(99)) }</script>")
    with pytest.raises(PlaywrightError, match="xxx"):
        await fresh.evaluate(asking("media"))
    await fresh.close()


async def test_every_frame_is_without_what_goes_past_us(page: Page) -> None:
    assert page.context.browser
    fresh = await page.context.browser.new_page()
    await fresh.add_init_script(PREPARE)
    await fresh.goto("about:blank")
    await fresh.set_content("<iframe srcdoc='<p>x'></iframe>")
    kinds: list[Any] = [
        await frame.evaluate("() => [typeof RTCPeerConnection, typeof SharedWorker]") for frame in fresh.frames
    ]
    await fresh.close()
    assert kinds == [["undefined", "undefined"]] * 2


@asynccontextmanager
async def asking_for_its_address(
    arguments: Callable[[str], bool],
) -> AsyncIterator[tuple[socket.socket, asyncio.Task[None]]]:
    """A page with WebRTC, in a browser that was started with those of our arguments: where its datagrams come to, and
    what ends when it has sent them all."""
    how = options(
        {"executable": needed("chromium"), "sandbox": False, "proxy": "http://127.0.0.1:9", "headless_tells": False}
    )
    how["args"] = [each for each in how["args"] if arguments(each)]
    with socket.socket(type=socket.SOCK_DGRAM) as trap:
        trap.bind(("127.0.0.1", 0))
        trap.settimeout(60)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**how)
            page = await browser.new_page()
            gathered = asyncio.create_task(page.evaluate(GATHER, f"stun:127.0.0.1:{trap.getsockname()[1]}"))
            yield trap, gathered
            gathered.cancel()
            await browser.close()


async def test_no_datagram_leaves_the_browser_also_where_a_frame_still_has_webrtc() -> None:
    """A frame in a sandbox of its own may begin before PREPARE has run in it."""
    async with asking_for_its_address(lambda each: True) as (trap, gathered):
        await gathered
        assert select.select([trap], [], [], 0)[0] == []


@pytest.mark.nightly
async def test_without_the_switch_they_do_leave() -> None:
    async with asking_for_its_address(lambda each: "webrtc" not in each) as (trap, _):
        assert await asyncio.to_thread(trap.recv, 1000)


NAMED = {
    "OpenGraph's player": (
        "<meta property=og:video:url content=//h.test/embed/7><meta property=og:video:type content=text/html>",
        [("og", "text/html"), ("player", "")],
    ),
    "a card's player": ("<meta name=twitter:player content=https://h.test/embed/7>", [("player", "")]),
    "a frame that is loaded later": ("<iframe data-lazy-src=//h.test/embed/7></iframe>", [("frame", "")]),
    "a frame for who has no scripts": (
        "<noscript><iframe width=9 src='https://h.test/embed/7'></iframe></noscript>",
        [("frame", "")],
    ),
    "no player's frame": ("<noscript><iframe src='https://h.test/ns.html?id=GTM'></iframe></noscript>", []),
    "a player's settings": (
        """<div data-setup='{"sources": [{"src": "https://h.test/embed/7"}, {"src": "https://h.test/a.mp4?x"}]}'>""",
        [("text", "")],
    ),
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_a_page_tells_of(page: Page, name: str) -> None:
    html, expected = NAMED[name]
    await page.set_content(f"<!doctype html><base href=https://h.test/page><body>{html}</body>")
    told = await page.evaluate(asking("named"))
    assert [(each["how"], each["type"]) for each in told] == expected
    assert {each["url"].partition("?")[0] for each in told} <= {"https://h.test/embed/7", "https://h.test/a.mp4"}
