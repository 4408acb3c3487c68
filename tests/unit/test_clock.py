"""The one clock."""

from datetime import datetime, timedelta

import pytest

from tensordrill.clock import now
from tensordrill.errors import ExitCode, UsageError


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2026-03-01T09:30:00+01:00", timedelta(hours=1)),
        ("2026-03-01T09:30:00Z", timedelta(0)),
        ("2026-03-01T09:30:00.250-03:30", -timedelta(hours=3, minutes=30)),
        ("20260301T0930+14", timedelta(hours=14)),
    ],
)
def test_it_stands_where_it_is_told(monkeypatch: pytest.MonkeyPatch, text: str, offset: timedelta) -> None:
    monkeypatch.setenv("TENSORDRILL_NOW", text)
    assert now() == datetime.fromisoformat(text)
    assert now().utcoffset() == offset


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "2026-03-01",
        "2026-03-01T09:30:00",
        "09:30+01:00",
        "2026-13-01T09:30:00Z",
        " ",
        "1e9",
        "0001-01-01T00:00:00Z",  # its study day would lie before the calendar
        "9999-12-31T23:00:00Z",  # and a drill's next date after it
    ],
)
def test_it_refuses_what_is_no_time_with_an_offset(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TENSORDRILL_NOW", text)
    with pytest.raises(UsageError, match="TENSORDRILL_NOW") as caught:
        now()
    assert repr(text) in caught.value.message
    assert "2026-03-01T09:30:00+01:00" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("text", [None, ""])
def test_without_it_the_time_is_the_machine_s(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    if text is not None:
        monkeypatch.setenv("TENSORDRILL_NOW", text)
    before = datetime.now().astimezone()
    here = now()
    assert before <= here <= datetime.now().astimezone()
    assert here.utcoffset() == before.utcoffset()
