"""The wheel holds all that is needed, and works where nothing else of this project is."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge

TREE = Path(__file__).parents[2]
SOURCES = ("src", "drills", "db", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree, built from a copy: building leaves folders behind."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tensordrill` from the wheel, in an environment that shares this one's dependencies but not its project."""
    environment = tmp_path_factory.mktemp("venv")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*install, "--disable-pip-version-check"], check=True, capture_output=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    # A folder named by a .pth file does not have its own .pth files read: the editable install stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "tensordrill"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that has nothing to do with the project."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    yield folder
    assert list(folder.iterdir()) == []


def out_of(program: Path, *args: str) -> str:
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_in_it(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name.partition("tensordrill/")[2] for name in names if name.startswith("tensordrill/")}
    expected = {"py.typed", "ui/names.txt"}
    for folder, prefix in ((TREE / "src/tensordrill", ""), (TREE / "drills", "drills/"), (TREE / "db", "db/")):
        expected |= {prefix + path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert inside == expected
    others = {name for name in names if not name.startswith("tensordrill/")}
    assert all(".dist-info/" in name for name in others), "no tests, no benchmarks, no stray top-level modules"
    assert any(name.endswith("licenses/LICENSE") for name in others)


def test_it_works_by_itself(
    program: Path, elsewhere: Path, home: Path, catalog: Catalog, judge: Judge, tmp_path: Path
) -> None:
    python = program.with_name("python")
    where = subprocess.run(
        [python, "-P", "-c", "import tensordrill, tensordrill.drills as d; print(tensordrill.__file__, d.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(Path(file).is_relative_to(program.parents[1]) for file in where)
    assert Path.cwd() == elsewhere

    listed = json.loads(out_of(program, "drills", "--json"))
    assert [drill["id"] for drill in listed] == list(catalog)
    assert (home / "tensordrill.db").is_file(), "the migrations came with it"

    name = next(iter(catalog))
    right = judge.solution(catalog[name].puzzle(3))
    verdict = json.loads(out_of(program, "grade", name, "--seed", "3", "--answer", right, "--json"))
    assert (verdict["correct"], verdict["status"]) == (True, "correct")

    shutil.rmtree(home)
    trace = tmp_path / "trace"
    with subprocess.Popen(
        [program, "today"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TENSORDRILL_TRACE": str(trace)},
        text=True,
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        for line in session.stdout:
            if ":hint" in line:
                break
        assert session.stdout.read(2) == "> "
        asked = json.loads(trace.read_text())
        answer = judge.solution(catalog[asked["drill"]].puzzle(asked["seed"], asked["level"]))
        said, complaints = session.communicate(answer + "\n", timeout=120)
        assert (session.returncode, complaints) == (0, "")
        assert "Right.  Good" in said
    (event,) = [json.loads(line) for line in out_of(program, "export", "json").splitlines()]
    assert (event["drill"], event["rating"]) == (asked["drill"], "Good")
