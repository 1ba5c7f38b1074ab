// A refusal as people read it, beside what it is about.

import { button, h, put } from "./dom.js";
import { Refused, call, fresh } from "./api.js";

/** What was refused and why, with its page of the documentation and its id. `again` makes a button of itself. */
export function problem(error, again = null) {
  if (!(error instanceof Refused)) throw error;
  const { title, detail, code, errors = [] } = error.problem;
  const known = /^[a-z_]{1,64}$/.test(code ?? "");
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", {}, h("strong", {}, title ?? "Refused"), error.status ? ` (${error.status})` : ""),
    detail && h("p", {}, detail),
    errors.length > 1 &&
      h(
        "ul",
        {},
        errors.slice(0, 20).map((one) => h("li", {}, `${one.target?.name ?? ""}: ${one.message}`)),
      ),
    h(
      "p",
      { class: "hint" },
      known && ["Code ", h("a", { href: `/docs/errors/${code}` }, h("code", {}, code))],
      error.requestId && [known ? " · " : "", "Request ", h("code", {}, error.requestId)],
    ),
    again && button("Try again", again),
  );
}

/** Fill `place` with what `load` makes, or with why it could not. What comes after the view was left, or after the same
 * place was asked to show something newer, is dropped. */
export async function fill(place, signal, load) {
  const turn = Symbol("turn");
  newest.set(place, turn);
  const late = () => signal.aborted || newest.get(place) !== turn;
  place.setAttribute("aria-busy", "true");
  let shown;
  try {
    shown = await load();
  } catch (error) {
    if (late()) return;
    shown = problem(error, () => fill(place, signal, load));
  }
  if (late()) return;
  place.removeAttribute("aria-busy");
  put(place, shown);
}
const newest = new WeakMap();

/** A form that calls an operation. `ask()` gives the options of the call; `done(answer)` runs after it. What is wrong
 * with a field is told at the field. Sent again after no answer, it is the same call under the same key. */
export function form(label, operation, ask, done, { fields, extra = [], signal }) {
  const told = h("div", {});
  const submit = h("button", { type: "submit", class: "primary" }, label);
  let kept = { body: "", once: "" };
  const made = h(
    "form",
    { novalidate: true, on: { submit: send } },
    fields,
    told,
    h("div", { class: "actions" }, submit, extra),
  );
  return made;

  async function send(event) {
    event.preventDefault();
    if (submit.disabled) return;
    clear(made);
    put(told);
    submit.disabled = true;
    const options = ask();
    const body = JSON.stringify(options);
    if (kept.body !== body) kept = { body, once: fresh() };
    try {
      const answer = await call(operation, { ...options, once: kept.once, signal });
      kept = { body: "", once: "" };
      if (!signal.aborted) await done(answer, made);
    } catch (error) {
      if (signal.aborted) return;
      if (!error.unanswered) kept = { body: "", once: "" };
      put(told, problem(error));
      point(made, error.problem?.errors ?? []);
    } finally {
      submit.disabled = false;
    }
  }
}

function clear(place) {
  for (const control of place.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  for (const wrong of place.querySelectorAll(".wrong")) wrong.textContent = "";
}

/** Tell each error at the control whose value it is about, and go to the first. */
function point(place, errors) {
  const controls = [...place.querySelectorAll("[data-pointer]")];
  const found = [];
  for (const error of errors) {
    const name = error.target?.name ?? "";
    const control = controls.find(({ dataset }) => name === dataset.pointer || name.startsWith(`${dataset.pointer}/`));
    if (!control) continue;
    control.setAttribute("aria-invalid", "true");
    document.getElementById(`${control.id}-wrong`).textContent = error.message;
    found.push(control);
  }
  found[0]?.focus();
}
