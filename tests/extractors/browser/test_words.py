"""What buttons say, in the languages of those who made the page."""

from __future__ import annotations

import pytest

from reactor.extractors.browser.words import AGREE, LOAD, PLAY, SERVER, Vocabulary, is_aside, is_play_sign, says

# (to play, to agree, to be old enough)
LANGUAGES = {
    "English": ("Click here to watch the full movie", "Accept & continue", "I am 18 or older - Enter"),
    "German": ("Film jetzt ansehen", "Alle Cookies akzeptieren", "Ja, ich bin über 18 Jahre alt"),
    "French": ("▶ Lire la vidéo", "Tout accepter et continuer", "Oui, j'ai plus de 18 ans"),
    "Spanish": ("Ver película completa", "Aceptar todas las cookies", "Soy mayor de 18 años"),
    "Portuguese": ("Assistir agora", "Aceitar todos", "Sim, tenho mais de 18 anos"),
    "Italian": ("Guarda il film", "Accetta tutti i cookie", "Ho più di 18 anni"),
    "Dutch": ("Video afspelen", "Alles toestaan", "Ja, ik ben ouder dan 18"),
    "Polish": ("Oglądaj teraz", "Zaakceptuj wszystko", "Mam ukończone 18 lat"),
    "Swedish": ("Spela upp", "Acceptera alla", "Ja, jag är över 18 år"),
    "Norwegian": ("Spill av", "Godta alle", "Jeg er over 18 år"),
    "Finnish": ("Toista video", "Hyväksy kaikki", "Olen yli 18 vuotias"),
    "Czech": ("Přehrát video", "Přijmout vše", "Je mi více než 18 let"),
    "Hungarian": ("Lejátszás", "Az összes elfogadása", "Elmúltam 18 éves"),
    "Romanian": ("Vizionează acum", "Accept toate", "Am peste 18 ani"),
    "Greek": ("Αναπαραγωγή", "Αποδοχή όλων", "Είμαι άνω των 18 ετών"),
    "Turkish": ("Hemen izle", "Tümünü kabul et", "18 yaşından büyüğüm, devam et"),
    "Russian": ("Смотреть фильм онлайн", "Принять все", "Да, мне есть 18 лет"),
    "Ukrainian": ("Дивитися онлайн", "Прийняти всі", "Мені більше 18 років"),
    "Arabic": ("شاهد الآن", "قبول الكل", "عمري أكثر من 18"),
    "Hebrew": ("צפה עכשיו", "קבל הכל", "אני מעל גיל 18"),
    "Hindi": ("वीडियो देखें", "सभी स्वीकार करें", "मैं 18 वर्ष से अधिक का हूँ"),
    "Japanese": ("今すぐ視聴する", "すべて同意する", "はい、18歳以上です"),
    "Chinese": ("点击播放视频", "全部接受", "我已满18岁"),
    "Korean": ("동영상 재생", "모두 동의", "예, 18세 이상입니다"),
    "Thai": ("ดูหนังออนไลน์", "ยอมรับทั้งหมด", "ฉันอายุมากกว่า 18 ปี"),
    "Vietnamese": ("Xem phim ngay", "Chấp nhận tất cả", "Tôi trên 18 tuổi"),
    "Indonesian": ("Tonton sekarang", "Terima semua", "Saya berusia di atas 18 tahun"),
}
SAID: dict[str, tuple[Vocabulary, str]] = {
    "to load what is outside": (LOAD, "Load external content"),
    "the same in German": (LOAD, "Externen Inhalt laden"),
    "the same in French": (LOAD, "Afficher la vidéo"),
    "the same in Japanese": (LOAD, "動画を読み込む"),
    "a server": (SERVER, "Server 2"),
    "a host": (SERVER, "Vidcloud HD"),
    "a quality": (SERVER, "1080p"),
    "one of several": (SERVER, "Episode 1"),
    "the same in Russian": (SERVER, "Плеер #3"),
    "an episode": (PLAY, "Play S01E02 (720p)"),
    "a stream": (PLAY, "Stream in HD"),
    "with sound": (PLAY, "Tap to unmute"),
    "one step of several": (AGREE, "Step 2: Continue"),
    "to agree and to play": (AGREE, "Accepter et lire"),
    "to agree and to show": (AGREE, "Akzeptieren und anzeigen"),
    "what others host": (LOAD, "Inhalte von Drittanbietern anzeigen"),
}
NOT_SAID: dict[str, tuple[Vocabulary, str]] = {
    "a sentence about something else": (PLAY, "Play the lottery"),
    "for another time": (PLAY, "Watch later"),
    "what only goes with it": (PLAY, "Full movie"),
    "a broadcast": (PLAY, "Live stream"),
    "to play is not to agree": (AGREE, "Play video"),
    "a refusal": (AGREE, "Continue without accepting"),
    "the way out": (AGREE, "Leave"),
    "too young": (AGREE, "I am under 18"),
    "a challenge": (AGREE, "Accept the challenge of a lifetime"),
    "more of the same": (LOAD, "Load more"),
    "what others say": (LOAD, "Show comments"),
    "a number": (SERVER, "2"),
    "nothing": (PLAY, ""),
    "a novel": (PLAY, "play " * 100),
    "Chinese of another kind": (PLAY, "播放列表设置"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language(language: str) -> None:
    play, agree, age = LANGUAGES[language]
    assert (says(play, PLAY), says(agree, AGREE), says(age, AGREE)) == (True, True, True)
    assert (says(agree, PLAY), says(play, SERVER)) == (False, False)


@pytest.mark.parametrize("name", SAID)
def test_what_is_said(name: str) -> None:
    vocabulary, text = SAID[name]
    assert says(text, vocabulary)


@pytest.mark.parametrize("name", NOT_SAID)
def test_what_is_not_said(name: str) -> None:
    vocabulary, text = NOT_SAID[name]
    assert not says(text, vocabulary)


def test_signs_and_what_is_not_the_film() -> None:
    assert [is_play_sign(text) for text in ("▶", " ►\ufe0f ", "⏵", "▶ x", "", " ")] == [True, True, True, *[False] * 3]
    assert [is_aside(text) for text in ("Play trailer", "Vorschau ansehen", "Play")] == [True, True, False]
