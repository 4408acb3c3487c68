"""Equations as torch code, and torch code as equations."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tensordrill.authoring import Rng, WriteEinsum, WriteExpression, Wrong, drill
from tensordrill.building.contraction import Contraction, Mistake, having, listed
from tensordrill.building.torch_code import Code, code_for, restyled

TOP = 3  # the highest level


def order(rng: Rng, rank: int, *, free: bool) -> list[int]:
    """An order of so many axes: any, or most often only the last two the other way round."""
    if free or rng.chance(0.4):
        return rng.shuffled(range(rank))
    straight = list(range(rank))
    return straight if rank < 2 or rng.chance() else [*straight[:-2], rank - 1, rank - 2]  # noqa: PLR2004 -- two to swap


# What translates well, by level; tensors are then stored in any order, and the letters are others.
EQUATIONS: Mapping[int, Sequence[str]] = {
    1: ("ij,jk->ik", "ij,jk->ik", "ij,j->i", "ij,ij->ij", "ij,ij->", "i,j->ij", "ij,ij->i", "ijk->i", "ijk->ij",
        "ijk->ijk", "ij,j->ij", "ij,i->ij", "i,i->", "ij->", "ii->", "ii->i", "ijk,k->ij", "ijk,k->ijk"),
    2: ("bij,bjk->bik", "bij,bjk->bik", "bij,jk->bik", "bij,bij->b", "bij,bij->bi", "bij,bj->bi", "bii->b", "bii->bi",
        "ij,jk->i", "ij,jk->", "bij,j->b", "bij,j->bi", "bij,b->bij", "bij,bi->bij", "ijkl->ik", "bij,ij->b"),
    3: ("ij,jk,kl->il", "bi,ij,bj->b", "ij,j,jk->ik", "n,ni,nj->ij", "bij,jk,bk->bi", "bij,bjk,kl->bil", "bi,ij,jk->bk",
        "ij,kj,k->i", "ij,jk,ik->i", "ij,jk,ik->", "ij,jk,j->ik", "bij,bjk,bk->bi", "bij,ij,jk->bk", "i,ij,jk->k",
        "ij,jk,k->i", "ij,jk,ki->"),
}  # fmt: skip


def contraction(rng: Rng) -> Contraction:
    """One that code can say in a line or two. Its axes are letters."""
    left, _, right = rng.pick(EQUATIONS[rng.level]).partition("->")
    terms = left.split(",")
    axes = list(dict.fromkeys(left.replace(",", "")))
    letter = dict(zip(axes, rng.sample("abcdefghijkmnpqrst", len(axes)), strict=True))
    pools = {1: list("uvw"), 2: list("ABC")}
    names = [pools.setdefault(min(len(term), 3), list("XYZ")).pop(0) for term in terms]
    while True:
        operands = [tuple([letter[axis] for axis in rng.shuffled(term)]) for term in terms]
        output = tuple([letter[axis] for axis in rng.shuffled(right)])
        if set(operands) != {output}:
            return Contraction(tuple(names), tuple(operands), output)


MUTANTS = (
    (r"\.m?T\b", "", "transpose-missing",
     "One transpose is missing: without it, the axes that meet are not those that share a letter."),
    (r" @ ", " * ", "elementwise-for-matmul",
     "`*` multiplies entry by entry and sums nothing; the letter that both share and the result lacks asks for `@`."),
    (r" \* ", " @ ", "matmul-for-elementwise",
     "`@` sums over the axis at which it joins the two; here the letters ask for a product entry by entry."),
    (r"\.sum\((\([^)]*\)|[^()]*)\)", "", "not-summed",
     "A letter that is missing after the arrow is summed; you keep its axis."),
    (r"\[:(, :)*, None.*?\]", "", "not-stretched",
     "Broadcasting lines axes up from the last one. Where another axis is to come after it, it needs a `None` there."),
)  # fmt: skip


def bare(code: str) -> str:
    """The expression without brackets around all of it."""
    inner = code[1:-1]
    depths = [inner[:i].count("(") - inner[:i].count(")") for i in range(len(inner) + 1)]
    return inner if code.startswith("(") and code.endswith(")") and min(depths) == 0 else code


def mutants(code: Code) -> Iterator[Wrong]:
    """What people write instead, each with its sentence."""
    for pattern, new, name, because in MUTANTS:
        for found in re.finditer(pattern, code.text):
            if name == "matmul-for-elementwise" and code.text[: found.start()].endswith(", None]"):
                continue  # a sum over one entry is no sum
            yield Wrong(name, bare(code.text[: found.start()] + new + code.text[found.end() :]), because)
    for found in re.finditer(r"\.sum\((\d)\)", code.text):
        for dim in {"0": "12", "1": "02", "2": "10"}.get(found[1], "0"):
            yield Wrong(
                "wrong-axis",
                f"{code.text[: found.start()]}.sum({dim}){code.text[found.end() :]}",
                "You sum over another axis than the one whose letter is missing after the arrow.",
            )
    for found in re.finditer(r"\.permute\(([\d, ]+)\)", code.text):
        order = [int(dim) for dim in found[1].split(", ")]
        inverse = ", ".join([str(order.index(dim)) for dim in range(len(order))])
        if inverse == found[1]:
            continue
        yield Wrong(
            "inverse-permutation",
            f"{code.text[: found.start()]}.permute({inverse}){code.text[found.end() :]}",
            "That is the inverse: permute lists, for each axis of the result, where it was before.",
        )
    if len(code.axes) > 1 and not code.text.endswith("T"):
        turned = code.turned([*code.axes[:-2], code.axes[-1], code.axes[-2]])
        yield Wrong(
            "result-turned",
            turned.text,
            "The axes of your result are in another order than the letters after the arrow.",
        )
    twice = "A letter that stands twice in one term takes only the diagonal."
    if "trace" in code.text:
        yield Wrong("diagonal-lost", code.text.replace("trace", "sum"), twice)
    if "diagonal" in code.text:
        yield Wrong("diagonal-lost", re.sub(r"\.diagonal\(.*?\)", "", code.text), twice)


def equation(net: Contraction) -> str:
    return ",".join(net.terms[:-1]) + "->" + net.terms[-1]


@drill(after=["einsum.matmul"], levels=3, arena="0.0", structures=(30, 80, 130))
def translate(rng: Rng) -> WriteExpression:
    """An einsum as @, .T, * and .sum."""
    net = contraction(rng)
    code = code_for(net)
    sizes: dict[str, int] = {}
    prompt = (
        "Write this as one expression without einsum (torch's, NumPy's and einops' are all ruled out): with `@`, `*`, "
        "`.T`, `.sum`, indexing and the like."
    )
    if rng.level == 1:
        summed = f"Summed: {listed(net.summed)}." if net.summed else "Nothing is summed."
        result = f"The result has {having(net.output)}." if net.output else "The result is a single number."
        prompt += f"\n\n{summed} {result}"
    if rng.level == TOP:
        size = rng.integer(3, 5)
        sizes = dict.fromkeys(net.axes, size)
        prompt += f"\n\nEvery axis has size {size}, so a wrong expression may run as well."
    wrong = {turn.answer: turn for turn in mutants(code)}
    return WriteExpression(
        prompt=prompt,
        tensors=net.tensors,
        reference_expression=code.text,
        output=net.output,
        sizes=sizes,
        code=f'torch.einsum("{equation(net)}", {", ".join(net.names)})',
        forbid=["einsum"],
        hints=[
            (
                "Which letters are shared, and which of these does the result lack? One such letter, last in the left "
                "tensor and second to last (or alone) in the right one, is `@`."
            ),
            (
                "Otherwise bring the axes into one order, with `.T` or `.permute`, and with `None` for those that a "
                "tensor lacks; multiply with `*`; and `.sum` over what is missing after the arrow."
            ),
        ],
        why="`A @ B` contracts the last axis of A with the second to last of B (the only one of a vector) and runs "
        "along leading axes together. `*` is the product along shared axes without a sum; missing axes are stretched "
        "where `None` puts them. `.sum(dim)` is a letter that is missing after the arrow; `.T`, `.mT` and `.permute` "
        "are the order of letters.",
        wrong=list(wrong.values()),
    )


def at(net: Contraction, axis: str) -> str:
    """Where an axis stands, for one who sees no letters."""
    i = net.owners(axis)[0]
    return f"axis {net.operands[i].index(axis)} of `{net.names[i]}`"


def reading_mistakes(net: Contraction, code: str) -> Iterator[Mistake]:
    """What people read in code that is not there."""
    for i, (name, axes) in enumerate(zip(net.names, net.operands, strict=True)):
        if re.search(rf"\b{name}\.(m?T|transpose|t\(|swap)", code):
            yield Mistake(
                "transpose-ignored",
                net.misread(i, *axes[-2:]),
                f"The code transposes `{name}` before it uses it; your term has the axes in the order in which "
                "they would be without that.",
            )
        for pair in combinations(axes, 2):
            yield Mistake(
                "operand-order",
                net.misread(i, *pair),
                f"Your term for `{name}` has its axes in another order than `{name}` has them.",
            )
    first, second = net.operands[0], net.operands[1 % len(net.operands)]
    if len(net.operands) == len(first) == len(second) == 2:  # noqa: PLR2004 -- two matrices
        term = net.terms[0]
        if " @ " in code or "matmul" in code:
            yield Mistake(
                "elementwise-for-matmul",
                (term, term, term),
                "That is the product entry by entry. A matrix product sums over the axis at which the two meet.",
            )
        else:
            yield Mistake(
                "matmul-for-elementwise",
                (term, net.read_as(first, first)[0][1] + "z", term[0] + "z"),
                "That is a matrix product. `*` multiplies entry by entry: both tensors have the same letters.",
            )
    for kept in net.output:
        for summed in net.summed:
            yield Mistake(
                "wrong-axis",
                net.with_output([summed if axis == kept else axis for axis in net.output]),
                f"You sum over {at(net, kept)} and keep {at(net, summed)}; it is the other way round.",
            )
    yield from net.single_edits(lambda axis: at(net, axis))


@drill(after=["einsum.matmul"], levels=3, arena="0.0", structures=(55, 250, 200))
def from_code(rng: Rng) -> WriteEinsum:
    """Code in @, .T, * and .sum as an einsum."""
    net = contraction(rng)
    code = restyled(rng, code_for(net, steps=rng.level == TOP and rng.chance(0.7)).text)
    sizes: dict[str, int] = {}
    prompt = f"Write this as one einsum of {listed([f'`{name}`' for name in net.names])}."
    if rng.level == 1:
        held = [f"`{name}` has {having(axes)}" for name, axes in zip(net.names, net.operands, strict=True)]
        prompt += f"\n\n{', '.join(held)}."
    else:
        kinds = {1: "a vector", 2: "a matrix"}
        held = [
            f"`{name}` {'has' if len(axes) > 2 else 'is'} {kinds.get(len(axes), f'{len(axes)} axes')}"  # noqa: PLR2004
            for name, axes in zip(net.names, net.operands, strict=True)
        ]
        prompt += f"\n\n{', '.join(held)}."
    if rng.level == TOP:
        size = rng.integer(3, 5)
        sizes = dict.fromkeys(net.axes, size)
        prompt += f" Every axis has size {size}, so a wrong equation runs as well."
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        sizes=sizes,
        code=code,
        axes_told=True,
        hints=[
            "Give every axis of the first tensor a letter. Follow the code: where two axes meet, they get one letter.",
            (
                "`@` joins the last axis on its left with the second to last (or only) one on its right, and sums it. "
                "`*` lines axes up from the last one, and sums nothing. Write down the letters after each step."
            ),
        ],
        why="Every step of such code renames or joins axes. A transpose changes the order of letters; `@` gives one "
        "letter to the two axes that it joins and drops it from the result; `*` gives one letter to axes that are "
        "lined up; `.sum(dim)` drops a letter. What is left after the last step stands after the arrow.",
        wrong=net.wrong_turns(reading_mistakes(net, code)),
    )
