"""Answers to the hooks drills (for hooks.patch see the file beside), written from what the prompts say."""

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge

if TYPE_CHECKING:
    from tensordrill.puzzles import Puzzle
    from tests.judge.conftest import AskedFor

Asked = tuple[str, int, str]


ATTN = ("hooks.capture", 1, "return what `model.blocks.1..attn` returns[.]")
KEEP = """
    kept = {{}}
    with {site}.register_forward_hook(lambda m, i, o: kept.update(x={copy})):
        model(tokens)
    return kept["x"]
"""
SITE = "model.blocks[1].attn"
IN_HOOK = """
    out = None
    def hook(module, args, output):
        nonlocal out
        out = output.detach().clone()
    handle = model.blocks[1].attn.register_forward_hook(hook)
    try:
        model(tokens)
    finally:
        handle.remove()
    return out
"""
NO_GRAD = """
    kept = []
    with torch.no_grad():
        handle = model.blocks[1].attn.register_forward_hook(lambda m, i, o: kept.append(o + 0))
        model(tokens)
    handle.remove()
    return kept.pop()
"""
KEEP_THERE = """
    attn = model.blocks[1].attn
    handle = attn.register_forward_hook(lambda m, i, o: setattr(m, "out", o.detach().clone()))
    model(tokens)
    handle.remove()
    return attn.out
"""
WRAPPED = """
    kept, attn = [], model.blocks[1].attn
    whole = attn.forward
    def forward(*inputs):
        out = whole(*inputs)
        kept.append(out.detach().clone())
        return out
    attn.forward = forward
    model(tokens)
    {after}
    return kept[0]
"""
GLOBAL = """
    kept = []
    def hook(module, inputs, output):
        if module is model.blocks[1].attn:
            kept.append(output.detach().clone())
    handle = nn.modules.module.register_module_forward_hook(hook)
    model(tokens)
    {after}
    return kept[0]
"""
CAPTURED: dict[str, str | None] = {
    KEEP_THERE: "kept-on-the-module",
    WRAPPED.format(after="attn.forward = whole"): "",
    WRAPPED.format(after="del attn.forward"): "",
    WRAPPED.format(after=""): None,
    GLOBAL.format(after="handle.remove()"): "",
    GLOBAL.format(after=""): None,
    KEEP.format(site=SITE, copy="o.detach().clone()"): "",
    KEEP.format(site=SITE, copy="o.clone().detach()"): "",
    KEEP.format(site=SITE, copy="torch.tensor(o.tolist())"): "",
    KEEP.format(site='model.get_submodule("blocks.1.attn")', copy="o.detach() * 1"): "",
    IN_HOOK: "",
    NO_GRAD: "",
    KEEP.format(site=SITE, copy="o"): "live-reference",
    KEEP.format(site=SITE, copy="o.data"): "detached-only",
    KEEP.format(site=SITE, copy="o.detach()"): "detached-only",
    KEEP.format(site=SITE, copy="o.clone()"): "graph-kept",
    KEEP.format(site=SITE, copy="i[0].detach().clone()"): "input-stored",
    KEEP.format(site="model.blocks[0].attn", copy="o.detach().clone()"): None,
    IN_HOOK.replace("handle.remove()", "pass"): "hook-left",
    IN_HOOK.replace("handle.remove()", "model.blocks[1].attn._forward_hooks.clear()"): None,
    IN_HOOK.replace("        model(tokens)", "        model.eval()(tokens)"): None,
    KEEP_THERE.replace("return attn.out", "return attn.__dict__.pop('out')"): "",
}
TUPLE = ("hooks.capture", 1, "return a tuple: the logits, and what `model.blocks.1..attn`")
PAIR = "kept = []\nwith model.blocks[1].attn.register_forward_hook(lambda m, i, o: kept.append({})):\n    {}"
PAIRS: dict[str, str | None] = {
    PAIR.format("o.detach().clone()", "return model(tokens), kept[0]"): "",
    PAIR.format("o.detach().clone()", "logits = model(tokens)\nreturn logits, kept[0]"): "",
    PAIR.format("o.detach().clone()", "return (model(tokens), *kept)"): "",
}
NEGATIVE = ("hooks.replace", 2, "output of `mlp` of block `layer` replaced by its negative")
RETURN = """
    with model.blocks[layer].mlp.register_forward_hook({hook}):
        return model(tokens)
"""
NEXT = RETURN.format(hook="lambda m, i, o: -o")
TWICE = """
    def hook(module, args, output):
        return output - 2 * output
    handle = model.blocks[layer].mlp[-1].register_forward_hook(hook)
    logits = model(tokens)
    handle.remove()
    return logits
"""
REPLACED: dict[str, str | None] = {
    NEXT: "",
    RETURN.format(hook="lambda m, i, o: o.neg_()"): "",
    RETURN.format(hook="lambda m, i, o: o * -1"): "",
    RETURN.format(hook="lambda *given: 0 - given[-1]"): "",
    TWICE: "",
    NEXT.replace("model.blocks[layer].mlp", 'model.get_submodule(f"blocks.{layer}.mlp")'): "",
    RETURN.format(hook="lambda m, i, o: None"): "nothing-returned",
    NEXT.replace("[layer]", "[layer - 1]"): "wrong-layer",
    NEXT.replace("[layer]", "[0]"): None,
    NEXT.replace(".mlp", ""): None,
    NEXT.replace(".mlp", ".attn"): None,
    TWICE.replace("handle.remove()", "pass"): None,
    TWICE.replace("handle.remove()", "model.blocks[layer].mlp[-1]._forward_hooks.clear()"): None,
    NEXT.replace("return model", "model.requires_grad_(False)\n        return model"): None,
}
VALUE = ("hooks.replace", 2, "output of `mlp` of block `layer` replaced by `value`")
PUT = """
    def hook(module, args, output):
        {}
    with model.blocks[layer].mlp.register_forward_hook(hook):
        return model(tokens)
"""
VALUES: dict[str, str | None] = {
    PUT.format("return value"): "",
    PUT.format("output.copy_(value)"): "",
    PUT.format("return output.mul_(0).add_(value)"): "",
    PUT.format("value.copy_(output)"): None,
    PUT.format("return value.add_(0.5)"): None,
    PUT.format("output = value"): "nothing-returned",
}
HEAD = ("hooks.ablate", 2, "with the `z` of head `head` of block `layer` replaced by 0")
ABLATE = """
    def hook(module, args, z):
        z[{at}] = 0
    handle = model.blocks[layer].attn.hook_z.register_forward_hook(hook)
    try:
        return model(tokens)
    finally:
        {after}
"""
MASKED = """
    keep = (torch.arange(n_heads) != head)[:, None]
    with model.blocks[layer].attn.hook_z.register_forward_hook(lambda m, i, z: z * keep):
        return model(tokens)
"""
BEFORE_IT = """
    def pre(module, args):
        z = args[0].clone()
        z[:, :, head].zero_()
        return z
    handle = model.blocks[layer].attn.hook_z.register_forward_pre_hook(pre)
    logits = model(tokens)
    handle.remove()
    return logits
"""
ABLATED: dict[str, str | None] = {
    ABLATE.format(at=":, :, head", after="handle.remove()"): "",
    ABLATE.format(at="..., head, :", after="handle.remove()"): "",
    MASKED: "",
    BEFORE_IT: "",
    MASKED.replace("z * keep", "torch.where(keep, z, torch.zeros_like(z))"): "",
    MASKED.replace("z * keep", "z.index_fill(2, torch.tensor([head]), 0)"): "",
    ABLATE.format(at="..., head", after="handle.remove()"): "wrong-axis",
    ABLATE.format(at=":, head", after="handle.remove()"): "wrong-axis",
    ABLATE.format(at=":", after="handle.remove()"): "all-of-them",
    ABLATE.format(at=":, :, head", after="pass"): "hook-left",
    MASKED.replace("!=", "=="): "others-ablated",
    MASKED.replace("[layer]", "[layer - 1]"): "wrong-layer",
    MASKED.replace("[:, None]", "").replace("z * keep", "(z.mT * keep).mT * 1 if False else None"): "nothing-returned",
}
MEAN = ("hooks.ablate", 2, "the `z` of head `head` of block `layer` replaced by its mean over the examples of the ref")
MEANS: dict[str, str | None] = {
    ABLATE.format(at=":, :, head", after="handle.remove()").replace("= 0", "= reference[layer].mean(0)[:, head]"): "",
    ABLATE.format(at=":, :, head", after="handle.remove()").replace(
        "= 0", "= reference[layer][:, :, head].mean(0, keepdim=True)"
    ): "",
    ABLATE.format(at=":, :, head", after="handle.remove()"): "zero-for-mean",
    ABLATE.format(at=":, :, head", after="handle.remove()").replace("= 0", "= z.mean(0)[:, head]"): "own-mean",
    ABLATE.format(at=":, :, head", after="handle.remove()").replace(
        "= 0", "= reference[layer].div_(len(reference[layer])).sum(0)[:, head]"
    ): None,
}
PAIRS_OF = (
    "hooks.lifetime",
    2,
    r"logits of `model\(tokens\)`, run with several forward hooks.*pairs `\(module, hook\)`",
)
STACK = """
    from contextlib import ExitStack
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.enter_context(module.register_forward_hook(hook))
        return model(tokens)
"""
PLAIN = """
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    logits = model(tokens)
    for handle in handles:
        handle.remove()
    return logits
"""
TRIED = """
    handles = []
    try:
        for module, hook in hooks:
            handles += [module.register_forward_hook(hook)]
        logits = model(tokens)
    finally:
        while handles:
            handles.pop().remove()
    return logits
"""
RAISED = """
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        logits = model(tokens)
    except BaseException:
        [handle.remove() for handle in handles]
        raise
    [handle.remove() for handle in handles]
    return logits
"""
LASTING: dict[str, str | None] = {
    STACK: "",
    TRIED: "",
    RAISED: "",
    TRIED.replace("logits = model(tokens)", "logits = model.eval()(tokens)"): "",  # nothing is said of modes
    PLAIN: "no-finally",
    PLAIN.replace("        handle.remove()", "        pass"): "never-removed",
    TRIED.replace("while handles", "if handles"): "last-handle-only",
    TRIED.replace("handles.pop().remove()", "[m._forward_hooks.clear() for m, _ in hooks]; break"): "others-cleared",
    RAISED.replace("        raise\n", "        return None\n"): "error-swallowed",
    STACK.replace("in hooks:", "in hooks[:1]:"): "first-only",
    STACK.replace("register_forward_hook", "register_forward_pre_hook"): None,
}
UP_TO = ("hooks.lifetime", 3, "up to block `layer`, .*Return what it returns[.]")
STOPPED = """
    class Done(Exception):
        def __init__(self, it):
            self.it = it
    def hook(module, args, output):
        raise Done(output)
    with model.blocks[layer].register_forward_hook(hook):
        try:
            model(tokens)
        except Done as done:
            return done.it
"""
LATE = """
    class Done(Exception):
        pass
    kept = []
    def stop(module, args):
        raise Done
    with model.blocks[layer].register_forward_hook(lambda m, i, o: kept.append(o)):
        with model.unembed.register_forward_pre_hook(stop):
            try:
                model(tokens)
            except Done:
                return kept[0]
"""
HAND = """
    x = model.embed(tokens)
    x = x + model.pos_embed(torch.arange(tokens.shape[1]))
    for block in model.blocks[: layer + 1]:
        x = block(x)
    return x
"""
UPS: dict[str, str | None] = {
    STOPPED: "",
    HAND: "",
    LATE: "stopped-at-the-end",
    STOPPED.replace("except Done as done", "except Exception as done"): None,
    HAND.replace("    return x", "    model(tokens)\n    return x"): "ran-to-the-end",
}
MISSING = ("hooks.lifetime", 3, r"logits of `model\(tokens\)`, run.*pairs `\(name, hook\)`.*or registering")
BY_DICT = TRIED.replace("module, hook in", "name, hook in").replace(
    "module.reg", "dict(model.named_modules())[name].reg"
)
MISSINGS: dict[str, str | None] = {
    BY_DICT: "",
    BY_DICT.replace("dict(model.named_modules())[it]", "model.get_submodule(it)"): "",
    PLAIN.replace("module.reg", "model.get_submodule(module).reg"): "no-finally",
}
LOVE = (
    "hooks.steer",
    2,
    (
        r"`\(d_model,\)`, are the outputs .*with `coefficient` times the direction added to the output "
        r"of block `layer` at every position[.]"
    ),
)
STEER = """
    direction = {direction}
    def hook(module, args, out):
        {change}
    with model.blocks[layer].register_forward_hook(hook):
        return model(tokens)
"""
ADDED = "return out + coefficient * direction"
DIFFERENCE = 'cache["love"][layer] - cache["hate"][layer]'
STEERED: dict[str, str | None] = {
    STEER.format(direction=DIFFERENCE, change=ADDED): "",
    STEER.format(direction='cache["love"][layer].clone().sub_(cache["hate"][layer])', change=ADDED): "",
    STEER.format(direction=DIFFERENCE, change="out += coefficient * direction"): "",
    STEER.format(direction=DIFFERENCE, change="return torch.add(out, direction, alpha=coefficient)"): "",
    STEER.format(direction=DIFFERENCE, change="out[:] = out + direction.expand_as(out) * coefficient"): "",
    STEER.format(direction=f"coefficient * ({DIFFERENCE})", change="return out + direction"): "",
    STEER.format(direction='cache["love"][layer].sub_(cache["hate"][layer])', change=ADDED): "cache-overwritten",
    STEER.format(direction='cache["hate"][layer] - cache["love"][layer]', change=ADDED): "sign",
    STEER.format(direction=DIFFERENCE, change="return out + direction"): "unscaled",
    STEER.format(direction=DIFFERENCE, change="out = out + coefficient * direction"): "nothing-returned",
    STEER.format(direction=DIFFERENCE, change=ADDED).replace(
        "blocks[layer].reg", "blocks[layer - 1].reg"
    ): "wrong-layer",
    STEER.format(direction=DIFFERENCE, change="out[:, -1] += coefficient * direction"): "other-positions",
    STEER.format(direction=DIFFERENCE, change=ADDED)
    .replace("with model.blocks[layer]", "h = model.blocks[layer]")
    .replace("(hook):\n        return", "(hook)\n    return"): "hook-left",
}
ADDING = STEER.format(direction=DIFFERENCE, change=ADDED)
STEERED[ADDING.replace("blocks[layer].reg", "blocks[layer - 1].reg")] = "wrong-layer"
STEERED[ADDING.replace("with model", "handle = model").replace("(hook):\n        return", "(hook)\n    return")] = (
    "hook-left"
)
CORPUS: dict[Asked, dict[str, str | None]] = {
    ATTN: CAPTURED, TUPLE: PAIRS, NEGATIVE: REPLACED, VALUE: VALUES, HEAD: ABLATED, MEAN: MEANS, PAIRS_OF: LASTING,
    UP_TO: UPS, MISSING: MISSINGS, LOVE: STEERED,
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "answer", "turn"),
    [(asked, answer, turn) for asked, answers in CORPUS.items() for answer, turn in answers.items()],
)
def test_answers(judge: Judge, asked_for: "AskedFor", asked: Asked, answer: str, turn: str | None) -> None:
    """`turn` is empty for a right answer, None for a wrong one that has no name."""
    verdict = judge.grade(asked_for(*asked), dedent(answer))
    assert verdict.correct == (turn == ""), verdict.feedback
    assert turn is None or (verdict.wrong_turn or "") == turn, verdict.feedback


def test_each_layer_of_a_stream_tells_itself_from_the_next(judge: Judge, catalog: Catalog) -> None:
    """A change that commutes with the blocks, such as examples that change places, would be the same at any layer."""
    asked: dict[str, Puzzle] = {}
    for seed in range(400):
        puzzle = catalog["hooks.replace"].puzzle(seed, 3)
        if "block `layer` returns" in puzzle.face.prompt:
            asked.setdefault(puzzle.reference.source, puzzle)
    assert len(asked) > 6
    assert [found for _, found in judge.vet(list(asked.values())) if found] == []
