"""What is told of scores."""

from api.scores.schemas import ModelShown, ScoreShown
from api.webhooks.catalogue import WrittenOnce, declare


class Scored(WrittenOnce, ScoreShown):
    """A new score. Scores are never changed: the next one is another."""


SCORED = declare(
    "feature.scored",
    data=Scored,
    example={
        "id": "score_01h455vb4pex5vsknk084sn02q",
        "object": "score",
        "livemode": True,
        "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
        "framework": "rice",
        "variant": None,
        "model_version": None,
        "formula": "rice@1",
        "scale": None,
        "inputs": {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2},
        "value": 12000,
        "outcome": {},
        "author": "First live key",
        "author_kind": "key",
        "evidence": [],
        "note": None,
        "created_at": "2026-11-23T09:30:00.000000Z",
        "version": 1,
    },
    since="2026-11-23",
    description="A feature got a new score.",
)

PUBLISHED = declare(
    "scoring_model.published",
    data=ModelShown,
    example={
        "id": "model_01h455vb4pex5vsknk084sn02q",
        "object": "scoring_model",
        "livemode": True,
        "key": "platform_value",
        "version": 1,
        "title": "Value to the platform",
        "description": None,
        "kind": "formula",
        "definition": {
            "expression": "value / effort",
            "inputs": [
                {
                    "name": "value",
                    "description": None,
                    "minimum": 0,
                    "maximum": 10,
                    "exclusive_minimum": False,
                    "unit": None,
                },
                {
                    "name": "effort",
                    "description": None,
                    "minimum": 0,
                    "maximum": 100,
                    "exclusive_minimum": True,
                    "unit": "person-months",
                },
            ],
            "effort": "effort",
            "per_effort": True,
        },
        "author": "First live key",
        "created_at": "2026-11-23T09:30:00.000000Z",
    },
    since="2026-11-23",
    description="A version of an own scoring model was published.",
)
