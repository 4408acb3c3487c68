"""`tensordrill doctor` on sound and on broken installations: it tells, marks, and goes on."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill import __version__, paths
from tensordrill.app import doctor
from tensordrill.app.doctor import Mark
from tensordrill.judge import Judge, landlock, seccomp
from tensordrill.judge.probing import PROBES, Probe, Prober, Tried
from tensordrill.judge.process import Reply
from tensordrill.store import Store
from tensordrill.store.migration import HEAD

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Sit
    from tests.conftest import AsOrdinaryUser


def looked(findings: Iterator[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in findings}


@pytest.fixture
def file(home: Path) -> Path:
    """A data file of this version without a history."""
    Store.open(paths.database()).close()
    assert home.is_dir()
    return paths.database()


def test_a_sound_installation(run: "Run", sit: "Sit") -> None:
    learner = sit()
    learner.right()
    assert learner.leave() == 0
    done = run("doctor", "--json", env={"TENSORDRILL_NOW": "2026-03-02T18:00:00+01:00"})
    told = json.loads(done.stdout)
    found: dict[str, dict[str, Any]] = {each["name"]: each for each in told["findings"]}
    assert (done.returncode, done.stderr, told["ok"]) == (0, "", True)
    assert {each["section"] for each in told["findings"]} == {
        "terminal", "versions", "paths", "data", "judge", "protection",
    }  # fmt: skip
    assert found["tensordrill"]["text"] == __version__
    assert found["schema"]["text"].startswith(HEAD)
    assert found["events"]["text"].startswith("1,")
    assert found["cards"]["text"].startswith("1,")
    assert found["clock"]["mark"] == "note"
    assert "study day 2026-03-02" in found["clock"]["text"]
    assert "judges on the CPU" in found["device"]["text"]
    assert " ms " in found["round trip"]["text"]
    marks = {each["name"]: each["mark"] for each in told["findings"] if each["section"] == "protection"}
    assert marks == {probe.name: "ok" for probe in PROBES}


def test_it_changes_nothing_where_there_is_nothing(home: Path) -> None:
    found = looked(doctor.places()) | looked(doctor.data())
    assert {finding.mark for finding in found.values()} == {Mark.OK}
    assert "not there yet" in found["home"].text
    assert not home.exists()


def test_where_torch_cannot_be_imported(run: "Run", tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libtorch is not for this machine')")
    done = run("doctor", env={"PYTHONPATH": str(broken.parent)})
    assert done.returncode == 1
    assert "FAULT  judge: It does not work" in done.stdout
    assert "libtorch is not for this machine" in " ".join(done.stdout.split())
    assert "FAULT  protection: It could not be tried" in done.stdout
    assert done.stdout.endswith("2 faults.\n")


def test_a_damaged_file(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[5000:9000] = b"x" * 4000
    file.write_bytes(raw)
    found = looked(doctor.data())
    assert Mark.FAULT in {finding.mark for finding in found.values()}
    assert found["data file"].mark is Mark.OK


def test_what_is_no_database(file: Path) -> None:
    file.write_bytes(b"not a database, but long enough to be one " * 100)
    found = looked(doctor.data())
    assert found["schema"].mark is Mark.FAULT
    assert "is not an SQLite database" in found["schema"].text
    assert found["schema"].hint


def test_a_newer_file(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    found = looked(doctor.data())
    assert found["schema"].mark is Mark.FAULT
    assert "schema 9999" in found["schema"].text
    assert HEAD in found["schema"].text
    assert file.read_bytes() == before


def test_an_older_file_is_not_migrated(home: Path) -> None:
    home.mkdir()
    script = Path(__file__).parents[1] / "migration" / "schema_0001.sql"
    with closing(sqlite3.connect(paths.database())) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
    before = paths.database().read_bytes()
    found = looked(doctor.data())
    assert (found["schema"].mark, found["SQLite's own check"].mark) == (Mark.NOTE, Mark.OK)
    assert "0001" in found["schema"].text
    assert paths.database().read_bytes() == before


def test_a_locked_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensordrill.store.engine.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        found = looked(doctor.data())
    assert found["schema"].mark is Mark.FAULT
    assert "locked" in found["schema"].text


def test_an_event_that_was_changed(sit: "Sit") -> None:
    learner = sit()
    learner.right()
    assert learner.leave() == 0
    with closing(sqlite3.connect(paths.database())) as connection, connection:
        connection.execute("UPDATE event SET hints = 7")
    found = looked(doctor.data())
    assert found["events"].mark is Mark.FAULT
    assert found["cards"].mark is Mark.OK


def test_a_card_that_the_history_does_not_give(sit: "Sit") -> None:
    learner = sit()
    learner.right()
    assert learner.leave() == 0
    with closing(sqlite3.connect(paths.database())) as connection, connection:
        connection.execute("UPDATE card SET stability = stability + 1")
    found = looked(doctor.data())
    assert (found["events"].mark, found["cards"].mark) == (Mark.OK, Mark.FAULT)
    assert found["cards"].text.startswith("1 of 1")


def test_a_home_that_is_no_folder(home: Path) -> None:
    home.write_text("a file", encoding="utf-8")
    found = looked(doctor.places()) | looked(doctor.data())
    assert found["home"].mark is Mark.FAULT
    assert "is not a folder" in found["home"].text
    assert found["data file"].mark is Mark.FAULT


def test_a_home_that_cannot_be_written(file: Path, as_ordinary_user: "AsOrdinaryUser") -> None:
    file.parent.chmod(0o500)
    try:
        found = as_ordinary_user(lambda: looked(doctor.places()) | looked(doctor.data()))
    finally:
        file.parent.chmod(0o700)
    assert (found["home"].mark, found["events"].mark) == (Mark.FAULT, Mark.FAULT)
    assert found["SQLite's own check"].mark is Mark.OK


def test_settings_and_a_clock_that_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    paths.settings().write_text("retention = 2", encoding="utf-8")
    monkeypatch.setenv("TENSORDRILL_NOW", "noon")
    found = looked(doctor.places())
    assert (found["settings"].mark, found["clock"].mark) == (Mark.FAULT, Mark.FAULT)
    assert "retention cannot be 2" in found["settings"].text


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    assert looked(doctor.places())["free disk"].mark is Mark.FAULT


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    assert looked(doctor.versions())["no-such-package"].mark is Mark.FAULT


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_what_nothing_holds_back_is_told(probe: Probe, tmp_path: Path) -> None:
    """Each probe's source in a process without any limits, with what it gives: it must not pass for held."""
    (tmp_path / "kept").write_text("kept")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = f"folder, port = {str(tmp_path)!r}, {listener.getsockname()[1]}\n{probe.source}\nprint(answer)"
        if probe.name in ("CPU time", "time by the clock"):  # in a child they would end, after a while, with a value
            tried = Tried(Reply("ran", 0, b""), "", 1, tmp_path)
        elif probe.name == "the terminal":
            tried = Tried(Reply("ran", 0, b""), "", 3, tmp_path)
        else:
            done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
            value = int(done.stdout) if done.stdout.strip().isdecimal() else done.stdout
            tried = Tried(Reply("ran", 0, b""), "", value, tmp_path)
        assert not probe.held(tried)
        mistaken = Tried(Reply("ran", 0, b""), "NameError", None, tmp_path)
        assert not probe.held(mistaken), "an error of the probe's own is no proof"


