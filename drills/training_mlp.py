"""Training: a small network trained from start to end, judged by what it has learned and by how."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels

# What an answer is watched for: before every backward pass the gradients of the leaves that it reaches must be cleared,
# and where `model` is ours it must be in training mode. `first` keeps each leaf's value from before its first one.
# Named twice, the wrapper is the same: several runs share a process.
WATCH = """
first, cleared, modes = {}, [], []


def _leaves(node, seen):
    if node is None or node in seen:
        return
    seen.add(node)
    if hasattr(node, "variable"):
        leaf = node.variable
        first.setdefault(id(leaf), (leaf, leaf.detach().clone()))
        cleared.append(leaf.grad is None or not leaf.grad.any())
    for before, _ in node.next_functions:
        _leaves(before, seen)


_backward = getattr(torch.autograd.backward, "plain", torch.autograd.backward)


def _watched(tensors, *args, **kwargs):
    for tensor in [tensors] if isinstance(tensors, torch.Tensor) else tensors:
        _leaves(tensor.grad_fn, set())
    modes.append(getattr(globals().get("model"), "training", True))
    return _backward(tensors, *args, **kwargs)


_watched.plain = _backward
torch.autograd.backward = _watched
_grad = getattr(torch.autograd.grad, "plain", torch.autograd.grad)


def _watched_grad(outputs, inputs, *args, **kwargs):
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
    for leaf in inputs:
        first.setdefault(id(leaf), (leaf, leaf.detach().clone()))
    modes.append(getattr(globals().get("model"), "training", True))
    return _grad(outputs, inputs, *args, **kwargs)


_watched_grad.plain = _grad
torch.autograd.grad = _watched_grad


def trained(model):
    weights = [p for p in model.parameters() if p.dim() > 1]
    return [id(p) in first and not torch.equal(first[id(p)][1], p.detach()) for p in weights]


def learned(model):
    # Only asked of what was trained as it should be: else that is what is wrong.
    return not all(cleared) or not all(trained(model)) or right(model, x_test, y_test) >= 0.85


def right(model, x, y):
    training = model.training
    model.eval()
    with torch.no_grad():
        out = model(x)
    model.train(training)
    if out.ndim == 2 and out.shape[1] > 1:
        return (out.argmax(1) == y.flatten()).double().mean().item()
    return ((out.flatten() > 0) == (y.flatten() > 0.5)).double().mean().item()

"""
DATA = """
def points(count):
    x = 2 * torch.rand(count, 2) - 1
    return x, {labels}


