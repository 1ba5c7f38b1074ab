// The frame: who is calling, which view is shown, and what was called.

import { Refused, call, forgetCalls } from "./api.js";
import { badge, button, field, h, moment, put, say } from "./dom.js";
import { decision, decisions } from "./decisions.js";
import { feature, features } from "./features.js";
import { install as installLog } from "./log.js";
import { problem } from "./problems.js";
import { revision, roadmap } from "./roadmap.js";
import * as session from "./session.js";
import { usage } from "./usage.js";
import { dead, deliveries, delivery, endpoint, endpoints, event, live } from "./webhooks.js";

const VIEWS = [
  ["roadmap", "Roadmap"],
  ["features", "Features"],
  ["decisions", "Decisions"],
  ["webhooks", "Webhooks"],
  ["usage", "Usage"],
];
const ROUTES = [
  [/^#\/roadmap$/, roadmap],
  [/^#\/roadmap\/(rev_\w+)$/, revision],
  [/^#\/features$/, features],
  [/^#\/features\/(feat_\w+)$/, feature],
  [/^#\/decisions$/, decisions],
  [/^#\/decisions\/(dec_\w+)$/, decision],
  [/^#\/webhooks$/, endpoints],
  [/^#\/webhooks\/deliveries$/, deliveries],
  [/^#\/webhooks\/dead$/, dead],
  [/^#\/webhooks\/live$/, live],
  [/^#\/webhooks\/(ep_\w+)$/, endpoint],
  [/^#\/webhooks\/(dlv_\w+)$/, delivery],
  [/^#\/webhooks\/(evt_\w+)$/, event],
  [/^#\/usage$/, usage],
];

const main = document.getElementById("content");
let leaving = new AbortController();

installLog(document.getElementById("log"));
addEventListener("hashchange", () => show(true));
// What stands after `#` is the view, so the way past the navigation is not left to the browser.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// A key that was revoked or has run out: say so where a new one is asked for.
addEventListener("roadbed:refused", ({ detail }) => {
  if (!session.key()) return;
  session.forget();
  frame();
  gate(detail);
});
show(false);

function show(moved) {
  frame();
  if (!session.key()) return gate();
  const [view, found] = route(location.hash) ?? [];
  if (!view) {
    location.replace("#/roadmap");
    return undefined;
  }
  const signal = next();
  view({ main, signal, id: found[1] ?? "", again });
  const title = main.querySelector("h1")?.textContent ?? "Console";
  document.title = `${title} · Roadbed console`;
  if (moved) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
    say(title);
  }
  return undefined;
}

/** The same view anew, after it changed what it shows. */
function again() {
  show(false);
  main.focus({ preventScroll: true });
}

function route(hash) {
  for (const [pattern, view] of ROUTES) {
    const found = pattern.exec(hash);
    if (found) return [view, found];
  }
  return null;
}

/** End what the view before still waits for. */
function next() {
  leaving.abort();
  leaving = new AbortController();
  return leaving.signal;
}

/** The parts around the view. */
function frame() {
  const mode = session.mode();
  document.documentElement.dataset.mode = mode || "none";
  const here = location.hash.split("/")[1] ?? "";
  const nav = document.getElementById("views");
  nav.hidden = !mode;
  put(
    nav,
    h(
      "ul",
      {},
      VIEWS.map(([name, label]) =>
        h("li", {}, h("a", { href: `#/${name}`, "aria-current": name === here ? "page" : null }, label)),
      ),
    ),
  );
  const until = session.claimUntil();
  put(
    document.getElementById("session"),
    mode
      ? [
          badge(mode === "live" ? "Live" : "Test", `mode ${mode}`),
          mode === "test" && h("span", { class: "hint sandbox" }, "sandbox data"),
          h(
            "span",
            { class: "hint key-shown" },
            h("code", {}, session.masked()),
            until && [" kept until ", moment(until)],
          ),
          button("Forget key", forget),
        ]
      : [],
  );
}

function forget() {
  session.forget();
  forgetCalls();
  frame();
  gate();
  say("The key is forgotten.");
}

/** Where the key is given, or a sandbox is opened. */
function gate(refused = null) {
  const signal = next();
  document.title = "Console · Roadbed";
  // No password field: the browser would offer to keep it, and it is kept in this tab alone.
  const input = h("input", {
    type: "text",
    class: "secret",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    placeholder: "rb_live_… or rb_test_…",
  });
  const place = field("API key", input, {
    hint:
      "It is kept in this tab until you close it, and sent to this address alone. " +
      "A test key sees the sandbox, a live key the real data.",
  });
  const told = h("div", {}, refused && problem(refused));
  const seed = h("input", { type: "checkbox", id: "seed", checked: true });
  put(
    main,
    h("h1", {}, "Console"),
    h(
      "p",
      { class: "lead" },
      "Your roadmap, decisions, webhooks and usage, through the same API that your programs call. ",
      "Each call that this page makes stands in the log below, to copy as curl.",
    ),
    told,
    h(
      "div",
      { class: "gates" },
      h(
        "section",
        { class: "card" },
        h("h2", {}, "Use a key"),
        h(
          "form",
          { novalidate: true, on: { submit: enter } },
          place,
          h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Open the console")),
        ),
      ),
      h(
        "section",
        { class: "card" },
        h("h2", {}, "No key yet?"),
        h(
          "p",
          {},
          "A sandbox is a workspace of your own with a test key, at once and without signing up. ",
          "It is deleted after seven days, unless you ",
          h("a", { href: "/docs/sandbox" }, "claim it"),
          ".",
        ),
        h("p", { class: "check" }, seed, h("label", { for: "seed" }, "Fill it with the examples of the guide")),
        h("div", { class: "actions" }, button("Open a sandbox", openSandbox, { class: "primary" })),
      ),
    ),
  );

  function enter(event) {
    event.preventDefault();
    const text = input.value.trim();
    if (!session.fits(text)) {
      input.setAttribute("aria-invalid", "true");
      document.getElementById(`${input.id}-wrong`).textContent =
        "This is no key of Roadbed: one begins with rb_live_ or rb_test_ and has 36 characters more.";
      input.focus();
      return;
    }
    session.use(text);
    begin();
  }

  async function openSandbox({ currentTarget }) {
    currentTarget.disabled = true;
    try {
      const sandbox = await call("open_sandbox", { signal });
      session.use(sandbox.test_key.secret, sandbox.claim_until);
      if (seed.checked) await call("seed_sandbox", { signal });
      begin();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      put(told, problem(error));
      currentTarget.disabled = false;
      // The sandbox is there, if only without its examples.
      if (session.key()) begin();
    }
  }

  function begin() {
    if (route(location.hash)) show(true);
    else location.hash = "#/roadmap";
  }
}
