// What was decided, by which weights, and how far the answer is from another.

import { call } from "./api.js";
import { badge, choice, facts, field, h, id, moment, number, percent, put, table, words } from "./dom.js";
import { finding, pages } from "./lists.js";
import { fill, form } from "./problems.js";
import { bar } from "./roadmap.js";

const KINDS = ["build_vs_buy", "tradeoff", "tech_debt", "architecture", "scope"];

export function decisions({ main, signal }) {
  const search = h("input", { type: "search", autocomplete: "off", maxlength: "200" });
  const status = choice(["", "draft", "recorded"]);
  const kind = choice(["", ...KINDS]);
  const filters = finding({ Search: search, Status: status, Kind: kind }, () => list.reload());
  const list = pages(
    "Decisions",
    COLUMNS,
    (cursor) =>
      call("list_decisions", {
        query: { q: search.value.trim(), status: status.value, kind: kind.value, limit: 20, cursor },
        signal,
      }),
    { signal, empty: "No decision is like that." },
  );
  put(main, h("h1", {}, "Decisions"), filters, list);
}

const COLUMNS = [
  { title: "No.", class: "number", cell: (row) => row.number },
  { title: "Decision", class: "wide", cell: (row) => h("a", { href: `#/decisions/${row.id}` }, row.title) },
  { title: "Kind", cell: (row) => words(row.kind) },
  { title: "Status", cell: (row) => state(row) },
  { title: "Leader", cell: (row) => named(row, row.chosen ?? row.analysis?.leader) },
  { title: "Margin", class: "number", cell: (row) => number(row.analysis?.margin) },
];

function state(row) {
  return row.status === "recorded" ? badge("recorded", "good") : badge("draft");
}

function named(row, key) {
  return key ? (row.options.find((option) => option.key === key)?.title ?? key) : "–";
}

export function decision({ main, signal, id: decisionId, again }) {
  const place = h("div", {});
  put(main, h("p", { class: "back" }, h("a", { href: "#/decisions" }, "← Decisions")), place);
  fill(place, signal, async () => {
    const found = await call("get_decision", { path: { id: decisionId }, signal });
    document.title = `${found.title} · Roadbed console`;
    return [
      h("h1", {}, found.title),
      facts([
        ["Id", id(found.id)],
        ["Number", found.number],
        ["Kind", words(found.kind)],
        ["Status", state(found)],
        found.chosen && ["Chosen", h("b", {}, named(found, found.chosen))],
        found.decided_by && ["Decided by", found.decided_by],
        found.decided_at && ["Decided", moment(found.decided_at)],
        found.chained && [
          "Chained",
          h("span", {}, `at ${number(found.chained.position)}, `, id(found.chained.hash.slice(0, 16)), "…"),
        ],
      ]),
      found.rationale && h("blockquote", { class: "text" }, found.rationale),
      found.context && h("p", { class: "text" }, found.context),
      h("h2", {}, "Weighted matrix"),
      matrix(found),
      analysis(found),
      found.status === "draft" && recording(found, signal, again),
    ];
  });
}

/** Criteria down, options across: each rating, and what it adds to the total. */
function matrix(found) {
  const { options, criteria, ratings, analysis: told } = found;
  if (!criteria.length) return h("p", { class: "empty" }, "It has no criteria, so there is nothing to weigh.");
  const sum = told ? null : criteria.reduce((all, one) => all + one.weight, 0);
  const leads = (option) => told?.leader === option.key && "leads";
  return table(
    "Weighted matrix",
    [
      {
        title: "Criterion",
        cell: (row) => [row.title, row.direction === "cost" && h("span", { class: "hint" }, " (less is better)")],
      },
      { title: "Weight", class: "number", cell: (row) => percent(told ? told.weights[row.key] : row.weight / sum) },
      ...options.map((option) => ({
        title: option.title,
        class: `number ${leads(option) || ""}`,
        cell: (row) => {
          const rating = ratings[option.key]?.[row.key];
          if (rating === undefined || rating === null) return h("span", { class: "hint" }, "not rated");
          return [number(rating), told && h("small", {}, `+ ${number(told.contributions[option.key]?.[row.key])}`)];
        },
      })),
    ],
    criteria,
    {
      foot:
        told &&
        h(
          "tr",
          {},
          h("th", { scope: "row" }, "Total"),
          h("td", {}),
          options.map((option) =>
            h(
              "td",
              { class: `number ${leads(option) || ""}` },
              h("b", {}, number(told.totals[option.key])),
              leads(option) && h("small", {}, "leads"),
            ),
          ),
        ),
    },
  );
}

