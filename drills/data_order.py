"""Data: the order in which a DataLoader yields the examples, epoch after epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Choice, Choose, Rng, Wrong, drill

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels
DATASET, SAME, ANEW, TWICE, OUT, LAST_OUT, RAISES = range(7)  # what an epoch's order can be
RULES = (
    "Without shuffling, and with a SequentialSampler, the examples come in the dataset's order.",
    "Here nothing draws a new order for the second epoch: what decides it starts again from the same state.",
    (
        "Each new iterator over a shuffling loader draws a new order. A generator's seed says where the "
        "sequence of draws "
        "begins; it does not begin again with each epoch."
    ),
    "Drawing with replacement takes some examples more than once.",
    "drop_last leaves out what does not fill a batch, and with shuffling those are other examples each time.",
    "drop_last leaves out the last examples: without shuffling always the same.",
    "A DataLoader takes either shuffle or a sampler; and a batch_sampler takes the place of both, of batch_size too.",
)
# What only some loaders do is said to who sees it elsewhere, before the rule that holds.
ONLY = {
    TWICE: "Only drawing with replacement takes an example twice. ",
    OUT: "Only drop_last leaves examples out. ",
    LAST_OUT: "Only drop_last leaves examples out. ",
    RAISES: "Only what contradicts itself raises, such as shuffle beside a sampler. ",
}
SET_EPOCH = (
    "A DistributedSampler draws its order from its seed and the epoch that set_epoch tells it, so another epoch has "
    "another order."
)


@dataclass(frozen=True)
class Case:
    """A program that collects two epochs in `first` and `second`, and which of the statements is true of it.

    `because` takes the place of the rule behind that truth.
    """

    lines: Sequence[str]
    truth: int
    because: str = ""


def statements(count: int, kept: int) -> list[Choice]:
    """What can be said of two epochs. At most one is true."""
    every = f"list(range({count}))"
    return [
        Choice("Both epochs take all examples in the dataset's order", f"first == second == {every}"),
        Choice(
            "Both epochs take all examples in one and the same shuffled order",
            f"first == second != {every} and sorted(first) == {every}",
        ),
        Choice(
            "The epochs take all examples, in two different orders",
            f"first != second and sorted(first) == sorted(second) == {every}",
        ),
        Choice("In an epoch some example comes more than once", "len(set(first)) < len(first)"),
        Choice(
            "Each epoch leaves out some examples, drawn anew, and takes the others once",
            f"len(first) == len(set(first)) == {kept} < {count} and first != sorted(first)",
        ),
        Choice(
            "Both epochs leave out the last examples of the dataset",
            f"first == second == list(range({kept})) and {kept} < {count}",
        ),
        Choice("It raises a ValueError", raises="ValueError"),
    ]


def epochs(loader: str = "loader", other: str = "", between: str = "") -> list[str]:
    return [
        f"first = torch.cat(list({loader})).tolist()",
        *([between] if between else []),
        f"second = torch.cat(list({other or loader})).tolist()",
    ]


def guided(rng: Rng, data: str, batch: str) -> Case:
    seed = rng.integer(0, 9)
    call, truth = rng.pick(
        [
            (f"DataLoader({data}, {batch})", DATASET),
            (f"DataLoader({data}, {batch}, shuffle=True)", ANEW),
            (f"DataLoader({data}, {batch}, shuffle=False)", DATASET),
            (f"DataLoader({data}, {batch}, shuffle=True, drop_last=True)", OUT),
            (f"DataLoader({data}, {batch}, drop_last=True)", LAST_OUT),
            (f"DataLoader({data}, {batch}, shuffle=True, sampler=torch.utils.data.RandomSampler({data}))", RAISES),
            (f"DataLoader({data}, {batch}, shuffle=True, generator=torch.Generator().manual_seed({seed}))", ANEW),
        ]
    )
    return Case([f"loader = {call}", *epochs()], truth)


def seeded(rng: Rng, data: str, batch: str) -> Case:
    """Seeds and generators."""
    seed, shuffled = rng.integer(0, 99), f"DataLoader({data}, {batch}, shuffle=True"
    g = f"g = torch.Generator().manual_seed({seed})"
    own = f"{shuffled}, generator=g)"
    fresh = f"{shuffled}, generator=torch.Generator().manual_seed({seed}))"
    reseed = f"torch.manual_seed({seed})"
    return rng.pick(
        [
            Case([g, f"loader = {own}", *epochs()], ANEW),
            Case([g, f"loader = {own}", *epochs(between=f"g.manual_seed({seed})")], SAME),
            Case([g, f"loader = {own}", *epochs(between=reseed)], ANEW),
            Case([f"loader = {shuffled})", reseed, *epochs(between=reseed)], SAME),
            Case([reseed, f"loader = {shuffled})", *epochs()], ANEW),
            Case([f"one = {fresh}", f"other = {fresh}", *epochs("one", "other")], SAME),
            Case([g, f"one = {own}", f"other = {own}", *epochs("one", "other")], ANEW),
            Case([g, f"loader = {own}", "state = g.get_state()", *epochs(between="g.set_state(state)")], SAME),
            Case([f"batches = list({shuffled}))", *epochs("batches")], SAME),
            Case([g, f"loader = {own}", *epochs(between="torch.rand(3)")], ANEW),
            Case([g, "state = g.get_state()", f"loader = {own}", *epochs(between="g.set_state(state)")], SAME),
            Case(
                [f"def loader():\n    {g}\n    return {own}", *epochs("loader()")],
                SAME,
            ),
        ]
    )


def sampled(rng: Rng, data: str, batch: str) -> Case:
    """Samplers, of batches too."""
    count = int(data.removeprefix("range(").removesuffix(")"))
    made, more = f"DataLoader({data}, {batch}, sampler=", count + rng.integer(1, 4)
    lib, seed = "torch.utils.data.", rng.integer(0, 99)
    batches = f"DataLoader({data}, batch_sampler={lib}BatchSampler({lib}"
    size = batch.removeprefix("batch_size=")
    replicas = f"sampler = {lib}DistributedSampler({data}, num_replicas=1, rank=0)"
    return rng.pick(
        [
            Case([f"loader = {made}{lib}RandomSampler({data}))", *epochs()], ANEW),
            Case([f"loader = {made}{lib}SequentialSampler({data}))", *epochs()], DATASET),
            Case([f"loader = {made}{lib}SubsetRandomSampler({data}))", *epochs()], ANEW),
            Case([f"loader = {made}{lib}WeightedRandomSampler(torch.ones({count}), {more}))", *epochs()], TWICE),
            Case([f"loader = {made}{lib}RandomSampler({data}, replacement=True, num_samples={more}))", *epochs()],
                 TWICE),
            Case([f"loader = {made}torch.randperm({count}).tolist())", *epochs()], SAME),
            Case([f"order = torch.randperm({count}).tolist()",
                  f"loader = DataLoader({lib}Subset({data}, order), {batch})", *epochs()], SAME),
            Case([f"order = torch.randperm({count}).tolist()",
                  f"loader = DataLoader({lib}Subset({data}, order), {batch}, shuffle=True)", *epochs()], ANEW),
            Case([replicas, f"loader = {made}sampler)", *epochs()], SAME),
            Case([replicas, f"loader = {made}sampler)", *epochs(between="sampler.set_epoch(1)")], ANEW, SET_EPOCH),
            Case([f"loader = {batches}RandomSampler({data}), {size}, drop_last=False))", *epochs()], ANEW),
            Case([f"loader = {batches}RandomSampler({data}), {size}, drop_last=True))", *epochs()], OUT),
            Case([f"loader = {batches}SequentialSampler({data}), {size}, drop_last=True))", *epochs()], LAST_OUT),
            Case([f"loader = {batches}SequentialSampler({data}), {size}, drop_last=False), shuffle=True)",
                  *epochs()], RAISES),
            Case([f"g = torch.Generator().manual_seed({seed})",
                  f"loader = {made}{lib}RandomSampler({data}, generator=g))",
                  *epochs(between=f"torch.manual_seed({seed})")], ANEW),
            Case([f"g = torch.Generator().manual_seed({seed})",
                  f"loader = {made}{lib}RandomSampler({data}, generator=g))",
                  *epochs(between=f"g.manual_seed({seed})")], SAME),
        ]
    )  # fmt: skip


HINTS = (
    "Who decides the order here: the dataset, a sampler, or a new draw? And when is it drawn?",
    "Each `for` over the loader makes a new iterator. Does anything random start from the same state both times?",
)
WHY = (
    "`shuffle=True` means a RandomSampler: each new iterator draws a permutation of all examples, from `generator` or "
    "torch's own. A seed fixes where the draws begin, so a second epoch goes on from there and differs; the same order "
    "needs the same seed set again. Batch sizes do not change. A DistributedSampler repeats its order until "
    "`set_epoch`."
)


def workers(rng: Rng) -> Choose:
    """What several worker processes make of a dataset, in words."""
    count, number = rng.integer(5, 9), rng.integer(2, 4)
    every = f"list(range({count}))"
    stream = rng.chance(0.6)
    texts = {
        "once": "Every example once: the workers share them out",
        "copies": "Every example once from each worker",
        "part": "Only a part of the examples, those of the first worker",
        "empty": "Nothing, as no worker knows which part is its own",
    }
    if stream:
        program = (
            "class Stream(torch.utils.data.IterableDataset):\n    def __iter__(self):\n"
            f"        return iter(range({count}))\n\nstream = Stream()"
        )
        call, right = f"DataLoader(stream, num_workers={number})", "copies"
        seen = f"[x for worker in range({number}) for x in stream]"
        because = (
            "Each worker has a copy of an iterable dataset, and iterates over all of it, unless __iter__ asks "
            "get_worker_info() which part is its own."
        )
    else:
        program = f"data = list(range({count}))"
        call, right = f"DataLoader(data, num_workers={number}, shuffle=True)", "once"
        seen = "[data[i] for i in torch.utils.data.RandomSampler(data)]"
        because = "With a map-style dataset the main process draws the indices, and shares them out to the workers."
    tests = {
        "once": f"sorted({seen}) == {every}",
        "copies": f"sorted({seen}) == sorted({every} * {number})",
        "part": f"len({seen}) < {count}",
        "empty": f"not {seen}",
    }
    return Choose(
        prompt=f"What does an epoch of `{call}` yield? Each worker process works on its own copy of the dataset.",
        program=program,
        choices=[Choice(texts[name], tests[name]) for name in texts],
        right=texts[right],
        wrong=[Wrong(name, text, because) for name, text in texts.items() if name != right],
        hints=[
            "Who decides which examples a worker reads: the main process, or the worker's copy of the dataset?",
            "Indices of a map-style dataset come from one sampler, in the main process. An iterable dataset has none.",
        ],
        why="A map-style dataset is read by index: one sampler in the main process draws the indices, and each worker "
        "gets whole batches of them. An IterableDataset has no indices: every worker iterates over its copy, and "
        "everything comes `num_workers` times unless `__iter__` shards by `get_worker_info()`.",
    )


NAMES = {
    DATASET: "dataset-order",
    SAME: "seed-repeats-every-epoch",
    ANEW: "drawn-anew",
    TWICE: "with-replacement",
    OUT: "left-out-anew",
    LAST_OUT: "left-out-at-the-end",
    RAISES: "raises",
}


@drill(after=["data.batches"], levels=3, lesson="DataLoaders", arena="0.2", structures=(750, 850, 750))
def shuffle(rng: Rng) -> Choose:
    """The order of the examples, epoch after epoch."""
    if rng.level == COMPOSED and rng.chance(0.15):
        return workers(rng)
    batch = rng.integer(3, 5)
    full = rng.integer(3, 4)
    count = batch * full + rng.integer(1, batch - 1)
    make = {GUIDED: guided, SECOND: seeded, COMPOSED: sampled}[rng.level]
    case = make(rng, f"range({count})", f"batch_size={batch}")
    choices = statements(count, batch * full)
    others = [i for i in (DATASET, SAME, ANEW) if i != case.truth]
    more = [i for i in (TWICE, OUT, LAST_OUT, RAISES) if i != case.truth]
    shown = sorted([case.truth, *others, *rng.sample(more, 5 - 1 - len(others))])
    because = case.because or RULES[case.truth]
    prompt = f"An example is a number from 0 to {count - 1}, and is its own index. What is true of the two epochs?"
    return Choose(
        prompt=prompt,
        program="\n".join(["from torch.utils.data import DataLoader", *case.lines]),
        choices=[choices[i] for i in shown],
        right=choices[case.truth].text,
        wrong=[Wrong(NAMES[i], choices[i].text, ONLY.get(i, "") + because) for i in shown if i != case.truth],
        hints=HINTS,
        why=WHY,
    )
