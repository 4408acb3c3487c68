"""Training: the ways in which a loop fails without a word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensordrill.authoring import FixLine, Rng, Wrong, drill
from tensordrill.building.training import OPTIMIZERS

# A hidden set-up: layers of one shape start alike, and dropout has one mask for each shape. So a repair that makes a
# layer anew, or runs the model once more, is judged by what it trains, not by how many random numbers it draws.
STEADY = """
    def _drawn(*shape):
        return torch.rand(shape, generator=torch.Generator().manual_seed(torch.initial_seed() + sum(shape)))

    def _reset(self):
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(2 * _drawn(*parameter.shape) - 1)

    nn.Linear.reset_parameters = _reset
    nn.Dropout.forward = lambda self, x: x * (_drawn(*x.shape) >= self.p) / (1 - self.p) if self.training else x
"""
HISTORY = {
    "the history": "[float(value) for value in history]",
    "whether the history holds a graph": "any(getattr(value, 'requires_grad', False) for value in history)",
}
TOTAL = {"the total": "float(total)", "whether the total holds a graph": "getattr(total, 'requires_grad', False)"}


@dataclass(frozen=True)
class Broken:
    """One line made wrong: its name, and how it reads wrong and right. Wrong turns are `(id, line, text, because)`."""

    name: str
    bug: str
    repair: str
    wrong: Sequence[tuple[str, str, str, str]]
    hint: str
    why: str


@dataclass(frozen=True)
class Right:
    """A right program: its lines and their depth, under their names, and the name of the model's output."""

    lines: dict[str, str]
    depth: dict[str, int]
    output: str

    @property
    def call(self) -> str:
        """The name of the line that calls the loss function."""
        return "losses" if "losses" in self.lines else "loss"

    @property
    def evaluates(self) -> bool:
        return "epochs" in self.lines


def softmax(rng: Rng, right: Right) -> Broken:
    name = rng.pick(["forward", right.call, *(["head"] if "head" in right.lines else [])])
    bug = f"{right.lines['forward']}.softmax(dim=-1)"
    call, argument = right.lines[right.call], right.output
    if name == "head":
        bug = f"{right.lines['head'].replace('= ', '= nn.Sequential(')}, nn.Softmax(dim=-1))"
    elif name == right.call:
        argument = f"{right.output}.softmax(dim=-1)"
        bug = call.replace(f"({right.output},", f"({argument},")
    likelihood = call.replace(f"cross_entropy({right.output},", f"nll_loss({argument},")
    kept = "cross_entropy still gets probabilities. It takes logits, and applies the softmax itself."
    over_batch = "That normalises over the batch. cross_entropy takes logits: no softmax goes before it."
    unlogged = "nll_loss takes log-probabilities, and here it gets probabilities."
    return Broken(
        name,
        bug,
        right.lines[name],
        [
            ("softmax-kept", name, bug.replace("dim=-1", "dim=1"), kept),
            ("softmax-over-batch", name, bug.replace("dim=-1", "dim=0"), over_batch),
            ("nll-of-probabilities", right.call, likelihood, unlogged),
        ],
        "What does the loss function take: probabilities, log-probabilities or logits?",
        "cross_entropy takes logits: it is log_softmax and nll_loss in one. Probabilities run too, but the second "
        "softmax flattens them: gradients shrink, and the loss cannot come near 0.",
    )


def broadcast(_rng: Rng, right: Right) -> Broken:
    call = right.lines[right.call]
    added = "loss = losses.sum()"
    if right.call == "loss":
        added = call.replace("mean", "sum") if "mean" in call else call.replace(" y)", ' y, reduction="sum")')
    kept = "Every prediction still meets every target: (8, 1) against (8,) broadcasts to (8, 8)."
    summed = "Every prediction still meets every target, (8, 1) against (8,), and now all 64 are added up."
    return Broken(
        "forward",
        "prediction = model(x)",
        right.lines["forward"],
        [
            ("broadcast-kept", right.call, call.replace(" y", " y.unsqueeze(0)"), kept),
            ("added-up", "loss", added, summed),
        ],
        "What is the shape of `prediction`, what of `y`, and what of their difference?",
        "A model that ends in one output gives (N, 1), and targets often come as (N,). Their difference broadcasts to "
        "(N, N), which pulls every prediction to the mean target. mse_loss only warns. Give both the same shape.",
    )


