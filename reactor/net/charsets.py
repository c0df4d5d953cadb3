"""The text of bytes whose charset nobody has declared: names in headers, in URLs and in torrents.

Names are short, a dozen bytes often, and detectors made for documents guess at random there (charset-normalizer reads
`中文资料.zip` as UTF-16). What tells charsets apart in so few bytes is their structure: whether high bytes stand alone
between letters or in runs, and which rows of a double-byte table they fall into. Among charsets of one structure that
one counts in which the letters are those of one language, with capitals where words begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

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
_CYRILLIC = pattern(rb"[\xc0-\xff\xa5\xa8\xaa\xaf\xb2-\xb4\xb8\xba\xbf]+")
"""The letters of Windows-1251, Russian and Ukrainian."""
_SHIFT_JIS_PAIR = pattern(rb"[\x81-\x84\x88-\x9f][\x40-\x7e\x80-\xfc]")
"""Kanji, kana and punctuation of Shift JIS, without what is rare."""
_THAI = pattern(rb"[\xa1-\xd0\xd2\xd3\xe0-\xe4][\xa1-\xda\xdf-\xfb]+")
"""TIS-620: what is written above or below a letter does not stand first."""
_HALF = pattern(rb"[\x80-\xff][A-Za-z]")
"""The second byte of a character may be ASCII in Big5."""
_LATIN = {
    "cp1252": (
        *("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíóúñüª°º", "ãõáâàéêíóôúçªº°", "àèéìòù°", "æøåéö", "åäöéü", "áéíóúýþæðö"),
        *("äëïöüéèáóúíêç", "çàèéíòóúïü·"),
    ),
    "cp1250": ("áčďéěíňóřšťúůýžľĺôŕä", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţșț", "čćđšž"),
    "iso8859_2": ("áčďéěíňóřšťúůýžľĺôŕä", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţșț", "čćđšž"),
    "cp1254": ("çğıöşüi̇âîû",),
}
"""The accented letters of languages, by a charset for them; the more frequent charset first."""
_SCRIPTS = {
    "cp1251": ("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўђјљњћџ№",),
    "koi8_r": ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя",),
    "cp1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",),
    "cp1255": ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",),
}
_ANY = "’‘“”„«»–—…•·©®™°€£¿¡§´`"
"""Signs that stand beside words of any language."""
_HEBREW_END = pattern(r"[ךםןףץ](?![א-ת])")
_HEBREW_WRONG = pattern(r"[ךםןףץ](?=[א-ת])|[כמנפצ](?![א-ת])")
"""Some letters have another form where a word ends."""
_THORN_END = pattern(r"þ(?![^\W\d_])")
"""No Icelandic word ends so."""
_CONTROL = pattern("[\x80-\x9f]")
_COMMON = frozenset("оеаинтсрвлкмдпуяьы")


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
    kanji = _SHIFT_JIS_PAIR.findall(raw)
    if len(_SHIFT_JIS.findall(raw)) * 2 > len(high) // 2 or _is_shift_jis(raw, kanji):
        return "cp932"
    if _BIG5.fullmatch(raw) and len(runs) > 1 and _BIG5_ONLY.search(raw):
        return "big5"
    if len(runs) * 2 > len(high):  # accents, one here, one there
        return _likeliest(raw, _LATIN)
    halves = bool(_BIG5.fullmatch(raw) and _HALF.search(raw))
    if cyrillic and not halves and (not paired or sum(byte >= 0xE0 for byte in high) * 2 > len(high)):
        return _likeliest(raw, _SCRIPTS)
    if paired:
        if any(_EUC_KANA.match(high, at) for at in range(0, len(high), 2)):
            return "euc_jp"
        if all(_GB2312.fullmatch(run) for run in runs):
            hangul = all(_EUC_KR.fullmatch(run) for run in runs) and len(high) >= 8
            return "cp949" if hangul else "gb18030"
    if all(len(run) > 2 and _THAI.fullmatch(run) for run in runs) and not halves:
        return "cp874"
    if cyrillic and not _BIG5.fullmatch(raw):
        return _likeliest(raw, _SCRIPTS)
    if _BIG5.fullmatch(raw):
        return "big5"
    return "gb18030" if paired else _likeliest(raw, _LATIN)


def _is_shift_jis(raw: bytes, kanji: Sequence[bytes]) -> bool:
    """True for a name that is mostly Japanese, and nothing else beside ASCII."""
    rest = _SHIFT_JIS_PAIR.sub(b"", raw)
    words = rest.rpartition(b".")[0] or rest
    return len(kanji) > 1 and rest.isascii() and sum(map(bytes.isalpha, map(_one, words))) <= len(kanji)


def _one(byte: int) -> bytes:
    return bytes((byte,))


def _likeliest(raw: bytes, charsets: Mapping[str, Sequence[str]]) -> str:
    """The charset in which the name is least odd; the first of equals."""
    return min(charsets, key=lambda charset: _oddness(raw, charset, charsets[charset]))


def _oddness(raw: bytes, charset: str, alphabets: Sequence[str]) -> tuple[float, int]:
    """How much in a name is no letter of one language, or a capital behind a small letter; and how much of it is rare
    in Cyrillic, which has two charsets and most readers."""
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        text = "\x80"
    if _CONTROL.search(text):
        return 2.0 * len(raw), 0
    strange = [each for each in text.lower() if not each.isascii() and each not in _ANY]
    odd: float = min(sum(each not in alphabet for each in strange) for alphabet in alphabets)
    odd += sum(b.isupper() and a.islower() and not (a + b).isascii() for a, b in pairwise(text))
    odd += sum(a in _ANY and a not in "’‘“„«¿¡" and b.islower() for a, b in pairwise(text))
    if charset == "cp1255":
        odd += len(_HEBREW_WRONG.findall(text)) - bool(_HEBREW_END.search(text)) / 2
    if charset == "cp1252":
        odd += len(_THORN_END.findall(text))
    return odd, sum(each not in _COMMON for each in strange)
