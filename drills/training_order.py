"""Training: the lines of the loop, in order."""

from collections.abc import Sequence

from tensordrill.authoring import OrderLines, Rng, Wrong, drill
from tensordrill.building.training import OPTIMIZERS

TASKS = (  # the loss, how many outputs it is for, and the targets of a batch
    ("F.mse_loss({}, {})", 1, "torch.randn(8, 1)"),
    ("F.huber_loss({}, {})", 2, "torch.randn(8, 2)"),
    ("F.l1_loss({}, {})", 1, "torch.randn(8, 1)"),
    ("F.cross_entropy({}, {})", 3, "torch.randint(3, (8,))"),
    ("F.binary_cross_entropy_with_logits({}, {})", 1, "torch.rand(8, 1).round()"),
)
STEP = "optimizer.step()"
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), 0.05)"
SCHEDULER = "scheduler.step()"
AVERAGE = "average.lerp_(model[0].weight.detach(), 0.5)"
TOLD = {
    CLIP: "No update uses a gradient whose norm is above 0.05.",
    SCHEDULER: "The first update has the learning rate that the optimizer was made with; each update halves it.",
    AVERAGE: "After each update, `average` moves half-way to the new weights.",
}
NEEDED = {
    SCHEDULER: "scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)",
    AVERAGE: "average = model[0].weight.detach().clone()",
}
BECAUSE = {
    "zero-before-step": "zero_grad() stood between backward() and step(), so step() found no gradient.",
    "zero-last": "The first update had the old gradients too: clear them before backward() adds to them.",
    "zero-between-halves": "zero_grad() threw the first half's gradient away.",
    "step-first": "step() ran before backward(), with the gradients of the batch before.",
    "step-before-backward": "step() ran after zero_grad() and before backward(): there were no gradients.",
    "step-between-halves": "step() ran before the second half had added its gradient.",
    "gradient-thrown-away": "zero_grad() cleared what backward() had made, before the next step() could use it.",
    "changed-under-backward": "step() changed weights in place that a backward pass after it still needed.",
    "loss-before-output": "The loss was computed before the model's output that it needs.",
    "backward-before-loss": "backward() ran before the loss was computed.",
    "second-backward-before-loss": "backward() of the second half ran before its loss was computed.",
    "clip-before-backward": "The gradients were clipped before backward() had made them.",
    "clip-half": "Only the first half's gradient was clipped.",
    "clip-after-step": "The gradients were clipped after step() had used them.",
    "scheduler-before-optimizer": "scheduler.step() ran before the first learning rate had been used.",
    "average-before-step": "The average moved towards the weights from before the update.",
}


def moved(lines: Sequence[str], line: str, before: str) -> list[str]:
    """The lines with one of them moved to stand before another, or last."""
    rest = [other for other in lines if other != line]
    place = rest.index(before) if before else len(rest)
    return [*rest[:place], line, *rest[place:]]


def loop(
    rng: Rng, task: tuple[str, int, str], lines: Sequence[str], told: str, wrong: dict[str, list[str]]
) -> OrderLines:
    """The puzzle with those lines in a right order."""
    features, hidden = rng.integer(2, 6), rng.integer(4, 9)
    activation = rng.pick(["Tanh", "GELU", "SiLU", "Sigmoid"])
    extras = [line for line in lines if line in TOLD]
    observe = {"the weights": "list(model.parameters())", "the gradients": "[p.grad for p in model.parameters()]"}
    setup = [
        f"batches = [(torch.randn(8, {features}), {task[2]}) for _ in range(3)]",
        f"model = nn.Sequential(nn.Linear({features}, {hidden}), nn.{activation}(), nn.Linear({hidden}, {task[1]}))",
        f"optimizer = {rng.pick(OPTIMIZERS).format('model')}",
        *(NEEDED[line] for line in extras if line in NEEDED),
        "model(batches[0][0]).sum().backward()  # the sanity check",
    ]
    return OrderLines(
        prompt=" ".join(
            ["A sanity check has left gradients behind. Put the lines of the loop in order.", told]
            + [TOLD[line] for line in extras]
        ),
        setup="\n".join(setup),
        around="for x, y in batches:",
        lines=lines,
        observe=observe | ({"the average": "average"} if AVERAGE in lines else {}),
        wrong=[Wrong(name, order, BECAUSE[name]) for name, order in wrong.items()],
        hints=[
            "backward() adds to .grad, and step() reads it. What is in .grad before each of the two?",
            "Output, loss, backward() and step() each need the one before. By when must the old gradients be gone?",
        ],
        why="backward() adds to .grad, whatever is there; step() uses what it finds; zero_grad() empties it. So the "
        "old gradients are cleared at any point before backward() adds new ones. Only what changes the gradient, such "
        "as clipping, stands between backward() and step(); what follows the update, such as a scheduler, comes later.",
    )


