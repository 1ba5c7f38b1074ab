"""The examples of the guide, The Technical Product Manager, as data: its figures as printed, the prose in our words.

Two of its four RICE scores and both of its totals are wrong. They stay as printed, because an import must find that.
"""

from typing import Any

RICE_TABLE_MARKDOWN = """\
| Feature | Reach (users/qtr) | Impact (1-3) | Confidence (%) | Effort (eng-months) | RICE Score |
|---------|-------------------|--------------|----------------|---------------------|------------|
| Real-time collab | 10,000 | 3 (massive) | 80% | 2 | **120** |
| Dark mode | 5,000 | 1 (small) | 100% | 0.5 | **10** |
| API v2 | 500 | 3 (massive) | 60% | 6 | **15** |
| Performance (50% faster) | 15,000 | 2 (medium) | 70% | 4 | **52.5** |

**Priority order:** Real-time collab (120) → Performance (52.5) → API v2 (15) → Dark mode (10)
"""

DECISION_MATRIX_MARKDOWN = """\
| Factor | Weight | Build | Buy |
|--------|--------|-------|-----|
| **Core differentiator?** | 40% | 10 | 2 |
| **Time to market** | 20% | 2 | 10 |
| **Cost (2-year TCO)** | 20% | 5 | 7 |
| **Customization needs** | 10% | 10 | 4 |
| **Maintenance burden** | 10% | 3 | 9 |
| **Total** | 100% | **6.6** | **6.2** |
"""

PRD: dict[str, Any] = {
    "title": "Real-time collaboration",
    "problem": {
        "statement": "People cannot work on one document at the same time, and lose edits when they try.",
        "current_flow": "One person edits and saves, the next has to reload before editing.",
        "evidence": [
            {
                "claim": "Users who say that working together is painful",
                "value": "40",
                "unit": "percent",
                "population": "users asked",
            }
        ],
    },
    "solution": "Let several people edit one document live, merging their edits by operational transforms or CRDTs.",
    "user_stories": [
        {"as_a": "user", "i_can": "see the cursors and edits of others as they happen", "so_that": None},
        {"as_a": "user", "i_can": "keep my edits while someone else is typing", "so_that": None},
        {"as_a": "user", "i_can": "see who else has the document open", "so_that": None},
    ],
    "functional": [
        {
            "code": "FR-001",
            "text": "Edits reach the others live",
            "metric": "sync latency",
            "op": "<",
            "value": "200",
            "unit": "ms",
            "percentile": "p95",
            "phase": 1,
        },
        {"code": "FR-002", "text": "Conflicting edits are resolved by operational transforms", "phase": 2},
        {"code": "FR-003", "text": "Active users are shown", "phase": 1},
        {"code": "FR-004", "text": "Edits made offline are queued and synced when back online", "phase": 2},
    ],
    "non_functional": [
        {
            "code": "NFR-001",
            "kind": "performance",
            "text": "Edits are applied quickly",
            "metric": "edit latency",
            "op": "<",
            "value": "200",
            "unit": "ms",
            "percentile": "p95",
        },
        {
            "code": "NFR-002",
            "kind": "scalability",
            "text": "Many people edit one document",
            "metric": "concurrent editors per document",
            "op": ">=",
            "value": "50",
            "unit": "editors",
        },
        {
            "code": "NFR-003",
            "kind": "reliability",
            "text": "The service is up",
            "metric": "uptime",
            "op": ">=",
            "value": "99.9",
            "unit": "percent",
        },
        {"code": "NFR-004", "kind": "security", "text": "Documents are encrypted end to end"},
    ],
    "approach": {
        "architecture": (
            "Client (browser) → WebSocket → Collaboration server → Database\n"
            "                                      ↓\n"
            "                         Operational transform engine"
        ),
        "stack": [
            {"layer": "frontend", "tech": "Yjs", "role": "CRDT library"},
            {"layer": "backend", "tech": "Node.js and Socket.IO", "role": "WebSocket server"},
            {"layer": "database", "tech": "PostgreSQL", "role": "document storage"},
            {"layer": "database", "tech": "Redis", "role": "presence"},
        ],
        "rationale": [
            {"choice": "CRDTs (Yjs)", "because": "Simpler than transforms, and no server has to resolve conflicts."},
            {"choice": "WebSocket", "because": "Live traffic goes both ways."},
            {"choice": "Redis", "because": "Presence is short-lived and has to be fast."},
        ],
    },
    "build_vs_buy": {
        "options": [
            {
                "name": "Build",
                "pros": "full control, own experience",
                "cons": "6 months, then maintenance",
                "cost": "500000",
                "cost_unit": "USD once",
                "verdict": "rejected",
            },
            {
                "name": "Firebase",
                "pros": "quick (2 weeks), managed",
                "cons": "lock-in, cost grows with use",
                "cost": "10000",
                "cost_unit": "USD a month at scale",
                "verdict": "recommended",
            },
            {
                "name": "Yjs",
                "pros": "free, flexible",
                "cons": "needs hosting and some work",
                "cost": "100000",
                "cost_unit": "USD once",
                "verdict": "fallback",
            },
        ],
        "recommendation": "Firebase for the first release (2 to 4 weeks).",
        "revisit": {
            "metric": "yearly cost",
            "op": ">",
            "value": "120000",
            "unit": "USD a year",
            "then": "evaluate Yjs",
        },
    },
    "risks": [
        {
            "description": "One server may not hold 10,000 WebSocket connections",
            "mitigation": "Balance the load over several WebSocket servers",
        },
        {
            "description": "The merging of edits may have cases that nobody thought of",
            "mitigation": "Test extensively; fall back to the last write",
        },
        {
            "description": "A hundred queued offline edits may be hard to merge",
            "mitigation": "Queue at most 50 edits offline, then force a sync",
        },
    ],
    "success_metrics": [
        {
            "category": "product",
            "metric": "users who adopt live collaboration",
            "op": ">=",
            "target": "80",
            "unit": "percent",
        },
        {
            "category": "technical",
            "metric": "edit latency",
            "percentile": "p95",
            "op": "<",
            "target": "200",
            "unit": "ms",
        },
        {"category": "technical", "metric": "uptime", "op": ">=", "target": "99.9", "unit": "percent"},
        {
            "category": "business",
            "metric": "increase of team plan conversions",
            "op": ">=",
            "target": "10",
            "unit": "percent",
        },
    ],
    "release_plan": [
        {"phase": 1, "name": "First release", "scope": ["live editing", "presence"], "weeks": 2},
        {"phase": 2, "name": "Offline", "scope": ["offline support", "resolving conflicts on screen"], "weeks": 4},
        {"phase": 3, "name": "Performance", "scope": ["from 50 to 200 concurrent editors"], "weeks": 2},
    ],
    "open_questions": [
        "How are documents of more than 10,000 words handled?",
        "What happens when the WebSocket fails?",
        "Does editing together need an audit log?",
    ],
}
