// Written by `./run sdk` from openapi/v1.json. Do not edit.

import type {
  AllocationDriftedEvent,
  BlockerEscalatedEvent,
  BlockerOpenedEvent,
  BlockerResolvedEvent,
  BlockerUpdatedEvent,
  CapacityReservedEvent,
  DebtCreatedEvent,
  DebtDeletedEvent,
  DebtUpdatedEvent,
  DebtVerdictChangedEvent,
  DecisionAmendedEvent,
  DecisionRecordedEvent,
  DecisionReviewDueEvent,
  DecisionSupersededEvent,
  FeatureCreatedEvent,
  FeatureDeletedEvent,
  FeatureScoredEvent,
  FeatureUpdatedEvent,
  KeyCreatedEvent,
  KeyRevokedEvent,
  KeyRotatedEvent,
  MetricObservedEvent,
  OnboardingFirstCallEvent,
  OperationFinishedEvent,
  PlanBottleneckBreachedEvent,
  PlanCreatedEvent,
  PlanDeferralDueEvent,
  PlanDeletedEvent,
  PlanLoadTestRecordedEvent,
  PlanPhaseDoneEvent,
  PlanUpdatedEvent,
  PlanUpgradedEvent,
  PrdApprovalInvalidatedEvent,
  PrdApprovedEvent,
  PrdCreatedEvent,
  PrdStatusChangedEvent,
  PrdUpdatedEvent,
  QuestionAnsweredEvent,
  QuotaThresholdReachedEvent,
  RequirementSupersededEvent,
  ReviewSubmittedEvent,
  RoadmapChurnExceededEvent,
  RoadmapOverrideSetEvent,
  RoadmapPublishedEvent,
  RoadmapReprioritizedEvent,
  ScenarioPromotedEvent,
  ScoringModelPublishedEvent,
  SpikeConcludedEvent,
  SpikeOverranEvent,
  SpikeRequestedEvent,
  SpikeStartedEvent,
  SyncGeneratedEvent,
  SyncHeldEvent,
  SyncUpdatedEvent,
  TutorialStepCompletedEvent,
  WebhookEndpointDisabledEvent,
  WebhookEndpointEnabledEvent,
  WebhookEndpointSecretRotatedEvent,
  WebhookTestEvent,
} from "./generated.js";

/** A verified event. `id` is the same each time it is sent: handle each once. */
export type RoadbedEvent =
  | AllocationDriftedEvent
  | BlockerEscalatedEvent
  | BlockerOpenedEvent
  | BlockerResolvedEvent
  | BlockerUpdatedEvent
  | CapacityReservedEvent
  | DebtCreatedEvent
  | DebtDeletedEvent
  | DebtUpdatedEvent
  | DebtVerdictChangedEvent
  | DecisionAmendedEvent
  | DecisionRecordedEvent
  | DecisionReviewDueEvent
  | DecisionSupersededEvent
  | FeatureCreatedEvent
  | FeatureDeletedEvent
  | FeatureScoredEvent
  | FeatureUpdatedEvent
  | KeyCreatedEvent
  | KeyRevokedEvent
  | KeyRotatedEvent
  | MetricObservedEvent
  | OnboardingFirstCallEvent
  | OperationFinishedEvent
  | PlanBottleneckBreachedEvent
  | PlanCreatedEvent
  | PlanDeferralDueEvent
  | PlanDeletedEvent
  | PlanLoadTestRecordedEvent
  | PlanPhaseDoneEvent
  | PlanUpdatedEvent
  | PlanUpgradedEvent
  | PrdApprovalInvalidatedEvent
  | PrdApprovedEvent
  | PrdCreatedEvent
  | PrdStatusChangedEvent
  | PrdUpdatedEvent
  | QuestionAnsweredEvent
  | QuotaThresholdReachedEvent
  | RequirementSupersededEvent
  | ReviewSubmittedEvent
  | RoadmapChurnExceededEvent
  | RoadmapOverrideSetEvent
  | RoadmapPublishedEvent
  | RoadmapReprioritizedEvent
  | ScenarioPromotedEvent
  | ScoringModelPublishedEvent
  | SpikeConcludedEvent
  | SpikeOverranEvent
  | SpikeRequestedEvent
  | SpikeStartedEvent
  | SyncGeneratedEvent
  | SyncHeldEvent
  | SyncUpdatedEvent
  | TutorialStepCompletedEvent
  | WebhookTestEvent
  | WebhookEndpointDisabledEvent
  | WebhookEndpointEnabledEvent
  | WebhookEndpointSecretRotatedEvent;

export const EVENT_TYPES: ReadonlySet<string> = new Set<RoadbedEvent["type"]>([
  "allocation.drifted",
  "blocker.escalated",
  "blocker.opened",
  "blocker.resolved",
  "blocker.updated",
  "capacity.reserved",
  "debt.created",
  "debt.deleted",
  "debt.updated",
  "debt.verdict_changed",
  "decision.amended",
  "decision.recorded",
  "decision.review_due",
  "decision.superseded",
  "feature.created",
  "feature.deleted",
  "feature.scored",
  "feature.updated",
  "key.created",
  "key.revoked",
  "key.rotated",
  "metric.observed",
  "onboarding.first_call",
  "operation.finished",
  "plan.bottleneck_breached",
  "plan.created",
  "plan.deferral_due",
  "plan.deleted",
  "plan.load_test_recorded",
  "plan.phase_done",
  "plan.updated",
  "plan.upgraded",
  "prd.approval_invalidated",
  "prd.approved",
  "prd.created",
  "prd.status_changed",
  "prd.updated",
  "question.answered",
  "quota.threshold_reached",
  "requirement.superseded",
  "review.submitted",
  "roadmap.churn_exceeded",
  "roadmap.override_set",
  "roadmap.published",
  "roadmap.reprioritized",
  "scenario.promoted",
  "scoring_model.published",
  "spike.concluded",
  "spike.overran",
  "spike.requested",
  "spike.started",
  "sync.generated",
  "sync.held",
  "sync.updated",
  "tutorial.step_completed",
  "webhook.test",
  "webhook_endpoint.disabled",
  "webhook_endpoint.enabled",
  "webhook_endpoint.secret_rotated",
]);
