"""When drills come back: study days, the rating policy, FSRS, replay and the queue.

Everything here is pure. The study day is an argument; nothing reads a clock, a file or a database.
"""

from tensordrill.schedule.days import study_day
from tensordrill.schedule.memory import retrievability, review
from tensordrill.schedule.queue import NEW_PER_DAY, State, Task, fit, forecast, next_due, plan, state
from tensordrill.schedule.rating import RETENTION, policy, rate
from tensordrill.schedule.replay import rebuild, replay, step

__all__ = [
    "NEW_PER_DAY",
    "RETENTION",
    "State",
    "Task",
    "fit",
    "forecast",
    "next_due",
    "plan",
    "policy",
    "rate",
    "rebuild",
    "replay",
    "retrievability",
    "review",
    "state",
    "step",
    "study_day",
]
