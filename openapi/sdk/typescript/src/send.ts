/**
 * How a request is sent: what `generated.ts` calls instead of its own `send`.
 *
 * An attempt that got no whole answer, or 408, 429 or 5xx, or 409 while the first attempt still runs, is made again: after
 * the seconds of Retry-After, or after a random part (full jitter) of 0.5 s that doubles up to 8 s. A POST carries one
 * idempotency key through all its attempts, so that it happens once.
 */

import { ACCEPT } from "./accept.js";
import { APIConnectionError, APIError, APITimeoutError, NotModified, RoadbedError } from "./errors.js";
import type { ClientConfig, OperationContext, RequestContext, RequestOptions } from "./generated.js";

export const RETRIES = 2;
export const TIMEOUT_MS = 30_000;
const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 8;
// A service that asks for more than this has an error for the caller to see, not a sleep.
const LONGEST_RETRY_AFTER_S = 60;
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"]); // a merge patch made twice gives the same

interface Sent {
  response: Response;
  context: RequestContext;
}

interface Call {
  config: ClientConfig;
  context: RequestContext;
  init: RequestInit;
  timeoutMs: number;
}

/** The answer, read whole, of a 2xx. Throws APIError, NotModified, APIConnectionError or APITimeoutError. */
export async function send(
  config: ClientConfig,
  operation: OperationContext,
  url: string,
  options: RequestOptions,
  body: unknown,
  bodySpec: { contentType: string } | undefined,
  _capabilities: unknown,
  accept = "application/json",
): Promise<Sent> {
  const { retry, timeout, idempotencyKey, ...init } = options;
  const method = (init.method ?? "GET").toUpperCase();
  const extra = typeof config.headers === "function" ? await config.headers() : config.headers;
  const headers = new Headers({ Accept: ACCEPT[operation.id] ?? accept, ...extra });
  new Headers(init.headers).forEach((value, name) => headers.set(name, value));
  setKey(headers, method, idempotencyKey ?? config.idempotencyKey);
  if (body !== undefined && !headers.has("Content-Type")) {
    headers.set("Content-Type", bodySpec?.contentType ?? "application/json");
  }
  const context: RequestContext = { url, method, headers: Object.fromEntries(headers), body, operation };
  const call = { config, context, init, timeoutMs: timeout ?? config.timeout ?? TIMEOUT_MS };
  // A stream of events is read as it comes, and its reader makes it anew where it broke off.
  if (headers.get("Accept")?.startsWith("text/event-stream")) return { response: await request(call), context };
  return { response: await attempts(call, { ...config.retry, ...retry }.retries ?? RETRIES), context };
}

async function attempts(call: Call, retries: number): Promise<Response> {
  const { method, headers } = call.context;
  const repeatable = SAFE.has(method) || "idempotency-key" in headers;
  for (let attempt = 1; ; attempt++) {
    try {
      return await answer(call, attempt);
    } catch (error) {
      if (!(error instanceof RoadbedError) || attempt > retries || !worthIt(error, repeatable)) throw error;
      const askedS = error instanceof APIError ? error.retryAfterS : null;
      if ((askedS ?? 0) > LONGEST_RETRY_AFTER_S) throw error;
      const ceilingS = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1));
      await sleep(askedS ?? Math.random() * ceilingS, call.init.signal ?? undefined);
    }
  }
}

/** One attempt: the whole answer, or our error. */
async function answer(call: Call, attempt: number): Promise<Response> {
  const name = call.context.operation.id;
  const budget = call.timeoutMs > 0 ? AbortSignal.timeout(call.timeoutMs) : undefined;
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await request(call, budget);
    bytes = await response.arrayBuffer();
  } catch (cause) {
    if (call.init.signal?.aborted) throw cause; // the caller's own doing
    const Kind = budget?.aborted ? APITimeoutError : APIConnectionError;
    throw new Kind(`${name}: no answer at attempt ${attempt} (${cause}).`, { cause });
  }
  const parsed = isJson(response) && bytes.byteLength > 0 ? parse(bytes) : {};
  const kept = again(response, bytes);
  if (response.status === 304) throw new NotModified(kept);
  if (!response.ok) throw new APIError(kept, isObject(parsed) ? parsed : {});
  if (parsed === undefined) throw new APIConnectionError(`${name}: the answer is not whole, its JSON cannot be read.`);
  return kept;
}

function request(call: Call, budget?: AbortSignal): Promise<Response> {
  const { context, init, config } = call;
  const signals = [init.signal, budget].filter((signal) => signal instanceof AbortSignal);
  return (config.fetch ?? fetch)(context.url, {
    ...init,
    method: context.method,
    headers: context.headers,
    body: context.body === undefined ? null : JSON.stringify(context.body),
    signal: signals.length ? AbortSignal.any(signals) : null,
  });
}

function worthIt(error: RoadbedError, repeatable: boolean): boolean {
  if (error instanceof NotModified) return false;
  if (!(error instanceof APIError)) return repeatable;
  if (error.status === 429) return true; // it was not done
  if (error.status === 409) return error.code === "idempotency_in_progress";
  return repeatable && (error.status === 408 || error.status >= 500);
}

function setKey(headers: Headers, method: string, given: RequestOptions["idempotencyKey"]): void {
  if (method !== "POST" || given === undefined || given === false || headers.has("Idempotency-Key")) return;
  const key = typeof given === "function" ? given() : given === true ? crypto.randomUUID() : given;
  headers.set("Idempotency-Key", key);
}

function isJson(response: Response): boolean {
  const kind = (response.headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
  return kind === "application/json" || kind.endsWith("+json");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** undefined when it cannot be read. */
function parse(bytes: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** The same answer, its body readable once more. */
function again(response: Response, bytes: ArrayBuffer): Response {
  const empty = response.status === 204 || response.status === 205 || response.status === 304;
  const { status, statusText, headers } = response;
  return new Response(empty ? null : bytes, { status, statusText, headers });
}

function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
