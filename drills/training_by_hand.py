"""Training: weights updated by hand, without an optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Edit, Rng, WriteCode, drill

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels
FORBIDDEN = ("optim", "Optimizer", "SGD", "Adam", "AdamW")
NO_GRAD = "An in-place change of a leaf that requires a gradient raises, unless it is under torch.no_grad()."
REBOUND = "That makes a new tensor, and leaves the weights as they are: the function must change them in place."
NONE_DECAYED = "Decay is a part of the update, and a parameter without a gradient has no update."
REPLACED = "The list has new tensors now: the velocities that were handed over stay what they were."
NOT_CLEARED = "The gradients are still there, and the next backward() adds to them."


@dataclass(frozen=True)
class Rule:
    """How a weight `p` moves: in words, its arguments, the lines of the update, and ways to get it wrong."""

    told: str
    arguments: str
    lines: str  # under no_grad, for each p whose gradient is g
    wrong: Sequence[tuple[str, str, str, str]]  # id, old, new, because
    values: str  # of the arguments, in the hidden runs


ASCENT = ("ascent", "p -= ", "p += ", "The loss grows along the gradient: subtract.")
RULES = (
    Rule("each weight moves by `-lr` times its gradient", "lr", "p -= lr * g", [ASCENT], "0.1"),
    Rule(
        "each weight moves by `-lr` times the sum of its gradient and `decay` times itself, as in SGD with decay",
        "lr, decay",
        "p -= lr * (g + decay * p)",
        [ASCENT, ("decay-without-lr", "p -= lr * (g + decay * p)", "p -= lr * g + decay * p", ("The decay is "
                                                                                               "part of what "
         "lr multiplies.")), ("decay-sign", "g + decay", "g - decay", ("Decay pulls to 0: it is added to the "
                                                                       "gradient."))],
        "0.1, 0.6",
    ),
    Rule(
        "each weight first shrinks to `1 - lr * decay` of itself, and then moves by `-lr` times its gradient",
        "lr, decay",
        "p *= 1 - lr * decay\n        p -= lr * g",
        [ASCENT, ("decay-alone", "1 - lr * decay", "decay", "It shrinks to 1 - lr * decay of itself."),
         ("decay-without-lr", "1 - lr * decay", "1 - decay", "The learning rate multiplies the decay.")],
        "0.1, 0.6",
    ),
    Rule("each entry of a weight moves by `lr` against the sign of its gradient", "lr", "p -= lr * g.sign()",
         [ASCENT, ("no-sign", "g.sign()", "g", "Only the sign of the gradient counts.")], "0.1"),
    Rule(
        "each weight moves by `-lr` times its gradient, whose entries are first clamped to -limit .. limit",
        "lr, limit",
        "p -= lr * g.clamp(-limit, limit)",
        [ASCENT, ("not-clamped", "g.clamp(-limit, limit)", "g", "The gradient is clamped first."),
         ("one-sided", "g.clamp(-limit, limit)", "g.clamp(max=limit)", "The gradient is clamped on both sides.")],
        "0.1, 0.2",
    ),
    Rule(
        "each weight tensor moves by `-lr` times its gradient, divided by that gradient's own norm",
        "lr",
        "p -= lr * g / g.norm()",
        [ASCENT, ("not-normalised", "g / g.norm()", "g", "Divide by the gradient's norm."),
         ("largest-entry", "g.norm()", "g.abs().max()", "The norm is the root of the sum of the squares.")],
        "0.1",
    ),
)  # fmt: skip
MOMENTUM = (
    Rule(
        "each velocity becomes `mu` times itself plus the gradient, and each weight moves by `-lr` times its velocity",
        "velocities, lr, mu",
        "v.mul_(mu).add_(g)\n        p -= lr * v",
        [ASCENT, ("rebound-velocity", "v.mul_(mu).add_(g)", "v = mu * v + g", ("That is a new tensor: the "
                                                                               "velocity that "
         "was handed over stays what it was.")),
         ("averaged", "v.mul_(mu).add_(g)", "v.mul_(mu).add_((1 - mu) * g)", "The gradient is added whole."),
         ("gradient-step", "lr * v", "lr * g", "The weight moves along its velocity.")],
        "velocities, 0.1, 0.8",
    ),
    Rule(
        "each velocity becomes `mu` times itself plus the gradient, and each weight moves by `-lr` times the gradient "
        "plus `mu` times its new velocity, as in Nesterov's method",
        "velocities, lr, mu",
        "v.mul_(mu).add_(g)\n        p -= lr * (g + mu * v)",
        [ASCENT, ("plain-momentum", "lr * (g + mu * v)", "lr * v", ("The step goes along the gradient plus mu "
                                                                    "times the "
         "velocity."))],
        "velocities, 0.1, 0.8",
    ),
    Rule(
        "each velocity becomes `beta` times itself plus `1 - beta` times the squared gradient, and each weight "
        "moves by "
        "`-lr` times the gradient divided by `velocity.sqrt() + 0.01`, as in RMSprop",
        "velocities, lr, beta",
        "v.mul_(beta).add_((1 - beta) * g * g)\n        p -= lr * g / (v.sqrt() + 0.01)",
        [ASCENT, ("rebound-velocity", "v.mul_(beta).add_((1 - beta) * g * g)", "v = beta * v + (1 - beta) * g * g",
          "That is a new tensor: the velocity that was handed over stays what it was."),
         ("betas-swapped", "v.mul_(beta).add_((1 - beta)", "v.mul_(1 - beta).add_(beta",
          "The velocity keeps `beta` of itself, and takes `1 - beta` of the squared gradient."),
         ("no-root", "v.sqrt()", "v", "The step divides by the root."),
         ("root-of-the-sum", "(v.sqrt() + 0.01)", "(v + 0.01).sqrt()", "The 0.01 is added to the root, not under it."),
         ("not-squared", "(1 - beta) * g * g", "(1 - beta) * g.abs()", "The velocity holds squared gradients.")],
        "velocities, 0.1, 0.8",
    ),
)  # fmt: skip
HIDDEN = """
import functools


