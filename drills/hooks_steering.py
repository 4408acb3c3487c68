"""Hooks: the residual stream steered along a direction."""

from collections.abc import Sequence

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill
from tensordrill.building.hooking import (
    BUILT,
    GUIDE,
    HANDLES,
    HOOK_LEFT,
    LAST_ONLY,
    LEAVE,
    OUTPUTS,
    edit,
    hooked,
    on_model,
)

# Where it is added, as an index of (batch, seq, d_model), and another place.
PLACES = (
    ("at every position", "", "[:, -1]"),
    ("at the last position", "[:, -1]", ""),
    ("at the first position", "[:, 0]", ""),
    ("at every position but the first", "[:, 1:]", ""),
    ("at every position but the last", "[:, :-1]", ""),
    ("at every second position, from the first on,", "[:, ::2]", ""),
)
BECAUSE = {
    "in-place": "You multiplied in place, in the tensor that you were given: the next run starts from what is left.",
    "cache-overwritten": "You wrote into the cache, and the next run finds what is left there.",
    "other-positions": "It was to be added at other positions.",
    "sign": "You went the other way along the direction.",
    "unscaled": "The factor is missing.",
    "nothing-returned": "The sum is lost: return it, or write it into the output.",
}
WRITERS = ("", ".attn", ".mlp")


def steering(
    asked: Sequence[str],
    *,
    signature: str,
    body: str,
    call: str,
    kept: str,
    wrong: Sequence[Edit | Wrong],
    setup: str,
    guide: bool = False,
) -> WriteCode:
    """`call` makes one run of `prompt`; two are looked at, and then what was passed in, which is to be as it was."""
    return on_model(
        asked=[BUILT, *asked, f"{LEAVE} Leave `{kept}` too: it is used in several runs.", *([GUIDE] if guide else [])],
        signature=signature,
        body=body,
        observe={
            "the pair of results": f"[{call} for prompt in (tokens, (tokens + 1) % d_vocab)]",
            f"`{kept}` afterwards": kept,
        },
        wrong=wrong,
        setup=setup,
        hints=[
            "How does what the hook computes get into the stream? And does anything change that the next run needs?",
            (
                "`a + b` makes a new tensor; `a += b` writes into `a`, for all who hold it. Scale and subtract into "
                "new ones, and remove the hook by its handle."
            ),
        ],
        why="Steering adds a direction to the residual stream while the model runs. A direction from a cache is a view "
        "of it: in-place operations on it (`-=`, `mul_`) change the cache, and the next run is steered otherwise.",
    )


ADD = """\
output = output.clone()
output{at} += {amount}
return output"""


def add_mistakes(amount: str, at: str, other: str) -> list[Edit]:
    def wrong(key: str, old: str, new: str) -> Edit:
        return edit(key, old, new, BECAUSE[key])

    line = f"output{at} += {amount}"
    return [
        wrong("nothing-returned", "return output", "pass"),
        wrong("other-positions", line, f"output{other} += {amount}"),
        wrong("sign", line, f"output{at} -= {amount}"),
        HOOK_LEFT,
    ]


VECTOR = "vector = torch.randn(d_model)\n"


