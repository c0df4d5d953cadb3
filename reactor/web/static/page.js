"use strict";
// What the server sends is text and numbers; all of it is shown by textContent, so nothing of it can be markup.

const at = (id) => document.getElementById(id);
const rows = new Map(); // id -> the row as it was told last
const shown = new Map(); // id -> its card
let state = { queued: 0, under_way: 0, failed: 0, shown_max: 0, trouble: null };
let stream = null;

const STAGES = {
  detecting: "checking the link",
  extracting: "extracting",
  metadata: "asking peers what it is",
  fetching: "starting",
  finishing: "checking and joining",
  listing: "reading the list",
  items: "its entries are downloading",
};
const MOVING = ["fetching", "finishing", "items"];
const LISTS = ["under-way", "queue", "failed", "finished"];

// Words

function size(count) {
  if (count < 1024) return `${count} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let at = -1;
  do { count /= 1024; at += 1; } while (count >= 1023.95 && at < 3);
  return `${count.toFixed(1)} ${units[at]}`;
}

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function moment(text) { // "2026-01-31 12:00:00", UTC, as the table has it
  const date = new Date(`${text.replace(" ", "T")}Z`);
  if (Number.isNaN(date.getTime())) return text;
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

function nearest(path) { // its last folder and its name; the whole is in the tooltip
  const parts = path.split("/");
  return parts.length > 4 ? `…/${parts.slice(-2).join("/")}` : path;
}

function facts(row) {
  const list = listOf(row);
  if (list === "under-way") return measured(row);
  if (row.status === "choosing") return "asks what to download";
  if (list === "queue" && row.retry_at) return `retries at ${new Date(row.retry_at * 1000).toLocaleTimeString([], { timeStyle: "short" })}`;
  if (list === "queue" && row.stage === "yielded") return `Yielded its slot to other owners; resumes later. ${row.waits || ""}`;
  if (list === "queue") return row.waits || row.url;
  const parts = [];
  if (row.list) parts.push(came(row.list));
  if (row.status === "downloaded" && row.size !== null) parts.push(size(row.size));
  if (row.finished) parts.push(moment(row.finished));
  parts.push(row.status === "downloaded" && row.path ? nearest(row.path) : row.url);
  return parts.join(" · ");
}

function came(list) {
  return `${list.done} of ${list.total}${list.failed ? ` · ${list.failed} failed` : ""}`;
}

function measured(row) {
  if (row.cancelling) return "cancelling";
  const parts = row.list ? [came(row.list)] : [];
  if (row.progress !== null && (row.completed || row.progress)) parts.push(`${Math.floor(row.progress)} %`);
  if (row.completed && row.size) parts.push(`${size(row.completed)} of ${size(row.size)}`);
  else if (row.completed || row.size) parts.push(size(row.completed || row.size));
  if (row.stage === "finishing") parts.push(STAGES.finishing);
  else if (row.speed) parts.push(`${size(row.speed)}/s`);
  if (row.eta && row.stage !== "finishing") parts.push(`${span(row.eta)} left`);
  if (!parts.length || !MOVING.includes(row.stage)) return STAGES[row.stage] || "starting";
  return parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
}

// Showing

function listOf(row) {
  if (row.status === "downloading") return "under-way";
  if (["pending", "choosing"].includes(row.status)) return "queue";
  return row.status === "failed" ? "failed" : "finished";
}

const ORDERS = {
  "under-way": (one, two) => one.id - two.id,
  queue: (one, two) => Boolean(one.retry_at) - Boolean(two.retry_at) || placed(one) - placed(two) || one.id - two.id,
  failed: (one, two) => compare(two.finished, one.finished) || two.id - one.id,
  finished: (one, two) => compare(two.finished, one.finished) || two.id - one.id,
};

const placed = (row) => (row.place === null ? -1 : row.place); // those that ask have no place: first

function compare(one, two) {
  const [a, b] = [one || "", two || ""];
  return a < b ? -1 : Number(a > b);
}

function build(changed) { // `changed`: what else is to be done after something was asked of it
  const element = at("row").content.firstElementChild.cloneNode(true);
  const parts = { element, row: null, changed };
  for (const name of ["title", "chip", "facts", "error", "pick", "unfold", "picker", "inside", "entries", "trouble", "more"]) {
    parts[name] = element.querySelector(`.${name}`);
  }
  parts.bar = element.querySelector("progress");
  parts.button = element.querySelector(".wish");
  parts.button.addEventListener("click", () => press(parts));
  wireList(parts);
  wirePicker(parts);
  return parts;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function paint(row, parts) {
  const list = listOf(row);
  const before = parts.row;
  parts.row = row;
  put(parts.title, row.name);
  put(parts.chip, list === "finished" && row.status !== "downloaded" ? row.status : row.list ? "list" : row.kind || "");
  put(parts.facts, facts(row));
  parts.facts.title = list === "finished" ? row.path || "" : "";
  put(parts.error, list === "failed" || row.partial || (list === "queue" && row.retry_at) ? row.error || "" : "");
  parts.bar.hidden = list !== "under-way";
  parts.bar.setAttribute("aria-label", `Progress of ${row.name}`);
  const known = row.progress !== null && MOVING.includes(row.stage);
  if (known) parts.bar.value = row.progress;
  else parts.bar.removeAttribute("value");
  const wish = wishFor(row);
  parts.button.hidden = wish === null;
  able(parts.button, !row.cancelling);
  if (wish) {
    put(parts.button, wish === "cancel" ? "Cancel" : "Retry");
    parts.button.setAttribute("aria-label", `${parts.button.textContent} ${row.name}`);
  }
  paintList(before, row, parts);
  paintPicker(row, parts);
}

const isOpen = (row) => ["pending", "downloading", "choosing"].includes(row.status);

function able(button, yes) { // not `disabled`: that would take the focus from it
  button.setAttribute("aria-disabled", String(!yes));
}

function wishFor(row) {
  if (isOpen(row)) return "cancel";
  return row.partial || ["failed", "cancelled"].includes(row.status) ? "retry" : null;
}

function show() {
  const focused = document.activeElement;
  for (const [id, parts] of shown) {
    if (!rows.has(id)) { parts.element.remove(); shown.delete(id); }
  }
  const lists = Object.fromEntries(LISTS.map((name) => [name, []]));
  for (const row of rows.values()) lists[listOf(row)].push(row);
  for (const name of LISTS) arrange(at(name), lists[name].sort(ORDERS[name]), shown, () => null);
  const most = lists.finished.length >= state.shown_max ? `${lists.finished.length}+` : lists.finished.length;
  const counts = { "under-way": state.under_way, queue: state.queued, failed: state.failed, finished: most };
  for (const name of LISTS) put(at(`n-${name}`), counts[name] ? String(counts[name]) : "");
  for (const name of ["queue", "failed"]) {
    const more = counts[name] - lists[name].length;
    at(`more-${name}`).hidden = more <= 0;
    put(at(`more-${name}`), `and ${more} more`);
  }
  at("trouble").hidden = !state.trouble;
  put(at("trouble"), state.trouble || "");
  const first = lists["under-way"][0];
  document.title = first && first.progress ? `${Math.floor(first.progress)} % · reactor` : "reactor";
  keepFocus(focused);
}

function arrange(list, wanted, cards, changed) {
  wanted.forEach((row, place) => {
    if (!cards.has(row.id)) cards.set(row.id, build(changed));
    const parts = cards.get(row.id);
    paint(row, parts);
    if (list.children[place] !== parts.element) list.insertBefore(parts.element, list.children[place] || null);
  });
}

let lastList = "under-way";
document.addEventListener("focusin", (event) => {
  const list = event.target.closest("section");
  if (list) lastList = list.querySelector("ul, ol").id;
});

function keepFocus(focused) { // what moved to another list takes nobody along
  if (focused && focused !== document.body && document.activeElement === document.body) at(`h-${lastList}`).focus();
}

function say(text) {
  at("said").textContent = text;
}

function announce(before, row) {
  if (!before || before.status === row.status) return;
  if (row.status === "downloaded") say(`${row.name}: downloaded.`);
  if (row.status === "failed") say(`${row.name} failed: ${row.error || ""}`);
  if (row.status === "cancelled") say(`${row.name}: cancelled.`);
}

function take(news) {
  if (news.all) rows.clear();
  for (const row of news.rows) {
    announce(rows.get(row.id), row);
    rows.set(row.id, row);
  }
  for (const id of news.gone) rows.delete(id);
  state = news.state;
  show();
}

// Asking

async function ask(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("reactor does not answer.");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) enter(false);
  throw Object.assign(new Error(told.error || `reactor answered ${answer.status}.`), { status: answer.status });
}

async function press(parts) {
  const { row } = parts;
  const wish = wishFor(row);
  if (!wish || parts.button.getAttribute("aria-disabled") === "true") return;
  able(parts.button, false);
  try {
    await ask("POST", `/api/downloads/${row.id}/${wish}`);
    say(wish === "cancel" ? `${row.name}: cancelling.` : `${row.name}: queued again.`);
    parts.changed();
  } catch (error) {
    able(parts.button, true);
    put(parts.error, error.message);
  }
}

// Coming in

function enter(inside) {
  const before = !at("door").hidden;
  at("board").hidden = !inside;
  at("leave").hidden = !inside;
  at("door").hidden = inside;
  if (inside) {
    if (before) at("urls").focus();
    return;
  }
  if (stream) stream.close();
  linked(false, "not signed in");
  at("token").focus();
}

async function login(token) {
  await ask("POST", "/api/session", { token });
  at("token").value = "";
  put(at("login-error"), "");
  listen();
}

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await login(at("token").value);
  } catch (error) {
    put(at("login-error"), error.message);
    at("token").select();
  }
});

at("leave").addEventListener("click", async () => {
  await ask("DELETE", "/api/session").catch(() => null);
  rows.clear();
  show();
  enter(false);
});

// Listening

function linked(live, words) {
  at("link-state").classList.toggle("live", live);
  put(at("link-state"), words);
}

function listen() {
  if (stream) stream.close();
  const mine = new EventSource("/api/events");
  stream = mine;
  mine.onopen = () => { linked(true, "live"); enter(true); };
  mine.onmessage = (event) => take(JSON.parse(event.data));
  mine.onerror = () => {
    linked(false, "reconnecting");
    if (mine.readyState === EventSource.CLOSED && mine === stream) again();
  };
}

async function again() { // the stream was refused: is it the session, or something that passes?
  try {
    await ask("GET", "/api/session");
  } catch (error) {
    if (error.status === 401) return;
  }
  setTimeout(listen, 2000);
}

async function begin() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname);
    try {
      return await login(decodeURIComponent(given[1]));
    } catch (error) {
      put(at("login-error"), error.message);
      return enter(false);
    }
  }
  return listen();
}

document.addEventListener("DOMContentLoaded", begin); // when the other files are there, too
