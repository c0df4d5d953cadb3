"""Names in charsets that nobody has declared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.net.charsets import decode_name


@pytest.mark.parametrize(
    ("charset", "names"),
    [
        ("utf-8", ["", "a.txt", "Müller.txt", "电影.mkv", "Фильм.mkv", "映画.mp4"]),
        (
            "cp1252",
            [
                *("Björk ’s œuvre.zip", "Überraschung für Käufer.pdf", "résumé.doc", "Crème brûlée à la carte.mp4"),
                *("año nuevo.mp4", "naïve café.txt", "“quoted” – dash.txt", "£5 offer.txt", "10€.pdf"),
                *("Äpfel, Ähren.txt", "«Le film».avi", "¿Qué?.txt", "© 2020.pdf"),
            ],
        ),
        (
            "gb18030",
            [
                "中文资料.zip",
                "电影.mkv",
                "测试文件 2020.rar",
                "【公告】关于放假的通知.doc",
                "大明王朝 第一集.mkv",
                "爱.mp3",
            ],
        ),
        ("cp1251", ["Фильм о войне.mkv", "ФИЛЬМ.mkv", "Год 2020.avi", "Тест", "Ёлка.txt", "Война и мир.epub"]),
        ("cp1251", ["Київські вечори.mkv"]),
        ("koi8_r", ["Привет мир.zip", "Фильм о войне.mkv", "фильм.mkv"]),
        ("cp932", ["日本語のファイル.zip", "さくら.mp3", "日本語の映画.zip", "東京物語.mkv"]),
        ("euc_jp", ["映画のまとめ.mp4", "千と千尋の神隠し.mkv"]),
        ("cp949", ["한국어 문서.pdf", "방탄소년단.mp4"]),
        ("big5", ["繁體中文檔案.zip", "臺灣的電影.mkv", "臥虎藏龍.mkv"]),
        ("cp1250", ["Žluťoučký kůň.zip", "Zażółć gęślą jaźń.zip", "Árvíztűrő tükör.zip"]),
        ("iso8859_2", ["Příliš žluté.pdf", "Łódź.zip"]),
        ("cp1252", ["København.zip", "più però città.zip", "São Paulo – coração.mp3", "Þetta er að.txt"]),
        ("cp1253", ["Ελληνικά αρχεία.zip", "Ζορμπάς.mkv"]),
        ("cp1254", ["Türkçe şarkı.zip", "Kış Uykusu şiir.mkv"]),
        ("cp1255", ["שלום עולם.zip", "ואלס עם באשיר.mkv"]),
        ("cp874", ["ภาพยนตร์ไทย.zip", "องค์บาก.mkv"]),
    ],
)
def test_names(charset: str, names: list[str]) -> None:
    assert [decode_name(name.encode(charset)) for name in names] == names


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_some_text(raw: bytes) -> None:
    assert isinstance(decode_name(raw), str)


@given(text=st.text(max_size=40))
def test_utf_8_stays_what_it_is(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    assert decode_name(raw) == raw.decode()
