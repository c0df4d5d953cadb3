"""What buttons say, in the languages of those who made the page: to play, to agree, to load what is outside, to choose
where it comes from. Pure.

    says("Click here to watch the full movie", PLAY)      True
    says("Play the lottery", PLAY)                        False: a word that such buttons do not have

A button says it when one of its words does and all the others are such as go with it; numbers go with everything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import field

from reactor.patterns import pattern
from reactor.records import dataclass

WORDS_MAX = 12
"""A button says no more."""
CHARS_MAX = 120

_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31-\u0e4e"
_TOKEN = pattern(rf"(?:[^\W_]|[{_MARKS}])+(?:['’][^\W_]+)*")
_UNSPACED = pattern(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
"""Thai, Japanese, Chinese and Korean: words without spaces between them."""
_NUMBER = pattern(r"\d+[a-z]{0,2}|s\d+e\d+|[ivx]{1,4}")
_SIGNS = pattern(r"[\u25b6\u25ba\u25b8\u25b7\u25b9\u25bb\u23f5\u2bc8\u2023\u23ef\U0001f783\u27a4\s\ufe0e\ufe0f]+")


@dataclass(frozen=True)
class Vocabulary:
    """Words that say it, and those that may stand beside them; a phrase of several words is one."""

    saying: frozenset[str]
    beside: frozenset[str]
    longest: int = field(init=False)
    """Words of its longest phrase."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest", max(len(each.split()) for each in self.saying | self.beside))


def _vocabulary(saying: str, beside: str) -> Vocabulary:
    return Vocabulary(frozenset(_phrases(saying)), frozenset(_phrases(beside)))


