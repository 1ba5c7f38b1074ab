"""What every table with a tenant gets: forced row-level security, and rights for the two roles that own nothing.

Three settings of a transaction say who asks: `roadbed.workspace_id`, `roadbed.livemode` and `roadbed.key_digest`.
Without them no row is seen. The worker's role sees every tenant's rows, in the tables of the delivery system alone.
"""

from alembic import op

APP_ROLE = "roadbed_app"
WORKER_ROLE = "roadbed_worker"


def protect(table: str, *, app: str = "SELECT, INSERT, UPDATE, DELETE", worker: str | None = None) -> None:
    """Hold the rows of each workspace and mode apart; `app` and `worker` are the rights of the two roles."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} TO {APP_ROLE} "
        "USING (workspace_id = roadbed_workspace() AND livemode = roadbed_livemode())"
    )
    op.execute(f"GRANT {app} ON {table} TO {APP_ROLE}")
    if worker is not None:
        op.execute(f"CREATE POLICY worker ON {table} TO {WORKER_ROLE} USING (true)")
        op.execute(f"GRANT {worker} ON {table} TO {WORKER_ROLE}")


def let_sandbox_reset(table: str) -> None:
    """Of a table whose rows the application else never deletes: those of test mode, and only when it is reset."""
    op.execute(f"GRANT DELETE ON {table} TO {APP_ROLE}")
    op.execute(
        f"CREATE POLICY only_when_reset ON {table} AS RESTRICTIVE FOR DELETE TO {APP_ROLE} "
        "USING (NOT livemode AND roadbed_resetting())"
    )


def keep_from_reset(table: str) -> None:
    op.execute(f"DROP POLICY only_when_reset ON {table}")
    op.execute(f"REVOKE DELETE ON {table} FROM {APP_ROLE}")
