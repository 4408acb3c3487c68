"""Operations and their gradients as text, and what people mistake: what the drills share that ask for a backward pass.

In a text, `{x}` is the input of an operation, `{y}` its output and `{g}` the gradient of that output.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.rng import Rng

BACKWARD_MISTAKES = {
    "upstream-ignored": "The local derivative still has to be multiplied by the gradient that comes from above.",
    "wrong-point": "Mind what the local derivative is written in: the operation's input or its output. You took the "
    "other one.",
    "factor-lost": "A factor of the local derivative is missing.",
    "sign": "One gradient has the wrong sign.",
    "values-for-slope": "The local derivative is a slope, such as 1 or 0; you multiplied by the values.",
    "upstream-masked": "What decides is the sign of the input, not that of the upstream gradient.",
    "passed-through": "Where the forward pass dropped or replaced an entry, nothing comes back to it.",
    "dead": "Below zero the slope is small, not 0.",
    "one-use": "The tensor is used twice, and every use sends back a part: you kept one of them.",
    "inner-forgotten": "The chain rule goes on: the inner function's derivative is a factor, too.",
    "own-operand": "The derivative of a product by one factor is the other factor, not itself.",
    "operand-incomplete": "The derivative of a product by one factor is the other one, all of it.",
    "square-lost": "The divisor stands squared in its own derivative: x / y is x times y to the power of -1.",
    "power-kept": "The derivative of a power has an exponent that is one lower.",
    "log-lost": "By its exponent, a power grows with the logarithm of its base.",
    "swapped": "Each gradient goes to its own input.",
    "not-summed": "A number that is used in many places gets the sum of what they send back.",
    "wrong-axis": "The axis is another one.",
    "keepdim-lost": "The sum takes an axis away that has to stay, with size 1.",
    "axis-left": "The result still has an axis that its input lacks.",
    "averaged": "What the uses of a number send back is added up, not averaged.",
    "one-copy": "You kept what came back to one of the copies; they all add up.",
    "transposed": "In the gradient of a matrix product, a factor that stays is transposed against the forward pass.",
    "order": "The factors of that product stand the wrong way round: look at the shapes.",
    "axis-not-restored": "The upstream gradient lacks the axis that was reduced. Without it back in its place, it "
    "broadcasts along the wrong one.",
    "count-forgotten": "A mean divides by the number of entries, and so does its gradient.",
    "spread": "Only the entry that was taken gets a gradient.",
    "elementwise": "That is the diagonal of the Jacobian; every output depends on every entry of its line.",
    "upstream-sum-lost": "The normaliser is shared along the axis, so it gets the sum of the upstream gradient.",
    "forward-again": "You ran the forward operation once more; the gradient goes the other way.",
    "repeats-overwritten": "An entry that was taken several times gets the sum of what comes back; you kept one part.",
}


@dataclass(frozen=True)
class Derivative:
    """An operation on one tensor, the gradient of its input, and wrong ones by their ids. `name` is what it is called.

    Its texts may hold `{d}`, an axis, and `{e}`, another.
    """

    forward: str
    backward: str
    wrong: Mapping[str, str]
    name: str = ""


# On any numbers, entry by entry.
ENTRYWISE = (
    Derivative("{x}.exp()", "{g} * {y}", {"wrong-point": "{g} * {x}"}, "Exp"),
    Derivative("{x}.tanh()", "{g} * (1 - {y} ** 2)", {"wrong-point": "{g} * (1 - {x} ** 2)"}, "Tanh"),
    Derivative("{x}.sigmoid()", "{g} * {y} * (1 - {y})",
         {"wrong-point": "{g} * {x} * (1 - {x})", "factor-lost": "{g} * (1 - {y})"}, "Sigmoid"),
    Derivative("{x}.sin()", "{g} * {x}.cos()", {"wrong-point": "{g} * {y}.cos()", "sign": "-{g} * {x}.cos()"}, "Sine"),
    Derivative("{x} ** 2", "{g} * 2 * {x}", {"wrong-point": "{g} * 2 * {y}", "factor-lost": "{g} * {x}"}, "Square"),
    Derivative("{x} ** 3", "{g} * 3 * {x} ** 2",
         {"wrong-point": "{g} * 3 * {y} ** 2", "power-kept": "{g} * 3 * {x} ** 3"}, "Cube"),
    Derivative("F.softplus({x})", "{g} * {x}.sigmoid()", {"wrong-point": "{g} * {y}.sigmoid()"}, "Softplus"),
    Derivative("{x}.relu()", "{g} * ({x} > 0)", {"values-for-slope": "{g} * {y}", "upstream-masked": "{g} * ({g} > 0)"},
         "ReLU"),
    Derivative("F.leaky_relu({x}, 0.1)", "torch.where({x} > 0, {g}, 0.1 * {g})",
         {"values-for-slope": "{g} * {y}", "dead": "{g} * ({x} > 0)"}, "Leaky"),
    Derivative("F.elu({x})", "torch.where({x} > 0, {g}, {g} * ({y} + 1))",
         {"wrong-point": "torch.where({x} > 0, {g}, {g} * ({x} + 1))", "dead": "{g} * ({x} > 0)"}, "ELU"),
    Derivative("{x}.abs()", "{g} * {x}.sign()", {"values-for-slope": "{g} * {y}"}, "Absolute"),
)  # fmt: skip
NESTED = (
    Derivative("{x} / (1 + {x}.abs())", "{g} / (1 + {x}.abs()) ** 2",
         {"one-use": "{g} / (1 + {x}.abs())", "wrong-point": "{g} / (1 + {y}.abs()) ** 2"}, "Softsign"),
    Derivative("{x} * {x}.sigmoid()", "{g} * ({x}.sigmoid() + {y} * (1 - {x}.sigmoid()))",
         {"one-use": "{g} * {x}.sigmoid()"}, "SiLU"),
    Derivative("{x} * {x}.tanh()", "{g} * ({x}.tanh() + {x} * (1 - {x}.tanh() ** 2))", {"one-use": "{g} * {x}.tanh()"},
         "Gate"),
    Derivative("(1 + {x} ** 2).log()", "{g} * 2 * {x} / (1 + {x} ** 2)", {"inner-forgotten": "{g} / (1 + {x} ** 2)"},
         "Cauchy"),
    Derivative("(1 + {x} ** 2).sqrt()", "{g} * {x} / {y}", {"inner-forgotten": "{g} / (2 * {y})"}, "Root"),
    Derivative("(-({x} ** 2)).exp()", "{g} * -2 * {x} * {y}",
         {"inner-forgotten": "{g} * {y}", "sign": "{g} * 2 * {x} * {y}"}, "Bell"),
)  # fmt: skip
# Along one axis, which goes away.
REDUCTIONS = (
    Derivative("{x}.sum({d})", "{g}.unsqueeze({d}).expand_as({x})",
               {"axis-not-restored": "{g}.expand_as({x})",
                "averaged": "{g}.unsqueeze({d}).expand_as({x}) / {x}.shape[{d}]"}),
    Derivative("{x}.mean({d})", "{g}.unsqueeze({d}).expand_as({x}) / {x}.shape[{d}]",
               {"axis-not-restored": "{g}.expand_as({x}) / {x}.shape[{d}]",
                "count-forgotten": "{g}.unsqueeze({d}).expand_as({x})"}),
    Derivative("({x} ** 2).sum({d})", "2 * {x} * {g}.unsqueeze({d})",
               {"axis-not-restored": "2 * {x} * {g}", "factor-lost": "{x} * {g}.unsqueeze({d})",
                "inner-forgotten": "{g}.unsqueeze({d}).expand_as({x})"}),
    Derivative("{x}.amax({d})", "{g}.unsqueeze({d}) * ({x} == {x}.amax({d}, keepdim=True))",
               {"spread": "{g}.unsqueeze({d}).expand_as({x})", "values-for-slope": "{g}.unsqueeze({d}) * {x}"}),
    Derivative("{x}.logsumexp({d})", "{g}.unsqueeze({d}) * {x}.softmax({d})",
               {"axis-not-restored": "{g} * {x}.softmax({d})", "wrong-axis": "{g}.unsqueeze({d}) * {x}.softmax({e})",
                "inner-forgotten": "{g}.unsqueeze({d}).expand_as({x})"}),
    Derivative("{x}.norm(dim={d})", "{g}.unsqueeze({d}) * {x} / {y}.unsqueeze({d})",
               {"axis-not-restored": "{g} * {x} / {y}", "factor-lost": "{g}.unsqueeze({d}) * {x}"}),
    Derivative("{x}.prod({d})", "({g} * {y}).unsqueeze({d}) / {x}",
               {"axis-not-restored": "{g} * {y} / {x}", "factor-lost": "{g}.unsqueeze({d}).expand_as({x})"}),
)  # fmt: skip
# Along one axis; the shape stays. What adds to (or scales) all entries along it alike is lost, so its gradient is zero.
NORMALISING = (
    Derivative("{x}.softmax({d})", "{y} * ({g} - ({g} * {y}).sum({d}, keepdim=True))",
               {"elementwise": "{g} * {y} * (1 - {y})", "axis-not-restored": "{y} * ({g} - ({g} * {y}).sum({d}))",
                "wrong-axis": "{y} * ({g} - ({g} * {y}).sum({e}, keepdim=True))"}),
    Derivative("{x}.log_softmax({d})", "{g} - {y}.exp() * {g}.sum({d}, keepdim=True)",
               {"upstream-sum-lost": "{g} - {y}.exp()", "one-use": "{g}",
                "wrong-axis": "{g} - {y}.exp() * {g}.sum({e}, keepdim=True)"}),
    Derivative("{x} - {x}.mean({d}, keepdim=True)", "{g} - {g}.mean({d}, keepdim=True)",
               {"one-use": "{g}", "wrong-axis": "{g} - {g}.mean({e}, keepdim=True)"}),
    Derivative("{x} / {x}.norm(dim={d}, keepdim=True)",
               "({g} - {y} * ({g} * {y}).sum({d}, keepdim=True)) / {x}.norm(dim={d}, keepdim=True)",
               {"one-use": "{g} / {x}.norm(dim={d}, keepdim=True)",
                "elementwise": "({g} - {y} * {g} * {y}) / {x}.norm(dim={d}, keepdim=True)"}),
)  # fmt: skip
ALONG = (
    *NORMALISING,
    Derivative("{x}.cumsum({d})", "{g}.flip({d}).cumsum({d}).flip({d})",
               {"forward-again": "{g}.cumsum({d})", "wrong-axis": "{g}.flip({e}).cumsum({e}).flip({e})",
                "not-summed": "{g}"}),
    Derivative("{x} * {x}.sum({d}, keepdim=True)",
               "{g} * {x}.sum({d}, keepdim=True) + ({g} * {x}).sum({d}, keepdim=True)",
               {"one-use": "{g} * {x}.sum({d}, keepdim=True)",
                "not-summed": "{g} * {x}.sum({d}, keepdim=True) + {g} * {x}"}),
)  # fmt: skip


def fill(text: str, **names: object) -> str:
    """The text with those of its names in braces filled in; other braces stay."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def along_axis(rng: Rng, steps: Sequence[Derivative], rank: int) -> Derivative:
    """One of the steps, along an axis."""
    step = rng.pick(steps)
    axis, other = rng.sample(range(rank), 2)
    d, e = (axis - rank, other - rank) if rng.chance(0.4) else (axis, other)
    # Along the first axis, what lacks it broadcasts rightly.
    wrong = {name: fill(text, d=d, e=e) for name, text in step.wrong.items() if axis or name != "axis-not-restored"}
    return Derivative(fill(step.forward, d=d), fill(step.backward, d=d), wrong)


