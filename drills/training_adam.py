"""Training: Adam by hand, at gradients whose moments have whole square roots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, entries, floats, nested, predicted

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels
LARGEST = 99
TRIES = 60
Pair = tuple[int, int]

# Two gradients after which m / (1 - beta1 ** 2) and the root of v / (1 - beta2 ** 2) have a simple ratio.
PAIRS: dict[tuple[float, float], Sequence[Pair]] = {
    (0.5, 0.5): ((5, -1), (1, 1), (2, 2), (10, -2), (3, 3), (-5, 1), (15, -3)),
    (0.5, 0.125): ((7, -2), (6, 0), (2, 2), (14, -4), (-7, 2), (9, 0), (4, 4)),
    (0.5, 0.0): ((4, 1), (-5, 1), (10, -2), (7, 1), (2, 2), (-8, 1), (-2, 1), (8, 2)),
    (0.0, 0.5): ((5, 1), (5, -1), (10, 2), (3, 3), (-5, -1)),
    (0.0, 0.125): ((7, 2), (7, -2), (6, 0), (14, 4), (4, 4)),
}


@dataclass(frozen=True)
class Adam:
    """The settings of torch.optim.Adam, and what people believe about them."""

    lr: float
    beta1: float
    beta2: float
    weight_decay: float = 0
    maximize: bool = False
    corrected: str = "both"
    direction: str = "moments"
    decoupled: bool = False

    def run(self, w: float, gradients: Sequence[float]) -> tuple[float, float, float]:
        """The weight and both moments after the steps."""
        m = v = 0.0
        for step, gradient in enumerate(gradients, 1):
            g = -gradient if self.maximize else gradient
            pull = self.weight_decay * w
            w -= self.lr * pull if self.decoupled else 0
            g += 0 if self.decoupled else pull
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            first = m / (1 - self.beta1**step) if self.corrected == "both" else m
            second = v / (1 - self.beta2**step) if self.corrected != "neither" else v
            root = second**0.5 or 1
            w -= (
                self.lr
                * {
                    "moments": first / root,
                    "gradient": g,
                    "sign": (g > 0) - (g < 0),
                    "first moment": first,
                    "no root": first / (second or 1),
                    "no momentum": g / root,
                }[self.direction]
            )
        return w, m, v

    @property
    def written(self) -> str:
        parts = [f"lr={self.lr}", f"betas=({self.beta1}, {self.beta2})", "eps=0"]
        parts += [f"weight_decay={self.weight_decay}"] if self.weight_decay else []
        parts += ["maximize=True"] if self.maximize else []
        return ", ".join(parts)


BELIEFS: Sequence[tuple[str, dict[str, Any], str]] = (
    ("no-bias-correction", {"corrected": "neither"}, ("Both moments start at 0, and Adam corrects for that: it divides "
     "them by 1 - beta ** t.")),
    ("half-corrected", {"corrected": "second"}, "Both moments are corrected, each with its own beta."),
    ("proportional", {"direction": "gradient"}, ("That is SGD. Adam divides by the root of the second moment, so the "
     "size of the gradient cancels.")),
    ("momentum-only", {"direction": "first moment"}, "The first moment is divided by the root of the second."),
    ("no-square-root", {"direction": "no root"}, ("Adam divides by the root of the second moment, which has the "
     "gradient's own unit.")),
    ("sign-of-each", {"direction": "sign"}, ("A step is lr times the sign only while the gradient stays the same. "
     "The moments remember the ones before.")),
    ("no-momentum", {"direction": "no momentum"}, "Over the root stands the first moment, not the last gradient."),
    ("decoupled-decay", {"decoupled": True}, ("That is AdamW. In Adam weight_decay * w joins the gradient, and goes "
     "through the moments.")),
    ("decay-forgotten", {"weight_decay": 0}, "weight_decay * w joins the gradient in every step."),
    ("maximize-forgotten", {"maximize": False}, "With maximize=True the weight goes up along the gradient."),
)  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """A run for one or more entries of a weight, each with its gradients. `of` says which moment is asked for, if any.

    0 is the weight itself.
    """

    starts: Sequence[int]
    rule: Adam
    gradients: Sequence[Sequence[float]]
    of: int = 0

    def end(self, rule: Adam) -> object:
        ends = [round(rule.run(w, g)[self.of], 9) for w, g in zip(self.starts, self.gradients, strict=True)]
        return nested(ends, [len(ends)] if len(ends) > 1 else [])

    @property
    def right(self) -> object:
        return self.end(self.rule)

    def beliefs(self) -> list[Belief]:
        found = [
            Belief(name, self.end(replace(self.rule, **change)), because)
            for name, change, because in BELIEFS
            if any(getattr(self.rule, key) != value for key, value in change.items())
        ]
        short = replace(self, gradients=[g[:-1] for g in self.gradients])
        return [*found, Belief("a-step-short", short.right, f"There are {len(self.gradients[0])} steps.")]

    @property
    def fits(self) -> bool:
        ends = entries(self.right if isinstance(self.right, list) else [self.right])
        return all(end == int(end) and abs(end) <= LARGEST for end in ends) and (
            len(predicted(self.right, self.beliefs())) > 2  # noqa: PLR2004
        )


def constant(rng: Rng) -> Steps:
    """The same gradient in every step, huge or tiny."""
    count, lr = rng.pick([(2, 0.5), (2, 1), (3, 1), (3, 2), (4, 0.5), (4, 0.25), (5, 1)])
    width = rng.pick([1, 1, 2])
    sizes = rng.sample([0.01, 0.1, 0.5, 2.0, 5.0, 10.0, 100.0], width)
    signs = rng.pick([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    gradients = [[size * sign] * count for size, sign in zip(sizes, signs, strict=False)]
    beta1, beta2 = rng.pick([(0.9, 0.999), (0.9, 0.99), (0.5, 0.5), (0.9, 0.95)])
    return Steps([rng.integer(1, 9) for _ in gradients], Adam(lr, beta1, beta2), gradients)


def two_steps(rng: Rng) -> Steps:
    """Two gradients out of the table; composed: with decay, turned round, two entries, or a moment asked for."""
    betas = rng.pick(list(PAIRS))
    rule = Adam(rng.pick([0.75, 1.5, 3, 6, 0.5, 1, 2]), *betas)
    start, pair = rng.integer(1, 9), rng.pick(PAIRS[betas])
    if rng.level == SECOND:
        return Steps([start], rule, [pair])
    match rng.pick(["decay", "decay", "maximize", "entries", "moment"]):
        case "decay":
            rule = replace(rule, weight_decay=rng.pick([0.5, 1, 2]))
            first = pair[0] - rule.weight_decay * start
            second = pair[1] - rule.weight_decay * rule.run(start, [first])[0]
            return Steps([start], rule, [[first, second]])
        case "maximize":
            return Steps([start], replace(rule, maximize=True), [pair])
        case "entries":
            two = rng.sample(PAIRS[betas], 2)
            return Steps([start, rng.integer(1, 9)], rule, two)
    first, second = 4 * rng.integer(1, 4), 4 * rng.pick([-3, -2, -1, 1, 2, 3])
    return Steps([start], replace(rule, beta1=0.5, beta2=0.5), [[first, second]], rng.pick([1, 1, 2]))


def drawn(rng: Rng) -> Steps:
    """A run that ends at whole numbers, or after many that do not, one that is known to."""
    draw = constant if rng.level == GUIDED else two_steps
    found = (draw(rng) for _ in range(TRIES))
    return next((it for it in found if it.fits), Steps([4], Adam(0.75, 0.5, 0.5), [(-5, 1)]))


@drill(after=["training.sgd-step"], levels=3, lesson="The training loop", arena="0.3", structures=(11, 12, 35))
def adam_step(rng: Rng) -> PredictValue:
    """Adam's steps."""
    steps = drawn(rng)
    name = rng.pick(["w", "w", "weight", "p"])
    moment = ["", "exp_avg", "exp_avg_sq"][steps.of]
    ask = f'optimizer.state[{name}]["{moment}"]' if moment else name
    several = len(steps.starts) > 1
    rows = [list(row) for row in zip(*steps.gradients, strict=True)]
    values = [floats(row if several else row[0]) for row in rows]
    if len(set(values)) == 1:
        body = [f"for _ in range({len(values)}):"]
        given = [
            [f"    {name}.grad = torch.tensor({values[0]})"],
            ["    optimizer.zero_grad()", f"    (torch.tensor({values[0]}) * {name}).sum().backward()"]
            if several
            else ["    optimizer.zero_grad()", f"    ({values[0]} * {name}).backward()"],
        ]
    else:
        body = [f"for g in ({', '.join(values)}):" if not several else f"for g in [{', '.join(values)}]:"]
        given = [[f"    {name}.grad = torch.tensor(g)"]]
        given += [] if several else [["    optimizer.zero_grad()", f"    (g * {name}).backward()"]]
        given += [] if several else [[f"    loss = g * {name}", "    optimizer.zero_grad()", "    loss.backward()"]]
    start = floats(list(steps.starts) if several else steps.starts[0])
    told = "Both moments are corrected for their start at 0. " if rng.level == GUIDED else ""
    return PredictValue(
        prompt=f"{told}What is `{ask}` after the last step?",
        program="\n".join(
            [
                f"{name} = torch.tensor({start}, requires_grad=True)",
                f"optimizer = torch.optim.Adam([{name}], {steps.rule.written})",
                *body,
                *rng.pick(given),
                "    optimizer.step()",
            ]
        ),
        ask=ask,
        wrong=predicted(steps.right, steps.beliefs()),
        hints=[
            ("Two averages are kept, of g and of g * g, both from 0. What does dividing by 1 - beta ** t do to them?"),
            (
                "After the first step the corrected moments are g and g * g, so the step is lr times the sign of g. "
                "Their next values are weighted means: of all gradients, and of all squares."
            ),
        ],
        why="Adam keeps `m = beta1 * m + (1 - beta1) * g` and `v = beta2 * v + (1 - beta2) * g * g`, divides them by "
        "`1 - beta1 ** t` and `1 - beta2 ** t`, and moves by `-lr * m / (sqrt(v) + eps)`. So the size of the gradient "
        "cancels: with one that stays the same, every step is lr long. weight_decay joins the gradient before.",
    )
