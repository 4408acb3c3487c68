"""Every test has a home of its own, and a clock only where it sets one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tensordrill.catalog import Catalog, built_in
from tensordrill.judge import Judge

# The same examples each time: what fails is what was changed. `make certify` looks at others with the profile `random`.
settings.register_profile("random", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


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
def judge() -> Iterator[Judge]:
    """One judge for a whole worker: its zygote takes two seconds to start."""
    with Judge() as shared:
        yield shared
