"""What holds for root must hold for an ordinary user, who cannot do all that root does to contain an answer."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests already run as an ordinary user")
def test_an_ordinary_user_is_contained_too(tmp_path: Path, catalog: Catalog) -> None:
    def as_nobody(*args: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env={"PATH": os.defpath, "HOME": "/nonexistent", "TENSORDRILL_HOME": str(tmp_path / "nobody")},
        )

    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    (tmp_path / "nobody").mkdir()
    (tmp_path / "nobody").chmod(0o777)
    try:
        ready = as_nobody("-c", "import torch, tensordrill, tensordrill.drills").returncode == 0
    except PermissionError:
        ready = False
    if not ready:
        pytest.skip("nobody may not read this Python or what is installed in it")
    folder = tmp_path / "nobody" / "folder"
    folder.mkdir()
    (folder / "kept").write_text("kept", encoding="ascii")
    for path in (folder, folder / "kept"):
        os.chown(path, 65534, 65534)
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
