"""The audit log hears of debts, spikes, syncs, blockers, plans and horizons too."""

from migrations.auditing import audit, no_longer_audit

revision = "0019"
down_revision = "0018"

# Table: the prefix of its ids.
AUDITED = {
    "debts": "debt",
    "spikes": "spike",
    "syncs": "sync",
    "blockers": "blk",
    "plans": "plan",
    "roadmap_items": "feat",
}


def upgrade() -> None:
    for table, prefix in AUDITED.items():
        audit(table, prefix)


def downgrade() -> None:
    for table in AUDITED:
        no_longer_audit(table)
