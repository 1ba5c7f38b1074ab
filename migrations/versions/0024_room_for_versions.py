"""Room in the pages of deliveries and attempts for the versions that an attempt makes of them.

A claim writes a second version of each delivery of a batch, which is often all that a page holds: with half of the page
free all of them fit, and no index is touched. An attempt is written small and grows by its answer.
"""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    _leave_room(deliveries=50, attempts=45)


def downgrade() -> None:
    _leave_room(deliveries=75, attempts=70)


def _leave_room(*, deliveries: int, attempts: int) -> None:
    """Fill pages to so many percent; those that are full stay so."""
    op.execute(f"ALTER TABLE deliveries SET (fillfactor = {deliveries})")
    op.execute(
        f"""
        DO $$
        DECLARE
            partition regclass;
        BEGIN
            FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'attempts'::regclass LOOP
                EXECUTE format('ALTER TABLE %s SET (fillfactor = {attempts})', partition);
            END LOOP;
            -- And those that are still to come.
            EXECUTE regexp_replace(
                pg_get_functiondef('roadbed_rotate_attempts(integer, integer)'::regprocedure),
                'fillfactor = \\d+', 'fillfactor = {attempts}'
            );
        END $$
        """
    )
