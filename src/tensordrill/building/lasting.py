"""Puzzles about how long hooks stay on a model: a run that goes well, one that raises, and what is left behind."""

from collections.abc import Sequence

from tensordrill.building.hooking import BUILT, edit, on_model
from tensordrill.puzzles import Edit, WriteCode, Wrong

ATTEMPT = """
def attempt(run):
    try:
        return run()
    except Exception as error:
        return type(error).__name__
def raises(run):
    try:
        run()
    except Exception:
        return True
    return False
def turn(module, inputs, output):
    return output.flip(1)
def turn_input(module, inputs):
    return (inputs[0].flip(1),)
for module in model.modules():
    module.register_forward_pre_hook(lambda module, inputs: None)
"""
CLEAN_UP = (
    "Leave none of your hooks on the model, even where {} raises; let the error go on to the caller. The model has "
    "hooks of others, which stay."
)
BECAUSE = {
    "no-finally": "When the run raises, the line after it is never reached. What stands in a `finally` runs either "
    "way.",
    "never-removed": "Your hook is still on the model: removing it takes the handle that registering returned.",
    "others-cleared": "That takes the hooks of others off as well. A handle removes its own hook alone.",
    "error-swallowed": "The caller is not told of the error. A `finally` cleans up and lets it go on.",
    "last-handle-only": "Only the last hook was removed.",
    "first-only": "Only the first of them has its hook.",
    "removed-before": "The hooks were gone before the model ran.",
}
# What is returned: in words, and of the tokens.
RESULTS = (
    ("the logits of `model(tokens)`", "model(tokens)"),
    ("the most likely token at each position of `model(tokens)`", "model(tokens).argmax(-1)"),
    ("the logits of `model(tokens)` at the last position", "model(tokens)[:, -1]"),
    ("the log-probabilities of `model(tokens)`", "model(tokens).log_softmax(-1)"),
)
PATHS = ("embed", "blocks[{i}]", "blocks[{i}].attn", "blocks[{i}].mlp", "blocks[{i}].attn.hook_z", "blocks[{i}].ln1")
WHY = (
    "register_forward_hook returns a RemovableHandle, whose remove() takes that hook off and no other. A model "
    "keeps its hooks until they are removed, so what removes them belongs in a `finally`, or in a context manager "
    "(the handle is one): it runs whether the forward pass raises or not, and the error goes on."
)


def slip(key: str, old: str, new: str) -> Edit:
    return edit(key, old, new, BECAUSE[key])


def lasting(
    asked: Sequence[str],
    *,
    signature: str,
    body: str,
    call: str,
    failing: str,
    tried: str = "attempt",
    wrong: Sequence[Edit | Wrong],
    hints: Sequence[str],
    setup: str = "",
    before: dict[str, str] | None = None,
) -> WriteCode:
    """`call` is a run that goes well, `failing` one that raises; `tried` says which error, or (`raises`) only that."""
    return on_model(
        asked=[BUILT, *asked],
        signature=signature,
        body=body,
        observe={"the result": call, "a run that fails": f"{tried}(lambda: {failing})"} | (before or {}),
        wrong=wrong,
        setup=ATTEMPT + setup,
        hints=hints,
        why=WHY,
        hooks_only=True,
    )


HINTS = (
    "What still runs when the model raises? And what does registering a hook return?",
    "Keep every handle. Run the model in a `try`, and remove by the handles in its `finally`.",
)


def no_finally(body: str) -> str:
    """The clean-up after the run, rather than in a `finally`."""
    before, _, rest = body.partition("try:\n    return ")
    run, _, after = rest.partition("\nfinally:\n")
    tidy = "\n".join([line.removeprefix("    ") for line in after.splitlines()])
    return f"{before}result = {run}\n{tidy}\nreturn result"


def swallowed(body: str) -> str:
    return body.replace("finally:", "except Exception:\n    return None\nfinally:")


def body_mistakes(body: str) -> list[Wrong]:
    return [
        Wrong("no-finally", no_finally(body), BECAUSE["no-finally"]),
        Wrong("error-swallowed", swallowed(body), BECAUSE["error-swallowed"]),
    ]
