"""Judges that share a zygote, each in a thread of its own, and what they know of puzzles."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status, Verdict
from tensordrill.judge import Judge, process
from tensordrill.judge.certifying import Certificates
from tensordrill.judge.process import Reply, Zygote, ZygoteDiedError
from tensordrill.judge.sandbox import Limits
from tensordrill.puzzles import Puzzle


@pytest.fixture
def twins() -> Iterator[list[Judge]]:
    with Judge(backend="zygote") as one, one.twin() as other:
        yield [one, other]


@pytest.fixture
def puzzles(catalog: Catalog) -> list[Puzzle]:
    return [catalog["einsum.matmul"].puzzle(seed, 1) for seed in range(8)]


def graded(judge: Judge, puzzles: list[Puzzle]) -> list[Verdict]:
    """The right answer to each, and that to the puzzle before it: each verdict tells whose answer it was for."""
    return [
        judge.grade(puzzle, answer.solution or "")
        for puzzle, before in zip(puzzles, [puzzles[-1], *puzzles], strict=False)
        for answer in (puzzle, before)
    ]


def _no_process(*_: Any, **__: Any) -> NoReturn:
    raise BlockingIOError("Resource temporarily unavailable")


def test_each_has_its_own_answers(twins: list[Judge], puzzles: list[Puzzle]) -> None:
    expected = [verdict.status for verdict in graded(twins[0], puzzles)]
    assert set(expected) > {Status.CORRECT}
    with ThreadPoolExecutor(2) as threads:
        both = threads.map(graded, twins, [puzzles, puzzles[::-1]])
        one, other = ([verdict.status for verdict in verdicts] for verdicts in both)
    assert one == expected
    assert other[::2] == [Status.CORRECT] * len(puzzles)
    assert twins[0].zygote_pid == twins[1].zygote_pid


def test_when_their_zygote_is_killed_both_go_on(twins: list[Judge], puzzles: list[Puzzle]) -> None:
    with ThreadPoolExecutor(2) as threads:
        first = graded(twins[0], puzzles)
        assert twins[0].zygote_pid
        waiting = [threads.submit(graded, judge, puzzles) for judge in twins]
        os.kill(twins[0].zygote_pid, signal.SIGKILL)
        for verdicts in waiting:
            assert [it.status for it in verdicts.result()] == [it.status for it in first]


def test_when_one_has_given_their_zygote_up_before_it_was_ready_the_other_goes_on(
    twins: list[Judge], puzzles: list[Puzzle]
) -> None:
    twins[0].close()
    assert twins[1].grade(puzzles[0], puzzles[0].solution or "").correct


def test_an_answer_that_breaks_its_child_is_no_matter_to_the_other(
    twins: list[Judge], puzzles: list[Puzzle], catalog: Catalog
) -> None:
    expression = catalog["indexing.where"].puzzle(1)
    breaking = {"__import__('os')._exit(0)": Status.RAISED, "[0] * 10**12": Status.MEMORY}
    with ThreadPoolExecutor(2) as threads:
        broken = threads.submit(lambda: [(twins[0].grade(expression, it).status, it) for it in [*breaking] * 4])
        fine = threads.submit(lambda: [twins[1].grade(it, it.solution or "") for it in puzzles])
        assert all(status is breaking[answer] for status, answer in broken.result())
        assert all(verdict.correct for verdict in fine.result())


def test_what_one_needs_late_is_loaded_for_it_though_the_other_needed_it_meanwhile(
    twins: list[Judge], catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child from before torch was whole is stopped where it needs the rest; the zygote may have it by then."""
    expression = catalog["indexing.where"].puzzle(1)
    for judge in twins:
        assert judge.certify(expression).ok
    exchange = process._exchange

    def overtaken(*arguments: Any) -> tuple[str, bytes]:
        monkeypatch.setattr(process, "_exchange", exchange)
        ran = exchange(*arguments)
        assert twins[1].grade(expression, "torch.optim.SGD([x], 0.1)").status is not Status.REFUSED
        return ran

    monkeypatch.setattr(process, "_exchange", overtaken)
    late = "torch.utils.checkpoint.checkpoint(torch.sin, torch.ones(2), use_reentrant=False)"
    assert twins[0].grade(expression, late).status is Status.WRONG_SHAPE


