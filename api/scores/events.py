"""What is told of scores."""

from api.scores.schemas import ScoreShown
from api.webhooks.catalogue import declare

SCORED = declare(
    "feature.scored",
    data=ScoreShown,
    example={
        "id": "score_01h455vb4pex5vsknk084sn02q",
        "object": "score",
        "livemode": True,
        "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
        "framework": "rice",
        "formula": "rice@1",
        "inputs": {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2},
        "value": 12000,
        "author": "First live key",
        "created_at": "2026-11-23T09:30:00.000000Z",
    },
    since="2026-11-23",
    description="A feature got a new score.",
)
