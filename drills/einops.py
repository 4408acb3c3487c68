"""Heads taken out of one axis, and put back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import NamedTuple

from tensordrill.authoring import Rng, WritePattern, drill
from tensordrill.building.contraction import axes_of
from tensordrill.building.patterns import (
    Pattern,
    Variant,
    as_torch,
    code_question,
    fenced,
    names_in,
    needed,
    plain,
    replaced,
    swapped,
)

SECOND, THIRD = 2, 3  # levels


class Scene(NamedTuple):
    """Heads together and apart. Of all that has several forms, one is drawn; `made` is told slowest first."""

    story: str
    together: Sequence[str]
    apart: Sequence[str]
    made: Mapping[str, Sequence[str]]
    sizes: Mapping[str, Sequence[int]]

    def drawn(self, rng: Rng) -> Pattern:
        """Heads to be taken apart, or to be put together."""
        together, apart = rng.pick(self.together), rng.pick(self.apart)
        made = {name: rng.pick(orders) for name, orders in self.made.items()}
        sizes = {name: rng.pick(several) for name, several in self.sizes.items()}
        split = rng.chance()
        stored, wanted = (together, apart) if split else (apart, together)
        task = Pattern.named(stored, wanted, made, fixed={"qkv": 3}, tensor="x" if split else "z")
        return replace(task, given=needed(rng, task.left, sizes))


VECTORS = ("batch seq d_model", "batch seq d_model", "seq batch d_model")
PLAIN = Scene(
    "",
    VECTORS,
    (
        "batch head seq d_head",
        "batch seq head d_head",
        "head batch seq d_head",
        "batch head d_head seq",
        "seq batch head d_head",
    ),
    {"d_model": ("head d_head", "head d_head", "d_head head")},
    {"head": (2, 3, 4, 6, 8)},
)
COMPOSED = (
    PLAIN._replace(
        story="`torch.bmm` takes one batch axis, so the heads go into it.",
        apart=("rows seq d_head", "rows d_head seq", "seq rows d_head"),
        made={**PLAIN.made, "rows": ("batch head", "head batch")},
    ),
    Scene(
        "One projection makes queries, keys and values.",
        ("batch seq d_fused", "seq batch d_fused"),
        (
            "qkv batch head seq d_head",
            "qkv batch seq head d_head",
            "batch head qkv seq d_head",
            "qkv head batch seq d_head",
            "batch qkv head seq d_head",
            "qkv rows seq d_head",
        ),
        {
            "d_fused": ("qkv head d_head", "head qkv d_head", "qkv d_head head", "head d_head qkv"),
            "rows": ("batch head", "head batch"),
        },
        {"qkv": (3,), "head": (2, 4, 5, 6, 8)},
    ),
    Scene(
        "In grouped-query attention the heads of a group share keys and values.",
        VECTORS,
        (
            "batch group head seq d_head",
            "batch head group seq d_head",
            "group batch head seq d_head",
            "group head batch seq d_head",
            "batch seq group head d_head",
        ),
        {"d_model": ("group head d_head", "head group d_head", "group d_head head")},
        {"group": (2, 3), "head": (4, 5)},
    ),
)
HOLDS = {  # how an axis goes through what it is made of
    "head d_head": "first all numbers of head 0, then all of head 1, and so on",
    "d_head head": "first number 0 of every head, then number 1 of every head, and so on",
    "batch head": "first all heads of the first sequence, then all of the second, and so on",
    "head batch": "first head 0 of all sequences, then head 1 of all sequences, and so on",
    "qkv head d_head": "first all queries, then all keys, then all values; in each, all numbers of head 0 come first, "
    "then all of head 1, and so on",
    "qkv d_head head": "first all queries, then all keys, then all values; in each, number 0 of every head comes "
    "first, then number 1, and so on",
    "head qkv d_head": "first the query, key and value of head 0, then those of head 1, and so on",
    "head d_head qkv": "first all of head 0, then all of head 1, and so on; in each, number 0 of query, key and value "
    "comes first, then number 1 of all three, and so on",
    "group head d_head": "first all heads of group 0, then all of group 1, and so on, each head d_head numbers in a "
    "row",
    "head group d_head": "first head 0 of every group, then head 1 of every group, and so on, each head d_head numbers "
    "in a row",
    "group d_head head": "first all of group 0, then all of group 1, and so on; in each, number 0 of every head comes "
    "first, then number 1, and so on",
}
STORED = {  # what is stored, in words
    "batch head seq d_head": "for each sequence and, within it, each head, a matrix with a row of d_head numbers per "
    "token",
    "batch seq head d_head": "for each sequence and, within it, each token, a matrix with a row of d_head numbers per "
    "head",
    "head batch seq d_head": "for each head and, within it, each sequence, a matrix with a row of d_head numbers per "
    "token",
    "batch head d_head seq": "for each sequence and, within it, each head, a matrix with a row for each of the d_head "
    "dimensions and a column per token",
    "seq batch head d_head": "for each token position and, within it, each sequence, a matrix with a row of d_head "
    "numbers per head",
    "batch seq d_model": "for each sequence and, within it, each token, one vector",
    "seq batch d_model": "for each token position and, within it, each sequence, one vector",
}


SHORT = {"heads": "head", "d_head": "dim"}


def holding(task: Pattern) -> str:
    return " ".join([f"`{name}` holds {HOLDS[' '.join(axis)]}." for axis, name in task.merged.items()])


def mistakes(task: Pattern) -> Iterator[Variant]:
    for axis in task.merged:
        for slow, fast in pairwise(axis):
            new = swapped((axis,), slow, fast)[0]
            yield Variant(
                "layout-swapped",
                replaced(task.left, axis, new),
                replaced(task.right, axis, new),
                f"You merge {slow} and {fast} the wrong way round. In brackets the first name changes slowest: "
                f"({slow} {fast}) goes all through {fast} before {slow} moves on by one.",
            )
    names = ("qkv", "group", "batch", "seq", "head", "heads", "d_head")
    for a, b in combinations([name for name in names if name in names_in(task.left)], 2):
        turn = f"{SHORT.get(a, a)}-{SHORT.get(b, b)}-swapped"
        if task.tensor == "x":
            because = f"Your result has {a} and {b} the wrong way round. Its axes are to be {axes_of(task.wanted)}."
            yield Variant(turn, task.left, swapped(task.right, a, b), because)
        else:
            because = (
                f"You read {a} and {b} the wrong way round. einops goes by position, so the left side names the axes "
                f"as they are stored: {axes_of(task.stored)}."
            )
            yield Variant(turn, swapped(task.left, a, b), task.right, because)


def named(story: str, task: Pattern) -> str:
    """Levels 1 and 3: every axis by name."""
    do = "Take the heads apart" if task.tensor == "x" else "Put the heads together"
    return (
        f"{story} `{task.tensor}` has the axes {axes_of(task.stored)}.\n\n{do}: the result has the axes "
        f"{axes_of(task.wanted)}. {holding(task)}"
    ).strip()


def in_words(task: Pattern) -> str:
    """Level 2: what is stored, and what is wanted."""
    [axis] = task.merged
    stored, wanted = STORED[" ".join(task.stored)], STORED[" ".join(task.wanted)]
    if task.tensor == "x":
        return (
            f"`x` holds, {stored}. Each vector is made of {task.given['head']} heads of d_head numbers: "
            f"{HOLDS[' '.join(axis)]}.\n\nWanted, {wanted}.\n\nThe number of heads is passed as `head`."
        )
    return f"`z` holds, {stored}.\n\nWanted, {wanted}: {HOLDS[' '.join(axis)]}."


def as_code(rng: Rng, task: Pattern) -> str:
    """Level 2: torch code that does it."""
    code, given = as_torch(task), list(task.given.items())
    apart, together = (task.wanted, task.left) if given else (task.stored, task.right)
    at = apart.index("head")
    if names_in(together) == [*apart[:at], *apart[at + 1 : -1], "head", apart[-1]] and rng.chance(0.7):
        code = f"torch.cat(z.unbind({at}), dim=-1)"
        if given:
            code = f"torch.stack(x.chunk({task.given['head']}, dim=-1), dim={at})"
    passed = [f"The axis of {size} heads is called `{name}`; the call passes `{name}={size}`." for name, size in given]
    return " ".join([code_question(code, task), *passed])


def as_written(rng: Rng) -> tuple[str, Pattern, Variant]:
    """The pattern that people write first, which raises, and the one that they mean."""
    count, apart = rng.pick((12, 12, 8, 4)), rng.pick(("batch seq heads d_head", "batch heads seq d_head"))
    inner = rng.pick(("heads d_head", "heads d_head", "d_head heads"))
    task = Pattern.named("batch seq d_model", apart, {"d_model": inner}, given={"heads": count})
    wrong = Variant(
        "not-split",
        plain(task.stored),
        task.right,
        "d_model is on the left alone, and d_head on the right alone. einops splits only what the left side shows in "
        "brackets; every name stands on both sides.",
    )
    line = f"rearrange(x, 'batch seq d_model -> {apart}', heads={count})"
    return (
        fenced("This line raises an error:", line)
        + (
            f"\n\nIt was meant to cut each d_model vector into {count} heads, as the right side says. The vector holds "
            f"{HOLDS[inner.replace('heads', 'head')]}.\n\nWrite the pattern that was meant."
        ),
        task,
        wrong,
    )


def posed(prompt: str, task: Pattern, *first: Variant, axes_told: bool) -> WritePattern:
    puzzle = task.posed(
        prompt,
        [*first, *mistakes(task)],
        hints=[
            (
                "Left of the arrow stand the axes as they are stored, right of it as they are wanted. The same names "
                "stand on both sides."
            ),
            (
                "An axis that holds several is written in brackets, the name that changes slowest first: (outer inner) "
                "goes through every inner before the next outer."
            ),
        ],
        why="In an einops pattern, brackets on the left decompose an axis and brackets on the right compose one. "
        "Inside them the first name is the outermost and changes slowest, as in a reshape of a contiguous tensor. "
        "All sizes but one of a decomposed axis must be passed. Names mean nothing to einops: it goes by position.",
    )
    return replace(puzzle, axes_told=axes_told)


@drill(after=["einops.split"], levels=3, lesson="Einops and einsum", arena="1.1", structures=(28, 28, 150))
def split_heads(rng: Rng) -> WritePattern:
    """Split d_model into heads, and merge them back."""
    told = rng.level > 1
    if rng.level < THIRD and rng.chance(0.25 if rng.level == 1 else 0.15):
        return posed(*as_written(rng), axes_told=told)
    scene = rng.pick(COMPOSED) if rng.level == THIRD else PLAIN
    task = scene.drawn(rng)
    if rng.level == SECOND:
        return posed(as_code(rng, task) if rng.chance() else in_words(task), task, axes_told=told)
    return posed(named(scene.story, task), task, axes_told=told)
