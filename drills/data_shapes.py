"""Data: what the default collate makes of tuples, dicts and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import PredictShape, Rng, Wrong, drill

GUIDED, COMPOSED = 1, 3  # levels
IMPORT = "from torch.utils.data import DataLoader"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """One part of an example: its name, its source, and its shape; None where it is a list of numbers."""

    name: str
    source: str
    shape: Shape | None
    words: str = ""
    length: int = 0  # of a list


@dataclass(frozen=True)
class Belief:
    id: str
    shape: Shape | None  # None: an error
    because: str


STACKED = "The default collate stacks: it puts a new first axis, the batch, before the axes of an example."
COLLATED = "The default collate keeps the structure: of B tuples it makes one tuple (here a list) of batched parts."


def picture(rng: Rng) -> Field:
    channels, height, width = rng.pick([1, 3, 3, 4]), *rng.distinct(2, 5, 9)
    make = rng.pick(["torch.zeros", "torch.rand", "torch.ones"])
    shape = (channels, height, width)
    return Field(rng.pick(["image", "x", "frame"]), f"{make}{shape}", shape, "an image (channel, height, width)")


def vector(rng: Rng) -> Field:
    size = rng.integer(5, 12)
    make = rng.pick(["torch.zeros", "torch.rand", "np.zeros"])
    name, words = rng.pick([("features", "a vector"), ("x", "a vector"), ("embedding", "an embedding")])
    return Field(name, f"{make}({size})", (size,), words)


def tokens(rng: Rng) -> Field:
    length, width = rng.distinct(2, 5, 12)
    return rng.pick(
        [
            Field("tokens", f"torch.arange({length})", (length,), "a row of tokens"),
            Field("acts", f"torch.zeros({length}, {width})", (length, width), "activations (position, d_model)"),
            Field("pattern", f"torch.zeros({length}, {length})", (length, length), "a pattern (query, key)"),
        ]
    )


def number(rng: Rng) -> Field:
    name, source, words = rng.pick(
        [("label", "1", "a whole number"), ("target", "0.5", "a number"), ("weight", "torch.tensor(2.0)", "a number")]
    )
    return Field(name, source, (), words)


def numbers(rng: Rng) -> Field:
    """A Python list, of which the collate makes a list of tensors."""
    length = rng.integer(3, 5)
    name, values = rng.pick([("box", range(1, 9)), ("flags", [0, 1] * 4), ("ids", range(10, 90, 10))])
    return Field(name, str(list(values)[:length]), None, "a list of numbers", length)


def right_shape(field: Field, batch: int | None) -> Shape:
    return (*(() if batch is None else (batch,)), *(field.shape or ()))


def beliefs(field: Field, other: Field | None, batch: int, full: int, count: int) -> list[Belief]:
    shape = field.shape or ()
    found = [
        Belief("list-kept", shape, COLLATED),
        Belief("batch-last", (*shape, batch), STACKED),
        Belief("whole-dataset", (count, *shape), "One batch is asked for, not the whole dataset."),
        Belief("batch-axis-twice", (1, batch, *shape), "There is one new axis, the batch."),
    ]
    if shape:
        found.append(Belief("concatenated", (batch * shape[0], *shape[1:]), STACKED))
    else:
        found.append(Belief("kept-as-column", (batch, 1), "Numbers become a tensor with the batch axis alone."))
    if len(shape) > 2:  # noqa: PLR2004
        moved = (batch, *shape[1:], shape[0])
        found.append(Belief("channels-last", moved, "The axes of an example stay in their order: (B, C, H, W)."))
    if batch != full:
        found.append(Belief("full-batch", (full, *shape), "The last batch has what is left over, and is smaller."))
    if other and other.shape is not None:
        found.append(Belief("other-field", (batch, *other.shape), "That is the shape of the other part of the batch."))
    return found


def asked(
    rng: Rng,
    lines: Sequence[str],
    ask: str,
    right: Shape | None,
    wrong: Sequence[Belief],
    told: str = "",
) -> PredictShape:
    """The puzzle, with the beliefs that differ from what is right and from one another."""
    seen: list[Shape | None] = [right]
    turns = []
    for belief in wrong:
        if belief.shape not in seen:
            seen.append(belief.shape)
            answer = "error" if belief.shape is None else str(belief.shape)
            turns.append(Wrong(belief.id, answer, belief.because))
    may_fail = rng.level == COMPOSED
    prompt = f"{told}What is the shape of `{ask}`?" + (" It may raise an error." if may_fail else "")
    return PredictShape(
        prompt=prompt,
        program="\n".join([IMPORT, *lines]),
        ask=ask,
        can_fail=may_fail,
        wrong=turns,
        hints=[
            "What is one example here, and what of several of them makes one batch?",
            (
                "The structure stays, each part is collated by itself: tensors are stacked along a new first "
                "axis, numbers "
                "become a tensor, and of lists their first entries, their second entries and so on."
            ),
        ],
        why="The default `collate_fn` keeps the structure of an example (tuple, dict, list) and collates each part: "
        "tensors and arrays of one shape are stacked along a new axis 0, numbers become a tensor of shape `(B,)`, "
        "strings stay strings, in a list or tuple. What cannot be stacked raises: unequal lengths need a `collate_fn` "
        "that pads.",
    )


def regular(rng: Rng) -> PredictShape:
    """Examples that are all alike."""
    main = rng.pick([picture, picture, tokens, vector] if rng.level == GUIDED else [picture, tokens, vector])(rng)
    extra = number(rng) if rng.level == GUIDED or rng.chance() else numbers(rng)
    fields = [main, extra] if rng.chance(0.7) else [extra, main]
    batch = rng.integer(2, 4)
    count = batch * rng.integer(3, 5) + rng.integer(1, batch - 1)
    last = rng.level > GUIDED and rng.chance(0.3)
    size = count % batch if last else batch
    as_dict = rng.chance(0.35 if rng.level == GUIDED else 0.5)
    option = f", batch_size={batch}"
    if rng.level > GUIDED and not last and rng.chance(0.25):
        option, size = rng.pick([("", 1), (", batch_size=1", 1), (f", batch_size={batch}, drop_last=True", batch)])
    one = ", ".join([f'"{field.name}": {field.source}' if as_dict else field.source for field in fields])
    example = f"{{{one}}}" if as_dict else f"({one})"
    field, other = (main, extra) if rng.chance(0.6) else (extra, main)
    whole = "list(loader)[-1]" if last else "next(iter(loader))"
    part = f'{whole}["{field.name}"]' if as_dict else f"{whole}[{fields.index(field)}]"
    lines = [f"data = [{example} for _ in range({count})]", f"loader = DataLoader(data{option})"]
    told = f"Each example holds {fields[0].words} and {fields[1].words}. " if rng.level == GUIDED else ""
    if field.shape is None:
        transposed = "Of lists the collate makes one list: their first entries as a tensor, their second, and so on."
        if rng.chance():
            wrong = [
                Belief("one-row", (size, field.length), transposed),
                Belief("list-kept", (field.length,), COLLATED),
                Belief("flattened", (size * field.length,), transposed),
            ]
            return asked(rng, lines, f"torch.stack({part})", (field.length, size), wrong, told)
        wrong = [
            Belief("one-row", (field.length,), transposed),
            Belief("stacked", (size, field.length), transposed),
            Belief("stacked-across", (field.length, size), transposed),
            Belief("single-number", (), transposed),
        ]
        return asked(rng, lines, f"{part}[0]", (size,), wrong, told)
    return asked(rng, lines, part, right_shape(field, size), beliefs(field, other, size, batch, count), told)


def unequal(rng: Rng) -> PredictShape:
    """Examples of unlike lengths: it raises where two of a batch differ."""
    batch = rng.integer(2, 3)
    short, long = sorted(rng.distinct(2, 3, 9))
    fails = rng.chance(0.7)
    rows = [[short] * batch, [long] * batch]
    if fails:
        rows[0][rng.integer(0, batch - 1)] = long
    ask, size, length = ("next(iter(loader))", batch, short)
    if not fails and rng.chance():
        ask, length = "list(loader)[-1]", long
    width = rng.pick([0, rng.integer(2, 4)])
    inner = f"torch.zeros(n, {width})" if width else rng.pick(["torch.arange(n)", "torch.zeros(n)"])
    tail = (width,) if width else ()
    part, wrapped = rng.pick([("", inner), ("[0]", f"({inner}, 1)"), ('["tokens"]', f'{{"tokens": {inner}}}')])
    lengths = ", ".join(map(str, rows[0] + rows[1]))
    lines = [f"data = [{wrapped} for n in ({lengths})]", f"loader = DataLoader(data, batch_size={batch})"]
    pads = "The default collate pads nothing and cuts nothing: it stacks, and that needs equal shapes."
    wrong = [
        Belief("padded", (size, long, *tail), pads),
        Belief("cut", (size, short, *tail), pads),
        Belief("concatenated", (sum(rows[0] if ask.startswith("next") else rows[1]), *tail), pads),
        Belief("list-kept", (length, *tail), COLLATED),
        Belief("whole-dataset", (2 * batch, length, *tail), "One batch is asked for, not the whole dataset."),
        Belief("always-raises", None, "Only examples that share a batch are stacked, and in this one all are alike."),
    ]
    return asked(rng, lines, f"{ask}{part}", None if fails else (size, length, *tail), wrong)


def tensors(rng: Rng) -> PredictShape:
    """A TensorDataset, or one without batches."""
    one, other = rng.pick([(picture, number), (tokens, number), (vector, number), (tokens, vector)])
    main, extra = one(rng), other(rng)
    batch = rng.integer(2, 4)
    count = batch * rng.integer(3, 5) + rng.integer(1, batch - 1)
    lines = [
        f"data = torch.utils.data.TensorDataset(torch.zeros{(count, *(main.shape or ()))}, "
        f"torch.zeros{(count, *(extra.shape or ()))})".replace(",))", "))").replace(",)", ")")
    ]
    field, other_field, at = rng.pick([(main, extra, 0), (extra, main, 1)])
    kind = rng.pick(["plain", "none", "last", "stacked"])
    size: int | None = batch
    option, whole = f", batch_size={batch}", "next(iter(loader))"
    if kind == "none":
        option, size = ", batch_size=None", None
    elif kind == "last":
        size, whole = count % batch, "list(loader)[-1]"
    found = beliefs(field, other_field, size or batch, batch, count)
    if size is None:
        found = [
            Belief("batch-of-one", (1, *(field.shape or ())), "With batch_size=None nothing is collated: it yields "
                   "the examples as they are."),
            *[belief for belief in found if belief.id in ("whole-dataset", "batch-last")],
            Belief("raises", None, "batch_size=None is allowed: it yields the examples as they are."),
        ]  # fmt: skip
    lines.append(f"loader = DataLoader(data{option})")
    if kind == "stacked" and field.shape:
        joined = f"torch.cat([batch[{at}] for batch in loader])"
        wrong = [
            Belief("stacked", (count // batch + 1, batch, *field.shape), "cat joins along the axis that is there."),
            Belief("last-dropped", (count // batch * batch, *field.shape), "The last batch is smaller, and is there."),
            Belief("raises", None, "cat needs the other axes to agree. The first one may differ."),
            Belief("one-batch", (batch, *field.shape), "All batches are joined."),
        ]
        return asked(rng, lines, joined, (count, *field.shape), wrong)
    return asked(rng, lines, f"{whole}[{at}]", right_shape(field, size), found)


@drill(after=["data.batches"], levels=3, lesson="DataLoaders", arena="0.2", structures=(80, 450, 210))
def batch_shapes(rng: Rng) -> PredictShape:
    """Shapes of what a DataLoader yields."""
    if rng.level < COMPOSED:
        return regular(rng)
    return rng.pick([unequal, unequal, tensors, regular])(rng)
