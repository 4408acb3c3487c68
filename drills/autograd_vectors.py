"""Autograd: backward passes that start from a vector."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill
from tensordrill.building.gradients import Belief, Node, Tape, entries, floats, nested, predicted, settled

THIRD = 3  # level


class Ending(NamedTuple):
    """A line that walks back from y, what it leaves in x.grad (None: it raises), and what people take it for.

    Where it raises, a mistake is another line in its place; else it is other numbers, or `error`.
    """

    line: str
    gradient: object
    beliefs: Sequence[Belief] = ()
    instead: Sequence[tuple[str, str, str]] = ()


MUST_FAIL = Wrong("must-fail", "error", "Nothing is wrong with this call: what it starts from is known.")
IMPLIED = "backward() takes no sum of its own accord. What starts the walk must be one number, or `gradient` be given."
NOTHING = "It does not pass in silence: backward() raises where it cannot know what to start from."


def refused(y: Node, x: Node) -> Ending:
    first, total = [entries(node.gradient(x)) for node in (y[0], y.sum())]
    told_apart = total not in (first, [len(y.values) * n for n in first])
    return Ending("y.backward()", None, instead=[
        ("sum-implied", "y.sum().backward()", IMPLIED),
        ("mean-implied", "y.mean().backward()", IMPLIED),
        *([("first-entry", "y[0].backward()", IMPLIED)] if told_apart else []),
        ("nothing-happens", "pass", NOTHING),
    ])  # fmt: skip


def mismatched(rng: Rng, y: Node) -> Ending:
    """A gradient of another shape than y."""
    k, size = rng.integer(2, 5), len(y.values)
    given, meant = rng.pick(
        [
            (f"torch.tensor({k}.)", f"torch.full_like(y, {k}.)"),
            (f"torch.tensor([{k}.])", f"torch.full_like(y, {k}.)"),
            (f"torch.full(({size}, 1), {k}.)", f"torch.full_like(y, {k}.)"),
            (f"torch.full((1, {size}), {k}.)", f"torch.full_like(y, {k}.)"),
        ]
    )
    shape = "The gradient that is passed must have exactly the shape of y. It is not broadcast."
    return Ending(f"y.backward({given})", None, instead=[
        ("gradient-broadcast", f"y.backward({meant})", shape),
        ("gradient-ignored", "y.sum().backward()", shape),
        ("nothing-happens", "pass", NOTHING),
    ])  # fmt: skip


def summed(y: Node, x: Node) -> Ending:
    size = len(y.values)
    total = y.sum().gradient(x)
    return Ending("y.sum().backward()", total, [
        Belief("mean-implied", nested([n / size for n in entries(total)], x.shape), "A sum is not divided by the "
               "number of its terms."),
        Belief("one-entry", y[0].gradient(x), "Every entry of y is in the sum, not the first alone."),
        *values_for_slopes(y, x),
    ])  # fmt: skip


def values_for_slopes(y: Node, x: Node) -> list[Belief]:
    return [
        Belief("value", nested(y.values, y.shape), "That is y. Its slopes are asked, weighed by what y starts from."),
        Belief("slope-forgotten", nested([1] * len(x.values), x.shape), "That is what comes back to y. It goes on to x "
               "through the slopes of y."),
    ]  # fmt: skip


def weighed(rng: Rng, y: Node, x: Node) -> Ending:
    g = rng.sample([2, 3, 4, 5, -1, -2], len(y.values))
    start = y.tape.constant("g", g)
    call = rng.pick(["y.backward({})", "y.backward(gradient={})", "torch.autograd.backward(y, {})"])
    right, plain = (start * y).sum().gradient(x), y.sum().gradient(x)
    return Ending(call.format(f"torch.tensor({floats(g)})"), right, [
        Belief("sum-implied", plain, "The vector that is passed says how much each entry counts. You counted each "
               "once."),
        Belief("weights-summed", nested([sum(g) * n for n in entries(plain)], x.shape), "Each entry of y has its own "
               "weight. They are not added up first."),
        Belief("weights-alone", list(g), "That is what y starts from. It goes on to x through the slopes of y."),
        *values_for_slopes(y, x),
    ])  # fmt: skip


def from_entry(rng: Rng, y: Node, x: Node) -> Ending:
    i = rng.integer(0, len(y.values) - 1)
    return Ending(f"y[{i}].backward()", y[i].gradient(x), [
        Belief("sum-implied", y.sum().gradient(x), f"Only y[{i}] starts the walk."),
        Belief("off-by-one", y[i - 1].gradient(x), "Entries are counted from 0."),
        *values_for_slopes(y, x),
    ])  # fmt: skip


def one_element(rng: Rng, y: Node, x: Node) -> Ending:
    """A tensor with one element, whatever its rank, starts from 1."""
    line, back = rng.pick(
        [
            ("y[:1].backward()", y[0]),
            ("y[-1:].backward()", y[len(y.values) - 1]),
            ("y.sum(0, keepdim=True).backward()", y.sum()),
            ("y.sum().reshape(1, 1).backward()", y.sum()),
            ("y[None].sum(1).backward()", y.sum()),
        ]
    )
    return Ending(line, back.gradient(x), [
        Belief("every-entry", y.sum().gradient(x), "The slice has one entry: only that starts the walk."),
        Belief("other-entry", y[0].gradient(x), "Look again which entries are left."),
        *values_for_slopes(y, x),
    ])  # fmt: skip


def ending(rng: Rng, kind: str, y: Node, x: Node) -> Ending:
    match kind:
        case "refused":
            return refused(y, x)
        case "mismatched":
            return mismatched(rng, y)
        case "summed":
            return summed(y, x)
        case "entry":
            return from_entry(rng, y, x)
        case "one":
            return one_element(rng, y, x)
    return weighed(rng, y, x)


def elementwise(rng: Rng, tape: Tape) -> tuple[Node, Node]:
    x = tape.leaf("x", rng.sample([1, 2, 3, 4, -1, -2], rng.integer(2, 3)))
    k = rng.integer(2, 5)
    kinds: list[Callable[[], Node]] = [
        lambda: k * x, lambda: x * k, lambda: x**2, lambda: k - 2 * x, lambda: x**2 + k, lambda: k * x**2,
        lambda: 3 * x - k,
    ]  # fmt: skip
    return x, tape.let("y", rng.pick(kinds)())


def through_matrix(rng: Rng, tape: Tape) -> tuple[Node, Node]:
    inputs = rng.integer(2, 3)
    w = tape.data("W", [rng.sample([1, 2, 3, 4, -1, -2], inputs) for _ in range(2)])
    x = tape.leaf("x", rng.sample([1, 2, 3, -1], inputs))
    kinds: list[Callable[[], Node]] = [lambda: w @ x, lambda: w @ x, lambda: 2 * (w @ x), lambda: (w @ x) ** 2]
    return x, tape.let("y", rng.pick(kinds)())


ENDINGS = (
    ("refused", "refused", "weighted", "weighted", "summed", "entry"),
    ("refused", "refused", "mismatched", "weighted", "weighted", "one", "one", "entry"),
    ("refused", "mismatched", "mismatched", "weighted", "weighted", "weighted", "one", "entry"),
)


@drill(after=["autograd.matvec"], levels=3, arena="0.4", structures=(200, 300, 400))
def non_scalar(rng: Rng) -> PredictValue:
    """A vector that backward() starts from."""
    kind = rng.pick(ENDINGS[rng.level - 1])

    def drawn() -> tuple[Tape, Node, Ending]:
        tape = Tape()
        x, y = through_matrix(rng, tape) if rng.level == THIRD else elementwise(rng, tape)
        return tape, y, ending(rng, kind, y, x)

    def fits(it: tuple[Tape, Node, Ending]) -> bool:
        _, y, end = it
        return all(y.values) and (end.gradient is None or few(end.gradient))

    tape, _, end = settled(drawn, fits, 12)
    wrong: list[Wrong | Edit] = [Edit(name, end.line, line, because) for name, line, because in end.instead]
    if end.gradient is not None:
        wrong += [*predicted(end.gradient, end.beliefs), MUST_FAIL]
    guide = "`y` has several numbers, so ask what the walk back starts from. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{guide}What is `x.grad` at the end? If a line raises, answer `error`.",
        program="\n".join([*tape.lines, end.line]),
        ask="x.grad",
        can_fail=True,
        hints=[
            "From a tensor of one element the walk back starts with 1. From any other it needs to be told with what.",
            (
                "What is passed as `gradient` must have the shape of the tensor, and x.grad is then the gradient of "
                "(gradient * y).sum()."
            ),
        ],
        why="backward() computes a vector-Jacobian product: `y.backward(g)` leaves J.T @ g in x.grad, the gradient of "
        "(g * y).sum(). g must have the shape of y. Only where y has one element may it be left out, and is then 1; "
        "otherwise torch raises: grad can be implicitly created only for scalar outputs.",
        wrong=wrong,
    )


def few(gradient: object) -> bool:
    numbers = entries(gradient)
    return any(numbers) and all(abs(number) <= 99 for number in numbers)  # noqa: PLR2004 -- two digits