def with_vector(rng: Rng) -> WriteCode:
    """The layer and the factor are told."""
    layer, name, factor = rng.integer(0, 1), rng.pick(WRITERS), rng.integer(2, 5)
    told, at, other = rng.pick(PLACES)
    shape, stretched = rng.pick([("(d_model,)", "vector"), ("(batch, d_model)", "vector[:, None]")])
    if stretched != "vector" and at in ("[:, -1]", "[:, 0]"):
        stretched = "vector"
    given = "" if shape == "(d_model,)" else ", a row for each example"
    site, amount = f"model.blocks[{layer}]{name}", f"{factor} * {stretched}"
    line = f"output{at} += {amount}"
    wrong = [turn for turn in add_mistakes(amount, at, other) if shape == "(d_model,)" or turn.id != "other-positions"]
    return steering(
        [
            f"`vector` has shape `{shape}`{given}. Return the logits of `model(tokens)` with {factor} times `vector` "
            f"added to the output of `{site}` {told}. That output has shape `(batch, seq, d_model)`.".replace(",.", ".")
        ],
        signature="def steer(model, tokens, vector):",
        body=hooked(site, ADD.format(at=at, amount=amount)),
        call="steer(model, prompt, vector)",
        kept="vector",
        wrong=[
            *wrong,
            edit("in-place", line, f"output{at} += {amount.replace(f'{factor} * vector', f'vector.mul_({factor})')}",
                 BECAUSE["in-place"]),
            edit("unscaled", line, f"output{at} += {stretched}", BECAUSE["unscaled"]),
            edit("wrong-layer", f"[{layer}]", f"[{layer + 1}]"),
            Wrong("every-layer", every_layer(name, at, amount), "Every block has your hook; only one was asked for."),
        ],
        setup=VECTOR if given == "" else "vector = torch.randn(batch, d_model)\n",
        guide=True,
    )  # fmt: skip


def every_layer(name: str, at: str, amount: str) -> str:
    return f"""\
def hook(module, inputs, output):
    output = output.clone()
    output{at} += {amount}
    return output
handles = [block{name}.register_forward_hook(hook) for block in model.blocks]
{HANDLES}"""


# Directions from a cache: how it is told, what the cache is, how the direction is taken, and how in place.
CACHE = """
def taken(kept):
    return {made}
runs = {{name: torch.randint(d_vocab, (batch, seq)) for name in ("love", "hate")}}
cache = {{name: taken(outputs("", run)) for name, run in runs.items()}}
"""
LOVE, HATE = 'cache["love"]', 'cache["hate"]'
PAIRS = (
    (
        ('`cache["love"][i]` and `cache["hate"][i]`, of shape `(d_model,)`, are the outputs of block `i` at the last '
        "position of two prompts. The direction is love minus hate in block `layer`."),
        "[it[0, -1] for it in kept]", "[layer]", "",
    ),
    (
        ('`cache["love"]` and `cache["hate"]`, of shape `(n_layers, d_model)`, hold the outputs of all blocks at the '
        "last position of two prompts. The direction is love minus hate in block `layer`."),
        "torch.stack(kept)[:, 0, -1]", "[layer]", "",
    ),
    (
        ('`cache["love"][i]` and `cache["hate"][i]`, of shape `(seq, d_model)`, are the outputs of block `i` for two '
        "prompts. The direction is love minus hate in block `layer` at the last position."),
        "[it[0] for it in kept]", "[layer][-1]", "",
    ),
    (
        ('`cache["love"][i]` and `cache["hate"][i]`, of shape `(n_prompts, d_model)`, are the outputs of block `i` at '
        "the last position of several prompts each. The direction is, in block `layer`, the mean of love minus that of "
        "hate."),
        "[it[:, -1] for it in kept]", "[layer]", ".mean(0)",
    ),
)  # fmt: skip
SCALES = (
    ("`coefficient` times the direction", "coefficient * direction", "direction", "3"),
    ("`coefficient` times the direction's unit vector", "coefficient * direction / direction.norm()",
     "coefficient * direction", "3"),
)  # fmt: skip