def stretched(rng: Rng, full: Sequence[str]) -> list[str]:
    """Axes of an operand that broadcasts against all of these, and lacks or stretches (as 1) one at least."""
    missing = rng.integer(0, len(full))
    if missing == len(full) and rng.chance(0.6):  # a single number is one case of many
        missing = rng.integer(0, len(full) - 1)
    own = [axis if rng.chance(0.6) else "1" for axis in full[missing:]]
    if not missing and "1" not in own:
        own[rng.integer(0, len(own) - 1)] = "1"
    return own


def summed_back(gradient: str, full: Sequence[str], own: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A gradient of all axes summed back to an operand that has its own; and wrong sums, no two of them the same."""
    lead = list(range(len(full) - len(own)))
    ones = [i for i, axis in enumerate(own, len(lead)) if axis == "1"]
    kept = [i for i in range(len(full)) if i not in lead and i not in ones]
    whole = gradient if re.fullmatch(r"[\w{}]+", gradient) else f"({gradient})"
    if len(kept) == len(full):
        return gradient, {}
    if not own:
        return f"{whole}.sum()", {"not-summed": gradient, "averaged": f"{whole}.mean()"}
    first = f".sum({_dims(lead)})" if lead else ""
    then = f".sum({_dims([i - len(lead) for i in ones])}, keepdim=True)" if ones else ""
    right = f"{whole}{first}{then}"
    wrong = {"not-summed": gradient, "averaged": whole + f"{first}{then}".replace("sum", "mean")}
    if ones:
        wrong["keepdim-lost"] = f"{whole}.sum({_dims(lead + ones)})"
    if lead:
        wrong["axis-left"] = f"{whole}.sum({_dims(lead + ones)}, keepdim=True)"
        wrong["one-copy"] = f"{whole}[{', '.join('0' for _ in lead)}]{then}"
    if kept:
        wrong["wrong-axis"] = f"{whole}.sum({_dims(kept)}{'' if lead else ', keepdim=True'})"
    return right, wrong


def _dims(axes: Sequence[int]) -> str:
    return str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"
