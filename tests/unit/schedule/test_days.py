"""Study days at their edges."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tensordrill.schedule import study_day


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-01T03:59:59.999999+00:00", "2026-02-28"),
        ("2026-03-01T04:00:00+00:00", "2026-03-01"),
        ("2026-03-01T23:59:59+00:00", "2026-03-01"),
        ("2026-03-02T00:00:00+00:00", "2026-03-01"),
        ("2028-03-01T03:59:00+00:00", "2028-02-29"),
        ("2026-01-01T03:59:00+00:00", "2025-12-31"),
        # The wall clock decides, wherever UTC's day may be.
        ("2026-03-01T03:59:00+14:00", "2026-02-28"),
        ("2026-03-01T04:00:00+14:00", "2026-03-01"),
        ("2026-03-01T03:59:00-12:00", "2026-02-28"),
        ("2026-03-01T04:00:00-12:00", "2026-03-01"),
        ("2026-03-01T04:00:00+05:45", "2026-03-01"),
    ],
)
def test_the_day_turns_at_four_on_the_wall(at: str, day: str) -> None:
    assert study_day(datetime.fromisoformat(at)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("clock", "day"),
    [
        # Clocks go forward at 02:00 on March 29 and back at 03:00 on October 25.
        ((2026, 3, 29, 3, 59), date(2026, 3, 28)),
        ((2026, 3, 29, 4, 0), date(2026, 3, 29)),
        ((2026, 10, 25, 3, 59), date(2026, 10, 24)),
        ((2026, 10, 25, 4, 0), date(2026, 10, 25)),
    ],
)
def test_the_day_turns_at_four_when_the_clocks_change_too(clock: tuple[int, int, int, int, int], day: date) -> None:
    assert study_day(datetime(*clock, tzinfo=ZoneInfo("Europe/Berlin"))) == day


def test_the_rollover_hour_can_be_another() -> None:
    assert study_day(datetime(2026, 3, 1, 0, tzinfo=UTC), rollover_hour=0) == date(2026, 3, 1)
    assert study_day(datetime(2026, 3, 1, 5, 59, tzinfo=UTC), rollover_hour=6) == date(2026, 2, 28)


def test_a_time_without_an_offset_has_no_study_day() -> None:
    with pytest.raises(ValueError, match="no offset"):
        study_day(datetime(2026, 3, 1, 12))  # noqa: DTZ001 -- the point
