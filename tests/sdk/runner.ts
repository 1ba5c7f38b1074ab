/**
 * Runs the cases with the TypeScript client: the work on stdin, a line for each case. It knows the client and nothing of
 * what is expected: test_conformance.py judges.
 */
import { APIError, createRoadbed, RoadbedError, verifyWebhook, WebhookVerificationError } from "roadbed";

type Json = any;
const AT_ONCE = 6;

let given = "";
for await (const chunk of process.stdin) given += chunk;
const work: Json = JSON.parse(given);
const waiting = [...work.cases.entries()];
const lines: string[] = [];
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) lines[next[0]] = await run(next[1]);
  }),
);
console.log(lines.join("\n"));

async function run(example: Json): Promise<string> {
  const saved: Json = {};
  const outcomes: Json[] = [];
  for (const step of example.steps) {
    const begun = performance.now();
    const outcome = await outcomeOf(filled(step, saved), example);
    outcome.took_s = (performance.now() - begun) / 1000;
    if (step.save) saved[step.save] = outcome.data;
    outcomes.push(outcome);
  }
  return JSON.stringify({ name: example.name, outcomes });
}

async function outcomeOf(step: Json, example: Json): Promise<Json> {
  try {
    if (step.verify) return await verified(work.webhooks[step.verify]);
    const settings = example.client ?? {};
    const client = createRoadbed({
      apiKey: step.api_key ?? settings.api_key ?? example.key,
      baseUrl: example.url,
      maxRetries: settings.max_retries ?? 2,
      timeoutMs: (settings.timeout_s ?? 30) * 1000,
    });
    return await called(client, step);
  } catch (error) {
    if (error instanceof RoadbedError || error instanceof WebhookVerificationError) return { error: told(error) };
    throw error;
  }
}

async function called(client: Json, step: Json): Promise<Json> {
  const options = step.options ?? {};
  const args = { path: step.path, query: step.query, body: step.body };
  const init: Json = { headers: options.headers };
  if ("idempotency_key" in options) init.idempotencyKey = options.idempotency_key;
  if ("retries" in options) init.retry = { retries: options.retries };
  const operation = client[step.call];
  if (step.items || step.pages) {
    let count = 0;
    for await (const _ of step.items ? operation.items(args, init) : operation.pages(args, init)) count += 1;
    return { count };
  }
  if (step.first) {
    for await (const event of operation(args, init)) return { data: { event: event.event, data: event.data } };
  }
  if (step.raw) {
    const { response } = await operation(args, { ...init, envelope: true });
    return { status: response.status, headers: Object.fromEntries(response.headers) };
  }
  return { data: (await operation(args, init)) ?? null };
}

async function verified(webhook: Json): Promise<Json> {
  const body = Buffer.from(webhook.body, "base64");
  const event = await verifyWebhook(webhook.headers, body, webhook.secrets, { now: webhook.now });
  return { data: event, class: event.type === "unknown" ? "UnknownEvent" : classOf(event.type) };
}

function told(error: Json): Json {
  const kinds: string[] = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) kinds.push(kind.name);
  const fields = { status: error.status, code: error.code, detail: error.detail, retry_after_s: error.retryAfterS };
  const where = { request_id: error.requestId, doc_url: error.docUrl, etag: error.etag };
  const targets = error instanceof APIError ? error.errors.map((each) => each.name) : [];
  // The classes of Python are a union of codes here, so the class is told by the code.
  const named = error instanceof APIError ? classOf(error.code) : error.constructor.name;
  return { kinds, class: named, message: error.message, fields: targets, ...fields, ...where };
}

function classOf(name: string): string {
  const suffix = name.includes(".") ? "Event" : "";
  return name.split(/[._]/).map((part) => part[0].toUpperCase() + part.slice(1)).join("") + suffix;
}

/** With `$name.field` replaced by what an earlier step saved. */
function filled(value: Json, saved: Json): Json {
  if (Array.isArray(value)) return value.map((each) => filled(each, saved));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each, saved)]));
  }
  if (typeof value === "string" && value.startsWith("$")) {
    const [name, field] = value.slice(1).split(".");
    return saved[name as string][field as string];
  }
  return value;
}