def evaluating(_rng: Rng, right: Right) -> Broken:
    output, _, model = right.lines["forward"].partition(" = ")
    zero = right.lines["zero"]
    other = zero.replace("model", "optimizer") if "model" in zero else zero.replace("optimizer", "model")
    kept = "The model still trains in eval mode, in which its dropout does nothing."
    on_output = "The model's own dropout still does nothing, and now its outputs are dropped instead."
    first = "A new model is in training mode, so the first epoch is right; the evaluation after it ends that mode."
    wrong = [
        ("eval-kept", "zero", other, kept),
        ("dropout-on-output", "forward", f"{output} = F.dropout({model})", on_output),
    ]
    return Broken(
        "mode",
        "model.eval()",
        "model.train()",
        [*wrong, ("first-epoch-only", "mode", "pass", first)] if right.evaluates else wrong,
        "Which layers behave differently in training and in evaluation? Which mode are they in, and when?",
        "train() and eval() set the mode of every layer below: dropout and batch norm look at it, gradients do not. "
        "The mode stays until it is set again, so set it before each phase.",
    )


def graph(_rng: Rng, right: Right) -> Broken:
    log = right.lines["log"]
    bug = log.replace(".item()", "")
    # backward() frees the activations; a loss that is only looked at keeps them.
    behind = "run, with its activations" if right.evaluates else "batch"
    carried = f"What is kept still carries the graph of every {behind} behind it."
    last = "That keeps the last loss alone."
    too_early = "backward() needs the graph that detach() takes away. Only what is kept must be without it."
    if log.startswith("history"):
        value = bug.removeprefix("history.append(").removesuffix(")")
        still, only = f"history += [{value}]", f"history = [{value}.item()]"
    else:
        still, only = "total = total + loss", "total = loss.item()"
    return Broken(
        "log",
        bug,
        log,
        [
            ("graph-kept", "log", still, carried),
            ("last-only", "log", only, last),
            ("detached-before-backward", "loss", f"{right.lines['loss']}.detach()", too_early),
        ],
        "What is kept for after the loop, and what does it hold on to besides a number?",
        "A loss is a tensor with a graph. Kept, or added to a running total, it keeps every batch's graph alive (with "
        "the activations, where no backward() has freed them), and memory grows. Keep loss.item(), float(loss) or "
        "loss.detach().",
    )


def left_out(_rng: Rng, right: Right) -> Broken:
    optimizer = right.lines["optimizer"]
    unknown = "The optimizer was made before the head was part of the model, and still does not hold its parameters."
    alone = "Now the head is trained, and nothing else."
    return Broken(
        "optimizer",
        optimizer,
        optimizer.replace("model.parameters()", "[*model.parameters(), *head.parameters()]"),
        [
            ("head-left-out", "head", f"{right.lines['head']}.requires_grad_()", unknown),
            ("head-only", "optimizer", optimizer.replace("model", "head"), alone),
        ],
        "Which tensors does the optimizer hold, and when did it get them?",
        "An optimizer holds the tensors that it was given when it was made. A layer that joins the model later gets "
        "gradients, and no updates. Make the optimizer last, or use add_param_group.",
    )


def rewrapped(_rng: Rng, right: Right) -> Broken:
    leaf = "That is a leaf: backward() fills its own .grad, and no parameter's."
    none = "detach() leaves backward() no graph to go through."
    number = "item() gives a Python number, which has no backward()."
    return Broken(
        "loss",
        "loss = torch.tensor(losses.mean().item(), requires_grad=True)",
        right.lines["loss"],
        [
            ("graph-cut", "loss", "loss = losses.mean().detach().requires_grad_()", leaf),
            ("no-graph", "loss", "loss = losses.mean().detach()", none),
            ("plain-number", "loss", "loss = losses.mean().item()", number),
        ],
        "Follow the gradient back from the loss. Which line does it not get through?",
        "A tensor that is made of a number has no history. requires_grad=True makes it a leaf, so backward() runs, and "
        "ends right there: no parameter gets a gradient, and step() changes nothing.",
    )


BUGS = (softmax, broadcast, evaluating, graph, left_out, rewrapped)


