"""Data: what a DataLoader yields, one batch after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, predicted

GUIDED, COMPOSED = 1, 3  # levels
IMPORT = "from torch.utils.data import DataLoader"


@dataclass(frozen=True)
class Question:
    """The lines of a program, what is asked, what it gives, and what people answer instead."""

    lines: Sequence[str]
    ask: str
    right: object
    beliefs: Sequence[Belief]


def sizes(count: int, batch: int, *, drop: bool) -> list[int]:
    found = [min(batch, count - at) for at in range(0, count, batch)]
    return [size for size in found if size == batch] if drop else found


def evened(count: int, batch: int) -> list[int]:
    """As many batches, and as alike as can be."""
    parts = ceil(count / batch)
    return [count // parts + (at < count % parts) for at in range(parts)]


def counted(rng: Rng, most: int = 5) -> tuple[int, int, bool]:
    """How many examples, the batch size, and drop_last. The last batch is seldom a full one."""
    batch = rng.integer(2, 8)
    full = rng.integer(1, most - 1)
    rest = 0 if rng.chance(0.15) else rng.integer(1, batch - 1)
    return full * batch + rest + (batch if rest == 0 and full == 1 else 0), batch, rng.chance()


def made(rng: Rng, count: int) -> tuple[list[str], str]:
    """Lines that make a dataset of that size, and its name."""
    options: list[tuple[list[str], str]] = [
        ([], f"range({count})"),
        ([f"data = list(range({count}))"], "data"),
        ([f"data = torch.arange({count})"], "data"),
    ]
    if rng.level > GUIDED:
        rows = f"torch.zeros({count}, {rng.integer(2, 9)})"
        cut = rng.integer(1, count - 1)
        options += [
            ([f"data = torch.utils.data.Subset(range(100), range({count}))"], "data"),
            ([f"data = torch.utils.data.ConcatDataset([range({cut}), range({count - cut})])"], "data"),
            ([f"data = [(x, 0) for x in range({count})]"], "data"),
            ([f"data = torch.utils.data.TensorDataset({rows}, torch.zeros({count}))"], "data"),
            ([f"data = [{{'x': x}} for x in {rows}]"], "data"),
        ]
    return rng.pick(options)


def told(*, drop: bool) -> str:
    return (
        "drop_last=True leaves out a last batch that is not full."
        if drop
        else "What is left over at the end makes a batch of its own, smaller than the others."
    )


def number_of_batches(rng: Rng) -> Question:
    count, batch, drop = counted(rng)
    lines, data = made(rng, count)
    right = len(sizes(count, batch, drop=drop))
    call = f"DataLoader({data}, batch_size={batch}{', drop_last=True' if drop else ''})"
    beliefs = [
        Belief("last-dropped", count // batch, told(drop=False)),
        Belief("last-kept", ceil(count / batch), told(drop=True)),
        Belief("examples-for-batches", count, "The length of a DataLoader is its number of batches."),
        Belief("batch-size", batch, "That is the size of a batch. The length is how many there are."),
        Belief("one-too-many", count // batch + 1, "Where the batch size divides, there is no empty batch at the end."),
    ]
    return Question([*lines, f"loader = {call}"], "len(loader)", right, beliefs)


def batch_sizes(rng: Rng) -> Question:
    count, batch, drop = counted(rng, most=4)
    lines, data = ([], f"range({count})") if rng.level == GUIDED else made(rng, count)
    shuffle = rng.level > GUIDED and rng.chance(0.3)
    pairs = "Tensor" in "".join(lines) or "(x, 0)" in "".join(lines)
    name = "x" if "{'x'" in "".join(lines) else "batch"
    right = sizes(count, batch, drop=drop)
    full = [batch] * ceil(count / batch)
    call = f"DataLoader({data}, batch_size={batch}{', shuffle=True' * shuffle}{', drop_last=True' * drop})"
    ask = "[len(batch) for batch in loader]"
    if pairs:
        ask = "[len(x) for x, _ in loader]"
    elif name == "x":
        ask = "[len(batch['x']) for batch in loader]"
    beliefs = [
        Belief("last-dropped", sizes(count, batch, drop=True), told(drop=False)),
        Belief("last-kept", sizes(count, batch, drop=False), told(drop=True)),
        Belief("filled-up", full, "Nothing fills up the last batch: no example comes twice in an epoch."),
        Belief("evened-out", evened(count, batch), "The batches are not evened out: all are full but the last."),
        Belief("small-first", right[::-1], "The batch that is not full comes last."),
        Belief("empty-batch", [*right, 0], "There is no empty batch at the end."),
    ]
    return Question([*lines, f"loader = {call}"], ask, right, beliefs)


def one_batch(rng: Rng) -> Question:
    """What a certain batch holds, without shuffling."""
    count, batch, drop = counted(rng, most=4)
    batch = min(batch, 5)
    right_sizes = sizes(count, batch, drop=drop)
    at = rng.pick([0, 1, -1, -1]) if len(right_sizes) > 1 else 0
    everything = list(range(count))
    starts = [i * batch for i in range(len(right_sizes))]
    right = everything[starts[at] : starts[at] + right_sizes[at]]
    kept, dropped = sizes(count, batch, drop=False), sizes(count, batch, drop=True)
    last = {
        "last-kept": everything[(len(kept) - 1) * batch :],
        "last-dropped": everything[(len(dropped) - 1) * batch : len(dropped) * batch],
    }
    strided = everything[at % len(right_sizes) :: len(right_sizes)][:6]
    filled = (everything * 2)[(ceil(count / batch) - 1) * batch :][:batch]
    beliefs = [
        *[Belief(name, numbers, told(drop=name == "last-kept")) for name, numbers in last.items() if at == -1],
        *([Belief("filled-up", filled, "Nothing fills up the last batch.")] if at == -1 and not drop else []),
        Belief("strided", strided, "Without shuffling a batch takes neighbours: the next examples in order."),
        Belief("from-one", [x + 1 for x in right], "Examples are counted from 0."),
        Belief("counted-from-one", [x - batch for x in right], "Batches are counted from 0 too.")
        if at == 1
        else Belief("another-batch", [x + batch for x in right], "That is the batch after."),
    ]
    call = f"DataLoader(range({count}), batch_size={batch}{', drop_last=True' * drop})"
    return Question([f"batches = list({call})"], f"batches[{at}]", right, beliefs)


def steps(rng: Rng) -> Question:
    """Optimizer steps of several epochs, perhaps with gradients collected over several batches."""
    count, batch, drop = counted(rng)
    epochs, every = rng.integer(2, 4), rng.pick([1, 2, 2, 3])
    lines, data = made(rng, count)
    length = len(sizes(count, batch, drop=drop))
    carried = every > 1 and rng.chance(0.4)
    right = epochs * length // every if carried else epochs * (length // every)
    if every == 1:
        body = [f"for epoch in range({epochs}):", "    for batch in loader:", "        steps += 1"]
    elif carried:
        body = [
            "seen = 0",
            f"for epoch in range({epochs}):",
            "    for batch in loader:",
            "        seen += 1",
            f"        if seen % {every} == 0:",
            "            steps += 1",
        ]
    else:
        body = [
            f"for epoch in range({epochs}):",
            "    for i, batch in enumerate(loader):",
            f"        if (i + 1) % {every} == 0:",
            "            steps += 1",
        ]
    other = count // batch if not drop else ceil(count / batch)
    call = f"DataLoader({data}, batch_size={batch}, shuffle=True{', drop_last=True' * drop})"
    beliefs = [
        Belief("last-kept" if drop else "last-dropped",
               epochs * other // every if carried else epochs * (other // every), told(drop=drop)),
        Belief("one-epoch", length // every, "Every epoch goes through the loader again."),
        Belief("every-batch", epochs * length, "Only some of the batches are followed by a step."),
        Belief("rounded-up", epochs * ceil(length / every), "A step needs that many batches. Fewer at the end make "
               "none."),
        Belief("carried-over", epochs * length // every, "enumerate starts again with each epoch: what is left over "
               "is not carried into the next.")
        if not carried
        else Belief("not-carried-over", epochs * (length // every), "`seen` goes on from epoch to epoch: what is left "
                    "over at the end of one counts in the next."),
        Belief("all-examples-in-a-row", epochs * count // batch // every, "An epoch ends before the next begins: no "
               "batch holds examples of both."),
        Belief("examples", epochs * count, "The loop runs over batches, not over examples."),
    ]  # fmt: skip
    return Question([*lines, f"loader = {call}", "steps = 0", *body], "steps", right, beliefs)


def sampled(rng: Rng) -> Question:
    """A sampler decides how many examples an epoch has, and not the dataset."""
    count, batch, drop = counted(rng)
    name = rng.pick(["WeightedRandomSampler", "SubsetRandomSampler", "RandomSampler"])
    fewer = name != "SubsetRandomSampler" and count > 2 * batch and rng.chance()
    total = count - batch if fewer else count + batch * rng.integer(1, 3)
    argument = {
        "WeightedRandomSampler": f"torch.ones({total}), num_samples={count}",
        "SubsetRandomSampler": f"range({count})",
        "RandomSampler": f"range({total}), replacement=True, num_samples={count}",
    }[name]
    line = f"sampler = torch.utils.data.{name}({argument})"
    right = len(sizes(count, batch, drop=drop))
    call = f"DataLoader(range({total}), batch_size={batch}, sampler=sampler{', drop_last=True' * drop})"
    beliefs = [
        Belief(
            "whole-dataset",
            len(sizes(total, batch, drop=drop)),
            "The sampler says how many examples an epoch has, and which; the dataset does not.",
        ),
        Belief("last-dropped", count // batch, told(drop=False)),
        Belief("last-kept", ceil(count / batch), told(drop=True)),
        Belief("examples-for-batches", count, "The length of a DataLoader is its number of batches."),
    ]
    return Question([line, f"loader = {call}"], "len(loader)", right, beliefs)


PARTS = {2: "half", 3: "a third", 4: "a quarter"}


def replicas(rng: Rng) -> Question:
    """Each of several processes gets its share of the dataset, and makes batches of that."""
    count, batch, _ = counted(rng)
    ranks = rng.pick(list(PARTS))
    count = count * ranks + rng.integer(1, ranks - 1)
    cut = rng.chance(0.4)
    share = count // ranks if cut else ceil(count / ranks)
    line = (
        f"sampler = torch.utils.data.DistributedSampler(range({count}), num_replicas={ranks}, rank=0"
        f"{', drop_last=True' * cut})"
    )
    right = ceil(share / batch)
    beliefs = [
        Belief("whole-dataset", ceil(count / batch), f"This process gets {PARTS[ranks]} of the dataset."),
        Belief("last-dropped", share // batch, told(drop=False)),
        Belief("share-for-batches", share, "That is how many examples this process gets, and not the batches."),
        Belief("batch-shared", ceil(share / max(1, batch // ranks)), "batch_size is each process's own."),
        Belief("all-processes", right * ranks, "That is for all processes together."),
    ]
    call = f"DataLoader(range({count}), batch_size={batch}, sampler=sampler)"
    return Question([line, f"loader = {call}"], "len(loader)", right, beliefs)


def split(rng: Rng) -> Question:
    """Batches of the training part and of the rest."""
    batch = rng.integer(2, 8)
    share, rest, scale = rng.pick([(0.8, 0.2, 10), (0.75, 0.25, 4), (0.9, 0.1, 10), (0.5, 0.5, 2), (0.6, 0.4, 5)])
    count = scale * rng.integer(ceil(20 / scale), ceil(48 / scale))
    train, held = round(share * count), count - round(share * count)
    if train % batch == 0:
        batch += 1
    parts = [train, held]
    dropping = rng.chance()
    right = [len(sizes(train, batch, drop=dropping)), len(sizes(held, batch, drop=False))]
    lines = [
        f"train, held_out = torch.utils.data.random_split(range({count}), [{share}, {rest}])",
        (
            f"loaders = [DataLoader(train, batch_size={batch}, shuffle=True{', drop_last=True' * dropping}), "
            f"DataLoader(held_out, batch_size={batch})]"
        ),
    ]
    beliefs = [
        Belief("all-dropped", [n // batch for n in parts], told(drop=False)),
        Belief("all-kept", [ceil(n / batch) for n in parts], told(drop=True)),
        Belief("not-split", [len(sizes(count, batch, drop=dropping)), ceil(count / batch)], "Each loader has its own "
               "part of the dataset."),
        Belief("examples-for-batches", parts, "The length of a DataLoader is its number of batches."),
        Belief("swapped", right[::-1], "The first part is the training set."),
    ]  # fmt: skip
    return Question(lines, "[len(loader) for loader in loaders]", right, beliefs)


KINDS: tuple[tuple[Callable[[Rng], Question], ...], ...] = (
    (number_of_batches, batch_sizes, batch_sizes, one_batch),
    (number_of_batches, batch_sizes, one_batch, steps),
    (steps, sampled, replicas, split),
)
TRIES = 20
KNOWN = Question(
    ["loader = DataLoader(range(10), batch_size=4)"],
    "len(loader)",
    3,
    [
        Belief("last-dropped", 2, told(drop=False)),
        Belief("examples-for-batches", 10, "The length of a DataLoader is its number of batches."),
    ],
)


def fits(question: Question) -> bool:
    numbers = question.right if isinstance(question.right, list) else [question.right]
    return 0 < len(numbers) <= 6 and len(predicted(question.right, question.beliefs)) > 1  # noqa: PLR2004


@drill(levels=3, lesson="DataLoaders", arena="0.2", structures=(11, 80, 50))
def batches(rng: Rng) -> PredictValue:
    """How many batches, and of what size."""
    kind = rng.pick(KINDS[rng.level - 1])
    question = next((it for it in (kind(rng) for _ in range(TRIES)) if fits(it)), KNOWN)
    return PredictValue(
        program="\n".join([IMPORT, *question.lines]),
        ask=question.ask,
        wrong=predicted(question.right, question.beliefs),
        hints=[
            "How many examples does an epoch have here, and how often does the batch size go into that?",
            (
                "Every batch is full but the last. What is left over is a batch of its own, or with "
                "drop_last=True left "
                "out."
            ),
        ],
        why="An epoch takes what the sampler gives, by default each example once, `batch_size` at a time. The rest at "
        "the end is a smaller batch; `drop_last=True` leaves it out. So `len(loader)` is the number of examples "
        "divided by `batch_size`, rounded up, or with `drop_last=True` down.",
    )
