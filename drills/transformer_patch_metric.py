"""What a patch did, as a number: a logit difference between two runs that are known."""

from dataclasses import dataclass

from tensordrill.authoring import Edit, Rng, Tensor, WriteExpression, Wrong, drill, tensor
from tensordrill.building.axes import index_of
from tensordrill.building.contraction import axes_of

COMPOSED = 3  # level

WHY = (
    "logit_diff(patched) - logit_diff(corrupted), over logit_diff(clean) - logit_diff(corrupted): 0 where the patch "
    "changes nothing, 1 where it restores the clean answer. The logit difference is that of the last position, whose "
    "logits predict the next token; x[torch.arange(n), -1, tokens] takes a token's logit from each row."
)
# What 0 and 1 stand for: in words, and the metric of three differences `{p}`, `{c}` (clean) and `{x}` (corrupted).
SCALES = (
    ("It is 0 where `patched` is like `corrupted`, and 1 where it is like `clean`.", "({p} - {x}) / ({c} - {x})",
     "({p} - {c}) / ({x} - {c})"),
    ("It is 0 where `patched` is like `clean`, and 1 where it is like `corrupted`.", "({p} - {c}) / ({x} - {c})",
     "({p} - {x}) / ({c} - {x})"),
)  # fmt: skip
SWAPPED = "Your 0 and 1 are swapped."


# How the differences are stored: the patched run's axes, those of the known runs, how these meet, and for what it is.
STORED = (
    ("prompt", "prompt", "", "for each prompt"),
    ("layer pos", "", "", "for each layer and position that was patched; `clean` and `corrupted` are one number each"),
    ("layer pos prompt", "prompt", "", "for each layer and position that was patched, and each prompt"),
    ("prompt layer head", "prompt", "[:, None, None]", "for each prompt, and each layer and head that was patched"),
    ("layer prompt", "prompt", "", "for each layer that was patched, and each prompt"),
    ("prompt layer", "prompt", "[:, None]", "for each prompt, and each layer that was patched"),
    ("layer prompt head", "prompt", "[:, None]", "for each layer that was patched, each prompt, and each head"),
)
MEANS_FIRST = " Average over the prompts first, each of the three: the metric is one of averages."
RATIO_MEAN = "The mean over the prompts comes first, of each run: the metric is one of averages."


def scaled(rng: Rng) -> WriteExpression:
    """The metric, of differences that are given."""
    told, right, swapped = rng.pick(SCALES)
    axes, known, index, each = rng.pick(STORED)
    averaged = "prompt" in axes and rng.chance(0.4)
    names = {"p": "patched", "c": f"clean{index}", "x": f"corrupted{index}"}
    if averaged:
        place = axes.split().index("prompt")
        names = {"p": f"patched.mean({place})", "c": "clean.mean()", "x": "corrupted.mean()"}
        rest = [axis for axis in axes.split() if axis != "prompt"]
        each = f"for each {' and '.join(rest)} that was patched" if rest else "as one number"
    stored = f"`patched` is stored {axes_of(axes.split())}"
    others = f", `clean` and `corrupted` {axes_of(known.split())}" if known else ""
    top, base = right.format(**names)[1:-1].split(") / (")
    right, swapped = right.format(**names), swapped.format(**names)
    wrong = [
        Wrong("runs-swapped", swapped, SWAPPED),
        Wrong("sign", f"-({top}) / ({base})", "Yours has the opposite sign: subtract the same run above and below."),
        Wrong("not-shifted", f"{names['p']} / ({base})", "The run that gives 0 is to be subtracted above, too."),
        Wrong("not-scaled", top, "Divide by the difference between the two known runs, so that the other gives 1."),
    ]
    if averaged:
        each_one = {name: text.replace(".mean()", index) for name, text in names.items()} | {"p": "patched"}
        scale = next(it for it in SCALES if it[0] == told)[1]
        wrong.append(Wrong("mean-of-ratios", f"({scale.format(**each_one)}).mean({place})", RATIO_MEAN))
    return WriteExpression(
        prompt=f"`patched`, `clean` and `corrupted` are logit differences (right answer minus wrong one) of three "
        f"runs. {stored}{others}.\n\nReturn the metric of the patch, {each}. {told} In between it is linear."
        f"{MEANS_FIRST if averaged else ''}",
        tensors=[tensor("patched", axes), tensor("clean", known), tensor("corrupted", known)],
        setup="clean = corrupted + 1 + clean.abs()",  # runs that are alike have no metric
        reference_expression=right,
        hints=[
            "Which run is to give 0? Subtract its difference from both.",
            "The difference that the patch made, over the difference between the two known runs.",
        ],
        why=WHY,
        wrong=wrong,
    )


