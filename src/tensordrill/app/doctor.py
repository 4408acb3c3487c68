"""Looks at the installation, the data and the judge. It changes nothing, and nothing that is broken stops it."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tensordrill import __version__, clock, paths, settings
from tensordrill.errors import TensordrillError, UsageError
from tensordrill.schedule import rebuild, study_day

if TYPE_CHECKING:
    from tensordrill.judge.probing import Prober
    from tensordrill.store import Store

_PACKAGES = ("torch", "einops", "numpy", "fsrs", "SQLAlchemy", "alembic", "prompt_toolkit", "rich", "click")
_PROCESSES = {
    "zygote": "each answer is judged in a fork of a process that holds torch (zygote)",
    "spawned": "each answer is judged in a process started anew (spawned); Python's audit hook stands in for a sandbox",
}
_LITTLE_SPACE = 100 * 2**20  # bytes
_NO_SPACE = 5 * 2**20


class Mark(StrEnum):
    """How it is: in order, worth knowing, or broken."""

    OK = "ok"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `hint` says what to do about it."""

    mark: Mark
    name: str
    text: str
    hint: str = ""


def sections() -> Iterator[tuple[str, Iterator[Finding]]]:
    """What is looked at, under its headings. Each finding is made when it is asked for; some take seconds."""
    yield "versions", versions()
    yield "paths", places()
    yield "data", data()
    from tensordrill.judge.probing import Prober  # noqa: PLC0415 -- only here

    try:
        prober = Prober()
    except UsageError as error:
        yield "judge", iter([Finding(Mark.FAULT, "judge", error.message, error.hint)])
        return
    with closing(prober):
        yield "judge (this takes some seconds)", judge(prober)
        yield "protection (each was tried by an answer)", protection(prober)


