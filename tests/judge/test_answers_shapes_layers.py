"""Answers to the drills about layers with a sliding window as people type them, and what the judge says of them."""

import re

import pytest
from tensordrill.drills.shapes_layers import Layer, Net, RoundTrip, Window, posed

from tensordrill.authoring import Rng
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape

SHAPE, VALUE = Status.WRONG_SHAPE, Status.WRONG_VALUE


def asked(*layers: Layer, lead: tuple[int, ...] = (4,), channels: int = 3, sizes: tuple[int, ...]) -> PredictShape:
    puzzle: PredictShape = posed(Net(layers, lead, channels, sizes).case(Rng("corpus")), ["", ""], "")
    return puzzle


def conv(*windows: Window, inputs: int = 3, outputs: int = 6, groups: int = 1) -> Layer:
    return Layer("Conv", windows, inputs, outputs, groups)


def pool(*windows: Window, kind: str = "MaxPool") -> Layer:
    return Layer(kind, windows)


def up(*windows: Window, inputs: int = 3, outputs: int = 6) -> Layer:
    return Layer("ConvTranspose", windows, inputs, outputs)


STRIDED = asked(conv(Window(5, 2)), sizes=(20,))
PADDED = asked(conv(Window(5, 3, 2)), sizes=(20,))
DILATED = asked(conv(Window(3, 1, 0, 2)), sizes=(12,))
UNEVEN = asked(conv(Window(2, 2), Window(3, 2)), sizes=(11, 8))
SINGLE = asked(conv(Window(5, 2)), lead=(), sizes=(20,))
GROUPED = asked(conv(Window(3), inputs=6, outputs=9, groups=3), channels=6, sizes=(10,))
TWO = asked(conv(Window(5, 2)), conv(Window(3, 2), inputs=6, outputs=2), sizes=(20,))

POOL = asked(pool(Window(3, 3)), channels=6, sizes=(17,))
CEIL = asked(pool(Window(3, 2, up=1), kind="AvgPool"), channels=6, sizes=(16,))
INSIDE = asked(pool(Window(2, 3, 1, up=1)), channels=6, sizes=(7,))
POOLED = asked(conv(Window(3)), pool(Window(2, 2)), sizes=(9,))

