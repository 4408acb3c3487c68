"""Data: datasets of one's own, judged by what a DataLoader yields of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tensordrill.authoring import Rng, WriteCode, Wrong, drill

GUIDED = 1  # level


@dataclass(frozen=True)
class Task:
    """What the dataset holds: in words, its arguments, both methods, and what is made for the hidden runs."""

    told: str
    arguments: str
    length: str
    item: str
    setup: str
    wrong: Sequence[tuple[str, str, str, str]]  # id, method, its new result, because
    before: str = ""  # statements of make_dataset before the class


NOT_A_BATCH = "An item is one example. Making batches of them is the DataLoader's work."
OFF_BY_ONE = "The length counts the items, and the last index is one less: every index below it must work."
KEPT_AXIS = "A slice keeps its axis. An item has none for the batch: the DataLoader adds it."


def pairs(rng: Rng) -> Task:
    """Inputs and targets, index by index."""
    x, y = rng.pick([("x", "y"), ("images", "labels"), ("features", "targets"), ("acts", "labels")])
    shape = {"images": "batch, 3, size, size"}.get(x, "batch, size")
    first, second = f"{x}[i]", f"{y}[i]"
    told = f"`{x}` and `{y}` are tensors of the same length."
    arguments = f"{x}, {y}"
    apply = rng.pick(["", "", "transform", "target_transform"])
    setup = f"args = (torch.randn({shape}), torch.randint(10, (batch,)))\n"
    if apply:
        arguments += f", {apply}"
        setup = setup.replace(")\n", ", lambda v: 2 * v + 1)\n")
        if apply == "transform":
            first = f"transform({first})"
        else:
            second = f"target_transform({second})"
    keys = rng.pick([("input", "label"), ("x", "y"), (x, y)])
    style = rng.pick(["tuple", "tuple", "swapped", "dict"])
    item = {
        "tuple": f"{first}, {second}",
        "swapped": f"{second}, {first}",
        "dict": f'{{"{keys[0]}": {first}, "{keys[1]}": {second}}}',
    }[style]
    which = {
        "tuple": f"the pair of entry `i` of `{x}` and entry `i` of `{y}`",
        "swapped": f"the pair of entry `i` of `{y}` and entry `i` of `{x}`, in this order",
        "dict": f'a dict with entry `i` of `{x}` under "{keys[0]}" and entry `i` of `{y}` under "{keys[1]}"',
    }[style]
    done = f" `{apply}` is applied to the entry of `{x if apply == 'transform' else y}`." if apply else ""
    wrong = [
        ("returns-a-batch", "item", item.replace("[i]", ""), NOT_A_BATCH),
        ("keeps-an-axis", "item", item.replace("[i]", "[i : i + 1]"), KEPT_AXIS),
        ("length-of-an-example", "length", f"len({x}[0])", f"The number of items is len({x})."),
        ("one-too-few", "length", f"len({x}) - 1", OFF_BY_ONE),
    ]
    if style != "dict":
        other = f"{second}, {first}" if style == "tuple" else f"{first}, {second}"
        wrong.append(("swapped", "item", other, "The two parts of the pair are the other way round."))
    else:
        wrong.append(("tuple-for-dict", "item", f"{first}, {second}", "A dict is asked for."))
    if apply:
        plain = item.replace(
            f"{apply}({x if apply == 'transform' else y}[i])", f"{x if apply == 'transform' else y}[i]"
        )
        wrong.append(("not-transformed", "item", plain, f"`{apply}` is never applied."))
    return Task(f"{told} Item `i` is {which}.{done}", arguments, f"len({x})", item, setup, wrong)


def windows(rng: Rng) -> Task:
    """Next-token windows over a row of tokens: all of them, every few, or side by side."""
    name, context = rng.pick([("tokens", "context"), ("ids", "length"), ("tokens", "seq_len")])
    kind = rng.pick(["every", "blocks", "stride"])
    n = f"len({name})"
    step = {"every": "1", "blocks": context, "stride": "stride"}[kind]
    start = {"every": "i", "blocks": f"i * {context}", "stride": "i * stride"}[kind]
    length = f"{n} - {context}" if kind == "every" else f"({n} - 1 - {context}) // {step} + 1"
    if kind == "blocks":
        length = f"({n} - 1) // {context}"
    first, second = f"{name}[{start} : {start} + {context}]", f"{name}[{start} + 1 : {start} + {context} + 1]"
    where = {
        "every": "Item `i` starts at token `i`",
        "blocks": f"Item `i` starts at token `i * {context}`, so that the inputs of two items never overlap",
        "stride": "Item `i` starts at token `i * stride`",
    }[kind]
    told = (
        f"`{name}` is one long row of tokens. {where}. It is a pair: `{context}` tokens in a row as the inputs, and as "
        "the targets the token that follows each of them. There are as many items as fit"
        f"{'' if kind == 'every' else '; what is left over is not used'}."
    )
    other = f"{n} // {step}" if kind != "every" else n
    wrong = [
        ("not-shifted", "item", f"{first}, {first}", "The targets are the inputs one place later."),
        ("shifted-back", "item", f"{second}, {first}", "A target is the token that comes after, not before."),
        ("last-token-only", "item", f"{first}, {name}[{start} + {context}]", "Every input token has a target."),
        ("length-of-the-row", "length", other, "The last items would run over the end, and be short."),
        ("one-too-few", "length", f"{length} - 1", "One more item fits."),
    ]
    if kind == "every":
        wrong.append(
            (
                "blocks",
                "item",
                (f"{name}[i * {context} : (i + 1) * {context}], {name}[i * {context} + 1 : (i + 1) * {context} + 1]"),
                "Item `i` starts at token `i`.",
            )
        )
    else:
        wrong.append(
            (
                "every-token",
                "item",
                f"{name}[i : i + {context}], {name}[i + 1 : i + {context} + 1]",
                f"Item `i` starts at token `{start}`.",
            )
        )
    extra = ", stride" if kind == "stride" else ""
    setup = f"args = (torch.randint(100, (7 * batch + 3,)), size + 1{', 2' if extra else ''})\n"
    return Task(told, f"{name}, {context}{extra}", length, f"{first}, {second}", setup, wrong)  # fmt: skip


def forecasts(rng: Rng) -> Task:
    """A stretch of a series, and a value some steps after it."""
    name = rng.pick(["series", "prices", "signal"])
    n = f"len({name})"
    item = f"{name}[i : i + past], {name}[i + past + ahead - 1]"
    told = (
        f"`{name}` has a value for each time step. Item `i` is a pair: the `past` values from step `i` on, and "
        f"the value "
        "`ahead` steps after the last of them (`ahead=1` is the very next). There are as many items as fit."
    )
    wrong = [
        ("off-by-one", "item", f"{name}[i : i + past], {name}[(i + past + ahead) % {n}]",
         "The last value is at i + past - 1, and the target `ahead` steps after that."),
        ("next-value", "item", f"{name}[i : i + past], {name}[i + past]", "The target is `ahead` steps away."),
        ("target-as-row", "item", f"{name}[i : i + past], {name}[i + past + ahead - 1 : i + past + ahead]",
         "The target is one value: a slice keeps its axis."),
        ("one-too-few", "length", f"{n} - past - ahead", "One more item fits."),
        ("horizon-forgotten", "length", f"{n} - past", ("The last items have no target: their length must leave "
                                                        "room for "
         "`ahead`.")),
    ]  # fmt: skip
    setup = "args = (torch.randn(3 * batch + 5), size, 3)\n"
    return Task(told, f"{name}, past, ahead", f"{n} - past - ahead + 1", item, setup, wrong)


def products(rng: Rng) -> Task:
    """Every pair of an entry of one and an entry of the other."""
    a, b = rng.pick([("prompts", "answers"), ("users", "films"), ("rows", "columns"), ("heads", "layers")])
    item = f"{a}[i // len({b})], {b}[i % len({b})]"
    told = (
        f"The items are all pairs of an entry of `{a}` and one of `{b}`: first those of `{a}[0]` with each entry of "
        f"`{b}` in order, then those of `{a}[1]`, and so on."
    )
    wrong = [
        ("other-order", "item", f"{a}[i % len({a})], {b}[i // len({a})]", f"`{b}` changes fastest."),
        ("divided-by-the-other", "item", f"{a}[i // len({a}) % len({a})], {b}[i % len({b})]",
         f"A run through `{b}` has len({b}) items: divide by that."),
        ("side-by-side", "item", f"{a}[i % len({a})], {b}[i % len({b})]", "Every entry meets every other."),
        ("length-added", "length", f"len({a}) + len({b})", "There are as many pairs as the product of both lengths."),
        ("shorter-one", "length", f"min(len({a}), len({b}))", ("That many pairs has zip. Here every entry meets every "
         "other.")),
    ]  # fmt: skip
    setup = "args = (torch.randn(batch), torch.randint(9, (batch + 2,)))\n"
    return Task(told, f"{a}, {b}", f"len({a}) * len({b})", item, setup, wrong)


def repeated(rng: Rng) -> Task:
    """The dataset several times, in one of two orders."""
    x = rng.pick(["x", "examples", "data"])
    whole = rng.chance()
    at, other = (f"i % len({x})", "i // times") if whole else ("i // times", f"i % len({x})")
    told = f"The items are the entries of the tensor `{x}`, each `times` times: " + (
        "all of them in order, then all of them again, and so on."
        if whole
        else "first entry 0 all those times, then entry 1 all those times, and so on."
    )
    told += " An item is a pair of the entry and its index, an int."
    wrong = [
        ("other-order", "item", f"{x}[{other}], {other}", "The repeats stand in the other order."),
        ("index-not-wrapped", "item", f"{x}[{at}], i", "The index is that of the entry, not of the item."),
        ("not-repeated", "length", f"len({x})", "Each entry comes `times` times."),
        ("keeps-an-axis", "item", f"{x}[{at} : {at} + 1], {at}", KEPT_AXIS),
    ]
    setup = "args = (torch.randn(batch, size), 3)\n"
    return Task(told, f"{x}, times", f"len({x}) * times", f"{x}[{at}], {at}", setup, wrong)


def kept(rng: Rng) -> Task:
    """The examples that a mask keeps."""
    x, y = rng.pick([("x", "y"), ("tokens", "labels"), ("acts", "labels")])
    first = rng.chance()
    item = f"{x}[kept[i]], {y}[kept[i]]" if first else f"{y}[kept[i]], {x}[kept[i]]"
    one, other = (x, y) if first else (y, x)
    told = (
        f"`{x}`, `{y}` and the booleans `mask` have the same length. The items are those examples whose `mask` "
        f"is True, "
        f"in order, each as a pair of its entry of `{one}` and its entry of `{other}`."
    )
    wrong = [
        ("all-examples", "length", f"len({x})", "Only the examples whose mask is True count."),
        ("mask-ignored", "item", item.replace("kept[i]", "i"), "Item i is the i-th example that is kept."),
        ("returns-a-batch", "item", item.replace("kept[i]", "mask"), NOT_A_BATCH),
        ("swapped", "item", ", ".join(reversed(item.split(", "))), "The two parts of the pair are swapped."),
    ]
    setup = (
        "mask = torch.arange(2 * batch) % 3 != 0\nargs = (torch.randn(2 * batch, size), torch.randint(9, (2 "
        "* batch,)), mask)\n"
    )
    return Task(told, f"{x}, {y}, mask", "len(kept)", item, setup, wrong, before="kept = mask.nonzero().flatten()\n")


def documents(rng: Rng) -> Task:
    """Blocks of tokens that never cross from one document into the next."""
    name, size = rng.pick([("documents", "context"), ("texts", "length"), ("games", "moves")])
    told = (
        f"`{name}` is a list of rows of tokens of unlike lengths. Each is cut into blocks of `{size}` tokens from its "
        "start; what is left over of a row is not used, and no block crosses into the next row. The items are all "
        f"blocks, in order, each as a pair of its tokens and the number of its row in `{name}`, from 0, an int."
    )
    before = f"places = [(d, at) for d, row in enumerate({name}) for at in range(0, len(row) - {size} + 1, {size})]\n"
    item = f"{name}[places[i][0]][places[i][1] : places[i][1] + {size}], places[i][0]"
    joined = f"torch.cat({name})[i * {size} : (i + 1) * {size}], places[i][0]"
    wrong = [
        ("crosses-documents", "item", joined, "That block begins in one row and ends in the next."),
        ("document-for-block", "length", f"len({name})", "Each row has several blocks."),
        ("block-number", "item", item.rpartition(", ")[0] + ", i", "The number is that of the row, not of the block."),
        ("start-for-row", "item", item.rpartition(", ")[0] + ", places[i][1]", "The number is that of the row."),
    ]
    setup = (
        "args = ([torch.randint(100, (n,)) for n in (3 * size + 1, size + 1, size - 1, 2 * size, 2 * size + "
        "1)], size)\n"
    )
    return Task(told, f"{name}, {size}", "len(places)", item, setup, wrong, before)


TASKS = ((pairs,), (windows, windows, forecasts, repeated), (documents, products, kept, windows))


def as_dict(item: str) -> str:
    """The source of a pair as that of a dict."""
    depth = 0
    for at, character in enumerate(item):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            return f'{{"input": {item[:at]}, "target": {item[at + 2 :]}}}'
    return item


# A list is as good a pair as a tuple: a DataLoader collates both alike.
ITEMS = """
def items(data):
    return [tuple(item) if isinstance(item, list) else item for item in (data[i] for i in range(len(data)))]
