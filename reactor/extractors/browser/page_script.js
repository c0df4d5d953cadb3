// What is asked of a page. A function of what is asked and its argument; it runs in every frame, and sees shadow trees
// too. What it answers was made by a stranger's page: it is data, of any type and size.
(what, argument) => {
  const ELEMENTS_MAX = 4000; // of a page so many are looked at
  const CONTROLS_MAX = 400;
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

  const BUTTONS = "button, a, input[type=button], input[type=submit], input[type=image], summary, [role=button], [role=tab], "
    + "[tabindex], [onclick]";
  const SIGN = /^[\s\ufe0e\ufe0f]*[\u25b6\u25ba\u25b8\u25b7\u25b9\u25bb\u23f5\u2bc8\u27a4][\s\ufe0e\ufe0f]*$/u;
  const WAIT = /just a moment|checking (?:if the site|your browser)|verifying (?:you|that you) are human|ddos.protection|one moment,? please|you are being redirected|please wait while|please stand by|security check|einen moment|browser wird überprüft|vérification de (?:votre|la)|un instant|comprobando (?:su|tu) navegador|un momento|verificando|controllo del browser|sprawdzanie przeglądarki|проверка (?:браузера|подключения)|подождите|перевірка|请稍候|正在(?:检查|验证)|お待ちください|ブラウザを確認|잠시만/iu;
  const PLACE = /(?<!\p{L})(?:server|mirror|player|source|host(?:er)?|stream|spiegel|quelle|serveur|lecteur|servidor|opci[oó]n|fuente|opção|fonte|serwer|źródło|сервер|плеер|источник|зеркало)(?!\p{L})|服务器|线路|播放源|サーバー|서버|(?<!\d)(?:2160|1440|1080|720|480|360)p/iu;
  const MEDIA_NAME = /\.(mp4|m4v|webm|mkv|mov|flv|avi|ogv|mpe?g|3gp|mp3|m4a|aac|og[ga]|opus|flac|wav|m3u8|mpd)$/i;
  const PLAYER_PAGE = /embed|player|video|\/[ev]\//i;
  const MEDIA_URL = /(?:https?:)?\/\/[^\s"'<>()\\]{4,900}?\.(?:m3u8|mpd|mp4|webm|m4v|mkv|mov|mp3|m4a)(?![\w.%-])[^\s"'<>()\\]{0,900}/gi;
  const notes = (window[Symbol.for("notes")] ??= {}), clicks = Symbol.for("clicks"), quiet = Symbol.for("quiet");
  const inside = host => host.shadowRoot || notes.roots?.get(host);
  const all = (selector, root = document, found = []) => {
    found.push(...[...root.querySelectorAll(selector)].slice(0, ELEMENTS_MAX - found.length));
    for (const host of [...root.querySelectorAll("*")].slice(0, ELEMENTS_MAX))
      if (inside(host) && found.length < ELEMENTS_MAX) all(selector, inside(host), found);
    return found;
  };
  const visible = (one, least = 8) => {
    const box = one.getBoundingClientRect();
    return Math.min(box.width, box.height) >= least && one.checkVisibility({opacityProperty: true, visibilityProperty: true});
  };
  const loaded = one => [HTMLMediaElement.NETWORK_IDLE, HTMLMediaElement.NETWORK_LOADING].includes(one.networkState);
  const mutedByPage = one => one[quiet] ?? (one.muted || one.volume === 0);
  const play = one => {
    one[quiet] = mutedByPage(one);
    one.muted = true; // as a page may without a click
    try {
      Promise.resolve(one.play()).catch(() => {});
    } catch {}
  };
  const plain = said => typeof said === "string" && said.slice(0, 200).toLowerCase().replace(/[\s\u00a0]+/g, " ")
    .replace(/^[^\p{L}]+|[^\p{L}\p{M}\p{N}]+$/gu, "");
  const text = (value, most = TEXT_MAX) => (typeof value === "string" ? value.slice(0, most).toWellFormed() : "");
  const box = (one, rect = one.getBoundingClientRect()) =>
    Object.fromEntries(["x", "y", "width", "height"].map(name => [name, Math.round(rect[name])]));
  // Of a link around a picture the picture's: its own box is a line of text.
  const shape = one => {
    const own = one.getBoundingClientRect();
    const inner = getComputedStyle(one).display === "inline" && one.querySelector("img, svg, picture, video")?.getBoundingClientRect();
    return inner && inner.height > own.height ? inner : own;
  };
  const address = url => {
    try {
      return text(new URL(url, document.baseURI).href, 4 * TEXT_MAX);
    } catch {
      return "";
    }
  };
  const isBehind = one => {
    const style = getComputedStyle(one);
    return style.pointerEvents === "none" && style.zIndex < 0 || style.position === "fixed" && style.zIndex < 0;
  };
  const shown = one => {
    const found = visible(one, 2) ? box(one) : {x: 0, y: 0, width: 0, height: 0};
    return {...found, y: found.y + Math.round(scrollY)};
  };
  const fedUntil = ({made}) => {
    try {
      return made.buffered.length ? made.buffered.end(made.buffered.length - 1) : null;
    } catch {
      return null; // it was taken away
    }
  };
  const fedBy = one => (notes.blobs || []).findLast(blob => blob.url === one.currentSrc)?.source ?? null;
  const fedTo = source => (source == null ? [] : (notes.buffers || []).filter(one => one.source === source)
    .flatMap(one => [...one.urls].slice(0, 3).map(url => text(url))));
  const source = one => {
    const url = String(one.currentSrc || one.src || ""), most = url.startsWith("data:") ? 1 << 20 : 4 * TEXT_MAX;
    return url.length > most ? "" : url.toWellFormed();
  };
  const manifests = () => [...(notes.texts || []), ...(notes.blobs || []).filter(one => one.text)].slice(0, 20).filter(one => (one.told = (one.told || 0) + 1) <= 5)
    .map(one => ({url: text(one.url), text: one.text}));
  const films = () => all("video, audio").slice(0, 100).map(one => {
    const made = (notes.blobs || []).findLast(blob => blob.url === one.currentSrc);
    return {
      ...shown(one),
      source: source(one),
      fetched: made ? [...made.urls] : [],
      fed: fedTo(made?.source),
      mse: made?.source ?? null,
      sources: [...one.querySelectorAll("source")].slice(0, 20).map(each => ({
        url: address(each.src), label: text(each.getAttribute("size") || each.getAttribute("res") || each.getAttribute("label")
          || each.title || each.getAttribute("data-quality") || each.dataset.res, 40),
      })),
      playable: one.readyState > 0,
      picture: one.videoWidth > 0,
      endless: one.duration === Infinity,
      duration: Number.isFinite(one.duration) ? one.duration : null,
      running: loaded(one) && !one.paused && !one.ended && !one.loop,
      started: one.currentTime > 0 || !one.paused,
      loop: one.loop,
      muted: mutedByPage(one),
      autoplay: one.autoplay,
      controls: one.controls,
      behind: isBehind(one),
    };
  });

  // What a person may click, what it says and what it looks like.
  const controls = () => {
    const players = new Set(all(PLAYERS.join())), alike = new Set(all(ALIKE.join())), skips = new Set(all(SKIP.join()));
    const banners = new Set(all(CONSENT.join())), buttons = new Set(all(BUTTONS));
    const films = all("video").filter(one => visible(one, 100) && !(one.loop && mutedByPage(one)));
    const playing = films.filter(one => !one.paused && !one.ended).map(one => one.getBoundingClientRect());
    const hosts = new Set([...document.querySelectorAll("*")].slice(0, ELEMENTS_MAX).filter(inside));
    const pointer = one => getComputedStyle(one).cursor === "pointer";
    const found = new Set([...skips, ...players, ...alike, ...banners, ...buttons, ...films.filter(one => one.paused)]);
    for (const one of all("div, span, li, img, svg, i, p, td, label, picture, section, figure, h1, h2, h3, b, strong, em"))
      if (pointer(one) && !(one.parentElement && pointer(one.parentElement))) found.add(one);
    // What has nothing but a sign or a box to tick, and may be listened to by what is around it.
    for (const one of all("div, span, i, p, b, label, input[type=checkbox]:not(:checked)"))
      if (one.tagName === "INPUT" || !one.childElementCount && SIGN.test(one.textContent)) found.add(one);
    const seen = [...found].filter(one => !one.disabled && visible(one)).slice(0, CONTROLS_MAX);
    notes.seen = seen;
    return seen.map((one, n) => {
      const rect = shape(one), [x, y] = [rect.x + rect.width / 2, rect.y + rect.height / 2];
      const link = one.closest("a[href]"), form = one.form || one.closest("form");
      const said = (one.innerText ?? one.textContent ?? "").trim();
      return {
        ...box(one, rect),
        n,
        tag: one.tagName.toLowerCase(),
        text: said.length <= 300 ? text(said, 120) : "",
        long: said.length,
        labels: [one.getAttribute("aria-label"), one.title, one.value, one.alt, one.querySelector("img[alt]")?.alt,
          one.labels?.[0]?.innerText]
          .filter(label => typeof label === "string" && label).map(label => text(label, 120)),
        names: text([one.id, one.getAttribute("class"), one.dataset.testid, one.dataset.action].join(" "), 300),
        href: link ? address(link.getAttribute("href")) : "",
        download: Boolean(link?.hasAttribute("download")),
        method: form && one.matches("button, input") ? text(form.method, 10) : "",
        button: buttons.has(one),
        pointer: pointer(one),
        player: players.has(one) ? 2 : alike.has(one) ? 1 : 0,
        skips: skips.has(one),
        banner: banners.has(one),
        film: one.tagName === "VIDEO",
        box: one.type === "checkbox",
        picture: Boolean(one.querySelector("img, svg, picture, canvas") || one.matches("img, svg, video[poster]")
          || getComputedStyle(one).backgroundImage !== "none"),
        host: hosts.has(one),
        playing: playing.some(at => x > at.left && x < at.right && y > at.top && y < at.bottom),
        middle: Math.abs(x - innerWidth / 2) < innerWidth / 6 && Math.abs(y - innerHeight / 2) < innerHeight / 4,
        clicks: one[clicks] || 0,
      };
    });
  };

  // What a page says of films without playing them.
  const named = () => {
    const found = [], add = (how, url, type) => url && found.length < 200 && found.push({how, url: address(url), type: text(type, 100)});
    const meta = name => [...document.querySelectorAll(`meta[property='${name}'], meta[name='${name}']`)].map(one => one.content);
    const [type] = meta("og:video:type");
    for (const name of ["og:video:secure_url", "og:video:url", "og:video", "twitter:player:stream", "og:audio"])
      for (const url of meta(name)) add("og", url, name === "og:audio" ? "" : type);
    for (const one of document.querySelectorAll("[itemprop=contentUrl], [itemprop=contentURL]"))
      add("ld", one.content || one.href || one.src);
    for (const name of ["og:video:secure_url", "og:video:url", "og:video"])
      for (const url of meta(name)) if (/^text\//.test(type || "")) add("player", url);
    for (const url of meta("twitter:player")) add("player", url);
    for (const one of document.querySelectorAll("[itemprop=embedUrl], [itemprop=embedURL]"))
      add("player", one.content || one.href || one.src);
    // What is loaded when it comes into sight, or without scripts only.
    const unscripted = [...document.querySelectorAll("noscript")].map(one => one.textContent.slice(0, 20000)).join("\n");
    const hidden = [...unscripted.matchAll(/<iframe[^>]{0,500}?\ssrc=["']?([^"'\s>]+)/gi)].map(each => each[1].replace(/&amp;/g, "&"));
    for (const url of [...all("iframe").flatMap(one => Object.values(one.dataset)), ...hidden])
      if (/^(?:https?:)?\//.test(url) && PLAYER_PAGE.test(url)) add("frame", url);
    for (const one of all("a[href]"))
      if (MEDIA_NAME.test(one.pathname || "")) add("link", one.href);
    for (const one of all("video, audio, source")) add("source", one.getAttribute("src"), one.type);
    for (const one of all("[data-src], [data-video], [data-video-src], [data-file], [data-url], [data-hls], [data-mp4], [data-stream]"))
      for (const value of Object.values(one.dataset)) if (MEDIA_NAME.test(value.split(/[?#]/)[0])) add("text", value);
    const settings = all("*").slice(0, 20000).flatMap(one => Object.values(one.dataset || {})).filter(value => /^\s*[[{]/.test(value));
    const scripts = settings.join("\n") + "\n" + [...document.querySelectorAll("script:not([src])")].map(one => one.textContent.slice(0, 300000)).join("\n");
    for (const url of scripts.slice(0, 1000000).replace(/\\u002[fF]|\\\//g, "/").replace(/\\u0026/g, "&").match(MEDIA_URL) || [])
      add("text", url.replace(/&amp;/g, "&"));
    return found;
  };

  return {
    ...downloads({all, visible, plain, text}),
    // The elements that play, and manifests that no request has brought.
    media: () => ({films: films(), manifests: manifests()}),
    controls,
    named,
    // A page that looks at the browser before it shows itself.
    waiting: () => WAIT.test(`${document.title}\n${(document.body?.innerText || "").slice(0, 1500)}`)
      && (document.body?.innerText || "").length < 3000,
    // Not those without a source: that is their players' to give, when they are asked to start.
    play: () => all("video, audio").filter(one => loaded(one) && one.paused && !one.ended).forEach(play),
    // What lasts less than `argument` seconds goes to its end: after an advertisement comes the film.
    skip: () => {
      const told = films(); // what is skipped may be gone when it is asked for next
      for (const one of all("video, audio").filter(each => !each.ended && !each.loop && each.duration < argument)) {
        if (one.currentTime < one.duration - 0.5) one.currentTime = one.duration - 0.1;
        play(one);
      }
      return {films: told};
    },
    // A year of birth, where lists ask for one: true where something was chosen.
    age: () => {
      const lists = all("select").filter(one => visible(one) && !one[clicks]);
      const years = lists.find(one => [...one.options].some(each => each.text.trim() === argument));
      if (!years) return false;
      for (const one of lists) {
        const year = [...one.options].findIndex(each => each.text.trim() === argument);
        one.selectedIndex = year < 0 ? Math.min(1, one.options.length - 1) : year;
        one[clicks] = 1;
        for (const kind of ["input", "change"]) one.dispatchEvent(new Event(kind, {bubbles: true}));
      }
      return true;
    },
    // A place that the film comes from, where a list asks for it: true where one was chosen.
    place: () => {
      for (const one of all("select").filter(one => visible(one) && !one[clicks])) {
        const at = [...one.options].findIndex((each, n) => n !== one.selectedIndex && !each.disabled && each.value && PLACE.test(each.text));
        if (at < 0) continue;
        one.selectedIndex = at;
        one[clicks] = 1;
        for (const kind of ["input", "change"]) one.dispatchEvent(new Event(kind, {bubbles: true}));
        return true;
      }
      return false;
    },
    // The control of that number, which is clicked now.
    control: () => {
      const one = notes.seen?.[argument];
      if (one) one[clicks] = (one[clicks] || 0) + 1;
      return one?.isConnected ? one : null;
    },
    // Down to its end and back: what loads when it comes into sight does.
    scroll: async () => {
      const most = Math.min(document.documentElement.scrollHeight, 30 * innerHeight);
      for (let at = 0; at < most; at += innerHeight / 2) {
        scrollTo(0, at);
        await new Promise(done => setTimeout(done, 50));
      }
      scrollTo(0, 0);
    },
    // What scripts have fed players with: which sort, how much, out of what, and how long they say that it will be.
    buffers: () => (notes.buffers || []).slice(0, 64).map(one => ({
      type: text(one.type), bytes: one.bytes, source: one.source, urls: [...one.urls].map(url => text(url)),
      duration: Number.isFinite(one.of.duration) ? one.of.duration : null, end: fedUntil(one),
    })),
    // Whether a script feeds a player piece by piece and has not come to the end. Its player goes on to where it waits.
    feeding: () => (notes.buffers || []).slice(0, 64).some(one => {
      const end = fedUntil(one), film = all("video, audio").find(each => fedBy(each) === one.source);
      if (one.urls.size < 2 || end === null || !film || !(one.of.duration > end + 1)) return false;
      if (film.currentTime < end - 1) film.currentTime = end - 0.5;
      play(film);
      return true;
    }),
    titles: () => ({
      og: text(document.querySelector("meta[property='og:title'], meta[name='og:title']")?.content),
      ld: [...document.querySelectorAll("script[type='application/ld+json']")].slice(0, 20)
        .map(one => one.textContent.slice(0, 16 * TEXT_MAX).toWellFormed()),
      title: text(document.title),
    }),
  }[what]();
}
