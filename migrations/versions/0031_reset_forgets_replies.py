"""A reset of the sandbox forgets kept replies and operations too: what they tell of is gone."""

from migrations.tenancy import keep_from_reset, let_sandbox_reset

revision = "0031"
down_revision = "0030"

TABLES = ("idempotency_keys", "operations")


def upgrade() -> None:
    for table in TABLES:
        let_sandbox_reset(table)


def downgrade() -> None:
    for table in TABLES:
        keep_from_reset(table)
