"""Dtypes by their names, as `float32`: how two of them promote, and predictions of them as a learner types them.

It serves to tell mistakes apart; what is right is for torch to say, by running the program.
"""

from collections.abc import Iterable, Sequence

from tensordrill.puzzles import Wrong

WHOLE = ("uint8", "int8", "int16", "int32", "int64")
FLOATING = ("float16", "bfloat16", "float32", "float64")
BITS = {"bool": 1, "uint8": 8, "int8": 8, "int16": 16, "float16": 16, "bfloat16": 16, "int32": 32, "float32": 32,
        "int64": 64, "float64": 64}  # fmt: skip


def category(dtype: str) -> int:
    """0 for bool, 1 for whole numbers, 2 for floating ones."""
    return 2 if dtype in FLOATING else 1 if dtype in WHOLE else 0


def promoted(one: str, other: str) -> str:
    """The dtype of two tensors that both have axes."""
    if one == other:
        return one
    low, high = sorted([one, other], key=lambda dtype: (category(dtype), BITS[dtype]))
    if category(low) < category(high) or BITS[low] < BITS[high]:
        return high
    return "float32" if category(low) == category("float32") else "int16"


def as_answer(dtypes: Sequence[str]) -> str:
    """One dtype, or a list of them, as an expression; `error` stays what it is."""
    if "error" in dtypes:
        return "error"
    named = [f"torch.{dtype}" for dtype in dtypes]
    return named[0] if len(named) == 1 else f"[{', '.join(named)}]"


def mistaken(right: Sequence[str], beliefs: Iterable[tuple[str, Sequence[str], str]]) -> list[Wrong]:
    """Beliefs (an id, dtypes, a sentence) as wrong turns, without what is right, and each prediction once."""
    seen, wrong = [list(right)], []
    for name, dtypes, because in beliefs:
        if list(dtypes) not in seen:
            seen.append(list(dtypes))
            wrong.append(Wrong(name, as_answer(dtypes), because))
    return wrong
