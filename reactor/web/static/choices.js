"use strict";
// A row that has a question, or has failed and has alternatives: shows its choices.

function wirePicker(parts) {
  parts.pick.addEventListener("click", () => (parts.picker.hidden ? openPicker(parts) : closePicker(parts, true)));
  parts.picker.addEventListener("submit", (event) => {
    event.preventDefault();
    const codes = [...new FormData(parts.picker).values()];
    if (codes.length) answer(parts, codes);
    else put(parts.picker.querySelector(".error"), "Nothing is chosen.");
  });
  parts.picker.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePicker(parts, true);
  });
}

function paintPicker(row, parts) {
  parts.pick.hidden = !row.asks || row.cancelling;
  if (parts.pick.hidden) closePicker(parts, false);
  put(parts.pick, row.status === "failed" ? "What would help" : "Choose");
  parts.pick.setAttribute("aria-label", `${parts.pick.textContent}: ${row.name}`);
  parts.pick.setAttribute("aria-expanded", String(!parts.picker.hidden));
}

function closePicker(parts, focus) {
  if (parts.picker.hidden) return;
  parts.picker.hidden = true;
  parts.picker.replaceChildren();
  parts.pick.setAttribute("aria-expanded", "false");
  if (focus) parts.pick.focus();
}

async function openPicker(parts) {
  let told;
  try {
    told = await (await ask("GET", `/api/downloads/${parts.row.id}/choices`)).json();
  } catch (error) {
    put(parts.error, error.message);
    return;
  }
  if (parts.pick.hidden) return;
  parts.picker.replaceChildren(...told.groups.map((group) => fieldset(group)), ...ends(told, parts));
  parts.picker.hidden = false;
  parts.pick.setAttribute("aria-expanded", "true");
  parts.picker.querySelector("input, button").focus();
}

function made(name, text, properties) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  return Object.assign(node, properties);
}

function fieldset(group) {
  const set = made("fieldset");
  const all = group.total > group.choices.length ? ` (${group.choices.length} of ${group.total})` : "";
  set.append(made("legend", `${group.name}${all}`));
  for (const choice of group.choices) {
    const label = made("label", "", { className: "choice" });
    const input = made("input", "", { type: group.many ? "checkbox" : "radio", name: group.name, value: choice.code });
    label.append(input, made("bdi", choice.label), made("span", choice.about, { className: "hint" }));
    set.append(label);
  }
  return set;
}

function ends(told, parts) {
  const line = made("div", "", { className: "line" });
  line.append(made("button", "Download", { type: "submit", className: "main" }));
  const asked = parts.row.status === "choosing";
  if (asked) {
    const usual = made("button", "Take the default", { type: "button" });
    usual.addEventListener("click", () => answer(parts, []));
    line.append(usual);
  }
  const error = made("p", "", { className: "error" });
  error.setAttribute("role", "alert");
  const until = parts.row.until ? new Date(parts.row.until * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "";
  const then = told.unanswered === "fail" ? "it fails" : "the default is taken";
  return [line, ...(asked && until ? [made("p", `Without an answer ${then} at ${until}.`, { className: "hint" })] : []), error];
}

async function answer(parts, codes) {
  try {
    await ask("POST", `/api/downloads/${parts.row.id}/choose`, { codes });
    say(`${parts.row.name}: queued with what was chosen.`);
    closePicker(parts, true);
    parts.changed();
  } catch (error) {
    put(parts.picker.querySelector(".error"), error.message);
  }
}