@dataclass(frozen=True)
class Metric:
    """A number for each prompt (or one for all), made of a run's logits: in words, of `{right}`, `{wrong}`, `{all}`.

    These are the logits of the right and the wrong token, and of all tokens, at the position that counts.
    """

    told: str
    code: str


DIFFERENCE = Metric("the logit of `right` minus that of `wrong` {at}, for each {each}", "{right} - {wrong}")
METRICS = (
    DIFFERENCE,
    Metric("the log-probability of `right` {at}, for each {each}", "{log}"),
    Metric("the probability of `right` {at}, for each {each}", "{log}.exp()"),
    Metric("the logit of `right` minus that of `wrong` {at}, averaged over the prompts{alone}",
           "({right} - {wrong}).mean({batch})"),
    Metric("the logit of `right` minus the mean of all logits {at}, for each {each}",
           "{right} - {all}.mean(-1)"),
    Metric("the logit of `right` minus the largest of all logits {at}, for each {each}",
           "{right} - {all}.amax(-1)"),
)  # fmt: skip
ORDERS = ("batch pos d_vocab", "pos batch d_vocab", "layer batch pos d_vocab", "batch layer pos d_vocab")
PLACES = {"-1": "at the last position", "last": "at position `last[i]` of prompt i"}
SETUP = "wrong = (right + 1) % d_vocab\nrows = torch.arange(len(right))\n"
LAST_SETUP = "last[0] = pos - 1\n"
GIVEN = "`right` and `wrong`, stored (batch), are the ids of a right and a wrong answer of each prompt, and `rows` is "
GIVEN += "`torch.arange(batch)`."
LAST = " `last`, stored (batch), is the position of each prompt's last token."


@dataclass(frozen=True)
class Logits:
    """Logits with these axes, and the position that counts."""

    axes: tuple[str, ...]
    place: str

    def told(self, metric: Metric) -> str:
        alone = ", for each layer" if "layer" in self.axes else ""
        each = " and ".join([name for axis in self.axes if (name := {"layer": "layer", "batch": "prompt"}.get(axis))])
        return metric.told.format(at=PLACES[self.place], each=each, alone=alone)

    def code(self, metric: Metric, x: str, *, rows: str = "rows", place: str = "", swapped: bool = False) -> str:
        """The metric of logits `x`."""
        at = {"batch": rows, "pos": place or self.place, "layer": ":"}
        everything = dict.fromkeys(self.axes, ":") | {"pos": at["pos"]}
        if at["pos"] == "last":  # each prompt's own position
            everything["batch"] = "rows"

        def entry(token: str) -> str:
            return f"{x}[{', '.join([at.get(axis, token) for axis in self.axes])}]"

        whole = f"{x}{index_of([everything[axis] for axis in self.axes])}"
        batch = [axis for axis in self.axes if axis != "pos"].index("batch")
        right, wrong = ("wrong", "right") if swapped else ("right", "wrong")
        picked = {"batch": rows, "layer": ":", "d_vocab": right}
        log = f"{x}.log_softmax(-1)[{', '.join([(at | picked)[axis] for axis in self.axes])}]"
        return metric.code.format(right=entry(right), wrong=entry(wrong), all=whole, log=log, batch=batch)

    def slips(self, metric: Metric, x: str) -> list[tuple[str, str, str]]:
        """The metric gone wrong."""
        found = [
            ("all-positions", self.code(metric, x, place=":"),
             "That is at every position; only the one that predicts the answer was asked for."),
            ("first-position", self.code(metric, x, place="0"), "The first position does not predict the answer."),
            ("grid", self.code(metric, x, rows=":"),
             "`:` takes every listed token in every prompt. Pair each prompt with its own: index with `rows`."),
        ]  # fmt: skip
        if "{wrong}" in metric.code:
            found.append(("sign", self.code(metric, x, swapped=True), "Yours is the wrong answer minus the right one."))
        return found


def logits_of(rng: Rng) -> Logits:
    """Their axes, and where the answer is predicted."""
    return Logits(tuple(rng.pick(ORDERS).split()), rng.pick(["-1", "-1", "last"] if rng.level > 1 else ["-1"]))


