"""Training: loss functions, at probabilities that are powers of a half."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import log2

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, entries, predicted

GUIDED, COMPOSED = 1, 3  # levels
IGNORED = -100
LOG2 = "math.log(2)"

# Exponents of 2 that add up to a power of 2: the softmax of log(2) times them has powers of a half alone.
EXPONENTS = {
    2: ((0, 0), (1, 1), (2, 2)),
    3: ((1, 0, 0), (2, 1, 1), (0, -1, -1), (3, 2, 2)),
    4: ((2, 1, 0, 0), (3, 2, 1, 1), (1, 0, -1, -1), (1, 1, 1, 1)),
}


@dataclass(frozen=True)
class Question:
    """The lines of the program, what is asked, what it gives, and what people answer instead."""

    lines: Sequence[str]
    ask: str
    right: object
    beliefs: Sequence[Belief]
    hint: str
    parts: Sequence[float] = ()  # the costs that are reduced: alike, they would not tell one reduction from another


@dataclass(frozen=True)
class Rows:
    """Logits as exponents of 2, a target for each row, and how often each row's loss counts."""

    exponents: Sequence[Sequence[int]]
    targets: Sequence[int]
    weights: Sequence[int] = field(default_factory=list)  # of the classes

    def costs(self, *, normalised: bool = True) -> list[float]:
        """Minus the log2 of each target's probability, 0 where it is ignored."""
        found = []
        for row, target in zip(self.exponents, self.targets, strict=True):
            total = log2(sum(2**n for n in row)) if normalised else 0
            found.append(0 if target == IGNORED else total - row[target])
        return found

    def counts(self) -> list[int]:
        return [0 if target == IGNORED else (self.weights or [1] * 9)[target] for target in self.targets]

    def weighted(self, *, normalised: bool = True) -> list[float]:
        return [cost * count for cost, count in zip(self.costs(normalised=normalised), self.counts(), strict=True)]


def rows(rng: Rng, count: int, classes: int, *, ignored: int = 0) -> Rows:
    exponents = [rng.shuffled(rng.pick(EXPONENTS[classes])) for _ in range(count)]
    targets = [rng.integer(0, classes - 1) for _ in range(count)]
    for at in rng.sample(range(count), ignored):
        targets[at] = IGNORED
    return Rows(exponents, targets)


def reduced(name: str, it: Rows, call: str, *, wanted: str, log_probabilities: bool = False) -> Question:
    """A call of cross_entropy or nll_loss on the rows, with the reduction that is wanted."""
    normalised = not log_probabilities
    costs, counts = it.weighted(normalised=normalised), it.counts()
    other = it.weighted(normalised=not normalised)
    total, among = sum(costs), sum(counts)
    option = "" if wanted == "mean" else f', reduction="{wanted}"'
    spelled = call.replace(")", f"{option})") if call.endswith(")") else call
    as_wanted: dict[str, Callable[[Sequence[float]], object]] = {
        "mean": lambda numbers: sum(numbers) / among,
        "sum": sum,
        "none": list,
    }
    right = as_wanted[wanted](costs)
    beliefs = [
        Belief(
            "normalised-again" if log_probabilities else "logits-for-log-probabilities",
            as_wanted[wanted](other),
            "nll_loss does not normalise: it takes minus the entry of the target as it stands."
            if log_probabilities
            else "These are logits, whose exponentials need not add up to 1: cross_entropy subtracts their logsumexp.",
        ),
        Belief("sign", as_wanted[wanted]([-cost for cost in costs]), "The loss is minus the log-probability."),
    ]
    if wanted == "mean":
        beliefs.insert(0, Belief("summed", total, "The default reduction is the mean."))
    if wanted == "sum":
        beliefs.insert(0, Belief("averaged", total / among, 'reduction="sum" adds up and divides by nothing.'))
    if wanted == "none":
        beliefs.insert(0, Belief("reduced", total / among, 'reduction="none" gives one loss for each target.'))
    if wanted == "none" and 0 in counts:
        kept = [cost for cost, count in zip(costs, counts, strict=True) if count]
        beliefs.append(
            Belief("ignored-left-out", kept, "An ignored target keeps its place in the result, with a loss of 0.")
        )
    if 0 in counts and wanted == "mean":
        because = "Targets equal to ignore_index are left out of the mean: they do not count in what it divides by."
        beliefs.insert(0, Belief("ignored-counted", total / len(counts), because))
    if it.weights and wanted == "mean":
        because = "With class weights the mean divides by the sum of the targets' weights, not by their number."
        beliefs.insert(0, Belief("weights-not-divided", total / sum([count > 0 for count in counts]), because))
        plain = it.costs(normalised=normalised)
        beliefs.append(
            Belief("weights-forgotten", sum(plain) / len(plain), "Each target's loss is multiplied by its weight.")
        )
    scores = ", ".join([str([float(n) for n in row]) for row in it.exponents])
    lines = [f"{name} = {LOG2} * torch.tensor([{scores}])", f"targets = torch.tensor({list(it.targets)})"]
    lines += [f"weight = torch.tensor({[float(w) for w in it.weights]})"] if it.weights else []
    hint = (
        "Take minus the target's entry of each row, then reduce."
        if log_probabilities
        else "exp(log(2) * n) is 2 ** n. The target's probability is its power of 2 over the row's sum of them."
    )
    parts = [cost for cost, count in zip(it.costs(normalised=normalised), it.counts(), strict=True) if count]
    return Question([*lines, f"loss = {spelled}"], f"loss / {LOG2}", right, beliefs, hint, parts)


