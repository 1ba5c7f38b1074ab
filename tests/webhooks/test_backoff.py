"""When the next attempt is due, and what an answer means."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks import backoff
from api.webhooks.backoff import DEFAULT_SCHEDULE, Result, Schedule, Verdict

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def delay(attempts_made: int, retry_after: str | None = None, random: float = 0.5) -> float | None:
    return backoff.next_delay(DEFAULT_SCHEDULE, attempts_made, random=lambda: random, now=NOW, retry_after=retry_after)


# -- the schedule ----------------------------------------------------------------------------------------------------


def test_the_default_schedule_is_ten_attempts_over_75_hours_35_minutes_5_seconds() -> None:
    assert DEFAULT_SCHEDULE.attempts == 10
    assert timedelta(seconds=DEFAULT_SCHEDULE.total_s) == timedelta(hours=75, minutes=35, seconds=5)
    assert [delay(made) for made in range(10)] == [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


def test_an_exhausted_schedule_has_no_next_attempt() -> None:
    assert delay(10) is None
    assert delay(11, retry_after="5") is None


def test_jitter_is_a_fifth_either_way() -> None:
    assert delay(2, random=0.0) == pytest.approx(240)
    assert delay(2, random=1.0) == pytest.approx(360)


def test_jitter_spreads_evenly() -> None:
    random = Random(7)
    delays = [backoff.next_delay(DEFAULT_SCHEDULE, 2, random=random.random, now=NOW) for _ in range(2000)]
    assert all(240 <= one <= 360 for one in delays)
    assert sum(delays) / 2000 == pytest.approx(300, rel=0.02)


@pytest.mark.parametrize("delays_s", [(0,), (0, 0), (60,) * 20, (0, 7 * 86400)])
def test_an_own_schedule_has_1_to_20_attempts_up_to_7_days_apart(delays_s: tuple[int, ...]) -> None:
    assert Schedule(delays_s).attempts == len(delays_s)


@pytest.mark.parametrize("delays_s", [(), (0,) * 21, (-1,), (7 * 86400 + 1,), (1.5,), (True,), ("5",), (float("nan"),)])
def test_any_other_schedule_is_refused(delays_s: tuple[int, ...]) -> None:
    with pytest.raises(backoff.ScheduleInvalid):
        Schedule(delays_s)


# -- Retry-After -----------------------------------------------------------------------------------------------------


def test_retry_after_in_seconds_makes_the_pause_longer() -> None:
    assert delay(1, "120") == 120


@pytest.mark.parametrize(
    "date", ["Fri, 20 Nov 2026 12:10:00 GMT", "Friday, 20-Nov-26 12:10:00 GMT", "Fri Nov 20 12:10:00 2026"]
)
def test_retry_after_as_a_date_makes_the_pause_longer(date: str) -> None:
    assert delay(1, date) == 600


@pytest.mark.parametrize("value", ["0", "1", "Fri, 20 Nov 2026 11:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_retry_after_never_makes_it_earlier_than_the_schedule(value: str) -> None:
    assert delay(2, value) == 300


@pytest.mark.parametrize("value", ["86401", "999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_clamped_to_a_day(value: str) -> None:
    assert delay(1, value) == 86400


def test_the_clamp_does_not_shorten_a_schedule_that_waits_longer() -> None:
    week = Schedule((0, 7 * 86400))
    assert backoff.next_delay(week, 1, random=lambda: 0.5, now=NOW, retry_after="99999999") == 7 * 86400


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "inf",
        "nan",
        "9" * 500,
        "0x10",
        "\u0665",
        "\u0665, 20 Nov 2026 12:10:00 GMT",
        "tomorrow",
        "Fri, 20 Nov 2026 12:10:00 +0100",
        "Fri, 99 Nov 2026 12:10:00 GMT",
        "5, 5",
        "\x00",
        "5;5",
    ],
)
def test_a_retry_after_that_cannot_be_read_is_ignored(value: str) -> None:
    assert delay(1, value) == 5


@given(st.text() | st.text("0123456789 ,:-GMTFriNov", max_size=40), st.integers(0, 9), st.floats(0, 1))
def test_no_retry_after_brings_an_attempt_forward_or_puts_it_off_beyond_a_day(
    value: str, made: int, random: float
) -> None:
    without, with_it = delay(made, None, random), delay(made, value, random)
    assert without is not None
    assert with_it is not None
    assert without <= with_it <= max(without, 86400)


# -- answers ---------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    status_code: int | None = None
    error: str | None = None


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert backoff.judge(Answer(status)) == Verdict(Result.DELIVERED)
    assert backoff.judge(Answer(status)).delivered


def test_410_is_gone() -> None:
    assert backoff.judge(Answer(410)) == Verdict(Result.GONE, "http_410")


@pytest.mark.parametrize("status", [429, 502, 504])
def test_429_502_and_504_slow_the_endpoint_down(status: int) -> None:
    assert backoff.judge(Answer(status)) == Verdict(Result.THROTTLED, f"http_{status}")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_a_failure(status: int) -> None:
    assert backoff.judge(Answer(status)) == Verdict(Result.FAILED, "redirect")


@pytest.mark.parametrize("status", [101, 199, 400, 401, 404, 409, 500, 501, 503, 599, 999])
def test_everything_else_is_a_failure(status: int) -> None:
    assert backoff.judge(Answer(status)) == Verdict(Result.FAILED, f"http_{status}")


@pytest.mark.parametrize("status", [None, 200, 410])
def test_an_answer_that_broke_off_is_a_failure_whatever_its_status(status: int | None) -> None:
    assert backoff.judge(Answer(status, "reset")) == Verdict(Result.FAILED, "reset")


def test_no_answer_at_all_is_a_failure() -> None:
    assert backoff.judge(Answer()) == Verdict(Result.FAILED, "no_answer")