def from_cache(rng: Rng) -> WriteCode:
    """The direction is the difference of two runs."""
    prompt, made, index, mean = rng.pick(PAIRS)
    told, amount, unscaled, _ = rng.pick(SCALES)
    where, at, other = rng.pick(PLACES)
    love, hate = f"{LOVE}{index}{mean}", f"{HATE}{index}{mean}"
    take = f"direction = {love} - {hate}"
    body = f"{take}\n{hooked('model.blocks[layer]', ADD.format(at=at, amount=amount))}"
    line = f"output{at} += {amount}"
    into = f"direction = {LOVE}{index}; direction -= {hate}" + (f"; direction = direction{mean}" if mean else "")
    return steering(
        [
            prompt,
            f"Return the logits of `model(tokens)` with {told} added to the output of block `layer` {where}. That "
            "output has shape `(batch, seq, d_model)`.".replace(",.", "."),
        ],
        signature="def steer(model, tokens, cache, layer, coefficient):",
        body=body,
        call="[steer(model, prompt, cache, layer, 3) for layer in range(n_layers)]",
        kept="cache",
        wrong=[
            *add_mistakes(amount, at, other),
            edit("cache-overwritten", take, into, BECAUSE["cache-overwritten"]),
            edit("unscaled", line, f"output{at} += {unscaled}", BECAUSE["unscaled"]),
            edit("wrong-layer", "model.blocks[layer]", "model.blocks[layer - 1]"),
            Wrong(
                "every-layer",
                f"{take}\n{every_layer('', at, amount)}",
                "Every block has your hook; only one was asked for.",
            ),
        ],
        setup=OUTPUTS + CACHE.format(made=made),
    )


# What is done to the stream along a direction: in words, the new output, and slips with their sentences.
COMPONENTS = (
    (
        "its component along `vector` is removed",
        "output - (output @ unit)[..., None] * unit",
        {
            "not-normalised": ("output - (output @ vector)[..., None] * vector",
                               "The projection needs a direction of length 1."),
            "sign": ("output + (output @ unit)[..., None] * unit", "You doubled the component along the direction."),
            "subtracted": ("output - unit", ("You took away the direction itself, not how far the stream goes along "
                                            "it.")),
        },
    ),
    (
        "its component along `vector` is doubled",
        "output + (output @ unit)[..., None] * unit",
        {
            "not-normalised": ("output + (output @ vector)[..., None] * vector",
                               "The projection needs a direction of length 1."),
            "sign": ("output - (output @ unit)[..., None] * unit", "You removed the component along the direction."),
            "subtracted": ("output + unit", "You added the direction itself, not how far the stream goes along it."),
        },
    ),
    (
        "its component along `vector` is turned round (as far the other way)",
        "output - 2 * (output @ unit)[..., None] * unit",
        {
            "not-normalised": ("output - 2 * (output @ vector)[..., None] * vector",
                               "The projection needs a direction of length 1."),
            "removed": ("output - (output @ unit)[..., None] * unit",
                        "Once takes the component away; twice turns it round."),
            "sign": ("-output", "You turned round the whole stream, not its component alone."),
        },
    ),
    (
        "`vector` is added, after scaling `vector` to the length that the output has at that position",
        "output + output.norm(dim=-1, keepdim=True) * unit",
        {
            "not-normalised": ("output + output.norm(dim=-1, keepdim=True) * vector",
                               "First scale `vector` to length 1."),
            "one-length": ("output + output.norm() * unit", "Each position has a length of its own: dim=-1."),
            "sign": ("output - output.norm(dim=-1, keepdim=True) * unit", "It was to be added."),
        },
    ),
)  # fmt: skip


def along(rng: Rng) -> WriteCode:
    """What the stream has along a direction is changed."""
    told, new, slips = rng.pick(COMPONENTS)
    given, site, layer = rng.pick(
        [("layer", "model.blocks[layer]", "block `layer`"), ("block", "block", "`block`, one of the model's blocks,")]
    )
    name = rng.pick(WRITERS)
    where = f"`{name[1:]}` of {layer}" if name else layer
    cases = "range(n_layers)" if given == "layer" else "model.blocks"
    body = f"unit = vector / vector.norm()\n{hooked(f'{site}{name}', f'return {new}')}"
    into = "unit = vector.div_(vector.norm() / 2)"
    return steering(
        [
            (
                f"`vector` has shape `(d_model,)` and any length. Return the logits of `model(tokens)` with the "
                f"output of {where} changed. At every position, {told}."
            )
        ],
        signature=f"def steer(model, tokens, vector, {given}):",
        body=body,
        call=f"[steer(model, prompt, vector, it) for it in {cases}]",
        kept="vector",
        wrong=[
            edit("nothing-returned", f"return {new}", f"output = {new}", BECAUSE["nothing-returned"]),
            *[edit(key, f"return {new}", f"return {slip}", because) for key, (slip, because) in slips.items()],
            edit("in-place", "unit = vector / vector.norm()", into.replace(" / 2", ""), BECAUSE["in-place"]),
            HOOK_LEFT,
            *([edit("wrong-layer", "blocks[layer]", "blocks[layer - 1]")] if given == "layer" else []),
        ],
        setup=VECTOR,
    )


