"""Language codes: of BCP-47 tags those of ISO 639-2, which containers hold; and which tags mean the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_CODES = """
    ar ara, bg bul, bn ben, bs bos, ca cat, cs ces, da dan, de deu, el ell, en eng, es spa, et est,
    eu eus, fa fas, fi fin, fr fra, ga gle, gl glg, gu guj, he heb, hi hin, hr hrv, hu hun, hy hye,
    id ind, is isl, it ita, ja jpn, ka kat, kk kaz, kn kan, ko kor, ku kur, lb ltz, lt lit, lv lav,
    mk mkd, ml mal, mn mon, mr mar, ms msa, mt mlt, my mya, nb nob, ne nep, nl nld, nn nno, no nor,
    pa pan, pl pol, ps pus, pt por, ro ron, ru rus, sk slk, sl slv, sq sqi, sr srp, sv swe, sw swa,
    ta tam, te tel, th tha, tl tgl, tr tur, uk ukr, ur urd, uz uzb, vi vie, zh zho"""
_ISO_639_2 = dict(pair.split() for pair in _CODES.split(","))
_OLDER = {"alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "chi": "zh", "cze": "cs", "dut": "nl", "fre": "fr"} | {
    "geo": "ka",
    "ger": "de",
    "gre": "el",
    "ice": "is",
    "mac": "mk",
    "may": "ms",
    "per": "fa",
    "rum": "ro",
    "slo": "sk",
    "iw": "he",
    "in": "id",
    "ji": "yi",
}
"""The bibliographic codes of ISO 639-2, and what BCP-47 has replaced."""
_SHORT = {long: short for short, long in _ISO_639_2.items()} | _OLDER
TAG_MAX = 35


def iso_639_2(tag: str) -> str:
    """The code of three letters for a BCP-47 tag; empty if it is not known."""
    first = tag.partition("-")[0].lower()
    return first if first in _ISO_639_2.values() else _ISO_639_2.get(first, "")


def plain_tag(tag: str) -> str:
    """A language tag in lower case with the shortest code of its language: `de-at` for `ger_AT`."""
    first, dash, rest = tag[:TAG_MAX].strip().lower().replace("_", "-").partition("-")
    return f"{_SHORT.get(first, first)}{dash}{rest}"


def codes_of(tag: str) -> tuple[str, ...]:
    """The plain tag, and the other codes of its language: `de-at`, `deu`, `ger`."""
    plain = plain_tag(tag)
    first = plain.partition("-")[0]
    return plain, *(code for code, short in _SHORT.items() if short == first)


def fits(tag: str, wanted: str) -> int:
    """How well a language tag is what is wanted: 3, the same; 2, a variety of it (`de-AT` for `de`); 1, it says less
    (`pt` for `pt-BR`); 0, another language."""
    found, asked = plain_tag(tag), plain_tag(wanted)
    if not found or not asked:
        return 0
    if found == asked:
        return 3
    return 2 if found.startswith(f"{asked}-") else 1 if asked.startswith(f"{found}-") else 0


def best_of(tags: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """The places of those tags that fit best what is wanted, in the order of that; each once, of equal ones the
    first."""
    found = dict[int, None]()
    for each in wanted:
        place = max(range(len(tags)), key=lambda n: fits(tags[n], each), default=None)
        if place is not None and fits(tags[place], each):
            found[place] = None
    return list(found)
