"""Study days: the learner's days, which begin at 04:00 rather than at midnight."""

from datetime import date, datetime, timedelta

ROLLOVER_HOUR = 4


def study_day(at: datetime, rollover_hour: int = ROLLOVER_HOUR) -> date:
    """The study day of an aware time, by its own offset: what the clock on the wall showed decides."""
    if at.utcoffset() is None:
        raise ValueError(f"{at} has no offset, so its study day is unknown.")
    # Dropping the offset keeps to the wall clock: on the day of a time change 04:00 is still where the day turns.
    return (at.replace(tzinfo=None) - timedelta(hours=rollover_hour)).date()
