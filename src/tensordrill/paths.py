"""Where tensordrill keeps what it keeps. `TENSORDRILL_HOME` moves all of it."""

import os
from pathlib import Path


def home() -> Path:
    """The folder of the learner's data."""
    if chosen := os.environ.get("TENSORDRILL_HOME"):
        return Path(chosen).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415 -- costs 10 ms, and most tests and scripts set the variable

    return user_data_path("tensordrill", appauthor=False)


def drill_cache() -> Path:
    """What is known of the drills without importing them. It may be deleted at any time."""
    return home() / "drills.json"


def database() -> Path:
    """The data file: events, cards and the puzzles that were asked."""
    return home() / "tensordrill.db"


def history(kind: str) -> Path:
    """What was typed as answers of that kind, so that it can be taken up again. It may be deleted at any time."""
    return home() / "history" / kind


def settings() -> Path:
    """The settings file, which a person may edit; `tensordrill config` does too."""
    return home() / "settings.toml"
