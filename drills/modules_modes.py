"""Modules: what training and evaluation change, and what they do not."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, Wrong, drill
from tensordrill.building.gradients import settled

SECOND, THIRD = 2, 3  # levels


# --- one dropout


def one_dropout(rng: Rng) -> PredictValue:
    """The values that come out of a dropout, as a set."""
    v, p = rng.integer(1, 6), rng.pick([0.5, 0.5, 0.75])
    scaled = [0, v * round(1 / (1 - p))]
    functional, wrapped = rng.chance(0.4), rng.pick(["", "", "with torch.no_grad():", "with torch.inference_mode():"])
    lines = [f"x = torch.full((1000,), {v}.)"]
    if functional:
        told = rng.pick(["", "", ", training=True", ", training=False", ", training=False"])
        drops, made = told != ", training=False", f"y = F.dropout(x, {p}{told})"
    else:
        lines.append(f"drop = nn.Dropout({p})")
        mode = rng.pick(["", "drop.train()", "drop.eval()", "drop.eval()", "drop.train(False)"])
        drops, made = mode in ("", "drop.train()"), "y = drop(x)"
        lines += [mode] if mode else []
    lines += [wrapped, f"    {made}"] if wrapped else [made]
    off = (
        "In training mode, which is how a module starts and F.dropout works unless it is told otherwise, "
        "entries are dropped."
    )
    beliefs: list[tuple[str, list[int], str]] = (
        [
            ("no-grad-turns-off-dropout" if wrapped else "dropout-off", [v], off if not wrapped else
             "no_grad and inference_mode are about gradients. Dropout goes by the mode of its module."),
            ("not-scaled", [0, v], "What is kept is divided by 1 - p, so that the mean stays."),
            ("scaled-by-p", [0, round(v / p)], "What is kept is divided by 1 - p, the share that is kept."),
            ("scaled-everything", [v * round(1 / (1 - p))], "Some of the 1,000 entries are dropped: they are 0."),
        ]
        if drops
        else [
            ("drops-in-eval", scaled, "In evaluation, or with training=False, dropout does nothing."),
            ("not-scaled", [0, v], "In evaluation, or with training=False, dropout does nothing."),
            ("scaled-in-eval", [v * round(1 / (1 - p))], "Nothing is scaled in evaluation: that is done in training."),
        ]
    )  # fmt: skip
    right = scaled if drops else [v]
    seen, wrong = [right], []
    for name, found, because in beliefs:
        if found not in seen:
            seen.append(found)
            wrong.append(Wrong(name, str(found), because))
    return PredictValue(
        prompt="Of 1,000 entries some are sure to be dropped, where any are. What is `sorted(set(y.tolist()))`?",
        program="\n".join(lines),
        ask="sorted(set(y.tolist()))",
        hints=HINTS,
        why=WHY,
        wrong=wrong,
    )


# --- a model and what happens to it


class Event(NamedTuple):
    """A line, and what it does: `mode`, `freeze` or `pass`; to the model or to one of its layers; a value of it."""

    text: str
    act: str
    of: str = "model"
    value: bool = True


class Model(NamedTuple):
    """How it drops (`module`, `function`, `told`: a function that is told the mode, `list`: in a plain list)."""

    drops: str
    norm: bool
    source: str
    prefix: str  # of its layers' names


RULES = {
    "eval-stops-gradients": "eval() has nothing to do with gradients. no_grad stops them, or requires_grad=False does.",
    "no-grad-freezes-statistics": "no_grad does not keep a BatchNorm in training mode from updating its statistics.",
    "no-grad-turns-off-dropout": "no_grad does not turn dropout off. eval() does.",
    "function-obeys-eval": "F.dropout(x, p) knows of no module: it drops, unless it gets training=False.",
    "layers-not-reached": "train() and eval() set the mode of every registered layer below.",
    "list-reached": "What is in a plain list is not registered, and eval() does not reach it.",
    "frozen-statistics": "requires_grad=False is about parameters. A BatchNorm in training mode still updates "
    "its buffers.",
    "counts-in-eval": "In evaluation mode a BatchNorm uses its statistics and does not update them.",
    "own-mode-kept": "train() and eval() of the model set the layers' modes anew, whatever these were.",
    "frozen-still-recorded": "Where no parameter and no input requires a gradient, the output does not either.",
    "starts-in-eval": "A new module is in training mode.",
}


class Seen(NamedTuple):
    gradient: bool
    zeros: bool
    batches: int
    training: bool
    norm_training: bool


def play(model: Model, events: Sequence[Event], rule: str = "") -> Seen:
    """What is seen at the end, by the rule."""
    start = rule != "starts-in-eval"
    mode = {"model": start, "drop": start, "bn": start}
    own: set[str] = set()
    trainable = {"linear", "bn"} if model.norm else {"linear"}
    batches, gradient, zeros = 0, False, False
    for _, act, of, value in events:
        if act == "mode":
            reached = [of] if of != "model" or rule == "layers-not-reached" else ["model", "bn", "drop"]
            if of == "model" and model.drops == "list" and rule != "list-reached":
                reached = [name for name in reached if name != "drop"]
            own |= {of} if of != "model" else set()
            for name in reached:
                if not (rule == "own-mode-kept" and of == "model" and name in own):
                    mode[name] = value
        elif act == "freeze":
            trainable -= {"linear", "bn"} if of == "model" else {of}
        else:
            recorded = value
            drops = mode["drop"] if model.drops in ("module", "list") else mode["model"]
            if model.drops == "function":
                drops = rule != "function-obeys-eval" or mode["model"]
            zeros = drops and (recorded or rule != "no-grad-turns-off-dropout")
            still = rule == "no-grad-freezes-statistics" and not recorded
            still = still or (rule == "frozen-statistics" and "bn" not in trainable)
            batches += model.norm and (mode["bn"] or rule == "counts-in-eval") and not still
            gradient = recorded and (bool(trainable) or rule == "frozen-still-recorded")
            gradient = gradient and (mode["model"] or rule != "eval-stops-gradients")
    return Seen(gradient, zeros, int(batches), mode["drop"], mode["bn"])


def sequence(*, norm: bool) -> Model:
    made = (
        "linear, bn, drop = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)\nmodel = "
        "nn.Sequential(linear, bn, drop)"
    )
    plain = "linear, drop = nn.Linear(4, 4), nn.Dropout(0.5)\nmodel = nn.Sequential(linear, drop)"
    return Model("module", norm, made if norm else plain, "")


def written(drops: str, *, norm: bool) -> Model:
    """A class of its own."""
    drop = {"module": "self.drop = nn.Dropout(0.5)", "list": "self.drops = [nn.Dropout(0.5)]"}.get(drops)
    layers = [
        "self.linear = nn.Linear(4, 4)",
        *(["self.bn = nn.BatchNorm1d(4)"] if norm else []),
        *([drop] if drop else []),
    ]
    hidden = "self.bn(self.linear(x))" if norm else "self.linear(x)"
    call = {
        "module": f"self.drop({hidden})",
        "list": f"self.drops[0]({hidden})",
        "function": f"F.dropout({hidden}, 0.5)",
        "told": f"F.dropout({hidden}, 0.5, self.training)",
    }[drops]
    body = "\n        ".join(["super().__init__()", *layers])
    source = (
        f"class Net(nn.Module):\n    def __init__(self):\n        {body}\n\n    def forward(self, x):\n        "
        f"return {call}\n\n"
        "model = Net()"
    )
    return Model(drops, norm, source, "model.")


def passing(rng: Rng, *, last: bool) -> Event:
    name = "y = model(x)" if last else "model(x)"
    block = rng.pick(["", "", "with torch.no_grad():", "with torch.inference_mode():"])
    return Event(f"{block}\n    {name}" if block else name, "pass", value=not block)


def switching(rng: Rng, model: Model, *, child: bool) -> Event:
    """A mode is set, or parameters are frozen."""
    if child and rng.chance(0.5):
        layers = (["bn"] if model.norm else []) + (["drop"] if model.drops == "module" else [])
        if layers:
            of, value = rng.pick(layers), rng.chance(0.4)
            return Event(f"{model.prefix}{of}.{'train' if value else 'eval'}()", "mode", of, value)
    if rng.chance(0.25):
        of = rng.pick(["model", "model", *(["bn"] if model.norm else [])])
        return Event(f"{'model' if of == 'model' else model.prefix + of}.requires_grad_(False)", "freeze", of)
    value = rng.chance(0.35)
    return Event(
        rng.pick(["model.train()"] if value else ["model.eval()", "model.eval()", "model.train(False)"]),
        "mode",
        value=value,
    )


ASKED = {
    "gradient": "y.requires_grad",
    "zeros": "(y == 0).any().item()",
    "batches": "{p}bn.num_batches_tracked.item()",
    "training": "{p}drop.training",
    "norm_training": "{p}bn.training",
}


def story(rng: Rng) -> tuple[Model, list[Event], list[str]]:
    if rng.level == SECOND:
        model = sequence(norm=rng.chance(0.75))
    else:
        model = written(rng.pick(["module", "function", "told", "list"]), norm=rng.chance(0.7))
    child = rng.level == THIRD or rng.chance(0.3)
    events = [switching(rng, model, child=child)]
    events += [passing(rng, last=False), switching(rng, model, child=child)] if rng.chance(0.75) else []
    if rng.level == THIRD and rng.chance():
        events += [switching(rng, model, child=True)]
    if rng.chance(0.25):
        events.insert(0, passing(rng, last=False))
    events.append(passing(rng, last=True))
    can = ["gradient", "zeros"] + (["batches", "norm_training"] if model.norm else [])
    can += ["training"] if model.drops == "module" else []
    asked = rng.sample(can, min(len(can), 3))
    return model, events, [name for name in ASKED if name in asked]


def whole_story(rng: Rng) -> PredictValue:
    def tells(it: tuple[Model, list[Event], list[str]]) -> bool:
        model, events, names = it
        right = play(model, events)
        ends = (play(model, events, rule) for rule in RULES)
        return any(end != right and any(getattr(end, n) != getattr(right, n) for n in names) for end in ends)

    model, events, names = settled(lambda: story(rng), tells, 8)

    def seen(rule: str = "") -> list[object]:
        end = play(model, events, rule)
        return [getattr(end, name) for name in names]

    known, wrong = [seen()], []
    for rule, because in RULES.items():
        if (found := seen(rule)) not in known:
            known.append(found)
            wrong.append(Wrong(rule, str(found), because))
    asked = f"[{', '.join([ASKED[name].format(p=model.prefix) for name in names])}]"
    counted = (
        " `num_batches_tracked` counts the batches that moved the running statistics." if "batches" in names else ""
    )
    return PredictValue(
        prompt=f"What is `{asked}` at the end?{counted}",
        program="\n".join([model.source, "x = torch.randn(100, 4)", *[event.text for event in events]]),
        ask=asked,
        hints=HINTS,
        why=WHY,
        wrong=wrong,
    )


HINTS = [
    "Three things are apart: the mode (train, eval), recording (no_grad), and which parameters require a gradient.",
    (
        "The mode decides on dropout and on a BatchNorm's statistics. no_grad and requires_grad decide on "
        "gradients, and on "
        "nothing else. F.dropout goes by its own argument alone."
    ),
]
WHY = (
    "`train()` and `eval()` set `training` on a module and all registered ones below it. Dropout drops in "
    "training mode, "
    "and scales what it keeps by 1/(1-p); BatchNorm updates its running statistics there. Neither mode touches "
    "gradients, and `no_grad` touches neither dropout nor statistics. `F.dropout(x, p)` has training=True unless it is "
    "told otherwise."
)


@drill(levels=3, lesson="Modules", arena="0.2", structures=(20, 500, 600))
def train_eval(rng: Rng) -> PredictValue:
    """What train() and eval() change."""
    return one_dropout(rng) if rng.level == 1 else whole_story(rng)
