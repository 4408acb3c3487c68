"""`--device` and the setting of the same name, where there is no GPU."""

import json
from typing import TYPE_CHECKING

import pytest

from tensordrill import paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

GRADE = ("grade", "einsum.attention-scores", "--seed", "0", "--json", "--answer", "x")
HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}  # a machine that has a GPU shows none either


@pytest.mark.parametrize("command", [("today",), ("practice", "einsum"), GRADE, ("grade", "--batch", "-")])
def test_cuda_without_a_gpu_is_refused_before_anything_begins(run: "Run", command: tuple[str, ...]) -> None:
    done = run(*command, "--device", "cuda", env=HIDDEN)
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("tensordrill: There is no GPU to judge on: torch ")
    assert "--device cpu" in hint


def test_auto_without_a_gpu_is_the_cpu(run: "Run") -> None:
    puzzle = json.loads(run("show", "einsum.attention-scores", "--seed", "0", "--solution", "--json").stdout)
    answer = puzzle["solution"]["answer"]
    line = json.dumps({"drill": "einsum.attention-scores", "seed": 0, "answer": answer})
    done = run("grade", "--batch", "-", "--device", "auto", stdin=line, env=HIDDEN)
    verdict = json.loads(done.stdout)
    assert (done.returncode, done.stderr, verdict["correct"], verdict["device"]) == (0, "", True, "cpu")


def test_the_setting_decides_where_the_option_does_not(run: "Run", home: "Path") -> None:
    home.mkdir()
    paths.settings().write_text('device = "cuda"\n', encoding="utf-8")
    assert run(*GRADE, env=HIDDEN).returncode == 2
    done = run(*GRADE, "--device", "cpu", env=HIDDEN)
    assert (done.returncode, json.loads(done.stdout)["device"]) == (0, "cpu")


def test_a_device_that_there_is_not(run: "Run") -> None:
    done = run(*GRADE, "--device", "tpu")
    assert done.returncode == 2
    assert "'cpu', 'cuda', 'auto'" in done.stderr
