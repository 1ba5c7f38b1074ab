// What was told to whom, how it went, and what happens now.

import { Refused, call, open } from "./api.js";
import {
  badge,
  button,
  choice,
  facts,
  field,
  h,
  id,
  milliseconds,
  moment,
  number,
  percent,
  put,
  say,
  words,
} from "./dom.js";
import { pages } from "./lists.js";
import { fill, form, problem } from "./problems.js";
import { messages } from "./stream.js";

const TABS = [
  ["#/webhooks", "Endpoints"],
  ["#/webhooks/deliveries", "Deliveries"],
  ["#/webhooks/dead", "Dead letters"],
  ["#/webhooks/live", "Live events"],
];
const STATUSES = ["pending", "held", "delivered", "dead"];
const KEPT_LIVE = 200;
const LIVE_FOR_MS = 30 * 60_000;

function framed(main, ...content) {
  put(
    main,
    h("h1", {}, "Webhooks"),
    h(
      "nav",
      { class: "tabs", "aria-label": "Webhooks" },
      TABS.map(([href, label]) => h("a", { href, "aria-current": href === location.hash ? "page" : null }, label)),
    ),
    ...content,
  );
}

export function endpoints({ main, signal }) {
  const list = pages(
    "Endpoints",
    [
      {
        title: "Endpoint",
        class: "wide",
        cell: (row) => [
          h("a", { href: `#/webhooks/${row.id}` }, row.description || row.url),
          row.description && h("small", {}, row.url),
        ],
      },
      {
        title: "Events",
        cell: (row) =>
          row.event_types.slice(0, 5).join(", ") +
          (row.event_types.length > 5 ? ` and ${row.event_types.length - 5} more` : ""),
      },
      { title: "Health", cell: (row) => h("span", { "data-health": row.id }, "…") },
      { title: "Success 24 h", class: "number", cell: (row) => h("span", { "data-success": row.id }) },
      { title: "p95", class: "number", cell: (row) => h("span", { "data-p95": row.id }) },
      { title: "Waiting", class: "number", cell: (row) => h("span", { "data-waiting": row.id }) },
      { title: "Dead", class: "number", cell: (row) => h("span", { "data-dead": row.id }) },
    ],
    (cursor) => call("list_endpoints", { query: { limit: 10, cursor }, signal }),
    {
      signal,
      empty: "No endpoint yet: nothing is told to anybody.",
      decorate: (rows) => setTimeout(() => measure(list, rows, signal)),
    },
  );
  framed(main, subscription(signal), list);
}

/** How each endpoint of the page stands, two at a time. */
async function measure(list, rows, signal) {
  const waiting = [...rows];
  const work = async () => {
    for (let row = waiting.shift(); row && !signal.aborted; row = waiting.shift()) {
      const tell = (name, value) => list.querySelector(`[data-${name}="${row.id}"]`)?.replaceChildren(value);
      try {
        const stats = await call("get_endpoint_stats", { path: { id: row.id }, signal });
        tell("health", health(row, stats));
        tell("success", percent(stats.success_rate));
        tell("p95", milliseconds(stats.p95_ms));
        tell("waiting", number(stats.pending + stats.held));
        tell("dead", number(stats.dead));
      } catch (error) {
        if (signal.aborted) return;
        tell(
          "health",
          error instanceof Refused ? badge(error.problem.code ?? "unknown", "warn") : badge("unknown", "warn"),
        );
      }
    }
  };
  await Promise.all([work(), work()]);
}

function health(row, stats) {
  if (!row.enabled) return badge(row.disabled_reason ? `disabled: ${row.disabled_reason}` : "disabled", "bad");
  if (stats.breaker === "open") return badge("breaker open", "bad");
  if (stats.failures_in_row > 0) return badge(`${stats.failures_in_row} failed in a row`, "warn");
  return badge(stats.attempts ? "healthy" : "quiet", stats.attempts ? "good" : "");
}

