"""Hooks: how long they stay on a model."""

from tensordrill.authoring import Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import ARGUMENTS, edit, hooked
from tensordrill.building.lasting import (
    BECAUSE,
    CLEAN_UP,
    HINTS,
    PATHS,
    RESULTS,
    body_mistakes,
    lasting,
    slip,
)


def one_hook(rng: Rng) -> WriteCode:
    """One hook on one module."""
    path = rng.pick(PATHS).format(i=rng.integer(0, 2))
    told, run = rng.pick(RESULTS)
    pre = rng.chance(0.4) and path != "embed"
    register = f"register_forward_{'pre_' * pre}hook"
    site, dictionary = f"model.{path}", f"_forward_{'pre_' * pre}hooks"
    body = f"handle = {site}.{register}(hook)\ntry:\n    return {run}\nfinally:\n    handle.remove()"
    kind = (
        "a forward pre-hook, which runs before the module," if pre else "a forward hook, which runs after the module,"
    )
    hook = "turn_input" if pre else "turn"
    return lasting(
        [
            (
                f"Return {told}, run with `hook` on `{site}`: {kind} put there with `{register}`. "
                f"{CLEAN_UP.format('the run')}"
            )
        ],
        signature="def run_with_hook(model, tokens, hook):",
        body=body,
        call=f"run_with_hook(model, tokens, {hook})",
        failing=f"run_with_hook(model, tokens + d_vocab, {hook})",
        wrong=[
            *body_mistakes(body),
            slip("never-removed", "handle.remove()", "pass"),
            slip("others-cleared", "handle.remove()", f"{site}.{dictionary}.clear()"),
            Wrong("removed-before", body.replace("try:", "handle.remove()\ntry:"), BECAUSE["removed-before"]),
        ],
        hints=HINTS,
    )


# How several hooks are given: in words, the argument, the loop over it, the module, and one for the hidden runs.
SEVERAL = (
    ("each hook in `hooks`, a list of pairs `(module, hook)`, on its module", "module, hook in hooks", "module",
     "[(model.blocks[1].mlp, turn), (model.embed, turn), (model.blocks[1].mlp, turn)]"),
    ('each hook in `hooks`, a list of pairs `(name, hook)`, on the module of that name, such as `"blocks.0.attn"`',
     "name, hook in hooks", "model.get_submodule(name)",
     '[("blocks.1.mlp", turn), ("blocks.0.attn", turn), ("blocks.1.mlp", turn)]'),
    ('each hook in the dict `hooks`, on the module whose name is its key, such as `"blocks.0.attn"`',
     "name, hook in hooks.items()", "model.get_submodule(name)",
     '{"blocks.1.mlp": turn, "embed": turn, "blocks.0.attn": turn}'),
    ("each hook in the dict `hooks`, on `model.blocks[i]`, where `i` is its key", "i, hook in hooks.items()",
     "model.blocks[i]", "{2: turn, 0: turn}"),
    ("`hooks[i]` on `model.blocks[i]`, for each block", "block, hook in zip(model.blocks, hooks)", "block",
     "[turn, turn, turn]"),
)  # fmt: skip


def registered(loop: str, site: str, pre: str = "") -> str:
    return f"handles = [{site}.register_forward_{pre}hook(hook) for {loop}]\n"


REMOVE_ALL = "finally:\n    for handle in handles:\n        handle.remove()"
SPELLED = "for handle in handles:\n            handle.remove()"


def several_hooks(rng: Rng) -> WriteCode:
    """A hook for each of several modules."""
    told_hooks, loop, site, hooks = rng.pick(SEVERAL)
    told, run = rng.pick(RESULTS)
    pre = "pre_" if rng.chance(0.4) and "embed" not in hooks else ""
    if pre:
        hooks = hooks.replace("turn", "turn_input")
    given = loop.rpartition(" ")[2].partition(".")[0].rstrip(")")
    body = f"{registered(loop, site, pre)}try:\n    return {run}\n{REMOVE_ALL}"
    clear = f"for {loop}:\n            {site}._forward_{pre}hooks.clear()"
    kind = "forward pre-hooks (they run before the module)" if pre else "forward hooks"
    return lasting(
        [
            f"Return {told}, run with several {kind}: {told_hooks}. {CLEAN_UP.format('the run')}",
        ],
        signature=f"def run_with_hooks(model, tokens, {given}):",
        body=body,
        call=f"run_with_hooks(model, tokens, {hooks})",
        failing=f"run_with_hooks(model, tokens + d_vocab, {hooks})",
        wrong=[
            *body_mistakes(body),
            slip("never-removed", SPELLED, "pass"),
            slip("last-handle-only", SPELLED, "handles[-1].remove()"),
            slip("others-cleared", SPELLED, clear),
            slip("first-only", f"for {loop}]", f"for {first(loop)}]"),
        ],
        hints=HINTS,
    )


