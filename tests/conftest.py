"""Every test has a home of its own, and a clock only where it sets one."""

import ctypes
import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from hypothesis import settings

from tensordrill import paths
from tensordrill.catalog import Catalog, built_in
from tensordrill.judge import Judge

# The same examples each time: what fails is what was changed. `make certify` looks at others with the profile `random`.
settings.register_profile("random", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
# A shell starts what runs in its background deaf to Ctrl-C, and that is inherited by every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that only this test sees; nobody's real one is ever touched."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TENSORDRILL_HOME", str(folder))
    for variable in ("TENSORDRILL_NOW", "TENSORDRILL_TRACE", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return built_in()


@pytest.fixture(scope="session")
def drill_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first command leaves for those after it. Most of a person's commands find it, and most of the tests'."""
    cache = tmp_path_factory.mktemp("cache") / "drills.json"
    built_in(cache)
    return cache


@pytest.fixture
def lived_in(home: Path, drill_cache: Path) -> None:
    """A home in which some command has been run."""
    home.mkdir()
    shutil.copy(drill_cache, paths.drill_cache())


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """One judge for a whole worker: its zygote takes two seconds to start."""
    with Judge() as shared:
        yield shared


T = TypeVar("T")


class AsOrdinaryUser(Protocol):
    """Runs a function as one whom a file's mode refuses something."""

    def __call__(self, function: Callable[[], T]) -> T: ...


@pytest.fixture
def as_ordinary_user() -> AsOrdinaryUser:
    """Root too, but without the right to pass every permission."""

    def without_rights() -> None:
        if os.geteuid() == 0:
            libc, header = ctypes.CDLL(None), struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
            rights = ctypes.create_string_buffer(24)
            assert libc.capget(header, rights) == 0
            kept = [each & ~0b110 for each in struct.unpack("=6I", rights.raw)]  # CAP_DAC_OVERRIDE, _READ_SEARCH
            for one in (1, 2):
                assert libc.prctl(24, one) == 0  # PR_CAPBSET_DROP: nor does what it starts have them
            assert libc.capset(header, struct.pack("=6I", *kept)) == 0

    def run(function: Callable[[], T]) -> T:
        # Linux keeps rights by the thread, and what one gives up does not come back.
        with ThreadPoolExecutor(1, initializer=without_rights) as thread:
            return thread.submit(function).result()

    return run
