"""Score three features with RICE, rank them, and print the order.

ROADBED_API_KEY=rb_live_… python prioritize.py
"""

from typing import Any, Dict

from roadbed import FeatureCreate, Reprioritize, Roadbed, ScoreCreate

FEATURES: Dict[str, Dict[str, Any]] = {
    "Real-time collaboration": {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2},
    "Dark mode": {"reach": 5000, "impact": 1, "confidence": 1, "effort": 0.5},
    "API v2": {"reach": 500, "impact": 3, "confidence": 0.6, "effort": 6},
}


def main() -> None:
    with Roadbed() as client:
        for title, inputs in FEATURES.items():
            feature = client.create_feature(FeatureCreate(title=title))
            client.create_score(feature.id, ScoreCreate(framework="rice", inputs=inputs))
        revision = client.reprioritize(Reprioritize(framework="rice"))
        for row in revision.ranking:
            print(f"{row.rank}. {row.title} ({row.value:g})")


if __name__ == "__main__":
    main()
