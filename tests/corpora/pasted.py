"""What people send to a bot when they mean a link, written for this corpus, and the link that they mean."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.errors import DownloadError
from reactor.net.urls import normalise


@dataclass(frozen=True)
class Case:
    """One message."""

    label: str
    expected: str
    """The link; or the code of the error, where none is meant."""
    ours: str | None = None
    why: str = ""

    def found(self) -> str:
        """What reactor makes of it."""
        try:
            return normalise(self.label)
        except DownloadError as error:
            return error.code


U = "https://h.example/a.zip"
HASH = "0123456789abcdef0123456789abcdef01234567"
MAGNET = f"magnet:?xt=urn:btih:{HASH}"

_U = (
    *(U, f" {U} ", f"{U}\n", f"\t{U}\r\n", "HTTPS://h.example/a.zip", "https://H.EXAMPLE/a.zip", "h.example/a.zip"),
    # Punctuation and brackets
    *(f"{U}{behind}" for behind in (",", ".", ";", ":", "!", "?", "...", "…", ")", "]", ">", '"', "'", "»", "!!")),
    *(
        f"{a}{U}{b}"
        for a, b in ("()", "[]", "{}", "<>", '""', "''", "``", "“”", "„“", "‘’", "«»", "「」", "【】", "（）")
    ),
    *(
        f"*{U}*",
        f"**{U}**",
        f"_{U}_",
        f"~~{U}~~",
        f"||{U}||",
        f"> {U}",
        f"- {U}",
        f"* {U}",
        f"1. {U}",
        f"• {U}",
        f"→ {U}",
    ),
    *(f"[a.zip]({U})", f"[{U}]({U})", f"![picture]({U})", f'<a href="{U}">here</a>', f"<a href='{U}'>here</a>"),
    *(f"url={U}", f"URL: {U}", f"Link:{U}", f"link - {U}", f"curl -O {U}", f'wget "{U}"', f'src="{U}"'),
    # Inside text
    *(
        f"Get {U} please",
        f"please get {U}",
        f"Can you fetch {U}?",
        f"It is here ({U}).",
        f"Quoting: “{U}”.",
        f"{U} thanks!",
    ),
    *(
        f"See {U}\nThank you",
        f"Hello,\n\n{U}\n\nBye",
        f"下载{U}，谢谢",
        f"请下载 {U}。",
        f"ダウンロード：{U}",
        f"скачай {U}, пожалуйста",
    ),
    *(f"@bot {U}", f"/get {U}", f"/download@bot {U}", f"#film {U}", f"{U} #film", f"{U} 👍", f"👉{U}", f"{U}\u3000ok"),
    *(f"{U} https://h.example/b.zip", f"{U}\nhttps://h.example/b.zip", f"{U}, https://h.example/b.zip", f"{U} | {U}"),
    # What nobody sees
    *(
        f"\u200b{U}",
        f"\ufeff{U}",
        f"{U}\u200b",
        f"\u2060{U}\u2060",
        "https://h.example/a\u200b.zip",
        "https://h.ex\u00adample/a.zip",
    ),
    *(f"\u200e{U}\u200e", f"\u202a{U}\u202c", f"\u2068{U}\u2069", f"\u00a0{U}\u00a0"),
    # Made harmless, and made wrong
    *("hxxps://h.example/a.zip", "hxxps://h[.]example/a.zip", "https://h[.]example/a.zip", "https://h(.)example/a.zip"),
    *("hXXps://h.example/a.zip", "https[:]//h.example/a.zip", "https:/h.example/a.zip", "https:h.example/a.zip"),
    *(
        "https//h.example/a.zip",
        "ttps://h.example/a.zip",
        "http://https://h.example/a.zip",
        "https://https://h.example/a.zip",
    ),
    *("https:\\\\h.example\\a.zip", "//h.example/a.zip"),
)

CASES = (
    *(Case(text, U) for text in dict.fromkeys(_U)),
    # What belongs to it
    Case("https://h.example/wiki/Film_(2020)", "https://h.example/wiki/Film_(2020)"),
    Case("(https://h.example/wiki/Film_(2020))", "https://h.example/wiki/Film_(2020)"),
    Case("https://h.example/a,b;c.zip", "https://h.example/a,b;c.zip"),
    Case("https://h.example/a!b'c.zip", "https://h.example/a!b'c.zip"),
    Case("https://h.example/a.zip?x=1&amp;y=2", "https://h.example/a.zip?x=1&y=2"),
    Case("https://h.example/a.zip?x=1&amp;amp;y=2", "https://h.example/a.zip?x=1&y=2"),
    Case("https://h.example/a.zip?x=[1]", "https://h.example/a.zip?x=[1]"),
    Case("https://h.example/a.zip?u=https://b.example/", "https://h.example/a.zip?u=https://b.example/"),
    Case("https://h.example/a.zip#part", "https://h.example/a.zip#part"),
    Case("https://h.example/a%20b.zip", "https://h.example/a%20b.zip"),
    Case("https://h.example/a b.zip", "https://h.example/a%20b.zip"),
    Case("https://h.example/my film 2.mkv", "https://h.example/my%20film%202.mkv"),
    Case('"https://h.example/my film.mkv"', "https://h.example/my%20film.mkv"),
    Case("https://h.example/фильм.mkv", "https://h.example/%D1%84%D0%B8%D0%BB%D1%8C%D0%BC.mkv"),
    Case("https://h.example/电影.mkv", "https://h.example/%E7%94%B5%E5%BD%B1.mkv"),
    Case("https://h.example/a|b.zip", "https://h.example/a%7Cb.zip"),
    Case("https://h.example/100%.zip", "https://h.example/100%.zip"),
    Case("https://h.example", "https://h.example/"),
    Case("https://h.example?x=1", "https://h.example/?x=1"),
    Case("https://h.example:8443/a.zip", "https://h.example:8443/a.zip"),
    Case("https://anna:secret@h.example/a.zip", "https://anna:secret@h.example/a.zip"),
    Case("http://192.0.2.1/a.zip", "http://192.0.2.1/a.zip"),
    Case("http://[2001:db8::1]/a.zip", "http://[2001:db8::1]/a.zip"),
    Case("http://[2001:db8::1]:8080/a.zip", "http://[2001:db8::1]:8080/a.zip"),
    Case("https://bücher.example/a.zip", "https://xn--bcher-kva.example/a.zip"),
    Case("https://例え.example/a.zip", "https://xn--r8jz45g.example/a.zip"),
    Case("localhost:8000/a.zip", "https://localhost:8000/a.zip"),
    Case("h.example:8000/a.zip", "https://h.example:8000/a.zip"),
    Case("look at h.example/a.zip, it is free", "https://h.example/a.zip"),
    Case("https://web.archive.example/2020/http://b.example/x", "https://web.archive.example/2020/http://b.example/x"),
    # Magnet links
    Case(MAGNET, MAGNET),
    Case(f"Get {MAGNET}&dn=a please", f"{MAGNET}&dn=a"),
    Case(f"<{MAGNET}>", MAGNET),
    Case(f"{MAGNET}.", MAGNET),
    Case(f"{MAGNET}&amp;dn=a", f"{MAGNET}&dn=a"),
    Case(HASH, MAGNET),
    Case(f"`{HASH}`", MAGNET),
    Case(f"MAGNET:?xt=urn:btih:{HASH.upper()}", MAGNET),
    # No links
    Case("", "bad_url"),
    Case("   ", "bad_url"),
    Case("hello", "bad_url"),
    Case("Can you get me that film?", "bad_url"),
    Case("https://", "bad_url"),
    Case(
        "https:///a.zip", "https://a.zip/", "bad_url", "a browser takes what comes next for the host; nobody means it"
    ),
    Case("https ://h.example/a.zip", "https://h.example/a.zip", "bad_url", "two words, of which neither is a link"),
    Case("https://h.example:99999/a.zip", "bad_url"),
    Case("https://-h.example/", "bad_url"),
    Case("magnet:?dn=x", "bad_magnet"),
    Case("file:///etc/passwd", "unsupported"),
    Case("javascript:alert(1)", "unsupported"),
    Case("data:text/plain,hello", "unsupported"),
    Case("mailto:anna@h.example", "unsupported"),
)