def cross_entropy(rng: Rng) -> Question:
    it = rows(rng, rng.pick([2, 3]), rng.pick([3, 3, 4]))
    name = rng.pick(["logits", "logits", "scores"])
    call = rng.pick([f"F.cross_entropy({name}, targets)", f"nn.CrossEntropyLoss()({name}, targets)"])
    wanted = "mean" if rng.level == GUIDED or "nn." in call else rng.pick(["mean", "sum", "none"])
    return reduced(name, it, call, wanted=wanted)


def ignoring(rng: Rng) -> Question:
    count = rng.integer(3, 4)
    it = rows(rng, count, 3, ignored=rng.integer(1, count - 2))
    call, wanted = "F.cross_entropy(logits, targets)", rng.pick(["mean", "mean", "mean", "none"])
    if rng.chance(0.4):  # a padding token of its own
        pad = rng.pick([target for target in it.targets if target != IGNORED])
        it = Rows(it.exponents, [IGNORED if target == pad else target for target in it.targets])
        if all(target == IGNORED for target in it.targets):
            other = (pad + 1) % 3
            it = Rows(it.exponents, [other, *it.targets[1:]])
        question = reduced("logits", it, "F.cross_entropy(logits, targets, ignore_index=PAD)", wanted=wanted)
        lines = [line.replace(str(IGNORED), str(pad)).replace("PAD", str(pad)) for line in question.lines]
        return replace(question, lines=lines)
    return reduced("logits", it, call, wanted=wanted)


def log_likelihood(rng: Rng) -> Question:
    """nll_loss of something that is not normalised, or of log-probabilities."""
    it = rows(rng, rng.pick([2, 3]), 3)
    name = rng.pick(["logits", "scores", "x"])
    wanted = "mean" if rng.level == GUIDED else rng.pick(["mean", "mean", "sum", "none"])
    if rng.chance(0.35):
        call = rng.pick(
            [
                f"F.nll_loss({name}.log_softmax(-1), targets)",
                f"nn.NLLLoss()(F.log_softmax({name}, dim=-1), targets)",
            ]
        )
        return reduced(name, it, call, wanted="mean")
    return reduced(name, it, f"F.nll_loss({name}, targets)", wanted=wanted, log_probabilities=True)


def class_weights(rng: Rng) -> Question:
    it = rows(rng, rng.pick([2, 3]), 3)
    weights = rng.shuffled(rng.pick([(1, 2, 3), (1, 1, 2), (1, 3, 4), (2, 2, 4), (1, 2, 5)]))
    it = Rows(it.exponents, it.targets, weights)
    wanted = rng.pick(["mean", "mean", "sum"])
    return reduced("logits", it, "F.cross_entropy(logits, targets, weight=weight)", wanted=wanted)


def sequences(rng: Rng) -> Question:
    """Tokens of two sequences of unlike length: the mean runs over all real tokens."""
    it = rows(rng, 4, 3)
    cut = rng.pick([1, 3])
    targets = [IGNORED if at == cut else target for at, target in enumerate(it.targets)]
    it = Rows(it.exponents, targets)
    call = rng.pick(
        [
            "F.cross_entropy(logits.flatten(0, 1), targets.flatten())",
            "F.cross_entropy(logits.mT, targets)",
            "F.cross_entropy(logits.view(-1, 3), targets.view(-1))",
        ]
    )
    plain = reduced("logits", it, call, wanted="mean")
    costs, counts = it.weighted(), it.counts()
    means = [sum(costs[i : i + 2]) / sum(counts[i : i + 2]) for i in (0, 2)]
    because = "The mean runs over all tokens that count, and not over the means of the sequences."
    scores = [[[float(n) for n in row] for row in it.exponents[i : i + 2]] for i in (0, 2)]
    lines = [
        f"logits = {LOG2} * torch.tensor({scores})",
        f"targets = torch.tensor({[targets[:2], targets[2:]]})",
        plain.lines[-1],
    ]
    beliefs = [Belief("mean-of-means", sum(means) / 2, because), *plain.beliefs]
    return replace(plain, lines=lines, beliefs=beliefs)


