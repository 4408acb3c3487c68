"""Patterns: axes named, split, merged and put in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from tensordrill.authoring import Rng, Tensor, WritePattern, Wrong, drill


def swapped(side: str, a: str, b: str) -> str:
    """One side of a pattern with two of its names exchanged."""
    return re.sub(r"\w+", lambda name: {a: b, b: a}.get(name[0], name[0]), side)


def axes_of(side: str, merged: Mapping[str, str]) -> tuple[str, ...]:
    """The axes of a tensor, `merged` naming each bracket: `(head d_head)` is `d_model`."""
    for bracket, name in merged.items():
        side = side.replace(bracket, name)
    return tuple(side.split())


def product(bracket: str) -> str:
    """The size of a bracket. Its names are in an order of their own, which says nothing about how they are stored."""
    return " * ".join(sorted(bracket.strip("()").split(), key=SIZES.index))


def shown(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)})"


# --- heads

SIZES = ("qkv", "batch", "group", "head", "heads", "d_head")


@dataclass(frozen=True)
class Heads:
    """A pattern's two sides, the sizes that the call passes, and a name for each bracket."""

    tensor: str
    left: str
    right: str
    given: Mapping[str, int]
    merged: Mapping[str, str]
    word: str = "head"
    extra: Sequence[Wrong] = field(default_factory=tuple)

    @property
    def pattern(self) -> str:
        return f"{self.left} -> {self.right}"

    @property
    def stored(self) -> tuple[str, ...]:
        return axes_of(self.left, self.merged)

    @property
    def wanted(self) -> tuple[str, ...]:
        return axes_of(self.right, self.merged)

    def meaning(self, pattern: str) -> str:
        """The same for patterns that differ only in names that the call does not pass."""
        numbers: dict[str, str] = {}
        return re.sub(
            r"\w+", lambda n: n[0] if n[0] in self.given else numbers.setdefault(n[0], str(len(numbers))), pattern
        )

    def wrong_turns(self) -> list[Wrong]:
        """The mistakes that mean something else than what is asked, and than each other."""
        seen = {self.meaning(self.pattern)}
        wrong = []
        for mistake in (*self.extra, *self.mistakes()):
            if (meaning := self.meaning(str(mistake.answer))) not in seen:
                seen.add(meaning)
                wrong.append(mistake)
        return wrong

    def mistakes(self) -> Iterator[Wrong]:
        for bracket in self.merged:
            names = bracket.strip("()").split()
            for slow, fast in pairwise(names):
                yield Wrong(
                    "layout-swapped",
                    self.pattern.replace(bracket, swapped(bracket, slow, fast)),
                    f"You merge {slow} and {fast} the wrong way round. In brackets the first name changes slowest: "
                    f"({slow} {fast}) goes all through {fast} before {slow} moves on by one.",
                )
        side = self.right if "(" in self.left else self.left
        names = [
            name for name in ("qkv", "group", "batch", "seq", self.word, "d_head") if name in re.findall(r"\w+", side)
        ]
        for a, b in combinations(names, 2):
            name = "-".join([{"d_head": "dim", self.word: "head"}.get(axis, axis) for axis in (a, b)]) + "-swapped"
            if "(" in self.left:
                yield Wrong(
                    name,
                    f"{self.left} -> {swapped(self.right, a, b)}",
                    f"Your result has {a} and {b} the wrong way round. Its axes are to be {shown(self.wanted)}.",
                )
            else:
                yield Wrong(
                    name,
                    f"{swapped(self.left, a, b)} -> {self.right}",
                    f"You read {a} and {b} the wrong way round. einops goes by position, so the left side names the "
                    f"axes as they are stored: {shown(self.stored)}.",
                )


HEAD_MAJOR = "first all numbers of head 0, then all of head 1, and so on"
DIM_MAJOR = "first number 0 of every head, then number 1 of every head, and so on"
# The heads apart, and the same in words.
APART = {
    "batch head seq d_head": "for each sequence and, within it, each head, a matrix with a row of d_head numbers per "
    "token",
    "batch seq head d_head": "for each sequence and, within it, each token, a matrix with a row of d_head numbers "
    "per head",
    "head batch seq d_head": "for each head and, within it, each sequence, a matrix with a row of d_head numbers per "
    "token",
    "batch head d_head seq": "for each sequence and, within it, each head, a matrix with a row for each of the d_head "
    "dimensions and a column per token",
    "seq batch head d_head": "for each token position and, within it, each sequence, a matrix with a row of d_head "
    "numbers per head",
}
TOGETHER = {
    "batch seq": "for each sequence and, within it, each token, one vector",
    "seq batch": "for each token position and, within it, each sequence, one vector",
}


