"""Training: what is in `.grad` when step() reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, predicted

GUIDED, COMPOSED = 1, 3  # levels
ADD, STEP, CLEAR = "add", "step", "clear"


@dataclass(frozen=True)
class Event:
    """A line of the program: what it does to which weights. An `add` adds `slope + pull * w` to the gradient."""

    kind: str
    line: str
    weights: tuple[str, ...] = ("w",)
    slopes: tuple[int, ...] = (0,)
    pull: int = 0


@dataclass(frozen=True)
class Descent:
    """Weights, the learning rate of all optimizers, and the lines that move them."""

    start: dict[str, int]
    lr: float
    events: Sequence[Event]

    def end(self, *, lr: float = 0, clears: str = "as told") -> dict[str, float]:
        """The weights and their gradients (`w.grad`) after the program, under some belief about what clears them."""
        state: dict[str, float] = dict(self.start)
        grads = dict.fromkeys(self.start, 0.0)
        for event in self.events:
            for at, name in enumerate(event.weights):
                if event.kind == ADD:
                    before = 0 if clears == "each backward" else grads[name]
                    grads[name] = before + event.slopes[at] + event.pull * state[name]
                elif event.kind == STEP:
                    state[name] -= (lr or self.lr) * grads[name]
                    grads[name] *= clears != "step"
                elif clears != "nothing":
                    grads[name] = 0
            if event.kind == CLEAR and clears == "everything":
                grads = dict.fromkeys(self.start, 0.0)
        return state | {f"{name}.grad": grad for name, grad in grads.items()}

    def beliefs(self, ask: str) -> list[Belief]:
        return [
            Belief(
                "as-if-zeroed",
                self.end(clears="each backward")[ask],
                "backward() adds to .grad. Nothing clears it by itself: not backward(), and not the next step.",
            ),
            Belief("step-clears", self.end(clears="step")[ask], "step() reads .grad and leaves it as it is."),
            Belief(
                "never-cleared",
                self.end(clears="nothing")[ask],
                "The gradient was cleared in between: what backward() adds after that starts from 0.",
            ),
            Belief(
                "clears-everything",
                self.end(clears="everything")[ask],
                "An optimizer clears the gradients of the tensors that it holds, and of no others.",
            ),
            Belief("lr-forgotten", self.end(lr=1)[ask], "Each step is the learning rate times the gradient."),
            Belief("ascent", self.end(lr=-self.lr)[ask], "step() goes against the gradient: it subtracts."),
        ]


def one_weight(rng: Rng) -> tuple[Descent, list[str]]:
    """A weight, and two or three losses; from level 2 something may clear the gradient."""
    count = rng.pick([2, 2, 3])
    pulled = rng.level > GUIDED and rng.chance(0.4)
    lr = rng.pick([1, 2] if pulled else [0.5, 1, 2, 3])
    name = rng.pick(["w", "w", "weight", "theta"])
    adds = []
    for number in rng.distinct(count, 1, 4):
        slope = number * (2 if lr < 1 else 1) * rng.pick([1, 1, -1])
        line = f"(0.5 * ({name} - {number}) ** 2).backward()" if pulled else f"({slope} * {name}).backward()"
        adds.append(Event(ADD, line, (name,), (-number if pulled else slope,), int(pulled)))
    step = Event(STEP, "optimizer.step()", (name,))
    clear = Event(CLEAR, rng.pick(["optimizer.zero_grad()", f"{name}.grad = None", f"{name}.grad.zero_()"]), (name,))
    events = [event for add in adds for event in (add, step)]
    if rng.level > GUIDED and rng.chance(0.7):
        events.insert(rng.pick([2, 2, 4][: count + 1]), clear)
    if rng.level > GUIDED and rng.chance(0.4):
        events.pop(1)  # the first two losses share a step
    descent = Descent({name: rng.integer(1, 9)}, lr, events)
    lines = [
        f"{name} = torch.tensor({descent.start[name]}., requires_grad=True)",
        f"optimizer = torch.optim.SGD([{name}], lr={lr})",
    ]
    if rng.level == GUIDED:
        values = ", ".join([f"{add.slopes[0]}." for add in adds])
        return descent, [
            *lines,
            f"for x in ({values}):",
            f"    loss = x * {name}",
            "    loss.backward()",
            "    optimizer.step()",
        ]
    return descent, lines + [event.line for event in events]


def two_weights(rng: Rng) -> tuple[Descent, list[str]]:
    """Two weights in one loss, each with an optimizer of its own."""
    a, b = names = rng.pick([("a", "b"), ("head", "body"), ("w", "bias"), ("critic", "actor")])
    one, other = rng.pick([("first", "second"), ("opt_a", "opt_b")])
    lr = rng.pick([1, 2])

    def add(count: int) -> Event:
        x, y = rng.integer(1, 4), rng.integer(1, 4)
        if count == 1:
            name, slope = rng.pick([(a, x), (b, y)])
            return Event(ADD, f"({slope} * {name}).backward()", (name,), (slope,))
        return Event(ADD, f"({x} * {a} + {y} * {b}).backward()", names, (x, y))

    step_a, step_b = Event(STEP, f"{one}.step()", (a,)), Event(STEP, f"{other}.step()", (b,))
    clear_a, clear_b = Event(CLEAR, f"{one}.zero_grad()", (a,)), Event(CLEAR, f"{other}.zero_grad()", (b,))
    events = rng.pick(
        [
            [add(2), step_a, clear_a, add(2), step_b],
            [add(2), step_a, clear_a, add(2), step_b, clear_b],
            [add(2), step_a, clear_b, add(2), step_b],
            [add(2), step_a, step_b, clear_a, add(2), step_a, step_b],
            [add(2), clear_a, add(1), step_a, step_b],
            [add(2), step_a, clear_a, add(1), step_a, step_b],
            [add(2), step_a, clear_a, clear_b, add(2), add(1), step_b],
        ]
    )
    descent = Descent({a: rng.integer(1, 9), b: rng.integer(1, 9)}, lr, events)
    lines = [
        *(f"{name} = torch.tensor({value}., requires_grad=True)" for name, value in descent.start.items()),
        f"{one} = torch.optim.SGD([{a}], lr={lr})",
        f"{other} = torch.optim.SGD([{b}], lr={lr})",
    ]
    return descent, lines + [event.line for event in events]


def cleared_last(descent: Descent, name: str) -> bool:
    """Whether the gradient is None or 0 at the end, which is no question."""
    touching = [event.kind for event in descent.events if name in event.weights]
    return CLEAR in touching and ADD not in touching[touching.index(CLEAR) :]


@drill(after=["autograd.accumulate"], levels=3, lesson="The training loop", arena="0.2", structures=(20, 180, 32))
def zero_grad(rng: Rng) -> PredictValue:
    """Weights whose gradients nobody cleared."""
    descent, lines = (two_weights if rng.level == COMPOSED else one_weight)(rng)
    asks = [name for name in descent.start if len(predicted(descent.end()[name], descent.beliefs(name))) > 1]
    asks += [f"{name}.grad" for name in descent.start if rng.chance(0.2) and not cleared_last(descent, name)]
    ask = rng.pick(asks or list(descent.start))
    told = "Nothing clears the gradients between the steps. " if rng.level == GUIDED else ""
    return PredictValue(
        prompt=f"{told}What is `{ask}` in the end?",
        program="\n".join(lines),
        ask=ask,
        wrong=predicted(descent.end()[ask], descent.beliefs(ask)),
        hints=[
            "Keep two columns: the weight, and its .grad. Which line changes which?",
            "backward() adds to .grad, step() subtracts lr times .grad from the weight, and zero_grad() empties it.",
        ],
        why="backward() adds to `.grad`, and step() only reads it: without `optimizer.zero_grad()` each step uses the "
        "sum of all gradients so far. An optimizer clears the gradients of the tensors that it holds, and of no "
        "others.",
    )
