// What was called, how it went, and what is left.

import { call, limits, onCall } from "./api.js";
import { badge, facts, h, milliseconds, moment, number, percent, put, table, words } from "./dom.js";
import { slices } from "./lists.js";
import { fill } from "./problems.js";
import { bar } from "./roadmap.js";
import { members } from "./structured.js";

const NAMES = { p95_ms: "p95 latency", time_to_first_call_s: "time to first call", calls_a_day: "calls a day" };
const SIGNS = { lt: "<", lte: "≤", gt: ">", gte: "≥" };

export function usage({ main, signal }) {
  const month = h("div", {});
  const operations = h("div", {});
  const targets = h("div", {});
  const left = h("div", {});
  put(
    main,
    h("h1", {}, "Usage"),
    month,
    h("section", { class: "card" }, h("h2", {}, "Rate limits, as the last answer told them"), left),
    h("section", {}, h("h2", {}, "By operation, 30 days"), operations),
    h("section", {}, h("h2", {}, "Targets, 30 days"), targets),
  );
  fill(month, signal, async () => summary(await call("get_usage", { query: { group_by: "day" }, signal })));
  fill(operations, signal, async () =>
    byOperation(await call("get_usage", { query: { group_by: "operation" }, signal })),
  );
  fill(targets, signal, async () => targetsTable(await call("get_api_metrics", { signal })));
  const draw = () => put(left, limitsTable());
  draw();
  onCall(draw, signal);
}

function summary({ quota, total, uptime }) {
  const used = quota.limit ? quota.used / quota.limit : 0;
  return h(
    "div",
    { class: "two" },
    h(
      "section",
      { class: "card" },
      h("h2", {}, "This month ", badge(quota.plan)),
      h("p", { class: "figure" }, h("b", {}, number(quota.used)), ` of ${number(quota.limit)} calls`),
      bar(Math.min(used, 1), null, used >= 0.8 ? "bar-full" : "bar-used", `${percent(used)} of the quota is used`),
      h(
        "p",
        { class: "hint" },
        `${number(quota.remaining)} left. It starts again `,
        moment(quota.resets_at),
        quota.policy === "block" ? "; at the end of it calls are refused." : "; at the end of it the plan grows.",
      ),
    ),
    h(
      "section",
      { class: "card" },
      h("h2", {}, "How it went"),
      facts([
        ["Calls", number(total.calls)],
        ["Error rate (5xx)", percent(total.error_rate)],
        ["Refused (4xx)", number(total.refusals)],
        ["p50 / p95", `${milliseconds(total.p50_ms)} / ${milliseconds(total.p95_ms)}`],
        ["Uptime", uptime.share === null ? "–" : percent(uptime.share)],
      ]),
    ),
  );
}

function byOperation({ data }) {
  return slices(
    "Calls by operation",
    [
      {
        title: "Operation",
        class: "wide",
        cell: (row) =>
          /^[a-z_]+$/.test(row.group)
            ? h("a", { href: `/docs/api#${row.group}` }, h("code", {}, row.group))
            : row.group,
      },
      { title: "Calls", class: "number", cell: (row) => number(row.calls) },
      { title: "Refused", class: "number", cell: (row) => number(row.refusals) },
      { title: "Errors", class: "number", cell: (row) => number(row.errors) },
      { title: "Error rate", class: "number", cell: (row) => percent(row.error_rate) },
      { title: "p50", class: "number", cell: (row) => milliseconds(row.p50_ms) },
      { title: "p95", class: "number", cell: (row) => milliseconds(row.p95_ms) },
    ],
    data,
    { size: 25, empty: "Nothing was called yet." },
  );
}

function targetsTable({ data }) {
  return table(
    "Targets",
    [
      { title: "Figure", cell: (row) => NAMES[row.name] ?? words(row.name) },
      { title: "Value", class: "number", cell: (row) => valued(row.value, row.unit) },
      {
        title: "Target",
        class: "number",
        cell: (row) => (row.target ? `${SIGNS[row.target.op]} ${valued(row.target.value, row.unit)}` : "–"),
      },
      {
        title: "Met",
        cell: (row) => (row.met === null ? "–" : row.met ? badge("met", "good") : badge("missed", "bad")),
      },
      { title: "Measured on", class: "number", cell: (row) => number(row.of) },
    ],
    data,
  );
}

function valued(value, unit) {
  if (value === null) return "–";
  if (unit === "share") return percent(value);
  return unit === "ms" ? milliseconds(value) : `${number(value)}${unit === "s" ? " s" : ""}`;
}

/** Seconds as people say them, in the largest unit that leaves at least two, days at most. */
function span(seconds) {
  const [size, name] = [
    [86_400, "days"],
    [3600, "hours"],
    [60, "minutes"],
  ].find(([size]) => seconds >= 2 * size) ?? [1, "s"];
  return `${number(Math.round(seconds / size))} ${name}`;
}

/** `"second";q=100;w=1, "month";q=10000;w=2592000` beside `"second";r=199;t=1`, by name. */
function limitsTable() {
  const policies = members(limits.policy);
  const rest = members(limits.left);
  return [
    table(
      "Rate limits",
      [
        { title: "Policy", cell: ([name]) => name },
        { title: "Left", class: "number", cell: ([name]) => number(rest.get(name)?.r) },
        { title: "Allowed", class: "number", cell: ([, { q, w }]) => `${number(q)} in ${span(w)}` },
        {
          title: "More in",
          class: "number",
          cell: ([name]) => (rest.get(name)?.t === undefined ? "–" : span(rest.get(name).t)),
        },
      ],
      [...policies].slice(0, 10),
      { empty: "No answer told limits yet." },
    ),
    policies.size > 0 &&
      h(
        "ul",
        { class: "headers" },
        h("li", {}, h("code", {}, h("b", {}, "RateLimit-Policy"), `: ${limits.policy}`)),
        h("li", {}, h("code", {}, h("b", {}, "RateLimit"), `: ${limits.left}`)),
      ),
  ];
}
