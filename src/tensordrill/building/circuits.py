"""Einsums of a transformer, whose tensors are stored as TransformerLens stores them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tensordrill.building.contraction import Contraction, Mistake, axes_of, having, listed
from tensordrill.building.equations import Task, as_code, as_loop, posed
from tensordrill.building.torch_code import code_for, restyled
from tensordrill.puzzles import WriteEinsum
from tensordrill.rng import Rng

WORDS = {
    "query": "query position",
    "key": "key position",
    "pos": "position",
    "read": "d_model (what is read)",
    "write": "d_model (what is written)",
}
# What TransformerLens calls an axis, where its name alone does not tell it from another of the same kind.
TOP = 3  # the highest level
FEW_AXES = 5
DOCUMENTED = {
    "query": "pos", "key": "pos", "head": "head_index", "read": "d_model", "write": "d_model", "middle": "d_model",
    "asking": "d_model", "asked": "d_model", "token": "d_vocab", "logit": "d_vocab", "early": "head_index",
    "late": "head_index", "early_head": "d_head", "late_head": "d_head",
}  # fmt: skip
LEADS = (("batch ", ""), ("batch ", ""), ("", ""), ("layer batch ", "layer "), ("layer ", "layer "))
FEW = (("batch ", ""), ("batch ", ""), ("", ""), ("layer ", "layer "))  # where there are many axes without them
STACKED = {"layer": "the layers", "checkpoint": "several checkpoints of the model"}


@dataclass(frozen=True)
class Circuit:
    """An einsum of a transformer: its tensors with their axes, the result's axes and name, and what is meant.

    `{a}` and `{w}` stand for axes in front of those of activations and of weights.
    """

    tensors: Sequence[tuple[str, str]]
    output: str
    result: str
    meaning: str
    leads: Sequence[tuple[str, str]] = LEADS

    def net(self, rng: Rng) -> Contraction:
        many = len(self.tensors) >= TOP or "group" in self.output
        leads = FEW if self.leads is LEADS and many else self.leads
        activations, weights = rng.pick(leads)
        filled = [axes.format(a=activations, w=weights) for axes in (*[a for _, a in self.tensors], self.output)]
        *operands, output = [tuple(axes.split()) for axes in filled]
        return Contraction(tuple([name for name, _ in self.tensors]), tuple(operands), output)


def said(axes: Sequence[str]) -> list[str]:
    """The axes as documentation names them; query and key are told apart only where one tensor has both."""
    if {"query", "key"} <= set(axes):
        return [{"query": "query_pos", "key": "key_pos"}.get(axis, DOCUMENTED.get(axis, axis)) for axis in axes]
    return [DOCUMENTED.get(axis, axis) for axis in axes]


def say(axis: str) -> str:
    return WORDS.get(axis, axis)


def guided(circuit: Circuit, net: Contraction) -> Task:
    held = dict(zip(net.names, net.operands, strict=True))
    stored = listed([f"`{name}` has {having(axes)}" for name, axes in held.items()])
    result = f"Write the equation for {circuit.result}, with {having(net.output)}."
    return Task(net, f"In TransformerLens' axis order, {stored}.\n\n{meant(circuit, net)}\n\n{result}")


def meant(circuit: Circuit, net: Contraction) -> str:
    """What is meant; `{each}` in it stands for what each has its own direction."""
    plain = {"batch": "prompt", "pos": "position"}
    own = [axis for axis in net.output if axis in (*plain, "prompt") and len(net.owners(axis)) > 1]
    meaning = circuit.meaning.replace("{each}", f"each {' and '.join([plain.get(axis, axis) for axis in own])}")
    for axis, stacked in STACKED.items():
        if owners := net.owners(axis):
            names = listed([f"`{net.names[i]}`" for i in owners])
            everything = len(owners) == len(net.names)
            meaning += f" {'All tensors' if everything else names} are stacked over {stacked}, which do not mix."
    return meaning


def in_words(circuit: Circuit, net: Contraction) -> Task:
    held = dict(zip(net.names, net.operands, strict=True))
    stored = listed([f"`{name}` is {axes_of(said(axes))}" for name, axes in held.items()])
    twice = [name for name in held if net.names.count(name) > 1]
    call = f" `{twice[0]}` is passed twice." if twice else ""
    order = ", ".join(map(say, net.output))
    return Task(
        net,
        f"{meant(circuit, net)}\n\nAs in TransformerLens, {stored}.{call}\n\n"
        f"The axes of {circuit.result}, first to last: {order}.",
    )


def silent(net: Contraction, mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Those that run without a complaint where all sizes are equal, and give as many axes."""
    return [
        it
        for it in mistakes
        if len(it.terms[-1]) == len(set(it.terms[-1])) == len(net.output)
        and set(it.terms[-1]) <= set("".join(it.terms[:-1]))
    ]


