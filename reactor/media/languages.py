"""Language codes: of BCP-47 tags those of ISO 639-2, which containers hold."""

from __future__ import annotations

_CODES = """
    ar ara, bg bul, bn ben, bs bos, ca cat, cs ces, da dan, de deu, el ell, en eng, es spa, et est,
    eu eus, fa fas, fi fin, fr fra, ga gle, gl glg, gu guj, he heb, hi hin, hr hrv, hu hun, hy hye,
    id ind, is isl, it ita, ja jpn, ka kat, kk kaz, kn kan, ko kor, ku kur, lb ltz, lt lit, lv lav,
    mk mkd, ml mal, mn mon, mr mar, ms msa, mt mlt, my mya, nb nob, ne nep, nl nld, nn nno, no nor,
    pa pan, pl pol, ps pus, pt por, ro ron, ru rus, sk slk, sl slv, sq sqi, sr srp, sv swe, sw swa,
    ta tam, te tel, th tha, tl tgl, tr tur, uk ukr, ur urd, uz uzb, vi vie, zh zho"""
_ISO_639_2 = dict(pair.split() for pair in _CODES.split(","))


def iso_639_2(tag: str) -> str:
    """The code of three letters for a BCP-47 tag; empty if it is not known."""
    first = tag.partition("-")[0].lower()
    return first if first in _ISO_639_2.values() else _ISO_639_2.get(first, "")
