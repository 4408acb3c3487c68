"""Autograd: what keeps a graph alive."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, floats, predicted, settled

THIRD = 3  # level


class Item(NamedTuple):
    """Something that is stored: the expression, whether it has a graph, and the mistake that would have it otherwise.

    `{n}` in the lines before, in the loop and in what is asked of it is its name.
    """

    source: str
    keeps: bool
    rule: str
    asked: str = "{n}"
    before: str = ""


RULES = {
    "arithmetic-cuts": "What is computed of a tensor with a graph is such a tensor again: it keeps the whole graph.",
    "number-keeps": "item(), float() and tolist() give Python numbers. They know nothing of the graph.",
    "detach-keeps": "detach() and .data give a tensor without history: it holds on to no graph.",
    "clone-cuts": "clone() copies the numbers, and is recorded: the copy has a grad_fn.",
    "storing-cuts": "A list, a dict or a variable holds the tensor itself, with its graph.",
    "eval-cuts": "eval() changes what layers like dropout do. It does not turn recording off.",
    "block-keeps": "Under no_grad() and inference_mode() nothing is recorded.",
    "indices-keep": "Comparisons and argmax give no tensor that could have a gradient.",
    "gradient-keeps": "A gradient comes without a graph, unless create_graph=True is asked for.",
    "input-matters": "The weights require a gradient; that is enough for the output to have a graph.",
    "frozen-keeps": "Neither the weights nor the input require a gradient here, so nothing is recorded.",
}
AFTER_BACKWARD = (
    "backward() frees the numbers that were saved for it. The nodes stay as long as something that is stored points to "
    "them, and so does grad_fn."
)


def seen(items: Sequence[Item], rule: str = "") -> list[bool]:
    """Which of them have a graph, by torch's rules or with one of them mistaken."""
    return [item.keeps != (item.rule == rule) for item in items]


OF_LOSS = (
    Item("loss", True, "storing-cuts"),
    Item("loss.item()", False, "number-keeps"),
    Item("float(loss)", False, "number-keeps"),
    Item("loss.detach()", False, "detach-keeps"),
    Item("loss.data", False, "detach-keeps"),
    Item("loss.clone()", True, "clone-cuts"),
    Item("loss / 2", True, "arithmetic-cuts"),
    Item("-loss", True, "arithmetic-cuts"),
    Item("1. * loss", True, "arithmetic-cuts"),
    Item("loss.clone().detach()", False, "detach-keeps"),
    Item("torch.tensor(loss.item())", False, "number-keeps"),
    Item("loss.tolist()", False, "number-keeps"),
    Item("loss + loss.detach()", True, "arithmetic-cuts"),
)
IN_LOOP = {
    "total": [
        Item("{n} += loss", True, "arithmetic-cuts", before="{n} = 0."),
        Item("{n} += loss", True, "arithmetic-cuts", before="{n} = 0."),
        Item("{n} += loss.item()", False, "number-keeps", before="{n} = 0."),
        Item("{n} = {n} + loss.detach()", False, "detach-keeps", before="{n} = 0."),
    ],
    "mean": [
        Item("{n} = 0.9 * {n} + 0.1 * loss", True, "arithmetic-cuts", before="{n} = 0."),
        Item("{n} = 0.9 * {n} + 0.1 * float(loss)", False, "number-keeps", before="{n} = 0."),
    ],
    "losses": [
        Item("{n}.append(loss)", True, "storing-cuts", "{n}[0]", "{n} = []"),
        Item("{n}.append(loss)", True, "storing-cuts", "{n}[-1]", "{n} = []"),
        Item("{n}.append(loss.item())", False, "number-keeps", "{n}[0]", "{n} = []"),
        Item("{n}.append(loss.clone())", True, "clone-cuts", "{n}[0]", "{n} = []"),
        Item("{n}.append(loss.detach())", False, "detach-keeps", "{n}[-1]", "{n} = []"),
    ],
    "worst": [
        Item("{n} = max({n}, loss)", True, "storing-cuts", before="{n} = torch.tensor(-1.)"),
        Item("{n} = max({n}, loss.item())", False, "number-keeps", before="{n} = -1."),
    ],
    "weights": [
        Item("{n}.append(w.clone())", True, "clone-cuts", "{n}[0]", "{n} = []"),
        Item("{n}.append(w.detach().clone())", False, "detach-keeps", "{n}[0]", "{n} = []"),
    ],
    "norms": [
        Item("{n}.append(w.grad.norm())", False, "gradient-keeps", "{n}[-1]", "{n} = []"),
        Item("{n}.append(w.norm())", True, "arithmetic-cuts", "{n}[-1]", "{n} = []"),
    ],
    "hits": [
        Item("{n}.append(h > 0)", False, "indices-keep", "{n}[0]", "{n} = []"),
        Item("{n}.append(h.relu())", True, "arithmetic-cuts", "{n}[0]", "{n} = []"),
    ],
}
OF_MODEL = (
    Item("model.eval()\n{n} = model(x)", True, "eval-cuts"),
    Item("model.eval()\n{n} = model(x).mean()", True, "eval-cuts"),
    Item("with torch.no_grad():\n    {n} = model(x)", False, "block-keeps"),
    Item("with torch.inference_mode():\n    {n} = model(x)", False, "block-keeps"),
    Item("{n} = model(x).detach()", False, "detach-keeps"),
    Item("{n} = model(x).mean().item()", False, "number-keeps"),
    Item("{n} = model(x).argmax()", False, "indices-keep"),
    Item("{n} = model(x) > 0", False, "indices-keep"),
    Item("{n} = model(x.detach())", True, "input-matters"),
    Item("{n} = model(torch.zeros(3, 2))", True, "input-matters"),
    Item("{n} = model.weight.clone()", True, "clone-cuts"),
    Item("{n} = model.weight.data", False, "detach-keeps"),
    Item("{n} = model(x) / 2", True, "arithmetic-cuts"),
    Item("{n} = [model(x)]", True, "storing-cuts", "{n}[0]"),
    Item("{n} = {{'logits': model(x)}}", True, "storing-cuts", "{n}['logits']"),
    Item("{n} = {{'logits': model(x).data}}", False, "detach-keeps", "{n}['logits']"),
)
FROZEN = Item("model.requires_grad_(False)\n{n} = model(x)", False, "frozen-keeps")


