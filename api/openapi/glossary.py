"""What a property means wherever it appears, for the fields whose models do not say it themselves."""

_LINES = """
object: The kind of resource.
title: A short name that people recognise.
livemode: True for live data, false for the sandbox.
id: Its id, a prefix that tells the kind and 26 characters.
status: Where it stands.
unit: What the number counts.
description: What it is, in the writer's words.
data: The items, in the order of the list.
has_more: Whether another page follows.
next_cursor: Give it as `cursor` to read the next page; null on the last.
value: The number itself.
key: A short name, unique beside its siblings.
name: What it is called.
text: What it says.
metric: What is measured.
kind: Which kind it is.
owner: Who answers for it.
feature_id: The feature it belongs to.
risks: What may go wrong.
reason: Why it was done.
source: Where it came from.
message: What is wrong, as a sentence.
findings: What was found, the gravest first.
framework: The scoring framework.
op: Which change it is.
people: How many people.
effort: How much work it is.
author: Who wrote it.
code: A stable name for programs.
bucket: The allocation bucket it is paid from.
effort_months: Engineer-months of work.
target: What is aimed at.
limit: The most that is allowed.
verdict: What the figures say to do.
rationale: Why this was chosen.
metadata: Whatever the caller keeps with it, up to 16,384 bytes of JSON.
problem: What is wrong today, and for whom.
note: A remark.
rank: Its place, 1 is first.
measures: What was measured.
requirements: What has to be built.
version: Goes up by one with each change.
severity: How grave it is.
share: Its part of the whole, 0 to 1.
decision_id: The decision it belongs to.
options: What can be chosen.
team: The team that does it.
from: The rank before; null when it was not ranked.
to: The rank after; null when it is not ranked any more.
weight: How much it counts beside the others.
horizon_months: How many months are looked at.
context: What the choice rests on.
estimate: How much it is thought to take.
endpoint_id: The endpoint it belongs to.
amount: How much, in the currency of the workspace.
claim: What is claimed.
labels: Words to find it by.
reaches_target: Whether the target is reached.
variant: Which of the variants.
prd_id: The PRD it belongs to.
components: The parts of the system that are touched.
phases: The phases, in order.
fixes: What was repaired.
thresholds: Where the limits are drawn.
weeks: How many weeks.
solution: What is to be built.
user_stories: What users want, and why.
approach: How it is to be done.
stack: The technologies it is built with.
success_metrics: How success will be measured.
release_phases: Who gets it when.
open_questions: What nobody knows yet.
number: Its number in the series.
external_id: Its id in the tool that it came from.
recommendation: What the figures recommend.
capacity_months: Engineer-months to spend.
symptom: What shows that something is wrong.
phased: The plan in phases.
prevention: What keeps it from coming back.
reservations: Capacity that is set aside.
total: The sum.
phase: Which phase.
type: Which type it is.
decision_ids: The decisions it belongs to.
pros: What speaks for it.
cons: What speaks against it.
cost: What it costs.
probability: How likely it is, 0 to 1.
build_vs_buy: Whether it is built or bought.
option: The option by its key.
minimum: The least.
maximum: The most.
before: As it was.
after: As it is now.
cost_per_month: What it costs each month.
monthly_benefit: What it brings each month.
monthly_running_cost: What it costs to run each month.
claimed_payback_months: Months until it pays back, as claimed.
velocity_impact: What it does to the team's speed.
wasted_share: The part of the time that is wasted, 0 to 1.
higher_priorities: What comes first.
velocity: How fast the team is.
pointer: Where it is, as a JSON pointer.
criteria: What the options are judged by.
checklist: What has to be true before it goes on.
current: As it is now.
url: Where it is reached.
enabled: Whether it is switched on.
depends_on: What has to come before it.
component: The part of the system.
answer: The answer that was given.
blocking: Whether work waits for it.
stages: The stages, in order.
fix_order: In which order to repair.
loadtests: What tests under load have shown.
plan: The plan.
feature_ids: The features it belongs to.
architecture: How the parts fit together.
evidence: What supports it.
choice: What was chosen.
percentile: Which percentile.
superseded_by: What took its place.
series: What was ranked by, with its variant or version.
summary: The whole in a few words.
role: Which role.
given: What holds at the start.
when: What happens.
then: What follows.
detail: More about it.
items: The items.
tolerance: How far off it may be.
features: The features.
updated: How many were updated.
unchanged: How many were as they should be.
created: How many were created.
escalated_to: Who was asked to decide.
resolution: How it was resolved.
changed: What changed.
revisit_if: When to think again.
one_off: What it costs once.
monthly: What it costs each month.
reasons: The reasons, as sentences.
reserved: Capacity that is set aside.
rule: Which rule.
assumptions: What is taken for true.
triggers: What would make us think again.
confidence: How sure it is, 0 to 1.
cause: What brought it about.
at_least: The least that is needed.
event_id: The event it belongs to.
event_type: The type of the event.
event_types: The types of events that are wanted.
target_users: Whom it is for.
duration: How long it takes.
payload: What is sent.
rate_per_s: How many a second.
max_in_flight: How many at once.
p50_ms: Half of the answers came within this, in ms.
p95_ms: 95 of 100 answers came within this, in ms.
p99_ms: 99 of 100 answers came within this, in ms.
breakdown: How the figure is made up.
inputs: What the figure is computed from.
notes: Remarks.
format: The format.
scopes: What the key may do.
markdown: The same as Markdown.
scope_kept: What stays in.
scope_lost: What falls out.
capacity: How much can be done.
users: How many users.
multiplier: How many times as much.
what: What it is.
claimed_share: The part that is claimed, 0 to 1.
sprints: How many sprints.
sprint_weeks: Weeks in a sprint.
milestones: What is reached on the way.
effects: What follows from it.
deferred_until: Until when it waits.
approvals_required: How many have to approve.
invested_share: The part of the capacity that goes into it, 0 to 1.
prevented_drop: The loss that it prevents.
because: Why.
instead_of: What it takes the place of.
scope: What it covers.
body: The text.
comments: What was said about it.
moves_total: How many moved.
moves: What moved, and where to.
mitigation: What is done against it.
draws: How many times the dice were thrown.
question: What is asked.
low: The low end.
likely: The most likely.
high: The high end.
layer: The layer of the system.
technology: The technology.
category: The category.
revision_id: The revision of the roadmap.
lower_is_better: Whether less is better.
as_a: Who wants it.
i_can: What they want to do.
so_that: What for.
priority: How urgent it is.
acceptance_criteria: When it is done.
sprint: In which sprint.
audience: Whom it is for.
done: Whether it is done, or how much of it.
section: Which section.
minutes: How many minutes.
total_months: Months in all.
drifted: Whether it is off its target.
buckets: The allocation buckets.
required: Whether it has to be there.
errors: What is wrong, each with its place.
position: Where it stands in the list.
change: By how much it changed.
passed: Whether it passed.
criterion: The criterion by its key.
aliases: Other names for it.
ratings: How each option does by each criterion.
fixed: Whether it stays where it is.
chosen: The option that was chosen, by its key.
decided_by: Who decided.
decided_at: When it was decided.
votes: Who was for it, who against.
assumption: What is taken for true.
holds: Whether it holds.
attempt_count: How many times it was tried.
last_status_code: What the receiver answered last.
last_error: What went wrong last.
line: The line of the text, 1 is the first.
condition: What the event has to be like.
ordering: Whether the order of events is kept.
schedule: When it is tried again.
headers: The headers.
source_url: Where it can be read.
winner: What comes out first.
exclusive_minimum: It has to be more than this.
horizon: How far ahead.
verified: Whether it was verified.
scale: The scale it is measured on.
metric_id: The metric it belongs to.
due: When it is due.
freeze: Until when the order stays.
statement: What it says.
current_flow: How it goes today.
used: How much is used.
content_version: The version of the text.
reviewer: Who reviewed it.
model_version: The version of the model.
ranking_total: How many are ranked.
cut_line: Where the capacity ends.
changes: What is different.
author_kind: Whether a person or a program wrote it.
email: An address for mail.
timebox_days: How many days it may take.
feasibility: Whether it can be done.
deadline: Until when.
week: The week, by its Monday.
actions: What is to be done.
totals: The total of each option.
normalised: The total of each option, 0 to 1.
runner_up: What comes second.
status_code: The status of the answer.
latency_ms: How long the answer took, in ms.
response_headers: The headers of the answer.
refused: What was refused.
results: What came out of each.
outcome: What came of it.
by: Who did it.
intact: Whether nothing was changed behind its back.
faults: What is wrong.
checked_from: The first that was checked.
checked_to: The last that was checked.
workspace_id: The workspace it belongs to.
date: The day.
months: How many months.
skipped: What was left out, and why.
discrepancies: Where a printed figure is not what the inputs give.
printed: The figure as it was printed.
computed: The figure as the inputs give it.
field: Which field.
keys: The keys.
score: The score.
requests: How many requests.
error_rate: The part of the answers that were errors, 0 to 1.
imported_at: When it was brought in.
created_at: When it was made.
updated_at: When it was last changed.
columns: What each column means.
definition: How it is defined.
base: What it is counted on.
error: What went wrong.
present_value: What it is worth today.
impact: How much it does for one.
reach: How many it reaches.
open: What is open.
headline: The whole in one line.
argument: The reasoning, as text.
arithmetic: How the figures come about.
caveats: What to be careful about.
label: The word for it.
formula: How it is computed.
demand: How much will be asked of it.
shares: The part of each.
was: What it was.
greedy: What fits when the best are taken first.
optimum: The best that can fit.
targets: What share each bucket should have.
churn_limit: The part of the ranking that may change at once, 0 to 1.
frozen: Whether the order is frozen.
previous_status: The status before.
instance: The path of the request.
request_id: The id of the request; name it when you write to us.
policy: What holds.
remaining: What is left.
constraint: What limits it.
dry_run: True to compute without writing.
needed_months: Engineer-months that are needed.
reserved_months: Engineer-months that are set aside.
enough: Whether it is enough.
churn: The part of the ranking that changed, 0 to 1.
crossovers: Where the leader changes.
smallest_flip: The smallest change that makes another option lead.
robustness: How much has to change before another leads.
mean: The mean.
p5: 5 of 100 are below it.
p50: The median.
p95: 95 of 100 are below it.
rank_probabilities: How likely each rank is.
above_cut_line: How likely it is to fit.
swings: What each input does to the result.
features_total: How many features.
column: Which column.
input: Which input.
agenda: What is talked about, in order.
product: For product work.
technical: For technical work.
innovation: For innovation.
annual_discount: The yearly discount rate.
break_even: Where both are the same.
percent: In percent.
calls: How many calls.
clauses: The parts of the condition.
horizons: How far ahead each is.
who: Who it is.
comment: What was said.
quota_policy: What happens when the month's calls are used up.
from_version: The version to start from.
to_version: The version to go to.
left_out: What does not fit.
observed_on: The day of the observation.
cursor: The `next_cursor` of the page before; left out for the first.
sort: What the list is ordered by; `-` in front descends.
q: Words to search for.
include: What else to count.
expand: What to show inside.
timestamp: When it happened.
type_error: The type of the error.
secret: Shown once, here.
expires_at: When it ends; null for never.
Approval.changes_requested_by: Reviewers whose last verdict on this content asks for changes.
Approval.required: How many approvals it takes.
CapacityReservation.from: The first day.
Freeze.from: When the freeze begins.
PrdOption.verdict: What became of this option.
Reservation.from: The first day.
Reservation.to: The last day.
Review.verdict: What the reviewer says of this content.
ReviewAnswered.prd_status: Where the PRD stands after this review.
ReviewAnswered.verdict: What the reviewer says of this content.
ReviewCreate.verdict: What the reviewer says of this content.
ReviewSubmitted.verdict: What the reviewer says of this content.
RoadmapDiff.from: The revision that is compared from.
RoadmapDiff.to: The revision that is compared to.
"""

