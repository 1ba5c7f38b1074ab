"""What a table gets whose rows are in the audit log: three triggers, once for each statement and not for each row."""

from alembic import op


def audit(table: str, prefix: str, *, without: tuple[str, ...] = (), row_id: str = "id") -> None:
    """Log what is written to the table. `without` are columns that are secret, derived or large."""
    left_out = "{" + ",".join(("workspace_id", "livemode", *without)) + "}"
    for action, tables in (
        ("insert", "NEW TABLE AS new_rows"),
        ("update", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("delete", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER audit_{action} AFTER {action} ON {table} REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION roadbed_audit_{action}('{prefix}', '{left_out}', '{row_id}')"
        )


def no_longer_audit(table: str) -> None:
    for action in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER audit_{action} ON {table}")
