// What is asked of a page that may lead to a file. A function of the tools of `page_script.js`; what it answers was made
// by a stranger's page, as there.
({all, visible, plain, text}) => {
  const LINKS_MAX = 200;
  const COUNTED_MAX = 400;
  const OWN_CLICKS_MAX = 3;

  // «Download» as verbs and nouns begin in twenty languages and more.
  const DOWNLOAD = /(?<!\p{L})(?:downloa?d(?:en|ing)?(?!\p{L})|get (?:file|link|download)|(?:grab|save) (?:the )?file|herunter ?laden|runterladen|télécharge|descarg|baixa|transferir|descarreg|scarica|pobierz|pobieranie|ściągnij|ladda (?:ner|ned)|last ned|hent (?:fil|ned)|lataa|stáhn|stiahn|letölt|descarc|λήψη|κατεβάστε|κατέβασ|indir|скача|загрузить|завантаж|تحميل|تنزيل|הורד|डाउनलोड)|ダウンロード|下载|下載|다운로드|ดาวน์โหลด|tải (?:xuống|về)|unduh|(?<!\p{L})(?:generate|create|prepare|unlock|show|get|continue to) (?:my |the |a )?(?:download )?(?:link|url|file)(?!\p{L})|link (?:erstellen|erzeugen|anzeigen)|(?:générer|créer) (?:le |un )?lien|(?:generar|crear|obtener) (?:el )?enlace|(?:gerar|criar) (?:o )?link|(?:wygeneruj|utwórz) link|(?:создать|получить|показать) ссылку/u;
  const FREE = /(?<!\p{L})(?:free|slow|regular|standard|basic|normal|direct|kostenlos|gratis|gratuit|besplatno|zdarma|ingyen|darmow|бесплатн|медленн|безкоштовн|無料|免费|普通|무료|ücretsiz|miễn phí|ฟรี)/u;
  const NOT_IT = /premium|upgrade|fast(?:er)? download|high[- ]speed|vip|torrent client|manager|toolbar|extension|add-?on|chrome|app store|google play|our app|mobile app|(?:the|get) app(?!\p{L})|how to|histor|faq|help|report|abuse|upload|login|sign ?(?:in|up)|register|subtitle|previous versions|all downloads|newsletter|advert|sponsor/u;
  const SIZE = /\d\s?(?:[kmg]i?b|bytes|[кмг]б)(?!\p{L})/iu;
  const LIKE = "[id*='download'i], [class*='download'i], [id*='dlbutton'i], [class*='dlbutton'i], [id*='dl-btn'i], [class*='dl-btn'i], [name*='download'i], [data-action*='download'i]";
  const BUTTONS = "button, a, input[type=button], input[type=submit], input[type=image], [role=button], [onclick]";
  const AWAY = "nav, footer, [role=navigation], [class*='advert'i], [id*='google_ads'i], .adsbygoogle";
  // What has to be ticked before the button does anything.
  const AGREE = /(?:i |we )?(?:agree|accept|consent)|terms|conditions|zustimm|akzeptier|einverstanden|nutzungsbedingungen|j'accepte|conditions|acepto|condiciones|concordo|aceito|termos|accetto|termini|akkoord|voorwaarden|zgadzam|akceptuj|regulamin|соглас|принима|услови|同意|동의|kabul|ยอมรับ|đồng ý|setuju/iu;
  const GONE = /(?:file|page|link|download|upload)\b.{0,40}\b(?:not found|no longer (?:available|exists)|(?:was|has been|is) (?:deleted|removed|expired)|(?:does not|doesn't) exist|could not be found|has expired|unavailable)|(?:datei|link|seite) .{0,30}(?:nicht gefunden|existiert nicht|gelöscht|nicht mehr verfügbar|abgelaufen)|fichier .{0,30}(?:introuvable|supprimé|n'existe)|archivo .{0,30}(?:no encontrado|no existe|eliminado)|arquivo .{0,30}(?:não encontrado|não existe|removido)|file non trovato|plik .{0,30}(?:nie (?:został znaleziony|istnieje)|usunięty)|файл .{0,30}(?:не найден|удал[её]н|не существует)|文件(?:不存在|已(?:被)?删除|已过期)|ファイルが(?:見つかりません|存在しません|削除)/iu;
  const CAPTCHA = ".g-recaptcha, .h-captcha, .cf-turnstile, .geetest_captcha, .frc-captcha, iframe[src*='recaptcha'i], iframe[src*='hcaptcha'i], iframe[src*='challenges.cloudflare.com'i], iframe[src*='captcha'i], img[src*='captcha'i], input[name*='captcha'i]:not([type=hidden])";
  const LOGIN = /(?:log|sign) ?in (?:to|for|required)|(?:login|registration|account) (?:is )?required|please (?:log|sign) ?in|must be (?:logged|signed) in|only (?:for )?(?:registered|premium) (?:users|members)|premium (?:users|members) only|bitte (?:anmelden|einloggen)|nur für (?:registrierte|angemeldete|premium)|connectez-vous pour|inicia(?:r)? sesión para|faça login|effettua il login|zaloguj się|войдите|авторизуйтесь|увійдіть|ログインして|请登录|請登入|로그인/iu;
  const SOON = /(?:download|file|link)\b.{0,40}\b(?:will|should|is about to)? ?(?:start|begin|be ready|appear|available)|(?:start|begin)s? (?:shortly|soon|automatically|in a (?:few|moment))|please wait|einen moment|bitte warten|wird (?:gleich|in kürze|automatisch)|veuillez patienter|va (?:commencer|démarrer)|espere|espera|aguarde|attendere|proszę czekać|подождите|начн[её]тся|зачекайте|lütfen bekleyin|お待ちください|请稍|請稍|잠시/iu;

  const wordsOf = one => [one.innerText, one.value, one.getAttribute("aria-label"), one.title, one.getAttribute("alt"),
    ...[...one.querySelectorAll("img[alt]")].slice(0, 3).map(image => image.alt)]
    .map(plain).filter(said => said && said.length <= 90);
  const site = host => host.split(".").slice(-2).join(".");
  const href = one => {
    const link = one.closest("a[href], area[href]");
    try {
      return link && new URL(link.href, document.baseURI);
    } catch {}
  };
  const leadsOff = one => {
    const to = href(one);
    return Boolean(to && /^https?:$/.test(to.protocol) && site(to.hostname) !== site(location.hostname));
  };
  const clicked = Symbol.for("clicks");

  // How much an element looks like the one that begins the download; 0 and less: it does not.
  const merit = one => {
    const said = wordsOf(one), like = one.matches(LIKE);
    const named = said.some(each => DOWNLOAD.test(each));
    if ((!named && !like) || said.some(each => NOT_IT.test(each))) return 0;
    if (like && !named && (said.length !== 1 || said[0].length > 30 || one.matches("a:not([href]):not([onclick])"))) return 0;
    const to = href(one);
    if (to && /premium|register|signup|login|affiliate|\/faq|\/help/i.test(to.pathname)) return 0;
    if (to && !/^https?:$|^javascript:$|^blob:$|^data:$/.test(to.protocol)) return 0;
    let worth = named ? 6 : 3;
    if (one.matches("a[download]")) worth += 3;
    if (one.matches("button, input, .btn, .button, [role=button]") || one.closest("form")) worth += 2;
    if (said.some(each => FREE.test(each))) worth += 2;
    if (said.some(each => SIZE.test(each))) worth += 2;
    if (like) worth += 1;
    if (one.closest(AWAY)) worth -= 4;
    if (leadsOff(one)) worth -= 3;
    return worth - 3 * (one[clicked] || 0);
  };
  const shown = one => visible(one) && (one[clicked] || 0) < OWN_CLICKS_MAX;
  // Tick what says that one agrees; true when there was something.
  const ticked = () => all("input[type=checkbox]").filter(box => !box.checked && !box.disabled).filter(box => {
    const said = [...(box.labels || []), box.closest("label"), box.parentElement].filter(Boolean)
      .map(one => one.innerText || "").find(each => each.trim() && each.length < 400);
    if (!said || !AGREE.test(said) || ![box, ...(box.labels || [])].some(one => visible(one, 1))) return false;
    box.click();
    return true;
  }).length > 0;
  const free = one => !one.disabled && shown(one);

  // What stands as short texts and has a number in it, element by element.
  const numbers = () => {
    const found = [], seen = Symbol.for("counted");
    for (const one of all("*")) {
      if (one.childElementCount || found.length >= COUNTED_MAX) continue;
      const said = (one.textContent || "").trim(), number = said.length < 120 && said.match(/(?:(\d{1,2}):)?(\d{1,4})/);
      if (number && visible(one, 1)) {
        const seconds = 60 * (number[1] || 0) + Number(number[2]);
        found.push([one, seconds, one[seen]]);
        one[seen] = seconds;
      }
    }
    return found;
  };

  return {
    // Where links of this page lead, and how each is presented.
    links: () => [...new Map(all("a[href], area[href]").filter(one => one.matches("[download]") || visible(one, 1))
      .map(one => [one.href, one]).filter(([to]) => typeof to === "string" && /^(?:https?|blob|data|magnet):/.test(to))
      .map(([to, one]) => [to.slice(0, 16000), {
        url: to.slice(0, 16000).toWellFormed(), text: text(one.innerText || one.title || "").slice(0, 200),
        name: one.hasAttribute("download") ? text(one.getAttribute("download")).slice(0, 300) : null,
        aside: Boolean(one.closest(AWAY)), away: leadsOff(one),
      }])).values()].slice(0, LINKS_MAX),
    // The element that most likely begins the download of what the page is about, or null.
    download: () => {
      let best = null, most = 0;
      const there = all(`${BUTTONS}, ${LIKE}`).filter(shown);
      if (there.some(one => merit(one) > 0)) ticked();
      for (const one of there.filter(free)) {
        const worth = merit(one);
        if (worth > most) [best, most] = [one, worth];
      }
      if (best) best[clicked] = (best[clicked] || 0) + 1;
      return best;
    },
    // True while the page counts down, or says that it begins by itself.
    counting: () => {
      const down = numbers().filter(([, now, before]) => before !== undefined && now < before && before - now < 20);
      return down.length > 0;
    },
    soon: () => SOON.test((document.body?.innerText || "").slice(0, 20000)),
    // What has to be passed before the file: "captcha", "login"; "gone": the page says that it is not there; or nothing.
    gate: () => {
      const asks = one => visible(one) && !one.closest(".grecaptcha-badge") && !/size=invisible/.test(one.src || "");
      if (all(CAPTCHA).some(asks)) return "captcha";
      const said = (document.body?.innerText || "").slice(0, 20000);
      if (said.length < 3000 && GONE.test(said)) return "gone";
      const password = all("input[type=password]").some(one => visible(one));
      return (password && said.length < 3000) || LOGIN.test(said) ? "login" : "";
    },
  };
}
