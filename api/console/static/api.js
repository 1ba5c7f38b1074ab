// The one way out: every call of the console is made, logged and judged here.

import { OPERATIONS } from "./operations.js";
import * as session from "./session.js";

const TIMEOUT_MS = 40_000;
const KEPT = 200;

/** What was called, newest first, at most 200: method, path, url, status, requestId, ms, the headers and body sent, and
 * whether its answer was not waited for. */
export const calls = [];
const listeners = new Set();

/** The limits as the last answer told them. */
export const limits = { policy: "", left: "" };

/** Tell `listener` of each call, until `signal` says that nobody listens any more. */
export function onCall(listener, signal = null) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
}

export function forgetCalls() {
  calls.length = 0;
  for (const listener of listeners) listener(null);
}

/** An answer that is no success, as the API told it, or that there was no answer. */
export class Refused extends Error {
  constructor(problem, status, requestId) {
    super(problem.detail ?? problem.title ?? `Answered ${status}`);
    this.problem = problem;
    this.status = status;
    this.requestId = requestId;
  }

  /** Whether nobody knows if it was done: then the same call may be sent again under its key. */
  get unanswered() {
    return this.status === 0;
  }
}

/** Call an operation by its id. Gives the body of the answer. Raises Refused, or AbortError once `signal` says so. */
export async function call(name, options = {}) {
  const response = await open(name, { ...options, deadline: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused(
      { title: "Half an answer", detail: "The answer broke off, or is no JSON. Try again." },
      0,
      response.headers.get("Request-Id") ?? "",
    );
  }
}

/** The same, for an answer that goes on: gives the response with its body unread. */
export async function open(name, { path = {}, query = {}, body, headers = {}, once, signal, deadline, accept } = {}) {
  const [method, template] = OPERATIONS[name];
  const told = { ...headers };
  if (body !== undefined) told["Content-Type"] = "application/json";
  if (accept) told.Accept = accept;
  const entry = {
    method,
    path: `/v1${filled(template, path)}${asked(query)}`,
    status: 0,
    requestId: "",
    ms: null,
    left: false,
    keyed: session.key() !== "",
    headers: { ...told },
    body: body === undefined ? null : JSON.stringify(body),
  };
  entry.url = location.origin + entry.path;
  if (entry.keyed) told.Authorization = `Bearer ${session.key()}`;
  if (method === "POST") told["Idempotency-Key"] = once ?? fresh();
  const began = performance.now();
  let response;
  try {
    response = await fetch(entry.path, {
      method,
      headers: told,
      body: entry.body,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: joined(signal, deadline),
    });
  } catch (error) {
    entry.left = Boolean(signal?.aborted);
    keep(entry, began);
    if (entry.left) throw error;
    throw new Refused(
      { title: "No answer", detail: "The API did not answer. Is it running, and is the network there?" },
      0,
      "",
    );
  }
  entry.status = response.status;
  entry.requestId = response.headers.get("Request-Id") ?? "";
  limits.policy = response.headers.get("RateLimit-Policy") ?? limits.policy;
  limits.left = response.headers.get("RateLimit") ?? limits.left;
  keep(entry, began);
  if (!response.ok) throw await refusal(response, entry.requestId);
  return response;
}

/** A key for one intent: sent again, it does nothing twice. */
export function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function refusal(response, requestId) {
  let problem;
  try {
    problem = await response.json();
  } catch {
    problem = {
      title: `Answered ${response.status}`,
      detail: "The answer is not the API's own: something stands between.",
    };
  }
  const refused = new Refused(problem, response.status, problem.request_id ?? requestId);
  if (response.status === 401) dispatchEvent(new CustomEvent("roadbed:refused", { detail: refused }));
  return refused;
}

function keep(entry, began) {
  entry.ms = performance.now() - began;
  calls.unshift(entry);
  calls.length = Math.min(calls.length, KEPT);
  for (const listener of listeners) listener(entry);
}

function filled(template, path) {
  return template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
}

function asked(query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

function joined(...signals) {
  return AbortSignal.any(signals.filter(Boolean));
}