DESCRIPTIONS = dict(line.split(": ", 1) for line in _LINES.strip().splitlines())
_ENDS = {
    "_id": "The id of the {words}.",
    "_ids": "The ids of the {words}.",
    "_at": "When it was {words}; RFC 3339, UTC.",
    "_on": "The day on which it was {words}.",
    "_total": "How many {words} there are in all.",
    "_count": "How many {words} there are.",
    "_gte": "Only those whose {words} is this or more.",
    "_lte": "Only those whose {words} is this or less.",
    "_months": "The {words}, in months.",
    "_days": "The {words}, in days.",
    "_ms": "The {words}, in milliseconds.",
    "_s": "The {words}, in seconds.",
    "_share": "The {words} as a part of the whole, 0 to 1.",
    "_url": "Where the {words} is reached.",
}


def describe(name: str, owner: str = "") -> str:
    """One sentence. Where a name means something else in one schema, that schema has a line of its own.

    >>> describe("title"), describe("shipped_at")
    ('A short name that people recognise.', 'When it was shipped; RFC 3339, UTC.')
    >>> describe("from", "RoadmapDiff")
    'The revision that is compared from.'
    """
    for known in (f"{owner}.{name}", name):
        if known in DESCRIPTIONS:
            return DESCRIPTIONS[known]
    for end, sentence in _ENDS.items():
        if name.endswith(end) and len(name) > len(end):
            return sentence.format(words=name.removesuffix(end).replace("_", " "))
    words = name.replace("_", " ")
    return f"The {words}."