def first(loop: str) -> str:
    """The loop over the first of them alone."""
    names, _, over = loop.partition(" in ")
    return f"{names} in list({over})[:1]"


def bad_name(rng: Rng) -> WriteCode:
    """Registering may fail half-way."""
    told, run = rng.pick(RESULTS)
    told_hooks, loop, site, hooks = rng.pick(SEVERAL[1:4])
    body = f"""\
handles = []
try:
    for {loop}:
        handles.append({site}.register_forward_hook(hook))
    return {run}
finally:
    for handle in handles:
        handle.remove()"""
    late = f"{registered(loop, site)}try:\n    return {run}\n{REMOVE_ALL}"
    bad = "{0: turn, 2: turn, 7: turn}" if "i, " in loop else '{"embed": turn, "blocks.0.mpl": turn}'
    if hooks.startswith("["):
        bad = '[("embed", turn), ("blocks.0.mpl", turn)]'
    return lasting(
        [
            (
                f"Return {told}, run with several forward hooks: {told_hooks}. "
                f"{CLEAN_UP.format('the run, or registering (one of the modules may not be there),')}"
            )
        ],
        signature="def run_with_hooks(model, tokens, hooks):",
        body=body,
        call=f"run_with_hooks(model, tokens, {hooks})",
        failing=f"run_with_hooks(model, tokens, {bad})",
        tried="raises",  # a module that is not there is another error for each way to look it up
        before={"a run on bad tokens": f"attempt(lambda: run_with_hooks(model, tokens + d_vocab, {hooks}))"},
        wrong=[
            Wrong(
                "registered-outside",
                late,
                "Where registering raises, the hooks before it stay on: the `try` must begin before the first of them.",
            ),
            Wrong(
                "no-finally",
                late.replace("try:\n    return ", "result = ")
                .replace("finally:\n    for", "for")
                .replace("        handle.remove()", "    handle.remove()\nreturn result"),
                BECAUSE["no-finally"],
            ),
            slip("last-handle-only", SPELLED, "handles[-1].remove()"),
            slip("never-removed", SPELLED, "pass"),
            slip("error-swallowed", "    finally:", "    except Exception:\n        return None\n    finally:"),
        ],
        hints=[
            "At which lines can it raise, and which hooks are on the model by then?",
            "Start with an empty list of handles, and register inside the `try`.",
        ],
    )


# Which modules ran, by name: a way to stop is as good as another.
RAN = """
ran = []
for name, module in model.named_modules():
    module.register_forward_hook(lambda module, inputs, output, name=name: ran.append(name))
def ran_in(run):
    ran.clear()
    attempt(run)
    return sorted(set(ran))
"""
LATE_STOP = """\
class Stop(Exception):
    pass
kept = []
def hook(module, inputs, output):
    kept.append({kept})
def stop(module, inputs):
    raise Stop
handles = [{site}.register_forward_hook(hook), model.unembed.register_forward_pre_hook(stop)]
try:
    model(tokens)
except Stop:
    return kept[0]
finally:
    for handle in handles:
        handle.remove()"""


