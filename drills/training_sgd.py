"""Training: what SGD does to a weight, with numbers that fit on an envelope."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, entries, predicted

GUIDED, COMPOSED = 1, 3  # levels
LARGEST = 99
TRIES = 60
T = TypeVar("T")


def first_fit(draw: Callable[[], T], fits: Callable[[T], bool], otherwise: T) -> T:
    """The first draw that fits; after many that do not, one that is known to."""
    return next((it for it in (draw() for _ in range(TRIES)) if fits(it)), otherwise)


def whole(numbers: object) -> bool:
    """Whether they are small whole numbers."""
    return all(number == int(number) and abs(number) <= LARGEST for number in entries(numbers))


@dataclass(frozen=True)
class Sgd:
    """The settings of torch.optim.SGD, and what people believe about them."""

    lr: float
    momentum: float = 0
    weight_decay: float = 0
    nesterov: bool = False
    dampening: float = 0
    maximize: bool = False
    decay: str = "in the gradient"
    buffer: str = "as torch"

    def run(self, w: float, slopes: Sequence[float], rates: Sequence[float] = ()) -> tuple[list[float], list[float]]:
        """The weight and the buffer after each step."""
        weights, buffers, buffer, start = [], [], 0.0, w
        for at, slope in enumerate(slopes):
            lr = rates[at] if rates else self.lr
            gradient = -slope if self.maximize else slope
            shrink = self.weight_decay * (start if self.decay == "of the start" else w)
            if self.decay in ("in the gradient", "of the start"):
                gradient += shrink
            elif self.decay == "subtracted":
                gradient -= shrink
            share = 1 - (self.dampening if at or self.buffer == "damped from the start" else 0)
            if self.buffer == "average" or (self.buffer == "first damped" and at == 0):
                share = 1 - self.momentum
            buffer = self.momentum * buffer + (lr if self.buffer == "of updates" else 1) * share * gradient
            move = gradient + self.momentum * buffer if self.nesterov else buffer
            w -= move if self.buffer == "of updates" else lr * move
            w -= lr * shrink if self.decay == "decoupled" else shrink if self.decay == "without lr" else 0
            weights.append(w)
            buffers.append(buffer)
        return weights, buffers

    @property
    def written(self) -> str:
        parts = [f"lr={self.lr}"]
        parts += [f"momentum={self.momentum}"] if self.momentum else []
        parts += [f"dampening={self.dampening}"] if self.dampening else []
        parts += [f"weight_decay={self.weight_decay}"] if self.weight_decay else []
        parts += ["nesterov=True"] if self.nesterov else []
        parts += ["maximize=True"] if self.maximize else []
        return ", ".join(parts)


SGD_BELIEFS: Sequence[tuple[str, dict[str, Any], str]] = (
    ("decoupled-decay", {"decay": "decoupled"}, ("That is decoupled decay, as in AdamW. In SGD weight_decay * w is "
     "added to the gradient, and so goes into the momentum buffer too.")),
    ("decay-of-start", {"decay": "of the start"}, ("Each step decays with the weight as it is then, not as it was at "
     "the start.")),
    ("decay-sign", {"decay": "subtracted"}, ("Decay pulls the weight to 0: weight_decay * w is added to the gradient, "
     "which is subtracted from the weight.")),
    ("decay-without-lr", {"decay": "without lr"}, ("Decay is a part of the gradient: the learning rate multiplies it "
     "too.")),
    ("decay-forgotten", {"weight_decay": 0}, "weight_decay * w is added to the gradient in every step."),
    ("first-buffer-damped", {"buffer": "first damped"}, ("The buffer begins as the whole first gradient, not as "
     "(1 - momentum) times it.")),
    ("averaged", {"buffer": "average"}, ("SGD's buffer is no average: it is momentum * buffer + gradient, with no "
     "factor 1 - momentum.")),
    ("momentum-forgotten", {"momentum": 0, "nesterov": False, "dampening": 0}, ("The step goes along the buffer, "
     "momentum * buffer + gradient, and not along the gradient alone.")),
    ("dampening-forgotten", {"dampening": 0}, ("From the second step on, the gradient goes into the buffer times "
     "1 - dampening.")),
    ("damped-from-the-start", {"buffer": "damped from the start"}, ("The first gradient goes into the buffer as it is: "
     "dampening begins with the second step.")),
    ("nesterov-forgotten", {"nesterov": False}, "With nesterov=True the step goes along gradient + momentum * buffer."),
    ("maximize-forgotten", {"maximize": False}, "With maximize=True the gradient is turned round first."),
    ("lr-in-the-buffer", {"buffer": "of updates"}, ("The buffer holds gradients, not updates: a new learning rate "
     "multiplies all of it at once.")),
)  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """A run: the weight, the optimizer, the gradients, and the learning rates where they change."""

    start: int
    rule: Sgd
    slopes: list[int]
    rates: tuple[float, ...] = ()
    buffer: bool = False  # is asked for

    def end(self, rule: Sgd) -> float:
        weights, buffers = rule.run(self.start, self.slopes, self.rates)
        return (buffers if self.buffer else weights)[-1]

    def beliefs(self) -> list[Belief]:
        found = []
        for name, change, because in SGD_BELIEFS:
            if any(getattr(self.rule, key) != value for key, value in change.items()):
                found.append(Belief(name, self.end(replace(self.rule, **change)), because))
        if not self.rates:
            short = replace(self, slopes=self.slopes[:-1])
            found.append(Belief("a-step-short", short.end(self.rule), f"There are {len(self.slopes)} steps."))
        return found

    @property
    def fits(self) -> bool:
        weights, buffers = self.rule.run(self.start, self.slopes, self.rates)
        return (
            whole([*weights, *buffers]) and len(predicted(self.end(self.rule), self.beliefs())) > 2  # noqa: PLR2004
        )


def sgd_steps(rng: Rng) -> Steps:
    if rng.level == GUIDED:
        momentum, decay = rng.pick([(0.5, 0), (0.5, 0), (0.9, 0), (0, 0.5), (0, 1)])
    else:
        momentum, decay = 0.5, rng.pick([0.5, 1, 2])
    rule = Sgd(rng.pick([0.5, 1, 1, 2]), momentum, decay)
    count = rng.pick([2, 2, 3])
    rates: tuple[float, ...] = ()
    if rng.level == COMPOSED:
        extra = rng.pick(["nesterov", "dampening", "maximize", "rates"])
        rule = replace(rule, weight_decay=decay * rng.pick([0, 1]))
        if extra == "rates":
            rates = rng.pick([(2.0, 1.0), (1.0, 0.5), (1.0, 2.0), (2.0, 1.0, 0.5)])
            rule, count = replace(rule, lr=rates[0]), len(rates)
        else:
            changed: dict[str, Any] = {extra: 0.5 if extra == "dampening" else True}
            rule = replace(rule, **changed)
    scale = rng.pick([10, 10, 5]) if momentum > 0.5 else rng.pick([1, 2, 4])  # noqa: PLR2004
    start = scale * rng.integer(1, 4) * (1 if momentum > 0.5 else rng.pick([1, 1, -1]))  # noqa: PLR2004
    slopes = [scale * rng.pick([-3, -2, -1, 1, 2, 3]) for _ in range(count)]
    if rng.chance(0.3):
        slopes = slopes[:1] * count
    return Steps(start, rule, slopes, rates, bool(momentum) and rng.chance(0.25))


def hints(rule: Sgd) -> list[str]:
    """Of what a step consists, for those settings."""
    buffer, along = ", the buffer" if rule.momentum else "", "the buffer" if rule.momentum else "the gradient"
    decay = " with its decay" if rule.weight_decay else ""
    if rule.nesterov:
        along = "the gradient plus momentum times the buffer"
    parts = ["the decay joins the gradient"] if rule.weight_decay else []
    parts += ["the gradient joins the buffer"] if rule.momentum else []
    return [
        f"Write a row for each step: the gradient{decay}{buffer}, the new weight.",
        f"First {'; then '.join([*parts, f'the weight moves by -lr times {along}'])}.",
    ]


@drill(after=["training.zero-grad"], levels=3, arena="0.3", structures=(100, 110, 350))
def sgd_step(rng: Rng) -> PredictValue:
    """SGD with momentum and weight decay."""
    steps = first_fit(
        lambda: sgd_steps(rng),
        lambda it: it.fits,
        Steps(8, Sgd(1, 0.5, 0 if rng.level == GUIDED else 0.5), [4, 6]),
    )
    name = rng.pick(["w", "w", "weight", "p"])
    ask = f'optimizer.state[{name}]["momentum_buffer"]' if steps.buffer else name
    lines = [
        f"{name} = torch.tensor({steps.start}., requires_grad=True)",
        f"optimizer = torch.optim.SGD([{name}], {steps.rule.written})",
    ]
    lines += loop(rng, name, steps.slopes, steps.rates)
    told = ""
    if rng.level == GUIDED:
        told = (
            "The optimizer keeps a buffer that remembers earlier gradients. "
            if steps.rule.momentum
            else "Each step also pulls the weight towards 0. "
        )
    return PredictValue(
        prompt=f"{told}What is `{ask}` after the last step?",
        program="\n".join(lines),
        ask=ask,
        wrong=predicted(steps.end(steps.rule), steps.beliefs()),
        hints=hints(steps.rule),
        why="torch.optim.SGD: `g = grad + weight_decay * w`; the buffer is the first `g`, and from then on "
        "`momentum * buffer + (1 - dampening) * g`; the weight moves by `-lr * buffer`, with nesterov=True by "
        "`-lr * (g + momentum * buffer)`. The decay goes through the buffer, and the learning rate does not.",
    )


def loop(rng: Rng, name: str, slopes: Sequence[float], rates: Sequence[float] = ()) -> list[str]:
    """Lines that give the weight these gradients, with a step for each."""
    values = ", ".join([f"{slope}." for slope in slopes])
    if rates:
        head = f"for g, lr in zip(({values}), {tuple(rates)}):"
        first = ['    optimizer.param_groups[0]["lr"] = lr']
    elif len(set(slopes)) == 1:
        return [
            f"for _ in range({len(slopes)}):",
            *rng.pick(
                [
                    ["    optimizer.zero_grad()", f"    ({slopes[0]} * {name}).backward()"],
                    [f"    {name}.grad = torch.tensor({slopes[0]}.)"],
                ]
            ),
            "    optimizer.step()",
        ]
    else:
        head, first = f"for g in ({values}):", []
    given = rng.pick(
        [
            [f"    {name}.grad = torch.tensor(g)"],
            ["    optimizer.zero_grad()", f"    (g * {name}).backward()"],
            [f"    loss = g * {name}", "    optimizer.zero_grad()", "    loss.backward()"],
        ]
    )
    return [head, *first, *given, "    optimizer.step()"]
