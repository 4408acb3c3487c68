"""Whole training loops as people write them, and what the judge says of them."""

from functools import cache

import pytest

from tensordrill.catalog import built_in
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

DRILL = built_in()["training.two-layer-mlp"]


@cache
def puzzle(level: int, signature: str, *words: str) -> Puzzle:
    """The first puzzle with that signature whose prompt or set-up has all these words."""
    for seed in range(600):
        it = DRILL.puzzle(seed, level)
        text = f"{it.face.prompt} {it.face.code}"
        if it.face.signature == f"def train({signature}):" and all(word in text for word in words):
            return it
    raise LookupError


def judged(judge: Judge, it: Puzzle, answer: str) -> str:
    """`right`, or the name of the wrong turn, or what is not as it should be."""
    verdict = judge.grade(it, answer)
    return "right" if verdict.correct else verdict.wrong_turn or verdict.feedback


PLAIN = """
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for step in range(100):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
LOOPS = (
    PLAIN,
    """
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for step in range(100):
    loss = nn.CrossEntropyLoss()(model(x), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
""",
    """
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64, shuffle=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
for epoch in range(40):
    for a, b in loader:
        loss = F.nll_loss(model(a).log_softmax(-1), b)
        model.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
""",
    """
for step in range(150):
    loss = F.cross_entropy(model(x), y)
    grads = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for p, g in zip(model.parameters(), grads):
            p -= 0.8 * g
""",
    """
for step in range(150):
    for p in model.parameters():
        p.grad = None
    F.cross_entropy(model(x), y).backward()
    for p in model.parameters():
        p.data -= 0.8 * p.grad
""",
    """
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=40)
def closure():
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return loss
optimizer.step(closure)
return model
""",
    """
parameters = {name: p.detach() for name, p in model.named_parameters()}
def loss(parameters):
    return F.cross_entropy(torch.func.functional_call(model, parameters, x), y)
for step in range(150):
    gradients = torch.func.grad(loss)(parameters)
    parameters = {name: p - 0.8 * gradients[name] for name, p in parameters.items()}
model.load_state_dict(parameters)
""",
)
CLASSES = (1, "model, x, y", "two logits")


@pytest.mark.parametrize("answer", LOOPS)
def test_any_style_of_loop_is_right(judge: Judge, answer: str) -> None:
    assert judged(judge, puzzle(*CLASSES), answer) == "right"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    optimizer.zero_grad()\n", "", "not-cleared"),
        ("model.parameters()", "model[2].parameters()", "head-only"),
        ("model.parameters()", "model[0].parameters()", "What became of each layer"),
        ("    optimizer.step()\n", "", "no-step"),
        ("range(100)", "range(1)", "one-step"),
        ("model(x), y", "model(x), 1 - y", "Whether it has learned enough"),
        ("model(x), y", "model(x.sub_(x.mean(0))), y", "Whether the data are as they were"),
        ("lr=0.05", "lr=1e-6", "Whether it has learned enough"),
        ("model(x)", "model(x).detach()", "does not require grad"),
        ("model(x)", "model[2](model[1](model[0](x)).detach())", "without gradient"),
    ],
)
def test_half_a_loop_is_wrong(judge: Judge, old: str, new: str, said: str) -> None:
    assert old in PLAIN
    assert said in judged(judge, puzzle(*CLASSES), PLAIN.replace(old, new))


def test_an_optimizer_that_is_given_may_run_on_all_batches_or_one_after_another(judge: Judge) -> None:
    it = puzzle(1, "model, optimizer, batches", "one logit", "(n, 1)", "(n,)")
    loop = """
for epoch in range(40):
    for x, y in batches:
        loss = nn.BCEWithLogitsLoss()(model(x)[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
    assert judged(judge, it, loop) == "right"
    assert judged(judge, it, loop.replace("(40)", "(1)")) == "one-epoch"
    assert judged(judge, it, loop.replace("optimizer.zero_grad()", "pass")) == "not-cleared"
    joined = """
x, y = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
for step in range(80):
    optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(model(x).flatten(), y).backward()
    optimizer.step()
"""
    assert judged(judge, it, joined) == "right"


def test_only_what_is_handed_over_is_there(judge: Judge) -> None:
    batched = puzzle(1, "model, optimizer, batches", "two logits")
    loop = """
for epoch in range(60):
    for {} in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
"""
    assert judged(judge, batched, loop.format("x, y")) == "right"
    assert "name 'x' is not defined" in judged(judge, batched, loop.format("a, b"))
    for level, signature in ((1, "model, x, y"), (3, "model, x, y, x_new")):
        unseen = (MODES if level == 3 else PLAIN).replace("model(x), y", "model(x), y_new[: len(x)]")
        assert "name 'y_new' is not defined" in judged(judge, puzzle(level, signature, "two logits"), unseen)
    assert "name 'x_new' is not defined" in judged(judge, puzzle(*CLASSES), PLAIN.replace("model(x)", "model(x_new)"))


OWN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 40), nn.Linear(40, 1)

    def forward(self, x):
        return self.second(self.first(x).relu())

def train(x, y):
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for step in range(100):
        optimizer.zero_grad()
        ((net(x).squeeze(1) - y) ** 2).mean().backward()
        optimizer.step()
    return net
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", "right"),
        ("((net(x).squeeze(1) - y) ** 2).mean()", "F.mse_loss(net(x), y[:, None])", "right"),
        ("((net(x).squeeze(1) - y) ** 2).mean()", "F.smooth_l1_loss(net(x).flatten(), y)", "right"),
        ("return net", "return net.eval()", "right"),
        (".relu()", "", "linear"),
        ("((net(x).squeeze(1) - y) ** 2).mean()", "F.mse_loss(net(x), y)", "broadcast"),
        ("((net(x).squeeze(1) - y) ** 2)", "((net(x) - y) ** 2)", "Whether it has learned enough"),
        ("        optimizer.zero_grad()\n", "", "not-cleared"),
        ("net.parameters()", "net.second.parameters()", "head-only"),
        ("return net", "return net(x)", "attribute"),
        ("return net", "return Net()", "What became of each layer"),
    ],
)
def test_a_network_of_ones_own(judge: Judge, old: str, new: str, said: str) -> None:
    it = puzzle(2, "x, y", "quadratic", "`y`, of shape (n,)")
    assert said in judged(judge, it, OWN.replace(old, new) if old else OWN)


