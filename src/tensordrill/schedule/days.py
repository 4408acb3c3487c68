"""Study days: the learner's days, which begin at 04:00 rather than at midnight."""

from datetime import date, datetime, timedelta

ROLLOVER_HOUR = 4


def study_day(at: datetime, rollover_hour: int = ROLLOVER_HOUR) -> date:
    """The study day of an aware time, by its own offset: what the clock on the wall showed decides."""
    if at.utcoffset() is None:
        raise ValueError(f"{at} has no offset, so its study day is unknown.")
    # Python subtracts on the wall clock: where the clocks change at night, the day still turns at 04:00.
    return (at - timedelta(hours=rollover_hour)).date()