"""


def class_of(task: Task, length: str, item: str) -> str:
    return (
        f"{task.before}class Items(torch.utils.data.Dataset):\n"
        f"    def __len__(self):\n        return {length}\n\n"
        f"    def __getitem__(self, i):\n        return {item}\n\nreturn Items()"
    )


@drill(after=["data.batches"], levels=3, lesson="DataLoaders", arena="0.2", structures=(11, 11, 13))
def dataset(rng: Rng) -> WriteCode:
    """A dataset of one's own."""
    task = rng.pick(TASKS[rng.level - 1])(rng)
    if rng.level > GUIDED and rng.chance():
        task = replace(
            task,
            told=f'Items are dicts: the first part of what is called a pair here is under "input", the second under '
            f'"target".\n\n{task.told}',
            item=as_dict(task.item),
            wrong=[(key, at, as_dict(new) if at == "item" else new, said) for key, at, new, said in task.wrong],
        )
    made = class_of(task, task.length, task.item)
    return WriteCode(
        prompt="Return a map-style dataset: an object with `__len__` and `__getitem__`, such as one of a class "
        f"that you write inside.\n\n{task.told}",
        signature=f"def make_dataset({task.arguments}):",
        body=made,
        axes="batch size",
        setup=f"{task.setup}{ITEMS}",
        shown_setup="",
        observe={
            "the length": "len(make_dataset(*args))",
            "the items": "items(make_dataset(*args))",
            "the batches": "list(torch.utils.data.DataLoader(make_dataset(*args), batch_size=2, drop_last=True))",
            "the data afterwards": "[one for one in args if not callable(one)]",
        },
        wrong=[
            Wrong(key, class_of(task, new, task.item) if at == "length" else class_of(task, task.length, new), because)
            for key, at, new, because in task.wrong
        ],
        hints=[
            "How many items are there for a small input that you write down? What is the first item, what the last?",
            (
                "`__len__` returns the number of items; `__getitem__(self, i)` returns item `i` alone, without a batch "
                "axis. Both may use the function's arguments."
            ),
        ],
        why="A map-style dataset has two methods: `__len__`, how many items there are, and `__getitem__(i)`, item `i` "
        "for every `i` below that. An item is one example. The DataLoader's sampler draws the indices, and its "
        "collate function puts the items of a batch together.",
    )