def binary(rng: Rng) -> Question:
    """Binary cross-entropy, of probabilities or of logits whose odds are told."""
    count = rng.pick([2, 3, 4])
    targets = [rng.integer(0, 1) for _ in range(count)]
    if len(set(targets)) == 1:
        targets[0] = 1 - targets[0]
    costs = [rng.integer(1, 3) for _ in targets]
    with_logits = rng.chance()
    chances = [2**-cost if target else 1 - 2**-cost for cost, target in zip(costs, targets, strict=True)]
    option, wanted = rng.pick([("", "mean"), ("", "mean"), (', reduction="sum"', "sum")])
    ys = f"targets = torch.tensor({[float(target) for target in targets]})"
    if with_logits:
        odds = [
            f"{1}/{2**cost - 1}" if target else f"{2**cost - 1}." for cost, target in zip(costs, targets, strict=True)
        ]
        odds = [one.replace("1/1", "1.") for one in odds]
        lines = [f"logits = torch.tensor([{', '.join(odds)}]).log()", ys]
        call = f"F.binary_cross_entropy_with_logits(logits, targets{option})"
        hint = "The sigmoid of log(odds) is odds / (1 + odds). An example with target 0 costs -log(1 - p)."
    else:
        lines = [f"p = torch.tensor({chances})", ys]
        call = f"F.binary_cross_entropy(p, targets{option})"
        hint = "An example with target 1 costs -log(p), one with target 0 costs -log(1 - p)."

    def ended(numbers: Sequence[float]) -> float:
        return sum(numbers) / (count if wanted == "mean" else 1)

    crossed = [-log2(1 - p) if target else -log2(p) for p, target in zip(chances, targets, strict=True)]
    same = [-log2(p) for p in chances]
    beliefs = [
        Belief("summed", sum(costs), "The default reduction is the mean.")
        if wanted == "mean"
        else Belief("averaged", sum(costs) / count, 'reduction="sum" adds up and divides by nothing.'),
        Belief(
            "only-positives",
            ended([cost if target else 0 for cost, target in zip(costs, targets, strict=True)]),
            "An example with target 0 costs something too: -log(1 - p).",
        ),
        Belief(
            "p-whatever-the-target", ended(same), "With target 0 the probability of the other outcome counts: 1 - p."
        ),
        Belief("targets-turned-round", ended(crossed), "Target 1 costs -log(p), and target 0 costs -log(1 - p)."),
        Belief("sign", -ended(costs), "The loss is minus the log-probability."),
    ]
    if with_logits:
        taken = [
            -log2(p / (1 - p)) if target else log2(p / (1 - p)) for p, target in zip(chances, targets, strict=True)
        ]
        because = "These are logits, not log-probabilities: the sigmoid turns them into probabilities first."
        beliefs.append(Belief("logits-for-log-probabilities", ended(taken), because))
    return Question([*lines, f"loss = {call}"], f"loss / {LOG2}", ended(costs), beliefs, hint)


def soft_targets(rng: Rng) -> Question:
    """A distribution as the target; or the divergence of two."""
    classes = rng.pick([3, 4])
    row = rng.shuffled(rng.pick(EXPONENTS[classes][:3]))
    q = rng.shuffled([0.5, 0.5, *[0.0] * (classes - 2)] if rng.chance() else [0.5, 0.25, 0.25, *[0.0] * (classes - 3)])
    [cost] = Rows([row], [0]).costs()
    costs = [cost + row[0] - n for n in row]
    right = sum([a * b for a, b in zip(q, costs, strict=True)])
    unnormalised = sum([-a * n for a, n in zip(q, row, strict=True)])
    beliefs = [
        Belief("one-class-only", costs[q.index(max(q))], "Every class counts, with its share of the target."),
        Belief("uniform", sum(costs) / classes, "The classes are weighted with the target's probabilities."),
        Belief("divided-by-classes", right / classes, "The mean runs over examples. Over the classes it adds up."),
        Belief("logits-for-log-probabilities", unnormalised, "cross_entropy subtracts the logsumexp of the logits."),
        Belief("sign", -right, "The loss is minus the expected log-probability."),
        Belief("unweighted", sum([b for a, b in zip(q, costs, strict=True) if a]), "Weight each class with its share."),
    ]
    scores = [float(n) for n in row]
    lines = [f"logits = {LOG2} * torch.tensor([{scores}])", f"q = torch.tensor([{q}])"]
    hint = "Minus the log2 of each class's probability, weighted with the target's probabilities and added up."
    return Question([*lines, "loss = F.cross_entropy(logits, q)"], f"loss / {LOG2}", right, beliefs, hint)