def right_program(rng: Rng, bug: Callable[[Rng, Right], Broken]) -> Right:
    """A right program with room for the bug: at level 1 for nothing else, at 2 for others, at 3 with an evaluation."""
    more, epochs = rng.level > 1, rng.level > 2  # noqa: PLR2004
    classes = bug is softmax or (bug is not broadcast and rng.chance())
    head = bug is left_out or epochs or (more and rng.chance(0.6))
    dropout = bug is evaluating or more
    width, output = (3, "logits") if classes else (1, "prediction")
    features, hidden = rng.integer(3, 6), rng.integer(5, 9)
    layers = [
        f"nn.Linear({features}, {hidden})",
        "nn.Tanh()" if head or not dropout else "",
        "nn.Dropout()" if dropout else "",
        "" if head else f"nn.Linear({hidden}, {width})",
    ]
    targets = "torch.randint(3, (8,))" if classes else "torch.randn(8)"
    applied = "model(x)" if classes else "model(x).squeeze(-1)"
    loss = "F.cross_entropy({}, y)" if classes else "F.mse_loss({}, y)"
    called = loss.format(output)
    if per_example := bug is rewrapped or (more and rng.chance(0.3)):
        called = called.replace(" y)", ' y, reduction="none")')
    elif not classes and rng.chance():
        called = "(prediction - y).square().mean()"
    history = epochs or rng.chance()
    recorded = more or bug is graph
    inner = [
        ("forward", f"{output} = {applied}"),
        ("losses", f"losses = {called}" if per_example else ""),
        ("loss", "loss = losses.mean()" if per_example else f"loss = {called}"),
        ("backward", "loss.backward()"),
        ("step", "optimizer.step()"),
    ]
    inner.insert(rng.pick([0, 3, 5]), ("zero", rng.pick(["optimizer.zero_grad()", "model.zero_grad()"])))
    kept = loss.format(applied) if epochs else "loss"
    log = ("log", (f"history.append({kept}.item())" if history else "total += loss.item()") if recorded else "")
    mode = ("mode", "model.train()" if dropout else "")
    outer = [
        ("data", f"batches = [(torch.randn(8, {features}), {targets}) for _ in range({rng.integer(3, 5)})]"),
        ("model", f"model = nn.Sequential({', '.join(layer for layer in layers if layer)})"),
        ("head", f"head = nn.Linear({hidden}, {width})" if head else ""),
        ("attach", "model.head = head" if head else ""),
        ("optimizer", f"optimizer = {rng.pick(OPTIMIZERS).format('model')}"),
        ("start", ("history = []" if history else "total = 0.0") if recorded else ""),
    ]
    if epochs:
        blocks = [
            [*outer, ("epochs", "for epoch in range(2):")],
            [mode, ("loop", "for x, y in batches[1:]:")],
            inner,
            [
                ("evaluate", "model.train(False)" if bug is evaluating or rng.chance(0.3) else "model.eval()"),
                ("held out", "x, y = batches[0]"),
                log,
            ],
        ]
        depths = [0, 1, 2, 1]
    else:
        blocks, depths = [[*outer, mode, ("loop", "for x, y in batches:")], [*inner, log]], [0, 1]
    return Right(
        {name: line for block in blocks for name, line in block if line},
        {name: depth for block, depth in zip(blocks, depths, strict=True) for name, _ in block},
        output,
    )


def promises(right: Right) -> list[str]:
    """What the program should do, the opposite of its bug among it."""
    head = ", its head included," if "head" in right.lines else ""
    without = ", as numbers or as tensors without a graph"
    found = [
        "has as its loss the mean cross-entropy of the labels `y`, under one softmax of the last linear layer's outputs"
        if right.output == "logits"
        else "has as its loss the mean squared difference between each example's prediction and its own target in `y`",
        f"updates all parameters of `model`{head} after each batch",
    ]
    if "mode" in right.lines:
        found.append("uses dropout while it trains" + (", and not while it evaluates" if right.evaluates else ""))
    if right.lines.get("start") == "total = 0.0":
        found.append("ends with the sum of the batches' losses in `total`, a number or a tensor without a graph")
    elif right.evaluates:
        found.append("ends with the loss on the held-out batch after each epoch in `history`" + without)
    elif "start" in right.lines:
        found.append("ends with the loss of each batch in `history`" + without)
    return found


@drill(
    after=["training.loop-order", "training.losses", "shapes.broadcast", "modules.train-eval"],
    levels=3,
    lesson="The training loop",
    arena="0.2",
    structures=(300, 450, 300),
)
def spot_the_bug(rng: Rng) -> FixLine:
    """One line that breaks the training without a word."""
    bug = rng.pick(BUGS)
    right = right_program(rng, bug)
    broken = bug(rng, right)
    names = list(right.lines)
    if bug is left_out:
        names.remove("attach")
        names.insert(names.index("optimizer") + 1, "attach")
    lines = right.lines | {broken.name: broken.bug}
    observe = {"the weights": "list(model.parameters())"}
    if "start" in lines:
        observe |= TOTAL if lines["start"] == "total = 0.0" else HISTORY
    return FixLine(
        prompt="This program runs, and does not do what it should. Replace one line, so that it\n\n- "
        + ";\n- ".join(promises(right))
        + ".",
        setup=STEADY,
        program="\n".join("    " * right.depth[name] + lines[name] for name in names),
        bug=broken.bug,
        repair=broken.repair,
        observe=observe,
        wrong=[Wrong(key, f"{names.index(at) + 1}: {text}", said) for key, at, text, said in broken.wrong],
        hints=[broken.hint, f"Look at line {names.index(broken.name) + 1}."],
        why=broken.why,
    )
