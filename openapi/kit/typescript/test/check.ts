/** Reads cases as JSON lines, `{headers, body (base64), secrets, now}`, and writes what `verifyWebhook` says to each. */

import { createInterface } from "node:readline";
import { verifyWebhook, WebhookVerificationError } from "../src/roadbed-webhooks.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { headers, body, secrets, now } = JSON.parse(line);
  try {
    const event = await verifyWebhook(headers, Buffer.from(body, "base64"), secrets, { now });
    console.log(JSON.stringify({ ok: true, id: event.id, type: event.type }));
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log(JSON.stringify({ ok: false, code: error.code }));
  }
}