def one_run(rng: Rng) -> WriteExpression:
    """The metric of one run's logits."""
    logits = logits_of(rng)
    metric = rng.pick(METRICS[:3] if rng.level == 1 else METRICS)
    last = logits.place == "last"
    return WriteExpression(
        prompt=f"`logits` is stored {axes_of(logits.axes)}. {GIVEN}{LAST if last else ''}\n\nReturn "
        f"{logits.told(metric)}.",
        tensors=[
            Tensor("logits", logits.axes),
            tensor("right", "batch", "index:d_vocab"),
            *([tensor("last", "batch", "index:pos")] if last else []),
        ],
        setup=SETUP + LAST_SETUP * last,
        reference_expression=logits.code(metric, "logits"),
        hints=[
            "Which position's logits predict the answer? And which token does each prompt want?",
            (
                f"Index the batch with `rows`, the positions with {'`last`' if last else 'one number'}, the "
                "vocabulary with the ids."
            ),
        ],
        why=WHY,
        wrong=[Wrong(key, slip, because) for key, slip, because in logits.slips(metric, "logits")],
    )


def from_logits(rng: Rng) -> WriteExpression:
    """The normalised metric, from the logits of all runs."""
    logits, metric = logits_of(rng), rng.pick(METRICS)
    scale_told, scale, swapped = rng.pick(SCALES)
    last, averaged = logits.place == "last", ".mean({batch})" in metric.code
    measured = logits.code(metric, "x")
    if rng.chance():
        known = ("`patched`, `clean` and `corrupted`, stored {}, are the logits of three runs.", "")
        names = {"p": f"(f := lambda x: {measured})(patched)", "c": "f(clean)", "x": "f(corrupted)"}
        tensors = [Tensor(name, logits.axes) for name in ("patched", "clean", "corrupted")]
    else:
        known = (
            (
                "`runs`, stored {}, holds the logits of several runs: `runs[0]` is corrupted, `runs[1]` is clean, and "
                "the others are patched."
            ),
            " Return that of all runs, the known ones too, with the runs first.",
        )
        names = {"p": f"(d := torch.stack([{measured} for x in runs]))", "c": "d[1]", "x": "d[0]"}
        tensors = [Tensor("runs", ("run", *logits.axes))]
        scale_told = (
            scale_told.replace("where `patched` is", "for a run that is")
            .replace("where it is", "for one that is")
            .replace("`", "")
        )
    # Whole numbers may give two runs one metric, and large ones a probability of 0: there is nothing to divide by.
    floats = "\n".join([f"{it.name} = torch.randn({it.name}.shape)" for it in tensors])
    right, axes = scale.format(**names), axes_of(tensors[0].axes)
    wrong: list[Edit | Wrong] = [
        Wrong("runs-swapped", swapped.format(**names), SWAPPED),
        Wrong("normalised-sign", f"-{right}", "Yours has the opposite sign: subtract the same run above and below."),
        Wrong(
            "not-scaled",
            right.rpartition(" / (")[0],
            "Divide by the difference between the two known runs, so that the other gives 1.",
        ),
        *[Edit(key, measured, slip, because) for key, slip, because in logits.slips(metric, "x") if key != "sign"],
    ]  # fmt: skip -- the sign of all differences cancels in the ratio
    if averaged:
        each_one = Metric("", metric.code.removesuffix(".mean({batch})"))
        wrong.append(Edit("mean-of-ratios", measured, logits.code(each_one, "x"), RATIO_MEAN))
    return WriteExpression(
        prompt=f"{known[0].format(axes)} {GIVEN}{LAST if last else ''}\n\nThe metric of a run is "
        f"{logits.told(metric)}. Return it normalised by the known runs. {scale_told} In between it is linear."
        f"{known[1]}",
        tensors=[
            *tensors,
            tensor("right", "batch", "index:d_vocab"),
            *([tensor("last", "batch", "index:pos")] if last else []),
        ],
        sizes={"run": 4} if len(tensors) == 1 else {},
        setup=f"{SETUP}{LAST_SETUP * last}{floats}\n",
        reference_expression=right,
        hints=[
            "First the metric of one run. Then: which run is to give 0, and which 1?",
            "Name the metric within the expression, `(f := lambda x: …)(…)` or `(d := …)`, and use it three times.",
        ],
        why=WHY,
        wrong=wrong,
    )


@drill(levels=3, lesson="Hooks", arena="1.2", structures=(14, 40, 75))
def patch_metric(rng: Rng) -> WriteExpression:
    """What a patch restores, from 0 to 1."""
    match rng.level:
        case 1:
            return rng.pick([scaled, one_run])(rng)
        case 2:
            return rng.pick([scaled, one_run, one_run])(rng)
    return from_logits(rng)