@dataclass(frozen=True)
class Layout:
    """How heads are stored together and apart."""

    together: str
    apart: str
    dim_major: bool
    count: int

    @property
    def bracket(self) -> str:
        return "(d_head head)" if self.dim_major else "(head d_head)"

    @property
    def order(self) -> str:
        return DIM_MAJOR if self.dim_major else HEAD_MAJOR

    def split(self) -> Heads:
        return Heads(
            "x", f"{self.together} {self.bracket}", self.apart, {"head": self.count}, {self.bracket: "d_model"}
        )

    def merge(self) -> Heads:
        return Heads("z", self.apart, f"{self.together} {self.bracket}", {}, {self.bracket: "d_model"})


def layout(rng: Rng) -> Layout:
    together = "batch seq" if rng.chance(0.7) else "seq batch"
    return Layout(together, rng.pick(tuple(APART)), rng.chance(0.35), rng.pick((2, 3, 4, 6, 8)))


def named(how: Layout, task: Heads) -> str:
    """Level 1: every axis by name."""
    if task.given:
        return (
            f"`x` has the axes {shown(task.stored)}. Each d_model vector holds {how.count} heads of d_head numbers: "
            f"{how.order}.\n\nTake the heads apart. The result has the axes {shown(task.wanted)}."
        )
    return (
        f"`z` has the axes {shown(task.stored)}. Put the heads together again: each d_model vector holds "
        f"{how.order}.\n\nThe result has the axes {shown(task.wanted)}."
    )


def in_words(how: Layout, task: Heads) -> str:
    """Level 2: what is stored, and what is wanted."""
    if task.given:
        return (
            f"`x` holds, {TOGETHER[how.together]}. Each vector is made of {how.count} heads of d_head numbers: "
            f"{how.order}.\n\nWanted, {APART[how.apart]}.\n\nThe number of heads is passed as `head`."
        )
    return f"`z` holds, {APART[how.apart]}.\n\nWanted, {TOGETHER[how.together]}: {how.order}."


def as_code(rng: Rng, how: Layout, task: Heads) -> str:
    """Level 2: torch code that does it."""
    apart = how.apart.split()
    inner = ["d_head", "head"] if how.dim_major else ["head", "d_head"]
    flat = [*how.together.split(), *inner]
    at = apart.index("head")
    plain = (
        not how.dim_major and [a for a in apart if a != "head"] == [*how.together.split(), "d_head"] and rng.chance(0.7)
    )
    if task.given:
        order = ", ".join(str(flat.index(axis)) for axis in apart)
        sizes = f"-1, {how.count}" if how.dim_major else f"{how.count}, -1"
        code = f"x.unflatten(-1, ({sizes})).permute({order})"
        if plain:
            code = f"torch.stack(x.chunk({how.count}, dim=-1), dim={at})"
        ending = f"The pattern names the axis of {how.count} heads `head`; the call passes `head={how.count}`."
    else:
        order = ", ".join(str(apart.index(axis)) for axis in flat)
        code = f"torch.cat(z.unbind({at}), dim=-1)" if plain else f"z.permute({order}).flatten(-2)"
        ending = ""
    return (
        f"Write what this does as one pattern:\n\n```python\n{code}\n```\n\n"
        f"`{task.tensor}` has the axes {shown(task.stored)}. {ending}"
    ).rstrip()


def as_written(rng: Rng) -> tuple[str, Heads]:
    """The pattern that people write first, which raises."""
    count, apart = rng.pick((12, 12, 8, 4)), rng.pick(("batch seq heads d_head", "batch heads seq d_head"))
    order, bracket = (HEAD_MAJOR, "(heads d_head)") if rng.chance(0.7) else (DIM_MAJOR, "(d_head heads)")
    written = f"batch seq d_model -> {apart}"
    task = Heads(
        "x", f"batch seq {bracket}", apart, {"heads": count}, {bracket: "d_model"}, "heads",
        [Wrong("not-split", written, "d_model is on the left alone, and d_head on the right alone. einops splits "
          "only what the left side shows in brackets; every name stands on both sides.")],
    )  # fmt: skip
    return (
        f"This line raises an error:\n\n```python\nrearrange(x, '{written}', heads={count})\n```\n\n"
        f"It was meant to cut each d_model vector into {count} heads, as the right side says. The vector holds "
        f"{order}.\n\nWrite the pattern that was meant."
    ), task


