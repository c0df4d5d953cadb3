"use strict";
// A list is one card that unfolds. Its entries are asked for in pages, and those that are not over again when the list
// changes.

const PAGE = 50;
const REFRESH_MS = 1000;

function wireList(parts) {
  Object.assign(parts, { unfolded: false, pages: [], total: 0, cards: new Map(), work: Promise.resolve(), timer: null });
  parts.unfold.addEventListener("click", () => unfold(parts, !parts.unfolded));
  parts.more.addEventListener("click", () => ofList(parts, () => load(parts, nextPage(parts))));
}

function paintList(before, row, parts) {
  parts.unfold.hidden = !(row.list && row.list.total);
  if (parts.unfold.hidden) {
    if (parts.unfolded) unfold(parts, false);
    return;
  }
  parts.entries.setAttribute("aria-label", `Entries of ${row.name}`);
  put(parts.unfold, parts.unfolded ? "Hide entries" : "Show entries");
  parts.unfold.setAttribute("aria-label", `${parts.unfold.textContent} of ${row.name}`);
  parts.unfold.setAttribute("aria-expanded", String(parts.unfolded));
  if (parts.unfolded && before && before !== row) refreshSoon(parts, before.status !== row.status);
}

function unfold(parts, open) {
  parts.unfolded = open;
  parts.inside.hidden = !open;
  if (!open) {
    parts.pages = [];
    paintEntries(parts);
  } else {
    ofList(parts, () => load(parts, 0));
  }
  paintList(null, parts.row, parts);
}

function ofList(parts, doing) { // one question after another
  parts.work = parts.work.then(async () => {
    if (!parts.unfolded || !parts.element.isConnected) return;
    try {
      await doing();
      put(parts.trouble, "");
    } catch (error) {
      put(parts.trouble, error.message);
    }
    paintEntries(parts);
  });
}

function refreshSoon(parts, everything) {
  parts.everything = parts.everything || everything;
  if (parts.timer) return;
  parts.timer = setTimeout(() => {
    parts.timer = null;
    ofList(parts, () => refresh(parts));
  }, REFRESH_MS);
}

async function refresh(parts) {
  const everything = parts.everything;
  parts.everything = false;
  for (let number = 0; number < parts.pages.length; number += 1) {
    const page = parts.pages[number];
    const grows = page.length < PAGE && number === parts.pages.length - 1;
    if (everything || grows || page.some((row) => isOpen(row))) await load(parts, number);
  }
}

const nextPage = (parts) => parts.pages.findLastIndex((page) => page.length === PAGE) + 1;

async function load(parts, number) {
  const answer = await ask("GET", `/api/downloads/${parts.row.id}/entries?after=${number * PAGE}`);
  const told = await answer.json();
  if (!parts.unfolded) return;
  parts.pages[number] = told.rows;
  parts.total = told.total;
}

function paintEntries(parts) {
  const wanted = parts.pages.flat();
  const known = new Set(wanted.map((row) => row.id));
  for (const [id, card] of parts.cards) {
    if (!known.has(id)) { card.element.remove(); parts.cards.delete(id); }
  }
  arrange(parts.entries, wanted, parts.cards, () => refreshSoon(parts, true));
  const left = parts.total - wanted.length;
  const focused = document.activeElement === parts.more;
  parts.more.hidden = !wanted.length || left <= 0;
  put(parts.more, `Show ${Math.min(left, PAGE)} more of ${parts.total}`);
  if (focused && parts.more.hidden) parts.unfold.focus();
}