def squared(rng: Rng) -> Question:
    """mse_loss or l1_loss of a batch of vectors: the mean runs over all entries."""
    width = rng.pick([2, 3])
    power, name = rng.pick([(2, "F.mse_loss"), (1, "F.l1_loss")])
    gaps = [[rng.integer(-3, 3) for _ in range(width)] for _ in range(2)]
    y = [[rng.integer(1, 5) for _ in range(width)] for _ in range(2)]
    x = [[float(a + b) for a, b in zip(one, other, strict=True)] for one, other in zip(y, gaps, strict=True)]
    costs = [abs(gap) ** power for row in gaps for gap in row]
    wanted = rng.pick(["mean", "mean", "sum"])
    option = "" if wanted == "mean" else ', reduction="sum"'
    total, mean = sum(costs), sum(costs) / len(costs)
    beliefs = [
        Belief("mean-over-examples", total / 2, "The mean runs over all entries, and not over the examples alone."),
        Belief("mean-over-features", total / width, "The mean runs over all entries, examples and features."),
        Belief("summed" if wanted == "mean" else "averaged", total if wanted == "mean" else mean,
               "The default reduction is the mean." if wanted == "mean" else 'reduction="sum" divides by nothing.'),
        Belief("root", mean**0.5, "No root is taken."),
        Belief("halved", (mean if wanted == "mean" else total) / 2, "There is no factor of a half."),
        Belief("signed", sum([gap for row in gaps for gap in row]) / (len(costs) if wanted == "mean" else 1),
               "Each difference counts without its sign."),
    ]  # fmt: skip
    lines = [f"x = torch.tensor({x})", f"y = torch.tensor({[[float(n) for n in row] for row in y]})"]
    hint = "Take every entry's difference first. How many are there in all?"
    return Question(
        [*lines, f"loss = {name}(x, y{option})"], "loss", mean if wanted == "mean" else total, beliefs, hint
    )


KINDS: tuple[tuple[Callable[[Rng], Question], ...], ...] = (
    (cross_entropy, cross_entropy, log_likelihood),
    (cross_entropy, log_likelihood, ignoring, ignoring, binary, binary, squared),
    (ignoring, sequences, sequences, class_weights, soft_targets, binary),
)
TRIES = 40


CENTRAL = {"weights-forgotten", "weights-not-divided", "ignored-counted", "mean-of-means", "summed", "averaged"}


def fits(question: Question) -> bool:
    """Whether it can be typed, and tells the ways to reduce from each other."""
    numbers = entries(question.right if isinstance(question.right, list) else [question.right])
    told = {turn.id for turn in predicted(question.right, question.beliefs)}
    return (
        all(
            any(number * k == int(number * k) for k in (1, 2, 4)) or round(number * 3, 9) % 1 == 0 for number in numbers
        )
        and len(told) > 2  # noqa: PLR2004
        and {belief.id for belief in question.beliefs} & CENTRAL <= told
        and (len(question.parts) == 1 or len(set(question.parts)) != 1)
    )


def known() -> Question:
    return reduced("logits", Rows([[0, 1, 0], [2, 1, 1]], [0, 0]), "F.cross_entropy(logits, targets)", wanted="mean")


@drill(after=["autograd.softmax"], levels=3, lesson="The training loop", arena="0.2", structures=(170, 330, 300))
def losses(rng: Rng) -> PredictValue:
    """Loss functions: what they take, and what they divide by."""
    kind = rng.pick(KINDS[rng.level - 1])
    question = next((it for it in (kind(rng) for _ in range(TRIES)) if fits(it)), None) or known()
    normalises = "nll_loss(" not in question.lines[-1] or "softmax" in question.lines[-1]
    told = "Every probability in each row's softmax is a power of 1/2. " if rng.level == GUIDED and normalises else ""
    return PredictValue(
        prompt=f"{told}What is `{question.ask}`?",
        program="\n".join(question.lines),
        ask=question.ask,
        wrong=predicted(question.right, question.beliefs),
        hints=[
            "Which of probabilities, log-probabilities and logits does the loss function take? What does it divide by?",
            question.hint,
        ],
        why="`cross_entropy` takes logits: it is `log_softmax` and `nll_loss` in one. `nll_loss` takes "
        "log-probabilities as they are, `binary_cross_entropy` probabilities, and its `_with_logits` logits. The "
        "default `reduction` is the mean: over all entries, or over the targets that are not `ignore_index`, with "
        "class weights over the sum of their weights.",
    )
