"""How an endpoint does: one bounded statement over its newest attempts and what waits for it."""

from sqlalchemy import text

from api.stores import Prepared

STATS = Prepared(
    text(
        """
WITH its AS (
    SELECT CAST(:workspace_id AS uuid) AS workspace_id, CAST(:livemode AS boolean) AS livemode, CAST(:id AS uuid) AS id
), due AS (
    -- These two as a range of rows, in the order of the one index that has it: the queue of all tenants has the same
    -- due times, the log of the whole workspace the same ids, and both are longer.
    SELECT id, due_at, attempt_count, finished_at FROM deliveries
    WHERE (workspace_id, livemode, endpoint_id, due_at) >= (SELECT its.*, CAST('-infinity' AS timestamptz) FROM its)
      AND (workspace_id, livemode, endpoint_id, due_at) <= (SELECT its.*, CAST('infinity' AS timestamptz) FROM its)
      AND status = 'pending' AND order_key IS NULL
    ORDER BY workspace_id, livemode, endpoint_id, due_at LIMIT 10000
), newest AS (
    SELECT id, due_at, attempt_count, finished_at FROM deliveries
    WHERE (workspace_id, livemode, endpoint_id, id) >= (SELECT its.*, roadbed_first_id('1970-01-01') FROM its)
      AND (workspace_id, livemode, endpoint_id, id) <= (SELECT its.*, roadbed_first_id('9999-12-31') FROM its)
    ORDER BY workspace_id DESC, livemode DESC, endpoint_id DESC, id DESC LIMIT 10000
), looked AS (
    -- Older ones than the newest came to rest long ago, but for those that are tried again.
    SELECT id FROM (SELECT * FROM newest UNION SELECT * FROM due) AS known
    WHERE attempt_count > 0 AND coalesce(finished_at > now() - interval '24 hours', true)
), recent AS (
    SELECT attempt.error, attempt.latency_ms FROM looked
    CROSS JOIN LATERAL (
        SELECT error, latency_ms FROM attempts
        WHERE workspace_id = :workspace_id AND livemode = :livemode AND delivery_id = looked.id
          AND id >= roadbed_first_id((now() AT TIME ZONE 'UTC')::date - 2)
          AND id < roadbed_first_id((now() AT TIME ZONE 'UTC')::date + 1)
          AND finished_at > now() - interval '24 hours'
        LIMIT 100
    ) AS attempt
    ORDER BY looked.id DESC LIMIT 10000
), waiting AS (
    SELECT due_at FROM due
    UNION ALL
    (SELECT due_at FROM deliveries
     WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id
       AND status = 'pending' AND order_key IS NOT NULL
     ORDER BY xid, id LIMIT 10000)
), held AS (
    SELECT 1 FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id AND status = 'held'
    ORDER BY xid, id LIMIT 10000
), dead AS (
    SELECT 1 FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id AND status = 'dead'
    ORDER BY id LIMIT 10000
)
SELECT json_build_object(
    'object', 'endpoint_stats',
    'endpoint_id', roadbed_id('ep', endpoint.id),
    'breaker', coalesce(health.breaker, 'closed'),
    'blocked_until', CASE WHEN health.blocked_until > now() THEN roadbed_time(health.blocked_until) END,
    'failing_since', roadbed_time(health.failing_since),
    'failures_in_row', coalesce(health.failures_in_row, 0),
    'attempts', (SELECT count(*) FROM recent),
    'success_rate', (SELECT round(avg(CASE WHEN error IS NULL THEN 1 ELSE 0 END), 4) FROM recent),
    'p50_ms', (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FROM recent),
    'p95_ms', (SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) FROM recent),
    'pending', (SELECT least(count(*), 10000) FROM waiting),
    'held', (SELECT count(*) FROM held),
    'dead', (SELECT count(*) FROM dead),
    'oldest_pending_s', (SELECT round(extract(epoch FROM now() - min(due_at)), 3) FROM waiting WHERE due_at <= now())
)::text AS json
FROM endpoints AS endpoint
LEFT JOIN endpoint_health AS health
  ON health.workspace_id = endpoint.workspace_id AND health.livemode = endpoint.livemode
 AND health.endpoint_id = endpoint.id
WHERE endpoint.workspace_id = :workspace_id AND endpoint.livemode = :livemode AND endpoint.id = :id"""
    )
)
