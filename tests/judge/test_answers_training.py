"""Answers to the training drills as people type them, right and wrong, and what the judge says of them."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, permutations

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import FixLine, OrderLines
from tensordrill.rng import Rng

RAISED, VALUE, SHAPE, SLIP = Status.RAISED, Status.WRONG_VALUE, Status.WRONG_SHAPE, Status.UNPARSABLE


# --- training.loop-order


def loops(catalog: Catalog, level: int) -> Iterator[OrderLines]:
    for seed in range(200):
        it = catalog["training.loop-order"].puzzle(seed, level)
        assert isinstance(it, OrderLines)
        yield it


def numbers(it: OrderLines, lines: Sequence[str]) -> str:
    return " ".join(str(it.shown.index(line) + 1) for line in lines)


def is_right(lines: Sequence[str]) -> bool:
    """Whether an order respects what the prompt says, by reasoning of its own."""
    at = {kind: [i for i, line in enumerate(lines) if re.search(pattern, line)] for kind, pattern in KINDS.items()}
    if any("backward" in lines[at[half][0]] for half in ("first", "second") if at[half]):
        return False
    chains = [at["forward"] + at["loss"] + at["backward"], at["first"], at["second"]]
    made = at["backward"] + at["first"][1:] + at["second"][1:]
    [zero], [step] = at["zero"], at["step"]
    return (
        all(before < after for chain in chains for before, after in pairwise(chain))
        and all(zero < one < step for one in made)
        and all(max(made) < clip < step for clip in at["clip"])
        and all(step < later for later in at["later"])
    )


KINDS = {
    "zero": r"zero_grad",
    "forward": r"^\w+ = model\(x\)$",
    "loss": r"^loss = ",
    "backward": r"^loss\.backward",
    "first": r"^first",
    "second": r"^second",
    "step": r"^optimizer\.step",
    "clip": r"clip_grad",
    "later": r"^scheduler|^average",
}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_exactly_three_of_the_120_orders_are_right(judge: Judge, catalog: Catalog, seed: int) -> None:
    it = list(islice(loops(catalog, 1), 3))[seed]
    zero, forward, loss, backward, step = it.lines
    right = {order for order in permutations(it.lines) if judge.grade(it, numbers(it, order)).correct}
    assert right == {
        (zero, forward, loss, backward, step),
        (forward, zero, loss, backward, step),
        (forward, loss, zero, backward, step),
    }


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_orders_are_right_where_the_prompt_says_so(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = list(islice(loops(catalog, level), 3))[seed]
    orders = list(permutations(it.lines))
    right = [order for order in orders if is_right(order)]
    assert 3 <= len(right) <= 40
    nearly = [order for order in orders if order[-2:] == tuple(it.lines[-2:])]
    rng = Rng(f"{level}/{seed}")
    for order in right + rng.sample(nearly, 10) + rng.sample(orders, 10):
        assert judge.grade(it, numbers(it, order)).correct == is_right(order), order


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_all_720_orders_of_six_lines(judge: Judge, catalog: Catalog, seed: int) -> None:
    it = list(islice(loops(catalog, 2), 6))[seed]
    for order in permutations(it.lines):
        assert judge.grade(it, numbers(it, order)).correct == is_right(order), order


@pytest.mark.parametrize(
    ("order", "status", "turn"),
    [
        ([1, 2, 3, 0, 4], VALUE, "zero-before-step"),
        ([1, 2, 3, 4, 0], VALUE, "zero-last"),
        ([4, 0, 1, 2, 3], VALUE, "step-first"),
        ([4, 1, 0, 2, 3], VALUE, "step-first"),
        ([0, 4, 1, 2, 3], VALUE, "step-before-backward"),
        ([0, 1, 2, 4, 3], VALUE, "step-before-backward"),
        ([4, 1, 2, 3, 0], VALUE, "gradient-thrown-away"),
        ([1, 2, 4, 0, 3], RAISED, "changed-under-backward"),
        ([1, 4, 0, 2, 3], RAISED, "changed-under-backward"),
        ([0, 1, 3, 2, 4], RAISED, "backward-before-loss"),
        ([0, 2, 1, 3, 4], RAISED, "loss-before-output"),
    ],
)
def test_wrong_orders_are_named(judge: Judge, catalog: Catalog, order: list[int], status: Status, turn: str) -> None:
    it = next(loops(catalog, 1))
    verdict = judge.grade(it, numbers(it, [it.lines[i] for i in order]))
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("text", ["{}", "{commas}", "{joined}", "[{commas}]", "{dots}"])
def test_orders_can_be_typed_in_many_ways(judge: Judge, catalog: Catalog, text: str) -> None:
    it = next(loops(catalog, 1))
    order = it.solution.split()
    assert judge.grade(
        it, text.format(it.solution, commas=", ".join(order), joined="".join(order), dots=". ".join(order))
    ).correct


@pytest.mark.parametrize("text", ["1 2 3 4", "1 2 3 4 6", "1 1 2 3 4", "zero first", ""])
def test_what_is_no_order_is_a_slip(judge: Judge, catalog: Catalog, text: str) -> None:
    assert judge.grade(next(loops(catalog, 1)), text).status is SLIP


# --- training.spot-the-bug


def broken(catalog: Catalog, level: int, turn: str, *holds: str) -> FixLine:
    """The first puzzle that has this wrong turn and whose program holds these texts."""
    for seed in range(2000):
        it = catalog["training.spot-the-bug"].puzzle(seed, level)
        assert isinstance(it, FixLine)
        if any(one.id == turn for one in it.wrong) and all(text in (it.face.code or "") for text in holds):
            return it
    raise AssertionError((level, turn, holds))


def replaced(it: FixLine, start: str, text: str) -> str:
    """The answer that replaces the first line that starts so. `{}` in it is the line; `{a|b}` is it with a for b."""
    lines = [line.strip() for line in it.face.lines or ()]
    number = next(i for i, line in enumerate(lines) if line.startswith(start))
    line = lines[number]
    for old, new in re.findall(r"\{(.+?)\|(.*?)\}", text):
        assert old in line
        line = line.replace(old, new)
    return f"{number + 1}: {re.sub(r'[{].*[}]', lambda _: line, text, count=1)}"


SOFTMAX = (1, "softmax-kept", "logits = model(x).softmax", "loss = F.")
SOFTMAX_IN_LOSS = (1, "softmax-kept", "cross_entropy(logits.softmax")
SOFTMAX_IN_HEAD = (2, "softmax-kept", "nn.Softmax")
BROADCAST = (1, "broadcast-kept", "loss = F.mse_loss")
BROADCAST_BY_HAND = (1, "broadcast-kept", "(prediction - y)")
EVAL = (1, "eval-kept", "model.eval()")
EVAL_CLASSES = (2, "eval-kept", "logits")
EVAL_EPOCHS = (3, "eval-kept", "for epoch")
TOTAL = (1, "graph-kept", "total")
HISTORY = (1, "graph-kept", "history")
HELD_OUT = (3, "graph-kept", "cross_entropy(model(x), y)")
HEAD = (1, "head-left-out", "SGD")
HEAD_ADAM = (2, "head-left-out", "AdamW")
REWRAPPED = (1, "graph-cut", "cross_entropy")


@pytest.mark.parametrize(
    ("bug", "start", "text"),
    [
        (SOFTMAX, "logits", "logits = model(x)"),
        (SOFTMAX, "logits", "logits=model.forward(x)"),
        (SOFTMAX, "logits", "logits = model(x).log_softmax(-1)"),  # a second log_softmax changes nothing
        (SOFTMAX, "logits", "logits = model(x).softmax(dim=-1).log()"),
        (SOFTMAX, "loss", "loss = F.nll_loss(logits.log(), y)"),
        (SOFTMAX, "loss", "loss = -logits.gather(1, y[:, None]).log().mean()"),
        (SOFTMAX, "loss", "loss = F.cross_entropy(model(x), y)"),
        (SOFTMAX_IN_LOSS, "loss", "loss = F.cross_entropy(logits, y)"),
        (SOFTMAX_IN_LOSS, "loss", "loss = nn.CrossEntropyLoss()(logits, y)"),
        (SOFTMAX_IN_LOSS, "loss", "loss = F.nll_loss(F.log_softmax(logits, dim=1), y)"),
        (SOFTMAX_IN_LOSS, "loss", "loss = F.nll_loss(logits.softmax(-1).log(), y)"),
        (SOFTMAX_IN_HEAD, "head", "{nn.Sequential(|}{, nn.Softmax(dim=-1))|}"),
        (SOFTMAX_IN_HEAD, "model.head", "model.head = head[0]"),
        (BROADCAST, "prediction", "prediction = model(x).squeeze()"),
        (BROADCAST, "prediction", "prediction = model(x)[:, 0]"),
        (BROADCAST, "prediction", "prediction = model(x).flatten()"),
        (BROADCAST, "prediction", "prediction = model(x).mean(dim=-1)"),
        (BROADCAST, "loss", "loss = F.mse_loss(prediction, y.unsqueeze(-1))"),
        (BROADCAST, "loss", "loss = F.mse_loss(prediction.view_as(y), y)"),
        (BROADCAST, "loss", "loss = F.mse_loss(y[:, None], prediction)"),
        (BROADCAST, "loss", "loss = nn.MSELoss()(prediction.squeeze(1), y)"),
        (BROADCAST, "batches", "{torch.randn(8))|torch.randn(8, 1))}"),
        (BROADCAST, "for", "for x, y in [(x, y.view(-1, 1)) for x, y in batches]:"),
        (BROADCAST_BY_HAND, "loss", "loss = (prediction[:, 0] - y).square().mean()"),
        (BROADCAST_BY_HAND, "loss", "loss = ((prediction.T - y) ** 2).mean()"),
        (BROADCAST_BY_HAND, "loss", "loss = F.mse_loss(prediction.squeeze(), y)"),
        (EVAL, "model.eval", "model.train()"),
        (EVAL, "model.eval", "model.train(True)"),
        (EVAL, "model.eval", ""),  # a model is made in training mode
        (EVAL, "model.eval", "pass"),
        (EVAL, "model.eval", "model.eval(); model.train()"),
        (EVAL_CLASSES, "logits", "logits = model.train()(x)"),
        (EVAL_CLASSES, "model.eval", "model[-1].train()"),
        (EVAL_EPOCHS, "model.eval", "model.train()"),
        (EVAL_EPOCHS, "model.eval", "model.train(mode=True)"),
        (TOTAL, "total +=", "total += loss.item()"),
        (TOTAL, "total +=", "total += float(loss)"),
        (TOTAL, "total +=", "total += loss.detach()"),
        (TOTAL, "total +=", "total = total + loss.data"),
        (TOTAL, "total +=", "total += loss.detach().numpy()"),
        (TOTAL, "total +=", "with torch.no_grad(): total += loss"),
        (TOTAL, "optimizer.step", "optimizer.step(); loss = loss.detach()"),
        (HISTORY, "history.append", "history.append(loss.item())"),
        (HISTORY, "history.append", "history.append(float(loss))"),
        (HISTORY, "history.append", "history.append(loss.detach())"),
        (HISTORY, "history.append", "history += [loss.detach().clone()]"),
        (HELD_OUT, "history.append", "history.append(F.cross_entropy(model(x), y).item())"),
        (HELD_OUT, "history.append", "history.append(F.cross_entropy(model(x).detach(), y))"),
        (HELD_OUT, "history.append", "with torch.no_grad(): history.append(F.cross_entropy(model(x), y))"),
        (HEAD, "optimizer", "{model.parameters()|[*model.parameters(), *head.parameters()]}"),
        (HEAD, "optimizer", "{model.parameters()|list(model.parameters()) + list(head.parameters())}"),
        (HEAD, "optimizer", "{model.parameters()|nn.ModuleList([model, head]).parameters()}"),
        (HEAD, "head", "{head =|head = model.head =}"),
        (HEAD, "optimizer", "model.head = head; {}"),
        (HEAD, "model.head", "model.head = head; optimizer.add_param_group(dict(params=list(head.parameters())))"),
        (HEAD_ADAM, "model.head", "model.head = head; optimizer.add_param_group(dict(params=head.parameters()))"),
        (HEAD_ADAM, "model.head", "model.head = head; optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)"),
        (REWRAPPED, "loss =", "loss = losses.mean()"),
        (REWRAPPED, "loss =", "loss = losses.sum() / 8"),
        (REWRAPPED, "loss =", "loss = torch.mean(losses, dim=0)"),
        (REWRAPPED, "loss =", "loss = F.cross_entropy(logits, y)"),
        (REWRAPPED, "loss =", "loss = F.cross_entropy(model(x), y)"),
    ],
)
def test_repairs_that_work_are_right(
    judge: Judge, catalog: Catalog, bug: tuple[int, str, str], start: str, text: str
) -> None:
    it = broken(catalog, *bug)
    verdict = judge.grade(it, replaced(it, start, text))
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("bug", "start", "text", "status", "turn"),
    [
        (SOFTMAX, "logits", "logits = F.softmax(model(x), dim=1)", VALUE, "softmax-kept"),
        (SOFTMAX, "loss", "loss = F.cross_entropy(logits, y).detach().requires_grad_()", VALUE, None),
        (SOFTMAX, "loss", "loss = F.nll_loss(logits, y)", VALUE, "nll-of-probabilities"),
        (SOFTMAX, "loss", "loss = F.cross_entropy(logits.log_softmax(-1), y)", VALUE, "softmax-kept"),
        (SOFTMAX, "logits", "logits = model(x).softmax(0)", VALUE, "softmax-over-batch"),
        (SOFTMAX, "logits", "logits = model(x).sigmoid()", VALUE, None),
        (SOFTMAX, "logits", "logits = model(x).argmax(-1)", RAISED, None),
        (BROADCAST, "loss", "loss = F.mse_loss(prediction, y.unsqueeze(0))", VALUE, "broadcast-kept"),
        (BROADCAST, "loss", "loss = F.mse_loss(prediction, y.squeeze())", VALUE, "broadcast-kept"),
        (BROADCAST, "loss", 'loss = F.mse_loss(prediction, y, reduction="sum")', VALUE, "added-up"),
        (BROADCAST, "loss", "loss = F.l1_loss(prediction, y[:, None])", VALUE, None),
        (BROADCAST, "prediction", "prediction = model(x).detach().squeeze(-1)", RAISED, None),
        (EVAL, "model.eval", "model.train(False)", VALUE, "eval-kept"),
        (EVAL, "model.eval", "torch.set_grad_enabled(True); model.eval()", VALUE, "eval-kept"),
        (EVAL, "model.eval", "model.requires_grad_(False)", RAISED, None),
        (EVAL_CLASSES, "logits", "logits = F.dropout(model(x))", VALUE, "dropout-on-output"),
        (EVAL_EPOCHS, "model.eval", "pass", VALUE, "first-epoch-only"),
        (EVAL_EPOCHS, "model.train(False)", "model.train()", VALUE, None),
        (TOTAL, "total +=", "total = total + loss", VALUE, "graph-kept"),
        (TOTAL, "total +=", "total += loss.clone()", VALUE, "graph-kept"),
        (TOTAL, "total =", "total = torch.zeros(())", VALUE, "graph-kept"),
        (TOTAL, "total +=", "total = loss.item()", VALUE, "last-only"),
        (TOTAL, "total +=", "total += loss.item() / 8", VALUE, None),
        (HISTORY, "history.append", "history.append(loss.clone())", VALUE, "graph-kept"),
        (HISTORY, "history.append", "history.append([loss.item()])", RAISED, None),
        (HEAD, "optimizer", "{model.parameters()|head.parameters()}", VALUE, "head-only"),
        (HEAD, "model.head", "model.head = head.requires_grad_(True)", VALUE, "head-left-out"),
        (HEAD, "model.head", "pass", VALUE, None),
        (REWRAPPED, "loss =", "loss = torch.as_tensor(losses.mean().item()).requires_grad_()", VALUE, "graph-cut"),
        (REWRAPPED, "loss =", "loss = losses.mean().item()", RAISED, "plain-number"),
        (REWRAPPED, "loss =", "loss = torch.tensor(losses.mean().item())", RAISED, "no-graph"),
        (REWRAPPED, "loss =", "loss = losses.sum()", VALUE, None),
        (REWRAPPED, "loss =", "loss = = losses.mean()", SLIP, None),
    ],
)
def test_repairs_that_do_not_work_are_named(
    judge: Judge, catalog: Catalog, bug: tuple[int, str, str], start: str, text: str, status: Status, turn: str | None
) -> None:
    it = broken(catalog, *bug)
    verdict = judge.grade(it, replaced(it, start, text))
    shapes = {SHAPE: VALUE}  # a history that is too short is as wrong as one with other losses
    assert (shapes.get(verdict.status, verdict.status), verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("level", [1, 2, 3])
def test_all_six_bugs_come(catalog: Catalog, level: int) -> None:
    first = {it.wrong[0].id for it in (catalog["training.spot-the-bug"].puzzle(seed, level) for seed in range(60))}
    assert first == {"softmax-kept", "broadcast-kept", "eval-kept", "graph-kept", "head-left-out", "graph-cut"}