UP = asked(up(Window(5, 2)), sizes=(7,))
EXTRA = asked(up(Window(3, 3, 1, extra=1)), sizes=(5,))
SPREAD = asked(up(Window(3, 2, dilation=2)), sizes=(4,))
THERE = RoundTrip([conv(Window(3, 2)), up(Window(3, 2), inputs=6, outputs=3)], (4,), 3, (12,))
BACK: PredictShape = posed(THERE.case(Rng("corpus")), ["", ""], "")


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (STRIDED, "(4, 6, 8)"),
        (STRIDED, "4 6 8"),
        (STRIDED, "torch.Size([4, 6, 8])"),
        (STRIDED, "[4,6,8]"),
        (PADDED, "(4, 6, 7)"),
        (PADDED, "4x6x7"),
        (DILATED, "(4, 6, 8)"),
        (UNEVEN, "(4, 6, 5, 3)"),
        (SINGLE, "(6, 8)"),
        (GROUPED, "(4, 9, 8)"),
        (TWO, "(4, 2, 3)"),
        (POOL, "(4, 6, 5)"),
        (POOL, "4, 6, 5"),
        (CEIL, "(4, 6, 8)"),
        (INSIDE, "(4, 6, 3)"),
        (POOLED, "(4, 6, 3)"),
        (UP, "(4, 6, 17)"),
        (EXTRA, "(4, 6, 14)"),
        (SPREAD, "(4, 6, 11)"),
        (BACK, "(4, 3, 11)"),
        (BACK, "4 3 11"),
    ],
)
def test_what_is_right(judge: Judge, it: PredictShape, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (STRIDED, "(4, 6, 9)", VALUE, "rounded-up"),
        (STRIDED, "(4, 6, 16)", VALUE, "stride-ignored"),
        (STRIDED, "(4, 6, 7)", VALUE, "one-forgotten"),
        (STRIDED, "(4, 6, 10)", VALUE, "kernel-ignored"),
        (STRIDED, "(4, 3, 8)", VALUE, "in-for-out"),
        (STRIDED, "(4, 8, 6)", VALUE, "channels-last"),
        (STRIDED, "(6, 8)", SHAPE, None),
        (STRIDED, "error", Status.UNPARSABLE, None),
        (PADDED, "(4, 6, 6)", VALUE, "padding-once"),
        (PADDED, "(4, 6, 8)", VALUE, "rounded-up"),
        (DILATED, "(4, 6, 10)", VALUE, "dilation-ignored"),
        (DILATED, "(4, 6, 7)", VALUE, "dilation-times-kernel"),
        (UNEVEN, "(4, 6, 5, 4)", VALUE, "tuple-reversed"),
        (SINGLE, "(1, 6, 8)", SHAPE, "batch-added"),
        (GROUPED, "(4, 3, 8)", VALUE, "groups-divide-output"),
        (GROUPED, "(4, 6, 8)", VALUE, "in-for-out"),
        (TWO, "(4, 2, 4)", VALUE, "rounded-up"),
        (TWO, "(4, 2, 5)", VALUE, "kernel-ignored"),
        (TWO, "(4, 6, 3)", VALUE, "in-for-out"),
        (POOL, "(4, 6, 15)", VALUE, "stride-one"),
        (POOL, "(4, 6, 6)", VALUE, "rounded-up"),
        (POOL, "(4, 2, 5)", VALUE, "channels-pooled"),
        (CEIL, "(4, 6, 7)", VALUE, "rounded-down"),
        (CEIL, "(4, 6, 6)", VALUE, "stride-is-kernel"),
        (INSIDE, "(4, 6, 4)", VALUE, "window-in-padding"),
        (POOLED, "(4, 6, 6)", VALUE, "stride-one"),
        (UP, "(4, 6, 2)", VALUE, "forward-formula"),
        (UP, "(4, 6, 14)", VALUE, "only-scaled"),
        (UP, "(4, 6, 19)", VALUE, "one-step-too-many"),
        (UP, "(4, 6, 11)", VALUE, "stride-ignored"),
        (UP, "(4, 6, 13)", VALUE, "kernel-ignored"),
        (UP, "(4, 3, 17)", VALUE, "in-for-out"),
        (EXTRA, "(4, 6, 18)", VALUE, "padding-added"),
        (EXTRA, "(4, 6, 16)", VALUE, "padding-ignored"),
        (EXTRA, "(4, 6, 13)", VALUE, "output-padding-ignored"),
        (SPREAD, "(4, 6, 9)", VALUE, "dilation-ignored"),
        (BACK, "(4, 3, 12)", VALUE, "size-restored"),
        (BACK, "(4, 6, 11)", VALUE, "in-for-out"),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictShape, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("seed", range(12))
def test_a_guided_convolution_from_its_numbers(judge: Judge, catalog: Catalog, seed: int) -> None:
    """Counts the windows one by one."""
    it = catalog["shapes.conv"].puzzle(seed, 1)
    text = f"{it.face.code}\n{it.face.ask}"
    batch, _, *sizes = numbers(r"x = torch.zeros\((.*?)\)", text)
    options = {name: int(value) for name, value in re.findall(r"(stride|padding)=(\d+)", text)}
    if "w = " in text:
        outputs, _, kernel, *_ = numbers(r"w = torch.zeros\((.*?)\)", text)
    else:
        _, outputs, kernel = numbers(r"nn.Conv.d\((.*?)[,)] ?(?:stride|$)", text.replace("kernel_size=", ""))
    padded = [size + 2 * options.get("padding", 0) for size in sizes]
    windows = [len(range(0, size - kernel + 1, options["stride"])) for size in padded]
    verdict = judge.grade(it, str((batch, outputs, *windows)))
    assert verdict.correct, (text, verdict.feedback)


@pytest.mark.parametrize("name", ["conv", "conv-transpose"])
def test_weights_have_channels_in_their_order(judge: Judge, catalog: Catalog, name: str) -> None:
    drill = catalog[f"shapes.{name}"]
    weights = [it for it in [drill.puzzle(seed, 2) for seed in range(60)] if "weight" in str(it.face.ask)]
    assert weights
    for it in weights:
        code = str(it.face.code)
        rank = int(code[code.index("d(") - 1])
        inputs, outputs, *kernel = numbers(r"d\((.*?)(?:, groups=.*)?\)$", code.replace("(", "", 0))
        kernel = kernel * rank if len(kernel) == 1 else kernel
        groups = int((re.findall(r"groups=(\d+)", code) or ["1"])[0])
        first, second = (outputs, inputs // groups) if name == "conv" else (inputs, outputs // groups)
        assert judge.grade(it, str((first, second, *kernel))).correct, code
        assert judge.grade(it, str((second, first, *kernel))).wrong_turn == "channels-swapped"


def test_adaptive_pooling_is_told_the_size_of_its_result(judge: Judge, catalog: Catalog) -> None:
    drill = catalog["shapes.pool"]
    puzzles = [it for it in [drill.puzzle(seed, 2) for seed in range(60)] if "adaptive" in str(it.face.ask)]
    assert puzzles
    for it in puzzles:
        batch, channels, *sizes = numbers(r"zeros\((.*?)\)", str(it.face.code))
        wanted = numbers(r"x, \(?([\d, ]+)\)", str(it.face.ask))
        wanted = wanted * len(sizes) if len(wanted) == 1 else wanted
        assert judge.grade(it, str((batch, channels, *wanted))).correct
        slid = [(size - kernel) // kernel + 1 for size, kernel in zip(sizes, wanted, strict=True)]
        assert judge.grade(it, str((batch, channels, *slid))).wrong_turn == "size-taken-for-kernel"


def numbers(pattern: str, text: str) -> list[int]:
    found = re.search(pattern, text)
    assert found, text
    return [int(number) for number in re.findall(r"\d+", found[1])]
