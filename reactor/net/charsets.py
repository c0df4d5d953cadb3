"""The text of bytes whose charset nobody has declared: names in headers, in URLs and in torrents.

Names are short, a dozen bytes often, and detectors made for documents guess at random there (charset-normalizer reads
`中文资料.zip` as UTF-16). What tells charsets apart in so few bytes is their structure: whether high bytes stand alone
between letters or in runs, and which rows of a double-byte table they fall into.
"""

from __future__ import annotations

from reactor.patterns import pattern

_RUNS = pattern(rb"[\x80-\xff]+")
_SHIFT_JIS = pattern(rb"\x82[\x9f-\xf1]|\x83[\x40-\x7e\x80-\x96]")
"""Hiragana and katakana in Shift JIS."""
_EUC_KANA = pattern(rb"\xa4[\xa1-\xf3]|\xa5[\xa1-\xf6]")
_BIG5 = pattern(rb"(?:[\x00-\x7f]|[\xa4-\xc6][\x40-\x7e\xa1-\xfe])+")
"""The frequent characters of Big5, and ASCII."""
_BIG5_ONLY = pattern(rb"[\xa4-\xbf][\x40-\x7e]")
"""Of those, what no other double-byte table has, and what is no accented letter in front of another one either."""
_GB2312 = pattern(rb"(?:[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe])+")
"""The 3755 frequent characters of GB 2312, its punctuation and its wide letters."""
_EUC_KR = pattern(rb"(?:[\xb0-\xc8][\xa1-\xfe])+")
"""Hangul syllables."""
_CYRILLIC = pattern(rb"[\xc0-\xff\xa8\xb8]+")
"""The letters of Windows-1251."""


def decode_name(raw: bytes) -> str:
    """Decode `raw`: UTF-8 if it is that, else the charset that its structure suggests, else Windows-1252, in which only
    five bytes mean nothing (they become U+FFFD)."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    for charset in (_guess(raw), "cp1252"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", "replace")


def _guess(raw: bytes) -> str:
    """The charset of bytes that are no UTF-8."""
    runs = _RUNS.findall(raw)
    high = b"".join(runs)
    paired = all(len(run) % 2 == 0 for run in runs)
    cyrillic = all(_CYRILLIC.fullmatch(run) for run in runs)
    if len(_SHIFT_JIS.findall(raw)) * 2 > len(high) // 2:
        return "cp932"
    if _BIG5.fullmatch(raw) and len(runs) > 1 and _BIG5_ONLY.search(raw):
        return "big5"
    if len(runs) * 2 > len(high):  # accents, one here, one there
        return "cp1252"
    if cyrillic and (not paired or sum(byte >= 0xE0 for byte in high) * 2 > len(high)):
        return "cp1251"
    if paired:
        if len(_EUC_KANA.findall(high)) * 4 > len(high) // 2:
            return "euc_jp"
        if all(_GB2312.fullmatch(run) for run in runs):
            hangul = all(_EUC_KR.fullmatch(run) for run in runs) and len(high) >= 8
            return "cp949" if hangul else "gb18030"
    if _BIG5.fullmatch(raw):
        return "big5"
    return "gb18030" if paired else "cp1252"
