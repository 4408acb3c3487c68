"""Training: the loop, its optimizer, and the ways in which it fails without a word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import FixLine, OrderLines, Rng, Wrong, drill

OPTIMIZERS = (
    "torch.optim.SGD(model.parameters(), lr=0.1)",
    "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)",
    "torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)",
    "torch.optim.Adam(model.parameters(), lr=0.01)",
    "torch.optim.AdamW(model.parameters(), lr=0.01)",
    "torch.optim.RMSprop(model.parameters(), lr=0.01)",
)


# --- the order of a training step


@dataclass(frozen=True)
class Task:
    """What a batch is for: the name and number of the outputs, the targets, and the loss."""

    output: str
    width: int
    targets: str
    loss: str


TASKS = (
    Task("prediction", 1, "torch.randn(8, 1)", "F.mse_loss({}, {})"),
    Task("prediction", 2, "torch.randn(8, 2)", "F.huber_loss({}, {})"),
    Task("logits", 3, "torch.randint(3, (8,))", "F.cross_entropy({}, {})"),
    Task("logits", 1, "torch.rand(8, 1).round()", "F.binary_cross_entropy_with_logits({}, {})"),
)


@dataclass(frozen=True)
class Extra:
    """A further line of the loop: what makes it possible, what the prompt says of it, and where it belongs."""

    line: str
    setup: str
    told: str
    before_step: bool
    wrong: Sequence[tuple[str, str, str]]  # id, the line that it was wrongly put before ("" for the end), because


CLIP = Extra(
    "nn.utils.clip_grad_norm_(model.parameters(), 0.05)",
    "",
    "No update uses a gradient whose norm is above 0.05.",
    before_step=True,
    wrong=[
        ("clip-before-backward", "loss.backward()", "The gradients were clipped before backward() had made them."),
        ("clip-after-step", "", "The gradients were clipped after step() had used them."),
    ],
)
SCHEDULER = Extra(
    "scheduler.step()",
    "scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)",
    "The first update has the learning rate that the optimizer was made with; after each update it is halved.",
    before_step=False,
    wrong=[
        ("scheduler-before-optimizer", "optimizer.step()", "scheduler.step() ran before the optimizer's, so the first "
         "learning rate was never used."),
    ],
)  # fmt: skip
AVERAGE = Extra(
    "average.lerp_(model[0].weight.detach(), 0.5)",
    "average = model[0].weight.detach().clone()",
    "After each update, `average` moves half-way to the new weights.",
    before_step=False,
    wrong=[("average-before-step", "optimizer.step()", "The average followed the weights from before the update.")],
)
STEP = "optimizer.step()"
OBSERVED = {"the weights": "list(model.parameters())", "the gradients": "[p.grad for p in model.parameters()]"}


def moved(lines: Sequence[str], line: str, before: str) -> list[str]:
    """The lines with one of them moved to stand before another, or last."""
    rest = [other for other in lines if other != line]
    place = rest.index(before) if before else len(rest)
    return [*rest[:place], line, *rest[place:]]


def order_of_step(lines: Sequence[str], zero: str) -> list[Wrong]:
    """The wrong turns of zero_grad, forward, loss, backward, step, between which other lines may stand."""
    forward, _, backward = [line for line in lines if line != zero][:3]
    return [
        Wrong("zero-before-step", moved(lines, zero, STEP),
              "zero_grad() stood between backward() and step(), so step() found no gradient and nothing was learned."),
        Wrong("zero-last", moved(lines, zero, ""),
              "The first update still had the gradients that were left behind: clear them before backward() adds to them."),
        Wrong("step-first", moved(lines, STEP, lines[0]),
              "step() ran before backward(): each update used the gradients of the batch before, the first those left behind."),
        Wrong("step-before-backward", moved(lines, STEP, backward),
              "step() ran after zero_grad() and before backward(), so it found no gradient and nothing was learned."),
        Wrong("gradient-thrown-away", moved(moved(lines, STEP, lines[0]), zero, ""),
              "zero_grad() cleared what backward() had made, before the next step() could use it."),
        Wrong("changed-under-backward", moved(moved(lines, zero, backward), STEP, zero),
              "step() changed weights in place that the backward pass of this loss still needed."),
        Wrong("used-before-made", moved(lines, backward, forward),
              "A line used what a later line makes: the model's output, or the loss."),
    ]  # fmt: skip


def ordered(setup: Sequence[str], lines: Sequence[str], told: str, wrong: Sequence[Wrong], **more: str) -> OrderLines:
    return OrderLines(
        prompt=f"A sanity check has left gradients behind. Put the lines of the loop in order. {told}",
        setup="\n".join(setup),
        around="for x, y in batches:",
        lines=lines,
        observe=OBSERVED | more,
        wrong=wrong,
        hints=[
            "backward() adds to .grad, and step() reads it. What is in .grad before each of the two runs?",
            "Each line needs what others make: the loss needs the output, backward() the loss, step() the gradients. "
            "Only then ask where the old gradients must be gone.",
        ],
        why="backward() adds to .grad, whatever is there; step() uses what it finds; zero_grad() empties it. So the old "
        "gradients are cleared at any point before backward() adds the new ones, and nothing but changes to the gradient "
        "itself, such as clipping, stands between backward() and step().",
    )


def toy(rng: Rng, task: Task) -> list[str]:
    """The lines that make batches, a model, its optimizer and stale gradients."""
    features, hidden = rng.integer(2, 6), rng.integer(4, 9)
    between = rng.pick(["Tanh", "GELU", "SiLU", "Sigmoid"])
    return [
        f"batches = [(torch.randn(8, {features}), {task.targets}) for _ in range(3)]",
        f"model = nn.Sequential(",
        f"    nn.Linear({features}, {hidden}), nn.{between}(), nn.Linear({hidden}, {task.width})",
        ")",
        f"optimizer = {rng.pick(OPTIMIZERS)}",
        "model(batches[0][0]).sum().backward()  # the sanity check",
    ]


def in_one(rng: Rng, extras: Sequence[Extra]) -> OrderLines:
    """One loss for each batch, and the further lines."""
    task = rng.pick(TASKS)
    zero = rng.pick(["optimizer.zero_grad()", "model.zero_grad()"])
    before = [extra.line for extra in extras if extra.before_step]
    after = [extra.line for extra in extras if not extra.before_step]
    loss = f"loss = {task.loss.format(task.output, 'y')}"
    lines = [zero, f"{task.output} = model(x)", loss, "loss.backward()", *before, STEP, *after]
    wrong = order_of_step(lines, zero)
    wrong += [
        Wrong(name, moved(lines, extra.line, place), said) for extra in extras for name, place, said in extra.wrong
    ]
    told = [
        "Every update uses the gradient of its own batch's loss, and nothing else.",
        *(extra.told for extra in extras),
    ]
    setup = [*toy(rng, task), *(extra.setup for extra in extras if extra.setup)]
    return ordered(setup, lines, " ".join(told), wrong, **({"the average": "average"} if AVERAGE in extras else {}))


def in_halves(rng: Rng, clip: bool) -> OrderLines:  # noqa: FBT001
    """Two losses for each batch, whose gradients add up."""
    task = rng.pick(TASKS)
    zero = "optimizer.zero_grad()"
    a, b = (f"{name} = {task.loss.format(f'model({x})', y)} / 2"
            for name, x, y in (("first", "x[:4]", "y[:4]"), ("second", "x[4:]", "y[4:]")))  # fmt: skip
    back_a, back_b = "first.backward()", "second.backward()"
    clips = [CLIP.line] if clip else []
    lines = [zero, a, back_a, b, back_b, *clips, STEP]
    wrong = [
        Wrong("zero-between-halves", moved(lines, zero, b), "zero_grad() threw the first half's gradient away."),
        Wrong("zero-before-step", moved(lines, zero, STEP),
              "zero_grad() stood between backward() and step(), so step() found no gradient and nothing was learned."),
        Wrong("zero-last", moved(lines, zero, ""),
              "The first update still had the gradients that were left behind: clear them before backward() adds to them."),
        Wrong("step-between-halves", moved(lines, STEP, b), "step() ran before the second half had added its gradient."),
        Wrong("step-first", moved(lines, STEP, zero),
              "step() ran before backward(): each update used the gradients of the batch before, the first those left behind."),
        Wrong("changed-under-backward", [zero, a, b, back_a, STEP, back_b, *clips],
              "step() changed weights in place that the backward pass of the second half still needed."),
        Wrong("used-before-made", moved(lines, back_a, a), "backward() ran before its loss was made."),
    ]  # fmt: skip
    if clip:
        wrong += [
            Wrong("clip-half", moved(lines, CLIP.line, b), "The first half's gradient was clipped, and not the sum."),
            Wrong(
                "clip-before-backward", moved(lines, CLIP.line, a), "The gradients were clipped before they were made."
            ),
            Wrong("clip-after-step", moved(lines, CLIP.line, ""), CLIP.wrong[1][2]),
        ]
    told = "To save memory, each batch is run in two halves. Every update uses the gradient of `first + second`, and " \
           "nothing else." + (f" {CLIP.told}" if clip else "")  # fmt: skip
    return ordered(toy(rng, task), lines, told, wrong)


@drill(levels=3, lesson="The training loop")
def loop_order(rng: Rng) -> OrderLines:
    """The lines of a training step, in order."""
    if rng.level == 1:
        return in_one(rng, [])
    if rng.level == 2:  # noqa: PLR2004
        return in_one(rng, [rng.pick([CLIP, SCHEDULER, AVERAGE])])
    if rng.chance():
        return in_halves(rng, clip=rng.chance())
    return in_one(rng, rng.pick([[CLIP, SCHEDULER], [CLIP, AVERAGE], [SCHEDULER, AVERAGE]]))
