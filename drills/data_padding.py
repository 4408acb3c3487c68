"""Data: collate functions that pad, judged by what a DataLoader yields with them."""

from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteCode, Wrong, drill

GUIDED, SECOND = 1, 2  # levels


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
        return Padding(
            rng.pick(["right", "left"]),
            rng.pick(["0", "0", "1"]),
            rng.pick(["real", "padding", "lengths"]),
            rng.pick(["", "label"]),
            rng.pick(["tuple", "dict"]),
            fixed=False,
        )
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


def collate_body(it: Padding, changes: dict[str, str]) -> str:
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
        found.append(("other-end-cut", it, changes, (f"Of a row that is too long, the "
                                                     f"{'last' if it.side == 'left' else 'first'} "
                      "tokens are kept.")))  # fmt: skip
    if it.target == "labels":
        pads = {"target": f"target = torch.full((len(rows), width), {it.pad})"}
        found.append(("labels-padded-like-tokens", it, pads, "The labels are padded with -100, which losses ignore."))
    if it.pad == "pad":
        zero = {"out": "out = torch.zeros(len(rows), width, dtype=torch.long)"}
        found.append(("padded-with-zeros", it, zero, "The pads are `pad`, and not 0."))
    return [Wrong(key, collate_body(padding, changes), because) for key, padding, changes, because in found]


def told_of(it: Padding) -> str:
    """What is asked for, in words."""
    gets = {
        "": "`batch` is a list of rows of tokens, one-dimensional tensors of unlike lengths.",
        "label": "`batch` is a list of pairs of a row of tokens, a one-dimensional tensor, and a label, a whole "
        "number. "
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
        name = "lengths" if it.mask == "lengths" else "mask"
        names = f"(tokens, {name}{', labels' * bool(target)})"
        parts = f"Return a tuple {names}.\n\n- tokens: {tokens}\n- {name}: {mask}." + f"\n- labels: {target}." * bool(
            target
        )
    else:
        name = {"real": "mask", "padding": "key_padding_mask", "lengths": "lengths"}[it.mask]
        parts = f'Return a dict.\n\n- "tokens": {tokens}\n- "{name}": {mask}.' + f'\n- "labels": {target}.' * bool(
            target
        )
    warning = f"A real token may be `{it.pad}` too."
    return f"{gets}\n\n{parts}\n\n{warning}"


@drill(after=["data.batch-shapes"], levels=3, lesson="DataLoaders", arena="1.1", structures=(20, 28, 120))
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
        prompt=f"Write a `collate_fn` for a DataLoader. {told_of(it)}",
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
                "Only the lengths know which places are real: `torch.arange(width) < lengths[:, None]`, or mark "
                "the places "
                "while you fill them."
            ),
        ],
        why="Tensors of unlike lengths cannot be stacked, so the `collate_fn` pads them, as "
        "`torch.nn.utils.rnn.pad_sequence` does, and returns the mask that later steps need. The mask comes from the "
        "lengths: a token's id cannot tell whether it is a pad. Conventions differ: Hugging Face's `attention_mask` is "
        "1 for real tokens, `key_padding_mask` in nn.MultiheadAttention True for pads; labels are padded with -100.",
    )
