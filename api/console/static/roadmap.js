// What is built first, why it stands there, and what moved.

import { call } from "./api.js";
import { badge, button, choice, facts, field, h, id, moment, number, percent, put, say, svg, words } from "./dom.js";
import { pages, slices } from "./lists.js";
import { fill, form } from "./problems.js";
import { mode } from "./session.js";

const DRAWN = 40;
const CAUSES = {
  new: "ranked for the first time",
  left: "left the ranking",
  status_changed: "its status changed",
  score_changed: "its score changed",
  framework_changed: "another framework",
  override: "placed by an override",
  tie: "an equal value, the older first",
  others_moved: "others moved past it",
};

export function roadmap({ main, signal, again }) {
  const current = h("div", {});
  const history = h("section", {}, h("h2", {}, "Revisions"));
  const panel = h("section", { class: "card", hidden: true, "aria-label": "Reprioritise" });
  const open = button("Reprioritise", () => plan(panel, signal, again), { class: "primary" });
  put(main, h("div", { class: "title" }, h("h1", {}, "Roadmap"), open), panel, current, history);
  fill(current, signal, () => ranking(signal, again));
  history.append(
    pages(
      "Revisions",
      REVISIONS,
      (cursor) => call("list_roadmap_revisions", { query: { limit: 10, cursor }, signal }),
      { signal, empty: "Nothing was ranked yet." },
    ),
  );
}

async function ranking(signal, again) {
  const roadmap = await call("get_roadmap", { signal });
  if (!roadmap.revision_id) return emptyRoadmap(signal, again);
  const revision = await call("get_roadmap_revision", { path: { id: roadmap.revision_id }, signal });
  const moves = new Map(revision.moves.map((move) => [move.feature_id, move]));
  const left = revision.moves.filter((move) => move.to === null).slice(0, 20);
  return [
    h(
      "p",
      { class: "hint" },
      `${number(roadmap.ranking_total)} features by ${roadmap.series}, ranked `,
      moment(revision.created_at),
      " by ",
      revision.author,
      revision.reason && `: “${revision.reason}”`,
      ". ",
      h("a", { href: `#/roadmap/${roadmap.revision_id}` }, "This revision"),
    ),
    h("div", { class: "two" }, allocation(roadmap), cutLine(roadmap)),
    slices(
      "Ranking",
      [
        { title: "Rank", class: "number", cell: (row) => row.rank },
        { title: "Moved", cell: (row) => arrow(moves.get(row.feature_id)) },
        { title: "Feature", class: "wide", cell: (row) => h("a", { href: `#/features/${row.feature_id}` }, row.title) },
        {
          title: "Score",
          class: "number",
          cell: (row) => [
            number(row.value),
            row.computed_rank === row.rank ? "" : h("span", { class: "hint" }, ` would be ${row.computed_rank}`),
          ],
        },
        { title: "Months", class: "number", cell: (row) => number(row.effort_months) },
        { title: "Bucket", cell: (row) => bucket(row.bucket) },
        { title: "Status", cell: (row) => words(row.status) },
      ],
      roadmap.ranking,
      {
        after: (row) =>
          roadmap.cut_line &&
          row.rank === roadmap.cut_line.rank &&
          h(
            "tr",
            { class: "cut" },
            h(
              "td",
              { colspan: "7" },
              `Cut line: ${number(roadmap.cut_line.effort_months)} of `,
              `${number(roadmap.cut_line.capacity_months)} months are taken`,
            ),
          ),
      },
    ),
    roadmap.ranking_total > roadmap.ranking.length &&
      h("p", { class: "hint" }, `The first ${number(roadmap.ranking.length)} are shown.`),
    left.length > 0 &&
      h(
        "p",
        {},
        "Left the ranking: ",
        left.map((move, index) => [
          index ? ", " : "",
          h("a", { href: `#/features/${move.feature_id}` }, id(move.feature_id)),
          ` (was ${move.from})`,
        ]),
      ),
  ];
}

function emptyRoadmap(signal, again) {
  const told = h("div", {});
  const seed = async () =>
    fill(told, signal, async () => {
      await call("seed_sandbox", { signal });
      again();
      return [];
    });
  return h(
    "div",
    { class: "card" },
    h(
      "p",
      {},
      "Nothing is ranked yet. ",
      h("a", { href: "#/features" }, "Make a feature"),
      ", score it, and reprioritise.",
    ),
    mode() === "test" && button("Fill the sandbox with the guide’s examples", seed),
    told,
  );
}

