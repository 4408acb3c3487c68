"""einops.einsum: contractions of tensors with many axes, whose names are words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from tensordrill.authoring import Rng, WriteEinsum, Wrong, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of, having, listed

TOP = 3  # the highest level
MANY = 5  # axes


@dataclass(frozen=True)
class Task:
    """A contraction as it comes up. `said` is what each tensor's own documentation calls its axes."""

    names: str
    operands: tuple[str, ...]
    output: str
    meaning: str
    said: tuple[str, ...]
    result: str


TASKS = (
    Task("q k", ("layer batch head query d_head", "layer batch head key d_head"), "layer batch head query key",
         "Queries and keys were cached for all layers. In every layer, sequence and head, each query is scored against "
         "each key, by dot product.",
         ("layer batch head position d_head", "layer batch head position d_head"),
         "layer batch head query_position key_position"),
    Task("pattern v", ("layer batch head query key", "layer batch head key d_head"), "layer batch head query d_head",
         "Attention patterns and values were cached for all layers. For each query, in every layer, sequence and head: "
         "the sum of the values, weighted by the query's row of `pattern`.",
         ("layer batch head query_position key_position", "layer batch head position d_head"),
         "layer batch head query_position d_head"),
    Task("z W_O", ("layer batch seq head d_head", "layer head d_head d_model"), "layer batch seq d_model",
         "What the attention of each layer writes: every head's vector in `z` goes through that head's own matrix in "
         "`W_O`, and the heads of a layer are added up.",
         ("layer batch position head d_head", "layer head in out"), "layer batch position out"),
    Task("z W_O", ("batch seq head d_head", "head d_head d_model"), "batch seq head d_model",
         "What each head writes to the residual stream, the heads still apart: at every position of every sequence, "
         "the head's vector in `z` goes through that head's own matrix in `W_O`.",
         ("batch position head d_head", "head in out"), "batch position head out"),
    Task("resid W_Q", ("batch seq d_model", "layer head d_model d_head"), "layer batch seq head d_head",
         "One set of residual vectors is given to the query matrices of all heads of all layers: every vector goes "
         "through every matrix.",
         ("batch position d_model", "layer head in out"), "layer batch position head out"),
    Task("W_Q W_K", ("layer head query_dim d_head", "layer head key_dim d_head"), "layer head query_dim key_dim",
         "The QK circuits of all heads of a model: for each head of each layer, `W_Q` times the transpose of `W_K`, "
         "summed over the head's own dimension.",
         ("layer head d_model d_head", "layer head d_model d_head"), "layer head d_model_of_W_Q d_model_of_W_K"),
    Task("W_O W_V", ("early_head d_head d_model", "late_head d_model d_out"), "early_head late_head d_head d_out",
         "Virtual weights: what every head of one layer writes, through `W_O`, as every head of a later layer reads "
         "it, through `W_V`. Each matrix of `W_O` is multiplied by each matrix of `W_V`, over the residual dimension.",
         ("head d_head d_model", "head d_model d_head"),
         "head_of_W_O head_of_W_V d_head_of_W_O d_head_of_W_V"),
    Task("q k", ("batch group head query d_head", "batch group key d_head"), "batch group head query key",
         "Grouped-query attention: in each sequence, the heads of a group share that group's keys. Each query of each "
         "head is scored against all keys of its group, by dot product.",
         ("batch group head position d_head", "batch group position d_head"),
         "batch group head query_position key_position"),
    Task("x W_QK y", ("batch query read", "head read write", "batch key write"), "batch head query key",
         "Attention scores without queries and keys. For every head and each pair of a position in `x` and a position "
         "in `y`, of the same sequence: the first one's vector, times the head's matrix, times the second one's "
         "vector. The matrix's rows belong to `x`.",
         ("batch position d_model", "head row column", "batch position d_model"),
         "batch head position_in_x position_in_y"),
    Task("gate x W", ("batch seq expert", "batch seq d_in", "expert d_in d_out"), "batch seq d_out",
         "A soft mixture of experts. Every token's vector in `x` goes through every expert's matrix in `W`. A token's "
         "outputs are added up over the experts, weighted by the token's numbers in `gate`.",
         ("batch position expert", "batch position feature", "expert in out"), "batch position out"),
    Task("dispatch x", ("batch seq expert slot", "batch seq d_model"), "batch expert slot d_model",
         "Tokens are sent to the slots of experts. What a slot gets in a sequence is the sum of that sequence's "
         "vectors, each weighted by its number in `dispatch` for the slot.",
         ("batch position expert slot", "batch position feature"), "batch expert slot feature"),
    Task("hidden W_down", ("batch expert slot d_ff", "expert d_ff d_model"), "batch expert slot d_model",
         "Every expert has its own matrix in `W_down`, the same for all sequences and slots. What lies in an expert's "
         "slots goes through that matrix.",
         ("batch expert slot unit", "expert in out"), "batch expert slot out"),
    Task("acts W_dec", ("run prompt seq latent", "run latent d_model"), "run prompt seq d_model",
         "Sparse autoencoders from several training runs read the same prompts; each has its own decoder in `W_dec`. "
         "At every position each rebuilds a vector from its own latents' activations.",
         ("run prompt position latent", "run latent d_model"), "run prompt position d_model"),
    Task("grad acts W_dec", ("prompt seq d_model", "layer prompt seq latent", "layer latent d_model"),
         "layer prompt latent",
         "Attribution to the latents of the autoencoders of all layers: at each position the latent's activation "
         "times the dot product of the gradient there with the latent's direction in `W_dec`. It is added up over "
         "positions.",
         ("prompt position d_model", "layer prompt position latent", "layer latent d_model"), "layer prompt latent"),
    Task("heads direction", ("layer head batch seq d_model", "batch d_model"), "layer batch head seq",
         "Direct logit attribution: what every head adds at every position, in `heads`, is measured along the "
         "direction of its own sequence, by dot product.",
         ("layer head batch position d_model", "batch d_model"), "layer batch head position"),
    Task("acts probe mask", ("layer prompt seq d_model", "layer concept d_model", "prompt seq"), "concept layer prompt",
         "Probes for several concepts, one set for each layer. For each concept, layer and prompt: the probe's dot "
         "products with the activations of its layer, weighted by the position's number in `mask`, added up over "
         "positions.",
         ("layer prompt position d_model", "layer concept d_model", "prompt position"), "concept layer prompt"),
    Task("x A B", ("batch seq d_in", "adapter d_in rank", "adapter rank d_out"), "adapter batch seq d_out",
         "Low-rank adapters: for each adapter, every vector of `x` goes down to the rank through that adapter's `A`, "
         "and up again through its `B`.",
         ("batch position feature", "adapter in rank", "adapter rank out"), "adapter batch position out"),
    Task("resid scale W_U", ("layer batch seq d_model", "layer batch seq", "d_model vocab"), "layer batch seq vocab",
         "The logit lens, with the LayerNorm's scale frozen: every vector of the residual stream is multiplied by its "
         "own number in `scale`, and goes through the unembedding `W_U`.",
         ("layer batch position d_model", "layer batch position", "in vocab"), "layer batch position vocab"),
    Task("video filters", ("clip frame row column channel", "filter row column channel"), "clip filter frame",
         "Every frame of every clip is compared with every filter, by dot product over all its pixels and channels.",
         ("clip frame height width channel", "filter height width channel"), "clip filter frame"),
    Task("resid U V", ("batch seq read", "head read rank", "head write rank"), "batch head seq write",
         "Low-rank OV circuits of several heads. Every vector in `resid` is compared with each direction that a head "
         "reads, in `U`, by dot product; the direction that it writes for it, in `V`, is multiplied by that number. "
         "That is added up over the rank.",
         ("batch position d_model", "head d_model rank", "head d_model rank"),
         "batch head position d_model"),
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A task whose tensors are stored in some order. `said` and `result` follow that order."""

    net: Contraction
    said: tuple[Sequence[str], ...]
    result: Sequence[str]

    def say(self, axis: str) -> str:
        """What an axis is called: as in the result, or as in the first tensor that has it."""
        if axis in self.net.output:
            return self.result[self.net.output.index(axis)]
        i = self.net.owners(axis)[0]
        return f"{self.said[i][self.net.operands[i].index(axis)]} of `{self.net.names[i]}`"

    def called(self, axis: str) -> set[str]:
        """What the tensors that have an axis call it."""
        return {self.said[i][self.net.operands[i].index(axis)] for i in self.net.owners(axis)}

    def stores(self) -> str:
        held = zip(self.net.names, self.said, strict=True)
        return ", ".join([f"`{name}` is stored {axes_of(axes)}" for name, axes in held])


def order(rng: Rng, rank: int) -> list[int]:
    """Axes in any order, or as often only two neighbours the other way round."""
    if rng.chance():
        return rng.shuffled(range(rank))
    at = rng.integer(0, rank - 2) if rank > 1 else 0
    straight = list(range(rank))
    return [*straight[:at], *straight[at : at + 2][::-1], *straight[at + 2 :]]


def stored(rng: Rng, task: Task) -> Stored:
    orders = [order(rng, len(axes.split())) for axes in (*task.operands, task.output)]

    def put(axes: str, where: list[int]) -> tuple[str, ...]:
        words = axes.split()
        return tuple([words[i] for i in where])

    operands = tuple([put(axes, where) for axes, where in zip(task.operands, orders, strict=False)])
    said = tuple([put(axes, where) for axes, where in zip(task.said, orders, strict=False)])
    places = rng.shuffled(range(len(operands))) if rng.level > 1 and rng.chance() else list(range(len(operands)))
    net = Contraction(
        tuple([task.names.split()[i] for i in places]),
        tuple([operands[i] for i in places]),
        put(task.output, orders[-1]),
    )
    if rng.level == 1:
        return Stored(net, net.operands, net.output)
    return Stored(net, tuple([said[i] for i in places]), put(task.result, orders[-1]))


def mistakes(it: Stored) -> Iterator[Mistake]:
    net, say = it.net, it.say
    for axis in [axis for axis in net.output if len(net.owners(axis)) > 1]:
        yield Mistake(
            "batch-summed",
            net.lost(axis),
            f"You leave out {say(axis)} after the arrow, which adds it up. It is to be kept.",
        )
        for i in net.owners(axis):
            yield Mistake(
                "batch-mixed",
                net.untied(i, axis),
                f"In `{net.names[i]}` you gave {say(axis)} a name of its own, so it is summed there before anything "
                "is multiplied. What runs along together has one name.",
            )
        yield Mistake(
            "batch-outer",
            net.apart(net.owners(axis)[-1], axis),
            f"You gave {say(axis)} two names and kept both, so each meets all others. Each meets only itself: one "
            "name, in every tensor that has it.",
        )
    for axis in net.summed:
        because = f"You name {say(axis)} after the arrow, which keeps it. It is to be summed."
        yield from [Mistake("not-contracted", net.kept(axis, at), because) for at in (None, 0)]
    for i, name in enumerate(net.names):
        because = f"You read the axes of `{name}` in another order: it is stored {axes_of(it.said[i])}."
        yield from [Mistake("operand-order", net.misread(i, a, b), because) for a, b in pairwise(net.operands[i])]
    for a, b in combinations(net.axes, 2):
        if a in net.output and b in net.output and not set(net.owners(a)) & set(net.owners(b)):
            yield Mistake(
                "taken-for-batch",
                net.tied(a, b),
                f"You gave {say(a)} and {say(b)} one name, so each meets one of the other only. They are independent: "
                "two names.",
            )
        elif it.called(a) & it.called(b):
            yield Mistake(
                "same-name",
                net.tied(a, b),
                f"What is called {min(it.called(a) & it.called(b))} in two tensors is not one thing here: {say(a)} and "
                f"{say(b)} run on their own, so they have two names.",
            )
    for a, b in pairwise(net.output):
        yield Mistake(
            "output-order",
            net.output_swapped(a, b),
            f"Your result has {say(a)} and {say(b)} the wrong way round: {say(a)} comes first.",
        )
    for axis in [axis for axis in net.output if len(net.owners(axis)) == 1]:
        yield Mistake(
            "axis-lost",
            net.lost(axis),
            f"You leave out {say(axis)} after the arrow, which sums it. It is to be kept.",
        )


def in_words(equation: str, names: Mapping[str, str]) -> str:
    """An equation in letters as einops takes it. A letter without a name is something else."""
    *terms, output = [
        " ".join([names.get(c, "other") for c in term]) for term in equation.replace("->", ",").split(",")
    ]
    return f"{', '.join(terms)} -> {output}"


# Mistakes that run where all sizes are equal, and give a result of the right rank.
SILENT = ("batch-mixed", "operand-order", "output-order")
SMALL = {"layer": 2}  # a result with five axes stays small enough to be compared


@drill(after=["einsum.matmul"], levels=3, arena="0.0", structures=(850, 880, 880))
def einsum_words(rng: Rng) -> WriteEinsum:
    """Axes with names instead of letters, in einops.einsum."""
    task = rng.pick(TASKS)
    it = stored(rng, task)
    net = it.net
    names = {letter: axis for axis, letter in net.letters.items()}
    wrong = [Wrong(turn.id, in_words(str(turn.answer), names), turn.because) for turn in net.wrong_turns(mistakes(it))]
    code, sizes = "", SMALL if "layer" in net.axes and len(net.axes) > MANY else {}
    if rng.level == 1:
        held = [f"`{name}` has {having(axes)}" for name, axes in zip(net.names, net.operands, strict=True)]
        prompt = f"{task.meaning}\n\n{', '.join(held)}.\n\nThe result has {having(net.output)}."
    else:
        prompt = (
            f"{task.meaning}\n\n{it.stores()}.\n\nThe result's axes, first to last: {', '.join(it.result)}. What you "
            "call them is up to you."
        )
    if rng.level == TOP:
        size = rng.integer(3, 4)
        sizes = dict.fromkeys(net.axes, size)
        bug = rng.pick([turn for turn in wrong if turn.id in SILENT])
        if rng.chance(0.6):
            code = f'out = einops.einsum({", ".join(net.names)}, "{bug.answer}")'
            prompt = (
                f"This line runs and gives wrong numbers. All axes have size {size}, so nothing complains.\n\n"
                f"{prompt}\n\nWrite the pattern that was meant."
            )
        else:
            prompt += f"\n\nEvery axis has size {size}, so a wrong pattern runs as well."
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        sizes=sizes,
        code=code,
        axes_told=True,
        words=True,
        hints=[
            "A term for each tensor, its axes as stored. What is one thing in two tensors has one name in both.",
            f"You need {len(net.axes)} names. Missing after the arrow: {listed([it.say(a) for a in net.summed])}."
            if net.summed
            else f"You need {len(net.axes)} names, and all of them stand after the arrow.",
        ],
        why="`einops.einsum` takes the tensors first, then the pattern, with names separated by spaces and an arrow "
        "that is never left out. Names do what letters do: one that tensors share runs along in all of them, one that "
        "is missing after the arrow is summed, and one that stands in one tensor only is free.",
        wrong=wrong,
    )
