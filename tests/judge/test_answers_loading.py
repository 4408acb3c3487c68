"""Answers to the drills on batches, their shapes, their order and gradients that pile up, worked out from the program.

Numbers are read off the program that is shown, and what is right and wrong of them is computed here anew.
"""

import re
from math import ceil
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.puzzles import Puzzle

if TYPE_CHECKING:
    from tests.judge.conftest import Check

Found = tuple[Puzzle, list[int]]


def found(catalog: Catalog, drill: str, level: int, ask: str, *patterns: str) -> Found:
    """The first puzzle that asks so, with a program of these patterns, and the unlike numbers in their groups."""
    for seed in range(3000):
        it = catalog[drill].puzzle(seed, level)
        matches = [re.search(pattern, it.face.code or "", re.MULTILINE) for pattern in patterns]
        numbers = [int(group) for match in matches if match for group in match.groups()]
        if all(matches) and re.fullmatch(ask, it.face.ask or it.face.prompt) and len(set(numbers)) == len(numbers):
            return it, numbers
    raise LookupError(drill)


def forms(number: float) -> list[str]:
    return [f"{number:g}", f"{number}", f"tensor({number})", f"{2 * number:g}/2", f"`{number:g}`", f" {number:g} "]


# --- data.batches


@pytest.mark.parametrize("end", [r"\)$", r", drop_last=True\)$"])
def test_the_number_of_batches(check: "Check", catalog: Catalog, end: str) -> None:
    it, [count, batch] = found(
        catalog, "data.batches", 1, r"len\(loader\)", r"data = torch.arange\((\d+)\)", rf"batch_size=(\d+){end}"
    )
    down, up = count // batch, ceil(count / batch)
    wrong = {f"{count / batch:.3f}": None, f"[{up}]": None, "-1": None, str(count): "examples-for-batches"}
    if batch not in (down, up):
        wrong[str(batch)] = "batch-size"
    if "drop" in end:
        check(it, forms(down), wrong | {str(up): "last-kept"})
    else:
        check(it, forms(up), wrong | {str(down): "last-dropped"})