class Question(NamedTuple):
    """Lines, what is stored, and how each is called."""

    lines: list[str]
    items: list[Item]
    names: list[str]
    backward: bool


def of_one_loss(rng: Rng) -> Question:
    items = rng.sample(OF_LOSS, 3)
    backward = rng.chance()
    lines = [
        f"w = torch.tensor({floats(rng.sample(range(1, 6), 2))}, requires_grad=True)",
        f"loss = {rng.pick(['(w ** 2).sum()', 'w.sum() * 3', '(w - 1).pow(2).mean()'])}",
        *(["loss.backward()"] if backward else []),
        f"kept = [{', '.join([item.source for item in items])}]",
    ]
    return Question(lines, items, [f"kept[{i}]" for i in range(3)], backward)


def of_a_loop(rng: Rng) -> Question:
    names = rng.sample(list(IN_LOOP), rng.integer(3, 4))
    items = [rng.pick(IN_LOOP[name]) for name in names]
    lines = [
        f"w = torch.tensor({floats(rng.sample(range(1, 6), 2))}, requires_grad=True)",
        *[item.before.format(n=name) for item, name in zip(items, names, strict=True)],
        "for x in torch.eye(2):",
        "    h = w * x",
        f"    loss = {rng.pick(['h.sum() ** 2', '(h - 1).pow(2).sum()', '(h ** 2).mean()'])}",
        "    loss.backward()",
        *[f"    {item.source.format(n=name)}" for item, name in zip(items, names, strict=True)],
        "    w.grad = None",
    ]
    return Question(lines, items, [item.asked.format(n=name) for item, name in zip(items, names, strict=True)], True)


def of_a_model(rng: Rng) -> Question:
    count = rng.integer(4, 5)
    items = rng.sample(OF_MODEL, count)
    if rng.chance(0.3):
        items[-1] = FROZEN
    names = list("abcde"[:count])
    lines = ["model = nn.Linear(2, 1)", "x = torch.ones(3, 2)"]
    lines += [item.source.format(n=name) for item, name in zip(items, names, strict=True)]
    return Question(lines, items, [item.asked.format(n=name) for item, name in zip(items, names, strict=True)], False)


@drill(after=["autograd.no-grad"], levels=3, lesson="Autograd", arena="0.4", structures=(400, 500, 500))
def graph_kept(rng: Rng) -> PredictValue:
    """What you store, and the graph that it keeps alive."""
    scene = [of_one_loss, of_a_loop, of_a_model][rng.level - 1]
    it = settled(lambda: scene(rng), lambda made: len(set(seen(made.items))) > 1)
    counted = len(it.names) > 4 or (rng.level == THIRD and rng.chance(0.3))  # noqa: PLR2004 -- four at most to type
    has = "getattr(v, 'grad_fn', None) is not None"

    def answer(flags: list[bool]) -> object:
        return sum(flags) if counted else flags

    mistaken = {rule: (answer(seen(it.items, rule)), because) for rule, because in RULES.items()}
    if it.backward:
        mistaken["backward-clears"] = answer([False] * len(it.items)), AFTER_BACKWARD
    mistaken["all-keep"] = answer([True] * len(it.items)), "Not all that is computed of a tracked tensor is tracked."
    listed = ", ".join([f"`{name}`" for name in it.names])
    asks = "How many of them have a `grad_fn`" if counted else "Which of them have a `grad_fn`"
    return PredictValue(
        prompt=f"At the end: {listed}. {asks}, and so keep a graph alive?"
        + ("" if counted else " Answer with a list of True and False, in this order."),
        program="\n".join(it.lines),
        ask=f"{'sum(' if counted else ''}[{has} for v in ({', '.join(it.names)})]{')' if counted else ''}",
        hints=[
            "For each: is it a tensor or a plain number? Was it computed while autograd recorded?",
            "Python numbers, detached tensors and results of no_grad blocks have none; sums, clones and lists keep it.",
        ],
        why="A tensor with a grad_fn keeps alive every node behind it, also after backward(). Store `loss.item()` or "
        "`loss.detach()`: `total += loss` and `losses.append(loss)` keep a graph for every step, and memory grows. "
        "eval() does not turn recording off; no_grad() and inference_mode() do.",
        wrong=predicted(answer(seen(it.items)), [Belief(name, *believed) for name, believed in mistaken.items()]),
    )
