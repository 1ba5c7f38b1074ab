/**
 * Throws mutated and senseless input at `verifyWebhook`: `node fuzz.ts COUNT SEED`. The last line is a JSON object; the
 * exit is 1 when anything but its own error came out, or when something was accepted that was not signed.
 */

import { createHmac } from "node:crypto";
import { verifyWebhook, WebhookVerificationError } from "../src/roadbed-webhooks.ts";

const count = Number(process.argv[2] ?? "10000");
let state = Number(process.argv[3] ?? "1") >>> 0 || 1;

/** xorshift32: the same seed gives the same run. */
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function pick<T>(values: readonly T[]): T {
  return values[random(values.length)] as T;
}

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW = 1614265330;
const BODY = '{"type":"decision.recorded","timestamp":"2026-11-23T09:30:00Z","data":{"n":1}}';
const SIGNATURE = createHmac("sha256", Buffer.from(SECRET.slice(6), "base64")).update(`evt_1.${NOW}.${BODY}`).digest("base64");
const SENSELESS: readonly unknown[] = [
  null, undefined, 0, -1, NaN, Infinity, "", "\u0000", "\ud800", "é".repeat(50), [], [[]], {}, true, 10n, Symbol("x"), () => 1,
  new Uint8Array(3), new ArrayBuffer(2), new Date(NaN), "v1," + "A".repeat(5000), "v1, v1a, v1", "1e9", "0x10", " ", "９９",
  Object.create(null), new Proxy({}, { get() { throw new Error("trap"); } }), { [Symbol.iterator]: 1 }, [[1, 2], null],
];

function mangled(text: string): string {
  const at = random(text.length + 1);
  const end = at + random(4);
  return text.slice(0, at) + pick(["", "\u0000", "=", ",", " ", ".", "A", "é", "\n", String.fromCharCode(random(65536))]) + text.slice(end);
}

const tally = { count: 0, accepted: 0, refused: 0, leaked: 0, forged: 0 };
for (; tally.count < count; tally.count += 1) {
  const good = { "webhook-id": "evt_1", "webhook-timestamp": String(NOW), "webhook-signature": `v1,${SIGNATURE}` };
  let headers: any = { ...good };
  let body: any = BODY;
  let secrets: any = [SECRET];
  let options: any = { now: NOW };
  for (let change = random(3); change >= 0; change -= 1) {
    const name = pick(Object.keys(good));
    const what = random(10);
    if (what < 3 && typeof safeCopy(headers)[name] === "string") headers[name] = mangled(headers[name]);
    else if (what === 3) { try { headers[name] = pick(SENSELESS); } catch { headers = {}; } }
    else if (what === 4) headers = pick(SENSELESS);
    else if (what === 5) body = random(2) ? mangled(BODY) : pick(SENSELESS);
    else if (what === 6) secrets = random(2) ? [mangled(SECRET)] : pick(SENSELESS);
    else if (what === 7) secrets = [pick(SENSELESS), SECRET];
    else if (what === 8) options = random(2) ? { now: pick(SENSELESS), toleranceS: pick(SENSELESS) } : pick(SENSELESS);
  }
  const before = safeCopy(headers);
  try {
    await verifyWebhook(headers, body, secrets, options);
    tally.accepted += 1;
    const same = Object.entries(good).every(([name, value]) => name === "webhook-signature" || String(before[name]).trim() === value);
    if (!same || body !== BODY) tally.forged += 1;
  } catch (error) {
    if (error instanceof WebhookVerificationError) tally.refused += 1;
    else {
      tally.leaked += 1;
      console.error(error);
    }
  }
}
console.log(JSON.stringify(tally));
process.exitCode = tally.leaked || tally.forged || !tally.accepted ? 1 : 0;

function safeCopy(value: any): any {
  try {
    return { ...value };
  } catch {
    return {};
  }
}
