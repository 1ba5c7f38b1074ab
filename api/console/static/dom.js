// Elements made of text. Nothing here, and nothing that uses it, makes markup of a string: whatever the API tells,
// and whatever a receiver answered, is text.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Attributes that are false, null or undefined are left out; `on` has the listeners; children are shown as
 * `put` shows them. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a picture. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "href" && !leadsHere(value)) throw new Error("a link leads to this service alone");
    if (name.startsWith("on") || name === "style" || name === "src") throw new Error(`no ${name} here`);
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  put(element, children);
  return element;
}

/** Show these in `place`, and nothing else. Lists are opened, what is missing is left out, and what is no element is
 * text. */
export function put(place, ...children) {
  place.replaceChildren(
    ...children.flat(6).filter((child) => child !== null && child !== undefined && child !== false),
  );
}

/** Whether an address is one of this origin: a part of this page, or a path. */
function leadsHere(address) {
  return /^(#|\/(?![/\\]))/.test(address);
}

/** A control with its label, its hint, and the place where what is wrong with it is told. `pointer` is where its value
 * stands in the body, as the API names it. */
export function field(label, control, { hint = "", pointer = "" } = {}) {
  const id = `field-${(fields += 1)}`;
  control.id = id;
  if (pointer) control.dataset.pointer = pointer;
  const told = [`${id}-wrong`];
  if (hint) told.unshift(`${id}-hint`);
  control.setAttribute("aria-describedby", told.join(" "));
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    h("p", { class: "wrong", id: `${id}-wrong` }),
  );
}
let fields = 0;

/** A choice. `options` are values, or pairs of a value and its label. */
export function choice(options, chosen = "") {
  return h(
    "select",
    {},
    options.map((option) => {
      const [value, label] = Array.isArray(option) ? option : [option, option ? words(option) : "any"];
      return h("option", { value, selected: value === chosen }, label);
    }),
  );
}

export function button(label, listener, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click: listener } }, label);
}

/** A table under its name. `columns` are {title, cell(row), class}; a wide one scrolls in itself, by keyboard too. */
export function table(caption, columns, rows, { empty = "There is nothing here.", foot = null, after = null } = {}) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const line = (row, index) => [
    h(
      "tr",
      {},
      columns.map((column) => h("td", { class: column.class }, column.cell(row, index))),
    ),
    after && after(row, index),
  ];
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((column) => h("th", { scope: "col", class: column.class }, column.title)),
        ),
      ),
      h("tbody", {}, rows.map(line)),
      foot && h("tfoot", {}, foot),
    ),
  );
}

/** Names and values beside each other. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "told" },
    pairs.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

export function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

export function id(value) {
  return h("code", { class: "id" }, value);
}

/** `in_progress` as people write it. */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

/** Tell a reader of the screen, who does not see what changed. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });
const ROUGH = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export function number(value) {
  return value === null || value === undefined ? "–" : NUMBER.format(value);
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${ROUGH.format(share * 100)} %`;
}

export function milliseconds(value) {
  return value === null || value === undefined ? "–" : `${ROUGH.format(value)} ms`;
}

/** A moment in the reader's own time zone; what the API said stands in its title. */
export function moment(text) {
  if (!text) return "–";
  const date = new Date(text);
  return h("time", { datetime: text, title: text }, Number.isNaN(date.getTime()) ? text : MOMENT.format(date));
}