function analysis(found) {
  const told = found.analysis;
  if (!told)
    return h(
      "p",
      { class: "empty" },
      `${number(found.missing_ratings.length)} cells are not rated: it is analysed once all are.`,
    );
  const { sensitivity: doubt } = told;
  const flip = doubt?.smallest_flip;
  const criterion = (key) => found.criteria.find((one) => one.key === key)?.title ?? key;
  return [
    h(
      "p",
      { class: "lead" },
      told.leader
        ? [
            h("b", {}, named(found, told.leader)),
            " leads ",
            named(found, told.runner_up),
            " by ",
            h("b", {}, number(told.margin)),
            ` (${percent(told.margin_share)} of its total).`,
          ]
        : "The top is tied.",
      " ",
      doubt && badge(words(doubt.robustness), doubt.robustness === "robust" ? "good" : "warn"),
    ),
    flip &&
      h(
        "p",
        {},
        `The smallest change that flips it: ${named(found, flip.option)} on “${criterion(flip.criterion)}” at `,
        `${number(flip.rating + flip.change)} instead of ${number(flip.rating)} makes ${named(found, flip.winner)} win.`,
      ),
    doubt &&
      h(
        "section",
        { class: "card" },
        h("h2", {}, "How often each wins when the weights are doubted"),
        h(
          "ul",
          { class: "bars" },
          found.options.map((option) =>
            h(
              "li",
              {},
              h("span", { class: "bar-name" }, option.title),
              bar(
                doubt.win_probability[option.key] ?? 0,
                null,
                "bar-used",
                `${option.title}: ${percent(doubt.win_probability[option.key])}`,
              ),
              h("span", { class: "bar-told" }, h("b", {}, percent(doubt.win_probability[option.key]))),
            ),
          ),
        ),
      ),
    told.normalised &&
      h("p", { class: "hint" }, `The weights sum to ${number(told.weight_sum)}, and are used as shares of it.`),
    found.assessment?.findings.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, "Findings"),
        h(
          "ul",
          {},
          found.assessment.findings.slice(0, 50).map((finding) => h("li", {}, finding.message)),
        ),
      ),
  ];
}

/** For good: only of the version that is on the screen. */
function recording(found, signal, again) {
  const chosen = choice(
    found.options.map((option) => [option.key, option.title]),
    found.analysis?.leader ?? "",
  );
  const rationale = h("textarea", { rows: "4" });
  const by = h("input", { type: "text", autocomplete: "off" });
  const ask = () => ({
    path: { id: found.id },
    headers: { "If-Match": `"${found.version}"` },
    body: {
      chosen: chosen.value,
      rationale: rationale.value,
      ...(by.value.trim() ? { decided_by: by.value.trim() } : {}),
    },
  });
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Record it"),
    h("p", {}, "A recorded decision is frozen: nobody can change it, and it joins the chain of hashes."),
    form("Record the decision", "record_decision", ask, () => again(), {
      signal,
      fields: [
        field("Chosen", chosen, { pointer: "/chosen" }),
        field("Rationale", rationale, {
          pointer: "/rationale",
          hint: "Why this and not the others, for whoever asks in a year.",
        }),
        field("Decided by", by, { pointer: "/decided_by", hint: "Optional." }),
      ],
    }),
  );
}
