"""When to pay a technical debt down and when to defer it, with the reasons, and whether reserved time is enough.

Source: the technical debt decision framework of The Technical Product Manager, section 4: pay down when velocity
suffers by more than 20 %, when there is a risk, or when it pays back within 6 months; defer otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded, within

RULE_VELOCITY = Fraction(1, 5)
RULE_MONTHS = 6

Kind = Literal["pay_down", "defer"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule of the framework: what it looks at, whether it speaks for paying down, and the sentence that says so."""

    rule: Literal["velocity", "risk", "payback", "unclear_roi", "higher_priorities"]
    favours: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: Kind
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Drop:
    """How much worse a symptom has become: `drop` is the share lost; `recovered` is target over before the decline."""

    drop: Decimal
    improvement: Decimal | None
    reaches_baseline: bool | None


def verdict(
    velocity_impact: Number | None,
    risks: Sequence[str],
    months_from_completion: Number | None,
    months_from_start: Number | None,
    *,
    quantified: bool,
    higher_priorities: str | None = None,
    rule_months: Number = RULE_MONTHS,
) -> Verdict:
    """Pay down when one rule speaks for it. Velocity as a share lost, 0 to 1; months None when it never pays back.

    >>> told = verdict("0.3", [], 3, 5, quantified=True)
    >>> told.verdict, [reason.rule for reason in told.reasons if reason.favours == "pay_down"]
    ('pay_down', ['velocity', 'payback'])
    >>> verdict(None, [], None, None, quantified=False).verdict
    'defer'
    """
    reasons = [_velocity(velocity_impact), _risk(risks)]
    reasons.append(_payback(months_from_completion, months_from_start, exact(rule_months, "rule_months"), quantified))
    if higher_priorities is not None:
        reasons.append(Reason("higher_priorities", "defer", f"Something else is worth more now: {higher_priorities}"))
    kind: Kind = "pay_down" if any(reason.favours == "pay_down" for reason in reasons) else "defer"
    return Verdict(kind, reasons)


def drop(baseline: Number, now: Number, target: Number | None = None, *, lower_is_better: bool = False) -> Drop:
    """What a symptom has lost since its baseline, and what reaching the target means.

    >>> drop(10, 2, 8)
    Drop(drop=Decimal('0.8'), improvement=Decimal('4'), reaches_baseline=False)
    """
    first = within(baseline, "baseline", 0, 10**15, above_low=True)
    last = within(now, "now", 0, 10**15, above_low=lower_is_better)
    lost = 1 - (first / last if lower_is_better else last / first)
    if target is None:
        return Drop(rounded(lost), None, None)
    aim = within(target, "target", 0, 10**15, above_low=lower_is_better)
    if lower_is_better:
        return Drop(rounded(lost), rounded(last / aim), aim <= first)
    return Drop(rounded(lost), rounded(aim / last) if last else None, aim >= first)


def delivered(people: Number, share: Number, months: Number) -> Decimal:
    """The person-months that a share of a team's time makes.

    >>> delivered(10, "0.3", 2), delivered(3, "0.3", 2)
    (Decimal('6'), Decimal('1.8'))
    """
    part = within(share, "share", 0, 1)
    return rounded(within(people, "people", 0, 10**6) * part * within(months, "months", 0, 1200, unit="months"))


def trend(values: Sequence[Number]) -> Decimal | None:
    """The least-squares slope for each step, None with fewer than two values.

    >>> trend([30, 28, 26]), trend([5])
    (Decimal('-2'), None)
    """
    points = [exact(value, f"values.{index}") for index, value in enumerate(values)]
    count = len(points)
    if count < 2:
        return None
    middle, mean = Fraction(count - 1, 2), sum(points, Fraction(0)) / count
    spread = sum(((index - middle) ** 2 for index in range(count)), Fraction(0))
    rise = sum(((index - middle) * (point - mean) for index, point in enumerate(points)), Fraction(0))
    return rounded(rise / spread)


def _velocity(impact: Number | None) -> Reason:
    if impact is None:
        return Reason("velocity", "defer", "Nobody has measured how much it slows the team down.")
    lost = within(impact, "velocity_impact", 0, 1, hint="It is a share, such as 0.3.")
    share = f"{rounded(lost * 100, 1)} %"
    if lost > RULE_VELOCITY:
        return Reason("velocity", "pay_down", f"It costs {share} of velocity, more than the rule's 20 %.")
    return Reason("velocity", "defer", f"It costs {share} of velocity, within the rule's 20 %.")


def _risk(risks: Sequence[str]) -> Reason:
    if not risks:
        return Reason("risk", "defer", "No risk of outages, of security or of compliance is named.")
    return Reason("risk", "pay_down", f"It is a risk: {', '.join(risks)}.")


def _payback(completion: Number | None, start: Number | None, rule: Fraction, quantified: bool) -> Reason:
    if not quantified:
        return Reason("unclear_roi", "defer", "Its benefit has no number, so nobody can say when it pays back.")
    if completion is None or start is None:
        return Reason("payback", "defer", "It never pays back: its running cost eats its benefit.")
    done, whole = exact(completion, "months_from_completion"), exact(start, "months_from_start")
    if done < 0 or whole < done:
        raise FormulaError("months_from_start", "Payback from the start is at least that from completion.")
    told = f"It pays back {rounded(done, 1)} months after completion, {rounded(whole, 1)} after the start"
    if whole < rule:
        return Reason("payback", "pay_down", f"{told}: by both clocks within {rounded(rule)}.")
    if done < rule:
        return Reason("payback", "defer", f"{told}: within {rounded(rule)} by the first clock only.")
    return Reason("payback", "defer", f"{told}, not within {rounded(rule)}.")