function subscription(signal) {
  const url = h("input", { type: "url", autocomplete: "off" });
  const types = h("input", { type: "text", autocomplete: "off", value: "*" });
  const description = h("input", { type: "text", autocomplete: "off" });
  const told = h("div", {});
  const ask = () => ({
    body: {
      url: url.value.trim(),
      event_types: types.value
        .split(",")
        .map((type) => type.trim())
        .filter(Boolean),
      ...(description.value.trim() ? { description: description.value.trim() } : {}),
    },
  });
  const inbox = button("Use the built-in inbox", async () => {
    try {
      url.value = (await call("get_inbox", { signal })).url;
    } catch (error) {
      if (!signal.aborted) put(told, problem(error));
    }
  });
  return h(
    "details",
    { class: "card" },
    h("summary", {}, "New endpoint"),
    form(
      "Subscribe",
      "create_endpoint",
      ask,
      (made) => {
        put(
          told,
          h(
            "p",
            { class: "told-once" },
            "Its signing secret is told once, here: ",
            h("code", {}, made.secret),
            ". ",
            h("a", { href: `#/webhooks/${made.id}` }, "Open the endpoint"),
          ),
        );
        say("Subscribed. The signing secret is told once, below the form.");
      },
      {
        signal,
        fields: [
          field("URL", url, { pointer: "/url", hint: "https and public, unless this service allows more." }),
          h(
            "div",
            { class: "fields-row" },
            field("Event types", types, {
              pointer: "/event_types",
              hint: "Separated by commas: decision.*, roadmap.reprioritized, or * for all.",
            }),
            field("Description", description, { pointer: "/description", hint: "Optional." }),
          ),
        ],
        extra: [inbox],
      },
    ),
    told,
  );
}

export function endpoint({ main, signal, id: endpointId }) {
  const head = h("div", {});
  const tested = h("div", {});
  const status = choice(["", ...STATUSES]);
  const type = choice([["webhook.test", "webhook.test"]], "webhook.test");
  const list = deliveryPages(signal, () => ({ endpoint_id: endpointId, status: status.value }));
  status.addEventListener("change", () => list.reload());
  framed(
    main,
    h("p", { class: "back" }, h("a", { href: "#/webhooks" }, "← Endpoints")),
    head,
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Send a test event"),
      form(
        "Send",
        "test_endpoint",
        () => ({ path: { id: endpointId }, body: { event_type: type.value } }),
        (sent) => {
          put(
            tested,
            h("p", {}, "Sent as ", h("a", { href: `#/webhooks/${sent.id}` }, id(sent.id)), ": ", outcome(sent)),
            attempts(sent.attempts ?? []),
          );
          list.reload();
        },
        {
          signal,
          fields: [
            field("Event type", type, {
              pointer: "/event_type",
              hint: "Its example goes the way that every event goes.",
            }),
          ],
        },
      ),
      tested,
    ),
    h("section", {}, h("h2", {}, "Deliveries"), h("div", { class: "filters" }, field("Status", status)), list),
  );
  fill(head, signal, async () => {
    const [row, stats] = await Promise.all([
      call("get_endpoint", { path: { id: endpointId }, signal }),
      call("get_endpoint_stats", { path: { id: endpointId }, signal }),
    ]);
    return [
      h("h2", {}, row.description || row.url, " ", health(row, stats)),
      facts([
        ["Id", id(row.id)],
        ["URL", h("code", {}, row.url)],
        ["Events", row.event_types.slice(0, 100).join(", ")],
        ["Success, 24 h", `${percent(stats.success_rate)} of ${number(stats.attempts)} attempts`],
        ["p50 / p95", `${milliseconds(stats.p50_ms)} / ${milliseconds(stats.p95_ms)}`],
        ["Waiting", `${number(stats.pending)} due, ${number(stats.held)} held`],
        ["Dead letters", number(stats.dead)],
        stats.blocked_until && ["Nothing is sent before", moment(stats.blocked_until)],
        stats.failing_since && ["Failing since", moment(stats.failing_since)],
        ["Order", row.ordering],
        ["Payload", row.payload],
      ]),
    ];
  });
  catalog(type, signal);
}

async function catalog(select, signal) {
  try {
    const { data } = await call("get_catalog", { signal });
    put(
      select,
      data.slice(0, 200).map(({ name }) => h("option", { value: name, selected: name === select.value }, name)),
    );
  } catch {
    // The choice stays as it is, and the log tells of the call.
  }
}

export function deliveries({ main, signal }) {
  const status = choice(["", ...STATUSES]);
  const list = deliveryPages(signal, () => ({ status: status.value }));
  status.addEventListener("change", () => list.reload());
  framed(
    main,
    h(
      "div",
      { class: "filters" },
      field("Status", status),
      button("Reload", () => list.reload()),
    ),
    list,
  );
}

