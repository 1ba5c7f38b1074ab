"""Subscribe a server of this machine, make a feature, and print the event that comes.

ROADBED_API_KEY=rb_live_… python receive_webhooks.py
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

from roadbed import EndpointCreate, FeatureCreate, Roadbed, WebhookVerificationError, events, verify_webhook

secrets: "list[str]" = []
arrived: "Queue[events.AnyEvent]" = Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = verify_webhook(dict(self.headers), body, secrets)
        except WebhookVerificationError as error:
            print(f"refused: {error.code}")
            status = 400
        else:
            arrived.put(event)  # answer first, work afterwards
            status = 204
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def main() -> None:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server, Roadbed() as client:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        endpoint = client.create_endpoint(EndpointCreate(url=url, event_types=["feature.created"]))
        secrets.append(endpoint.secret)
        client.create_feature(FeatureCreate(title="Dark mode"))
        event = arrived.get(timeout=60)
        if isinstance(event, events.FeatureCreatedEvent):
            print(f"{event.type_}: {event.data.title}")
        server.shutdown()


if __name__ == "__main__":
    main()
