// What could be built: found, made and scored.

import { call } from "./api.js";
import { choice, facts, field, h, id, moment, number, put, svg, words } from "./dom.js";
import { finding, pages } from "./lists.js";
import { fill, form } from "./problems.js";

const STATUSES = ["idea", "candidate", "planned", "in_progress", "shipped", "dropped"];
const BUCKETS = ["product", "technical", "innovation"];
const RICE = [
  ["reach", "Reach", "People or events in a period, the same for all."],
  ["impact", "Impact", "3 massive, 2 high, 1 medium, 0.5 low, 0.25 minimal."],
  ["confidence", "Confidence", "0 to 1: write 0.8 for 80 %."],
  ["effort", "Effort", "Person-months, all disciplines."],
];

export function features({ main, signal }) {
  const search = h("input", { type: "search", autocomplete: "off", maxlength: "200" });
  const status = choice(["", ...STATUSES]);
  const bucket = choice(["", ...BUCKETS]);
  const filters = finding({ Search: search, Status: status, Bucket: bucket }, () => list.reload());
  put(main, h("h1", {}, "Features"), creation(signal), filters);
  const list = pages(
    "Features",
    COLUMNS,
    (cursor) =>
      call("list_features", {
        query: {
          q: search.value.trim(),
          status: status.value,
          bucket: bucket.value,
          expand: "latest_score",
          limit: 25,
          cursor,
        },
        signal,
      }),
    { signal, empty: "No feature is like that." },
  );
  main.append(list);
}

const COLUMNS = [
  { title: "Feature", class: "wide", cell: (row) => h("a", { href: `#/features/${row.id}` }, row.title) },
  {
    title: "Latest score",
    class: "number",
    cell: (row) =>
      row.latest_score
        ? [number(row.latest_score.value), h("span", { class: "hint" }, ` ${row.latest_score.framework}`)]
        : "–",
  },
  { title: "Status", cell: (row) => words(row.status) },
  { title: "Bucket", cell: (row) => h("span", { class: `bucket ${row.bucket}` }, words(row.bucket)) },
  { title: "Updated", cell: (row) => moment(row.updated_at) },
];

function creation(signal) {
  const title = h("input", { type: "text", autocomplete: "off" });
  const status = choice(STATUSES, "candidate");
  const bucket = choice(BUCKETS, "product");
  const description = h("textarea", { rows: "3" });
  const labels = h("input", { type: "text", autocomplete: "off" });
  const ask = () => ({
    body: {
      title: title.value,
      status: status.value,
      bucket: bucket.value,
      ...(description.value ? { description: description.value } : {}),
      ...(labels.value.trim() ? { labels: labels.value.split(",").map((label) => label.trim()) } : {}),
    },
  });
  return h(
    "details",
    { class: "card" },
    h("summary", {}, "New feature"),
    form(
      "Make the feature",
      "create_feature",
      ask,
      (made) => {
        location.hash = `#/features/${made.id}`;
      },
      {
        signal,
        fields: [
          field("Title", title, { pointer: "/title" }),
          h(
            "div",
            { class: "fields-row" },
            field("Status", status, { pointer: "/status" }),
            field("Bucket", bucket, { pointer: "/bucket", hint: "Which share of 70/20/10 it draws on." }),
          ),
          field("Description", description, { pointer: "/description" }),
          field("Labels", labels, { pointer: "/labels", hint: "Separated by commas." }),
        ],
      },
    ),
  );
}

