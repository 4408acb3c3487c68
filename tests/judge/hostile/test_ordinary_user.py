"""What holds for root must hold for an ordinary user, who cannot do all that root does to contain an answer."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import tensordrill.drills

from tensordrill.catalog import Catalog

PATIENCE_S = 120.0
ATTACKS = {
    "writing": "open({folder!r} + '/new', 'w').write('x')",
    "metadata": "__import__('os').utime({folder!r} + '/kept', (0, 0))",
    "reading": "open({folder!r} + '/kept').read()",
    "a program": "__import__('os').system('echo > ' + {folder!r} + '/new')",
    "a process": "__import__('os').fork()",
    "a socket": "__import__('socket').socket()",
    "a namespace": "__import__('ctypes').CDLL(None).unshare(0x10000000)",
    "the parent": "__import__('os').kill(__import__('os').getppid(), 9)",
}


NOBODY = 65534
ENVIRONMENT = {"PATH": os.defpath, "HOME": "/nonexistent"}


def readable_python(folder: Path) -> tuple[str, dict[str, str]]:
    """This Python with all that is installed, where anybody may read it: its path, and what its environment needs.

    They are links, and nothing is copied, which would take gigabytes. tensordrill lies among the packages, as where it
    is installed.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base, packages = Path(sys.base_prefix), folder / "lib" / name / "site-packages"
    repository = Path(tensordrill.drills.__file__).parents[1]
    linked = partial(shutil.copytree, copy_function=os.link, symlinks=True)
    linked(base / "lib" / name, packages.parent, ignore=shutil.ignore_patterns("site-packages", "test", "*.a"))
    linked(sysconfig.get_path("purelib"), packages, ignore=shutil.ignore_patterns("__editable__*", "*.pth"))
    linked(repository / "src" / "tensordrill", packages / "tensordrill")
    for part in ("drills", "db"):
        linked(repository / part, packages / "tensordrill" / part)
    for library in (base / "lib").glob("libpython*"):
        shutil.copy(library, folder / "lib")
    (folder / "bin").mkdir()
    shutil.copy(base / "bin" / name, folder / "bin" / "python")
    return str(folder / "bin" / "python"), {"LD_LIBRARY_PATH": str(folder / "lib")}


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that anybody may enter. pytest's own are root's alone: each run of it makes them so again."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests already run as an ordinary user")
def test_an_ordinary_user_is_contained_too(public: Path, catalog: Catalog) -> None:
    python, found = sys.executable, dict[str, str]()

    def as_nobody(*args: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python, *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            env=ENVIRONMENT | found | {"TENSORDRILL_HOME": str(public / "nobody")},
        )

    def is_ready() -> bool:
        try:
            return as_nobody("-c", "import torch, tensordrill, tensordrill.drills").returncode == 0
        except PermissionError:
            return False

    (public / "nobody").mkdir()
    (public / "nobody").chmod(0o777)
    if not is_ready():
        try:
            python, found = readable_python(public / "python")
        except (OSError, shutil.Error):
            pytest.skip("nobody may not read this Python, and it cannot be linked to from another folder")
        assert is_ready()
    folder = public / "nobody" / "folder"
    folder.mkdir()
    (folder / "kept").write_text("kept", encoding="ascii")
    for path in (folder, folder / "kept"):
        os.chown(path, NOBODY, NOBODY)
    facts = [(path.stat().st_ctime_ns, path.read_bytes()) for path in folder.iterdir()]
    drill = next(one for one in catalog.values() if one.puzzle(1).kind == "expr")
    answers = [
        answer
        for attack in ATTACKS.values()
        for answer in (f"({attack.format(folder=str(folder))}, 'breach')[1]", drill.puzzle(1).solution)
    ]
    lines = [json.dumps({"drill": drill.id, "seed": 1, "answer": answer}) for answer in answers]
    done = as_nobody("-m", "tensordrill", "grade", "--batch", "-", stdin="\n".join(lines))
    assert done.returncode == 0, done.stdout
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["status"] for one in verdicts[1::2]] == ["correct"] * len(ATTACKS)
    for name, verdict in zip(ATTACKS, verdicts[::2], strict=True):
        assert verdict["status"] in ("refused", "raised"), name
        assert "breach" not in f"{verdict}", name
    assert facts == [(path.stat().st_ctime_ns, path.read_bytes()) for path in folder.iterdir()]
