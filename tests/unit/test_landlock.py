"""What an answer may read: Python and its packages, and not tensordrill, whose drills hold the references."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest

import tensordrill
from tensordrill.judge import landlock


def allowed(path: Path) -> bool:
    return any(path.resolve().is_relative_to(each.resolve()) for each in landlock.readable())


def test_python_and_its_packages_can_be_read() -> None:
    import dataclasses  # noqa: PLC0415
    import json  # noqa: PLC0415

    import einops  # noqa: PLC0415

    for module in (json, dataclasses, einops):
        assert module.__file__
        assert allowed(Path(module.__file__))


def test_tensordrill_and_what_is_the_learner_s_cannot() -> None:
    site = Path(sysconfig.get_path("purelib"))
    assert tensordrill.__file__
    for path in (
        Path(tensordrill.__file__),
        Path(tensordrill.__file__).parent / "drills",
        *site.glob("tensordrill*"),
        *site.glob("__editable__*tensordrill*"),
        site,
        Path.home() / ".ssh",
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
        Path("/dev/shm"),
        Path("/"),
    ):
        assert not allowed(path), path


def test_a_folder_that_holds_python_is_not_allowed_whole() -> None:
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib")}
    for each in landlock.readable():
        assert not any(folder.is_relative_to(each.resolve()) for folder in folders), each


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_its_version() -> None:
    assert landlock.version() >= 0


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock.version() == 0
    assert landlock.ruleset() is None


@pytest.mark.skipif(not landlock.version(), reason="the system has no Landlock")
def test_where_all_may_be_read_nothing_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    code = """
        import os, sys
        from tensordrill.judge import landlock
        os.chdir(sys.argv[1])
        landlock.enter(landlock.writable())
        assert open("kept").read() == "kept" and os.listdir() == ["kept"]
        open("/dev/null", "w").write("x")
        for attack in (lambda: open("new", "x"), lambda: open("kept", "a"), lambda: os.unlink("kept"),
                       lambda: os.rename("kept", "new"), lambda: os.mkdir("new")):
            try:
                attack()
            except PermissionError:
                continue
            raise SystemExit("it may")
    """
    subprocess.run([sys.executable, "-c", dedent(code), str(tmp_path)], check=True, timeout=60)