def stopped(rng: Rng) -> WriteCode:
    """The run is cut short by an exception of the hook's own."""
    given, site, told, cases = rng.pick(
        [
            ("layer", "model.blocks[layer]", "block `layer`", "0, 2"),
            ("module", "module", "that module", "model.blocks[1].attn, model.embed"),
            ("name", "model.get_submodule(name)", "that module",
             '"blocks.1.mlp", "blocks.0"'),
        ]
    )  # fmt: skip
    part, kept = rng.pick(
        [("what {} returns", "output"), ("what {} returns at the last position, for all examples", "output[:, -1]"),
         ("the mean over the positions of what {} returns", "output.mean(1)")]
    )  # fmt: skip
    body = f"""\
class Stop(Exception):
    pass
kept = []
def hook(module, inputs, output):
    kept.append({kept})
    raise Stop
handle = {site}.register_forward_hook(hook)
try:
    model(tokens)
except Stop:
    return kept[0]
finally:
    handle.remove()"""
    plain = hooked(site, f"kept.append({kept})", "model(tokens)")
    return lasting(
        [
            *([ARGUMENTS[given].format("blocks.0.attn")] if given in ARGUMENTS else []),
            (f"Run `model(tokens)` up to {told}, and stop the run there: no layer after it may run. Return "
            f"{part.format('it')}. {CLEAN_UP.format('the run')}"),
        ],
        signature=f"def run_up_to(model, {given}, tokens):",
        body=body,
        setup=RAN,
        before={
            "the list of layers that ran": f"[ran_in(lambda it=it: run_up_to(model, it, tokens)) for it in [{cases}]]"
        },
        call=f"[attempt(lambda it=it: run_up_to(model, it, tokens)) for it in [{cases}]]",
        failing=f"run_up_to(model, [{cases}][0], tokens.double())",
        wrong=[
            Wrong("stopped-at-the-end", LATE_STOP.format(site=site, kept=kept),
                  "The layers between it and the end of the model ran too: stop in its own hook."),
            Wrong("ran-to-the-end", f"kept = []\n{plain}\nreturn kept[0]", "The layers after it ran too."),
            edit("hook-left", "handle.remove()", "pass", BECAUSE["never-removed"]),
            edit("every-error-caught", "except Stop", "except Exception",
                 "You catch every error: one that is not yours looks like your own stop, or like another error."),
            edit("stop-escapes", "    except Stop:\n        return kept[0]\n", "", "Your own exception reaches the "
                                                                                   "caller."),
        ],
        hints=[
            "A hook can raise. What of that should the caller see, and what not?",
            ("Define an exception of your own, raise it in the hook, catch it alone, and remove the hook in a "
            "`finally`."),
        ],
    )  # fmt: skip


def manager(rng: Rng) -> WriteCode:
    """A context manager that puts hooks on and takes them off."""
    told_hooks, loop, site, hooks = rng.pick(SEVERAL)
    pre = "pre_" if rng.chance(0.4) and "embed" not in hooks else ""
    if pre:
        hooks = hooks.replace("turn", "turn_input")
    given = loop.rpartition(" ")[2].partition(".")[0].rstrip(")")
    inner = f"{registered(loop, site, pre)}try:\n    yield\n{REMOVE_ALL}".replace("\n", "\n    ")
    body = f"""\
from contextlib import contextmanager
@contextmanager
def attached():
    {inner}
return attached()"""
    bare = f"{registered(loop, site, pre)}yield\nfor handle in handles:\n    handle.remove()".replace("\n", "\n    ")
    clear = f"for {loop}:\n                {site}._forward_{pre}hooks.clear()"
    spelled = "for handle in handles:\n                handle.remove()"
    return lasting(
        [
            (f"Return a context manager, for `with with_hooks(model, {given}):`. While its block runs, the model has "
            f"several forward {'pre-' * bool(pre)}hooks: {told_hooks}. "
            f"{CLEAN_UP.format('the block').replace('Leave none', 'After the block, leave none')}")
        ],
        signature=f"def with_hooks(model, {given}):",
        body=body,
        setup=f"""\
def inside(run):
    with with_hooks(model, {hooks}):
        return run()
""",
        call="inside(lambda: model(tokens))",
        failing="inside(lambda: model(tokens + d_vocab))",
        before={"the order of two blocks": "[inside(lambda: model(tokens)), model(tokens)]"},
        wrong=[
            Wrong("no-finally", body.replace(inner, bare), BECAUSE["no-finally"]),
            slip("never-removed", spelled, "pass"),
            slip("last-handle-only", spelled, "handles[-1].remove()"),
            slip("others-cleared", spelled, clear),
            slip("first-only", f"for {loop}]", f"for {first(loop)}]"),
            slip("error-swallowed", "finally:", "except Exception:\n            pass\n        finally:"),
        ],
        hints=[
            "What runs when the block is left, and what when an error leaves it?",
            ("`contextlib.contextmanager` makes one of a generator: register, `yield` in a `try`, remove in its "
            "`finally`."),
        ],
    )  # fmt: skip


@drill(after=["hooks.capture"], levels=3, lesson="Hooks", arena="1.2", structures=(38, 28, 25))
def lifetime(rng: Rng) -> WriteCode:
    """Run with hooks and leave none."""
    match rng.level:
        case 1:
            return one_hook(rng)
        case 2:
            return several_hooks(rng)
    return rng.pick([bad_name, stopped, manager])(rng)
