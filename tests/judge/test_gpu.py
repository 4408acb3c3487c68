"""The second run on another device. The path is the same on any, so most of it is tried here with `cpu` for a GPU.

What is marked `gpu` needs a real one: every drill's solution and wrong turns, judged there as on the CPU.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import Status
from tensordrill.errors import UsageError
from tensordrill.judge import Judge
from tensordrill.judge.certifying import differences, programs_of
from tensordrill.judge.drawing import DrawnOnCpu
from tensordrill.judge.gpu import SLACK, Gpu, likely, required
from tensordrill.judge.instances import request
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.values import read_reply
from tensordrill.puzzles import WriteCode, WriteExpression, tensor

LIMITS = Limits(cpu_s=2, wall_s=4.0)
# Whether an answer runs in the worker for the other device, which alone draws as it does.
THERE = "'tensordrill.judge.drawing' in __import__('sys').modules"
PUZZLE = WriteCode(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    setup="noise = torch.randn(3, generator=torch.Generator().manual_seed(1)) + torch.rand(3)",
    signature="def total(x):",
    body="return x.sum(1)",
    observe={"the result": "total(x)", "the noise": "noise"},
    hints=["a", "b"],
    why="sum",
)
RIGHT = "return x.sum(1)"
SAMPLE = ("einsum.attention-scores", "training.loop-order", "hooks.patch")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """It takes the CPU for a GPU."""
    with Judge(LIMITS, device="cuda", gpu=Gpu(LIMITS, "cpu")) as judge:
        judge.require_device()
        yield judge


def worker(judge: Judge) -> int:
    assert judge._gpu is not None
    assert judge._gpu.pid is not None
    return judge._gpu.pid


def test_a_right_answer_runs_there_too_and_the_worker_stays_warm(judge: Judge) -> None:
    assert judge.grade(PUZZLE, RIGHT).feedback == "Correct."
    before = worker(judge)
    assert judge.grade(PUZZLE, "return x.sum(dim=1)").feedback == "Correct."
    assert judge.grade(PUZZLE, "return x.sum(0)").status is Status.WRONG_SHAPE
    assert worker(judge) == before


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("return x.sum(1) + there", Status.WRONG_VALUE, "On the GPU: "),
        ("if there: raise torch.OutOfMemoryError('CUDA out of memory.')\nreturn x.sum(1)", Status.MEMORY, "512 MB"),
        ("if there: x.foo\nreturn x.sum(1)", Status.RAISED, "On the GPU: It raised AttributeError in line 2"),
        ("while there: pass\nreturn x.sum(1)", Status.TIMEOUT, "On the GPU it had not ended after 2 seconds."),
        ("if there: import os; os.kill = os._exit(1)\nreturn x.sum(1)", Status.RAISED, "ended from inside"),
    ],
    ids=["differs", "memory", "raises", "hangs", "dies"],
)
def test_what_goes_wrong_only_there_is_told_as_such(judge: Judge, body: str, status: Status, told: str) -> None:
    assert judge.grade(PUZZLE, RIGHT).correct
    before = worker(judge)
    verdict = judge.grade(PUZZLE, f"there = {THERE}\n{body}")
    assert verdict.status is status, verdict.feedback
    assert verdict.feedback.startswith("It passes on the CPU. ")
    assert told in verdict.feedback
    assert judge.grade(PUZZLE, RIGHT).feedback == "Correct."
    assert worker(judge) != before


def test_the_difference_is_shown(judge: Judge) -> None:
    verdict = judge.grade(PUZZLE, f"return x.sum(1) + ({THERE})")
    assert verdict.expected
    assert verdict.got
    assert verdict.expected != verdict.got


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_worker_that_fails_by_itself_costs_the_answer_nothing(judge: Judge, fault: signal.Signals) -> None:
    assert judge.grade(PUZZLE, RIGHT).correct
    before = worker(judge)
    os.kill(before, fault)
    assert judge.grade(PUZZLE, RIGHT).feedback == "Correct."
    assert worker(judge) != before


def test_what_one_answer_leaves_behind_the_next_does_not_pay_for(judge: Judge) -> None:
    body = f"if {THERE}: torch.sum = lambda *a, **k: torch.zeros(3)\nreturn x.sum(1)"
    assert judge.grade(PUZZLE, body).correct
    before = worker(judge)
    assert judge.grade(PUZZLE, "return torch.sum(x, 1)").feedback == "Correct."
    assert worker(judge) != before


def test_a_puzzle_whose_own_solution_differs_there_says_nothing_of_an_answer(judge: Judge) -> None:
    expression = f"x.sum(1) + ({THERE})"
    tensors = [tensor("x", "row column")]
    puzzle = WriteExpression(prompt="", tensors=tensors, reference_expression=expression, hints=["", ""], why="")
    verdict = judge.grade(puzzle, "x.sum(1)")
    assert verdict.correct
    assert verdict.feedback.startswith("Correct, on the CPU. The puzzle's own solution")
    assert verdict.device == "cpu"


def test_a_stopped_judge_stops_there_too() -> None:
    with Judge(LIMITS, device="cuda", gpu=Gpu(LIMITS, "cpu")) as judge:
        judge.start()
        process = worker(judge)
        judge.stop()
        assert judge.grade(PUZZLE, RIGHT).status is Status.INTERNAL
        judge.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def cuda() -> bool:
    """Whether torch finds a GPU, asked in a process of its own: a test never touches CUDA in this one."""
    asks = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    return likely() and subprocess.run([sys.executable, "-W", "ignore", "-c", asks], check=False).returncode == 0


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu() -> None:
    if cuda():
        pytest.skip("there is a GPU")
    gpu = Gpu(LIMITS)
    with pytest.raises(UsageError, match=r"There is no GPU to judge on: torch .+\.$") as refused:
        required(gpu)
    gpu.close()
    assert "--device cpu" in refused.value.hint
    with Judge(LIMITS, device="auto", gpu=Gpu(LIMITS)) as judge:
        verdict = judge.grade(PUZZLE, RIGHT)
        assert (verdict.status, verdict.feedback, verdict.device) == (Status.CORRECT, "Correct.", "cpu")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_gpu_that_is_hidden_is_not_looked_for(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr("sys.platform", "win32")
    assert not likely()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert likely()
    monkeypatch.setattr("sys.platform", "darwin")
    assert not likely()


DRAWS = [
    "torch.randn(4)",
    "torch.rand(2, 3, dtype=torch.float32)",
    "torch.randint(9, (4,))",
    "torch.randperm(7)",
    "torch.normal(torch.zeros(3), torch.ones(3))",
    "torch.bernoulli(torch.full((9,), 0.5))",
    "torch.multinomial(torch.ones(5), 3)",
    "torch.randn(4, generator=torch.Generator().manual_seed(3))",
    "torch.zeros(4).uniform_(2, 3)",
    "torch.zeros(6)[1:3].normal_()",
    "torch.nn.functional.dropout(torch.ones(20), 0.4)",
    "torch.nn.Linear(3, 2).weight",
    "torch.randn(3, out=torch.empty(3))",
]


@pytest.mark.parametrize("draw", DRAWS)
def test_what_is_drawn_for_a_device_is_what_the_cpu_draws(draw: str) -> None:
    def drawn() -> "tuple[torch.Tensor, torch.Tensor]":
        torch.manual_seed(0)
        return eval(draw, {"torch": torch}), torch.rand(1)

    plain, then = drawn()
    with DrawnOnCpu(passed="none"):  # the CPU taken for another device
        there, after = drawn()
    assert torch.equal(plain, there)
    assert torch.equal(then, after)


def test_what_is_drawn_lands_on_its_device_and_in_its_tensor() -> None:
    torch.manual_seed(0)
    expected = [torch.randn(4), torch.rand(1)]
    torch.manual_seed(0)
    with DrawnOnCpu():
        assert torch.randn(4, device="meta").device.type == "meta"
        assert torch.equal(torch.rand(1), expected[1])
    with DrawnOnCpu(passed="none"):
        base = torch.zeros(2, 2, requires_grad=True)
        whole = base * 1
        assert whole[0].normal_().data_ptr() == whole.data_ptr()
        whole.sum().backward()  # type: ignore[no-untyped-call]
    assert base.grad is not None
    assert base.grad.tolist() == [[0, 0], [1, 1]]  # what was drawn over is no longer of the leaf


@pytest.fixture(scope="module")
def real() -> Iterator[Judge]:
    """A judge that uses a real GPU."""
    if not cuda():
        pytest.skip("needs a GPU that torch can use")
    with Judge(device="cuda") as made:
        made.require_device()
        yield made


@pytest.mark.parametrize("drill", SAMPLE)
def test_a_sample_of_drills_the_cpu_taken_for_a_gpu(judge: Judge, catalog: Catalog, drill: str) -> None:
    assert agreed(judge, catalog, drill, seeds=1)


@pytest.mark.gpu
@pytest.mark.parametrize("drill", list(built_in()))
def test_every_drill_on_a_gpu(real: Judge, catalog: Catalog, drill: str) -> None:
    assert real._gpu is not None
    print(f"{agreed(real, catalog, drill, seeds=3)} puzzles of {drill} agree on {real._gpu.name()}")


@pytest.mark.gpu
def test_out_of_memory_on_a_gpu(real: Judge) -> None:
    body = "if x.is_cuda: torch.ones(2**28)\nreturn x.sum(1)"
    verdict = real.grade(PUZZLE, body)
    assert (verdict.status, verdict.device) == (Status.MEMORY, "cuda"), verdict.feedback
    assert real.grade(PUZZLE, RIGHT).device == "cuda"


@pytest.mark.gpu
def test_an_error_that_poisons_the_device_costs_the_next_answer_nothing(real: Judge) -> None:
    body = "if x.is_cuda:\n    x[torch.tensor([10**6])].sum().item()\nreturn x.sum(1)"
    assert real.grade(PUZZLE, body).status in (Status.RAISED, Status.WRONG_VALUE)
    verdict = real.grade(PUZZLE, RIGHT)
    assert (verdict.status, verdict.device) == (Status.CORRECT, "cuda"), verdict.feedback


def agreed(judge: Judge, catalog: Catalog, drill: str, seeds: int) -> int:
    """How many puzzles ran on the device: there the solution is right, and the wrong turns differ, as on the CPU.

    Those that only the CPU can judge are not counted: predictions, choices, and what leaves the device.
    """
    gpu = judge._gpu
    assert gpu is not None
    count = 0
    for level in range(1, catalog[drill].levels + 1):
        for seed in range(seeds):
            puzzle = catalog[drill].puzzle(seed, level)
            certificate = judge.certify(puzzle)
            verdict = judge.grade(puzzle, judge.solution(puzzle))
            assert verdict.correct, verdict.feedback
            if puzzle.predicts or verdict.feedback != "Correct.":
                assert verdict.device == "cpu"
                continue
            assert verdict.device == gpu.device
            count += 1
            # All in one request: a worker that gives what is wrong would be replaced each time.
            programs, chosen = programs_of(puzzle), certificate.instances
            assert gpu._worker is not None
            reply = gpu._worker.ask([request(puzzle, programs, chosen)], 60.0)
            [[_, *turns]] = read_reply(reply.data, [(len(programs), len(chosen))])
            for turn, ran in zip(puzzle.turns, turns, strict=True):
                assert any(differences(puzzle, certificate.expected, ran, slack=SLACK)), turn.id
    return count