def one_loss(rng: Rng, extras: Sequence[str]) -> OrderLines:
    """A loss for each batch, and further lines."""
    task = rng.pick(TASKS)
    zero = rng.pick(["optimizer.zero_grad()", "model.zero_grad()"])
    output = rng.pick(["out", "logits" if "entropy" in task[0] else "prediction"])
    forward, loss, backward = f"{output} = model(x)", f"loss = {task[0].format(output, 'y')}", "loss.backward()"
    after = [line for line in extras if line != CLIP]
    lines = [zero, forward, loss, backward, *([CLIP] if CLIP in extras else []), STEP, *after]
    wrong = {
        "zero-before-step": moved(lines, zero, STEP),
        "zero-last": moved(lines, zero, ""),
        "step-first": moved(lines, STEP, zero),
        "step-before-backward": moved(lines, STEP, backward),
        "gradient-thrown-away": moved(moved(lines, STEP, forward), zero, ""),
        "changed-under-backward": moved(moved(lines, zero, backward), STEP, zero),
        "loss-before-output": moved(lines, loss, forward),
        "backward-before-loss": moved(lines, backward, forward),
    }
    if CLIP in extras:
        wrong["clip-before-backward"] = moved(lines, CLIP, backward)
        wrong["clip-after-step"] = moved(lines, CLIP, "")
    if SCHEDULER in extras:
        wrong["scheduler-before-optimizer"] = moved(lines, SCHEDULER, STEP)
    if AVERAGE in extras:
        wrong["average-before-step"] = moved(lines, AVERAGE, STEP)
    return loop(rng, task, lines, "Every update uses the gradient of its own batch's loss and nothing else.", wrong)


def two_halves(rng: Rng, extras: Sequence[str]) -> OrderLines:
    """Two losses for each batch, whose gradients add up."""
    task = rng.pick(TASKS)
    zero = rng.pick(["optimizer.zero_grad()", "model.zero_grad()"])
    a, back_a = f"first = {task[0].format('model(x[:4])', 'y[:4]')} / 2", "first.backward()"
    b, back_b = f"second = {task[0].format('model(x[4:])', 'y[4:]')} / 2", "second.backward()"
    lines = [zero, a, back_a, b, back_b, *extras, STEP]
    wrong = {
        "zero-between-halves": moved(lines, zero, b),
        "zero-before-step": moved(lines, zero, STEP),
        "zero-last": moved(lines, zero, ""),
        "step-between-halves": moved(lines, STEP, b),
        "step-first": moved(lines, STEP, zero),
        "changed-under-backward": [zero, a, b, back_a, STEP, back_b, *extras],
        "backward-before-loss": moved(lines, back_a, a),
        "second-backward-before-loss": moved(lines, back_b, b),
    }
    if CLIP in extras:
        wrong["clip-half"] = moved(lines, CLIP, b)
        wrong["clip-before-backward"] = moved(lines, CLIP, a)
        wrong["clip-after-step"] = moved(lines, CLIP, "")
    told = "Each batch is run in two halves; every update uses the gradient of `first + second` and "
    return loop(rng, task, lines, told + "nothing else.", wrong)


@drill(levels=3, lesson="The training loop", arena="0.2", structures=(8, 25, 40))
def loop_order(rng: Rng) -> OrderLines:
    """The lines of a training step, in order."""
    if rng.level == 1:
        return one_loss(rng, [])
    if rng.level == 2:  # noqa: PLR2004
        return one_loss(rng, [rng.pick([CLIP, SCHEDULER, AVERAGE])])
    if rng.chance():
        return two_halves(rng, rng.pick([[], [CLIP]]))
    return one_loss(rng, rng.pick([[CLIP, SCHEDULER], [CLIP, AVERAGE], [SCHEDULER, AVERAGE]]))
