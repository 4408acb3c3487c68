"""Training: micro-batches that add up to one big batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensordrill.authoring import FixLine, Rng, Wrong, drill

GUIDED, COMPOSED = 1, 3  # levels

# What an update is must show in the weights, so only optimizers whose step grows with the gradient.
OPTIMIZERS = (
    "torch.optim.SGD(model.parameters(), lr=0.1)",
    "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)",
    "torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)",
    "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)",
)


@dataclass(frozen=True)
class Broken:
    """A right program by the names of its lines, which of them is wrong, how it reads then, and wrong repairs."""

    lines: dict[str, tuple[int, str]]  # the depth of each line, and its text
    at: str
    bug: str
    wrong: Sequence[tuple[str, str, str, str]]  # id, line, text, because
    hint: str


NOT_DIVIDED = "The gradients of the micro-batches add up: of means, that is too much by the number of micro-batches."
WRONG_COUNT = "A mean over k micro-batches divides by k: how many of them share a step."
UPSIDE_DOWN = "The loss is multiplied where it should be divided."
EVERY_STEP = "Each micro-batch still gets a step of its own."
CLEARED = "The gradients of the earlier micro-batches are thrown away before the step."
NEVER = "The gradients are never cleared, so later steps hold those of earlier ones."


def task(rng: Rng) -> tuple[str, str, str]:
    """The loss of `out`, how many outputs it is for, and the targets of n examples."""
    return rng.pick(
        [
            ("F.mse_loss({}, {})", "1", "torch.randn({}, 1)"),
            ("F.cross_entropy({}, {})", "3", "torch.randint(3, ({},))"),
            ("F.huber_loss({}, {})", "2", "torch.randn({}, 2)"),
            ("F.binary_cross_entropy_with_logits({}, {})", "1", "torch.rand({}, 1).round()"),
        ]
    )


def head(rng: Rng, width: str) -> dict[str, tuple[int, str]]:
    features, hidden = rng.integer(2, 5), rng.integer(3, 6)
    model = rng.pick(
        [
            f"nn.Linear({features}, {width})",
            f"nn.Sequential(nn.Linear({features}, {hidden}), nn.Tanh(), nn.Linear({hidden}, {width}))",
        ]
    )
    return {"model": (0, f"model = {model}"), "optimizer": (0, f"optimizer = {rng.pick(OPTIMIZERS)}")}


def batch_of(lines: dict[str, tuple[int, str]], count: int, targets: str) -> str:
    """The source of a pair of inputs and targets for the model of the lines."""
    features = lines["model"][1].partition("nn.Linear(")[2].partition(",")[0]
    return f"(torch.randn({count}, {features}), {targets.format(count)})"


def stream(rng: Rng) -> Broken:
    """A stream of small batches, with a step after every k of them."""
    loss, width, targets = task(rng)
    lines = head(rng, width)
    k = rng.integer(2, 4)
    size = rng.pick([n for n in (2, 3, 4, 5) if n not in (k, 2 * k)])
    called = loss.format("model(x)", "y")
    name = "k" if rng.chance() else str(k)
    lines |= {
        "batches": (0, f"batches = [{batch_of(lines, size, targets)} for _ in range({2 * k})]"),
        **({"k": (0, f"k = {k}")} if name == "k" else {}),
        "loop": (0, "for i, (x, y) in enumerate(batches):"),
        "loss": (1, f"loss = {called} / {name}"),
        "backward": (1, "loss.backward()"),
        "if": (1, f"if (i + 1) % {name} == 0:"),
        "step": (2, "optimizer.step()"),
        "zero": (2, "optimizer.zero_grad()"),
    }
    if rng.chance(0.3):
        wrong = [
            ("still-early", "if", f"if not i % {name}:", "At i = 0 only one micro-batch has been seen."),
            ("every-time", "if", "if True:", EVERY_STEP),
            ("never-cleared", "zero", "pass", NEVER),
        ]
        if k > 2:  # noqa: PLR2004 -- of two, the second is also the last
            wrong.append(("after-the-second", "if", f"if i % {name} == 1:", "A step comes after the k-th of them."))
        return Broken(lines, "if", f"if i % {name} == 0:", wrong, "After how many micro-batches is the first step?")
    bug, other, key, because = rng.pick(
        [
            (f"loss = {called}", f"loss = {called} / len(batches)", "divided-by-the-stream", WRONG_COUNT),
            (f"loss = {called} / len(batches)", f"loss = {called}", "not-divided", NOT_DIVIDED),
        ]
    )
    wrong = [
        (key, "loss", other, because),
        ("multiplied", "loss", f"loss = {called} * {name}", UPSIDE_DOWN),
        ("divided-by-examples", "loss", f"loss = {called} / len(x)", "The loss is a mean over the examples already."),
        ("cleared-too-early", "backward", "optimizer.zero_grad(); loss.backward()", CLEARED),
    ]
    hint = "The loss of a micro-batch is a mean. What is the sum of k means, and what should it be?"
    return Broken(lines, "loss", bug, wrong, hint)


def chunks(rng: Rng) -> Broken:
    """A big batch, cut into equal parts."""
    loss, width, targets = task(rng)
    lines = head(rng, width)
    k, size = rng.distinct(2, 2, 4)
    called = loss.format("model(xs)", "ys")
    mean = rng.chance(0.6)
    if not mean:
        called = called.replace(" ys)", ' ys, reduction="sum")')
    divisor = str(k) if mean else "len(x)"
    lines |= {
        "batches": (0, f"batches = [{batch_of(lines, k * size, targets)} for _ in range(3)]"),
        "loop": (0, "for x, y in batches:"),
        "zero": (1, "optimizer.zero_grad()"),
        "inner": (1, f"for xs, ys in zip(x.chunk({k}), y.chunk({k})):"),
        "loss": (2, f"loss = {called}"),
        "backward": (2, f"(loss / {divisor}).backward()"),
        "step": (1, "optimizer.step()"),
    }
    summed = "These losses are sums: divide by the number of examples in the big batch."
    because = WRONG_COUNT if mean else summed
    found = {
        "not-divided": ("loss.backward()", NOT_DIVIDED if mean else summed),
        "divided-by-the-part": ("(loss / len(xs)).backward()", because),
        "divided-otherwise": ("(loss / len(x)).backward()" if mean else f"(loss / {k}).backward()", because),
        "multiplied": (f"(loss * {divisor}).backward()", UPSIDE_DOWN),
        "cleared-each-time": (f"optimizer.zero_grad(); (loss / {divisor}).backward()", CLEARED),
    }
    bug = rng.pick(["not-divided", "divided-by-the-part" if mean else "divided-otherwise"])
    wrong = [(name, "backward", text, said) for name, (text, said) in found.items() if name != bug]
    hint = "What must each part's loss be divided by, so that their sum is the mean over the big batch?"
    return Broken(lines, "backward", found[bug][0], [*wrong, ("never-cleared", "zero", "pass", NEVER)], hint)


def unequal(rng: Rng) -> Broken:
    """A big batch, cut into parts of unlike size, or with targets of which some do not count."""
    lines = head(rng, "3")
    size = rng.integer(3, 4)
    padded = rng.chance()
    count = 2 * size if padded else 2 * size + rng.integer(1, size - 1)
    parts = 2 if padded else 3
    own, total = ("(ys != -100).sum()", "(y != -100).sum()") if padded else ("len(xs)", "len(x)")
    lines |= {
        "batches": (0, f"batches = [{batch_of(lines, count, 'torch.randint(3, ({},))')} for _ in range(3)]"),
        **({"pad": (0, f"for _, y in batches: y[:{size - 1}] = -100  # these do not count")} if padded else {}),
        "loop": (0, "for x, y in batches:"),
        "zero": (1, "optimizer.zero_grad()"),
        "inner": (1, f"for xs, ys in zip(x.split({size}), y.split({size})):"),
        "loss": (2, "loss = F.cross_entropy(model(xs), ys)"),
        "backward": (2, f"(loss * {own} / {total}).backward()"),
        "step": (1, "optimizer.step()"),
    }
    because = "Each part is a mean over its own examples that count. Weight it with their number, over all that count."
    wrong = [
        ("all-counted", "backward", "(loss * len(xs) / len(x)).backward()", because)
        if padded
        else ("divided-by-parts", "backward", f"(loss * len(xs) / {parts}).backward()", because),
        ("not-divided", "backward", "loss.backward()", NOT_DIVIDED),
        ("not-weighted", "backward", f"(loss / {total}).backward()", because),
        ("summed", "backward", f"(loss * {own}).backward()", "That is a sum over examples: divide by their number."),
        ("cleared-each-time", "backward", f"optimizer.zero_grad(); (loss * {own} / {total}).backward()", CLEARED),
    ]
    hint = "Do all parts have as many examples that count? How much of the mean over all of them is each part's mean?"
    return Broken(lines, "backward", f"(loss / {parts}).backward()", wrong, hint)


def clipped(rng: Rng) -> Broken:
    """Clipping goes before the step, and not after every micro-batch."""
    loss, width, targets = task(rng)
    lines = head(rng, width)
    size, k = rng.integer(2, 4), rng.integer(2, 4)
    norm = rng.pick(["0.02", "0.05"])
    clip = f"nn.utils.clip_grad_norm_(model.parameters(), {norm})"
    lines |= {
        "batches": (0, f"batches = [{batch_of(lines, size, targets)} for _ in range({2 * k})]"),
        "loop": (0, "for i, (x, y) in enumerate(batches):"),
        "loss": (1, f"loss = {loss.format('model(x)', 'y')} / {k}"),
        "backward": (1, "loss.backward()"),
        "last": (1, f"last = (i + 1) % {k} == 0"),
        "clip": (1, f"if last: {clip}"),
        "if": (1, "if last:"),
        "step": (2, "optimizer.step()"),
        "zero": (2, "optimizer.zero_grad()"),
    }  # fmt: skip
    kind = rng.pick(["clip", "last"])
    first = "Gradients of fewer micro-batches than a step has are not to be clipped."
    if kind == "clip":
        wrong = [
            ("clipped-too-early", "clip", f"if not last: {clip}", first),
            ("not-clipped", "clip", "pass", "The gradient of a step is to be clipped."),
            ("clipped-after", "zero", f"{clip}; optimizer.zero_grad()", "There step() has used the gradient already."),
            ("every-step", "last", "last = True", EVERY_STEP),
        ]
        return Broken(lines, "clip", clip, wrong, "How much of a step's gradient is there when it is clipped?")
    wrong = [
        ("still-early", "last", f"last = not i % {k}", "At i = 0 only one micro-batch has been seen."),
        ("every-step", "last", "last = True", EVERY_STEP),
        ("only-at-the-end", "last", "last = i + 1 == len(batches)", "There is a step after every k micro-batches."),
        ("never-cleared", "zero", "pass", NEVER),
    ]
    return Broken(
        lines, "last", f"last = i % {k} == 0", wrong, "After how many micro-batches does the first step come?"
    )


KINDS: Sequence[Sequence[Callable[[Rng], Broken]]] = ((stream,), (stream, chunks, chunks), (unequal, unequal, clipped))


@drill(
    after=["training.zero-grad", "training.losses"],
    levels=3,
    lesson="The training loop",
    arena="0.3",
    structures=(44, 85, 32),
)
def grad_accumulation(rng: Rng) -> FixLine:
    """Gradients collected over micro-batches."""
    it = rng.pick(KINDS[rng.level - 1])(rng)
    names = list(it.lines)
    texts = {name: text for name, (_, text) in it.lines.items()} | {it.at: it.bug}
    program = "\n".join("    " * it.lines[name][0] + texts[name] for name in names)
    if "inner" in it.lines:
        meant = "make one step for each of `batches`, with the gradient of the mean loss over its examples"
        counted = ", not counting targets of -100" if "pad" in it.lines else ""
        told = f"This program should {meant}{counted}. To save memory it runs each of them in parts."
    else:
        step = it.lines.get("k", (0, ""))[1].removeprefix("k = ") or it.lines["loss"][1].rpartition("/ ")[2]
        clip = ", clipped as a whole" if "clip" in it.lines else ""
        told = (
            f"This program should make one step for every {step} of the small `batches` in a row, with the gradient of "
            f"the mean loss over all their examples{clip}, as if they were one big batch."
        )
    return FixLine(
        prompt=f"{told} One line is wrong. Replace it.",
        program=program,
        bug=it.bug,
        repair=it.lines[it.at][1],
        observe={"the weights": "list(model.parameters())"},
        wrong=[Wrong(key, f"{names.index(at) + 1}: {text}", said) for key, at, text, said in it.wrong],
        hints=[it.hint, f"Look at line {names.index(it.at) + 1}."],
        why="backward() adds, so the gradients of several micro-batches add up in .grad: that is the gradient of the "
        "sum of their losses. For the mean over all examples, divide each mean loss by the number of micro-batches, "
        "or, where they are of unlike size, weight it by its share of the examples. Step and clear only after the "
        "last of them.",
    )