@pytest.mark.parametrize("complete", [True, False])
def test_what_should_be_held_and_is_not_is_a_fault(monkeypatch: pytest.MonkeyPatch, *, complete: bool) -> None:
    """All of it, where the system offers all that holds it; where it does not, what needs no more than limits."""
    prober = Prober()
    monkeypatch.setattr(prober, "probes", lambda: ((probe, False) for probe in PROBES))
    monkeypatch.setattr(prober, "holds_all", lambda: complete)
    found = looked(doctor.protection(prober))
    faults = {name for name, finding in found.items() if finding.mark is Mark.FAULT}
    assert faults == {probe.name for probe in PROBES if complete or probe.offered}
    assert all("trust" in finding.hint for finding in found.values())


@pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
def test_a_judge_with_all_layers_should_hold_all(judge: Judge) -> None:
    prober = Prober()
    assert not prober.holds_all(), "it has not answered yet"
    judge.start()
    prober._zygote = judge._zygote
    assert prober._zygote is not None
    prober._zygote.wait_ready()
    assert prober.holds_all() == (landlock.version() > 0 and seccomp.available())


@pytest.mark.parametrize("columns", [40, 80])
def test_it_fits_the_terminal(run: "Run", columns: int, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError")  # the judge's part has its own tests, and takes seconds
    done = run("doctor", env={"COLUMNS": str(columns), "PYTHONPATH": str(tmp_path), "LC_ALL": "C", "TERM": "dumb"})
    assert "\x1b" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if len(line) > columns and " " in line.strip()]
