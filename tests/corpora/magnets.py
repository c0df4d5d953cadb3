"""Magnet links as chats, forums, indexers and clients spell them, written for this corpus, and what a person expects.

What is expected is `hash name trackers more`: the v1 hash (`v2:` before a v2 one), the name, how many trackers are
asked, and other keys; or the code of the refusal, or `no magnet`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from reactor.errors import DownloadError
from reactor.net.magnets import parse_magnet

H = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
B32 = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"
V2 = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"
T = "http%3A%2F%2Ft.example%2Fannounce"
PLAIN = f"{H} - 0 -"


@dataclass(frozen=True)
class Case:
    """One link."""

    label: str
    expected: str
    ours: str | None = None
    why: str = ""

    def found(self) -> str:
        """What reactor makes of it."""
        try:
            magnet = parse_magnet(self.label)
        except DownloadError as error:
            return error.code
        if magnet is None:
            return "no magnet"
        hashed = magnet.v1 or f"v2:{magnet.v2}"
        more = ",".join(f"{key}={value}" for key, value in magnet.more)
        return f"{hashed} {magnet.name or '-'} {len(magnet.trackers)} {more or '-'}"


_SPELT = ("magnet:?xt=urn:btih:{}", "magnet:?XT=urn:btih:{}", "magnet://?xt=urn:btih:{}", "magnet:?xt.1=urn:btih:{}")
_MORE = (
    ("ws", "https://w.example/"),
    ("xs", "https://x.example/a.torrent"),
    ("as", "https://x.example/b.torrent"),
    ("x.pe", "203.0.113.7:6881"),
    ("so", "1-3"),
)
_CLIENTS = (
    "magnet:?xt=urn:btih:{}&dn=a&tr=udp%3A%2F%2Fu.example%3A80",
    "magnet:?xt=urn:btih:{}&dn=a&xl=1&tr=udp%3A%2F%2Fu.example%3A80",
    "magnet:?dn=a&tr=udp%3A%2F%2Fu.example%3A80&xt=urn:btih:{}",
    "magnet:?tr=udp://u.example:80&dn=a&xt=urn:btih:{}",
    "magnet:?xt=urn:btih:{}&dn=a&tr=udp://u.example:80/announce&tr=wss://w.example",
    "magnet:?xt=urn:btih:{}&tr.0=udp://u.example:80&dn.1=a",
)

CASES = (
    *(Case(spelt.format(each), PLAIN) for spelt in _SPELT[1:] for each in (H, H.upper(), B32, B32.lower())),
    *(Case(f"magnet:?xt=urn:btih:{H}&{key.upper()}={value}", f"{H} - 0 {key}={value}") for key, value in _MORE),
    *(Case(f"magnet:?{key}={value}&xt=urn:btih:{H}", f"{H} - 0 {key}={value}") for key, value in _MORE),
    *(Case(f"magnet:?xt=urn:btih:{H}&{key}.1={value}", f"{H} - 0 {key}={value}") for key, value in _MORE),
    *(Case(client.format(H), f"{H} a 1 -") for client in _CLIENTS),
    # How it begins
    Case(f"magnet:?xt=urn:btih:{H}", PLAIN),
    Case(f"MAGNET:?xt=urn:btih:{H}", PLAIN),
    Case(f"magnet:/?xt=urn:btih:{H}", PLAIN),
    Case(f"magnet:xt=urn:btih:{H}", PLAIN),
    Case(quote(f"magnet:?xt=urn:btih:{H}&dn=a b", safe=""), f"{H} a b 0 -"),
    Case(quote(f"magnet:?xt=urn:btih:{H}", safe="").lower(), PLAIN),
    # Hashes
    Case(H, PLAIN),
    Case(H.upper(), PLAIN),
    Case(B32, PLAIN),
    Case(B32.lower(), PLAIN),
    Case(V2, f"v2:{V2} - 0 -"),
    Case(f"magnet:?xt=urn:btih:{H.upper()}", PLAIN),
    Case(f"magnet:?xt=urn:btih:{B32}", PLAIN),
    Case(f"magnet:?xt=urn:btih:{B32.lower()}", PLAIN),
    Case(f"magnet:?XT=URN:BTIH:{H}", PLAIN),
    Case(f"magnet:?xt=urn%3Abtih%3A{H}", PLAIN),
    Case(f"magnet:?xt=urn:sha1:{B32}&xt=urn:btih:{H}", PLAIN),
    Case(f"magnet:?xt.1=urn:ed2k:31D6CFE0D16AE931B73C59D7E0C089C0&xt.2=urn:btih:{H}", PLAIN),
    Case(f"magnet:?xt=urn:btih:{H}&xt=urn:btmh:1220{V2}", PLAIN),
    Case(f"magnet:?xt=urn:btmh:1220{V2}&xt=urn:btih:{H}", PLAIN),
    Case(f"magnet:?xt=urn:btmh:1220{V2.upper()}", f"v2:{V2} - 0 -"),
    Case(f"magnet:?dn=a&xt=urn:btih:{H}", f"{H} a 0 -"),
    Case(f"magnet:?xt=urn:btih:{H[:39]}", "bad_magnet"),
    Case(f"magnet:?xt=urn:btih:{H}0", "bad_magnet"),
    Case(f"magnet:?xt=urn:btih:{H[:39]}g", "bad_magnet"),
    Case(f"magnet:?xt=urn:btih:{B32[:31]}1", "bad_magnet"),
    Case(f"magnet:?xt=urn:btmh:1114{H}", "bad_magnet"),
    Case("magnet:?xt=urn:btih:", "bad_magnet"),
    Case("magnet:?dn=a", "bad_magnet"),
    Case("magnet:?", "bad_magnet"),
    Case("magnet:", "bad_magnet"),
    Case(f"magnet:?xt=urn:tree:tiger:{B32}", "bad_magnet"),
    # Names
    Case(f"magnet:?xt=urn:btih:{H}&dn=A+Film+%282025%29", f"{H} A Film (2025) 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=A%20Film", f"{H} A Film 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=A Film", f"{H} A Film 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=%D0%A4%D0%B8%D0%BB%D1%8C%D0%BC", f"{H} Фильм 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=Фильм", f"{H} Фильм 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=", PLAIN),
    Case(f"magnet:?xt=urn:btih:{H}&DN=a", f"{H} a 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=a&dn=b", f"{H} a 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=a%26b", f"{H} a&b 0 -"),
    Case(f"magnet:?xt=urn:btih:{H}&dn=%E2%80%AEgpj.exe", f"{H} gpj.exe 0 -"),
    # Trackers
    Case(f"magnet:?xt=urn:btih:{H}&tr={T}", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr=http://t.example/announce", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&TR={T}", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr.1={T}&tr.2=udp%3A%2F%2Fu.example%3A6969", f"{H} - 2 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr={T}&tr={T}", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr=wss%3A%2F%2Fw.example&tr={T}", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr=UDP%3A%2F%2Fu.example%3A6969", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr=", PLAIN),
    Case(f"magnet:?xt=urn:btih:{H}&tr=%E2%80%8B{T}", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&tr=http%3A%2F%2Ft.example%2Fa%3Fpasskey%3D1%26x%3D2", f"{H} - 1 -"),
    Case(f"magnet:?xt=urn:btih:{H}&&tr={T}&", f"{H} - 1 -"),
    # What else it may say
    Case(f"magnet:?xt=urn:btih:{H}&ws=https%3A%2F%2Fw.example%2Fa%20b", f"{H} - 0 ws=https://w.example/a b"),
    Case(f"magnet:?xt=urn:btih:{H}&xs=https%3A%2F%2Fx.example%2Fa.torrent", f"{H} - 0 xs=https://x.example/a.torrent"),
    Case(f"magnet:?xt=urn:btih:{H}&as=https%3A%2F%2Fx.example%2Fa.torrent", f"{H} - 0 as=https://x.example/a.torrent"),
    Case(f"magnet:?xt=urn:btih:{H}&x.pe=203.0.113.7:6881", f"{H} - 0 x.pe=203.0.113.7:6881"),
    Case(f"magnet:?xt=urn:btih:{H}&x.pe=[2001:db8::7]:6881", f"{H} - 0 x.pe=[2001:db8::7]:6881"),
    Case(f"magnet:?xt=urn:btih:{H}&x.pe=a:1&x.pe=b:2", f"{H} - 0 x.pe=a:1,x.pe=b:2"),
    Case(f"magnet:?xt=urn:btih:{H}&so=0,2,4-7", f"{H} - 0 so=0,2,4-7"),
    Case(f"magnet:?xt=urn:btih:{H}&xl=12345&mt=x&kt=a+b", PLAIN),
    # No magnet links
    Case("", "no magnet"),
    Case("https://h.example/?q=magnet:", "no magnet"),
    Case(H[:39], "no magnet"),
    Case(f"{H}0", "no magnet"),
    Case(f"urn:btih:{H}", PLAIN),
    Case(f"URN:BTIH:{B32}", PLAIN),
    Case(f"urn:btmh:1220{V2}", f"v2:{V2} - 0 -"),
    Case("urn:btih:", "no magnet"),
)
