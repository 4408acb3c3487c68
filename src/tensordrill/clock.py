"""The one clock. `TENSORDRILL_NOW` freezes it, so that weeks can be played in a test."""

import os
from datetime import datetime

from tensordrill.errors import UsageError


def now() -> datetime:
    """The local time with its offset from UTC; the frozen one where `TENSORDRILL_NOW` is set.

    Raises UsageError where that variable is not an ISO 8601 time with an offset, or is near an end of the calendar.
    """
    frozen = os.environ.get("TENSORDRILL_NOW")
    if not frozen:
        return datetime.now().astimezone()
    try:
        moment = datetime.fromisoformat(frozen)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None or not 1970 <= moment.year < 9000:  # noqa: PLR2004 -- room for dates
        raise UsageError(
            f"TENSORDRILL_NOW is {frozen!r}, which is not a time with an offset.",
            hint="Write it as 2026-03-01T09:30:00+01:00.",
        )
    return moment