def problem():
    torch.manual_seed(size)
    params = [torch.randn(size, requires_grad=True), torch.randn(batch, size, requires_grad=True)]
    return params


def loss_of(params, x):
    return (params[1] @ x + (params[0] * x).sum()).square().mean()


xs = [torch.randn(size) for _ in range(3)]
"""
LOOP = """
def run(extra):
    params = problem()
    {velocities}
    before, kept = list(params), list(velocities)
    for x in xs:
        loss_of(params, x).backward()
        {call}
    return params, before, kept


params, before, kept = run(None)
"""
CHECK = """

@functools.cache
def checked():
{lines}
    return [{checks}]


def check(number):
    return checked()[number]
"""
OBSERVED = {
    "the weights": "[p.detach() for p in before]",
    "whether the list holds the same tensors": "all(p is q for p, q in zip(params, before))",
    "whether they are leaves that require a gradient": "all(p.is_leaf and p.requires_grad for p in before)",
    "whether the gradients are cleared": "all(p.grad is None or not p.grad.any() for p in before)",
}


def body(rule: Rule, over: str, *, skip: bool, clear: str) -> str:
    lines = ["with torch.no_grad():", f"    for {over}:"]
    if skip:
        lines += ["        if p.grad is None:", "            continue"]
    lines += ["        g = p.grad", f"        {rule.lines}", f"        {clear}"]
    return "\n".join(lines)


def mistakes(rule: Rule, clear: str, *, loops: bool = False) -> list[Edit]:
    last = rule.lines.rpartition("\n")[2].strip()
    rebound = last.replace("p -= ", "p = p - ")
    return [
        Edit("no-no-grad", "with torch.no_grad():", "if True:", NO_GRAD),
        Edit("rebound", last, rebound, REBOUND),
        Edit("not-cleared", clear, "pass", NOT_CLEARED),
        *[Edit(key, old, new, because) for key, old, new, because in rule.wrong],
        *(
            [Edit("first-batch-only", "for x in xs:", "for x in xs[:1]:", "Every batch is followed by an update.")]
            * loops
        ),
    ]


def step(rng: Rng) -> WriteCode:
    """An update after backward()."""
    momentum = rng.level > GUIDED and rng.chance(0.4)
    rule = rng.pick(MOMENTUM) if momentum else rng.pick(RULES if rng.level == GUIDED else RULES[1:])
    skip = rng.level > GUIDED and rng.chance()
    clear = rng.pick(["p.grad = None", "p.grad.zero_()"])
    named = not momentum and rng.chance()  # a dict of them, as of named_parameters()
    over = "p, v in zip(params, velocities)" if momentum else "p in params.values()" if named else "p in params"
    name = rng.pick(["update", "step", "descend"])
    told = (
        f"`params` is a {'dict from names to' if named else 'list of'} leaf tensors that require a gradient, and "
        "backward() has just run. Write the update: "
        f"{rule.told}. Change the tensors in place, leave them leaves that require a gradient, and leave no gradient "
        "behind (`None` or zeros)."
    )
    if momentum:
        told += " `velocities` holds a tensor for each parameter, which your update changes in place too."
    if skip:
        told += " Parameters whose gradient is `None` stay as they are."
    extra = "params.append(torch.ones(2, requires_grad=True))" if skip else "pass"
    velocities = f"{extra}; velocities = [torch.zeros_like(p) for p in params]"
    call = f"{name}({'given' if named else 'params'}, {rule.values})"
    if named:
        call = f"given = dict(enumerate(params)); {call}; params = list(given.values())"
    setup = HIDDEN
    driver = LOOP.format(velocities=velocities, call=call)
    observed = {key: f"check({number})" for number, key in enumerate([*OBSERVED, *(["the velocities"] * momentum)])}
    checks = ", ".join([*OBSERVED.values(), *(["kept"] * momentum)])
    inside = "\n".join([f"    {line}" for line in driver.strip().splitlines()])
    setup += CHECK.format(lines=inside, checks=checks)
    wrong = mistakes(rule, clear)
    if skip:
        wrong.append(Edit("none-not-skipped", "if p.grad is None:", "if False:", "A parameter without a gradient is "
                          "skipped."))  # fmt: skip
        if "decay" in rule.arguments:
            decayed = "if p.grad is None: p *= 1 - lr * decay\n            if p.grad is None:"
            wrong.append(Edit("none-decayed", "if p.grad is None:", decayed, NONE_DECAYED))
    if momentum:
        first = rule.lines.partition("\n")[0]
        replaced = f"i = [u is v for u in velocities].index(True); velocities[i] = v = v.clone(); {first}"
        wrong.append(Edit("velocity-replaced", first, replaced, REPLACED))
    return puzzle(rng, told, f"def {name}(params, {rule.arguments}):", body(rule, over, skip=skip, clear=clear), setup,
                  observed, wrong)  # fmt: skip


def training(rng: Rng) -> WriteCode:
    """A whole loop."""
    rule = rng.pick(RULES)
    clear = rng.pick(["p.grad = None", "p.grad.zero_()"])
    update = body(rule, "p in params", skip=False, clear=clear)
    lines = ["for x in xs:", "    loss_of(params, x).backward()", *[f"    {line}" for line in update.splitlines()]]
    if history := rng.chance():
        lines[1:2] = ["    loss = loss_of(params, x)", "    losses.append(loss.item())", "    loss.backward()"]
        lines = ["losses = []", *lines, "return losses"]
    told = (
        "Train without an optimizer. `params` is a list of leaf tensors that require a gradient and have none yet, and "
        f"`loss_of(params, x)` is the loss of a batch. For each batch in the list `xs`, in order, {rule.told}. "
        f"Change the "
        "tensors in place, leave them leaves that require a gradient, and leave no gradient behind (`None` or zeros)."
    )
    if history:
        told += " Return a list of the losses as numbers, each from before its update."
    call = f"train(params, loss_of, xs, {rule.values})"
    lines_of_run = f"    params = problem()\n    before = list(params)\n    returned = {call}"
    setup = HIDDEN + CHECK.format(lines=lines_of_run, checks=", ".join([*OBSERVED.values(), "returned"]))
    observed = {key: f"check({number})" for number, key in enumerate([*OBSERVED, *(["the losses"] * history)])}
    wrong = mistakes(rule, clear, loops=True)
    if history:
        wrong.append(Edit("graphs-kept", "loss.item()", "loss", "Those are tensors with their graphs, not numbers."))
    return puzzle(
        rng, told, f"def train(params, loss_of, xs, {rule.arguments}):", "\n".join(lines), setup, observed, wrong
    )


def puzzle(
    rng: Rng,
    told: str,
    signature: str,
    solution: str,
    setup: str,
    observe: dict[str, str],
    wrong: Sequence[Edit],
) -> WriteCode:
    guide = " `p.grad` is the gradient of `p`." if rng.level == GUIDED else ""
    return WriteCode(
        prompt=f"{told}{guide} Without `torch.optim`.",
        signature=signature,
        body=f"\n{solution}",  # a body whose later lines are all indented would lose that
        axes="batch size",
        setup=setup,
        shown_setup="",
        observe=observe,
        forbid=FORBIDDEN,
        wrong=wrong,
        hints=[
            (
                "The update itself must not be recorded, and it must change the tensors that there are. What "
                "does each ask "
                "of you?"
            ),
            (
                "`with torch.no_grad():` around in-place operations such as `p -= …`; then `p.grad = None`, or "
                "`p.grad.zero_()`."
            ),
        ],
        why="An update is not part of the graph: under `torch.no_grad()` a leaf may be changed in place, and "
        "stays a leaf "
        "that requires a gradient. `p = p - lr * p.grad` makes a new tensor, which is no leaf (under no_grad it "
        "requires no gradient), and leaves the model's own weights as they were. backward() adds to .grad, so "
        "clear it.",
    )


@drill(
    after=["autograd.no-grad", "training.zero-grad"],
    levels=3,
    lesson="The training loop",
    arena="0.3",
    structures=(24, 38, 21),
)
def manual_step(rng: Rng) -> WriteCode:
    """Weights updated by hand."""
    return training(rng) if rng.level == COMPOSED else step(rng)