def test_steps_after_every_few_batches(check: "Check", catalog: Catalog) -> None:
    it, [count, batch, epochs, every] = found(
        catalog, "data.batches", 2, "steps", r"torch.zeros\((\d+), \d\)", r"batch_size=(\d+), shuffle=True\)$",
        r"for epoch in range\((\d)\)", r"if \(i \+ 1\) % (\d) == 0",
    )  # fmt: skip
    batches = ceil(count / batch)
    wrong = {str(batches // every): "one-epoch", str(epochs * batches): "every-batch", str(epochs * count): "examples"}
    check(it, forms(epochs * (batches // every)), wrong)


def test_batches_of_a_sampler(check: "Check", catalog: Catalog) -> None:
    it, [among, drawn, batch] = found(
        catalog, "data.batches", 3, r"len\(loader\)", r"RandomSampler\(torch.ones\((\d+)\), num_samples=(\d+)\)",
        r"batch_size=(\d+), sampler=sampler\)$",
    )  # fmt: skip
    right = ceil(drawn / batch)
    assert among != drawn
    check(it, forms(right), {str(drawn): "examples-for-batches", str(right + 9): None, f"({right}, {right})": None})


# --- data.batch-shapes

EXAMPLE = r'data = \[\{"\w+": torch.rand\((\d+), (\d+), (\d+)\), "\w+": 1\} for _ in range\((\d+)\)\]'


def test_a_batch_of_images(check: "Check", catalog: Catalog) -> None:
    it, [c, h, w, count, b] = found(
        catalog, "data.batch-shapes", 1, r'next\(iter\(loader\)\)\["(?!label|y)\w+"\]', EXAMPLE, r"batch_size=(\d+)\)$"
    )
    shape = f"{b}, {c}, {h}, {w}"
    check(
        it,
        [f"({shape})", shape, f"[{shape}]", f"torch.Size([{shape}])", shape.replace(",", ""), f"`({shape})`"],
        {f"{c}, {h}, {w}": "list-kept", f"{c}, {h}, {w}, {b}": "batch-last", f"{count}, {c}, {h}, {w}": "whole-dataset",
         f"1, {b}, {c}, {h}, {w}": "batch-axis-twice", f"{b * c}, {h}, {w}": "concatenated",
         f"{b}, {h}, {w}, {c}": "channels-last", f"{b}": "other-field"},
    )  # fmt: skip


def test_a_batch_of_numbers(check: "Check", catalog: Catalog) -> None:
    it, [c, h, w, count, b] = found(
        catalog, "data.batch-shapes", 1, r'next\(iter\(loader\)\)\["(label|y)"\]', EXAMPLE, r"batch_size=(\d+)\)$"
    )
    right = [f"({b},)", f"{b}", f"[{b}]", f"torch.Size([{b}])", f"({b})", f"{b},"]
    wrong = {
        f"({b}, 1)": "kept-as-column", "()": "list-kept", f"{count}": "whole-dataset",
        f"{b}, {c}, {h}, {w}": "other-field",
    }  # fmt: skip
    check(it, right, wrong)


@pytest.mark.parametrize("seed", range(30))
def test_the_other_part_is_not_named_in_a_plural_that_is_no_word(catalog: Catalog, seed: int) -> None:
    it = catalog["data.batch-shapes"].puzzle(seed, 1)
    told = [wrong.because for wrong in it.wrong if wrong.id == "other-field"]
    assert all(one == "That is the shape of the other part of the batch." for one in told)


# --- data.shuffle

EPOCHS = [
    (1, [r"DataLoader\(range\(\d+\), batch_size=\d\)$"], "Both epochs take all examples in the dataset's order"),
    (1, [r"shuffle=True\)$"], "The epochs take all examples, in two different orders"),
    (1, [r"shuffle=True, generator="], "The epochs take all examples, in two different orders"),
    (1, [r"shuffle=True, drop_last=True\)$"], "Each epoch leaves out some examples, drawn anew"),
    (1, [r"batch_size=\d, drop_last=True\)$"], "Both epochs leave out the last examples of the dataset"),
    (1, [r"shuffle=True, sampler="], "It raises a ValueError"),
    (2, [r"^batches = list"], "Both epochs take all examples in one and the same shuffled order"),
    (2, [r"^g\.manual_seed"], "Both epochs take all examples in one and the same shuffled order"),
    (2, [r"generator=g\)$", r"^torch.manual_seed"], "The epochs take all examples, in two different orders"),
    (3, [r"replacement=True"], "In an epoch some example comes more than once"),
    (3, [r"sampler=torch.randperm"], "Both epochs take all examples in one and the same shuffled order"),
    (3, [r"DistributedSampler", r"set_epoch"], "The epochs take all examples, in two different orders"),
]


def test_another_epoch_of_a_distributed_sampler_is_told_of_set_epoch(catalog: Catalog) -> None:
    """Its order is no new draw of each iterator."""
    it, _ = found(catalog, "data.shuffle", 3, ".*", r"DistributedSampler", r"set_epoch\(1\)")
    assert all("set_epoch" in wrong.because and "Each new iterator" not in wrong.because for wrong in it.wrong)


def test_what_only_other_loaders_do_is_said_to_be_theirs(catalog: Catalog) -> None:
    told = {
        wrong.id: wrong.because
        for seed in range(30)
        for wrong in catalog["data.shuffle"].puzzle(seed, 1).wrong
        if wrong.id in ("with-replacement", "left-out-anew")
    }
    assert told["with-replacement"].startswith("Only drawing with replacement")
    assert told["left-out-anew"].startswith("Only drop_last")


ORDERS = {
    "Both epochs take all examples in the dataset's order": "dataset-order",
    "Both epochs take all examples in one and the same shuffled order": "seed-repeats-every-epoch",
    "The epochs take all examples, in two different orders": "drawn-anew",
    "It raises a ValueError": "raises",
}


@pytest.mark.parametrize(("level", "patterns", "right"), EPOCHS)
def test_the_order_of_two_epochs(check: "Check", catalog: Catalog, level: int, patterns: list[str], right: str) -> None:
    it, _ = found(catalog, "data.shuffle", level, ".*", *patterns)
    choices = it.face.choices or ()
    [at] = [i for i, text in enumerate(choices) if text.startswith(right)]
    letter = "abcde"[at]
    wrong = {text: ORDERS[text] for text in choices if text in ORDERS and not text.startswith(right)}
    check(it, [letter, letter.upper(), f"{letter})", choices[at]], dict(wrong))


# --- training.zero-grad


def test_gradients_that_pile_up(check: "Check", catalog: Catalog) -> None:
    it, [start, rate, *xs] = found(
        catalog, "training.zero-grad", 1, r"\w+", r"= torch.tensor\((\d+)\., requires_grad", r"lr=(\d+)\)",
        r"for x in \((-?\d+)\., (-?\d+)\., (-?\d+)\.\)", r"loss = x \* \w+$",
    )  # fmt: skip
    a, b, c = xs
    right = start - rate * (a + (a + b) + (a + b + c))
    wrong = {str(start - rate * (a + b + c)): "as-if-zeroed", str(start + rate * (a + a + b + a + b + c)): "ascent"}
    check(it, forms(right), wrong)