export function feature({ main, signal, id: featureId }) {
  const head = h("div", {});
  const history = h("div", {});
  put(
    main,
    h("p", { class: "back" }, h("a", { href: "#/features" }, "← Features")),
    head,
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Score it with RICE"),
      scoring(featureId, signal, () => showHistory()),
    ),
    h("section", {}, h("h2", {}, "Score history"), history),
  );
  fill(head, signal, async () => {
    const found = await call("get_feature", { path: { id: featureId }, signal });
    document.title = `${found.title} · Roadbed console`;
    return [
      h("h1", {}, found.title),
      facts([
        ["Id", id(found.id)],
        ["Status", words(found.status)],
        ["Bucket", h("span", { class: `bucket ${found.bucket}` }, words(found.bucket))],
        found.labels.length > 0 && ["Labels", found.labels.slice(0, 50).join(", ")],
        found.source && ["Source", `${found.source}: ${found.external_id}`],
        ["Version", found.version],
        ["Updated", moment(found.updated_at)],
      ]),
      found.description && h("p", { class: "text" }, found.description),
    ];
  });
  showHistory();

  function showHistory() {
    put(
      history,
      sparkline(featureId, signal),
      pages(
        "Scores",
        SCORES,
        (cursor) => call("list_scores", { query: { feature_id: featureId, limit: 20, cursor }, signal }),
        { signal, empty: "It has no score yet." },
      ),
    );
  }
}

/** The API says what is wrong with a value: what is no number is sent as it was typed. */
function scoring(featureId, signal, done) {
  const controls = RICE.map(([name, label, hint]) => [
    name,
    label,
    hint,
    h("input", { type: "text", inputmode: "decimal", autocomplete: "off" }),
  ]);
  const note = h("input", { type: "text", autocomplete: "off" });
  const told = h("p", { class: "hint", role: "status" });
  const ask = () => ({
    path: { id: featureId },
    body: {
      framework: "rice",
      inputs: Object.fromEntries(
        controls
          .filter(([, , , input]) => input.value.trim())
          .map(([name, , , input]) => [name, value(input.value.trim())]),
      ),
      ...(note.value ? { note: note.value } : {}),
    },
  });
  return [
    form(
      "Score",
      "create_score",
      ask,
      (score) => {
        told.textContent = `Scored ${number(score.value)} by ${score.formula}. Reprioritise to rank it.`;
        done();
      },
      {
        signal,
        fields: [
          h(
            "div",
            { class: "fields-row four" },
            controls.map(([name, label, hint, input]) => field(label, input, { hint, pointer: `/inputs/${name}` })),
          ),
          field("Note", note, { pointer: "/note", hint: "Optional: why these figures." }),
        ],
      },
    ),
    told,
  ];
}

/** A number to the digit, where the browser can send one: the API computes with exact decimals. */
function value(text) {
  if (!/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return text;
  return JSON.rawJSON ? JSON.rawJSON(text) : Number(text);
}

const SCORES = [
  { title: "Value", class: "number", cell: (row) => h("b", {}, number(row.value)) },
  { title: "Formula", cell: (row) => h("code", {}, row.formula) },
  {
    title: "Inputs",
    class: "wide",
    cell: (row) =>
      Object.entries(row.inputs)
        .slice(0, 20)
        .map(([name, input]) => `${words(name)} ${shown(input)}`)
        .join(", "),
  },
  { title: "By", cell: (row) => [row.author, row.author_kind === "agent" && h("span", { class: "hint" }, " agent")] },
  { title: "When", cell: (row) => moment(row.created_at) },
  { title: "Note", class: "wide", cell: (row) => row.note ?? "–" },
];

function shown(input) {
  if (typeof input === "number") return number(input);
  return typeof input === "string" ? input : JSON.stringify(input);
}

/** The RICE values over time, oldest first. */
function sparkline(featureId, signal) {
  const place = h("div", {});
  fill(place, signal, async () => {
    const { data } = await call("list_scores", {
      query: { feature_id: featureId, framework: "rice", limit: 50 },
      signal,
    });
    if (data.length < 2) return [];
    const values = data.map((score) => score.value).reverse();
    const top = Math.max(...values);
    const bottom = Math.min(...values, 0);
    const points = values.map(
      (one, index) => `${(index / (values.length - 1)) * 196 + 2},${38 - ((one - bottom) / (top - bottom || 1)) * 34}`,
    );
    return svg(
      "svg",
      {
        class: "spark",
        viewBox: "0 0 200 40",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `RICE over ${values.length} scores, from ${number(values[0])} to ${number(values.at(-1))}`,
      },
      svg("polyline", { points: points.join(" ") }),
    );
  });
  return place;
}
