"""What is told of the roadmap."""

from api.roadmap.schemas import RevisionShown
from api.webhooks.catalogue import declare

# So many of each go into an event, whose body stays under 20 kB; the revision itself has the rest.
MOST_TOLD = 50

REPRIORITIZED = declare(
    "roadmap.reprioritized",
    data=RevisionShown,
    example={
        "id": "rev_01h455vb4pex5vsknk084sn02q",
        "object": "roadmap_revision",
        "livemode": True,
        "framework": "rice",
        "reason": "Weekly sync of 23 November",
        "author": "First live key",
        "created_at": "2026-11-23T09:30:00.000000Z",
        "ranking": [
            {
                "rank": 1,
                "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
                "title": "Real-time collaboration",
                "value": 12000,
            }
        ],
        "ranking_total": 1,
        "moves": [{"feature_id": "feat_01h455vb4pex5vsknk084sn02q", "from": None, "to": 1}],
        "moves_total": 1,
    },
    since="2026-11-23",
    description=(
        "The ranking changed. One event for a revision: at most 50 entries of the ranking and of the moves, with the "
        "totals; GET the revision for the rest. A reprioritisation that moves nothing is not told."
    ),
)
