"""Autograd: softmax and cross-entropy, at logits whose exponentials are whole numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, entries, floats, made, predicted

SUMS = (2, 4, 4, 5, 8, 8, 10, 10)  # fractions of these end after a few digits
SIMPLE = (2, 4, 5, 10)  # and so do products of two of them
SECOND = 2  # level
Numbers = Sequence[float]


@dataclass(frozen=True)
class Question:
    """The exponentials of the logits, what is computed of them, its gradient, and what people answer instead.

    The gradient is that of one row of a batch, `row`.
    """

    parts: object
    lines: Sequence[str]
    loss: str
    gradient: Numbers
    beliefs: Sequence[Belief]
    hint: str
    row: int | None = None


def counts(rng: Rng, size: int, sums: Sequence[int] = SUMS) -> list[int]:
    """The exponentials of logits. Their sum divides nicely, and they are not all alike."""
    total = rng.pick([n for n in sums if n > size])
    cuts = [0, *sorted(rng.sample(range(1, total), size - 1)), total]
    parts = [b - a for a, b in pairwise(cuts)]
    return parts if len(set(parts)) > 1 else [2 * parts[0] - 1, 1, *parts[2:]]


def shares(parts: Numbers) -> list[float]:
    return [part / sum(parts) for part in parts]


def one_hot(at: int, size: int) -> list[float]:
    return [float(i == at) for i in range(size)]


def scaled(numbers: Numbers, factor: float) -> list[float]:
    return [factor * number for number in numbers]


def minus(a: Numbers, b: Numbers) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def times(a: Numbers, b: Numbers) -> list[float]:
    return [x * y for x, y in zip(a, b, strict=True)]


def drawn(rng: Rng, sums: Sequence[int] = SUMS) -> tuple[list[int], list[float]]:
    """The exponentials of logits, and their softmax."""
    parts = counts(rng, rng.integer(2, 4) if rng.level == 1 else rng.integer(2, 3), sums)
    return parts, shares(parts)


def against(parts: object, p: Numbers, q: Numbers, scale: float = 1) -> Question:
    """A loss with the gradient scale * (p - q), still without its text."""
    shifted = [*q[-1:], *q[:-1]]
    outer = [-scale * y / share if share else 0 for y, share in zip(q, p, strict=True)]
    beliefs = [
        Belief("target-forgotten", scaled(p, scale), "That is the softmax alone. The target is subtracted: p - y."),
        Belief("sign", scaled(minus(q, p), scale), "The sign is turned round. For a loss it is p - y, so that a step "
               "against the gradient raises the target's logit; for a log-probability y - p."),
        Belief("target-alone", scaled(q, -scale), "The other logits matter too: they are in the sum by which softmax "
               "divides. Each of them gets its p."),
        Belief("stopped-at-p", outer, "1 / p is the slope of log p by p. The chain rule goes on through softmax, to "
               "every logit."),
        Belief("scale-forgotten", minus(p, q), "Multiply by what comes back to the log-probability: it is not -1 "
               "here."),
        Belief("other-target", scaled(minus(p, shifted), scale), "That is the gradient for another target. Classes "
               "are counted from 0."),
    ]  # fmt: skip
    hint = "With p the softmax and y the target as a one-hot vector, -log p[target] has the gradient p - y."
    return Question(parts, [], "", scaled(minus(p, q), scale), beliefs, hint)


def cross_entropy(rng: Rng) -> Question:
    """The loss of one example, in one of its spellings."""
    parts, p = drawn(rng)
    t = rng.integer(0, len(p) - 1)
    spellings = [
        f"F.cross_entropy(logits, torch.tensor({t}))",
        f"-logits.log_softmax(0)[{t}]",
        f"F.nll_loss(logits.log_softmax(0), torch.tensor({t}))",
        f"-F.log_softmax(logits, dim=0)[{t}]",
    ]
    if rng.level > 1:
        spellings += [f"-logits.softmax(0)[{t}].log()", f"logits.logsumexp(0) - logits[{t}]"]
    return replace(against(parts, p, one_hot(t, len(p))), loss=rng.pick(spellings))


def weighted_log(rng: Rng) -> Question:
    """A log-probability times an advantage, as in a policy gradient, or a loss times a factor."""
    parts, p = drawn(rng)
    t, k = rng.integer(0, len(p) - 1), rng.integer(2, 4)
    scale, loss = rng.pick(
        [
            (-k, f"{k} * logits.log_softmax(0)[{t}]"),
            (k, f"-{k} * logits.log_softmax(0)[{t}]"),
            (k, f"{k} * F.cross_entropy(logits, torch.tensor({t}))"),
            (-k, f"-{k} * F.cross_entropy(logits, torch.tensor({t}))"),
        ]
    )
    return replace(against(parts, p, one_hot(t, len(p)), scale), loss=loss)


def soft_target(rng: Rng) -> Question:
    parts, p = drawn(rng)
    q = shares(counts(rng, len(p)))
    spellings = ["F.cross_entropy(logits, q)", "-(q * logits.log_softmax(0)).sum()", "-(q @ logits.log_softmax(0))"]
    return replace(against(parts, p, q), lines=[made("q", q, leaf=False)], loss=rng.pick(spellings))


def log_sum(rng: Rng) -> Question:
    parts, p = drawn(rng)
    k = rng.integer(2, 4)
    plain = rng.pick(["logits.logsumexp(0)", "logits.exp().sum().log()", "torch.logsumexp(logits, dim=0)"])
    factor, loss = rng.pick([(1, plain), (k, f"{k} * {plain}")])
    return Question(parts, [], loss, scaled(p, factor), [
        Belief("every-one", [float(factor)] * len(p), "logsumexp shares out what comes back: the slopes add up to 1."),
        Belief("largest-only", scaled(one_hot(p.index(max(p)), len(p)), factor), "logsumexp is smooth: every logit "
               "gets something, not the largest alone."),
        Belief("inverse-sum", [factor * share / max(p) for share in p], "exp(logit) is divided by the sum of them "
               "all."),
        Belief("sign", scaled(p, -factor), "A larger logit makes logsumexp larger."),
        Belief("target-subtracted", minus(scaled(p, factor), one_hot(0, len(p))), "There is no target here."),
    ], "log(sum(exp(x))): the slope of the log is 1 / sum, and that of the sum by x[i] is exp(x[i]).")  # fmt: skip


def difference(rng: Rng) -> Question:
    """A difference of two log-probabilities, or of two logits: the sum below both cancels."""
    parts, p = drawn(rng)
    a, b = rng.sample(range(len(p)), 2)
    one, other = one_hot(a, len(p)), one_hot(b, len(p))
    start, name = rng.pick([([], "logits"), (["logp = logits.log_softmax(0)"], "logp")])
    loss = f"{name}[{a}] - {name}[{b}]"
    return Question(parts, start, loss, minus(one, other), [
        Belief("softmax-left-in", minus(minus(one, other), p), "Both log-probabilities subtract the same logsumexp. In "
               "their difference it cancels, and the softmax with it."),
        Belief("first-only", minus(one, p), f"That is the gradient of log p[{a}] alone."),
        Belief("sign", minus(other, one), "The sign is turned round: the first one is added."),
        Belief("probabilities", times(minus(one, other), p), "No probability "
               "is left in the gradient: log p[i] is logits[i] minus something that both have."),
        Belief("one-of-two", one, "Both of them reach the loss."),
    ], "Write log p[i] as logits[i] - logsumexp(logits). What of that does the difference keep?")  # fmt: skip


def probability(rng: Rng) -> Question:
    """A probability itself."""
    parts, p = drawn(rng, SIMPLE)
    t = rng.integer(0, len(p) - 1)
    y = one_hot(t, len(p))
    right = scaled(minus(y, p), p[t])
    return Question(parts, ["p = logits.softmax(0)"], f"p[{t}]", right, [
        Belief("diagonal-only", times(right, y), "A logit does not move its own probability alone: the others must "
               "make room. p[t] falls with every other logit."),
        Belief("as-log", minus(y, p), "That is the gradient of log p. For p itself it is multiplied by p."),
        Belief("as-loss", minus(p, y), "That is the gradient of -log p. For p itself it is p[t] * (y - p)."),
        Belief("elementwise", one_hot(t, len(p)), "logits and probabilities are not the same: softmax lies between."),
        Belief("softmax-itself", times(p, y), "That is the probability. Its slope is p * (1 - p) for its own logit."),
        Belief("sign", scaled(right, -1), "A larger logit makes its own probability larger, and the others smaller."),
    ], "For its own logit a probability has the slope p * (1 - p), for another one -p * q.")  # fmt: skip


def expectation(rng: Rng) -> Question:
    """A weighted mean, as attention takes it of its values."""
    parts, p = drawn(rng, SIMPLE)
    v = [rng.integer(-2, 6) for _ in p]
    v = v if len(set(v)) > 1 else [*v[:-1], v[-1] + 4]
    mean = sum(times(p, v))
    right = times(p, [x - mean for x in v])
    name, loss = rng.pick([("p", "p @ v"), ("p", "(p * v).sum()"), ("pattern", "pattern @ v")])
    lines = [made("v", v, leaf=False), f"{name} = logits.softmax(0)"]
    hint = "Softmax sends back p * (g - the mean of g under p), where g is what comes back to the probabilities."
    return Question(parts, lines, loss, right, [
        Belief("mean-forgotten", times(p, v), "To give one value more weight takes it from the others: the mean is "
               "subtracted, p * (v - mean)."),
        Belief("stopped-at-p", [float(x) for x in v], "That comes back to the probabilities. It goes on through "
               "softmax."),
        Belief("diagonal-only", times(v, [share * (1 - share) for share in p]), "p * (1 - p) is the "
               "diagonal of softmax's Jacobian. What the other probabilities send back is missing."),
        Belief("unweighted", [x - mean for x in v], "Each of these is multiplied by its p."),
        Belief("sign", scaled(right, -1), "A value above the mean gains when its logit grows."),
    ], hint)  # fmt: skip


def sharpened(rng: Rng) -> Question:
    """Logits times 2, a temperature of one half: the exponentials are squared."""
    parts = rng.shuffled(rng.pick([[1, 3], [1, 2], [2, 2, 1, 1]]))
    p, t = shares([n * n for n in parts]), rng.integer(0, len(parts) - 1)
    y = one_hot(t, len(p))
    scale = rng.pick(["2 * logits", "logits / 0.5"])
    question = against(parts, p, y, 2)
    return replace(
        question,
        loss=rng.pick([f"F.cross_entropy({scale}, torch.tensor({t}))", f"-({scale}).log_softmax(0)[{t}]"]),
        beliefs=[
            Belief(
                "scale-forgotten",
                minus(p, y),
                "The logits are doubled on the way in, so what comes back is doubled on the way out.",
            ),
            Belief(
                "not-sharpened",
                scaled(minus(shares(parts), y), 2),
                "The softmax is that of the doubled logits: exp(2 * log(n)) is n * n.",
            ),
            *[belief for belief in question.beliefs if belief.id != "scale-forgotten"],
        ],
    )


def batch(rng: Rng) -> Question:
    """Cross-entropy of several examples, and what one of them gets."""
    size, ignoring = rng.integer(2, 3), rng.level > SECOND and rng.chance(0.6)
    rows = [counts(rng, size) for _ in range(3 if ignoring else rng.pick([2, 2, 4]))]
    targets = [rng.integer(0, size - 1) for _ in rows]
    at, ignored = rng.sample(range(len(rows)), 2)
    p, y = shares(rows[at]), one_hot(targets[at], size)
    if ignoring:
        targets[ignored] = -100
    summed = rng.chance(0.3)
    among = 1 if summed else len(rows) - ignoring
    if summed:
        mistaken, because = len(rows), 'With reduction="sum" nothing is divided.'
    elif ignoring:
        mistaken, because = len(rows), "The mean runs over the examples that are not ignored: -100 is not counted."
    else:
        mistaken, because = 1, "The loss is a mean over the examples: each counts for its share of the batch."
    question = against(rows, p, y, 1 / among)
    return replace(
        question,
        lines=[f"targets = torch.tensor({targets})"],
        loss=f"F.cross_entropy(logits, targets{', reduction=' + chr(34) + 'sum' + chr(34) if summed else ''})",
        beliefs=[
            Belief("mean-mistaken", scaled(minus(p, y), 1 / mistaken), because),
            *[belief for belief in question.beliefs if belief.id != "scale-forgotten"],
        ],
        row=at,
    )


def guide(parts: object) -> str:
    numbers = [int(number) for number in entries(parts)]
    return f"The softmax of `logits` is `[{', '.join([f'{n}/{sum(numbers)}' for n in numbers])}]`."


def part(index: int | None, numbers: object) -> object:
    return numbers if index is None else entries(numbers)[index]


KINDS: tuple[tuple[Callable[[Rng], Question], ...], ...] = (
    (cross_entropy,),
    (cross_entropy, weighted_log, soft_target, log_sum),
    (probability, probability, expectation, expectation, difference, soft_target, sharpened),
)


@drill(after=["autograd.index-max-relu"], levels=3, arena="0.4", structures=(16, 50, 60))
def softmax(rng: Rng) -> PredictValue:
    """Gradients of softmax and cross-entropy."""
    question = batch(rng) if rng.level > 1 and rng.chance(0.3) else rng.pick(KINDS[rng.level - 1])(rng)
    parts, gradient, beliefs = question.parts, list(question.gradient), question.beliefs
    places = [i for i, number in enumerate(gradient) if number]
    index = rng.pick(places) if places and question.row is None and rng.chance(0.3) else None
    asked = "logits.grad" + "".join([f"[{i}]" for i in (question.row, index) if i is not None])
    told = f"{guide(parts)} " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{told}What is `{asked}`?",
        program="\n".join(
            [
                f"logits = torch.tensor({floats(parts)}).log().requires_grad_()",
                *question.lines,
                f"loss = {question.loss}",
                "loss.backward()",
            ]
        ),
        ask=asked,
        hints=["exp(log(n)) is n. So the softmax of each row is its numbers, divided by their sum.", question.hint],
        why="The gradient of cross-entropy by the logits is softmax minus target, p - y: log p[t] is logits[t] minus "
        "logsumexp, and the gradient of logsumexp is the softmax. With reduction='mean' each example's is divided by "
        "their number. Through softmax itself goes p * (g - (p * g).sum()).",
        wrong=predicted(part(index, gradient), [replace(b, numbers=part(index, b.numbers)) for b in beliefs]),
    )
