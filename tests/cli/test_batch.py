"""`grade --batch`: many answers, good and bad, through one process."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tensordrill.app.batch import grade_lines
from tensordrill.catalog import Catalog
from tensordrill.cli import grade, options
from tensordrill.domain import Status
from tensordrill.errors import ExitCode
from tensordrill.judge import Judge
from tensordrill.rng import Rng
from tests.cli.conftest import PATIENCE, PROGRAM

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("lived_in")

VERDICT = {"correct", "status", "wrong_turn", "feedback", "expected", "got", "device", "elapsed_ms"}


@dataclass
class Batch:
    """A live batch. One request at a time: each verdict must be there before the next request is written."""

    process: "subprocess.Popen[str]"

    def line(self, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, **request: object) -> dict[str, Any]:
        return self.line(json.dumps(request))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    """One process for all of these tests: torch loads once."""
    home = tmp_path_factory.mktemp("batch")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tensordrill", "grade", "--batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TENSORDRILL_HOME": str(home / "none")},
    ) as process:
        yield Batch(process)
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(60) == 0, "every line was sound"
    assert not (home / "none").exists(), "grading needs no data file"


def one_of_each_kind(catalog: Catalog) -> list[str]:
    return list({drill.puzzle(1).kind: name for name, drill in catalog.items()}.values())


def test_right_and_wrong_answers(batch: Batch, catalog: Catalog, judge: Judge) -> None:
    for name in one_of_each_kind(catalog):
        level = catalog[name].levels
        puzzle = catalog[name].puzzle(11, level)
        answers: list[tuple[str | None, str]] = [(None, judge.solution(puzzle))]
        answers += zip((wrong.id for wrong in puzzle.wrong), judge.wrong_answers(puzzle), strict=True)
        for turn, answer in answers:
            verdict = batch.ask(drill=name, seed=11, level=level, answer=answer)
            assert set(verdict) == VERDICT
            assert (verdict["correct"], verdict["wrong_turn"]) == (turn is None, turn), (name, level, answer)
            assert len(verdict["expected"] or "") <= 2000
            assert len(verdict["got"] or "") <= 2000


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n\t",
        "(((",
        "]",
        "{2, 3",
        "«2, 3»",
        "（2， 3）",  # noqa: RUF001 -- the look-alikes that an input method types
        "а b -> b а",  # noqa: RUF001 -- Cyrillic
        "\x00",
        "\x1b[2J",
        "\ud800",
        "x" * 1_000_000,
        "(" * 15_000,
        "-" * 15_000 + "1",
        "9" * 15_000,
        "i" * 200 + " -> i",
        "%s%n",
        "__import__('os')._exit(0)",
        "torch.ones(2",
        "lambda: 0",
        "None",
        "error",
    ],
)
def test_bad_answers(batch: Batch, catalog: Catalog, answer: str) -> None:
    """Never right, never our fault, said in a sentence, and the next one is judged as if nothing had been."""
    for name in one_of_each_kind(catalog):
        verdict = batch.ask(drill=name, seed=5, answer=answer)
        if answer == "error" and catalog[name].puzzle(5).may_raise:
            continue
        assert not verdict["correct"], name
        assert verdict["status"] in set(Status) - {Status.CORRECT, Status.INTERNAL}, (name, verdict)
        assert 0 < len(verdict["feedback"]) < 1000
        assert "Traceback" not in verdict["feedback"]
        assert not any(ord(char) < 32 and char != "\n" for char in verdict["feedback"])


def test_an_answer_that_ends_its_process_or_never_ends(batch: Batch, catalog: Catalog, judge: Judge) -> None:
    name = next(name for name in catalog if catalog[name].puzzle(1).kind in ("expr", "code"))
    right = judge.solution(catalog[name].puzzle(1))
    for answer, status in (("__import__('os')._exit(0)", "raised"), ("sum(iter(int, 1))", "timeout")):
        verdict = batch.ask(drill=name, seed=1, answer=answer)
        assert (verdict["status"], verdict["correct"]) == (status, False)
        assert batch.ask(drill=name, seed=1, answer=right)["correct"]


IDS: list[object] = [
    *(0, -1, 1.5, 10**40, True, None, "", "text", "\ud800", "\x1b[31m", "ünïcödé", [], {}),
    {"nested": [1, {"deeper": None}]},
    "x" * 10_000,
]


def test_ids_are_echoed_whatever_they_are(batch: Batch, catalog: Catalog) -> None:
    name = next(iter(catalog))
    for echoed in IDS:
        assert batch.ask(drill=name, seed=0, answer="", id=echoed)["id"] == echoed
    assert "id" not in batch.ask(drill=name, seed=0, answer="")
    deep = '{"drill": "%s", "seed": 0, "answer": "", "id": %s}' % (name, "[" * 500 + "]" * 500)  # noqa: UP031
    assert "id" in batch.line(deep)


def test_malformed_lines_are_told_in_their_place(run: "Run", catalog: Catalog, tmp_path: Path) -> None:
    name = next(iter(catalog))
    good = {"drill": name, "seed": 0, "answer": ""}
    lines: list[tuple[str, str]] = [
        ("not JSON", "not JSON"),
        ('{"drill": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "'drill' is missing"),
        (json.dumps({**good, "drill": 1}), "'drill' is missing, or not a string"),
        (json.dumps({**good, "seed": "1"}), "'seed' is missing, or not a whole number"),
        (json.dumps({**good, "seed": True}), "'seed' is missing, or not a whole number"),
        (json.dumps({**good, "seed": 1.0}), "'seed' is missing, or not a whole number"),
        (json.dumps({**good, "seed": -1}), "-1 is not a seed"),
        (json.dumps({**good, "seed": 2**63}), "is not a seed"),
        (json.dumps({**good, "level": 9}), "has no level 9"),
        (json.dumps({**good, "level": None}), "'level' is not a whole number"),
        (json.dumps({**good, "answer": None}), "'answer' is missing, or not a string"),
        (json.dumps({**good, "drill": name[:-1]}), f"Did you mean {name}"),
        (json.dumps({**good, "anwser": "x"}), "unknown key 'anwser'"),
        (json.dumps({**good, "x" * 10**5: "x"}), "unknown key 'xxx"),
        (json.dumps({**good, "drill": "x" * 10**5}), "There is no drill 'xxx"),
        (json.dumps({**good, "answer": "x" * 2 * 10**6}), "longer than 2,000,000 characters"),
        (json.dumps({**good, "id": [math.nan]}), "'id' is nested too deeply, or holds a number that JSON has not"),
        (json.dumps({**good, "id": 0})[:-2] + "1e999}", "'id' is nested too deeply"),
        *(
            (json.dumps({**good, "id": 0})[:-2] + "[" * deep + "]" * deep + "}", "'id' is nested")
            for deep in (900, 980)
        ),
    ]
    file = tmp_path / "batch.jsonl"
    both = [text for line, _ in lines for text in (line, json.dumps({**good, "id": "good"}))]
    file.write_text("\n".join(both))
    done = run("grade", "--batch", str(file))
    assert (done.returncode, done.stderr) == (1, "")
    assert max(map(len, done.stdout.splitlines())) < 1000
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(both)
    for n, (line, told) in enumerate(lines):
        assert set(answers[2 * n]) == {"error", "line"}, line
        assert answers[2 * n]["line"] == 2 * n + 1
        assert told in answers[2 * n]["error"]
        assert (answers[2 * n + 1]["id"], answers[2 * n + 1]["status"]) == ("good", "unparsable")


@pytest.mark.parametrize("stdin", [b"", b"\n \n\n", b"\xef\xbb\xbf\n"])
def test_an_empty_batch(run: "Run", stdin: bytes) -> None:
    done = run("grade", "--batch", "-", stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_batch_that_is_all_well_exits_with_0(run: "Run", catalog: Catalog) -> None:
    name = next(iter(catalog))
    crlf = json.dumps({"drill": name, "seed": 0, "answer": "wrong, and well-formed"}).encode() + b"\r\n"
    done = run("grade", "--batch", "-", stdin=b"\xef\xbb\xbf" + crlf + b"\r\n" + crlf)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_many_lines_at_once_are_told_in_their_order(run: "Run", catalog: Catalog) -> None:
    """Several judges share them. An answer that ends its process, or one that is no line, holds up no other."""
    drill = catalog["indexing.where"]
    lines: list[dict[str, object]] = []
    for seed in range(30):
        puzzle = drill.puzzle(seed, 1)
        good = {"drill": drill.id, "seed": seed, "level": 1}
        answers = (puzzle.solution, "__import__('os')._exit(0)", "0", "(")
        lines += [good | {"answer": answer, "id": [seed, answer]} for answer in answers]
        lines.append({"drill": drill.id})
    done = run("grade", "--batch", "-", stdin="\n".join(map(json.dumps, lines)))
    assert (done.returncode, done.stderr) == (1, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [it.get("id") for it in told] == [it.get("id") for it in lines]
    assert [it.get("correct") for it in told] == [True, False, False, False, None] * 30
    assert [it.get("status") for it in told[1::5]] == ["raised"] * 30
    assert [it["line"] for it in told[4::5]] == [5 * (seed + 1) for seed in range(30)]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("source", ["-", "fifo"])
def test_ctrl_c_while_it_waits_for_a_line(catalog: Catalog, tmp_path: Path, source: str) -> None:
    line = json.dumps({"drill": next(iter(catalog)), "seed": 0, "answer": ""}) + "\n"
    if source == "fifo":
        source = str(tmp_path / source)
        os.mkfifo(source)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [*PROGRAM, "grade", "--batch", source]
    with subprocess.Popen(command, **pipes, text=True) as process:  # type: ignore[call-overload]
        with process.stdin if source == "-" else open(source, "w", encoding="utf-8") as writing:  # noqa: PTH123
            writing.write(line)
            writing.flush()
            assert json.loads(process.stdout.readline())["status"] == "unparsable"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == ExitCode.INTERRUPTED
        assert process.stderr.read().strip() == ""


def test_nothing_goes_on_where_the_verdicts_cannot_be_printed(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise BrokenPipeError

    line = json.dumps({"drill": next(iter(catalog)), "seed": 0, "answer": ""})
    (tmp_path / "batch.jsonl").write_text(f"{line}\n" * 50)
    before = set(threading.enumerate())
    monkeypatch.setattr(options, "print_json", gone)
    with pytest.raises(BrokenPipeError) as raised:
        grade._batch(str(tmp_path / "batch.jsonl"), None)
    assert raised.tb, "which keeps what the command was at"
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread


def test_a_slip_alone_waits_for_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "certify_all", lambda *_: pytest.fail("something was run"))
    with Judge() as judge:
        line = json.dumps({"drill": next(iter(catalog)), "seed": 0, "answer": ""})
        assert [verdict["status"] for verdict, _ in grade_lines([line], catalog, judge)] == ["unparsable"]


def test_whatever_a_drill_raises_ends_the_batch(catalog: Catalog) -> None:
    def ends(_: Rng) -> NoReturn:
        raise SystemExit(3)

    name = next(iter(catalog))
    lines = [json.dumps({"drill": drill, "seed": 0, "answer": ""}) for drill in (name, name, "x.ends", name)]
    ending = replace(catalog[name], id="x.ends", after=(), generator=ends)
    with Judge() as judge, pytest.raises(SystemExit):
        list(grade_lines(lines, Catalog([*catalog.values(), ending]), judge))


def test_bytes_that_are_no_text_spoil_their_line_alone(run: "Run", catalog: Catalog) -> None:
    good = json.dumps({"drill": next(iter(catalog)), "seed": 0, "answer": ""}).encode()
    done = run("grade", "--batch", "-", stdin=b"\xff\xfe\n" + good + b"\n")
    assert done.returncode == 1
    assert [set(json.loads(line)) == {"error", "line"} for line in done.stdout.splitlines()] == [True, False]


def test_what_python_says_of_an_answer_is_not_for_stderr(run: "Run", catalog: Catalog) -> None:
    drill = next(one for one in catalog.values() if one.puzzle(1).kind == "expr")
    lines = [json.dumps({"drill": drill.id, "seed": 1, "answer": answer}) for answer in ("1 is 1", r"'\d'")]
    done = run("grade", "--batch", "-", stdin="\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["wrong-value", "wrong-value"]
