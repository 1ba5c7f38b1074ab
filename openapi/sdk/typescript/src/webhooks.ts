/** Verify a webhook and get its event with the type that the contract gives it. */

import { EVENT_TYPES, type RoadbedEvent } from "./events.js";
import { type HeadersLike, type VerifyOptions, verifyWebhook as verified } from "./kit.js";

/** An event that this version of the client does not know. */
export interface UnknownEvent {
  id: string;
  type: "unknown";
  /** The type that it was sent with. */
  sentType: string;
  timestamp: string;
  payload: Record<string, unknown>;
  data: Record<string, unknown>;
}

/**
 * The event that one of `secrets` (`whsec_…` or `whpk_…`) signed within the tolerance. `event.type` narrows its data.
 * Give the raw body. Throws WebhookVerificationError alone; its `code` says why.
 */
export async function verifyWebhook(
  headers: HeadersLike,
  body: string | Uint8Array | ArrayBuffer,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<RoadbedEvent | UnknownEvent> {
  const { id, type, timestamp, data, payload } = await verified(headers, body, secrets, options);
  if (EVENT_TYPES.has(type)) return payload as unknown as RoadbedEvent;
  return { id, type: "unknown", sentType: type, timestamp, data, payload };
}