def versions() -> Iterator[Finding]:
    yield Finding(Mark.OK, "tensordrill", __version__)
    yield Finding(Mark.OK, "Python", f"{platform.python_version()} ({sys.executable})")
    yield Finding(Mark.OK, "platform", platform.platform())
    for name in _PACKAGES:
        try:
            yield Finding(Mark.OK, name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(Mark.FAULT, name, "not installed", f"pip install {name.replace('_', '-').lower()}")


def places() -> Iterator[Finding]:
    yield _home(paths.home())
    yield from _settings(paths.settings())
    yield _clock()
    yield _cache(paths.drill_cache())
    yield _free(paths.home())


def data() -> Iterator[Finding]:
    path = paths.database()
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        yield Finding(Mark.OK, "data file", f"{path}, not there yet: the first session makes it")
        return
    except OSError as error:
        yield Finding(Mark.FAULT, "data file", f"{path} cannot be looked at: {error.strerror}", "Check who owns it.")
        return
    yield Finding(Mark.OK, "data file", f"{path}, {size:,} bytes")
    try:
        from tensordrill.store.inspection import NEWEST, inspect  # noqa: PLC0415 -- SQLAlchemy may be missing

        seen = inspect(path)
    except ImportError as error:
        yield Finding(Mark.FAULT, "schema", f"It cannot be read: {error}", "Reinstall tensordrill.")
        return
    except TensordrillError as error:
        yield Finding(Mark.FAULT, "schema", error.message, error.hint)
        return
    if seen.problems:
        hint = "Move it away and put a copy in its place. `sqlite3 FILE .recover` saves what can still be read."
        yield Finding(Mark.FAULT, "SQLite's own check", "; ".join(seen.problems), hint)
    else:
        yield Finding(Mark.OK, "SQLite's own check", "the file is whole")
    if seen.schema != NEWEST:
        was = f"{seen.schema}, an older one" if seen.schema else "none yet"
        then = f"the next session brings it to {NEWEST}{', after a backup' if seen.schema else ''}"
        yield Finding(Mark.NOTE, "schema", f"{was}; {then}")
        return
    yield Finding(Mark.OK, "schema", f"{seen.schema}, the newest that this version knows")
    yield from _history(path)


def judge(prober: "Prober") -> Iterator[Finding]:
    """What torch sees in the judge's process, and how fast it answers."""
    from tensordrill.judge.sandbox import Limits  # noqa: PLC0415 -- only here

    limits = Limits()
    memory = f"{limits.memory // 2**20} MB beyond what torch takes"
    given = f"{limits.cpu_s} s of CPU, {limits.wall_s:.0f} s by the clock, {memory}"
    try:
        yield Finding(Mark.OK, "process", _PROCESSES[prober.backend])
        yield from _device(prober)
        yield Finding(Mark.OK, "round trip", f"{prober.round_trip_ms():.0f} ms for an answer, once warm")
        yield Finding(Mark.OK, "an answer may take", given)
    except (RuntimeError, ValueError, OSError) as error:
        text = f"It does not work: {error}. {_why_not()}".strip()
        yield Finding(Mark.FAULT, "judge", text, "No answer can be judged until this Python can import torch.")


def protection(prober: "Prober") -> Iterator[Finding]:
    """What the judge's children are kept from."""
    try:
        for probe, held in prober.probes():
            if held:
                yield Finding(Mark.OK, probe.name, "active")
            else:
                meant = probe.offered or prober.holds_all()
                text = "not active" if meant else "not active: this judge cannot hold it on this system"
                mark = Mark.FAULT if meant else Mark.NOTE
                yield Finding(mark, probe.name, text, "Judge only answers that you trust.")
    except (RuntimeError, ValueError, OSError) as error:
        yield Finding(Mark.FAULT, "protection", f"It could not be tried: {error}", "See what is wrong with the judge.")


def _home(home: Path) -> Finding:
    above = _nearest(home)
    if not os.access(above, os.W_OK | os.X_OK) or not above.is_dir():
        text = f"{above} {'cannot be written' if above.is_dir() else 'is not a folder'}"
        if above != home:
            text = f"{home} is not there, or cannot be reached; {text}"
        return Finding(Mark.FAULT, "home", text, "Check who owns it, or set TENSORDRILL_HOME to another folder.")
    return Finding(
        Mark.OK, "home", str(home) if above == home else f"{home}, not there yet: the first session makes it"
    )


def _settings(path: Path) -> Iterator[Finding]:
    try:
        kept = settings.examine(path)
    except TensordrillError as error:
        yield Finding(Mark.FAULT, "settings", error.message, error.hint)
        return
    for name, problem in kept.faulty.items():
        yield Finding(Mark.FAULT, "settings", f"In {path}, {problem}", settings.mending(name))
    if not kept.faulty:
        named = ", ".join(f"{name} {settings.SETTINGS[name].shown(value)}" for name, value in kept.values.items())
        yield Finding(Mark.OK, "settings", f"{path}: {named or 'all are defaults'}")


def _clock() -> Finding:
    try:
        now, rollover = clock.now(), settings.load(paths.settings()).rollover
    except TensordrillError as error:
        return Finding(Mark.FAULT, "clock", error.message, error.hint)
    text = f"{now:%Y-%m-%d %H:%M %z}, study day {study_day(now, rollover)}"
    if os.environ.get("TENSORDRILL_NOW"):
        return Finding(Mark.NOTE, "clock", f"{text}; it stands still", "Unset TENSORDRILL_NOW to let it run.")
    return Finding(Mark.OK, "clock", text)


def _cache(path: Path) -> Finding:
    from tensordrill.drill_cache import module_files, recall, stamp  # noqa: PLC0415 -- only here

    kept = recall(path, stamp(module_files("tensordrill.drills").values()))
    if kept is None:
        return Finding(Mark.OK, "drill cache", f"{path}, not there or out of date: the next command makes it")
    return Finding(Mark.OK, "drill cache", f"{path}, {len(kept)} drills")


def _free(home: Path) -> Finding:
    try:
        free = shutil.disk_usage(_nearest(home)).free
    except OSError as error:
        return Finding(Mark.FAULT, "free disk", f"It cannot be told: {error.strerror}", "Check the disk.")
    text = f"{free / 2**30:.1f} GB" if free >= 2**30 else f"{free / 2**20:.0f} MB"
    if free >= _LITTLE_SPACE:
        return Finding(Mark.OK, "free disk", text)
    mark = Mark.NOTE if free >= _NO_SPACE else Mark.FAULT
    return Finding(mark, "free disk", text, "Free some space: an answer that cannot be written is not kept.")


def _history(path: Path) -> Iterator[Finding]:
    from tensordrill.store import Store  # noqa: PLC0415 -- SQLAlchemy costs 0.2 s

    try:
        with Store.open(path) as store:
            damaged = store.damaged()
            if damaged:
                text = f"{len(damaged)} are not what was written, the first {damaged[0]:.12}"
                yield Finding(Mark.FAULT, "events", text, "Put a copy of the file in its place.")
            events = sum(1 for _ in store.events())
            if not damaged:
                yield Finding(Mark.OK, "events", f"{events:,}, each as it was written")
            yield _cards(store)
    except TensordrillError as error:
        yield Finding(Mark.FAULT, "events", error.message, error.hint)


def _cards(store: "Store") -> Finding:
    for _ in range(2):  # another session may answer between the two readings
        cards, rebuilt = store.cards(), rebuild(store.events(), store.undone())
        if cards == rebuilt:
            return Finding(Mark.OK, "cards", f"{len(cards):,}, as the history gives them")
    different = sum(cards.get(drill) != rebuilt.get(drill) for drill in cards.keys() | rebuilt.keys())
    text = f"{different} of {len(cards):,} are not what the history gives"
    return Finding(Mark.FAULT, "cards", text, "The history is what counts: keep a copy of the file, and report this.")


def _device(prober: "Prober") -> Iterator[Finding]:
    """What torch sees, and, where the settings name a GPU, whether a worker for answers can use it."""
    seen = prober.device()
    built = f"built for CUDA {seen.build}" if seen.build else "built without CUDA"
    devices = f"{seen.devices or 'no'} CUDA device{'s' if seen.devices > 1 else ''}"
    try:
        wanted = settings.load(paths.settings()).device
    except TensordrillError:
        wanted = "cpu"  # what is wrong with the settings is told among the paths
    gpu = prober.gpu() if wanted != "cpu" else None
    where = f"on the CPU, and what passes there on the GPU too ({gpu})" if gpu else "on the CPU"
    yield Finding(Mark.OK, "device", f"judges {where}; torch {seen.torch}, {built}, sees {devices}")
    if wanted == "cuda" and gpu is None:
        hint = "tensordrill config device auto uses a GPU where there is one."
        yield Finding(Mark.FAULT, "device", "set to cuda, and there is no GPU that torch can use", hint)


def _why_not() -> str:
    """The last word of a Python that imports what the judge does; empty where that goes well."""
    command = [sys.executable, "-P", "-c", "import torch, einops, numpy"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)  # noqa: S603 -- our own
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = tried.stderr.strip().splitlines()
    return f"{lines[-1]}." if tried.returncode and lines else ""


def _nearest(path: Path) -> Path:
    """The path itself, or the closest folder above it that can be reached."""
    return next((folder for folder in (path, *path.parents) if os.access(folder, os.F_OK)), Path("/"))