export function dead({ main, signal }) {
  framed(
    main,
    h(
      "p",
      {},
      "What no attempt could deliver. Each can be sent again, one by one here, or by filter with ",
      h("a", { href: "/docs/api#redeliver_many" }, "POST /v1/deliveries/redeliver"),
      ".",
    ),
    deliveryPages(signal, () => ({ status: "dead" }), "There is no dead letter."),
  );
}

function deliveryPages(signal, query, empty = "There is no delivery.") {
  return pages(
    "Deliveries",
    [
      { title: "Delivery", cell: (row) => h("a", { href: `#/webhooks/${row.id}` }, moment(row.created_at)) },
      { title: "Event", cell: (row) => h("code", {}, row.event_type) },
      { title: "Status", cell: (row) => state(row.status) },
      { title: "Answer", cell: (row) => outcome(row) },
      { title: "Attempts", class: "number", cell: (row) => row.attempt_count },
      {
        title: "Endpoint",
        cell: (row) => h("a", { href: `#/webhooks/${row.endpoint_id}` }, id(`…${row.endpoint_id.slice(-8)}`)),
      },
    ],
    (cursor) => call("list_deliveries", { query: { ...query(), limit: 20, cursor }, signal }),
    { signal, empty },
  );
}

function state(status) {
  return badge(status, { delivered: "good", dead: "bad", pending: "warn" }[status] ?? "");
}

function outcome(row) {
  if (row.last_error) return h("span", { class: "code-bad" }, words(row.last_error));
  return row.last_status_code ? h("span", { class: "code-good" }, row.last_status_code) : "–";
}

export function delivery({ main, signal, id: deliveryId }) {
  const place = h("div", {});
  const told = h("div", {});
  framed(main, h("p", { class: "back" }, h("a", { href: "#/webhooks/deliveries" }, "← Deliveries")), place, told);
  let waits = false;
  const show = () =>
    fill(place, signal, async () => {
      const found = await call("get_delivery", { path: { id: deliveryId }, signal });
      const rest = found.status === "delivered" || found.status === "dead";
      waits = !rest;
      return [
        h(
          "div",
          { class: "title" },
          h("h2", {}, h("code", {}, found.event_type), " ", state(found.status)),
          h(
            "div",
            { class: "actions" },
            button("Reload", show),
            rest && button("Redeliver", redeliver, { class: "primary" }),
          ),
        ),
        facts([
          ["Id", id(found.id)],
          ["Event", h("a", { href: `#/webhooks/${found.event_id}` }, id(found.event_id))],
          ["Endpoint", h("a", { href: `#/webhooks/${found.endpoint_id}` }, id(found.endpoint_id))],
          ["Made", moment(found.created_at)],
          found.due_at && ["Next attempt", moment(found.due_at)],
          found.finished_at && ["Finished", moment(found.finished_at)],
        ]),
        h("h2", {}, `Attempts (${number(found.attempt_count)})`),
        attempts(found.attempts),
      ];
    });
  show();

  async function redeliver({ currentTarget }) {
    currentTarget.disabled = true;
    put(told);
    try {
      await call("redeliver", { path: { id: deliveryId }, signal });
      say("It is sent again.");
      await watch();
    } catch (error) {
      if (signal.aborted) return;
      currentTarget.disabled = false;
      put(told, problem(error));
    }
  }

  /** Look again until it has ended, six times within half a minute. */
  async function watch() {
    waits = true;
    for (let pause = 500; waits && pause <= 16_000 && !signal.aborted; pause *= 2) {
      await pauseFor(pause, signal);
      if (!signal.aborted) await show();
    }
  }
}

/** What was sent and what came back. The answer is a stranger's: it is text here, whatever it looks like. */
function attempts(made) {
  if (!made.length) return h("p", { class: "empty" }, "None yet.");
  return made
    .slice(0, 100)
    .map((attempt, index) =>
      h(
        "details",
        { class: "card attempt", open: index === 0 },
        h(
          "summary",
          {},
          h("b", {}, `Attempt ${attempt.number}`),
          " ",
          attempt.error
            ? badge(words(attempt.error), "bad")
            : attempt.status_code
              ? badge(attempt.status_code, "good")
              : badge("under way"),
          " ",
          h("span", { class: "hint" }, milliseconds(attempt.latency_ms), " · ", moment(attempt.started_at)),
        ),
        h(
          "div",
          { class: "two" },
          h("section", {}, h("h3", {}, "Sent"), headers(attempt.request_headers)),
          h(
            "section",
            {},
            h("h3", {}, "Answered", attempt.status_code ? ` ${attempt.status_code}` : ""),
            headers(attempt.response_headers),
          ),
        ),
        h("h3", {}, "The answer’s body, up to 16 KiB"),
        attempt.response_body
          ? h(
              "pre",
              { class: "answer", tabindex: "0", "aria-label": "The answer’s body" },
              h("code", {}, attempt.response_body),
            )
          : h("p", { class: "empty" }, "Empty."),
      ),
    );
}