def fused(rng: Rng) -> tuple[str, Heads]:
    """Queries, keys and values from one projection."""
    count = rng.pick((2, 4, 5, 6, 8))
    layouts = {
        "(qkv head d_head)": "all queries, then all keys, then all values; each of them is first all of head 0, then "
        "all of head 1, and so on",
        "(head qkv d_head)": "the query, key and value of head 0, then those of head 1, and so on",
        "(qkv d_head head)": f"all queries, then all keys, then all values; each of them is {DIM_MAJOR}",
    }
    bracket = rng.pick(tuple(layouts))
    right = rng.pick(("qkv batch head seq d_head", "qkv batch seq head d_head", "batch head qkv seq d_head"))
    task = Heads("x", f"batch seq {bracket}", right, {"qkv": 3, "head": count}, {bracket: "d_fused"})
    return (
        f"`x` has the axes {shown(task.stored)}. One projection made queries, keys and values of {count} heads: each "
        f"d_fused vector holds {layouts[bracket]}.\n\nTake them apart. The result has the axes {shown(task.wanted)}."
    ), task


def folded(rng: Rng) -> tuple[str, Heads]:
    """Heads moved into the batch axis, or back out of it, as bmm needs it."""
    how = layout(rng)
    batches = {
        "(batch head)": "the first sequence's heads one after the other, then the second's",
        "(head batch)": "head 0 of all sequences, then head 1 of all sequences",
    }
    bracket = rng.pick(tuple(batches))
    apart, vectors = f"{bracket} seq d_head", f"{how.together} {how.bracket}"
    merged = {how.bracket: "d_model", bracket: "rows"}
    if rng.chance():
        task = Heads("x", vectors, apart, {"head": how.count}, merged)
        return (
            f"`torch.bmm` takes one batch axis, so the heads go into it. `x` has the axes {shown(task.stored)}; each "
            f"d_model vector holds {how.count} heads: {how.order}.\n\nThe result has the axes {shown(task.wanted)}. "
            f"Its rows are {batches[bracket]}, and so on."
        ), task
    task = Heads("z", apart, vectors, {"head": how.count}, merged)
    return (
        f"`torch.bmm` has left the {how.count} heads in the batch axis: `z` has the axes {shown(task.stored)}, and "
        f"its rows are {batches[bracket]}, and so on.\n\nThe result has the axes {shown(task.wanted)}; each d_model "
        f"vector holds {how.order}."
    ), task


def grouped(rng: Rng) -> tuple[str, Heads]:
    """Heads in groups that share keys."""
    count, size = rng.distinct(2, 2, 5)
    layouts = {
        "(group head d_head)": "all heads of group 0, then all heads of group 1, and so on",
        "(head group d_head)": "head 0 of every group, then head 1 of every group, and so on",
    }
    bracket = rng.pick(tuple(layouts))
    vectors = f"batch seq {bracket}"
    apart = rng.pick(("batch group head seq d_head", "group batch head seq d_head", "batch seq group head d_head"))
    text = f"{layouts[bracket]}; every head is d_head numbers in a row"
    if bracket == "(group head d_head)" and apart.startswith("batch seq"):
        apart = "batch group seq head d_head"
    if rng.chance():
        task = Heads("x", vectors, apart, {"group": count, "head": size}, {bracket: "d_model"})
        return (
            f"Grouped-query attention has {count} groups of {size} heads. `x` has the axes {shown(task.stored)}; each "
            f"d_model vector holds {text}.\n\nTake it apart. The result has the axes {shown(task.wanted)}."
        ), task
    task = Heads("z", apart, vectors, {}, {bracket: "d_model"})
    return (
        f"Grouped-query attention ends with `z`, whose axes are {shown(task.stored)}. Put the heads together: each "
        f"d_model vector holds {text}.\n\nThe result has the axes {shown(task.wanted)}."
    ), task


def heads_task(rng: Rng) -> tuple[str, Heads]:
    if rng.level == 3:  # noqa: PLR2004 -- the highest level
        return rng.pick((fused, folded, grouped))(rng)
    if rng.chance(0.25 if rng.level == 1 else 0.15):
        return as_written(rng)
    how = layout(rng)
    task = how.merge() if rng.chance() else how.split()
    if rng.level == 1:
        return named(how, task), task
    return (as_code(rng, how, task) if rng.chance() else in_words(how, task)), task


def posed(prompt: str, task: Heads, *, axes_told: bool) -> WritePattern:
    return WritePattern(
        prompt=prompt,
        tensor=Tensor(task.tensor, task.stored),
        output=task.wanted,
        pattern=task.pattern,
        given=task.given,
        derived={name: product(bracket) for bracket, name in task.merged.items()},
        axes_told=axes_told,
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
        wrong=task.wrong_turns(),
    )


@drill(after=["einops.split"], levels=3, lesson="Einops and einsum")
def split_heads(rng: Rng) -> WritePattern:
    """Split d_model into heads, and merge them back."""
    prompt, task = heads_task(rng)
    return posed(prompt, task, axes_told=rng.level > 1)
