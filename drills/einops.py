"""Patterns: axes named, split, merged and put in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tensordrill.authoring import Rng, Tensor, WritePattern, Wrong, drill

Group = tuple[str, ...]  # one axis of the tensor: a name, or the names that are merged into it, slowest first


@dataclass(frozen=True)
class Rearrangement:
    """A pattern's two sides."""

    left: tuple[Group, ...]
    right: tuple[Group, ...]

    @property
    def pattern(self) -> str:
        return f"{side(self.left)} -> {side(self.right)}"

    def read_as(self, left: Sequence[Group]) -> "Rearrangement":
        return replace(self, left=tuple(left))

    def giving(self, right: Sequence[Group]) -> "Rearrangement":
        return replace(self, right=tuple(right))

    def renamed(self, names: dict[str, str]) -> "Rearrangement":
        left, right = ([tuple(names.get(axis, axis) for axis in g) for g in part] for part in (self.left, self.right))
        return Rearrangement(tuple(left), tuple(right))

    @property
    def reversed(self) -> "Rearrangement":
        return Rearrangement(self.right, self.left)


def side(groups: Sequence[Group]) -> str:
    return " ".join([group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups])


def groups(text: str) -> tuple[Group, ...]:
    """`groups("batch seq head+d_head")`: names joined by + are merged."""
    return tuple(tuple(axis.split("+")) for axis in text.split())


def swapped(side: Sequence[Group], a: str, b: str) -> list[Group]:
    return [tuple({a: b, b: a}.get(axis, axis) for axis in group) for group in side]


# --- heads

HEAD_MAJOR = "all numbers of head 0, then all of head 1, and so on"
DIM_MAJOR = "the first number of every head, then the second of every head, and so on"
# How the heads apart may be stored, with what code would do with them.
APART = (
    "batch head seq d_head",
    "batch seq head d_head",
    "head batch seq d_head",
    "batch head d_head seq",
    "seq batch head d_head",
)
TOGETHER = ("batch seq d_model", "batch seq d_model", "seq batch d_model")


@dataclass(frozen=True)
class Heads:
    """A split of d_model into heads, or the merge back."""

    split: Rearrangement  # from the heads together to the heads apart
    merge: bool
    dim_major: bool
    heads: int
    word: str = "head"

    @property
    def asked(self) -> Rearrangement:
        return self.split.reversed if self.merge else self.split

    @property
    def together(self) -> list[str]:
        return ["d_model" if len(group) > 1 else group[0] for group in self.split.left]

    @property
    def apart(self) -> list[str]:
        return [group[0] for group in self.split.right]

    @property
    def layout(self) -> str:
        return DIM_MAJOR if self.dim_major else HEAD_MAJOR


def heads(rng: Rng, *, word: str = "head", merge: bool, apart: Sequence[str] = APART) -> Heads:
    dim_major = rng.chance(0.3)
    inner = f"d_head+{word}" if dim_major else f"{word}+d_head"
    together, stored = rng.pick(TOGETHER), rng.pick(apart)
    if merge and together.split()[0] == stored.split()[0] == "seq":
        together = TOGETHER[0]
    left, right = groups(together.replace("d_model", inner)), groups(stored.replace("head ", f"{word} ", 1))
    return Heads(Rearrangement(left, right), merge, dim_major, rng.pick((2, 3, 4, 6, 8)), word)


def mistakes(told: Heads) -> Iterator[tuple[str, Rearrangement, str]]:
    """What goes wrong with heads, as patterns for the same call."""
    asked, word = told.asked, told.word
    outer = f"({word} d_head)"
    yield "layout-swapped", whole(asked, word, told.merge), (
        f"You have {word} and d_head the wrong way round in the brackets: the first name there changes slowest. "
        f"In {outer}, all numbers of a head lie together; in (d_head {word}), one number of every head does."
    )
    if not told.merge:
        yield "roles-swapped", asked.giving(swapped(asked.right, word, "d_head")), (
            f"Your result has {word} where d_head belongs, and d_head where {word} belongs."
        )
        yield "seq-head-swapped", asked.giving(swapped(asked.right, "seq", word)), (
            f"Your result has seq and {word} the wrong way round."
        )
        yield "batch-seq-swapped", asked.giving(swapped(asked.right, "batch", "seq")), (
            "Your result has batch and seq the wrong way round."
        )
        yield "not-moved", asked.giving([(axis,) for group in asked.left for axis in group]), (
            "You split d_model and leave the axes where they are; the result has them in another order."
        )
    else:
        yield "seq-head-swapped", asked.read_as(swapped(asked.left, "seq", word)), (
            f"You read seq and {word} the wrong way round. einops goes by position: the left side must name the axes "
            "as they are stored."
        )
        yield "roles-swapped", asked.read_as(swapped(asked.left, word, "d_head")), (
            f"You read {word} and d_head the wrong way round. The left side must name the axes as they are stored."
        )
        yield "batch-seq-swapped", asked.giving(swapped(asked.right, "batch", "seq")), (
            "Your result has batch and seq the wrong way round."
        )
        yield "heads-into-seq", asked.giving(into_seq(asked.right, word)), (
            "You merged the heads into seq: every head's vector stays short, and the sequence gets longer."
        )


def whole(asked: Rearrangement, word: str, merge: bool) -> Rearrangement:
    """With the brackets in the other order."""
    turned = [tuple(reversed(g)) if set(g) == {word, "d_head"} else g for g in (asked.right if merge else asked.left)]
    return asked.giving(turned) if merge else asked.read_as(turned)


def into_seq(right: Sequence[Group], word: str) -> list[Group]:
    return [("d_head",) if len(group) > 1 else (word, "seq") if group == ("seq",) else group for group in right]


def wrong_turns(asked: Rearrangement, found: Iterator[tuple[str, Rearrangement, str]]) -> list[Wrong]:
    """Those that mean something else than what is asked, and than each other."""
    wrong = {asked.pattern: Wrong("", "", "")}
    for name, mistake, because in found:
        wrong.setdefault(mistake.pattern, Wrong(name, mistake.pattern, because))
    return list(wrong.values())[1:]