def by_layer(rng: Rng) -> WriteCode:
    """A direction for each of several blocks."""
    name = rng.pick(WRITERS)
    told, at, other = rng.pick(PLACES)
    given, scale, amount, slip = rng.pick(
        [
            ("`coefficients` has shape `(batch,)`.", ("for each key `i` and example `b`, `coefficients[b]` times "
             "`vectors[i]` is added to example `b` in the output of"),
             "coefficients[:, None, None] * vectors[layer]", "coefficients.sum() * vectors[layer]"),
            ("`coefficients` is a list.", ("for each key `i`, `coefficients[i]` times `vectors[i]` is added to the "
             "output of"), "coefficients[layer] * vectors[layer]",
             "vectors[layer]"),
        ]
    )  # fmt: skip
    if "[:, None, None]" in amount and at in ("[:, -1]", "[:, 0]"):
        amount = amount.replace("[:, None, None]", "[:, None]")
    values = "torch.arange(1.0, batch + 1)" if "None" in amount else "[2.0, 3.0, -1.0]"
    body = f"""\
def hook_for(layer):
    def hook(module, inputs, output):
        output = output.clone()
        output{at} += {amount}
        return output
    return hook
handles = [model.blocks[layer]{name}.register_forward_hook(hook_for(layer)) for layer in vectors]
{HANDLES}"""
    line = f"output{at} += {amount}"
    late = f"""\
handles = []
for layer in vectors:
    def hook(module, inputs, output):
        output = output.clone()
        {line}
        return output
    handles.append(model.blocks[layer]{name}.register_forward_hook(hook))
{HANDLES}"""
    wrong: list[Edit | Wrong] = [
        Wrong("late-binding", late, "Each hook looks its layer up when it is called, and finds the last one."),
        edit("unscaled", line, f"output{at} += {slip}", "Each has a factor of its own."),
        edit("nothing-returned", "return output", "pass", BECAUSE["nothing-returned"]),
        edit("sign", line, f"output{at} -= {amount}", BECAUSE["sign"]),
        edit("in-place", line, f"output{at} += {amount.replace(' * vectors[layer]', '')} * vectors[layer].mul_(2)",
             BECAUSE["in-place"]),
        HOOK_LEFT,
        LAST_ONLY,
    ]  # fmt: skip
    if "None" not in amount:
        wrong.append(edit("other-positions", line, f"output{other} += {amount}", BECAUSE["other-positions"]))
    return steering(
        [
            (
                "The dict `vectors` has, under some of the numbers of the blocks, a vector of shape `(d_model,)`. "
                f"{given} `model.blocks[i]{name}` returns a tensor of shape `(batch, seq, d_model)`."
            ),
            (
                f"Return the logits of one run of `model(tokens)` in which, {scale} `model.blocks[i]{name}` "
                f"{told.rstrip(',')}."
            ),
        ],
        signature="def steer(model, tokens, vectors, coefficients):",
        body=body,
        call=f"steer(model, prompt, vectors, {values})",
        kept="vectors",
        wrong=wrong,
        setup="vectors = {2: torch.randn(d_model), 0: torch.randn(d_model)}\n",
    )


@drill(after=["hooks.replace"], levels=3, lesson="Hooks", arena="1.2", structures=(27, 32, 50))
def steer(rng: Rng) -> WriteCode:
    """Steer the residual stream along a direction."""
    match rng.level:
        case 1:
            return with_vector(rng)
        case 2:
            return from_cache(rng)
    return rng.pick([along, by_layer])(rng)
