"""Any number of axes, under an ellipsis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of
from tensordrill.building.torch_code import code_for, restyled

TOP = 3  # the highest level


def at(net: Contraction, axis: str) -> str:
    """Where an axis stands, for one who sees no letters."""
    i = net.owners(axis)[0]
    return f"axis {net.operands[i].index(axis)} of `{net.names[i]}`"


ANY = "..."


@dataclass(frozen=True)
class Spread:
    """A contraction of tensors that have any number of further axes."""

    names: str
    operands: tuple[str, ...]
    output: str
    meaning: str


SPREADS: Mapping[int, Sequence[Spread]] = {
    1: (
        Spread("x", ("... row col",), "... col row", "Transpose each of the matrices that `x` holds."),
        Spread("x", ("... row col",), "... row", "Add up each matrix of `x` along its axis col."),
        Spread("x", ("... row col",), "...", "Add up all entries of each matrix of `x`."),
        Spread("x", ("... n n",), "...", "The trace of each matrix of `x`. An axis named twice: the diagonal."),
        Spread("x", ("... n n",), "... n",
               "The diagonal of each matrix of `x`. An axis named twice: the diagonal."),
        Spread("x W", ("... d_in", "d_out d_in"), "... d_out", "A linear layer: each vector of `x` goes through `W`."),
        Spread("A B", ("... row mid", "... mid col"), "... row col",
               "The matrix product of each matrix in `A` with the matrix at the same place in `B`."),
        Spread("x y", ("... d", "... d"), "...", "The dot product of each vector in `x` with the one at the same place "
               "in `y`."),
        Spread("A v", ("... row col", "col"), "... row", "Each matrix in `A` times the one vector `v`."),
        Spread("A v", ("... row col", "... col"), "... row",
               "Each matrix in `A` times the vector at the same place in `v`."),
        Spread("x g", ("... d", "d"), "... d", "Each vector of `x`, entry by entry times `g`."),
        Spread("x W", ("... seq d_in", "d_in d_out"), "... seq d_out",
               "Each vector of each sequence in `x` goes through `W`."),
        Spread("pattern v", ("... query key", "... key d_head"), "... query d_head",
               "Attention: each query's sum of the value vectors at the same place in `v`, with the query's "
               "weights in `pattern`."),
        Spread("A s", ("... row col", "row"), "... row col", "Each row of each matrix in `A` times its number in `s`."),
        Spread("A s", ("... row col", "..."), "... row col",
               "Each matrix in `A`, all of it, times the number at the same place in `s`."),
        Spread("u v", ("... row", "col"), "... row col", "The outer product of each vector in `u` with the one vector "
               "`v`."),
        Spread("A B", ("... row col", "... row col"), "...",
               "At each place: the sum of all entries of the product, entry by entry, of its matrices in `A` and `B`."),
        Spread("u v", ("... row", "... col"), "... row col",
               "The outer product of each vector in `u` with the one at the same place in `v`."),
    ),
    3: (
        Spread("x W", ("batch channel ...", "out channel"), "batch out ...",
               "A convolution of size 1: at every place of an image, a sound or a video, the channels go through `W`."),
        Spread("x w", ("batch ... channel", "batch channel"), "batch ...",
               "At every place, the dot product of the channels with the vector that `w` has for that example."),
        Spread("x", ("batch ... channel",), "channel ... batch", "Put the axes of `x` in another order."),
        Spread("x", ("batch ... time channel",), "time batch ... channel", "Put the axes of `x` in another order."),
        Spread("x", ("... d",), "d", "Add up all vectors of `x`: over every axis but the last."),
        Spread("x", ("batch ... channel",), "batch channel",
               "Sum pooling: for each example and channel, the sum over all places."),
        Spread("x g", ("... d_in", "... d_out"), "d_out d_in",
               "The gradient of a linear layer's weight: the sum, over all places, of the outer product of the "
               "gradient's vector in `g` with the input's vector in `x` at the same place."),
        Spread("x g", ("... d", "... d"), "d",
               "The gradient of a norm layer's weight: the sum, over all places, of `x` times `g`, entry by entry."),
        Spread("x M y", ("... left", "left right", "... right"), "...",
               "A bilinear form at every place: the vector in `x`, times the matrix `M`, whose rows belong to `x`, "
               "times the vector in `y` at the same place."),
        Spread("x A B", ("... d_in", "rank d_in", "d_out rank"), "... d_out",
               "A low-rank adapter: each vector of `x` goes down to the rank through `A`, then up again through `B`."),
        Spread("pattern v", ("... head query key", "... head key d_head"), "... query head d_head",
               "Attention with any batch axes: for each query of each head, the sum of that head's value vectors, "
               "weighted by the query's row of `pattern`."),
    ),
}  # fmt: skip


def spread(rng: Rng, it: Spread, *, front: bool) -> Contraction:
    """With the axes stored in some order; the ellipsis stands in front, at either end, or anywhere."""

    def put(axes: str) -> tuple[str, ...]:
        words = rng.shuffled([word for word in axes.split() if word != ANY])
        if ANY in axes:
            places = [0] if front else range(len(words) + 1) if rng.level == TOP else [0, len(words)]
            words.insert(rng.pick(places), ANY)
        return tuple(words)

    while True:
        net = Contraction(tuple(it.names.split()), tuple(map(put, it.operands)), put(it.output))
        if net.operands != (net.output,):
            return net


def ellipsis_mistakes(net: Contraction) -> Iterator[Mistake]:
    terms, output = net.terms[:-1], net.output
    kept = ANY in output
    if kept:
        rest = [axis for axis in output if axis != ANY]
        yield Mistake(
            "ellipsis-omitted",
            net.lost(ANY),
            "Your result has no `...`, so torch adds up all those axes. (NumPy would raise.) They are to be kept.",
        )
        for place in range(len(rest), -1, -1):
            yield Mistake(
                "ellipsis-moved",
                net.with_output([*rest[:place], ANY, *rest[place:]]),
                "Your `...` is at another place of the result. The axes that it stands for go where it stands.",
            )
    else:
        for place in (0, len(output)):
            yield Mistake(
                "ellipsis-kept",
                net.with_output([*output[:place], ANY, *output[place:]]),
                "You keep `...` after the arrow; these axes are to be summed. torch sums what the result leaves out, "
                "the ellipsis too.",
            )
    spare = next(letter for letter in "zyxwvutsrq" if letter not in net.letters.values())
    one = tuple([term.replace(ANY, spare) for term in net.terms])
    yield Mistake(
        "one-axis-assumed",
        (*one[:-1], one[-1]),
        "A letter stands for exactly one axis. There may be none, or several: that is what `...` is for.",
    )
    at = next(i for i, term in enumerate(terms) if ANY in term)
    missing = list(net.terms if "".join(terms).count(ANY) > 1 else [term.replace(ANY, "") for term in net.terms])
    missing[at] = missing[at].replace(ANY, "")
    yield Mistake(
        "ellipsis-missing",
        tuple(missing),
        "A term without `...` names all axes of its tensor, and there may be more of them.",
    )
    yield from net.edits_of_output() if rearranges(net) else net.single_edits()


def rearranges(net: Contraction) -> bool:
    """Whether one tensor's axes are put in another order, and that is all."""
    return len(net.operands) == 1 and sorted(net.operands[0]) == sorted(net.output)