/** An arrow with where a feature came from, and why. */
function arrow(move) {
  if (!move) return h("span", { class: "hint" }, "–");
  const why = CAUSES[move.cause] ?? words(move.cause);
  const [sign, kind, told] =
    move.from === null
      ? ["★", "new", "new"]
      : move.to === null
        ? ["✕", "down", `was ${move.from}`]
        : move.to < move.from
          ? ["▲", "up", `from ${move.from}`]
          : ["▼", "down", `from ${move.from}`];
  return h(
    "span",
    { class: `move ${kind}` },
    h("span", { "aria-hidden": "true" }, sign),
    ` ${told}`,
    h("small", {}, why),
  );
}

function bucket(name) {
  return h("span", { class: `bucket ${name}` }, words(name));
}

/** Effort by bucket as bars, each with a line where its target is. */
function allocation({ allocation: told, cut_line: line }) {
  if (!told || !told.total_months)
    return h(
      "section",
      { class: "card" },
      h("h2", {}, "Allocation"),
      h("p", { class: "empty" }, "No score tells an effort yet."),
    );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Allocation ", told.drifted ? badge("off target", "warn") : badge("on target", "good")),
    h(
      "ul",
      { class: "bars" },
      told.buckets.map((one) =>
        h(
          "li",
          {},
          h("span", { class: "bar-name" }, bucket(one.bucket)),
          bar(
            one.share,
            one.target,
            `bar-${one.bucket}`,
            `${words(one.bucket)}: ${percent(one.share)}, target ${percent(one.target)}`,
          ),
          h(
            "span",
            { class: "bar-told" },
            h("b", {}, percent(one.share)),
            ` of ${percent(one.target)}`,
            one.to_add_months > 0 && h("small", {}, `add ${number(one.to_add_months)} months`),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "hint" },
      `${number(told.total_months)} engineer-months ${line ? "above the cut line" : "in the whole ranking"}; `,
      `the mark is the target, ± ${percent(told.tolerance)}.`,
    ),
  );
}

/** What is above the line against what there is: the first features side by side, as wide as their months. */
function cutLine({ cut_line: line, ranking }) {
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Cut line"),
    line
      ? h(
          "p",
          {},
          line.rank ? `The first ${number(line.rank)} fit: ` : "Nothing fits: ",
          h("b", {}, `${number(line.effort_months)} of ${number(line.capacity_months)} months`),
          " are taken.",
        )
      : h(
          "p",
          { class: "hint" },
          "No capacity is set, so there is no line: ",
          h("a", { href: "/docs/api#set_roadmap_policy" }, "PUT /v1/roadmap/policy"),
          " sets one.",
        ),
    effort(ranking.slice(0, DRAWN), line),
    h(
      "p",
      { class: "hint" },
      "Best first, each feature as wide as its months",
      line ? "; the mark is the capacity." : ".",
      line?.without_effort > 0 &&
        ` ${number(line.without_effort)} above the line tell no effort, and are counted as none.`,
    ),
  );
}

function effort(ranked, line) {
  const sized = ranked.filter((row) => row.effort_months > 0);
  const months = sized.reduce((sum, row) => sum + row.effort_months, 0);
  if (!months) return h("p", { class: "empty" }, "No score tells an effort yet.");
  const whole = Math.max(months, line?.capacity_months ?? 0);
  let at = 0;
  const parts = sized.map((row) => {
    const width = (row.effort_months / whole) * 100;
    at += width;
    return svg(
      "rect",
      { class: `${row.bucket} ${row.above_cut_line === false ? "below" : ""}`, x: at - width, y: 4, width, height: 16 },
      svg("title", {}, `${row.rank}. ${row.title}: ${number(row.effort_months)} months`),
    );
  });
  const capacity = line && (line.capacity_months / whole) * 100;
  return svg(
    "svg",
    {
      class: "effort",
      viewBox: "0 0 100 24",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `The effort of the first ${sized.length} features: ${number(months)} months`,
    },
    parts,
    capacity !== null && svg("line", { x1: Math.min(capacity, 99.8), x2: Math.min(capacity, 99.8), y1: 0, y2: 24 }),
  );
}

