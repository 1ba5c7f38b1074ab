// Each call that the console made: what, how it was answered, and the same as a line for a shell.

import { calls, forgetCalls, onCall } from "./api.js";
import { asCurl } from "./curl.js";
import { button, h, milliseconds, put, say } from "./dom.js";

const SHOWN = 100;

export function install(place) {
  const latest = h("span", { class: "latest" });
  const body = h("div", { class: "log-body", id: "log-body", hidden: true });
  const toggle = button("Requests", turn, { "aria-expanded": "false", "aria-controls": "log-body" });
  const clear = button("Clear", forgetCalls, { class: "clear", hidden: true });
  place.append(h("div", { class: "log-head" }, toggle, latest, clear), body);
  onCall(draw);
  draw();

  function turn() {
    body.hidden = !body.hidden;
    clear.hidden = body.hidden;
    toggle.setAttribute("aria-expanded", String(!body.hidden));
    document.documentElement.dataset.log = body.hidden ? "closed" : "open";
    draw();
  }

  function draw() {
    const [newest] = calls;
    toggle.textContent = `Requests (${calls.length})`;
    put(
      latest,
      newest
        ? [
            method(newest.method),
            h("code", {}, newest.path),
            status(newest),
            h("span", { class: "took" }, milliseconds(newest.ms)),
          ]
        : "Nothing was called yet.",
    );
    if (!body.hidden) put(body, lines());
  }
}

function lines() {
  if (!calls.length) return h("p", { class: "empty" }, "Nothing was called yet.");
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": "Requests", tabindex: "0" },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, "Requests, newest first"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Method", "Path", "Status", "Request-Id", "Time"].map((title) => h("th", { scope: "col" }, title)),
          h("th", { scope: "col" }, h("span", { class: "unseen" }, "Copy")),
        ),
      ),
      h(
        "tbody",
        {},
        calls.slice(0, SHOWN).map((entry) =>
          h(
            "tr",
            {},
            h("td", {}, method(entry.method)),
            h("td", { class: "path" }, h("code", {}, entry.path)),
            h("td", {}, status(entry)),
            h("td", {}, h("code", { class: "id" }, entry.requestId || "–")),
            h("td", { class: "number" }, milliseconds(entry.ms)),
            h(
              "td",
              {},
              button("Copy as curl", (event) => copy(event.currentTarget, asCurl(entry)), {
                "aria-label": `Copy ${entry.method} ${entry.path} as curl`,
              }),
            ),
          ),
        ),
      ),
    ),
  );
}

function method(name) {
  return h("b", { class: `method ${name.toLowerCase()}` }, name);
}

function status(entry) {
  if (entry.left) return h("span", { class: "hint" }, "not waited for");
  const kind = entry.status === 0 || entry.status >= 500 ? "bad" : entry.status >= 400 ? "warn" : "good";
  return h("span", { class: `code-${kind}` }, entry.status || "no answer");
}

/** To the clipboard, which browsers give to safe origins alone; elsewhere to where it can be copied by hand. */
async function copy(pressed, text) {
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = "Copied";
    say("Copied, with $KEY in place of the key.");
    setTimeout(() => {
      pressed.textContent = "Copy as curl";
    }, 1500);
  } catch {
    const area = h("textarea", { readonly: true, rows: "4", "aria-label": "The call as curl" });
    area.value = text;
    pressed.replaceWith(area);
    area.focus();
    area.select();
  }
}
