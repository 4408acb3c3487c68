"""What `record` returned is in the file, whatever becomes of the process."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tensordrill.store import Store

RECORDER = """
import sys
from datetime import date
from pathlib import Path

from tensordrill.domain import Card, Event, EventType, Mode, PuzzleRecord, Rating, Status
from tensordrill.store import Store

path, name, count = sys.argv[1:]
puzzle = PuzzleRecord(hash="5eed", drill=name, kind="einsum", prompt="", code="", reference="")
day = date(2026, 3, 10)


def write(number, before):
    reps = 1 if before is None else before.reps + 1
    event = Event(
        number=number, type=EventType.ANSWER, mode=Mode.REVIEW, at_ms=number, offset_min=0, study_day=day, drill=name,
        level=1, seed=number, puzzle=puzzle.hash, answer=name, status=Status.CORRECT, wrong_turn=None, attempt=1,
        hints=0, duration_ms=1, rating=Rating.GOOD, policy="by hand", replica=store.replica,
    )
    return event, Card(
        drill=name, due=day, stability=1.0, difficulty=5.0, reps=reps, lapses=0, level=1, first_day=day, last_day=day,
        last_rating=Rating.GOOD,
    )


with Store.open(Path(path)) as store:
    for _ in range(int(count)):
        event, _ = store.record(name, puzzle, write)
        print(event.id, flush=True)
"""


def recorder(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-c", RECORDER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_a_kill(path: Path, seed: int) -> None:
    with recorder(path, "a.one", 1_000_000) as process:
        assert process.stdout
        acknowledged = [process.stdout.readline().strip() for _ in range(3)]
        time.sleep(random.Random(seed).uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    with Store.open(path) as store:
        events = list(store.events())
        assert set(acknowledged) <= {event.id for event in events}
        assert len(events) - len(acknowledged) <= 1  # the one between its commit and its print
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert store.cards()["a.one"].reps == len(events)  # events and cards were written together
        assert store.damaged() == []


def test_two_processes_lose_nothing_and_number_apart(path: Path) -> None:
    # Neither file nor folder is there yet: they race to make them, too.
    both = {name: recorder(path, name, 60) for name in ("a.one", "b.two")}
    printed = {}
    for name, process in both.items():
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        printed[name] = output.split()
    with Store.open(path) as store:
        events = list(store.events())
        assert sorted(event.number for event in events) == list(range(1, 121))
        for name, ids in printed.items():
            assert [event.id for event in events if event.drill == name] == ids
            assert store.cards()[name].reps == 60
        assert {event.replica for event in events} == {store.replica}


def test_a_kill_while_the_file_is_made_leaves_nothing_in_the_way(path: Path) -> None:
    making = "import sys; from pathlib import Path; from tensordrill.store import Store, migration\n"
    # Die inside the transaction that makes the tables, where half of them are there.
    making += "from alembic.operations import Operations\n"
    making += "Operations.create_index = lambda *_, **__: __import__('os').kill(__import__('os').getpid(), 9)\n"
    making += "Store.open(Path(sys.argv[1]))"
    killed = subprocess.run([sys.executable, "-c", making, str(path)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists()
    with Store.open(path) as store:
        assert list(store.events()) == []
