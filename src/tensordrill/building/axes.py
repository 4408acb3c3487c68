"""Tensors by the names of their axes: one of them indexed, a tensor made ready to broadcast."""

from collections.abc import Sequence


def index_of(parts: Sequence[str]) -> str:
    """An index, without what may be left out at its end."""
    kept = list(parts)
    while kept and kept[-1] == ":":
        kept.pop()
    return f"[{', '.join(kept)}]" if kept else ""


def taken(axes: Sequence[str], axis: str, entry: str) -> str:
    """The index that takes one entry of an axis: `[..., 0]` where it is the last."""
    if axis == axes[-1] and len(axes) > 1:
        return f"[..., {entry}]"
    return index_of([entry if it == axis else ":" for it in axes])


def placed(name: str, has: Sequence[str], axes: Sequence[str]) -> str:
    """A tensor of one or two axes `has`, made ready to broadcast with one of `axes`."""
    text = name if list(has) == sorted(has, key=list(axes).index) else f"{name}.T"
    parts = [":" if axis in has else "None" for axis in axes]
    while parts and parts[0] == "None":
        del parts[0]
    return text + index_of(parts)