def ending(name: str, axes: Sequence[str]) -> str:
    """How many axes a tensor has beside the leading ones."""
    count = f"{len(axes) - (ANY in axes)} axes" if len(axes) - (ANY in axes) > 1 else "1 axis"
    return f"`{name}` has {f'any number of leading axes and then {count}' if ANY in axes else f'{count} and no more'}"


@drill(after=["einsum.batched-matmul"], levels=3, arena="0.0", structures=(35, 140, 350))
def ellipsis(rng: Rng) -> WriteEinsum:
    """Any number of further axes."""
    it = rng.pick([*SPREADS[1], *SPREADS[TOP]] if rng.level == TOP else SPREADS[1])
    coded = rng.level == 2 and rng.chance()  # noqa: PLR2004 -- the middle level
    net = spread(rng, it, front=coded or rng.level == 1)
    names = list(zip(net.names, net.operands, strict=True))
    several = [ANY in axes for axes in net.operands].count(True) > 1
    code = ""
    if coded:
        code = restyled(rng, code_for(net).text)
        prompt = (
            "Write this as one einsum that works for any number of leading axes, none included.\n\n"
            f"{'. '.join([ending(name, axes) for name, axes in names])}. The result keeps the leading axes"
            f"{'; where several tensors have some, they are the same ones' if several else ''}."
        )
    else:
        dots = ANY if rng.level == 1 else "*others"
        shapes = [axes_of([dots if axis == ANY else axis for axis in axes]) for axes in (*net.operands, net.output)]
        tensors = ", ".join(
            [f"`{name}` has the shape `{shape}`" for name, shape in zip(net.names, shapes, strict=False)]
        )
        prompt = (
            f"{tensors}. `{dots}` is any number of axes, none included"
            f"{', and the same ones wherever it stands' if several else ''}.\n\n{it.meaning}\n\n"
            f"The result has the shape `{shapes[-1]}`."
        )
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        code=code,
        axes_told=rng.level > 1,
        hints=[
            "Name only the axes that you do something with; `...` stands for all others, as many as there are.",
            (
                "In each term `...` stands where those axes are stored, and after the arrow where they are wanted. "
                "Axes that it leaves out after the arrow are summed."
            ),
        ],
        why="`...` stands for the axes that a term does not name, however many there are. Those of several tensors are "
        "lined up from the last one, as in broadcasting. After the arrow it says where they go; without it there, "
        "torch sums them, where NumPy raises.",
        wrong=net.wrong_turns(ellipsis_mistakes(net)),
    )