def repair(rng: Rng, circuit: Circuit, net: Contraction, mistakes: Sequence[Mistake]) -> Task:
    """A line that runs and is wrong; all sizes are equal."""
    told = in_words(circuit, net)
    size = 6 if len(net.axes) < FEW_AXES else 4
    keep = {turn.answer for turn in net.wrong_turns(mistakes)}
    options = [it for it in silent(net, mistakes) if f"{','.join(it.terms[:-1])}->{it.terms[-1]}" in keep]
    bug = rng.pick(options)
    equation = f"{','.join(bug.terms[:-1])}->{bug.terms[-1]}"
    code = f'torch.einsum("{equation}", {", ".join(net.names)})'
    prompt = f"This line runs, and gives wrong numbers.\n\n{told.prompt}\n\nWrite the equation that was meant."
    return Task(net, prompt, code, size)


def circuit_puzzle(
    rng: Rng,
    plain: Sequence[Circuit],
    composed: Sequence[Circuit],
    mistakes: Callable[[Contraction], Iterator[Mistake]],
    *,
    hint: str,
    why: str,
) -> WriteEinsum:
    """Level 1 names the axes; 2 tells it in words, or as code or a loop; 3 composes, or shows a wrong line."""
    broken = rng.level == TOP and rng.chance(0.4)
    circuit = rng.pick(plain if rng.level < TOP or broken else composed)
    net = circuit.net(rng)

    def every(net: Contraction) -> list[Mistake]:
        return [*mistakes(net), *net.single_edits(say)]

    if rng.level == 1:
        task = guided(circuit, net)
    elif broken:
        task = repair(rng, circuit, net, every(net))
    else:
        kind = "words" if rng.level == TOP else rng.pick(["words", "words", "loop", "code"])
        if kind == "loop":
            task = as_loop(rng, net)
        elif kind == "code":
            task = as_code(net, restyled(rng, code_for(net).text))
        else:
            task = in_words(circuit, net)
    lettered = task.net.operands != net.operands  # a loop's axes have no names to be mistaken about
    return posed(task, single_edits_alone if lettered else mistakes, level=rng.level, hint=hint, why=why)


def single_edits_alone(_: Contraction) -> Iterator[Mistake]:
    yield from ()


def score_mistakes(net: Contraction) -> Iterator[Mistake]:
    """What goes wrong with queries, keys and heads, as far as the einsum has them."""
    query = next((i for i, axes in enumerate(net.operands) if "query" in axes), None)
    key = next((i for i, axes in enumerate(net.operands) if "key" in axes), None)
    if {"query", "key"} <= set(net.output):
        yield Mistake(
            "query-key-swapped", net.output_swapped("query", "key"),
            "Your result has key and query positions the wrong way round.",
        )  # fmt: skip
    for i in net.owners("head"):
        if len(net.owners("head")) > 1:
            yield Mistake(
                "heads-mixed", net.untied(i, "head"),
                f"In `{net.names[i]}` you gave head a letter of its own, so all heads are summed there before anything "
                "meets. A head works with its own: one letter in all.",
            )  # fmt: skip
    if "head" in net.output:
        yield Mistake("heads-summed", net.lost("head"), "You leave out head after the arrow, which adds up the heads.")
    for at, axis in ((query, "query"), (key, "key")):
        if at is not None and {"head", axis} <= set(net.operands[at]):
            yield Mistake(
                "torch-order", net.misread(at, axis, "head"),
                f"You read `{net.names[at]}` as (…, head, {axis}, …). TransformerLens stores positions before heads.",
            )  # fmt: skip
    if query is not None and key is not None and query != key:
        yield Mistake(
            "same-position", net.tied("query", "key"),
            "Query and key positions have one letter, so each position meets itself alone: two letters.",
        )  # fmt: skip
