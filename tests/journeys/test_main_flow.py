"""What a newcomer does, from signup to the first verified webhooks."""

from standardwebhooks import Webhook

from tests.support.receiver import Receiver
from tests.support.workspace import GUIDE, Workspace, made
from workers.deliver import Courier


async def test_from_signup_to_verified_webhooks(workspace: Workspace, receiver: Receiver, courier: Courier) -> None:
    endpoint = await workspace.endpoint(receiver.url, "roadmap.reprioritized", "decision.*")
    features = {title: await workspace.scored(title) for title in GUIDE}

    revision = await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": "rice"})

    order = [(row["title"], row["value"]) for row in revision["ranking"]]
    assert order == [("Real-time collab", 12000), ("Dark mode", 10000), ("Performance", 5250), ("API v2", 150)]
    [told] = await receiver.count(1)
    verified = Webhook(endpoint["secret"]).verify(told.body, told.headers)
    assert verified["type"] == "roadmap.reprioritized"
    assert verified["id"] == told.headers["webhook-id"]
    assert verified["data"]["moves"] == [
        {"feature_id": features[title]["id"], "from": None, "to": rank, "cause": "new"}
        for rank, (title, _) in enumerate(order, 1)
    ]

    again = await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": "rice"})
    assert again["moves"] == []
    assert len(await receiver.quiet()) == 1

    decision = await made(workspace.live, "/v1/decisions", BUILD_OR_BUY)
    assert decision["analysis"]["totals"] == {"build": 6.7, "buy": 5.5}
    assert (decision["analysis"]["leader"], decision["analysis"]["margin"]) == ("build", 1.2)
    verdict = {"chosen": "build", "rationale": "It sets us apart.", "review_at": "2027-05-23T00:00:00Z"}
    await made(workspace.live, f"/v1/decisions/{decision['id']}/record", verdict)

    recorded = (await receiver.count(2))[1]
    assert Webhook(endpoint["secret"]).verify(recorded.body, recorded.headers)["type"] == "decision.recorded"
    assert recorded.event["data"]["chosen"] == "build"
    second = await workspace.live.post(f"/v1/decisions/{decision['id']}/record", json=verdict)
    assert (second.status_code, second.json()["code"]) == (409, "already_recorded")


BUILD_OR_BUY = {
    "title": "Build or buy real-time collaboration",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
    "criteria": [
        {"key": "core", "title": "Core differentiator", "weight": 0.4},
        {"key": "speed", "title": "Time to market", "weight": 0.2},
        {"key": "cost", "title": "Cost over two years", "weight": 0.2},
        {"key": "custom", "title": "Customisation", "weight": 0.1},
        {"key": "care", "title": "Maintenance", "weight": 0.1},
    ],
    "ratings": {
        "build": {"core": 10, "speed": 2, "cost": 5, "custom": 10, "care": 3},
        "buy": {"core": 2, "speed": 10, "cost": 7, "custom": 4, "care": 9},
    },
}
