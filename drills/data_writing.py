"""Data: datasets and collate functions, judged by what a DataLoader yields with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteCode, Wrong, drill

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels


# --- a map-style dataset


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
        "the targets the token that follows each of them. There are as many items as fit; what is left over is not "
        "used."
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
    return Task(told, f"{name}, {context}{extra}", length, item=f"{first}, {second}", setup=setup, wrong=wrong)  # fmt: skip


def forecasts(rng: Rng) -> Task:
    """A stretch of a series, and a value some steps after it."""
    name = rng.pick(["series", "prices", "signal"])
    n = f"len({name})"
    item = f"{name}[i : i + past], {name}[i + past + ahead - 1]"
    told = (
        f"`{name}` has a value for each time step. Item `i` is a pair: the `past` values from step `i` on, and the value "
        "`ahead` steps after the last of them (`ahead=1` is the very next). There are as many items as fit."
    )
    wrong = [
        ("off-by-one", "item", f"{name}[i : i + past], {name}[(i + past + ahead) % {n}]",
         "The last value is at i + past - 1, and the target `ahead` steps after that."),
        ("next-value", "item", f"{name}[i : i + past], {name}[i + past]", "The target is `ahead` steps away."),
        ("target-as-row", "item", f"{name}[i : i + past], {name}[i + past + ahead - 1 : i + past + ahead]",
         "The target is one value: a slice keeps its axis."),
        ("one-too-few", "length", f"{n} - past - ahead", "One more item fits."),
        ("horizon-forgotten", "length", f"{n} - past", ("The last items have no target: their length must leave room for "
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
        else "first entry 0 each time, then entry 1."
    )
    told += " An item is a pair of the entry and its index."
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
        f"`{x}`, `{y}` and the booleans `mask` have the same length. The items are those examples whose `mask` is True, "
        f"in order, each as a pair of its entry of `{one}` and its entry of `{other}`."
    )
    wrong = [
        ("all-examples", "length", f"len({x})", "Only the examples whose mask is True count."),
        ("mask-ignored", "item", item.replace("kept[i]", "i"), "Item i is the i-th example that is kept."),
        ("returns-a-batch", "item", item.replace("kept[i]", "mask"), NOT_A_BATCH),
        ("swapped", "item", ", ".join(reversed(item.split(", "))), "The two parts of the pair are swapped."),
    ]
    setup = "mask = torch.arange(2 * batch) % 3 != 0\nargs = (torch.randn(2 * batch, size), torch.randint(9, (2 * batch,)), mask)\n"
    return Task(told, f"{x}, {y}, mask", "len(kept)", item, setup, wrong, before="kept = mask.nonzero().flatten()\n")


def documents(rng: Rng) -> Task:
    """Blocks of tokens that never cross from one document into the next."""
    name, size = rng.pick([("documents", "context"), ("texts", "length"), ("games", "moves")])
    told = (
        f"`{name}` is a list of rows of tokens of unlike lengths. Each is cut into blocks of `{size}` tokens from its "
        "start; what is left over of it is not used, and no block crosses into the next. The items are all blocks, in "
        f"order, each as a pair of its tokens and the number of its row in `{name}`, from 0."
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
    setup = "args = ([torch.randint(100, (n,)) for n in (3 * size + 1, size + 1, size - 1, 2 * size, 2 * size + 1)], size)\n"
    return Task(told, f"{name}, {size}", "len(places)", item, setup, wrong, before)


TASKS = ((pairs,), (windows, windows, forecasts, repeated), (documents, products, kept, windows))


def class_of(task: Task, length: str, item: str) -> str:
    return (
        f"{task.before}class Items(torch.utils.data.Dataset):\n"
        f"    def __len__(self):\n        return {length}\n\n"
        f"    def __getitem__(self, i):\n        return {item}\n\nreturn Items()"
    )


@drill(after=["data.batches"], levels=3, lesson="DataLoaders", structures=(20, 12, 12))
def dataset(rng: Rng) -> WriteCode:
    """A dataset of one's own."""
    task = rng.pick(TASKS[rng.level - 1])(rng)
    made = class_of(task, task.length, task.item)
    return WriteCode(
        prompt="Return a map-style dataset: an object with `__len__` and `__getitem__`, such as one of a class that you "
        f"write inside.\n\n{task.told}",
        signature=f"def make_dataset({task.arguments}):",
        body=made,
        axes="batch size",
        setup=f"{task.setup}def items(data):\n    return [data[i] for i in range(len(data))]\n",
        shown_setup="",
        observe={
            "the length": "len(make_dataset(*args))",
            "the items": "items(make_dataset(*args))",
            "the batches": "list(torch.utils.data.DataLoader(make_dataset(*args), batch_size=2, drop_last=True))",
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


# --- a collate function that pads


@dataclass(frozen=True)
class Padding:
    """What a collate function gets and gives."""

    side: str  # where the pads stand
    pad: str
    mask: str  # what the mask says
    target: str  # what else is batched: nothing, a label or labels for each token
    form: str  # tuple or dict
    fixed: bool  # all rows have `length` places


def drawn(rng: Rng) -> Padding:
    if rng.level == GUIDED:
        return Padding("right", rng.pick(["0", "0", "1"]), "real", rng.pick(["", "", "label"]), "tuple", fixed=False)
    if rng.level == SECOND:
        return Padding(
            rng.pick(["right", "right", "left"]),
            rng.pick(["0", "pad"]),
            rng.pick(["real", "padding"]),
            rng.pick(["", "label", "label"]),
            rng.pick(["tuple", "dict"]),
            fixed=False,
        )
    return Padding(
        rng.pick(["right", "left"]),
        rng.pick(["0", "pad"]),
        rng.pick(["real", "real", "padding", "lengths"]),
        rng.pick(["labels", "labels", "label", ""]),
        rng.pick(["tuple", "dict"]),
        fixed=rng.chance(0.4),
    )


def collate_body(it: Padding, changes: Mapping[str, str]) -> str:
    """The function's lines; `changes` replaces some of them."""
    left = it.side == "left"
    unpack = {"": "rows = batch", "label": "rows, labels = zip(*batch)", "labels": "rows, labels = zip(*batch)"}[
        it.target
    ]
    place = "out[i, width - len(row):]" if left else "out[i, :len(row)]"
    marked = "mask[i, width - len(row):]" if left else "mask[i, :len(row)]"
    told = "target[i, width - len(row):]" if left else "target[i, :len(row)]"
    cut = "[-width:]" if left else "[:width]"
    lines = {
        "unpack": unpack,
        "width": "width = length" if it.fixed else "width = max(len(row) for row in rows)",
        "out": f"out = torch.full((len(rows), width), {it.pad})",
        "mask": "mask = torch.zeros(len(rows), width, dtype=torch.bool)",
        "target": "target = torch.full((len(rows), width), -100)" if it.target == "labels" else "",
        "loop": "for i, row in enumerate(rows):",
        "cut": f"    row = row{cut}" if it.fixed else "",
        "place": f"    {place} = row",
        "mark": f"    {marked} = True",
        "tell": f"    {told} = labels[i]{cut if it.fixed else ''}" if it.target == "labels" else "",
        "invert": {"padding": "mask = ~mask", "lengths": "mask = mask.sum(1)"}.get(it.mask, ""),
        "label": "target = torch.tensor(labels)" if it.target == "label" else "",
        "result": result(it, "out", "mask", "target"),
    } | changes
    return "\n".join([line for line in lines.values() if line])


def result(it: Padding, out: str, mask: str, target: str) -> str:
    if it.form == "tuple":
        return f"return {out}, {mask}{f', {target}' if it.target else ''}"
    name = {"real": "mask", "padding": "key_padding_mask", "lengths": "lengths"}[it.mask]
    return f'return {{"tokens": {out}, "{name}": {mask}{f", {chr(34)}labels{chr(34)}: {target}" if it.target else ""}}}'


def wrong_padding(it: Padding) -> list[Wrong]:
    """Wrong turns, each a body with some lines replaced."""
    turned = "padding" if it.mask == "real" else "real"
    other = Padding("left" if it.side == "right" else "right", it.pad, it.mask, it.target, it.form, fixed=it.fixed)
    unlike = f"out != {it.pad}" if it.mask != "padding" else f"out == {it.pad}"
    found: list[tuple[str, Padding, dict[str, str], str]] = [
        ("mask-from-values", it, {"invert": f"mask = {'(' + unlike + ').sum(1)' if it.mask == 'lengths' else unlike}"},
         "A real token may have the pad's id. Which places are real is known from the lengths alone."),
        ("wrong-side", other, {}, f"The pads belong on the {it.side}."),
        ("batch-second", it, {"result": result(it, "out.T", "mask.T" if it.mask != "lengths" else "mask", "target")},
         "The batch comes first: (batch, position)."),
    ]  # fmt: skip
    if it.mask == "lengths":
        found.append(("padded-lengths", it, {"invert": "mask = torch.full((len(rows),), width)"}, ("The lengths are "
                      "those of the rows before they were padded.")))  # fmt: skip
    else:
        found.append(
            (
                "mask-inverted",
                it,
                {"invert": "mask = ~mask" if turned == "padding" else ""},
                f"The mask is inverted: True is for {'real tokens' if it.mask == 'real' else 'pads'}.",
            )
        )
        number = {"result": result(it, "out", "mask.long()", "target")}
        found.append(("mask-of-numbers", it, number, "The mask holds booleans."))
    if not it.fixed:
        cut = {
            "width": "width = min(len(row) for row in rows)",
            "cut": "    row = row[-width:]" if it.side == "left" else "    row = row[:width]",
        }
        if it.target != "labels":
            found.append(
                ("cut-to-the-shortest", it, cut, "Nothing is cut: the longest row of the batch sets the width.")
            )
        found.append(("one-too-wide", it, {"width": "width = max(len(row) for row in rows) + 1"}, ("The rows are as "
                      "wide as the longest of the batch, and no wider.")))  # fmt: skip
    else:
        keep = "[:width]" if it.side == "left" else "[-width:]"
        changes = {"cut": f"    row = row{keep}"}
        if it.target == "labels":
            inside = "target[i, width - len(row):]" if it.side == "left" else "target[i, :len(row)]"
            changes["tell"] = f"    {inside} = labels[i]{keep}"
        found.append(("other-end-cut", it, changes, (f"Of a row that is too long, the {'last' if it.side == 'left' else 'first'} "
                      "tokens are kept.")))  # fmt: skip
    if it.target == "labels":
        pads = {"target": f"target = torch.full((len(rows), width), {it.pad})"}
        found.append(("labels-padded-like-tokens", it, pads, "The labels are padded with -100, which losses ignore."))
    if it.pad == "pad":
        zero = {"out": "out = torch.zeros(len(rows), width, dtype=torch.long)"}
        found.append(("padded-with-zeros", it, zero, "The pads are `pad`, and not 0."))
    return [Wrong(key, collate_body(padding, changes), because) for key, padding, changes, because in found]


def told_of(it: Padding, level: int) -> str:
    """What is asked for, in words."""
    gets = {
        "": "`batch` is a list of rows of tokens, one-dimensional tensors of unlike lengths.",
        "label": "`batch` is a list of pairs of a row of tokens, a one-dimensional tensor, and a label, a whole number. "
        "The rows have unlike lengths.",
        "labels": "`batch` is a list of pairs of one-dimensional tensors: a row of tokens, and a label for each of its "
        "tokens. The rows have unlike lengths.",
    }[it.target]
    end = "after" if it.side == "right" else "before"
    kept = "last" if it.side == "left" else "first"
    width = (
        f"Every row of it has `length` places: of a longer row the {kept} `length` tokens are kept, and a shorter one "
        f"is padded {end} its tokens"
        if it.fixed
        else f"Every row is padded to the longest of this batch, {end} its tokens"
    )
    tokens = f"the tokens of shape (batch, position). {width}, with `{it.pad}`."
    mask = {
        "real": "a mask of booleans of the same shape, True where a token is real",
        "padding": "a mask of booleans of the same shape, True where there is a pad",
        "lengths": "how many real tokens each row has, as a tensor of shape (batch,)",
    }[it.mask]
    target = {
        "": "",
        "label": "the labels as a tensor of shape (batch,)",
        "labels": "the labels of shape (batch, position), padded with -100 where the tokens are padded",
    }[it.target]
    if it.form == "tuple":
        parts = f"Return a tuple: {tokens} Next {mask}" + (f"; and last {target}." if target else ".")
    else:
        name = {"real": "mask", "padding": "key_padding_mask", "lengths": "lengths"}[it.mask]
        parts = f'Return a dict. "tokens": {tokens} "{name}": {mask}.' + (f' "labels": {target}.' if target else "")
    warning = f"A real token may be `{it.pad}` too."
    return f"{gets}\n\n{parts}\n\n{warning}" if level < COMPOSED else f"{gets}\n\n{parts}"


@drill(after=["data.batch-shapes"], levels=3, lesson="DataLoaders", structures=(3, 16, 40))
def collate_pad(rng: Rng) -> WriteCode:
    """A collate function that pads, and the mask."""
    it = drawn(rng)
    extra = [*(["pad"] if it.pad == "pad" else []), *(["length"] if it.fixed else [])]
    values = ", ".join(["7" if name == "pad" else "size + 1" for name in extra])
    call = f"lambda batch: collate(batch, {values})" if extra else "collate"
    pad = "7" if it.pad == "pad" else it.pad
    example = {
        "": "row",
        "label": "(row, i % 3)",
        "labels": "(row, torch.randint(10, (len(row),)))",
    }[it.target]
    lengths = "size, size + 2, 2, size + 3, 1, size, size + 1, 3"
    setup = (
        f"rows = [torch.randint(10, (n,)) for n in ({lengths})]\n"
        f"for row in rows:\n    row[0], row[-1] = {pad}, {pad}  # real tokens\n"
        f"data = [{example} for i, row in enumerate(rows)]\n"
    )
    return WriteCode(
        prompt=f"Write a `collate_fn` for a DataLoader. {told_of(it, rng.level)}",
        signature=f"def collate({', '.join(['batch', *extra])}):",
        body=collate_body(it, {}),
        axes="size",
        setup=setup,
        shown_setup="",
        observe={
            "the batches": f"list(torch.utils.data.DataLoader(data, batch_size=3, collate_fn={call}))",
            "the data afterwards": "data",
        },
        wrong=wrong_padding(it),
        hints=[
            "How wide is the batch? Start from a tensor full of pads, and write each row into its place.",
            (
                "Only the lengths know which places are real: `torch.arange(width) < lengths[:, None]`, or mark the places "
                "while you fill them."
            ),
        ],
        why="Tensors of unlike lengths cannot be stacked, so the `collate_fn` pads them, as "
        "`torch.nn.utils.rnn.pad_sequence` does, and returns the mask that later steps need. The mask comes from the "
        "lengths: a token's id cannot tell whether it is a pad. Conventions differ: Hugging Face's `attention_mask` is "
        "1 for real tokens, `key_padding_mask` in nn.MultiheadAttention True for pads; labels are padded with -100.",
    )
