"""Training: a small network trained from start to end, judged by what it has learned and by how."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteCode, Wrong, drill
from tensordrill.building.watching import POINTS, WATCH

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels

CLEARED = "whether the gradients were cleared before each backward pass"
TRAINED = "what became of each layer"
UNTOUCHED = "whether the data are as they were"
ENOUGH = "whether there were more than four backward passes"
SHAPES = "whether outputs and targets met in one shape"
BENT = "whether the network is more than linear"
LEARNED = "whether it has learned enough"
IN_EVAL = "whether the model is in evaluation mode at the end"
IN_TRAIN = "whether it was in training mode while it trained"
IN_EVAL_MADE = "whether the outputs were made in evaluation mode"
THE_SHAPE = "whether the outputs have the shape that the model gives them"
THE_OUTPUTS = "whether the outputs are those of the trained model"
NO_GRAPH = "whether the outputs are without a graph"
FLOATS = "whether the losses are a list of Python floats"
EACH_LOSS = "whether there is a loss for each backward pass"
BECAUSE = {
    "not-cleared": "backward() adds to what is in .grad. Clear the gradients before each backward pass.",
    "head-only": "The optimizer holds the last layer alone, so the first one stays as it was.",
    "no-step": "backward() makes gradients, and only step() changes the weights.",
    "one-step": "One step is not enough: repeat it a hundred times.",
    "one-epoch": "Once through the batches is not enough: repeat it twenty times.",
    "linear": "Without a function between them two linear layers are one.",
    "broadcast": "(n, 1) against (n,) broadcasts to (n, n): every output met every target, and the model learned their "
    "mean. Give both the same shape.",
    "train-mode-left": "The model is still in training mode. End with model.eval().",
    "trained-in-eval": "Some of the training ran in evaluation mode, as the model came. Call model.train() before it.",
    "predicted-in-train": "The outputs were made in training mode. Call model.eval() before them.",
    "graph-kept": "eval() changes the mode of the layers and no more: without no_grad() the outputs have a graph.",
    "tensors-kept": "You keep the losses as tensors, each with its graph. loss.item() is the number.",
}


@dataclass(frozen=True)
class Task:
    """What is learned: how `y` and the outputs are told, how `y` is made, the loss, and how well `out` does."""

    told: str
    gives: str
    y: str
    loss: str
    score: str
    outputs: int = 1
    last: str = ""

    @property
    def guesses(self) -> bool:
        """Whether it is a number that is guessed, not a class."""
        return "mse_loss" in self.loss

    @property
    def goal(self) -> str:
        if self.guesses:
            return "its mean squared error on unseen points is below three quarters of the variance of their `y`"
        return "it is right about at least three quarters of unseen points"


SIDE = "is 1.0 for a point inside an ellipse and 0.0 for one outside"
WHOLE = "`y`, int64 of shape (n,), is 1 for a point inside an ellipse and 0 for one outside"
SQUARED = "is a quadratic function of the point"
INSIDE = "(distance < 1).to(x.dtype)"
ENTROPY = "F.binary_cross_entropy_with_logits"
CHOSEN = "(out.argmax(1) == _y_new).double().mean() >= 0.75"
POSITIVE = "((out > {}).flatten() == (_y_new > 0.5).flatten()).double().mean() >= 0.75"
EXPLAINED = "(out.flatten() - _y_new.flatten()).square().mean() < 0.75 * _y_new.var()"
LOGIT = "one logit, positive for inside, of shape (n, 1)"
LINEAR = (  # tasks for a network that ends in a linear layer
    Task(WHOLE, "two logits, class 0 first", "(distance < 1).long()", "F.cross_entropy({}, y)", CHOSEN, 2),
    Task(f"`y`, of shape (n, 1), {SIDE}", LOGIT, f"{INSIDE}[:, None]", f"{ENTROPY}({{}}, y)", POSITIVE.format(0)),
    Task(f"`y`, of shape (n,), {SIDE}", LOGIT, INSIDE, f"{ENTROPY}({{}}.squeeze(-1), y)", POSITIVE.format(0)),
    Task(f"`y`, of shape (n, 1), {SQUARED}", "its guess, of shape (n, 1)", "distance[:, None]",
         "F.mse_loss({}, y)", EXPLAINED),
    Task(f"`y`, of shape (n,), {SQUARED}", "its guess, of shape (n, 1)", "distance",
         "F.mse_loss({}.squeeze(-1), y)", EXPLAINED),
)  # fmt: skip
FURTHER = (
    Task(WHOLE, "two log-probabilities, class 0 first", "(distance < 1).long()", "F.nll_loss({}, y)", CHOSEN, 2,
         "nn.LogSoftmax(dim=-1)"),
    Task(f"`y`, of shape (n, 1), {SIDE}", "a probability of inside, of shape (n, 1)", f"{INSIDE}[:, None]",
         "F.binary_cross_entropy({}, y)", POSITIVE.format(0.5), last="nn.Sigmoid()"),
)  # fmt: skip
ACTIVATIONS = ("nn.ReLU()", "nn.GELU()", "nn.Tanh()")
LONG, SHORT = 60, 6  # steps: the reference needs many; how a wrong turn goes wrong shows after few


@dataclass(frozen=True)
class Loop:
    """A way to train on `x` and `y`, or on `batches`."""

    task: Task
    batched: bool
    optimizer: str = "torch.optim.Adam(model.parameters(), lr=0.1)"
    records: bool = False

    @property
    def data(self) -> str:
        return "batches" if self.batched else "x, y"

    @property
    def told(self) -> str:
        if self.batched:
            return f"`batches` is a list of pairs `(x, y)`, with points `x` of shape (n, 2). {self.task.told}"
        return f"The points `x` are of shape (n, 2). {self.task.told}"

    def written(self, steps: int = SHORT, **changed: str) -> str:
        """The lines; `changed` replaces those of that name, and leaves out what is empty."""
        make = changed.pop("make", self.optimizer)
        lines = {
            "zero": "optimizer.zero_grad()",
            "loss": f"loss = {self.task.loss.format('model(x)')}",
            "backward": "loss.backward()",
            "step": "optimizer.step()",
            "record": "losses.append(loss.item())" if self.records else "",
        } | changed
        depth = "        " if self.batched else "    "
        return "\n".join(
            [
                *(["losses = []"] if self.records else []),
                *([f"optimizer = {make}"] if make else []),
                f"for _ in range({steps // 2 if self.batched else steps}):",
                *(["    for x, y in batches:"] if self.batched else []),
                *(depth + line for line in lines.values() if line),
            ]
        )

    def wrong(self, around: str = "{}") -> list[Wrong]:
        """What goes wrong in any of them; `around` is what stands before and after the loop."""
        once = ("one-epoch", 2) if self.batched else ("one-step", 1)
        turns = [
            ("not-cleared", self.written(zero="")),
            ("no-step", self.written(step="")),
            (once[0], self.written(once[1])),
        ]
        if "squeeze" in self.task.loss and self.task.guesses:
            turns.append(("broadcast", self.written(loss=f"loss = {self.task.loss.replace('.squeeze(-1)', '')}"
                                                    .format("model(x)"))))  # fmt: skip
        if self.optimizer:
            turns.append(("head-only", self.written(make=self.optimizer.replace("model.", "model[2]."))))
        return [turn(name, around.format(text)) for name, text in turns]


def turn(name: str, answer: str) -> Wrong:
    return Wrong(name, answer, BECAUSE[name])


def sequential(task: Task, hidden: int, *between: str) -> str:
    last = [task.last] if task.last else []
    layers = [f"nn.Linear(2, {hidden})", *between, f"nn.Linear({hidden}, {task.outputs})", *last]
    return f"nn.Sequential({', '.join(layers)})"


def given(rng: Rng) -> WriteCode:
    """The model is there, and perhaps its optimizer."""
    task, batched, optimizer = rng.pick(LINEAR + FURTHER), rng.chance(), rng.chance()
    loop = Loop(task, batched, "") if optimizer else Loop(task, batched)
    shown = f"model = {sequential(task, rng.pick([32, 48, 64]), rng.pick(ACTIVATIONS))}"
    if optimizer:
        shown += f"\noptimizer = {Loop.optimizer}"
    arguments = f"model, {'optimizer, ' * optimizer}{loop.data}"
    return asked(
        rng,
        loop,
        f"Train `model` in place{' with `optimizer`' * optimizer} until {task.goal}.\n\n{loop.told}. The model "
        f"gives {task.gives}.",
        arguments,
        loop.written(LONG),
        shown,
        {},
        loop.wrong(),
    )


def built(rng: Rng) -> WriteCode:
    """The model is a part of the task."""
    task, batched = rng.pick(LINEAR), rng.chance()
    loop = Loop(task, batched)
    made = f"nn.Sequential(nn.Linear(2, 32), {rng.pick(['nn.ReLU()', 'nn.Tanh()'])}, nn.Linear(32, {task.outputs}))"
    around = f"model = {made}\n{{}}\nreturn model"
    flat = re.sub(r" nn\.\w+\(\),", "", around)
    return asked(
        rng,
        loop,
        f"Make a network of two linear layers with something between them, train it until {task.goal}, and return it, "
        f"an `nn.Module`.\n\n{loop.told}. The network gives {task.gives}.",
        loop.data,
        around.format(loop.written(LONG)),
        "",
        {BENT: "_watch.bends()"},
        [*loop.wrong(around), turn("linear", flat.format(loop.written()))],
    )


def with_modes(rng: Rng) -> WriteCode:
    """A layer asks for both modes, and outputs or losses may be asked for too."""
    task, batched, request = rng.pick(LINEAR + FURTHER), rng.chance(), rng.pick(["", "outputs", "losses"])
    loop = Loop(task, batched, records=request == "losses")
    layer, at, does = rng.pick(
        [
            ("nn.Dropout(0.1)", 2, "dropout is on"),
            ("nn.BatchNorm1d({})", 1, "batch norm uses and averages the batches' statistics"),
        ]
    )
    hidden = rng.pick([32, 48, 64])
    between = [rng.pick(ACTIVATIONS)]
    between.insert(at - 1, layer.format(hidden))
    after = {
        "": "model.eval()",
        "outputs": "model.eval()\nwith torch.no_grad():\n    return model(x_new)",
        "losses": "model.eval()\nreturn losses",
    }[request]
    around = f"model.train()\n{{}}\n{after}"
    how = {IN_TRAIN: "all(_watch.modes)", IN_EVAL: "not any(module.training for module in model.modules())"}
    wrong = [
        *(one for one in loop.wrong(around) if one.id != "head-only"),
        turn("trained-in-eval", around.format(loop.written()).replace("model.train()\n", "")),
    ]
    task_told = "Leave it in evaluation mode"
    if request == "outputs":
        how |= {
            IN_EVAL_MADE: "not (_watch.returned(), _watch.predicted_in_train)[1]",
            THE_SHAPE: "_watch.returned().shape == _watch.outputs(_x_new).shape",
            THE_OUTPUTS: "_watch.predicts()",
            NO_GRAPH: "not _watch.returned().requires_grad",
        }
        early = "with torch.no_grad():\n    out = model(x_new)\nmodel.eval()\nreturn out"
        wrong += [
            turn("predicted-in-train", f"model.train()\n{loop.written()}\n{early}"),
            turn("graph-kept", f"model.train()\n{loop.written()}\nmodel.eval()\nreturn model(x_new)"),
        ]
        task_told += ", and return its outputs for the points `x_new`, without a graph"
    elif request == "losses":
        how |= {
            FLOATS: "isinstance(_watch.returned(), list) and all(type(v) is float for v in _watch.returned())",
            EACH_LOSS: "len(_watch.returned()) == _watch.passes()",
        }
        wrong.append(turn("tensors-kept", around.format(loop.written(record="losses.append(loss)"))))
        task_told += ", and return the loss of each backward pass: a list of Python floats"
    if request != "outputs":
        wrong.append(
            turn(
                "train-mode-left",
                around.replace("model.eval()\n", "").replace("model.eval()", "").format(loop.written()),
            )
        )
    return asked(
        rng,
        loop,
        f"Train `model` in place until {task.goal}.\n\n{loop.told}. The model gives {task.gives}.\n\nIt comes in "
        f"evaluation mode: train it in training mode, in which {does}. {task_told}.",
        f"model, {loop.data}{', x_new' * (request == 'outputs')}",
        around.format(loop.written(LONG)),
        f"model = {sequential(task, hidden, *between)}.eval()",
        how,
        wrong,
        watched=f"model[{at}].register_forward_hook(_watch.note)",
    )


def asked(
    rng: Rng,
    loop: Loop,
    prompt: str,
    arguments: str,
    solution: str,
    shown: str,
    extra: dict[str, str],
    wrong: Sequence[Wrong],
    watched: str = "",
) -> WriteCode:
    a, b = rng.pick([(0.4, -0.2), (-0.2, 0.4), (0.0, 0.0), (-0.4, -0.2), (0.2, 0.0)])
    wide, high = rng.pick([(1.6, 1.6), (1.5, 1.5), (1.4, 1.8), (1.8, 1.4)])
    setup = [
        WATCH.format(score=loop.task.score),
        POINTS.format(centre=[a, b], axes=[wide, high], y=loop.task.y),
        shown,
        f"_watch = _Watch({arguments.replace('x_new', '_x_new')})",
        "for _p in model.parameters():\n    _watch.hold(model, '', _p)" if shown else "",
        watched,
        "del x, y, batches",  # an answer has what it is given, and nothing else of that name
    ]
    how = {
        CLEARED: "_watch.cleared()",
        ENOUGH: "_watch.passes() > 4 or not _watch.first",
        UNTOUCHED: "_watch.untouched()",
        **({SHAPES: "not _watch.broadcast()"} if loop.task.guesses else {}),
        **extra,
    }
    # What was trained otherwise than it should be need not have learned: the first thing wrong is what it is told.
    well = " and ".join(["set(_watch.trained()) == {'trained'}", *(f"({seen})" for seen in how.values())])
    return WriteCode(
        prompt=f"{prompt}\n\nA hundred steps are plenty. Train both linear layers, clear the gradients before each "
        "backward pass, and leave the data as they are.",
        signature=f"def train({arguments}):",
        body=f"\n{solution}",
        setup="\n".join(setup),
        shown_setup=shown,
        observe={TRAINED: "_watch.trained()", **how, LEARNED: f"not ({well}) or _watch.learned()"},
        instances=1,
        wrong=wrong,
        hints=[
            "Which lines make one step: clear, output, loss, backward, update? Everything else stands around a loop.",
            (
                "An optimizer of all of the model's parameters; then, a hundred times, zero_grad(), the loss, "
                "backward() and step(). Adam with lr=0.05 will do. Which loss goes with those outputs and that `y`?"
            ),
        ],
        why="A training loop is five steps: clear the gradients, compute the outputs and the loss, `backward()`, "
        "`step()`. The optimizer must hold the parameters of all layers. Without something nonlinear between them two "
        "linear layers are one. Dropout and batch norm want `model.train()` before the loop and `model.eval()` after "
        "it; `eval()` does not stop gradients, which `torch.no_grad()` does.",
    )


@drill(
    after=["training.loop-order", "training.losses", "modules.linear"],
    levels=3,
    lesson="The training loop",
    arena="0.2",
    structures=(24, 18, 36),
)
def two_layer_mlp(rng: Rng) -> WriteCode:
    """A two-layer network, trained."""
    return {GUIDED: given, SECOND: built, COMPOSED: with_modes}[rng.level](rng)
