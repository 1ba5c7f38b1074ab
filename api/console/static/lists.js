// Lists by pages, each bounded.

import { button, field, h, put, say, table } from "./dom.js";
import { fill } from "./problems.js";

const PAGES = 500;

/** The form above a list: a control by its label. `find()` starts the list again, at once when a choice was changed. */
export function finding(controls, find) {
  for (const control of Object.values(controls)) {
    if (control instanceof HTMLSelectElement) control.addEventListener("change", find);
  }
  return h(
    "form",
    {
      role: "search",
      class: "filters",
      on: {
        submit: (event) => {
          event.preventDefault();
          find();
        },
      },
    },
    ...Object.entries(controls).map(([label, control]) => field(label, control)),
    h("button", { type: "submit" }, "Find"),
  );
}

/** A list of the API, page by page. `load(cursor)` gives a page. Call `reload()` of what is given to start again. */
export function pages(caption, columns, load, { signal, empty, decorate }) {
  const place = h("div", { class: "list" });
  let cursors = [""];
  place.reload = () => {
    cursors = [""];
    return show();
  };
  place.reload();
  return place;

  function show() {
    return fill(place, signal, async () => {
      const depth = cursors.length;
      const page = await load(cursors.at(-1));
      say(`${caption}: ${page.data.length} shown`);
      const made = table(caption, columns, page.data, { empty });
      decorate?.(page.data);
      if (depth === 1 && !page.has_more) return made;
      return [
        made,
        h(
          "div",
          { class: "pager" },
          button("← Previous", () => turn("back", () => cursors.pop()), {
            disabled: depth === 1,
            "data-turn": "back",
            "aria-label": `${caption}, the page before`,
          }),
          h("span", { class: "hint" }, `Page ${depth}`),
          button("Next →", () => turn("on", () => cursors.push(page.next_cursor)), {
            disabled: !page.has_more || depth >= PAGES,
            "data-turn": "on",
            "aria-label": `${caption}, the next page`,
          }),
        ),
      ];
    });
  }

  async function turn(way, change) {
    change();
    await show();
    stay(place, way);
  }
}

/** Rows that are all here already, some at a time. */
export function slices(caption, columns, rows, { size = 50, empty, after } = {}) {
  const place = h("div", { class: "list" });
  let start = 0;
  show();
  return place;

  function show() {
    const made = table(caption, columns, rows.slice(start, start + size), { empty, after });
    const pager =
      rows.length > size &&
      h(
        "div",
        { class: "pager" },
        button("← Previous", () => turn(-size), {
          disabled: start === 0,
          "data-turn": "back",
          "aria-label": `${caption}, the rows before`,
        }),
        h("span", { class: "hint" }, `${start + 1} to ${Math.min(start + size, rows.length)} of ${rows.length}`),
        button("Next →", () => turn(size), {
          disabled: start + size >= rows.length,
          "data-turn": "on",
          "aria-label": `${caption}, the next rows`,
        }),
      );
    put(place, made, pager);
  }

  function turn(by) {
    start += by;
    show();
    stay(place, by < 0 ? "back" : "on");
  }
}

/** Whoever turns pages by keyboard stays where they were, or is at the rows when there is no page more. */
function stay(place, way) {
  (place.querySelector(`[data-turn=${way}]:not(:disabled)`) ?? place.querySelector(".scroll"))?.focus();
}
