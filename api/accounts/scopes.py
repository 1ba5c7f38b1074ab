"""What a key may do. Each operation declares one scope; a key without it gets 403."""

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal[
    "features:read",
    "features:write",
    "scores:read",
    "scores:write",
    "roadmap:read",
    "roadmap:write",
    "decisions:read",
    "decisions:write",
    "prds:read",
    "prds:write",
    "debts:read",
    "debts:write",
    "spikes:read",
    "spikes:write",
    "syncs:read",
    "syncs:write",
    "plans:read",
    "plans:write",
    "imports:read",
    "imports:write",
    "webhooks:read",
    "webhooks:write",
    "operations:read",
    "operations:write",
    "usage:read",
    "audit:read",
    "sandbox:write",
    "keys:admin",
]
EVERY_SCOPE: tuple[str, ...] = get_args(Scope)


def covers(held: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether a key with the scopes `held` may do, or hand on, all of `wanted`."""
    return set(wanted) <= set(held)
