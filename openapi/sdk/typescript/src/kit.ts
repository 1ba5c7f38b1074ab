// Written by `./run sdk` from openapi/v1.json. Do not edit. The source is openapi/kit/typescript/src/roadbed-webhooks.ts.

/**
 * Verify webhooks signed as Standard Webhooks 1.0.0 says. One file, no dependency: WebCrypto of Node 20 and later, Deno,
 * Bun, browsers and edge runtimes.
 *
 *     try {
 *       const event = await verifyWebhook(request.headers, await request.text(), [secret]);
 *     } catch (error) {
 *       return new Response(null, { status: 400 }); // error.code says which clause fails
 *     }
 *
 * Give the raw body, before any framework has parsed it. Answer 2xx within 15 seconds and do the work afterwards; the same
 * event may come twice, under the same `event.id`. Nothing but WebhookVerificationError is ever thrown.
 */

export type HeadersLike =
  | { get(name: string): string | null }
  | Iterable<readonly [string, string]>
  | Record<string, string | readonly string[] | undefined>;

export type Code =
  | "header_missing"
  | "header_malformed"
  | "timestamp_malformed"
  | "timestamp_too_old"
  | "timestamp_in_future"
  | "no_known_version"
  | "signature_malformed"
  | "too_many_signatures"
  | "no_matching_signature"
  | "secret_malformed"
  | "ed25519_unavailable"
  | "body_malformed"
  | "input_malformed";

/** A verified event. `id` is the same each time it is sent: remember it to handle each event once. */
export interface WebhookEvent<Data = Record<string, unknown>> {
  id: string;
  type: string;
  timestamp: string;
  data: Data;
  payload: Record<string, unknown>;
}

export interface VerifyOptions {
  /** How far the clocks may be apart, in seconds; 300 unless given. */
  toleranceS?: number;
  /** Now, in unix seconds or as a Date; the clock unless given. */
  now?: number | Date;
}

/** The request is not what the sender signed, or not now. `code` is stable; answer 400 and do nothing. */
export class WebhookVerificationError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.name = "WebhookVerificationError";
    this.code = code;
  }
}

type Version = "v1" | "v1a";
type Bytes = Uint8Array<ArrayBuffer>;
interface Part {
  version: Version;
  raw: Bytes;
}

const NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;
const MOST_HEADERS = 1000;
const MOST_SIGNATURES = 64;
const MOST_SECRETS = 64;
const SIGNATURE_BYTES: Record<Version, number> = { v1: 32, v1a: 64 };
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The event, if one of `secrets` (`whsec_…` or `whpk_…`) signed this body within the tolerance. */
export async function verifyWebhook<Data = Record<string, unknown>>(
  headers: HeadersLike,
  body: string | Uint8Array | ArrayBuffer,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<WebhookEvent<Data>> {
  try {
    return (await verify(headers, body, secrets, options)) as WebhookEvent<Data>;
  } catch (error) {
    if (error instanceof WebhookVerificationError) throw error;
    // Arguments of a kind that nobody foresaw: still a request that does not verify.
    throw new WebhookVerificationError("input_malformed", "The input cannot be read.");
  }
}

async function verify(
  headers: HeadersLike,
  body: string | Uint8Array | ArrayBuffer,
  secrets: string | readonly string[],
  options: VerifyOptions,
): Promise<WebhookEvent> {
  const [id, timestamp, given] = three(headers);
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw malformed("webhook-id is not 1 to 128 of A-Z a-z 0-9 _ -.");
  checkClock(timestamp, options?.toleranceS ?? 300, unix(options?.now));
  const keys = keysOf(secrets);
  const raw = rawOf(body);
  const { signatures, unread } = signaturesOf(given);
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const content = new Uint8Array(head.length + raw.length);
  content.set(head);
  content.set(raw, head.length);
  if (!(await anyFits(keys, signatures, content))) {
    if (unread) {
      throw new WebhookVerificationError("signature_malformed", "A signature is not base64 of the right length.");
    }
    throw new WebhookVerificationError(
      "no_matching_signature",
      "No secret given signed these bytes. Is the body raw, and the secret this endpoint's?",
    );
  }
  return eventOf(id, raw);
}

function malformed(message: string): WebhookVerificationError {
  return new WebhookVerificationError("header_malformed", message);
}

function three(headers: HeadersLike): [string, string, string] {
  const found = new Map<string, string>();
  let count = 0;
  for (const [name, value] of pairs(headers)) {
    count += 1;
    if (count > MOST_HEADERS) throw malformed("There are too many headers.");
    const key = typeof name === "string" ? name.toLowerCase() : "";
    if (!(NAMES as readonly string[]).includes(key)) continue;
    if (found.has(key)) throw malformed(`${key} is given more than once.`);
    const text = textOf(value).replace(/^[ \t]+|[ \t]+$/g, "");
    if (!/^[\x20-\x7e]+$/.test(text)) throw malformed(`${key} is empty, or not printable ASCII.`);
    found.set(key, text);
  }
  const [id, timestamp, signature] = NAMES.map((name) => {
    const text = found.get(name);
    if (text === undefined) throw new WebhookVerificationError("header_missing", `${name} is missing.`);
    return text;
  });
  return [id as string, timestamp as string, signature as string];
}

function* pairs(headers: HeadersLike): Generator<readonly [unknown, unknown]> {
  const given = headers as { get?: unknown } & Iterable<unknown>;
  if (typeof given[Symbol.iterator] === "function") {
    for (const pair of given) yield pair as readonly [unknown, unknown];
  } else if (typeof given.get === "function") {
    const get = given.get.bind(headers) as (name: string) => unknown;
    for (const name of NAMES) {
      const value = get(name);
      if (value !== null && value !== undefined) yield [name, value];
    }
  } else {
    for (const name of Object.keys(headers)) {
      const value = (headers as Record<string, unknown>)[name];
      if (value !== undefined) yield [name, value];
    }
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 && typeof value[0] === "string" ? value[0] : "";
  return typeof value === "string" ? value : "";
}

function unix(now: number | Date | undefined): number {
  if (now === undefined || now === null) return Date.now() / 1000;
  return now instanceof Date ? now.getTime() / 1000 : Number(now);
}

function checkClock(timestamp: string, toleranceS: number, nowS: number): void {
  if (!/^[0-9]{1,12}$/.test(timestamp)) {
    throw new WebhookVerificationError("timestamp_malformed", "webhook-timestamp is not whole unix seconds.");
  }
  const ageS = nowS - Number(timestamp);
  // Written so that a tolerance or a clock that is no number (NaN) lets nothing pass.
  if (!(ageS <= toleranceS)) {
    throw new WebhookVerificationError("timestamp_too_old", "It was signed too long ago: a replay, or a clock is wrong.");
  }
  if (!(-ageS <= toleranceS)) {
    throw new WebhookVerificationError("timestamp_in_future", "It was signed in the future: a clock is wrong.");
  }
}

function keysOf(secrets: string | readonly string[]): Part[] {
  const texts = typeof secrets === "string" ? [secrets] : Array.from(secrets);
  if (texts.length < 1 || texts.length > MOST_SECRETS) {
    throw new WebhookVerificationError("secret_malformed", "Give 1 to 64 secrets.");
  }
  return texts.map(keyOf);
}

function keyOf(text: unknown): Part {
  if (typeof text === "string") {
    const at = text.indexOf("_");
    const prefix = text.slice(0, Math.max(at, 0));
    const raw = decoded(text.slice(at + 1));
    if (prefix === "whsec" && raw && raw.length >= 24 && raw.length <= 64) return { version: "v1", raw };
    if (prefix === "whpk" && raw && raw.length === 32) return { version: "v1a", raw };
  }
  throw new WebhookVerificationError(
    "secret_malformed",
    "A secret is whsec_ and base64 of 24 to 64 bytes, or whpk_ and base64 of 32.",
  );
}

function rawOf(body: unknown): Bytes {
  if (typeof body === "string") {
    // Half of a surrogate pair has no bytes: an encoder would write another character than was given.
    if (/\p{Surrogate}/u.test(body)) throw new WebhookVerificationError("input_malformed", "The body is not Unicode text.");
    return new TextEncoder().encode(body);
  }
  if (body instanceof Uint8Array) return new Uint8Array(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice(0));
  throw new WebhookVerificationError("body_malformed", "The body must be the raw bytes, or text.");
}

function signaturesOf(given: string): { signatures: Part[]; unread: boolean } {
  const entries = given.split(/\s+/).filter((entry) => entry !== "");
  if (entries.length > MOST_SIGNATURES) {
    throw new WebhookVerificationError("too_many_signatures", "webhook-signature holds more than 64 signatures.");
  }
  const signatures: Part[] = [];
  let unread = false;
  for (const entry of entries) {
    const at = entry.indexOf(",");
    const version = at < 0 ? entry : entry.slice(0, at);
    if (version !== "v1" && version !== "v1a") continue;
    const raw = at < 0 ? null : decoded(entry.slice(at + 1));
    if (raw === null || raw.length !== SIGNATURE_BYTES[version]) unread = true;
    else signatures.push({ version, raw });
  }
  if (signatures.length === 0 && !unread) {
    throw new WebhookVerificationError("no_known_version", "webhook-signature holds no v1 or v1a signature.");
  }
  return { signatures, unread };
}

function decoded(encoded: string): Bytes | null {
  if (!BASE64.test(encoded)) return null;
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}

/** Every pair is compared, in constant time, so that the time taken tells nothing. */
async function anyFits(keys: Part[], signatures: Part[], content: Bytes): Promise<boolean> {
  let fits = false;
  for (const key of keys) {
    for (const signature of signatures) {
      if (signature.version !== key.version) continue;
      const one = key.version === "v1" ? hmacFits : ed25519Fits;
      if (await one(key.raw, signature.raw, content)) fits = true;
    }
  }
  return fits;
}

async function hmacFits(key: Bytes, signature: Bytes, content: Bytes): Promise<boolean> {
  const { subtle } = globalThis.crypto;
  const imported = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  return subtle.verify("HMAC", imported, signature, content);
}

async function ed25519Fits(key: Bytes, signature: Bytes, content: Bytes): Promise<boolean> {
  const { subtle } = globalThis.crypto;
  let imported: CryptoKey;
  try {
    imported = await subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if ((error as { name?: unknown })?.name === "DataError") return false;
    throw new WebhookVerificationError("ed25519_unavailable", "This runtime knows no Ed25519: use the whsec_ secret.");
  }
  return subtle.verify({ name: "Ed25519" }, imported, signature, content);
}

function eventOf(id: string, raw: Bytes): WebhookEvent {
  let payload: unknown;
  try {
    payload = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw));
  } catch {
    throw new WebhookVerificationError("body_malformed", "It is signed, but not JSON.");
  }
  const event = payload as Record<string, unknown> | null;
  if (typeof event !== "object" || event === null || Array.isArray(event) || typeof event.type !== "string") {
    throw new WebhookVerificationError("body_malformed", "It is signed, but not an event: it has no type.");
  }
  const { data, timestamp } = event;
  const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
  return {
    id,
    type: event.type,
    timestamp: typeof timestamp === "string" ? timestamp : "",
    data: isObject ? (data as Record<string, unknown>) : {},
    payload: event,
  };
}
