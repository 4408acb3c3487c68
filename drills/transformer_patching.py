"""What a patch did, as a number: a logit difference between two runs that are known."""

from tensordrill.authoring import Edit, Rng, WriteExpression, Wrong, drill, tensor

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


def scaled(rng: Rng) -> WriteExpression:
    """The metric, of differences that are given."""
    told, right, swapped = SCALES[0] if rng.level == 1 else rng.pick(SCALES)
    axes, known, each = rng.pick(
        [
            ("prompt", "prompt", "for each prompt"),
            (
                "layer pos",
                "",
                "for each layer and position that was patched; `clean` and `corrupted` are one number each",
            ),
            ("layer pos prompt", "prompt", "for each layer and position that was patched, and each prompt"),
            ("prompt layer head", "prompt", "for each prompt, and each layer and head that was patched"),
            ("layer prompt", "prompt", "for each layer that was patched, and each prompt"),
        ]
    )
    index = "[:, None, None]" if axes == "prompt layer head" else ""
    names = {"p": "patched", "c": f"clean{index}", "x": f"corrupted{index}"}
    right, swapped = right.format(**names), swapped.format(**names)
    stored = f"`patched` is stored ({', '.join(axes.split())})"
    others = f", `clean` and `corrupted` ({known})" if known else ""
    top, base = right.strip("()").split(") / (")
    return WriteExpression(
        prompt=f"`patched`, `clean` and `corrupted` are logit differences (right answer minus wrong one) of three "
        f"runs. {stored}{others}.\n\nReturn the metric of the patch, {each}. {told} In between it is linear.",
        tensors=[tensor("patched", axes), tensor("clean", known), tensor("corrupted", known)],
        reference_expression=right,
        hints=[
            "Which run is to give 0? Subtract its difference from both.",
            "The difference that the patch made, over the difference between the two known runs.",
        ],
        why=WHY,
        wrong=[
            Wrong("runs-swapped", swapped, SWAPPED),
            Wrong(
                "sign", f"-({top}) / ({base})", "Yours has the opposite sign: subtract the same run above and below."
            ),
            Wrong("not-shifted", f"patched / ({base})", "The run that gives 0 is to be subtracted above, too."),
            Wrong("not-scaled", top, "Divide by the difference between the two known runs, so that the other gives 1."),
        ],
    )


# The metric of a run's logits: in words, as an expression of logits `{x}` (batch, pos, d_vocab), and whether it is a
# mean over the batch.
METRICS = (
    ("the logit of `right` minus that of `wrong` at the last position, for each prompt",
     "{x}[rows, -1, right] - {x}[rows, -1, wrong]"),
    ("the log-probability of `right` at the last position, for each prompt",
     "{x}[:, -1].log_softmax(-1)[rows, right]"),
    ("the logit of `right` minus that of `wrong` at the last position, on average over the prompts",
     "({x}[rows, -1, right] - {x}[rows, -1, wrong]).mean()"),
    ("the logit of `right` minus the mean of all logits at the last position, for each prompt",
     "{x}[rows, -1, right] - {x}[:, -1].mean(-1)"),
    ("the logit of `right` minus that of `wrong` at position `last[i]` of prompt i, for each prompt",
     "{x}[rows, last, right] - {x}[rows, last, wrong]"),
)  # fmt: skip
SETUP = "wrong = (right + 1) % d_vocab\nrows = torch.arange(len(right))\n"
GIVEN = "`right` and `wrong`, stored (batch), are the ids of a right and a wrong answer of each prompt, and `rows` is "
GIVEN += "`torch.arange(batch)`."


def slips(metric: str) -> list[tuple[str, str, str]]:
    """A metric of one run, gone wrong."""
    everywhere = metric.replace("[rows, right]", "[rows, :, right]").replace("[:, -1]", "")
    found = [
        ("all-positions", everywhere.replace("rows, -1,", "rows, :,").replace("rows, last,", "rows, :,"),
         "That is at every position; only the one that predicts the answer was asked for."),
        ("first-position", metric.replace("-1,", "0,").replace("[:, -1]", "[:, 0]").replace("rows, last,", "rows, 0,"),
         "The first position does not predict the answer."),
        ("grid", metric.replace("[rows,", "[:,"),
         "`:` takes every listed token in every prompt. Pair each prompt with its own: index with `rows`."),
    ]  # fmt: skip
    if "wrong" in metric:
        swapped = metric.replace("right", "#").replace("wrong", "right").replace("#", "wrong")
        found.append(("sign", swapped, "Yours is the wrong answer minus the right one."))
    return found