def _phrases(lines: str) -> Iterable[str]:
    """Of lines with `|` between phrases."""
    return (" ".join(_tokens(phrase)) for line in lines.splitlines() for phrase in line.split("|") if phrase.strip())


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def says(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a button of this text says what the vocabulary is for."""
    if len(text) > CHARS_MAX:
        return False
    tokens = _tokens(text)
    said, at = False, 0
    while at < len(tokens) <= WORDS_MAX:
        for size in range(min(vocabulary.longest, len(tokens) - at), 0, -1):
            phrase = " ".join(tokens[at : at + size])
            if phrase in vocabulary.saying or phrase in vocabulary.beside:
                said, at = said or phrase in vocabulary.saying, at + size
                break
        else:
            told = _said_without_spaces(tokens[at], vocabulary)
            if told is None and not _NUMBER.fullmatch(tokens[at]):
                return False
            said, at = said or bool(told), at + 1
    return said and at == len(tokens)


def _said_without_spaces(word: str, vocabulary: Vocabulary) -> bool | None:
    """The same of words that are written together; None where they are others."""
    if not _UNSPACED.search(word):
        return None
    said, at = False, 0
    while at < len(word):
        for end in range(len(word), at, -1):
            piece = word[at:end]
            if piece in vocabulary.saying or piece in vocabulary.beside or piece.isdigit():
                said, at = said or piece in vocabulary.saying, end
                break
        else:
            return None
    return said


def is_play_sign(text: str) -> bool:
    """Whether it is nothing but ▶, or one that looks like it."""
    return bool(text) and bool(_SIGNS.fullmatch(text)) and not text.isspace()


def is_aside(text: str) -> bool:
    """Whether what it plays is not the film: its trailer."""
    return any(word in ASIDE for word in _tokens(text))


_ASIDE = "trailer|teaser|preview|previews|sample|bande annonce|vorschau|tráiler|avance|zwiastun|fragman|трейлер"
ASIDE = frozenset(_ASIDE.split("|"))

PLAY = _vocabulary(
    """
play|watch|watching|start|listen|stream it|begin|view|resume|continue watching|watch now|play now
stream now|stream in|stream free|stream online|stream hd|stream video|stream this|stream the|start stream|unmute
turn on sound|sound on|ton einschalten|activer le son|activar sonido|activar el sonido|ativar som|ativar o som
attiva audio|geluid aan|włącz dźwięk|включить звук
abspielen|wiedergabe|wiedergeben|ansehen|anschauen|anhören|schauen|starten|starte|gucken|sehen|los
lire|lecture|regarder|visionner|voir|écouter|lancer|démarrer|jouer|démarrez
reproducir|reproduce|ver|mirar|escuchar|iniciar|empezar|reproducción|comenzar|ver ahora
reproduzir|assistir|assista|ouvir|iniciar|começar|tocar|ver agora|dar play
riproduci|riproduzione|guarda|guardare|avvia|ascolta|vedi|inizia
afspelen|bekijk|bekijken|kijk|kijken|speel af|luister|luisteren|starten
odtwórz|odtwarzaj|oglądaj|obejrzyj|zobacz|słuchaj|posłuchaj|rozpocznij|włącz
spela|spela upp|titta|se|lyssna|starta|spill av|spill|afspil|spil|start avspilling|lyt|lytt|se nu|se nå
toista|katso|katsele|kuuntele|käynnistä|aloita
přehrát|sledovat|spustit|přehraj|pustit|prehrať|pozerať|spustiť
lejátszás|lejátszom|megnézem|megnéz|nézd|nézés|indítás|lejátszása
redare|redă|vizionează|vezi|urmărește|pornește|ascultă
αναπαραγωγή|δείτε|παίξε|παρακολούθηση|έναρξη|δες
oynat|izle|izlemeye başla|başlat|seyret|dinle|hemen izle
воспроизвести|смотреть|посмотреть|играть|слушать|запустить|включить|воспроизведение|начать просмотр|начать
відтворити|дивитися|дивитись|переглянути|слухати|запустити|увімкнути
تشغيل|شاهد|مشاهدة|ابدأ|شغل|استمع|شاهد الآن
הפעל|צפה|נגן|לצפייה|צפו|האזן|צפייה
चलाएं|देखें|प्ले करें|प्ले|शुरू करें|चलाये|सुनें
再生|再生する|見る|観る|視聴|視聴する|スタート|開始|再生開始|聴く
播放|立即播放|观看|觀看|点击播放|點擊播放|开始播放|開始播放|马上观看|开始|收听|立即观看
재생|재생하기|보기|시청|시청하기|시작|바로보기|다시보기|듣기
เล่น|ดู|ดูเลย|รับชม|เริ่ม|ดูหนัง|ฟัง
phát|xem|xem ngay|phát ngay|bắt đầu|xem phim|nghe
putar|tonton|mulai|nonton|putar sekarang|lihat|main|tonton sekarang|mainkan
""",
    """
the|a|an|this|your|it|video|videos|film|movie|episode|ep|season|trailer|teaser|preview|clip|now|here|online|hd
full|uhd|4k
free|for free|in|to|click|tap|press|on|button|for|stream|streaming|full screen|audio|song|music|podcast|track
show|series
complete|whole|live|player|version|official|part|next|first|me|again|length|with|sound|and|of|from|beginning
record
jetzt|hier|klicken|klicke|klick|zum|um|zu|den|das|die|der|kostenlos|gratis|ganzen|ganze|folge|sofort|und
vorschau|in|auf|mit|ton
la|le|les|l'épisode|cliquez|cliquer|ici|pour|maintenant|vidéo|gratuitement|gratuit|complet|en|épisode
bande annonce|sur|bouton|streaming|entier
aquí|clic|haz|haga|para|ahora|vídeo|el|los|de|película|completa|gratis|capítulo|episodio|online|en|pulsa
tráiler|serie|temporada
aqui|clique|agora|o|os|filme|completo|completa|grátis|episódio|dublado|legendado|série|em|no|player
qui|clicca|fai|per|ora|il|lo|episodio|completo|gratis|adesso|subito|puntata
nu|om|te|hier|klik|de|het|aflevering|volledige|gratis|hele
teraz|tutaj|kliknij|aby|wideo|odcinek|cały|za darmo|online|zwiastun|tu
här|klicka|för|att|filmen|avsnitt|gratis|hela|her|klikk|klik|på|filmen|å|videoen|hele
nyt|tästä|napsauta|elokuva|jakso|koko|ilmaiseksi
nyní|zde|klikněte|pro|celý|díl|zdarma|klikni|hned|teraz|epizodu|přehrávač|video zdarma
most|ide|kattints|a|az|filmet|videót|videó|teljes|ingyen|epizód
acum|aici|apasă|pentru|filmul|episodul|gratuit|online
τώρα|εδώ|κάντε|κλικ|για|το|βίντεο|την|ταινία|επεισόδιο
şimdi|hemen|tıkla|tıklayın|için|videoyu|filmi|bölümü|bölüm|ücretsiz|full|fragman|buraya
сейчас|здесь|нажмите|чтобы|видео|фильм|фильма|онлайн|серию|серия|бесплатно|полный|трейлер|в|хорошем|качестве
кнопку|клип
зараз|тут|натисніть|щоб|відео|фільм|онлайн|серію|безкоштовно|трейлер
الآن|هنا|اضغط|الفيديو|الفيلم|الحلقة|مجانا|انقر|كامل|فيديو|فيلم
עכשיו|כאן|לחץ|הסרט|סרטון|הפרק|וידאו|את|סרט|חינם
अभी|यहाँ|क्लिक|करें|वीडियो|फिल्म|पूरी
今すぐ|ここ|クリック|して|を|動画|ビデオ|映画|エピソード|で|無料|本編|タップ|押して|に
视频|視頻|影片|电影|電影|这里|點擊|点击|全集|完整|高清|在线|線上|正片|免费|第|集
지금|여기|클릭|영상|동영상|영화|비디오|무료|를|을|하세요|전체|회
วิดีโอ|หนัง|ตอนนี้|ที่นี่|คลิก|เต็มเรื่อง|ออนไลน์|ฟรี|คลิป
ngay|ở đây|nhấn|để|phim|video|tập|miễn phí|bấm|vào|đây
sekarang|di sini|klik|untuk|film|gratis|episode|disini
""",
)

AGREE = _vocabulary(
    """
accept|agree|allow|consent|got it|ok|okay|yes|continue|understood|i understand|enter|enter site|enter now|i am
i'm|im
confirm|proceed|sure|let me in|dismiss|over 18|18 or older|of legal age|older than 18|an adult|verify my age
akzeptieren|zustimmen|ich stimme zu|einverstanden|zulassen|verstanden|ja|ich bin|erlauben|annehmen|weiter
eintreten|bestätigen|fortfahren|volljährig|betreten
accepter|accepte|j'accepte|d'accord|autoriser|oui|j'ai|je suis|entrer|continuer|compris|majeur|majeure
je confirme|confirmer|valider
aceptar|acepto|de acuerdo|permitir|sí|si|soy|tengo|entrar|continuar|entendido|mayor de edad|confirmar|confirmo
permitir todo
aceitar|aceito|concordo|sim|sou|tenho|entrar|continuar|entendi|maior de idade|permitir
accetta|accetto|accettare|acconsento|sì|ho|sono|entra|continua|ho capito|maggiorenne|consenti|confermo|va bene
accepteren|akkoord|toestaan|ik ga akkoord|ja|ik ben|doorgaan|begrepen|naar binnen|bevestigen|verder
akceptuję|akceptuj|zaakceptuj|zgadzam się|zgadzam|przejdź do serwisu|tak|mam|jestem|wejdź|kontynuuj|rozumiem
potwierdzam|dalej|pełnoletni
acceptera|godkänn|jag godkänner|ja|jag är|fortsätt|jag förstår|tillåt|godta|jeg er|fortsett|fortsæt|tillad
accepter|jeg godtar|bekräfta|bekræft|bekreft
hyväksy|hyväksyn|kyllä|olen|jatka|salli|ymmärrän|vahvista|täysi ikäinen
přijmout|souhlasím|ano|je mi|vstoupit|pokračovat|povolit|rozumím|prijať|súhlasím|áno|mám|vstúpiť|potvrzuji|jsem
plnoletý
elfogadom|elfogadás|elfogadása|igen|elmúltam|belépés|tovább|folytatás|rendben|engedélyezem|megértettem
betöltöttem
accept|acceptă|sunt de acord|da|am|continuă|intră|înțeleg|permite|de acord|confirm
αποδοχή|συμφωνώ|ναι|είμαι|συνέχεια|είσοδος|αποδέχομαι|κατάλαβα|επιτρέπω
kabul et|kabul ediyorum|kabul|tümünü kabul et|evet|devam|devam et|giriş|onayla|anladım|onaylıyorum|izin ver
yaşındayım
принять|согласен|согласна|соглашаюсь|хорошо|да|мне|мне есть|продолжить|войти|понятно|разрешить|подтверждаю
подтвердить|есть 18
прийняти|погоджуюсь|погоджуюся|так|мені|продовжити|увійти|зрозуміло|дозволити|мені є|підтверджую
موافق|قبول|أوافق|نعم|متابعة|دخول|استمرار|السماح|أنا|عمري
קבל|אני מסכים|כן|המשך|כניסה|אישור|אני מאשר|מסכים|אני
स्वीकार करें|सहमत|हाँ|जारी रखें|प्रवेश करें|स्वीकार|मैं|अनुमति दें
同意|同意する|同意します|受け入れる|許可|はい|入場|続ける|続行|了解|承諾|私は|以上です|許可する|入る
接受|同意|允许|允許|是|是的|继续|繼續|进入|進入|我同意|我已满|我已滿|确定|確定|知道了|已满|滿
동의|동의합니다|수락|허용|예|네|계속|입장|확인|저는|만|동의하기
ยอมรับ|ตกลง|ใช่|ดำเนินการต่อ|เข้าสู่|อนุญาต|ฉัน|เข้าสู่เว็บไซต์|ยินยอม
đồng ý|chấp nhận|có|tiếp tục|vào|tôi|cho phép|tôi đồng ý|tôi trên
setuju|terima|ya|lanjut|lanjutkan|masuk|saya|izinkan|saya setuju|mengerti
""",
    """
all|cookies|cookie|and|close|i|the|this|site|website|now|here|to|my|or|older|over|above|years|year|old|of|age
am|at least|than|step|play|view|watch|load|show
them|everything|terms|use|conditions|more|click|legal|adult|an|a|yrs|it|with|is|content|warning|want|video
continue|that
abspielen|ansehen|anzeigen|laden|schritt
alle|alles|und|schließen|cookies|ich|über|mindestens|jahre|alt|oder|älter|bin|mir|den|zur|seite|zur seite
website|auswahl|diese
lire|voir|afficher|charger|étape
tout|tous|toutes|les|et|fermer|plus|de|ans|suis|ou|le|site|que|cookies|sur|avoir|au moins
ver|reproducir|mostrar|cargar|paso
todo|todas|todos|las|los|y|cerrar|más|de|años|mayor|tener|la|web|o|que|el|sitio|estoy|cookies
assistir|reproduzir|carregar|passo
tudo|todos|e|fechar|mais|anos|de|o|site|ou|mais de|cookies|tenho mais
guarda|riproduci|mostra|carica
tutti|tutto|i|e|chiudi|più|di|anni|il|sito|o|almeno|cookie
afspelen|bekijken|tonen|stap
en|sluiten|ouder|dan|jaar|of|alle cookies|de|website|ben|oud
wszystko|wszystkie|i|zamknij|ponad|lat|ukończone|się|pliki|więcej|niż|skończone|na|stronę|lub
alla|och|stäng|över|år|äldre|eller|kakor|gammal|alle|og|lukk|luk|over|eldre|ældre|informasjonskapsler|er|än
kaikki|ja|sulje|yli|vuotias|vuotta|evästeet|vähintään|täyttänyt
vše|všechny|a|zavřít|více|než|let|mi|bylo|nad|rokov|viac|všetko|je|starší|na stránky
az|összes|és|bezárás|évet|éves|a|múltam|18|felett|vagyok|sütik|mindet
toate|și|închide|peste|ani|de|cookie-urile|împlinit
όλων|όλα|και|κλείσιμο|άνω|των|ετών|πάνω|από|χρονών
tümünü|tüm|ve|kapat|yaşından|büyüğüm|üstündeyim|yaş|üzeri|çerezleri|siteye|18|yaşımdan
все|всё|и|закрыть|больше|старше|лет|уже|есть|я|на|сайт|файлы|исполнилось|куки|с условиями|мне
всі|та|закрити|більше|років|є|вже|виповнилося|я|на сайт|куки
جميع|الكل|كل|ملفات|تعريف|الارتباط|فوق|سنة|أكثر|من|عاما|إلى|الموقع|إغلاق
הכל|את|העוגיות|מעל|גיל|בן|לאתר|וסגור|הכול
सभी|कुकीज़|वर्ष|से|अधिक|हूँ|और|उम्र|का|का हूँ|साल|बंद करें
すべて|全て|の|クッキー|を|して|歳|以上|です|に|閉じる|サイト|へ|私|才|続行する
所有|全部|岁|歲|以上|并|並|关闭|的|网站|網站|我|年满|周岁|cookie|已
모두|전체|쿠키|세|이상|입니다|살|사이트|하기|에|합니다|및|닫기|만
ทั้งหมด|คุกกี้|อายุ|มากกว่า|ปี|ขึ้นไป|และ|ปิด|เกิน|มี
tất cả|cookie|trên|tuổi|và|đóng|đủ|từ|trở lên|trang|tôi
semua|kuki|dan|tutup|tahun|lebih|di atas|berusia|ke|situs|berumur|dari|atas
""",
)

LOAD = _vocabulary(
    """
load|show|display|activate|enable|unblock|load and play|view
laden|anzeigen|aktivieren|einblenden|entsperren|zeigen|freischalten|nachladen
charger|afficher|activer|débloquer|voir
cargar|mostrar|activar|carregar|exibir|ativar|desbloquear
carica|mostra|attiva|visualizza|sblocca
laden|tonen|weergeven|activeren|toon
załaduj|wczytaj|pokaż|wyświetl|aktywuj
ladda|visa|aktivera|last inn|vis|aktiver|indlæs
lataa sisältö|näytä|lataa video
načíst|zobrazit|povolit|načítať|zobraziť
betöltés|megjelenítés|betöltése|megjelenítése
încarcă|afișează|activează
φόρτωση|εμφάνιση|ενεργοποίηση
yükle|göster|etkinleştir
загрузить|показать|отобразить|включить
завантажити|показати
تحميل|عرض|إظهار
טען|הצג
लोड करें|दिखाएं
読み込む|表示|表示する|ロード
加载|載入|显示|顯示|加载视频
불러오기|로드|표시
โหลด|แสดง
tải|hiển thị
muat|tampilkan
""",
    """
video|videos|content|contents|external|media|embed|embedded|embeds|player|once|always|the|this|and|play|accept
from|anyway|third party|third|party
youtube|vimeo|dailymotion|facebook|twitter|instagram|tiktok|twitch|soundcloud|spotify|click|here|to|film|movie
all|i|agree
externe|externen|inhalt|inhalte|externer|externes|einmal|einmalig|immer|und|den|das|dieses|abspielen
akzeptieren|jetzt|von|hier|klicken|zum|medien|drittanbieter|drittanbietern|dritten|einbettung|einbettungen|eingebettete|eingebetteten
le|la|les|contenu|externe|vidéo|lecteur|cette|ce|toujours|et|lire|de|une fois|cliquez|pour|ici
el|contenido|externo|vídeo|este|siempre|y|de|o|conteúdo|externo|sempre|reproductor|la|una vez
il|contenuto|esterno|contenuti|esterni|questo|sempre|e|di|lettore|da
inhoud|externe|de|altijd|deze|van|en|afspelen
treść|zewnętrzną|treści|zewnętrzne|wideo|film|zawsze|z|film|odtwarzacz
innehåll|externt|innehållet|alltid|videon|innhold|eksternt|indhold|videoen|från|og|och|fra
sisältö|ulkoinen|videon|aina
obsah|externí|vždy|externý|přehrávač
külső|tartalom|mindig|videó
conținut|extern|conținutul|mereu
περιεχομένου|εξωτερικού|βίντεο|πάντα
içeriği|harici|videoyu|dış|her zaman
внешний|контент|видео|содержимое|всегда|плеер
зовнішній|вміст|відео|завжди
المحتوى|الخارجي|الفيديو|دائما
תוכן|חיצוני|סרטון|את|הסרטון
बाहरी|सामग्री|वीडियो
外部|コンテンツ|を|動画|ビデオ|の|常に
外部|内容|內容|视频|影片|始终
외부|콘텐츠|동영상|항상|영상
เนื้อหา|ภายนอก|วิดีโอ
nội dung|bên ngoài|video
konten|eksternal|video
""",
)

SERVER = _vocabulary(
    """
server|mirror|player|source|option|host|stream|backup|link|embed|alternative|provider|episode|ep|part
folge|teil|épisode|partie|capítulo|capitulo|episodio|parte|puntata|aflevering|odcinek|część|серия|часть|серія|bölüm
spiegel|quelle|serveur|lecteur|servidor|opción|opcion|fuente|opção|fonte|sorgente|bron|serwer|źródło|källa
kilde|lähde|zdroj|forrás|sursă|διακομιστής
sunucu|kaynak|alternatif|сервер|плеер|источник|зеркало|дзеркало|плеєр|джерело|سيرفر|خادم|שרת|सर्वर|サーバー
サーバ|服务器|伺服器|线路|線路|播放源|源|서버|เซิร์ฟเวอร์|ตัวเล่น|máy chủ|nguồn|peladen
vidcloud|upcloud|megacloud|streamtape|streamsb|doodstream|dood|mixdrop|upstream|filemoon|voe|streamwish|vidhide
vidoza|mp4upload|streamlare|okru|ok ru
gogo|vidstreaming|rapidvideo|openload|fembed|vidmoly|streamruby|luluvdo|supervideo|dropload|uqload|netu|waaw
vidguard|goodstream|vidplay|mycloud|f2cloud|vidsrc
2160p|1440p|1080p|720p|480p|360p|4k|uhd|full hd|hd|sd
""",
    "hd|vip|fast|main|primary|new|sub|dub|subbed|dubbed|no ads|multi|ultra|pro|plus|quality|default|the|a|b|c|d|e|n",
)