def test_a_zygote_that_did_not_answer_in_time_answers_nobody_later(monkeypatch: pytest.MonkeyPatch) -> None:
    zygote = Zygote(Limits())
    try:
        zygote.wait_ready()
        monkeypatch.setattr(process, "_SLACK_S", 0.1)
        os.kill(zygote.pid, signal.SIGSTOP)
        with pytest.raises(ZygoteDiedError, match="does not answer"):
            zygote.ask([])
        os.kill(zygote.pid, signal.SIGCONT)
        with pytest.raises(ZygoteDiedError, match="has ended"):
            zygote.ask([])
    finally:
        zygote.kill()
        zygote.close()


def test_a_twin_where_no_process_can_be_started(puzzles: list[Puzzle], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a verdict is told."""
    with Judge(backend="zygote") as judge:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", _no_process)
            twin = judge.twin()
            assert twin.grade(puzzles[0], puzzles[0].solution or "").status is Status.INTERNAL
        assert twin.grade(puzzles[0], puzzles[0].solution or "").correct
        twin.close()


def test_a_twin_of_a_stopped_judge() -> None:
    with Judge(backend="zygote") as judge:
        judge.stop()
        with pytest.raises(ZygoteDiedError, match="stopped"):
            judge.twin()


def test_where_forking_is_not_safe_each_has_its_own_processes(puzzles: list[Puzzle]) -> None:
    with Judge(backend="spawned") as one, one.twin() as other:
        for judge in (one, other):
            assert judge.grade(puzzles[0], puzzles[0].solution or "").correct
        assert one.zygote_pid != other.zygote_pid


def test_what_is_prepared_is_certified(puzzles: list[Puzzle], monkeypatch: pytest.MonkeyPatch) -> None:
    with Judge() as judge:
        judge.prepare([*puzzles, puzzles[0]])
        monkeypatch.setattr(judge, "_ask", None)  # certifying again would call it
        assert all(judge.certify(puzzle).ok for puzzle in puzzles)
        assert judge.twin().certify(puzzles[0]).ok


def test_what_the_set_up_of_one_changes_in_torch_is_not_there_for_another(judge: Judge, catalog: Catalog) -> None:
    """The hidden set-up of spot-the-bug replaces how layers are made."""
    bug, linear = catalog["training.spot-the-bug"].puzzle(35, 3), catalog["modules.linear"].puzzle(0, 2)
    assert "nn.Linear.reset_parameters =" in bug.setting.setup
    assert "nn.Linear(" in linear.setting.setup
    apart = [judge.certify_all([it])[0].expected for it in (bug, linear)]
    assert [made.expected for made in judge.certify_all([bug, linear])] == apart


def test_preparing_with_a_judge_that_is_stopped_leaves_it_to_the_grading(puzzles: list[Puzzle]) -> None:
    with Judge() as judge:
        judge.stop()
        judge.prepare(puzzles)
        assert judge.grade(puzzles[0], puzzles[0].solution or "").status is Status.INTERNAL


def test_a_puzzle_whose_run_failed_is_run_again(
    twins: list[Judge], puzzles: list[Puzzle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without the time or the memory for it may have them a minute later."""
    with monkeypatch.context() as patch:
        patch.setattr(Zygote, "ask", lambda *_: Reply("timeout", 0, b""))
        assert not twins[0].certify(puzzles[0]).ok
        twins[0].prepare(puzzles[1:3])
    for puzzle in puzzles[:3]:
        assert twins[1].grade(puzzle, puzzle.solution or "").correct


def test_so_many_certificates_are_kept(judge: Judge, puzzles: list[Puzzle]) -> None:
    made = judge.certify(puzzles[0])
    kept = Certificates(3)
    for name in "abcd":
        kept.keep(replace(made, puzzle=name))
    assert [kept.get(name) is not None for name in "abcd"] == [False, True, True, True]