def one_run(rng: Rng) -> WriteExpression:
    """The metric of one run's logits."""
    told, metric = METRICS[0] if rng.level == 1 else rng.pick(METRICS)
    right = metric.format(x="logits")
    return WriteExpression(
        prompt=f"`logits` is stored (batch, pos, d_vocab). {GIVEN}{LAST if 'last' in right else ''}\n\nReturn {told}.",
        tensors=[
            tensor("logits", "batch pos d_vocab"),
            tensor("right", "batch", "index:d_vocab"),
            *([tensor("last", "batch", "index:pos")] if "rows, last" in right else []),
        ],
        setup=SETUP,
        reference_expression=right,
        hints=[
            "Which position's logits predict the answer? And which token does each prompt want?",
            "Index the batch with `rows`, the positions with one number, the vocabulary with the ids.",
        ],
        why=WHY,
        wrong=[Wrong(key, slip.format(x="logits"), because) for key, slip, because in slips(metric)],
    )


LAST = " `last`, stored (batch), is the position of each prompt's last token."


def from_logits(rng: Rng) -> WriteExpression:
    """The normalised metric, from the logits of all runs."""
    told, metric = rng.pick(METRICS)
    scale_told, scale, swapped = rng.pick(SCALES)
    given = rng.pick(["three", "stack"])
    if given == "three":
        metric_of = f"(f := lambda x: {metric.format(x='x')})"
        names = {"p": f"{metric_of}(patched)", "c": "f(clean)", "x": "f(corrupted)"}
        others = {"p": "f(patched)", "c": "f(clean)", "x": "f(corrupted)"}
        stored = "`patched`, `clean` and `corrupted`, stored (batch, pos, d_vocab), are the logits of three runs."
        tensors = [tensor(name, "batch pos d_vocab") for name in ("patched", "clean", "corrupted")]
    else:
        over = metric.format(x="x")
        metric_of = f"(d := torch.stack([{over} for x in runs]))"
        names = {"p": metric_of, "c": "d[1]", "x": "d[0]"}
        others = {"p": "d", "c": "d[1]", "x": "d[0]"}
        stored = (
            "`runs`, stored (run, batch, pos, d_vocab), holds the logits of several runs: `runs[0]` is corrupted, "
            "`runs[1]` clean, the others are patched."
        )
        tensors = [tensor("runs", "run batch pos d_vocab")]
        scale_told = scale_told.replace("where `patched` is", "for a run that is").replace("`", "")
    right = scale.format(**names)
    top, base = scale.format(**others).strip("()").split(") / (")
    wrong: list[Edit | Wrong] = [
        Wrong("runs-swapped", swapped.format(**names), SWAPPED),
        Wrong("normalised-sign", f"-{right}", "Yours has the opposite sign: subtract the same run above and below."),
        Wrong("not-scaled", scale.format(**names).rpartition(" / (")[0],
              "Divide by the difference between the two known runs, so that the other gives 1."),
    ]  # fmt: skip
    del top, base
    inner = "x"
    for key, slip, because in slips(metric):
        if key == "sign":  # it cancels in the ratio
            continue
        wrong.append(Edit(key, metric.format(x=inner), slip.format(x=inner), because))
    if "mean()" in metric:
        each = metric.replace(".mean()", "")
        wrong.append(Edit("mean-of-ratios", metric.format(x=inner), each.format(x=inner),
                          "The mean over the prompts comes first, and the ratio is of means."))  # fmt: skip
    each = "" if "average" in told else ", for each prompt"
    both = " and each run, the known ones too" if given == "stack" else ""
    return WriteExpression(
        prompt=f"{stored} {GIVEN}{LAST if 'rows, last' in metric else ''}\n\nThe metric of a run is {told}. Return it "
        f"normalised{each}{both if each else both.replace(' and', ', for')}. {scale_told} In between it is linear.",
        tensors=[
            *tensors,
            tensor("right", "batch", "index:d_vocab"),
            *([tensor("last", "batch", "index:pos")] if "rows, last" in metric else []),
        ],
        sizes={"run": 4} if given == "stack" else {},
        setup=SETUP,
        reference_expression=right,
        hints=[
            "First the metric of one run. Then: which run is to give 0, and which 1?",
            "Name the metric within the expression, `(f := lambda x: …)(…)` or `(d := …)`, and use it three times.",
        ],
        why=WHY,
        wrong=wrong,
    )


@drill(levels=3, lesson="Hooks", arena="1.2", structures=(3, 7, 10))
def patch_metric(rng: Rng) -> WriteExpression:
    """What a patch restores, from 0 to 1."""
    match rng.level:
        case 1:
            return rng.pick([scaled, one_run])(rng)
        case 2:
            return rng.pick([scaled, one_run, one_run])(rng)
    return from_logits(rng)