export function bar(share, target, kind, label) {
  const at = Math.max(0, Math.min(1, share)) * 100;
  return svg(
    "svg",
    { class: `bar ${kind}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("rect", { class: "bar-ground", x: 0, y: 2, width: 100, height: 6 }),
    svg("rect", { class: "bar-fill", x: 0, y: 2, width: at, height: 6 }),
    target !== null &&
      svg("rect", { class: "bar-target", x: Math.min(99.2, target * 100 - 0.4), y: 0, width: 0.8, height: 10 }),
  );
}

/** First what would move, written nowhere; then the same for good. */
function plan(panel, signal, again) {
  panel.hidden = false;
  const reason = h("input", { type: "text", maxlength: "1000", autocomplete: "off" });
  const framework = choice(["rice"], "rice");
  const outcome = h("div", {});
  const asked = (dry) => ({
    body: { framework: framework.value, dry_run: dry, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) },
  });
  const preview = form(
    "Preview the moves",
    "reprioritize",
    () => asked(true),
    (found) => {
      put(outcome, foreseen(found), confirm());
      outcome.querySelector("button").focus();
    },
    {
      signal,
      fields: [
        h(
          "div",
          { class: "fields-row" },
          field("Framework", framework, {
            pointer: "/framework",
            hint: "Only features that it has scored are ranked.",
          }),
          field("Reason", reason, { pointer: "/reason", hint: "Kept with the revision; optional." }),
        ),
      ],
      extra: [
        button("Cancel", () => {
          panel.hidden = true;
          put(panel);
        }),
      ],
    },
  );
  for (const control of [reason, framework]) control.addEventListener("input", () => put(outcome));
  put(panel, h("h2", {}, "Reprioritise"), preview, outcome);
  framework.focus();
  frameworks(framework, signal);

  function confirm() {
    const live = mode() === "live";
    return form(
      live ? "Confirm in live mode" : "Confirm",
      "reprioritize",
      () => asked(false),
      (made) => {
        again();
        say(`Reprioritised: ${made.moves_total} moved.`);
      },
      {
        signal,
        fields: [
          h(
            "p",
            {},
            "Confirming keeps this order as a new revision, and sends ",
            h("code", {}, "roadmap.reprioritized"),
            " to subscribers if something moves.",
          ),
        ],
      },
    );
  }
}

/** What can be ranked by; RICE is there before the answer is. */
async function frameworks(select, signal) {
  try {
    const { data } = await call("list_frameworks", { signal });
    put(
      select,
      data.slice(0, 100).map((one) => h("option", { value: one.key, selected: one.key === select.value }, one.title)),
    );
  } catch {
    // The choice stays as it is, and the log tells of the call.
  }
}

function foreseen(found) {
  const titles = new Map(found.ranking.map((row) => [row.feature_id, row.title]));
  return [
    h("h3", {}, found.moves_total ? `${number(found.moves_total)} would move` : "Nothing would move"),
    found.moves_total > 0 && movesTable(found.moves, titles),
    h(
      "p",
      { class: "hint" },
      `${number(found.ranking_total)} ranked · churn ${percent(found.churn.share)} · `,
      `${number(found.churn.entered)} entered, ${number(found.churn.left)} left`,
      found.overridden > 0 && ` · ${number(found.overridden)} placed by overrides`,
      found.frozen && " · a freeze is in force",
    ),
  ];
}

function movesTable(moves, titles) {
  return slices(
    "Moves",
    [
      {
        title: "Feature",
        class: "wide",
        cell: (move) =>
          h("a", { href: `#/features/${move.feature_id}` }, titles.get(move.feature_id) ?? id(move.feature_id)),
      },
      { title: "From", class: "number", cell: (move) => move.from ?? "–" },
      { title: "To", class: "number", cell: (move) => move.to ?? "–" },
      { title: "Why", cell: (move) => arrow(move) },
    ],
    moves,
    { size: 20 },
  );
}

const REVISIONS = [
  { title: "Revision", cell: (row) => h("a", { href: `#/roadmap/${row.id}` }, moment(row.created_at)) },
  { title: "Ranked by", cell: (row) => row.series },
  { title: "Churn", class: "number", cell: (row) => percent(row.churn) },
  { title: "Author", cell: (row) => row.author },
  { title: "Reason", class: "wide", cell: (row) => row.reason ?? "–" },
];

/** One revision, as it was given. */
export function revision({ main, signal, id: revisionId }) {
  const place = h("div", {});
  put(main, h("p", { class: "back" }, h("a", { href: "#/roadmap" }, "← Roadmap")), h("h1", {}, "Revision"), place);
  fill(place, signal, async () => {
    const found = await call("get_roadmap_revision", { path: { id: revisionId }, signal });
    const titles = new Map(found.ranking.map((row) => [row.feature_id, row.title]));
    return [
      facts([
        ["Id", id(found.id)],
        ["Made", moment(found.created_at)],
        ["By", found.author],
        ["Framework", found.framework],
        found.reason && ["Reason", found.reason],
        [
          "Churn",
          `${percent(found.churn.share)} (${number(found.churn.inverted)} of ${number(found.churn.pairs)} pairs)`,
        ],
      ]),
      h("h2", {}, `Moves (${number(found.moves_total)})`),
      found.moves.length ? movesTable(found.moves, titles) : h("p", { class: "empty" }, "Nothing moved."),
      h("h2", {}, `Ranking (${number(found.ranking_total)})`),
      slices(
        "Ranking",
        [
          { title: "Rank", class: "number", cell: (row) => row.rank },
          {
            title: "Feature",
            class: "wide",
            cell: (row) => h("a", { href: `#/features/${row.feature_id}` }, row.title),
          },
          { title: "Score", class: "number", cell: (row) => number(row.value) },
        ],
        found.ranking,
      ),
    ];
  });
}
