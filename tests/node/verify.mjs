// Verifies requests with a library from npm. One JSON object a line comes in and one goes out:
// {"library", "secret", "headers", "body" (base64)} gives {"event"} or {"refused": the error's name}.
import { createInterface } from "node:readline";
import * as standardwebhooks from "standardwebhooks";
import * as svix from "svix";

const libraries = { standardwebhooks, svix };

for await (const line of createInterface({ input: process.stdin })) {
  const { library, secret, headers, body } = JSON.parse(line);
  console.log(JSON.stringify(verified(libraries[library], secret, headers, Buffer.from(body, "base64").toString())));
}

function verified({ Webhook, WebhookVerificationError }, secret, headers, body) {
  try {
    // svix returns nothing.
    return { event: new Webhook(secret).verify(body, headers) ?? JSON.parse(body) };
  } catch (error) {
    if (error instanceof WebhookVerificationError) return { refused: "WebhookVerificationError" };
    throw error;
  }
}
