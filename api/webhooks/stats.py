"""How an endpoint does: one bounded statement over its newest attempts and what waits for it."""

from sqlalchemy import text

from api.stores import Prepared

STATS = Prepared(
    text(
        """
WITH recent AS (
    SELECT attempt.error, attempt.latency_ms FROM deliveries AS delivery
    JOIN attempts AS attempt
      ON attempt.workspace_id = delivery.workspace_id AND attempt.livemode = delivery.livemode
     AND attempt.delivery_id = delivery.id
    WHERE delivery.workspace_id = :workspace_id AND delivery.livemode = :livemode AND delivery.endpoint_id = :id
      AND attempt.finished_at > now() - interval '24 hours'
    ORDER BY delivery.id DESC LIMIT 10000
), waiting AS (
    SELECT status, due_at FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id AND status = 'pending'
    ORDER BY id LIMIT 10000
), held AS (
    SELECT 1 FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id AND status = 'held' LIMIT 10000
), dead AS (
    SELECT 1 FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND endpoint_id = :id AND status = 'dead' LIMIT 10000
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
    'pending', (SELECT count(*) FROM waiting),
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
