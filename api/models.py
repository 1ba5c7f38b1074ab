"""Every table, imported for the migrations and the tests that compare them with the models."""

from api.accounts import models as accounts
from api.audit import models as audit
from api.debts import models as debts
from api.decisions import models as decisions
from api.features import models as features
from api.http import idempotency
from api.imports import models as imports
from api.inbox import models as inbox
from api.operations import models as operations
from api.plans import models as plans
from api.prds import models as prds
from api.roadmap import models as roadmap
from api.scores import models as scores
from api.search import models as search
from api.spikes import models as spikes
from api.syncs import models as syncs
from api.usage import models as usage
from api.webhooks import models as webhooks

__all__ = [
    "accounts",
    "audit",
    "debts",
    "decisions",
    "features",
    "idempotency",
    "imports",
    "inbox",
    "operations",
    "plans",
    "prds",
    "roadmap",
    "scores",
    "search",
    "spikes",
    "syncs",
    "usage",
    "webhooks",
]
