// Subscribe a server of this machine, make a feature, and print the event that comes:
// ROADBED_API_KEY=rb_live_… node receive_webhooks.ts
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRoadbed, verifyWebhook, WebhookVerificationError } from "roadbed";

const secrets: string[] = [];
const server = createServer(async (request, response) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const event = await verifyWebhook(request.headers, Buffer.concat(chunks), secrets);
    response.writeHead(204).end(); // answer first, work afterwards
    if (event.type === "feature.created") console.log(`${event.type}: ${event.data.title}`);
    server.close();
    server.closeAllConnections();
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    response.writeHead(400).end(error.code);
  }
});
await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));

const client = createRoadbed();
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
const endpoint = await client.create_endpoint({ body: { url, event_types: ["feature.created"] } });
secrets.push(endpoint.secret);
await client.create_feature({ body: { title: "Dark mode" } });
