"""`make bench`: how fast it is, each figure beside a peer or a floor measured in the same run.

Machines differ and are noisy, so ratios are what counts. Nothing here is asserted in a test.
"""

import json
import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tensordrill import clock, paths
from tensordrill.app import App
from tensordrill.catalog import built_in
from tensordrill.judge import Judge
from tensordrill.session import Phase

ROUNDS = 7
TRIPS = 300
BATCH = 960
LIBRARIES = "import click, sqlalchemy, prompt_toolkit, rich.markdown, rich.syntax, fsrs"
ONE_ANSWER = """
import torch
torch.manual_seed(0)
Q, K = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 6, 5, dtype=torch.float64)
got = torch.einsum("bhqd,bhkd->bhqk", Q, K)
assert torch.allclose(got, Q @ K.mT)
"""
FORKS = """
import os, sys
import torch
torch.set_num_threads(1)
print(flush=True)
for line in sys.stdin:
    if not (child := os.fork()):
        os.write(1, line.encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["TENSORDRILL_HOME"] = home
        prepare()
        floor, libraries, help_, prompt = interleaved(
            lambda: process("import torch"),
            lambda: process(LIBRARIES),
            lambda: command("--help"),
            first_prompt,
        )
    print(f"medians of {ROUNDS} rounds, in seconds")
    say("import torch, bare", floor)
    say("import of what the prompt needs, bare", libraries, floor, "of import torch")
    say("tensordrill --help", help_, floor, "of import torch", at_most=0.10)
    say("first prompt, existing data file", prompt, floor, "of import torch", at_most=0.45)
    say("first prompt, existing data file", prompt, libraries, "of those imports")
    warm, forks = warm_trips()
    fresh = statistics.median(process(ONE_ANSWER) for _ in range(ROUNDS))
    (p50, p99), (fork50, fork99) = (
        (sorted(all_)[TRIPS // 2], sorted(all_)[TRIPS * 99 // 100]) for all_ in (warm, forks)
    )
    print(f"\nwarm grade over {TRIPS} answers, against a fresh process that imports torch and checks one")
    say("fresh process", fresh)
    print(
        f"  p50 {p50 * 1000:.1f} ms (at most 12), p99 {p99 * 1000:.1f} ms (at most 25), "
        f"{fresh / p50:.0f} times faster (at least 90)"
    )
    print(
        f"  {p50 / fork50:.1f} and {p99 / fork99:.1f} of a bare fork of a process with torch, in turn with them: "
        f"p50 {fork50 * 1000:.1f} ms, p99 {fork99 * 1000:.1f} ms"
    )
    back = statistics.median(back_again() for _ in range(ROUNDS))
    print("\nwith the full lockdown")
    say("a killed judge, until its next verdict", back, floor, "of import torch", at_most=2.5)
    print(f"  {batch_per_second():.0f} answers a second in grade --batch (at least 60)")
    bare, zygote, child = memory()
    print(f"  zygote {zygote / bare:.2f} of the memory of a bare import torch, {bare / 2**20:.0f} MiB (at most 1.6)")
    print(f"  each child {child / 2**20:.1f} MiB of its own (at most 10)")
    print("\nthe judge where forking is not safe: a process for each answer")
    say("answered while the spare is ready", spawned_trip(2 * fresh), fresh, "of a fresh process")
    say("answered at once", spawned_trip(0), fresh, "of a fresh process")
    print(f"\n{puzzles_per_second():,.0f} puzzles generated a second, every drill and level in turn (at least 2,000)")


def say(what: str, seconds: float, peer: float | None = None, named: str = "", at_most: float | None = None) -> None:
    ratio = f"  {seconds / peer:.2f} {named}" if peer else ""
    limit = f" (at most {at_most})" if at_most else ""
    print(f"  {what:<38} {seconds:.3f}{ratio}{limit}")


def interleaved(*measures: Callable[[], float]) -> list[float]:
    """The median of each, measured in turn, so that a slow minute of the machine falls on all of them."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def process(source: str) -> float:
    """Seconds that a fresh Python takes to run the source."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", source], check=True)
    return time.perf_counter() - started


def command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([Path(sys.executable).parent / "tensordrill", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def prepare() -> None:
    """A data file with one drill that was learned long ago, so that `today` begins with a prompt."""
    long_ago = datetime.now(UTC) - timedelta(days=400)
    os.environ["TENSORDRILL_NOW"] = long_ago.isoformat()
    with closing(App()) as app, closing(app.today()) as sitting, Judge() as judge:
        sitting.start_judge()
        while sitting.session.phase is Phase.EXAMPLE:
            sitting.example_read()
        assert sitting.current is not None
        assert sitting.answer(judge.solution(sitting.current.puzzle)).verdict.correct
    del os.environ["TENSORDRILL_NOW"]
    assert paths.database().exists()
    assert clock.now() > long_ago


def first_prompt() -> float:
    """Seconds from the start of `tensordrill today` in a terminal to its first prompt. torch loads meanwhile."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        program = str(Path(sys.executable).parent / "tensordrill")
        os.execve(program, [program, "today"], os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"})
    seen = b""
    for chunk in chunks(terminal):
        seen += chunk
        if b"\x1b[?2004h" in seen:  # bracketed paste: the prompt takes what is typed
            break
    taken = time.perf_counter() - started
    os.write(terminal, b"\x04")
    for _ in chunks(terminal):
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return taken


def chunks(terminal: int) -> Iterator[bytes]:
    """What a program prints, until it ends."""
    while select.select([terminal], [], [], 60)[0]:
        try:
            if not (chunk := os.read(terminal, 65536)):
                return
        except OSError:  # how Linux says that the other side has closed
            return
        yield chunk


def warm_trips() -> tuple[list[float], list[float]]:
    """Seconds of single answers, judged by a warm judge that has certified the puzzle ahead, as in a session.

    And in turn with them, seconds of the least that a child can cost: to be forked, and to answer.
    """
    puzzle = built_in()["einsum.attention-scores"].puzzle(0)
    forking = subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert forking.stdin is not None
    assert forking.stdout is not None
    forking.stdout.readline()
    with Judge() as judge, forking:
        answer = judge.solution(puzzle)
        judge.certify(puzzle)
        trips, forks = [], []
        for _ in range(TRIPS):
            started = time.perf_counter()
            assert judge.grade(puzzle, answer).correct
            trips.append(time.perf_counter() - started)
            time.sleep(0.02)  # a learner pauses between answers; this is round trip, not throughput
            started = time.perf_counter()
            forking.stdin.write(b"\n")
            forking.stdout.readline()
            forks.append(time.perf_counter() - started)
            time.sleep(0.02)
        forking.stdin.close()
    return trips, forks


def back_again() -> float:
    """Seconds from the death of a judge's process to the next verdict."""
    puzzle = built_in()["einsum.attention-scores"].puzzle(0)
    with Judge() as judge:
        answer = judge.solution(puzzle)
        judge.certify(puzzle)
        assert judge.zygote_pid is not None
        os.kill(judge.zygote_pid, signal.SIGKILL)
        started = time.perf_counter()
        assert judge.grade(puzzle, answer).correct
        return time.perf_counter() - started


def batch_per_second() -> float:
    """Answers that the real command grades a second: two to each of many puzzles, its start left out."""
    drills = [
        built_in()[name] for name in ("einsum.attention-scores", "einsum.trace", "einsum.matmul", "einops.permute")
    ]
    lines = []
    for seed in range(BATCH // 8):
        for drill in drills:
            puzzle = drill.puzzle(seed, 1)
            right = {"drill": drill.id, "seed": seed, "level": 1, "answer": puzzle.solution}
            lines += [json.dumps(right), json.dumps(right | {"answer": "a b -> b"})]
    program = [str(Path(sys.executable).parent / "tensordrill"), "grade", "--batch", "-"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(lines[0] + "\n")
        running.stdin.flush()
        running.stdout.readline()
        started = time.perf_counter()
        running.stdin.write("\n".join(lines) + "\n")
        running.stdin.close()
        done = sum(1 for _ in running.stdout)
        return done / (time.perf_counter() - started)


def memory() -> tuple[int, int, int]:
    """Bytes: a process that has imported torch; the zygote; what a child that waits has for itself."""
    bare = subprocess.Popen([sys.executable, "-c", "import torch; print(1, flush=True); input()"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert bare.stdout is not None
    bare.stdout.readline()
    with bare, Judge() as judge:
        judge.solution(puzzle := built_in()["einsum.trace"].puzzle(0))
        judge.certify(puzzle)
        time.sleep(1)
        zygote = judge.zygote_pid
        children = Path(f"/proc/{zygote}/task/{zygote}/children").read_text(encoding="ascii").split()
        found = [occupied(bare.pid, "Rss"), occupied(zygote, "Rss")]
        found.append(occupied(int(children[-1]), "Private_Dirty"))  # the spare; those before it have ended
        bare.kill()
    return found[0], found[1], found[2]


def occupied(pid: int | None, field: str) -> int:
    """A process's memory of that kind, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{field}:"))


def spawned_trip(pause: float) -> float:
    """Median seconds of an answer judged in a process of its own, so many seconds after the one before."""
    puzzle = built_in()["einsum.attention-scores"].puzzle(0)
    with Judge(backend="spawned") as judge:
        answer = judge.solution(puzzle)
        judge.certify(puzzle)
        taken = []
        for _ in range(ROUNDS):
            time.sleep(pause)
            started = time.perf_counter()
            assert judge.grade(puzzle, answer).correct
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def puzzles_per_second() -> float:
    drills = built_in()
    made = 0
    started = time.perf_counter()
    for seed in range(200):
        for drill in drills.values():
            for level in range(1, drill.levels + 1):
                drill.puzzle(seed, level)
                made += 1
    return made / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
