"use strict";
// The form that adds links: its options become one JSON object, the same that `reactor add` makes of its flags.

const listed = (text) => text.split(/[\s,]+/).filter(Boolean);

function wanted() {
  const said = {};
  const value = (id) => at(id).value.trim();
  if (value("o-audio")) Object.assign(said, { want: "audio", audio: { format: value("o-audio") } });
  if (value("o-quality")) said.quality = Number(value("o-quality")) || value("o-quality");
  if (value("o-subtitles")) said.subtitles = { languages: listed(value("o-subtitles")) };
  if (value("o-clip")) said.clip = listed(value("o-clip")).map(part);
  const items = value("o-playlist");
  if (items) said.playlist = ["all", "one", "auto"].includes(items) ? { mode: items } : { mode: "all", items: items.replaceAll(" ", "") };
  if (at("o-ask").checked) said.ask = "all";
  return said;
}

function part(text) {
  const [start, end, ...rest] = text.split("-");
  if (!start || !end || rest.length) throw new Error(`${text} is no part of a film: say where it begins and ends, such as 1:30-2:10.`);
  return [start, end];
}

function sum() { // what is set is seen when it is folded, too
  const set = [...at("options").querySelectorAll("select, input")].filter((field) => (field.type === "checkbox" ? field.checked : field.value.trim()));
  put(at("options-said"), set.map((field) => field.labels[0].textContent.trim().toLowerCase()).join(", "));
}

at("options").addEventListener("input", sum);
sum();

at("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = at("urls");
  const urls = field.value.split(/\s+/).filter(Boolean);
  if (!urls.length) return;
  put(at("add-error"), "");
  try {
    await ask("POST", "/api/downloads", { urls, options: wanted() });
    field.value = "";
    say(urls.length === 1 ? "Added." : `${urls.length} links added.`);
  } catch (error) {
    put(at("add-error"), error.message);
  }
  field.focus();
});

at("urls").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("add").requestSubmit();
});
