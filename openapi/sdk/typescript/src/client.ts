/** The generated client with its defaults set. */

import { connect } from "./generated.js";
import { RETRIES, TIMEOUT_MS } from "./send.js";

export interface Options {
  /** `rb_live_…` or `rb_test_…`; ROADBED_API_KEY's value unless given, where there is an environment. */
  apiKey?: string;
  /** Without `/v1`. ROADBED_BASE_URL's value unless given, else this machine's port 8000. */
  baseUrl?: string;
  /** How many more attempts are made; 0 for none. */
  maxRetries?: number;
  /** For each attempt, in milliseconds; 0 for none. */
  timeoutMs?: number;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

/** A client: every operation is a method, lists have `.pages()` and `.items()`. It holds nothing that must be closed. */
export function createRoadbed(options: Options = {}) {
  const key = options.apiKey ?? environment("ROADBED_API_KEY");
  const origin = options.baseUrl ?? environment("ROADBED_BASE_URL") ?? "http://127.0.0.1:8000";
  return connect({
    serverUrl: `${origin.replace(/\/+$/, "")}/v1`,
    retry: { retries: options.maxRetries ?? RETRIES },
    timeout: options.timeoutMs ?? TIMEOUT_MS,
    idempotencyKey: true,
    clientHeader: false,
    headers: options.headers ?? {},
    ...(key === undefined ? {} : { auth: { bearer: key } }),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
}

export type Roadbed = ReturnType<typeof createRoadbed>;

function environment(name: string): string | undefined {
  const found = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name];
  return found || undefined;
}