torch.manual_seed(torch.initial_seed() % 1000 + 1)
x, y = points(192)
x_test, y_test = points(400)
"""
INSIDE = "((({x} - {centre}) / {axes}).square().sum(1) < 1)"
LEARNED = "whether 85 % of unseen points are right"
TRAINED = "which layers were trained"
REPEATED = "whether there were ten backward passes at least"
CLEARED = "whether the gradients were cleared before each backward pass"
IN_EVAL = "whether the model is in evaluation mode at the end"
IN_TRAIN = "whether dropout was on in training"
BECAUSE = {
    "not-cleared": "backward() adds to what is in .grad. Clear the gradients before each of them.",
    "head-only": "The optimizer holds the last layer alone, so the first one stays as it was.",
    "one-step": "One step is not enough: repeat it a hundred times.",
    "linear": "Without a function between them two linear layers are one, which cannot tell inside from outside.",
    "train-mode-left": "The model is still in training mode: its dropout goes on. End with model.eval().",
    "trained-in-eval": "eval() turns dropout off. Train in training mode.",
    "predicted-in-train": "The predictions were made with dropout on. Call model.eval() before them.",
    "ascent": "The loss grows along the gradient. That way the model learns to be wrong.",
}


def losses(rng: Rng) -> tuple[str, int, str, str, str]:
    """The loss of `out`, the number of outputs, the labels, how they are told, and what the outputs are."""
    side = "holds 1.0 for a point inside an ellipse and 0.0 for one outside"
    one = "one logit, positive for inside"
    call = "F.binary_cross_entropy_with_logits"
    whole = "`y`, (n,) and int64, holds 1 for a point inside an ellipse and 0 for one outside"
    return rng.pick(
        [
            ("F.cross_entropy(model(x), y)", 2, "{inside}.long()", whole, "two logits, class 0 first"),
            (f"{call}(model(x), y)", 1, "{inside}.to(x.dtype)[:, None]", f"`y`, of shape (n, 1), {side}", one),
            (f"{call}(model(x).squeeze(-1), y)", 1, "{inside}.to(x.dtype)", f"`y`, of shape (n,), {side}", one),
        ]
    )


def optimizer(rng: Rng) -> str:
    return rng.pick(
        [
            "torch.optim.Adam({}, lr=0.05)",
            "torch.optim.AdamW({}, lr=0.05)",
            "torch.optim.SGD({}, lr=0.5, momentum=0.9)",
            "torch.optim.NAdam({}, lr=0.05)",
        ]
    )


def setup_of(rng: Rng, labels: str) -> str:
    """The watch and the data: points inside and outside a circle or an ellipse, about as many of each."""
    a, b = rng.pick([(0.2, -0.1), (-0.1, 0.2), (0.0, 0.0), (-0.2, -0.1), (0.1, 0.0)])
    wide, high = rng.pick([(0.8, 0.8), (0.75, 0.75), (0.7, 0.9), (0.9, 0.7)])
    inside = INSIDE.format(x="x", centre=f"torch.tensor([{a}, {b}])", axes=f"torch.tensor([{wide}, {high}])")
    return WATCH + DATA.format(labels=labels.format(inside=inside))


def loop(loss: str, make: str, steps: int = 50) -> str:
    return (
        f"optimizer = {make}\n"
        f"for _ in range({steps}):\n"
        "    optimizer.zero_grad()\n"
        f"    loss = {loss}\n"
        "    loss.backward()\n"
        "    optimizer.step()"
    )


def given(rng: Rng) -> WriteCode:
    """The model is there."""
    loss, outputs, labels, told, out = losses(rng)
    hidden, activation = rng.pick([16, 24, 32]), rng.pick(["ReLU", "GELU", "SiLU"])
    model = f"nn.Sequential(nn.Linear(2, {hidden}), nn.{activation}(), nn.Linear({hidden}, {outputs}))"
    solution = loop(loss, optimizer(rng).format("model.parameters()"))
    return asked(
        rng,
        f"Train `model` in place on the points `x`, of shape (n, 2): {told}. The model gives {out}. "
        f"{{common}}\n\n`model = {model}`",
        "def train(model, x, y):",
        solution,
        setup_of(rng, labels) + f"model = {model}\nresults = []\n\n\ndef done():\n    if not results:\n        "
        "train(model, x, y)\n        results.append(model)\n    return model\n",
        {},
        [
            Edit("head-only", "model.parameters()", "model[-1].parameters()", BECAUSE["head-only"]),
            Edit("one-step", "range(50)", "range(1)", BECAUSE["one-step"]),
        ],
    )  # fmt: skip


def built(rng: Rng) -> WriteCode:
    """The model is a part of the task."""
    loss, outputs, labels, told, out = losses(rng)
    layers = f"nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, {outputs})"
    solution = (
        f"model = nn.Sequential({layers})\n{loop(loss, optimizer(rng).format('model.parameters()'))}\nreturn model"
    )
    return asked(
        rng,
        f"Make a network of two linear layers with something between them, train it on the points `x`, of shape "
        f"(n, 2), "
        f"and return it: an `nn.Module`. {told}. The model gives "
        f"{out}. {{common}}",
        "def train(x, y):",
        solution,
        setup_of(rng, labels) + "results = []\n\n\ndef done():\n    if not results:\n        "
                                "results.append(train(x, y))\n"
        "    return results[0]\n",
        {},
        [
            Edit("head-only", "model.parameters()", "model[-1].parameters()", BECAUSE["head-only"]),
            Edit("linear", " nn.ReLU(),", "", BECAUSE["linear"]),
        ],
    )  # fmt: skip


def with_dropout(rng: Rng) -> WriteCode:
    """Dropout asks for both modes; perhaps predictions are asked for too."""
    loss, outputs, labels, told, out = losses(rng)
    hidden, activation = rng.pick([48, 64]), rng.pick(["ReLU", "GELU"])
    model = (
        f"nn.Sequential(nn.Linear(2, {hidden}), nn.{activation}(), nn.Dropout(0.1), nn.Linear({hidden}, "
        f"{outputs})).eval()"
    )
    predicts = rng.chance()
    solution = "model.train()\n" + loop(loss, rng.pick(["torch.optim.Adam({}, lr=0.05)", ("torch.optim.AdamW({}, "
                                                                                          "lr=0.05)")])
                                        .format("model.parameters()")) + "\nmodel.eval()"  # fmt: skip
    extra = {IN_TRAIN: "(done(), all(modes))[1]"}
    task = "Leave it in evaluation mode."
    signature, call = "def train(model, x, y):", "train(model, x, y)"
    if predicts:
        solution += "\nwith torch.no_grad():\n    return model(x_new)"
        signature, call = "def train(model, x, y, x_new):", "train(model, x, y, x_new)"
        task = "Leave it in evaluation mode, and return its outputs for the points `x_new`, without a graph."
        extra |= {
            "whether the outputs are those of the trained model": (
                "(done(), bool(torch.equal(returned[0], expected())))[1]"
            ),
            "whether the outputs have a graph": "(done(), returned[0].requires_grad)[1]",
        }
    setup = setup_of(rng, labels) + (
        f"x_new = x_test\nmodel = {model}\nreturned = []\n\n\ndef done():\n    if not returned:\n        "
        f"returned.append({call})\n\n\ndef expected():\n    training = model.training\n    model.eval()\n"
        "    with torch.no_grad():\n        out = model(x_new)\n    model.train(training)\n    return out\n"
    )
    turns: list[Edit | Wrong] = [
        Edit("trained-in-eval", "model.train()\n", "model.eval()\n", BECAUSE["trained-in-eval"]),
        Edit("train-mode-left", "\n    model.eval()", "", BECAUSE["train-mode-left"]),
    ]
    if predicts:
        late = solution.replace("\nmodel.eval()\nwith torch.no_grad():\n    return model(x_new)",
                                ("\nwith torch.no_grad():\n    out = model(x_new)\nmodel.eval()\nreturn "
                                 "out"))  # fmt: skip
        turns[1] = Wrong("predicted-in-train", late, BECAUSE["predicted-in-train"])
    return asked(
        rng,
        f"Train `model` in place on the points `x`, of shape (n, 2): {told}. The model gives {out}, and comes "
        f"in evaluation mode: its dropout should be on while it trains. {task} {{common}}\n\n`model = {model}`",
        signature,
        solution,
        setup,
        {**extra, IN_EVAL: "(done(), not model.training)[1]"},
        turns,
        model="(done(), model)[1]",
    )


def asked(
    rng: Rng,
    prompt: str,
    signature: str,
    solution: str,
    setup: str,
    extra: dict[str, str],
    wrong: Sequence[Edit | Wrong],
    model: str = "done()",
) -> WriteCode:
    del rng
    common = (
        "It should be right about at least 85 % of unseen points: a hundred steps with all points at once are "
        "enough, and thousands take too long. "
        "Train both layers, and clear the gradients before each backward pass."
    )
    return WriteCode(
        prompt=prompt.format(common=common),
        signature=signature,
        body=f"\n{solution}",
        setup=setup,
        shown_setup="",
        observe={
            CLEARED: f"{model} is not None and all(cleared)",
            TRAINED: f"trained({model})",
            REPEATED: f"{model} is not None and len(modes) >= 10",
            LEARNED: f"learned({model})",
            **extra,
        },
        wrong=[
            *wrong,
            Edit("not-cleared", "optimizer.zero_grad()", "pass", BECAUSE["not-cleared"]),
        ],
        hints=[
            "Which lines make one step: clear, output, loss, backward, update? Everything else stands around a loop.",
            (
                "An optimizer of all of the model's parameters; then, a hundred times, zero_grad(), the loss of all "
                "points, backward() and step(). Adam with lr=0.05 will do."
            ),
        ],
        why="A training loop is five steps: clear the gradients, compute the outputs and the loss, "
        "`backward()`, `step()`. "
        "The optimizer must hold the parameters of all layers. Without something nonlinear between them two linear "
        "layers are one. Dropout wants `model.train()` before the loop and `model.eval()` after it.",
    )


@drill(
    after=["training.loop-order", "training.losses", "modules.linear"],
    levels=3,
    lesson="The training loop",
    arena="0.2",
    structures=(12, 12, 12),
)
def two_layer_mlp(rng: Rng) -> WriteCode:
    """A two-layer network, trained."""
    return {GUIDED: given, SECOND: built, COMPOSED: with_dropout}[rng.level](rng)
