// What is asked of a page. A function of what is asked and its argument; it runs in every frame, and sees open shadow
// trees too. What it answers was made by a stranger's page: it is data, of any type and size.
(what, argument) => {
  const ELEMENTS_MAX = 4000; // of a page so many are looked at
  const CLICKS_MAX = 3; // the first click may be caught by a banner, the second by an advertisement
  const TEXT_MAX = 4000;

  const SKIP = [
    ".videoAdUiSkipButton", ".ima-skip-button", ".vast-skip-button", ".jw-skip", ".vjs-ad-skip", ".ytp-ad-skip-button",
    ".ytp-skip-ad-button", "[class*='skip-ad'i]", "[class*='skipad'i]", "[class*='ad-skip'i]", "[id*='skip-ad'i]",
  ];
  const PLAYERS = [
    ".vjs-big-play-button", ".jw-display-icon-display", ".jw-icon-display", ".plyr__control--overlaid",
    ".shaka-play-button", ".mejs__overlay-button", ".mejs-overlay-button", ".fp-play", ".bmpui-ui-hugeplaybacktogglebutton",
    ".ytp-large-play-button", ".video-react-big-play-button", ".fluid_initial_play", ".art-state", ".dplayer-mobile-play",
    ".xgplayer-start", ".prism-big-play-btn", ".playkit-pre-playback-play-button", ".largePlayBtn", ".w-big-play-button",
    ".vds-play-button", ".amp-big-play", ".theoplayer-play-button", ".op-controls__overlay-play", ".mwPlayButton",
    ".rmp-overlay-button", ".play-wrapper", ".kvs-play", ".flowplayer", "media-play-button", "lite-youtube", "lite-vimeo",
  ];
  const ALIKE = [
    "[class*='big-play'i]", "[class*='bigplay'i]", "[class*='play-button'i]", "[class*='playbutton'i]",
    "[class*='play_button'i]", "[class*='play-btn'i]", "[class*='playbtn'i]", "[class*='btn-play'i]",
    "[class*='play-icon'i]", "[class*='playicon'i]", "[id*='play-button'i]", "[id*='playbutton'i]", "[id*='play-btn'i]",
    "[data-testid*='play'i]", "[data-action='play'i]", "[data-plyr='play']",
  ];
  const CONSENT = [
    "#onetrust-accept-btn-handler", "#CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll",
    "#CybotCookiebotDialogBodyButtonAccept", "#didomi-notice-agree-button", "#truste-consent-button", ".fc-cta-consent",
    ".fc-button-consent", ".qc-cmp2-summary-buttons>button[mode='primary']", "[data-testid='uc-accept-all-button']",
    "#uc-btn-accept-banner", ".cmpboxbtnyes", ".cc-allow", ".cc-accept-all", ".cc-dismiss", ".iubenda-cs-accept-btn",
    ".osano-cm-accept-all", "#hs-eu-confirmation-button", "#tarteaucitronPersonalize2", "#tarteaucitronAllAllowed2",
    ".cky-btn-accept", ".cmplz-accept", "#cookiescript_accept", "#axeptio_btn_acceptAll", ".evidon-banner-acceptbutton",
    "#ccc-notify-accept", ".sp_choice_type_11", "button[title='Accept'i]", "button[title*='accept all'i]", "#L2AGLb",
    ".consent-give", "#accept-choices", ".kc-accept", ".js-accept-cookies", "[data-cookiefirst-action='accept']",
    "[class*='cookie'i]>button[class*='accept'i]", "[id*='cookie'i]>button[id*='accept'i]",
  ];
  const words = text => new Set(text.split(/[|\n]/).map(word => word.trim()).filter(Boolean));
  const PLAY_WORDS = words(`
    play|play video|play now|watch|watch now|watch video|start|start video|abspielen|wiedergabe|wiedergeben
    video abspielen|video starten|ansehen|lire|lecture|lire la vidéo|regarder|reproducir|reproducir vídeo|ver ahora
    ver vídeo|reproduzir|assistir|assistir agora|riproduci|guarda|guarda ora|avvia|afspelen|bekijk|bekijken|odtwórz
    oglądaj|spela|spela upp|spill av|afspil|toista|přehrát|prehrať|lejátszás|redare|αναπαραγωγή|oynat|izle
    воспроизвести|смотреть|играть|відтворити|дивитися|تشغيل|הפעל|चलाएं|再生|再生する|播放|立即播放|재생|เล่น|phát|putar`);
  const CONSENT_WORDS = words(`
    accept|accept all|accept all cookies|accept cookies|accept & continue|accept and continue|accept and close|i accept
    allow|allow all|allow all cookies|allow cookies|agree|i agree|agree and continue|agree & continue|got it|ok|okay
    yes|yes, i agree|continue|consent|i understand|understood|i am 18|i am over 18|i'm over 18|i am 18 or older|enter
    enter site|akzeptieren|alle akzeptieren|alles akzeptieren|cookies akzeptieren|alle cookies akzeptieren|zustimmen
    zustimmen und weiter|ich stimme zu|einverstanden|alle zulassen|verstanden|ja|ich bin über 18|ich bin 18
    accepter|tout accepter|j'accepte|accepter et continuer|accepter et fermer|d'accord|autoriser|tout autoriser
    aceptar|aceptar todo|aceptar todas|aceptar y continuar|aceptar cookies|acepto|de acuerdo|permitir todo|aceitar
    aceitar tudo|aceitar todos|aceito|concordo|accetta|accetta tutto|accetta tutti|accetto|accetta e continua
    acconsento|accepteren|alles accepteren|alle cookies accepteren|akkoord|alles toestaan|akceptuję|akceptuj
    zaakceptuj|zaakceptuj wszystko|zgadzam się|przejdź do serwisu|acceptera|acceptera alla|godkänn|godkänn alla
    godta alle|godta|accepter alle|tillad alle|hyväksy|hyväksy kaikki|přijmout|přijmout vše|souhlasím
    prijať všetko|súhlasím|elfogadom|az összes elfogadása|accept toate|sunt de acord|αποδοχή|αποδοχή όλων|συμφωνώ
    kabul et|kabul ediyorum|tümünü kabul et|принять|принять все|принять всё|согласен|соглашаюсь|я согласен|хорошо
    прийняти|прийняти всі|погоджуюсь|موافق|قبول|קבל הכל|אני מסכים|स्वीकार करें|同意する|すべて同意|すべて受け入れる
    同意|接受|全部接受|接受所有|我同意|동의|모두 동의|수락|ยอมรับ|ยอมรับทั้งหมด|đồng ý|chấp nhận|setuju|terima`);

  const clicks = Symbol.for("clicks");
  const all = (selector, root = document, found = []) => {
    found.push(...[...root.querySelectorAll(selector)].slice(0, ELEMENTS_MAX - found.length));
    for (const host of [...root.querySelectorAll("*")].slice(0, ELEMENTS_MAX))
      if (host.shadowRoot && found.length < ELEMENTS_MAX) all(selector, host.shadowRoot, found);
    return found;
  };
  const visible = (one, least = 8) => {
    const box = one.getBoundingClientRect();
    return Math.min(box.width, box.height) >= least && one.checkVisibility({opacityProperty: true, visibilityProperty: true});
  };
  const ready = one => (one[clicks] || 0) < CLICKS_MAX && !one.disabled && visible(one);
  const clickable = () =>
    all("button, a, input[type=button], input[type=submit], [role=button], [tabindex], [onclick]").filter(ready);
  const first = selectors => {
    for (const selector of selectors) for (const one of all(selector)) if (ready(one)) return one;
  };
  const plain = text => typeof text === "string" && text.slice(0, 200).toLowerCase().replace(/[\s\u00a0]+/g, " ")
    .replace(/^[^\p{L}]+|[^\p{L}\p{M}\p{N}]+$/gu, "");
  const named = known => clickable().find(one =>
    [one.getAttribute("aria-label"), one.title, one.value, one.innerText].some(text => known.has(plain(text))));
  const counted = one => {
    if (one) one[clicks] = (one[clicks] || 0) + 1;
    return one || null;
  };
  const largestFilm = () => all("video").filter(one => one.paused && ready(one) && visible(one, 120))
    .sort((a, b) => b.clientWidth * b.clientHeight - a.clientWidth * a.clientHeight)[0];
  const inTheMiddle = () => clickable().find(one => {
    const box = one.getBoundingClientRect(), [short, long] = [box.width, box.height].sort((a, b) => a - b);
    const near = Math.abs(box.x + box.width / 2 - innerWidth / 2) < innerWidth / 6 &&
      Math.abs(box.y + box.height / 2 - innerHeight / 2) < innerHeight / 4;
    return near && short >= 40 && long < short * 1.6 && (one.innerText || "").trim().length < 12;
  });
  const loaded = one => [HTMLMediaElement.NETWORK_IDLE, HTMLMediaElement.NETWORK_LOADING].includes(one.networkState);
  const play = one => {
    one.muted = true; // as a page may without a click
    try {
      Promise.resolve(one.play()).catch(() => {});
    } catch {}
  };
  const text = value => (typeof value === "string" ? value.slice(0, TEXT_MAX).toWellFormed() : "");

  return {
    ...downloads({all, visible, plain, text}),
    // The video and audio elements; `running`: its end will come.
    media: () => all("video, audio").slice(0, 100).map(one => ({
      source: String(one.currentSrc || one.src || "").slice(0, 4 * TEXT_MAX).toWellFormed(),
      endless: one.duration === Infinity,
      loop: one.loop && one.muted,
      duration: Number.isFinite(one.duration) ? one.duration : null,
      running: loaded(one) && !one.paused && !one.ended && !one.loop,
    })),
    // Not those without a source: that is their players' to give, when they are asked to start.
    play: () => all("video, audio").filter(one => loaded(one) && one.paused && !one.ended).forEach(play),
    // What lasts less than `argument` seconds goes to its end: after an advertisement comes the film.
    skip: () => all("video, audio").filter(one => !one.ended && !one.loop && one.duration < argument).forEach(one => {
      if (one.currentTime < one.duration - 0.5) one.currentTime = one.duration - 0.1;
      play(one);
    }),
    // The element that most likely starts a player, or skips an advertisement; null when there is none.
    start: () => counted(
      first(SKIP) || first(PLAYERS) || first(ALIKE) || named(PLAY_WORDS) || largestFilm() || inTheMiddle()),
    // The button that agrees to what a banner asks, or null.
    agree: () => counted(first(CONSENT) || named(CONSENT_WORDS)),
    // What scripts have fed players with: which sort, how much, and how long they say that it will be.
    buffers: () => (window[Symbol.for("buffers")] || []).slice(0, 64).map(one => ({
      type: text(one.type), bytes: one.bytes, source: one.source,
      duration: Number.isFinite(one.of.duration) ? one.of.duration : null,
    })),
    titles: () => ({
      og: text(document.querySelector("meta[property='og:title'], meta[name='og:title']")?.content),
      ld: [...document.querySelectorAll("script[type='application/ld+json']")].slice(0, 20)
        .map(one => one.textContent.slice(0, 16 * TEXT_MAX).toWellFormed()),
      title: text(document.title),
    }),
  }[what]();
}
