"""Autograd: what a backward pass leaves in `.grad`."""

import re
from collections.abc import Sequence
from math import prod

from tensordrill.authoring import PredictValue, Rng, Wrong, drill

# Ways to stretch an operand to (r, c) or (a, r, c): its shape, and a hasty sum of the full gradient, over other axes.
STRETCHED_2D = (("c", "sum(1)"), ("r 1", "sum(0, keepdim=True)"), ("1 c", "sum(1, keepdim=True)"))
STRETCHED_3D = (
    ("c", "sum(0)"),
    ("r c", "sum(1)"),
    ("r 1", "sum(0)"),
    ("a 1 c", "sum(0, keepdim=True)"),
    ("1 r 1", "sum(0, keepdim=True)"),
    ("a 1 1", "sum(2, keepdim=True)"),
)
AXES = {"a": "block", "r": "row", "c": "column"}


def filled(name: str, values: Sequence[object], suffix: str = "") -> str:
    """The line that makes a float tensor of nested lists of whole numbers, broken after its rows where it is long."""
    rows = [re.sub(r"\d+", r"\g<0>.", str(row)) for row in values]
    start = f"{name} = torch.tensor(["
    glue = ",\n" + " " * len(start) if sum(map(len, rows)) > 30 else ", "  # noqa: PLR2004 -- fits a narrow terminal
    return f"{start}{glue.join(rows)}]{suffix})"


def trained(name: str, values: Sequence[object]) -> str:
    return filled(name, values, ", requires_grad=True")


def weights(rng: Rng, uses: int, *shape: int) -> str:
    """The line for g, of which no mean over that many uses is their number: averaged is never as if g were ignored."""
    few = uses < 4  # noqa: PLR2004 -- with more, 2 and 3 are below it
    return filled("g", rng.ints(*shape, low=uses + 1 if few else 2, high=uses + 3 if few else 3))


def gradient(
    name: str,
    *,
    lines: Sequence[str],
    y: str,
    loss: str,
    local: str,
    hasty_sum: str,
    uses: int,
    prompt: str = "",
    wrong: Sequence[Wrong] = (),
) -> PredictValue:
    """Asks for `name.grad`. `local` is the whole gradient, of the broadcast shape, before it is summed."""
    turns = [
        Wrong("not-summed", local, f"{name} is stretched: each of its numbers is used in {uses} places. "
              f"What they send back is added up, so {name}.grad has the shape of {name}."),
        Wrong("wrong-axis", f"({local}).{hasty_sum}", f"You did not sum over the axes along which {name} is stretched, "
              f"those and no others. {name}.grad has the shape of {name}."),
        Wrong("averaged", f"{name}.grad / {uses}", f"The {uses} places that use a number send back gradients that are "
              "added up, not averaged."),
        *wrong,
    ]  # fmt: skip
    if "g" in loss.split("backward")[0] or loss.endswith("(g)"):
        ignoring = f"torch.autograd.grad(({y}).sum(), {name})[0]"
        turns.append(Wrong("upstream-ignored", ignoring, "Each place gets the local gradient times its weight in g."))
    return PredictValue(
        prompt=prompt,
        program="\n".join([*lines, loss]),
        ask=f"{name}.grad",
        wrong=turns,
        hints=[
            f"A gradient has the shape of its tensor. What is the shape of {name}, and to what is it stretched?",
            f"Take one number of {name} and find every place that uses it. Each sends back a gradient: "
            "its weight in the loss times what it is multiplied by. Add them up.",
        ],
        why="Broadcasting uses one number in many places, and such a number gets the sum of what they send back. So the "
        "gradient of a broadcast operand is upstream times local, summed over the axes along which it was stretched, "
        "and has the operand's own shape (torch's sum_to_size does that sum).",
    )


@drill(levels=3)
def broadcast(rng: Rng) -> PredictValue:
    """Gradient of a broadcast operand."""
    if rng.level == 2 and rng.chance(0.4):  # noqa: PLR2004
        return outer(rng)
    if rng.level == 3 and rng.chance(0.4):  # noqa: PLR2004
        return standardised(rng)
    shape, hasty_sum = rng.pick(STRETCHED_3D if rng.level == 3 else STRETCHED_2D)  # noqa: PLR2004
    return stretched(rng, shape, hasty_sum)