function headers(pairs) {
  if (!pairs?.length) return h("p", { class: "empty" }, "None.");
  return h(
    "ul",
    { class: "headers" },
    pairs.slice(0, 100).map(([name, value]) => h("li", {}, h("code", {}, h("b", {}, name), `: ${value}`))),
  );
}

export function event({ main, signal, id: eventId }) {
  const place = h("div", {});
  framed(main, h("p", { class: "back" }, h("a", { href: "#/webhooks/live" }, "← Live events")), place);
  fill(place, signal, async () => {
    const found = await call("get_event", { path: { id: eventId }, signal });
    return [
      h("h2", {}, h("code", {}, found.type)),
      facts([
        ["Id", id(found.id)],
        ["When", moment(found.timestamp)],
      ]),
      payload(found),
    ];
  });
}

function payload(told) {
  return h("pre", { tabindex: "0", "aria-label": "The event" }, h("code", {}, JSON.stringify(told, null, 2)));
}

/** Events as they come, over one connection that is taken up again where it broke off. */
export function live({ main, signal }) {
  const list = h("ol", { class: "happened" });
  const told = h("p", { class: "hint", role: "status" }, "Connecting …");
  const refused = h("div", {});
  let stop = null;
  const toggle = button("Pause", () => (stop ? pause() : start()));
  framed(
    main,
    h("div", { class: "title" }, told, toggle),
    refused,
    list,
    h(
      "p",
      { class: "hint" },
      `The newest ${KEPT_LIVE} are kept here; all are in `,
      h("a", { href: "/docs/api#list_events" }, "GET /v1/events"),
      ".",
    ),
  );
  // Where the stream was: from before it is first opened on, so that nothing is missed between two connections.
  let last = "";
  start();

  function start() {
    stop = new AbortController();
    toggle.textContent = "Pause";
    put(refused);
    follow(AbortSignal.any([signal, stop.signal, AbortSignal.timeout(LIVE_FOR_MS)]));
  }

  function pause(why = "Paused.") {
    stop?.abort();
    stop = null;
    toggle.textContent = "Resume";
    told.textContent = why;
  }

  async function follow(until) {
    let failed = 0;
    while (!until.aborted) {
      try {
        last ||= (await call("list_events", { query: { after: "now", limit: 1 }, signal: until })).next_cursor;
        const response = await open("stream_events", {
          query: { after: last },
          signal: until,
          accept: "text/event-stream",
        });
        told.textContent = "Connected: events appear here as they happen.";
        failed = 0;
        for await (const message of messages(response.body)) {
          if (message.id) last = message.id;
          if (message.event === "error") throw new Error("the stream was ended");
          if (message.data) add(JSON.parse(message.data));
        }
        // It ends by itself after some minutes.
      } catch (error) {
        if (until.aborted) break;
        if (error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429) {
          put(refused, problem(error));
          pause("Not connected.");
          return;
        }
      }
      failed += 1;
      told.textContent = "Connecting again …";
      await pauseFor(Math.min(1000 * 2 ** (failed - 1), 30_000), until);
    }
    if (!signal.aborted && stop && !stop.signal.aborted) pause("Paused after half an hour.");
  }

  function add(happened) {
    list.prepend(
      h(
        "li",
        {},
        h(
          "details",
          {},
          h(
            "summary",
            {},
            h("code", {}, happened.type),
            " ",
            h("span", { class: "hint" }, moment(happened.timestamp), " "),
            h("a", { href: `#/webhooks/${happened.id}` }, id(happened.id)),
          ),
          payload(happened),
        ),
      ),
    );
    while (list.children.length > KEPT_LIVE) list.lastElementChild.remove();
  }
}

function pauseFor(ms, until) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    until.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
