/** The client of the Roadbed API: `createRoadbed()` makes one, `verifyWebhook()` checks what it sends. */

export type * from "./generated.js";
export * from "./client.js";
export * from "./errors.js";
export * from "./events.js";
export * from "./problems.js";
export * from "./webhooks.js";
export { WebhookVerificationError } from "./kit.js";