def test_the_best_of_several_is_a_copy(judge: Judge) -> None:
    it = puzzle(2, "x, y", "quadratic", "`y`, of shape (n,)")
    best = OWN.replace("    net = Net()", "    import copy\n    net, low = Net(), float('inf')")
    best = best.replace("        optimizer.zero_grad()\n", "        loss = F.mse_loss(net(x), y[:, None])\n"
                        "        if loss < low: low, best = loss.item(), copy.deepcopy(net)\n"
                        "        optimizer.zero_grad()\n").replace("return net", "return best")  # fmt: skip
    assert judged(judge, it, best) == "right"
    assert judged(judge, it, best.replace("        optimizer.zero_grad()\n", "")) == "not-cleared"
    assert judged(judge, it, best.replace("net.parameters()", "net.second.parameters()")) == "head-only"
    assert "learned enough" in judged(judge, it, best.replace("if loss < low: low,", "if step == 0: low,"))


def test_layers_may_learn_their_width_as_they_run(judge: Judge) -> None:
    it = puzzle(2, "x, y", "quadratic", "`y`, of shape (n,)")
    lazy = OWN.replace("nn.Linear(2, 40), nn.Linear(40, 1)", "nn.LazyLinear(40), nn.LazyLinear(1)")
    lazy = lazy.replace("Net()\n    optimizer", "Net()\n    net(x)\n    optimizer")
    assert judged(judge, it, lazy) == "right"
    assert "learned enough" in judged(judge, it, lazy.replace("        optimizer.step()\n", ""))


MODES = """
model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for step in range(100):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
model.eval()
with torch.no_grad():
    return model(x_new)
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", "right"),
        ("with torch.no_grad():\n    return model(x_new)", "return model(x_new).detach()", "right"),
        ("with torch.no_grad():", "with torch.inference_mode():", "right"),
        ("return model(x_new)", "return torch.stack([model(point) for point in x_new])", "right"),
        ("    optimizer.zero_grad()", "    model.train(); optimizer.zero_grad()", "right"),
        ("model.train()\n", "", "trained-in-eval"),
        ("model.eval()\n", "", "in evaluation mode"),
        ("model.eval()\nwith torch.no_grad():\n    return model(x_new)",
         "with torch.no_grad():\n    out = model(x_new)\nmodel.eval()\nreturn out", "predicted-in-train"),
        ("with torch.no_grad():\n    return", "if True:\n    return", "graph-kept"),
        ("    optimizer.step()", "    optimizer.step(); model.eval()", "trained-in-eval"),
        ("return model(x_new)", "return model(x_new).argmax(-1)", "the shape that the model gives"),
        ("return model(x_new)", "return model(x_new).softmax(-1)", "those of the trained model"),
    ],
)  # fmt: skip
def test_outputs_of_a_model_with_modes(judge: Judge, old: str, new: str, said: str) -> None:
    it = puzzle(3, "model, x, y, x_new", "two logits", "Dropout")
    assert old in MODES
    assert said.lower() in judged(judge, it, MODES.replace(old, new) if old else MODES).lower()


def test_losses_are_numbers(judge: Judge) -> None:
    it = puzzle(3, "model, x, y", "two logits", "Python floats")
    loop = """
model.train()
optimizer, history = torch.optim.Adam(model.parameters(), lr=0.05), []
for step in range(100):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    history.append(loss.item())
model.eval()
return history
"""
    assert judged(judge, it, loop) == "right"
    assert judged(judge, it, loop.replace("loss.item()", "float(loss)")) == "right"
    assert judged(judge, it, loop.replace("loss.item()", "loss")) == "tensors-kept"
    assert judged(judge, it, loop.replace("model.eval()\n", "")) == "train-mode-left"
    assert "a loss for each backward pass" in judged(judge, it, loop.replace("    history", "history"))
