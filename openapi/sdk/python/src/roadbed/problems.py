"""An error for each code. Written by `./run sdk` from openapi/v1.json. Do not edit."""

from typing import Dict, Type

from .errors import APIError


class AlreadyRecorded(APIError):
    """`already_recorded`."""


class AlreadySuperseded(APIError):
    """`already_superseded`."""


class BlockerResolved(APIError):
    """`blocker_resolved`."""


class BlockingQuestions(APIError):
    """`blocking_questions`."""


class BodyTooLarge(APIError):
    """`body_too_large`."""


class Conflict(APIError):
    """`conflict`."""


class DecisionFrozen(APIError):
    """`decision_frozen`."""


class DeliveryUnderWay(APIError):
    """`delivery_under_way`."""


class EndpointDisabled(APIError):
    """`endpoint_disabled`."""


class EventExpunged(APIError):
    """`event_expunged`."""


class ExternalIdTaken(APIError):
    """`external_id_taken`."""


class FeatureNeeded(APIError):
    """`feature_needed`."""


class HeadTooLarge(APIError):
    """`head_too_large`."""


class IdempotencyInProgress(APIError):
    """`idempotency_in_progress`."""


class IdempotencyKeyReused(APIError):
    """`idempotency_key_reused`."""


class IllegalTransition(APIError):
    """`illegal_transition`."""


class InsufficientScope(APIError):
    """`insufficient_scope`."""


class InternalError(APIError):
    """`internal_error`."""


class InvalidCursor(APIError):
    """`invalid_cursor`."""


class InvalidRequest(APIError):
    """`invalid_request`."""


class KeyEnded(APIError):
    """`key_ended`."""


class LastSecret(APIError):
    """`last_secret`."""


class LiveOnly(APIError):
    """`live_only`."""


class MethodNotAllowed(APIError):
    """`method_not_allowed`."""


class NotAcceptable(APIError):
    """`not_acceptable`."""


class NotApproved(APIError):
    """`not_approved`."""


class NotClaimable(APIError):
    """`not_claimable`."""


class NotFound(APIError):
    """`not_found`."""


class NotInReview(APIError):
    """`not_in_review`."""


class NotRecorded(APIError):
    """`not_recorded`."""


class NothingRanked(APIError):
    """`nothing_ranked`."""


class NothingScored(APIError):
    """`nothing_scored`."""


class OperationEnded(APIError):
    """`operation_ended`."""


class PlanTooLarge(APIError):
    """`plan_too_large`."""


class PlannerBusy(APIError):
    """`planner_busy`."""


class PrdFrozen(APIError):
    """`prd_frozen`."""


class PreconditionFailed(APIError):
    """`precondition_failed`."""


class QuotaExceeded(APIError):
    """`quota_exceeded`."""


class RateLimited(APIError):
    """`rate_limited`."""


class RequestTimeout(APIError):
    """`request_timeout`."""


class RoadmapFrozen(APIError):
    """`roadmap_frozen`."""


class SandboxOnly(APIError):
    """`sandbox_only`."""


class ScenarioPromoted(APIError):
    """`scenario_promoted`."""


class ScenarioStale(APIError):
    """`scenario_stale`."""


class SimulationTooLarge(APIError):
    """`simulation_too_large`."""


class SimulatorBusy(APIError):
    """`simulator_busy`."""


class SpikeConcluded(APIError):
    """`spike_concluded`."""


class SpikeStarted(APIError):
    """`spike_started`."""


class SyncHeld(APIError):
    """`sync_held`."""


class TooManyLoadtests(APIError):
    """`too_many_loadtests`."""


class TooManyOperations(APIError):
    """`too_many_operations`."""


class TooManyOverrides(APIError):
    """`too_many_overrides`."""


class TooManySecrets(APIError):
    """`too_many_secrets`."""


class TooManyVersions(APIError):
    """`too_many_versions`."""


class Unauthenticated(APIError):
    """`unauthenticated`."""


class Unavailable(APIError):
    """`unavailable`."""


class UnsupportedMediaType(APIError):
    """`unsupported_media_type`."""


BY_CODE: Dict[str, Type[APIError]] = {
    "already_recorded": AlreadyRecorded,
    "already_superseded": AlreadySuperseded,
    "blocker_resolved": BlockerResolved,
    "blocking_questions": BlockingQuestions,
    "body_too_large": BodyTooLarge,
    "conflict": Conflict,
    "decision_frozen": DecisionFrozen,
    "delivery_under_way": DeliveryUnderWay,
    "endpoint_disabled": EndpointDisabled,
    "event_expunged": EventExpunged,
    "external_id_taken": ExternalIdTaken,
    "feature_needed": FeatureNeeded,
    "head_too_large": HeadTooLarge,
    "idempotency_in_progress": IdempotencyInProgress,
    "idempotency_key_reused": IdempotencyKeyReused,
    "illegal_transition": IllegalTransition,
    "insufficient_scope": InsufficientScope,
    "internal_error": InternalError,
    "invalid_cursor": InvalidCursor,
    "invalid_request": InvalidRequest,
    "key_ended": KeyEnded,
    "last_secret": LastSecret,
    "live_only": LiveOnly,
    "method_not_allowed": MethodNotAllowed,
    "not_acceptable": NotAcceptable,
    "not_approved": NotApproved,
    "not_claimable": NotClaimable,
    "not_found": NotFound,
    "not_in_review": NotInReview,
    "not_recorded": NotRecorded,
    "nothing_ranked": NothingRanked,
    "nothing_scored": NothingScored,
    "operation_ended": OperationEnded,
    "plan_too_large": PlanTooLarge,
    "planner_busy": PlannerBusy,
    "prd_frozen": PrdFrozen,
    "precondition_failed": PreconditionFailed,
    "quota_exceeded": QuotaExceeded,
    "rate_limited": RateLimited,
    "request_timeout": RequestTimeout,
    "roadmap_frozen": RoadmapFrozen,
    "sandbox_only": SandboxOnly,
    "scenario_promoted": ScenarioPromoted,
    "scenario_stale": ScenarioStale,
    "simulation_too_large": SimulationTooLarge,
    "simulator_busy": SimulatorBusy,
    "spike_concluded": SpikeConcluded,
    "spike_started": SpikeStarted,
    "sync_held": SyncHeld,
    "too_many_loadtests": TooManyLoadtests,
    "too_many_operations": TooManyOperations,
    "too_many_overrides": TooManyOverrides,
    "too_many_secrets": TooManySecrets,
    "too_many_versions": TooManyVersions,
    "unauthenticated": Unauthenticated,
    "unavailable": Unavailable,
    "unsupported_media_type": UnsupportedMediaType,
}
