"""The commands as people type them: what they print, where, and how they exit."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tensordrill.app import App
from tensordrill.app.grading import MAX_SEED, shown
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import Event, EventType, Mode, PuzzleRecord, Status
from tensordrill.judge import Judge
from tensordrill.lesson import CHAPTERS, TOPICS
from tensordrill.report import COLUMNS

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("lived_in")

COMMANDS = ["today", "practice", "drills", "drills check", "show", "grade", "stats", "export"]
COMMANDS += ["daily", "placement", "undo", "config", "doctor", "completion"]
SHOWN = {
    *("drill", "track", "title", "seed", "level", "kind", "prompt", "code", "ask", "tensors", "sizes", "output"),
    *("lines", "choices", "signature", "hints"),
}
LACKING = {"code", "ask", "tensors", "sizes", "output", "lines", "choices", "signature"}
GRADED = {"correct", "status", "wrong_turn", "feedback", "expected", "got", "device", "elapsed_ms"}
KINDS = {drill.puzzle(1, level).kind: (drill.id, level) for drill in built_in().values() for level in (1, drill.levels)}
README = Path(__file__).parents[2] / "README.md"
ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def first() -> str:
    """A drill, whichever it is."""
    return next(iter(built_in()))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(run: "Run", command: str) -> None:
    done = run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: tensordrill {command}".rstrip())
    assert ESCAPE not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_tells_of_every_command(command: str) -> None:
    assert re.search(rf"tensordrill {command}\b", README.read_text(encoding="utf-8"))


def test_the_readme_tells_of_no_other_command(run: "Run") -> None:
    told = set(re.findall(r"\.?/?\btensordrill ([a-z]+)", README.read_text(encoding="utf-8")))
    listed = set(re.findall(r"^  ([a-z]+)  ", run("--help").stdout.partition("Commands:")[2], re.MULTILINE))
    assert listed == {command.partition(" ")[0] for command in COMMANDS}
    assert told <= listed


def test_the_bare_command_tells_how_it_is_used(run: "Run") -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == run("--help").stdout


def test_version(run: "Run") -> None:
    assert re.fullmatch(r"tensordrill \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("tody", "Did you mean today?"),
        ("xyzzy", "There is no command 'xyzzy'"),
        ("--jsno", "No such option"),
        ("today extra", "unexpected extra argument"),
        ("show", "Missing argument 'DRILL'"),
        ("show {typo}", "Did you mean {drill}"),
        ("show {drill} --seed x", "'x' is not a valid integer"),
        ("show {drill} --seed -1", "-1 is not a seed"),
        (f"show {{drill}} --seed {MAX_SEED + 1}", f"from 0 to {MAX_SEED}"),
        ("show {drill} --level 0", "{drill} has no level 0"),
        ("show {drill} --level 4", "{drill} has no level 4"),
        ("grade", "takes a drill, a seed and an answer"),
        ("grade {drill} --seed 1", "takes a drill, a seed and an answer"),
        ("grade {drill} --answer x", "takes a drill, a seed and an answer"),
        ("grade {typo} --seed 1 --answer x", "Did you mean {drill}"),
        ("grade {drill} --seed -1 --answer x", "-1 is not a seed"),
        ("grade {drill} --seed 1 --level 4 --answer x", "{drill} has no level 4"),
        ("grade {drill} --batch -", "Leave the others out"),
        ("grade --batch /nowhere/batch", "No such file"),
        ("grade --batch /", "Is a directory"),
        ("practice {typo}", "Did you mean {drill}"),
        ("practice --count 0", "0 puzzles cannot be practised"),
        ("practice --count many", "'many' is not a valid integer"),
        ("drills {typo}", "Did you mean {drill}"),
        ("drills check {typo}", "Did you mean {drill}"),
        ("drills check --seeds 0", "take numbers from 1"),
        ("drills check --jobs 0", "take numbers from 1"),
        ("export", "Missing argument"),
        ("export xml", "There are json and csv"),
    ],
)
def test_a_call_that_is_wrong(run: "Run", first: str, arguments: str, told: str) -> None:
    names = {"drill": first, "typo": first[:-1]}
    done = run(*arguments.format(**names).split(), stdin="x\n")
    assert (done.returncode, done.stdout) == (2, "")
    message, hint = done.stderr.rstrip("\n").partition("\n")[::2]
    assert message.startswith("tensordrill: ")
    assert told.format(**names) in done.stderr
    assert not hint or hint.startswith("  ")
    assert len(done.stderr) < 300


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_show_as_json(run: "Run", catalog: Catalog, kind: str) -> None:
    name, level = KINDS[kind]
    done = run("show", name, "--seed", "3", "--level", str(level), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert set(data) == SHOWN
    assert {key for key, value in data.items() if value is None} <= LACKING
    assert (data["drill"], data["seed"], data["level"], data["kind"]) == (name, 3, level, kind)
    assert data == shown(catalog[name], 3, level)


@pytest.mark.parametrize("kind", ["einsum", "shape"])  # one that is source, and one that torch is asked for
def test_show_the_solution_as_json(run: "Run", catalog: Catalog, judge: Judge, kind: str) -> None:
    name, level = KINDS[kind]
    done = run("show", name, "--seed", "3", "--level", str(level), "--solution", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    solution = json.loads(done.stdout)["solution"]
    assert set(solution) == {"answer", "why", "wrong"}
    assert all(set(turn) == {"id", "answer", "because"} for turn in solution["wrong"])
    assert judge.grade(catalog[name].puzzle(3, level), solution["answer"]).correct


def test_show_without_the_solution_does_not_tell_it(run: "Run", first: str) -> None:
    data = json.loads(run("show", first, "--seed", "3", "--json").stdout)
    assert set(data) == SHOWN
    drawn = json.loads(run("show", first, "--json").stdout)
    assert 0 <= drawn["seed"] <= MAX_SEED


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_show_for_people(run: "Run", catalog: Catalog, kind: str) -> None:
    name, level = KINDS[kind]
    done = run("show", name, "--seed", "3", "--level", str(level), env={"COLUMNS": "40"})
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 40
    assert ESCAPE not in done.stdout
    assert name in done.stdout
    squeezed = re.sub(r"\W", "", done.stdout)
    for word in re.findall(r"\w+", catalog[name].puzzle(3, level).face.prompt):
        assert word in squeezed


def test_show_colours_nothing_in_a_pipe_and_fits_it(run: "Run", first: str) -> None:
    plain = run("show", first, "--seed", "3", "--solution").stdout
    assert ESCAPE not in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert run("show", first, "--seed", "3", "--solution", env={"NO_COLOR": "1"}).stdout == plain
    assert "The solution" in plain


def test_grade_an_answer(run: "Run", first: str, catalog: Catalog, judge: Judge) -> None:
    puzzle = catalog[first].puzzle(3)
    right, wrong = judge.solution(puzzle), judge.wrong_answers(puzzle)[0]
    call = ("grade", first, "--seed", "3")
    done = run(*call, "--answer", right)
    assert (done.returncode, done.stdout, done.stderr) == (0, "correct: Correct.\n", "")
    done = run(*call, "--answer", wrong, "--json")
    verdict = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(verdict) == GRADED
    assert (verdict["correct"], verdict["wrong_turn"], verdict["device"]) == (False, puzzle.wrong[0].id, "cpu")
    assert verdict["elapsed_ms"] > 0
    done = run(*call, "--answer", "-", "--json", stdin=right + "\n")
    assert json.loads(done.stdout)["status"] == "correct"
    with closing(App()) as app:
        assert not app.store.cards(), "grading writes nothing"


def test_an_answer_that_is_no_text(run: "Run", first: str) -> None:
    done = run("grade", first, "--seed", "3", "--answer", "-", stdin=b"\xff\xfe")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not UTF-8" in done.stderr
    done = run("grade", first, "--seed", "3", "--answer", "\udcff", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "unparsable")


def test_drills(run: "Run", catalog: Catalog) -> None:
    done = run("drills", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(done.stdout)
    assert [drill["id"] for drill in listed] == list(catalog)
    for drill in listed:
        assert set(drill) == {"id", "track", "title", "after", "levels", "lesson", "arena", "state"}
        assert drill["state"] == ("locked" if drill["after"] else "new")
    table = run("drills").stdout
    assert all(name in table for name in catalog)
    track = catalog.tracks[-1]
    only = json.loads(run("drills", track, "--json").stdout)
    assert {drill["track"] for drill in only} == {track}
    assert json.loads(run("drills", "list", track, "--json").stdout) == only


def test_drills_by_chapter(run: "Run", catalog: Catalog) -> None:
    """Every drill once, below a chapter and a topic; and how many of each chapter are learned."""
    lines = run("drills", "--lesson").stdout.splitlines()
    assert sorted(line.split()[0] for line in lines if line.startswith("    ")) == sorted(catalog)
    topics = {line.strip() for line in lines if re.match(r"  \S", line)}
    assert topics == {*TOPICS, "beyond the lesson"}
    for chapter, title in CHAPTERS.items():
        own = [drill for drill in catalog.values() if drill.arena == chapter]
        assert [line for line in lines if re.match(rf"{chapter}  {title} .* 0 of {len(own)} learned", line)]
    one = run("drills", "einsum.trace", "--lesson").stdout.splitlines()
    assert [line.split() for line in one[-3:]] == [
        ["0.0", "einops", "and", "einsum"],
        ["Einops", "and", "einsum"],
        ["einsum.trace", "locked"],
    ]
    assert run("drills", "--lesson", "--json").returncode == 2


def test_drills_as_a_graph(run: "Run", catalog: Catalog) -> None:
    edges = [(before, drill.id) for drill in catalog.values() for before in drill.after]
    mermaid, dot = run("drills", "--graph", "mermaid"), run("drills", "--graph", "dot")
    assert (mermaid.returncode, dot.returncode, mermaid.stderr + dot.stderr) == (0, 0, "")
    assert mermaid.stdout.count(" --> ") == dot.stdout.count(" -> ") == len(edges)
    assert all(f'["{name}"]' in mermaid.stdout for name in catalog)
    assert all(f'"{before}" -> "{name}";' in dot.stdout for before, name in edges)
    assert run("drills", "--graph", "png").returncode == 2


def test_drills_check(run: "Run", first: str, catalog: Catalog) -> None:
    done = run("drills", "check", first, "--seeds", "2", "--jobs", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["level"] for report in reports] == list(range(1, catalog[first].levels + 1))
    assert all(report["ok"] and report["certified"] == report["seeds"] == 2 for report in reports)


def test_stats_on_a_fresh_home(run: "Run", catalog: Catalog) -> None:
    done = run("stats")
    assert (done.returncode, done.stderr) == (0, "")
    for track in catalog.tracks:
        assert re.search(rf"^{track} +0/\d+ +0 +0 +- +0$", done.stdout, re.MULTILINE)
    assert "0 study days" in done.stdout


NASTY = [
    "i j -> j i",
    "",
    "quote \" and ' and , and ;",
    "two\nlines\r\nand\rmore",
    "=cmd|' /C calc'!A0",
    "tab\t nul\0 bell\a escape\x1b[31m",
    "ünïcödé → 中文 🙂 \u2028 \ufeff",
    "lone \ud800 surrogate",
    "x" * 100_000,
]


def answered(answers: list[str]) -> list[Event]:
    with closing(App()) as app:
        store = app.store
        puzzle = PuzzleRecord(hash="5eed", drill="einsum.x", kind="einsum", prompt="", code="", reference="")
        return [
            store.record(
                puzzle.drill,
                puzzle,
                lambda number, card, answer=answer: (  # type: ignore[misc]
                    Event(
                        number=number,
                        type=EventType.ANSWER,
                        mode=Mode.PRACTICE,
                        at_ms=1_772_500_000_000 + number,
                        offset_min=-210,
                        study_day=App().day,
                        drill=puzzle.drill,
                        level=1,
                        seed=MAX_SEED,
                        puzzle=puzzle.hash,
                        answer=answer,
                        status=Status.WRONG_VALUE,
                        wrong_turn=None,
                        attempt=1,
                        hints=0,
                        duration_ms=5,
                        rating=None,
                        policy=None,
                        replica=store.replica,
                    ),
                    card,
                ),
            )[0]
            for answer in answers
        ]


@pytest.mark.parametrize("file", [False, True], ids=["stdout", "-o"])
def test_export_brings_every_answer_back(run: "Run", tmp_path: Path, *, file: bool) -> None:
    events = answered(NASTY)

    def export(form: str) -> str:
        if not file:
            program = [sys.executable, "-m", "tensordrill", "export", form]
            return subprocess.run(program, capture_output=True, check=True).stdout.decode()
        output = tmp_path / "export"
        done = run("export", form, "-o", str(output))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return output.read_bytes().decode()

    objects = [json.loads(line) for line in export("json").split("\n")[:-1]]
    assert [row["answer"] for row in objects] == NASTY
    assert [row["event"] for row in objects] == [event.id for event in events]
    assert all(tuple(row) == COLUMNS for row in objects)
    assert all(row["at"].endswith("-03:30") for row in objects)
    records = list(csv.reader(StringIO(export("csv"), newline="")))
    assert tuple(records[0]) == COLUMNS
    assert [row[COLUMNS.index("answer")] for row in records[1:]] == [text.replace("\ud800", "?") for text in NASTY]
    assert {row[COLUMNS.index("seed")] for row in records[1:]} == {str(MAX_SEED)}


@pytest.mark.parametrize("output", ["/nowhere/export", "/dev/full"])
def test_an_export_that_cannot_be_written(run: "Run", output: str) -> None:
    answered(NASTY)
    done = run("export", "json", "-o", output)
    assert (done.returncode, done.stdout) == (1, "")
    message, hint = done.stderr.splitlines()
    assert message.startswith(f"tensordrill: {output} cannot be written: ")
    assert hint == "  Name another file."


PIPES = ["export json", "export csv", "drills --json", "--help", "show {drill} --seed 3", "grade --batch {batch}"]


@pytest.fixture
def batch(tmp_path: Path, first: str) -> Path:
    """Enough requests to fill any pipe."""
    file = tmp_path / "batch"
    request = json.dumps({"drill": first, "seed": 3, "answer": "", "id": "x" * 1000})
    file.write_text(f"{request}\n" * 500)
    return file


@pytest.mark.parametrize("command", PIPES)
def test_whoever_reads_may_leave(command: str, first: str, batch: Path) -> None:
    """As in `| head -1`, on a pipe that is closed after the first line."""
    if "export" in command:
        answered(NASTY * 3)
    program = [sys.executable, "-m", "tensordrill", *command.format(drill=first, batch=batch).split()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) in (0, 1)


@pytest.mark.parametrize("command", PIPES)
def test_a_full_disk(command: str, first: str, batch: Path) -> None:
    if "export" in command:
        answered(NASTY)
    program = [sys.executable, "-m", "tensordrill", *command.format(drill=first, batch=batch).split()]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    message, hint = done.stderr.decode().splitlines()
    assert message == "tensordrill: The output cannot be written: No space left on device."
    assert hint.startswith("  ")


@pytest.mark.parametrize("command", ["drills", "today"])
def test_streams_that_are_closed(command: str) -> None:
    """As a careless service manager starts it."""
    call = f"exec {sys.executable} -m tensordrill {command} <&- >&-"
    done = subprocess.run(["/bin/sh", "-c", call], stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_in_a_batch(first: str) -> None:
    program = [sys.executable, "-m", "tensordrill", "grade", "--batch", "-"]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"LC_ALL": "C"}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"drill": first, "seed": 3, "answer": ""}).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == b""
