"""Products of several tensors: in batches, in chains, under an ellipsis, as code; and what comes out of them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tensordrill.authoring import (
    Choice,
    Choose,
    Contraction,
    Mistake,
    PredictShape,
    Rng,
    WriteEinsum,
    WriteExpression,
    Wrong,
    axes_of,
    drill,
    having,
    listed,
    loop_nest,
)

TOP = 3  # the highest level

# --- products in words


@dataclass(frozen=True)
class Task:
    """A product as it comes up: what each tensor's axes are, and the result's, and what is meant.

    `said` is what each tensor's own documentation calls its axes, and `result` what the result's are called.
    """

    names: str
    operands: tuple[str, ...]
    output: str
    meaning: str
    said: tuple[str, ...]
    result: str


@dataclass(frozen=True)
class Stored:
    """A task whose tensors are stored in some order. `said` and `result` follow that order."""

    net: Contraction
    usual: tuple[tuple[str, ...], ...]
    said: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]

    def say(self, axis: str) -> str:
        """What an axis is called: as in the result, or as in the first tensor that has it."""
        if self.said == self.net.operands:
            return axis
        if axis in self.net.output:
            return self.result[self.net.output.index(axis)]
        i = self.net.owners(axis)[0]
        return f"{self.said[i][self.net.operands[i].index(axis)]} of `{self.net.names[i]}`"


def named_plainly(net: Contraction) -> Stored:
    """A contraction whose axes have one name each, wherever they stand."""
    return Stored(net, net.operands, net.operands, net.output)


def order(rng: Rng, rank: int, *, free: bool) -> list[int]:
    """An order of so many axes: any, or most often only the last two the other way round."""
    if free or rng.chance(0.4):
        return rng.shuffled(range(rank))
    straight = list(range(rank))
    return straight if rank < 2 or rng.chance() else [*straight[:-2], rank - 1, rank - 2]  # noqa: PLR2004 -- two to swap


def stored(rng: Rng, task: Task) -> Stored:
    """The task with its tensors in some order, and their axes and the result's in some order."""
    free = rng.level > 1
    names = task.names.split()
    places = rng.shuffled(range(len(names))) if free and rng.chance() else list(range(len(names)))
    orders = {name: order(rng, len(axes.split()), free=free) for name, axes in zip(names, task.operands, strict=True)}
    orders[""] = order(rng, len(task.output.split()), free=free)

    def put(axes: str, name: str = "") -> tuple[str, ...]:
        words = axes.split()
        return tuple([words[i] for i in orders[name]])

    net = Contraction(
        tuple([names[i] for i in places]),
        tuple([put(task.operands[i], names[i]) for i in places]),
        put(task.output),
    )
    return Stored(
        net,
        tuple([tuple(task.operands[i].split()) for i in places]),
        tuple([put(task.said[i], names[i]) for i in places]),
        put(task.result),
    )


BATCHED = (
    Task("x W", ("expert token d_in", "expert d_in d_out"), "expert token d_out",
         "A mixture of experts. Every expert has its own tokens, in `x`, and its own weight matrix, in `W`. Each "
         "token's vector goes through the matrix of its expert.",
         ("expert token feature", "expert in out"), "expert token out"),
    Task("pattern v", ("batch head query key", "batch head key d_head"), "batch head query d_head",
         "Attention. For each query of each head of each sequence: the sum of the value vectors of that head and "
         "sequence, weighted by the query's row of `pattern`.",
         ("batch head query key", "batch head position d_head"), "batch head query d_head"),
    Task("adj h", ("graph node neighbour", "graph neighbour feature"), "graph node feature",
         "A batch of graphs. A node's new features are the sum of the features of all nodes of its graph, each "
         "weighted by the node's entry for that neighbour in `adj`.",
         ("graph node neighbour", "graph node feature"), "graph node feature"),
    Task("acts W_dec", ("sae prompt latent", "sae latent d_model"), "sae prompt d_model",
         "Several sparse autoencoders, each with its own decoder in `W_dec`. For each prompt, each rebuilds a vector "
         "from its own latents' activations in `acts`.",
         ("sae prompt activation", "sae latent d_model"), "sae prompt d_model"),
    Task("pixels mix", ("image pixel old", "image old new"), "image pixel new",
         "Every image comes with its own matrix `mix`, from old colour channels to new ones. Recolour all pixels of "
         "all images.",
         ("image pixel channel", "image old new"), "image pixel new"),
    Task("first second", ("chain start middle", "chain middle end"), "chain start end",
         "Many Markov chains take two steps. `first` and `second` hold each chain's probabilities of going from one "
         "state to another in that step. Wanted: each chain's probabilities for both steps together, summed over the "
         "state in between.",
         ("chain from to", "chain from to"), "chain from to"),
    Task("users items", ("shop user taste", "shop item taste"), "shop user item",
         "Every shop has its own users and its own items. Each user is scored against each item of the same shop, by "
         "dot product of their tastes.",
         ("shop user taste", "shop item trait"), "shop user item"),
    Task("R points", ("camera view world", "camera point world"), "camera point view",
         "Every camera has its own matrix in `R`, and its own points. Each point is a vector; multiply it by its "
         "camera's matrix: matrix times column vector.",
         ("camera row column", "camera point coordinate"), "camera point row"),
    Task("W_V W_O", ("layer head read d_head", "layer head d_head write"), "layer head read write",
         "The OV circuits of all heads of a model: for each head of each layer, the matrix product of its `W_V` and "
         "its `W_O`, summed over that head's own dimension.",
         ("layer head read d_head", "layer head d_head write"), "layer head read write"),
    Task("queries protos", ("episode query feature", "episode class feature"), "episode query class",
         "Few-shot episodes. Each query is compared with each class of its own episode, by dot product of the query's "
         "features and the class's prototype.",
         ("episode query feature", "episode class feature"), "episode query class"),
)  # fmt: skip
# Here not everything that stands in both prompts and shapes is a batch: an axis may belong to one tensor alone.
MIXED = (
    Task("x W_V", ("batch seq d_model", "head d_model d_head"), "batch head seq d_head",
         "Every head projects every token of every sequence, with the head's own matrix in `W_V`.",
         ("batch seq d_model", "head in out"), "batch head seq out"),
    Task("x W", ("batch expert token d_in", "expert d_in d_out"), "batch expert token d_out",
         "Every expert has its own matrix, the same for all sequences of the batch. Each token goes through the "
         "matrix of the expert that it is stored with.",
         ("batch expert token feature", "expert in out"), "batch expert token out"),
    Task("x W", ("batch token d_in", "expert d_in d_out"), "batch token expert d_out",
         "A dense mixture of experts: every token goes through every expert's matrix.",
         ("batch token feature", "expert in out"), "batch token expert out"),
    Task("pattern v", ("batch head query key", "batch key d_head"), "batch head query d_head",
         "Multi-query attention: all heads of a sequence share its values. For each query of each head: the sum of "
         "its sequence's value vectors, weighted by the query's row of `pattern`.",
         ("batch head query key", "batch position d_head"), "batch head query d_head"),
    Task("adj h", ("node neighbour", "graph neighbour feature"), "graph node feature",
         "Many signals on one graph: `adj` serves them all. In each signal, a node's new features are the sum of the "
         "features of all nodes, each weighted by the node's entry for that neighbour in `adj`.",
         ("node neighbour", "signal node feature"), "signal node feature"),
    Task("acts W_dec", ("prompt sae latent", "sae latent d_model"), "prompt sae d_model",
         "Several sparse autoencoders read the same prompts, and each has its own decoder in `W_dec`. For each prompt, "
         "each rebuilds a vector from its own latents' activations.",
         ("prompt sae activation", "sae latent d_model"), "prompt sae d_model"),
    Task("users items", ("shop user taste", "item taste"), "shop user item",
         "All shops sell the same items, and every shop has its own users. Each user of each shop is scored against "
         "each item, by dot product of their tastes.",
         ("shop user taste", "item trait"), "shop user item"),
    Task("z W_O", ("batch seq head d_head", "head d_head d_model"), "batch seq head d_model",
         "What each head writes to the residual stream, the heads still apart: at every position of every sequence, "
         "the head's vector in `z` goes through that head's own matrix in `W_O`.",
         ("batch seq head d_head", "head in out"), "batch seq head out"),
    Task("first second", ("chain start middle", "weather middle end"), "chain weather start end",
         "Chains take two steps. `first` holds, for each chain, the probabilities of going from one state to another; "
         "`second` holds them for each kind of weather. Wanted: for every chain under every weather, the "
         "probabilities for both steps together, summed over the state in between.",
         ("chain from to", "weather from to"), "chain weather from to"),
)  # fmt: skip
BILINEAR = (
    Task("x W y", ("batch left", "out left right", "batch right"), "batch out",
         "`nn.Bilinear` without its bias: for each example and each output, the example's vector in `x`, times the "
         "output's matrix in `W`, whose rows belong to `x`, times the example's vector in `y`.",
         ("batch feature", "out row column", "batch feature"), "batch out"),
    Task("p pay q", ("game move", "move reply", "game reply"), "game",
         "Two players' mixed strategies, `p` and `q`, for many games with one table of payoffs, `pay`. Wanted: each "
         "game's expected payoff. Every entry of the table counts with the product of the probabilities of its row's "
         "move, in `p`, and its column's move, in `q`.",
         ("game move", "row column", "game move"), "game"),
    Task("p pay q", ("player move", "move reply", "rival reply"), "player rival",
         "Mixed strategies of players, in `p`, and of rivals, in `q`, and a table of payoffs, `pay`. Every player "
         "meets every rival. Wanted: each meeting's expected payoff. Every entry of the table counts with the product "
         "of the probabilities of its row's move, in `p`, and its column's move, in `q`.",
         ("player move", "row column", "rival move"), "player rival"),
    Task("s R o", ("triple from", "triple from to", "triple to"), "triple",
         "Facts in a knowledge graph. Each has a subject's vector in `s`, an object's vector in `o`, and a relation's "
         "matrix in `R`, whose rows belong to the subject. Wanted: each fact's score, subject times matrix times "
         "object.",
         ("fact feature", "fact row column", "fact feature"), "fact"),
    Task("s R o", ("triple from", "relation from to", "triple to"), "triple relation",
         "Pairs of a subject's vector, in `s`, and an object's, in `o`. Each pair is scored under every relation, "
         "whose matrices are in `R`, rows for the subject: subject times matrix times object.",
         ("pair feature", "relation row column", "pair feature"), "pair relation"),
    Task("d M d", ("pair row", "row column", "pair column"), "pair",
         "Squared Mahalanobis distances. `d` holds the difference of each pair of points. Wanted, for each pair: the "
         "difference times the matrix `M` times the same difference.",
         ("pair feature", "row column", "pair feature"), "pair"),
    Task("v H v", ("direction row", "task row column", "direction column"), "direction task",
         "Curvatures of several tasks along several directions: for every direction in `v` and every task, the "
         "direction times the task's Hessian in `H` times the same direction.",
         ("direction param", "task row column", "direction param"), "direction task"),
    Task("user M item", ("user taste", "taste trait", "item trait"), "user item",
         "A bilinear recommender. Every user is scored against every item: the user's tastes times the matrix `M`, "
         "whose rows belong to them, times the item's traits.",
         ("user taste", "row column", "item trait"), "user item"),
    Task("bra op ket", ("state left", "op left right", "state right"), "state op",
         "Matrix elements. For each state, with its row vector in `bra` and its column vector in `ket`, and for each "
         "operator in `op`: row vector times operator times column vector.",
         ("state entry", "operator row column", "state entry"), "state operator"),
    Task("down image across", ("filter row", "image row column", "filter column"), "image filter",
         "Rank-one filters: each has a vector in `down`, one entry per row, and a vector in `across`, one per column. "
         "Wanted, for each image and filter: the sum of all pixels, each weighted by its row's entry and its column's "
         "entry.",
         ("filter position", "image height width", "filter position"), "image filter"),
    Task("down image across", ("vertical row", "image row column", "horizontal column"), "image vertical horizontal",
         "Separable filters: `down` holds vertical ones, one entry per row of an image, and `across` horizontal ones, "
         "one per column. Every image meets every pair of a vertical and a horizontal filter. Wanted: the sum of all "
         "pixels, each weighted by its row's entry and its column's entry.",
         ("vertical position", "image height width", "horizontal position"), "image vertical horizontal"),
    Task("x W_QK x", ("batch query read", "head read write", "batch key write"), "batch head query key",
         "Attention scores without queries and keys. For each head and each pair of positions of one sequence: the "
         "first position's vector in `x`, times the head's matrix in `W_QK`, times the second position's vector. The "
         "matrix's rows belong to the first.",
         ("batch position d_model", "head row column", "batch position d_model"),
         "batch head first_position second_position"),
    Task("x W_QK y", ("batch query read", "head read write", "batch key write"), "batch head query key",
         "Cross-attention scores. For each head, and each token of `x` with each token of `y` of the same example: "
         "the vector in `x`, times the head's matrix in `W_QK`, whose rows belong to `x`, times the vector in `y`.",
         ("batch token d_x", "head row column", "batch token d_y"), "batch head token_of_x token_of_y"),
)  # fmt: skip
THREE = (
    Task("A B C", ("out q", "q p", "p in"), "out in",
         "Three linear maps. A vector goes through `C` first, then through `B`, then through `A`. Wanted: the matrix "
         "of all three together.",
         ("out in", "out in", "out in"), "out in"),
    Task("x A B", ("batch d_in", "d_in rank", "rank d_out"), "batch d_out",
         "A low-rank adapter: each vector of `x` goes down to the rank through `A`, then up again through `B`.",
         ("batch feature", "in rank", "rank out"), "batch out"),
    Task("U s V", ("row k", "k", "column k"), "row column",
         "A matrix from its singular value decomposition: the sum, over all components, of the component's singular "
         "value in `s` times the outer product of its vector in `U` (rows of the matrix) and in `V` (its columns).",
         ("row component", "component", "column component"), "row column"),
    Task("A B C", ("user r", "movie r", "week r"), "user movie week",
         "A CP decomposition: an entry is the sum, over all components, of the user's, the movie's and the week's "
         "number for that component. The three numbers are multiplied.",
         ("user component", "movie component", "week component"), "user movie week"),
    Task("w X X", ("sample", "sample first", "sample second"), "first second",
         "A weighted second moment: the sum, over all samples, of the sample's weight in `w` times the outer product "
         "of its vector in `X` with itself.",
         ("sample", "sample feature", "sample feature"), "feature feature"),
    Task("pattern v W_O", ("head query key", "head key d_head", "head d_head d_model"), "query d_model",
         "The output of an attention layer. In each head, a query's mix is the sum of all value vectors in `v`, "
         "weighted by its row of `pattern`; it goes through the head's own matrix in `W_O`. The heads are added up.",
         ("head query key", "head position d_head", "head in out"), "query out"),
    Task("acts W_dec W_U", ("prompt latent", "latent d_model", "d_model vocab"), "prompt vocab",
         "What a sparse autoencoder adds to the logits: each prompt's activations go through the decoder `W_dec`, and "
         "then through the unembedding `W_U`.",
         ("prompt activation", "latent d_model", "in vocab"), "prompt vocab"),
    Task("z W_O W_U", ("batch head d_head", "head d_head d_model", "d_model vocab"), "batch head vocab",
         "What each head adds to the logits, the heads apart: its vector in `z` goes through its own matrix in `W_O`, "
         "and then through the unembedding `W_U`, which all heads share.",
         ("batch head d_head", "head in out", "d_model vocab"), "batch head vocab"),
    Task("mask x w", ("batch seq", "batch seq d_model", "class d_model"), "batch class",
         "A classifier on masked tokens: the tokens of each sequence are added up, each weighted by its number in "
         "`mask`, and the sum's dot product is taken with each class's vector in `w`.",
         ("batch seq", "batch seq d_model", "class feature"), "batch class"),
    Task("G U V", ("p q", "row p", "column q"), "row column",
         "A Tucker decomposition of a matrix: an entry is the sum, over all pairs of a left and a right component, of "
         "the core's entry in `G`, times the row's number for the left one, in `U`, times the column's number for the "
         "right one, in `V`.",
         ("left right", "row component", "column component"), "row column"),
    Task("start T emit", ("chain now", "now next", "next symbol"), "chain symbol",
         "Hidden Markov chains. `start` holds each chain's probabilities of states. Every chain takes one step with "
         "`T`, from its rows to its columns, and then emits a symbol as `emit` says of the state that it is in. "
         "Wanted: each chain's probabilities of symbols.",
         ("chain state", "row column", "state symbol"), "chain symbol"),
    Task("A B C", ("reader book", "book author", "author reader"), "",
         "Weighted edges between readers and books (`A`), books and authors (`B`), authors and readers (`C`). Wanted, "
         "as one number: the sum, over all triangles of a reader, a book and an author, of the product of their three "
         "edges.",
         ("reader book", "book author", "author reader"), ""),
    Task("s r o", ("fact feature", "relation feature", "fact feature"), "fact relation",
         "DistMult. Each fact, a subject's vector in `s` and an object's in `o`, is scored under each relation in "
         "`r`: multiply the three vectors entry by entry, and add up.",
         ("fact feature", "relation feature", "fact feature"), "fact relation"),
    Task("gate x W", ("token expert", "token d_in", "expert d_in d_out"), "token d_out",
         "A soft mixture of experts. Every token's vector in `x` goes through every expert's matrix in `W`. A token's "
         "outputs are added up over the experts, weighted by the token's numbers in `gate`.",
         ("token expert", "token feature", "expert in out"), "token out"),
    Task("pattern keep v", ("head query key", "query key", "head key d_head"), "head query d_head",
         "Attention patterns with a soft mask: each weight in `pattern` is multiplied by the number that `keep` has "
         "for its query and key, the same for all heads. A query's result is the sum of its head's value vectors with "
         "those weights.",
         ("head query key", "query key", "head position d_head"), "head query d_head"),
)  # fmt: skip


def product_mistakes(it: Stored) -> Iterator[Mistake]:
    """What goes wrong in a product with batches: an axis that runs along, one that is summed, one that is free."""
    net, say = it.net, it.say
    for axis in net.output:
        if len(owners := net.owners(axis)) > 1:
            yield Mistake(
                "batch-summed",
                net.lost(axis),
                f"You leave out {say(axis)} after the arrow, which adds up the whole batch. It is to be kept.",
            )
            for i in owners[::-1]:
                yield Mistake(
                    "batch-outer",
                    net.apart(i, axis),
                    f"You gave {say(axis)} two letters and kept both: everything meets everything. Each {say(axis)} "
                    "meets only itself: one letter, in every tensor that has it.",
                )
                yield Mistake(
                    "batch-mixed",
                    net.untied(i, axis),
                    f"In `{net.names[i]}` you gave {say(axis)} a letter of its own, so it is summed there before "
                    "anything is multiplied. What runs along together has one letter.",
                )
    for axis in net.summed:
        for at in range(len(net.output), -1, -1):
            yield Mistake(
                "not-contracted",
                net.kept(axis, at),
                f"You keep the {say(axis)} after the arrow, so nothing is added up along it.",
            )
    for a, b in combinations(net.axes, 2):
        if a in net.output and b in net.output and not set(net.owners(a)) & set(net.owners(b)):
            yield Mistake(
                "taken-for-batch",
                net.tied(a, b),
                f"You gave {say(a)} and {say(b)} one letter, so each meets one of the other only. They are "
                "independent: every pair counts.",
            )
        elif a in net.summed and b in net.summed:
            yield Mistake(
                "diagonal-only",
                net.tied(a, b),
                f"You gave the {say(a)} and the {say(b)} one letter, which takes only the diagonal. They run on "
                "their own: two letters.",
            )
    yield from order_mistakes(it)
    yield from net.edits_of_output(say)


def order_mistakes(it: Stored) -> Iterator[Mistake]:
    """Axes that are read in an order in which they are not stored."""
    net = it.net
    for i, (name, axes, usual) in enumerate(zip(net.names, net.operands, it.usual, strict=True)):
        because = f"You read the axes of `{name}` in another order: they are stored {axes_of(it.said[i])}."
        for a, b in combinations(axes, 2):
            yield Mistake("operand-order", net.misread(i, a, b), because)
        read = [*net.operands[:i], usual, *net.operands[i + 1 :]]
        yield Mistake("layout-assumed", net.read_as(*read), because)
    because = f"You took the axes to be in the usual order. {stores(it, 'stored')}."
    yield Mistake("layout-assumed", net.read_as(*it.usual), because)


def stores(it: Stored, verb: str) -> str:
    """`x` is stored (token, feature), `W` is stored (out, in)."""
    held = dict(zip(it.net.names, it.said, strict=True))
    return ", ".join([f"`{name}` is {verb} {axes_of(axes)}" for name, axes in held.items()])


def named(it: Stored, task: Task) -> str:
    """Level 1: every axis by its name."""
    net = it.net
    uses: dict[str, list[tuple[str, ...]]] = {}
    for name, axes in zip(net.names, net.operands, strict=True):
        uses.setdefault(name, []).append(axes)
    lines = [", ".join([f"`{name}` has {having(read[0])}" for name, read in uses.items()]) + ".", task.meaning]
    lines += [
        f"`{name}` is passed twice; the second time, its axes are called {axes_of(read[1])}."
        for name, read in uses.items()
        if len(read) > 1
    ]
    lines.append(f"The result has {having(net.output)}." if net.output else "The result is a single number.")
    return "\n\n".join(lines)


def in_words(it: Stored, task: Task) -> str:
    """Levels 2 and 3: each tensor's axes as its own documentation calls them."""
    lines = [task.meaning, f"{stores(it, 'stored')}."]
    if it.result:
        lines.append(f"The result's axes, first to last: {', '.join(it.result)}.")
    return "\n\n".join(lines)


def with_one_kept(rng: Rng, it: Stored) -> tuple[Stored, str]:
    """The same product with one of its sums left out, and the sentence that says so."""
    net, axis = it.net, rng.pick(it.net.summed)
    kept = Contraction(net.names, net.operands, (*net.output, axis))
    what = it.say(axis)
    sentence = f"But do not add up over the {what}: keep it, as the result's last axis."
    return Stored(kept, it.usual, it.said, (*it.result, what)), sentence


# Mistakes that run where all sizes are equal, and give a result of the right rank.
SILENT = ("batch-mixed", "operand-order", "layout-assumed", "output-order", "not-tied")


def posed(
    rng: Rng, tasks: Sequence[Task], mistakes: Callable[[Stored], Iterator[Mistake]], hints: Sequence[str], why: str
) -> WriteEinsum:
    """One of the tasks: with its axes named; in words or as a loop; or with sizes that let every mistake run."""
    task = rng.pick(tasks)
    it = stored(rng, task)
    code, sizes = "", {}
    if rng.level == 1:
        it = named_plainly(it.net)
        prompt = named(it, task)
    elif rng.level == TOP:
        prompt = in_words(it, task)
        if mistakes is three_mistakes and it.net.summed and len(it.net.output) < TOP and rng.chance():
            it, but = with_one_kept(rng, it)
            prompt = f"{task.meaning} {but}\n\n{stores(it, 'stored')}."
            if len(it.result) > 1:
                prompt += f"\n\nThe result's axes, first to last: {', '.join(it.result)}."
    elif len(set(it.net.names)) == len(it.net.names) and rng.chance(0.4):
        net, code = loop_nest(rng, it.net)
        it = named_plainly(net)
        prompt = f"Write what this loop nest computes as one einsum of {listed([f'`{name}`' for name in net.names])}."
    else:
        prompt = in_words(it, task)
    wrong = it.net.wrong_turns(mistakes(it))
    if rng.level == TOP:
        size = rng.integer(3, 5)
        sizes = dict.fromkeys(it.net.axes, size)
        silent = [turn for turn in wrong if turn.id in SILENT]
        if silent and rng.chance():
            code = f'out = torch.einsum("{rng.pick(silent).answer}", {", ".join(it.net.names)})'
            prompt = (
                f"This line runs and gives wrong numbers. All axes have size {size}, so nothing complains.\n\n"
                f"{prompt}\n\nWrite the equation that was meant."
            )
        else:
            prompt += f"\n\nEvery axis has size {size}, so a wrong equation runs as well."
    return WriteEinsum(
        prompt=prompt,
        tensors=it.net.tensors,
        output=it.net.output,
        sizes=sizes,
        code=code,
        axes_told=rng.level > 1,
        hints=[
            *hints,
            f"You need {len(it.net.axes)} letters, of which {len(it.net.summed)} are missing after the arrow.",
        ],
        why=why,
        wrong=wrong,
    )


@drill(after=["einsum.matmul"], levels=3, lesson="Einops and einsum")
def batched_matmul(rng: Rng) -> WriteEinsum:
    """A product for each member of a batch."""
    return posed(
        rng,
        MIXED if rng.level == TOP and rng.chance(0.7) else BATCHED,
        product_mistakes,
        ["Which index runs through both tensors together and stays? Which do both have, and is summed?"],
        "An index that both tensors share and the result keeps is a batch index: the product is made for each of its "
        "values on its own. One that both share and the result lacks is contracted: it is summed. One that only one "
        "tensor has is free, and meets everything: it is no batch.",
    )


@drill(after=["einsum.batched-matmul"], levels=3)
def bilinear(rng: Rng) -> WriteEinsum:
    """A vector, a matrix and a vector."""
    return posed(
        rng,
        BILINEAR,
        product_mistakes,
        ["Three tensors, three terms. The matrix has one index in common with each of the vectors."],
        "A bilinear form is the double sum of x[i] A[i, j] y[j]: two contracted indices, with two letters, even where "
        "x and y are one tensor. With one letter for both only the diagonal of A would count. Every further index is "
        "a batch index where several tensors run along it together, and free where only one has it.",
    )


def three_mistakes(it: Stored) -> Iterator[Mistake]:
    yield from it.net.single_edits(it.say)
    yield from order_mistakes(it)


@drill(after=["einsum.bilinear"], levels=3)
def three_operands(rng: Rng) -> WriteEinsum:
    """Three tensors in one equation."""
    return posed(
        rng,
        THREE,
        three_mistakes,
        ["Go through the tensors one by one: which of its indices has each in common with which other tensor?"],
        "An einsum takes any number of tensors. All entries that agree in the letters they share are multiplied, "
        "whatever the order of the tensors, and the products are summed over every letter that is missing after the "
        "arrow. A letter may be shared by three tensors, and a shared letter may be kept.",
    )


# --- code


@dataclass(frozen=True)
class Code:
    """A torch expression and the axes of what it gives. `...` may stand first: axes are then counted from the end."""

    text: str
    axes: tuple[str, ...]
    atomic: bool = True

    @property
    def wrapped(self) -> str:
        return self.text if self.atomic else f"({self.text})"

    def turned(self, axes: Sequence[str]) -> "Code":
        """With its axes in that order."""
        axes = tuple(axes)
        if axes == self.axes:
            return self
        if len(axes) == 2 and "..." not in axes:  # noqa: PLR2004 -- a matrix
            return Code(f"{self.wrapped}.T", axes)
        if axes[:-2] == self.axes[:-2]:
            return Code(f"{self.wrapped}.mT", axes)
        return Code(f"{self.wrapped}.permute({', '.join([str(self.axes.index(axis)) for axis in axes])})", axes)

    def summed(self, away: Sequence[str]) -> "Code":
        rest = tuple([axis for axis in self.axes if axis not in away])
        if rest == self.axes:
            return self
        if not rest:
            return Code(f"{self.wrapped}.sum()", ())
        dims = [i - len(self.axes) * ("..." in self.axes) for i, axis in enumerate(self.axes) if axis in away]
        return Code(f"{self.wrapped}.sum({dims[0] if len(dims) == 1 else tuple(dims)})", rest)

    def diagonal(self) -> "Code":
        """With the axis that it has twice taken once, as the last."""
        twice = next((axis for axis in self.axes if self.axes.count(axis) > 1), None)
        if twice is None:
            return self
        rest = tuple([axis for axis in self.axes if axis != twice])
        first, second = (i - len(self.axes) for i, axis in enumerate(self.axes) if axis == twice)
        if "..." not in self.axes:
            first, second = first % len(self.axes), second % len(self.axes)
        dims = "" if (first, second) == (0, 1) else f"dim1={first}, dim2={second}"
        return Code(f"{self.text}.diagonal({dims})", (*rest, twice))

    def __matmul__(self, other: "Code") -> "Code":
        right = other.text if other.atomic else other.wrapped
        axes = (*self.axes[:-1], *other.axes[-1:]) if len(other.axes) > 1 else self.axes[:-1]
        return Code(
            f"{self.text if self.text.count(' * ') == 0 or self.atomic else self.wrapped} @ {right}", axes, atomic=False
        )

    def times(self, other: "Code", axes: Sequence[str]) -> "Code":
        """Entry by entry; both are in the order of `axes`, and may lack some of them."""
        one, two = self.stretched(axes), other.stretched(axes)
        return Code(f"{one} * {two}", tuple(axes), atomic=False)

    def stretched(self, axes: Sequence[str]) -> str:
        """The text, with `None` for those of the axes that it lacks and broadcasting does not add in front."""
        index = [("..." if axis == "..." else ":") if axis in self.axes else "None" for axis in axes]
        while index[0] == "None":
            del index[0]
        while index[-1] == ":":
            del index[-1]
            if not index:
                return self.wrapped
        return self.wrapped if "None" not in index else f"{self.wrapped}[{', '.join(index)}]"


def product_code(one: Code, two: Code, output: Sequence[str]) -> Code:
    """The product of two tensors, summed over what the output lacks: a matrix product where it is one."""
    both = [axis for axis in one.axes if axis in two.axes]
    inner = [axis for axis in both if axis not in output]
    batch = [axis for axis in both if axis in output]
    left, right = ([axis for axis in code.axes if axis not in both] for code in (one, two))
    if len(inner) == 1 and len(right) < 2 and (not batch or len(left) == len(right) == 1):  # noqa: PLR2004
        straight = [axis for axis in output if axis in left + right]
        if len(left) == len(right) == 1 and straight == [*right, *left]:
            one, two, left, right = two, one, right, left
        made = one.turned([*batch, *left, *inner]) @ two.turned([*batch, *inner, *right])
    else:
        every = list(dict.fromkeys([*output, *one.axes, *two.axes]))
        whole = [code.axes for code in (one, two) if set(code.axes) == set(every)]
        if whole and tuple(output) not in whole:
            every = list(whole[0])
        turned = [code.turned([axis for axis in every if axis in code.axes]) for code in (one, two)]
        made = turned[0].times(turned[1], every)
    rest = [axis for axis in made.axes if axis in output]
    return made.summed([axis for axis in made.axes if axis not in rest])


def code_for(net: Contraction, *, steps: bool = False) -> Code:
    """Code that computes the contraction from left to right; `steps` gives what comes in between a name."""
    operands = [Code(name, axes) for name, axes in zip(net.names, net.operands, strict=True)]
    made, *others = operands
    made = made.diagonal()
    lines = []
    for at, other in enumerate(others, 1):
        later = [axis for code in others[at:] for axis in code.axes] + list(net.output)
        wanted = [axis for axis in dict.fromkeys([*made.axes, *other.axes]) if axis in later]
        if at == len(others):
            wanted = list(net.output)
        elif steps:
            made = product_code(made, other, wanted)
            lines.append(f"h = {made.text}")
            made = Code("h", made.axes)
            continue
        made = product_code(made, other, wanted)
    made = made.summed([axis for axis in made.axes if axis not in net.output]).turned(net.output)
    if made.text.endswith(".diagonal().sum()"):
        made = Code(made.text.replace(".diagonal().sum()", ".trace()"), ())
    if lines:
        return Code("\n".join([*lines, f"out = {made.text}"]), made.axes)
    return made


# What translates well, by level; tensors are then stored in any order, and the letters are others.
EQUATIONS: Mapping[int, Sequence[str]] = {
    1: ("ij,jk->ik", "ij,jk->ik", "ij,j->i", "ij,ij->ij", "ij,ij->", "i,j->ij", "ij,ij->i", "ijk->i", "ijk->ij",
        "ijk->ijk", "ij,j->ij", "ij,i->ij", "i,i->", "ij->", "ii->", "ii->i", "ijk,k->ij", "ijk,k->ijk"),
    2: ("bij,bjk->bik", "bij,bjk->bik", "bij,jk->bik", "bij,bij->b", "bij,bij->bi", "bij,bj->bi", "bii->b", "bii->bi",
        "ij,jk->i", "ij,jk->", "bij,j->b", "bij,j->bi", "bij,b->bij", "bij,bi->bij", "ijkl->ik", "bij,ij->b"),
    3: ("ij,jk,kl->il", "bi,ij,bj->b", "ij,j,jk->ik", "n,ni,nj->ij", "bij,jk,bk->bi", "bij,bjk,kl->bil", "bi,ij,jk->bk",
        "ij,kj,k->i", "ij,jk,ik->i", "ij,jk,ik->", "ij,jk,j->ik", "bij,bjk,bk->bi", "bij,ij,jk->bk", "i,ij,jk->k",
        "ij,jk,k->i", "ij,jk,ki->"),
}  # fmt: skip


def contraction(rng: Rng) -> Contraction:
    """One that code can say in a line or two. Its axes are letters."""
    left, _, right = rng.pick(EQUATIONS[rng.level]).partition("->")
    terms = left.split(",")
    axes = list(dict.fromkeys(left.replace(",", "")))
    letter = dict(zip(axes, rng.sample("abcdefghijkmnpqrst", len(axes)), strict=True))
    pools = {1: list("uvw"), 2: list("ABC")}
    names = [pools.setdefault(min(len(term), 3), list("XYZ")).pop(0) for term in terms]
    while True:
        operands = [tuple([letter[axis] for axis in rng.shuffled(term)]) for term in terms]
        output = tuple([letter[axis] for axis in rng.shuffled(right)])
        if set(operands) != {output}:
            return Contraction(tuple(names), tuple(operands), output)


MUTANTS = (
    (r"\.m?T\b", "", "transpose-missing",
     "One transpose is missing: without it, the axes that meet are not those that share a letter."),
    (r" @ ", " * ", "elementwise-for-matmul",
     "`*` multiplies entry by entry and sums nothing; the letter that both share and the result lacks asks for `@`."),
    (r" \* ", " @ ", "matmul-for-elementwise",
     "`@` sums over the axis at which it joins the two; here the letters ask for a product entry by entry."),
    (r"\.sum\((\([^)]*\)|[^()]*)\)", "", "not-summed",
     "A letter that is missing after the arrow is summed; you keep its axis."),
    (r"\[:(, :)*, None.*?\]", "", "not-stretched",
     "Broadcasting lines axes up from the last one. Where another axis is to come after it, it needs a `None` there."),
)  # fmt: skip


def bare(code: str) -> str:
    """The expression without brackets around all of it."""
    inner = code[1:-1]
    depths = [inner[:i].count("(") - inner[:i].count(")") for i in range(len(inner) + 1)]
    return inner if code.startswith("(") and code.endswith(")") and min(depths) == 0 else code


def mutants(code: Code) -> Iterator[Wrong]:
    """What people write instead, each with its sentence."""
    for pattern, new, name, because in MUTANTS:
        for found in re.finditer(pattern, code.text):
            yield Wrong(name, bare(code.text[: found.start()] + new + code.text[found.end() :]), because)
    for found in re.finditer(r"\.sum\((\d)\)", code.text):
        for dim in {"0": "12", "1": "02", "2": "10"}.get(found[1], "0"):
            yield Wrong(
                "wrong-axis",
                f"{code.text[: found.start()]}.sum({dim}){code.text[found.end() :]}",
                "You sum over another axis than the one whose letter is missing after the arrow.",
            )
    for found in re.finditer(r"\.permute\(([\d, ]+)\)", code.text):
        order = [int(dim) for dim in found[1].split(", ")]
        inverse = ", ".join([str(order.index(dim)) for dim in range(len(order))])
        if inverse == found[1]:
            continue
        yield Wrong(
            "inverse-permutation",
            f"{code.text[: found.start()]}.permute({inverse}){code.text[found.end() :]}",
            "That is the inverse: permute lists, for each axis of the result, where it was before.",
        )
    if len(code.axes) > 1 and not code.text.endswith("T"):
        turned = code.turned([*code.axes[:-2], code.axes[-1], code.axes[-2]])
        yield Wrong(
            "result-turned",
            turned.text,
            "The axes of your result are in another order than the letters after the arrow.",
        )
    twice = "A letter that stands twice in one term takes only the diagonal."
    if "trace" in code.text:
        yield Wrong("diagonal-lost", code.text.replace("trace", "sum"), twice)
    if "diagonal" in code.text:
        yield Wrong("diagonal-lost", re.sub(r"\.diagonal\(.*?\)", "", code.text), twice)


def equation(net: Contraction) -> str:
    return ",".join(net.terms[:-1]) + "->" + net.terms[-1]


@drill(after=["einsum.matmul"], levels=3)
def translate(rng: Rng) -> WriteExpression:
    """An einsum as @, .T, * and .sum."""
    net = contraction(rng)
    code = code_for(net)
    sizes: dict[str, int] = {}
    prompt = (
        "Write this as one expression without einsum (torch's, NumPy's and einops' are all ruled out): with `@`, `*`, "
        "`.T`, `.sum`, indexing and the like."
    )
    if rng.level == 1:
        summed = f"Summed: {listed(net.summed)}." if net.summed else "Nothing is summed."
        result = f"The result has {having(net.output)}." if net.output else "The result is a single number."
        prompt += f"\n\n{summed} {result}"
    if rng.level == TOP:
        size = rng.integer(3, 5)
        sizes = dict.fromkeys(net.axes, size)
        prompt += f"\n\nEvery axis has size {size}, so a wrong expression may run as well."
    wrong = {turn.answer: turn for turn in mutants(code)}
    return WriteExpression(
        prompt=prompt,
        tensors=net.tensors,
        reference_expression=code.text,
        output=net.output,
        sizes=sizes,
        code=f'torch.einsum("{equation(net)}", {", ".join(net.names)})',
        forbid=["einsum"],
        hints=[
            (
                "Which letters are shared, and which of these does the result lack? One such letter, last in the left "
                "tensor and second to last (or alone) in the right one, is `@`."
            ),
            (
                "Otherwise bring the axes into one order, with `.T` or `.permute`, and with `None` for those that a "
                "tensor lacks; multiply with `*`; and `.sum` over what is missing after the arrow."
            ),
        ],
        why="`A @ B` contracts the last axis of A with the second to last of B (the only one of a vector) and runs "
        "along leading axes together. `*` is the product along shared axes without a sum; missing axes are stretched "
        "where `None` puts them. `.sum(dim)` is a letter that is missing after the arrow; `.T`, `.mT` and `.permute` "
        "are the order of letters.",
        wrong=list(wrong.values()),
    )


def at(net: Contraction, axis: str) -> str:
    """Where an axis stands, for one who sees no letters."""
    i = net.owners(axis)[0]
    return f"axis {net.operands[i].index(axis)} of `{net.names[i]}`"


def reading_mistakes(net: Contraction, code: str) -> Iterator[Mistake]:
    """What people read in code that is not there."""
    for i, (name, axes) in enumerate(zip(net.names, net.operands, strict=True)):
        if re.search(rf"\b{name}\.(m?T|transpose|t\(|swap)", code):
            yield Mistake(
                "transpose-ignored",
                net.misread(i, *axes[-2:]),
                f"The code transposes `{name}` before it uses it; your term has the axes in the order in which "
                "they would be without that.",
            )
        for pair in combinations(axes, 2):
            yield Mistake(
                "operand-order",
                net.misread(i, *pair),
                f"Your term for `{name}` has its axes in another order than `{name}` has them.",
            )
    first, second = net.operands[0], net.operands[1 % len(net.operands)]
    if len(net.operands) == len(first) == len(second) == 2:  # noqa: PLR2004 -- two matrices
        term = net.terms[0]
        if " @ " in code or "matmul" in code:
            yield Mistake(
                "elementwise-for-matmul",
                (term, term, term),
                "That is the product entry by entry. A matrix product sums over the axis at which the two meet.",
            )
        else:
            yield Mistake(
                "matmul-for-elementwise",
                (term, net.read_as(first, first)[0][1] + "z", term[0] + "z"),
                "That is a matrix product. `*` multiplies entry by entry: both tensors have the same letters.",
            )
    for kept in net.output:
        for summed in net.summed:
            yield Mistake(
                "wrong-axis",
                net.with_output([summed if axis == kept else axis for axis in net.output]),
                f"You sum over {at(net, kept)} and keep {at(net, summed)}; it is the other way round.",
            )
    yield from net.single_edits(lambda axis: at(net, axis))


STYLES = (
    ((".T", ".t()"), (".mT", ".transpose(-1, -2)"), (".sum(", ".sum(dim=")),
    ((".mT", ".transpose(1, 2)"),),
    ((".T", ".transpose(0, 1)"), (".mT", ".swapaxes(1, 2)")),
    (),
    (),
)


def restyled(rng: Rng, code: str) -> str:
    """The same code as somebody else writes it."""
    for old, new in rng.pick(STYLES):
        code = re.sub(rf"{re.escape(old)}(?![a-zA-Z)])", new, code)
    if rng.chance(0.3):
        code = re.sub(
            r"^((?:out|h) = )?(\w+(?:\.\w+(?:\([^()]*\))?)?) @ (\w+(?:\.\w+(?:\([^()]*\))?)?)$",
            r"\1torch.matmul(\2, \3)",
            code,
            flags=re.MULTILINE,
        )
    return code


@drill(after=["einsum.matmul"], levels=3)
def from_code(rng: Rng) -> WriteEinsum:
    """Code in @, .T, * and .sum as an einsum."""
    net = contraction(rng)
    code = restyled(rng, code_for(net, steps=rng.level == TOP and rng.chance(0.7)).text)
    sizes: dict[str, int] = {}
    prompt = f"Write this as one einsum of {listed([f'`{name}`' for name in net.names])}."
    if rng.level == 1:
        held = [f"`{name}` has {having(axes)}" for name, axes in zip(net.names, net.operands, strict=True)]
        prompt += f"\n\n{', '.join(held)}."
    else:
        kinds = {1: "a vector", 2: "a matrix"}
        held = [
            f"`{name}` {'has' if len(axes) > 2 else 'is'} {kinds.get(len(axes), f'{len(axes)} axes')}"  # noqa: PLR2004
            for name, axes in zip(net.names, net.operands, strict=True)
        ]
        prompt += f"\n\n{', '.join(held)}."
    if rng.level == TOP:
        size = rng.integer(3, 5)
        sizes = dict.fromkeys(net.axes, size)
        prompt += f" Every axis has size {size}, so a wrong equation runs as well."
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        sizes=sizes,
        code=code,
        axes_told=True,
        hints=[
            "Give every axis of the first tensor a letter. Follow the code: where two axes meet, they get one letter.",
            (
                "`@` joins the last axis on its left with the second to last (or only) one on its right, and sums it. "
                "`*` lines axes up from the last one, and sums nothing. Write down the letters after each step."
            ),
        ],
        why="Every step of such code renames or joins axes. A transpose changes the order of letters; `@` gives one "
        "letter to the two axes that it joins and drops it from the result; `*` gives one letter to axes that are "
        "lined up; `.sum(dim)` drops a letter. What is left after the last step stands after the arrow.",
        wrong=net.wrong_turns(reading_mistakes(net, code)),
    )


# --- any number of axes

ANY = "..."


@dataclass(frozen=True)
class Spread:
    """A contraction of tensors that have any number of further axes."""

    names: str
    operands: tuple[str, ...]
    output: str
    meaning: str


SPREADS: Mapping[int, Sequence[Spread]] = {
    1: (
        Spread("x", ("... row col",), "... col row", "Transpose each of the matrices that `x` holds."),
        Spread("x", ("... row col",), "... row", "Add up each matrix of `x` along its axis col."),
        Spread("x", ("... row col",), "...", "Add up all entries of each matrix of `x`."),
        Spread("x", ("... n n",), "...", "The trace of each matrix of `x`. An axis named twice: the diagonal."),
        Spread("x", ("... n n",), "... n",
               "The diagonal of each matrix of `x`, which an axis named twice stands for."),
        Spread("x W", ("... d_in", "d_out d_in"), "... d_out", "A linear layer: each vector of `x` goes through `W`."),
        Spread("A B", ("... row mid", "... mid col"), "... row col",
               "The matrix product of each matrix in `A` with the matrix at the same place in `B`."),
        Spread("x y", ("... d", "... d"), "...", "The dot product of each vector in `x` with the one at the same place "
               "in `y`."),
        Spread("A v", ("... row col", "col"), "... row", "Each matrix in `A` times the one vector `v`."),
        Spread("A v", ("... row col", "... col"), "... row",
               "Each matrix in `A` times the vector at the same place in `v`."),
        Spread("x g", ("... d", "d"), "... d", "Each vector of `x`, entry by entry times `g`."),
        Spread("x W", ("... seq d_in", "d_in d_out"), "... seq d_out",
               "Each vector of each sequence in `x` goes through `W`."),
        Spread("pattern v", ("... query key", "... key d_head"), "... query d_head",
               "Attention: each query's sum of the value vectors at the same place in `v`, weighted by its row of "
               "`pattern`."),
        Spread("A s", ("... row col", "row"), "... row col", "Each row of each matrix in `A` times its number in `s`."),
        Spread("A s", ("... row col", "..."), "... row col",
               "Each matrix in `A`, all of it, times the number at the same place in `s`."),
        Spread("u v", ("... row", "col"), "... row col", "The outer product of each vector in `u` with the one vector "
               "`v`."),
        Spread("A B", ("... row col", "... row col"), "...",
               "At each place: the sum of all entries of the product, entry by entry, of its matrices in `A` and `B`."),
        Spread("u v", ("... row", "... col"), "... row col",
               "The outer product of each vector in `u` with the one at the same place in `v`."),
    ),
    3: (
        Spread("x W", ("batch channel ...", "out channel"), "batch out ...",
               "A convolution of size 1: at every place of an image, a sound or a video, the channels go through `W`."),
        Spread("x w", ("batch ... channel", "batch channel"), "batch ...",
               "At every place, the dot product of the channels with the vector that `w` has for that example."),
        Spread("x", ("batch ... channel",), "channel ... batch", "Put the axes of `x` in another order."),
        Spread("x", ("batch ... time channel",), "time batch ... channel", "Put the axes of `x` in another order."),
        Spread("x", ("... d",), "d", "Add up all vectors of `x`: over every axis but the last."),
        Spread("x", ("batch ... channel",), "batch channel",
               "Sum pooling: for each example and channel, the sum over all places."),
        Spread("x g", ("... d_in", "... d_out"), "d_out d_in",
               "The gradient of a linear layer's weight: the sum, over all places, of the outer product of the "
               "gradient's vector in `g` with the input's vector in `x` at the same place."),
        Spread("x g", ("... d", "... d"), "d",
               "The gradient of a norm layer's weight: the sum, over all places, of `x` times `g`, entry by entry."),
        Spread("x M y", ("... left", "left right", "... right"), "...",
               "A bilinear form at every place: the vector in `x`, times the matrix `M`, whose rows belong to `x`, "
               "times the vector in `y` at the same place."),
        Spread("x A B", ("... d_in", "rank d_in", "d_out rank"), "... d_out",
               "A low-rank adapter: each vector of `x` goes down to the rank through `A`, then up again through `B`."),
        Spread("pattern v", ("... head query key", "... head key d_head"), "... query head d_head",
               "Attention with any batch axes: for each query of each head, the sum of that head's value vectors, "
               "weighted by the query's row of `pattern`."),
    ),
}  # fmt: skip


def spread(rng: Rng, it: Spread, *, front: bool) -> Contraction:
    """With the axes stored in some order; the ellipsis stands in front, at either end, or anywhere."""

    def put(axes: str) -> tuple[str, ...]:
        words = rng.shuffled([word for word in axes.split() if word != ANY])
        if ANY in axes:
            places = [0] if front else range(len(words) + 1) if rng.level == TOP else [0, len(words)]
            words.insert(rng.pick(places), ANY)
        return tuple(words)

    while True:
        net = Contraction(tuple(it.names.split()), tuple(map(put, it.operands)), put(it.output))
        if net.operands != (net.output,):
            return net


def ellipsis_mistakes(net: Contraction) -> Iterator[Mistake]:
    terms, output = net.terms[:-1], net.output
    kept = ANY in output
    if kept:
        rest = [axis for axis in output if axis != ANY]
        yield Mistake(
            "ellipsis-omitted",
            net.lost(ANY),
            "Your result has no `...`, so torch adds up all those axes. (NumPy would raise.) They are to be kept.",
        )
        for place in range(len(rest), -1, -1):
            yield Mistake(
                "ellipsis-moved",
                net.with_output([*rest[:place], ANY, *rest[place:]]),
                "Your `...` is at another place of the result. The axes that it stands for go where it stands.",
            )
    else:
        for place in (0, len(output)):
            yield Mistake(
                "ellipsis-kept",
                net.with_output([*output[:place], ANY, *output[place:]]),
                "You keep `...` after the arrow; these axes are to be summed. torch sums what the result leaves out, "
                "the ellipsis too.",
            )
    spare = next(letter for letter in "zyxwvutsrq" if letter not in net.letters.values())
    one = tuple([term.replace(ANY, spare) for term in net.terms])
    yield Mistake(
        "one-axis-assumed",
        (*one[:-1], one[-1]),
        f"Your {spare} stands for exactly one axis. There may be none, or several: that is what `...` is for.",
    )
    at = next(i for i, term in enumerate(terms) if ANY in term)
    missing = list(net.terms if "".join(terms).count(ANY) > 1 else [term.replace(ANY, "") for term in net.terms])
    missing[at] = missing[at].replace(ANY, "")
    yield Mistake(
        "ellipsis-missing",
        tuple(missing),
        "A term without `...` names all axes of its tensor, and there may be more of them.",
    )
    yield from net.edits_of_output() if rearranges(net) else net.single_edits()


def rearranges(net: Contraction) -> bool:
    """Whether one tensor's axes are put in another order, and that is all."""
    return len(net.operands) == 1 and sorted(net.operands[0]) == sorted(net.output)


def ending(name: str, axes: Sequence[str]) -> str:
    """How many axes a tensor has beside the leading ones."""
    count = f"{len(axes) - (ANY in axes)} axes" if len(axes) - (ANY in axes) > 1 else "1 axis"
    return f"`{name}` has {f'any number of leading axes and then {count}' if ANY in axes else f'{count} and no more'}"


@drill(after=["einsum.batched-matmul"], levels=3)
def ellipsis(rng: Rng) -> WriteEinsum:
    """Any number of further axes."""
    it = rng.pick([*SPREADS[1], *SPREADS[TOP]] if rng.level == TOP else SPREADS[1])
    coded = rng.level == 2 and rng.chance()  # noqa: PLR2004 -- the middle level
    net = spread(rng, it, front=coded or rng.level == 1)
    names = list(zip(net.names, net.operands, strict=True))
    several = [ANY in axes for axes in net.operands].count(True) > 1
    code = ""
    if coded:
        code = restyled(rng, code_for(net).text)
        prompt = (
            "Write this as one einsum that works for any number of leading axes, none included.\n\n"
            f"{'. '.join([ending(name, axes) for name, axes in names])}. The result keeps the leading axes"
            f"{', which are the same in all tensors that have them' if several else ''}."
        )
    else:
        dots = ANY if rng.level == 1 else "*others"
        shapes = [axes_of([dots if axis == ANY else axis for axis in axes]) for axes in (*net.operands, net.output)]
        tensors = ", ".join(
            [f"`{name}` has the shape `{shape}`" for name, shape in zip(net.names, shapes, strict=False)]
        )
        prompt = (
            f"{tensors}. `{dots}` is any number of axes, none included"
            f"{', and the same ones wherever it stands' if several else ''}.\n\n{it.meaning}\n\n"
            f"The result has the shape `{shapes[-1]}`."
        )
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        code=code,
        axes_told=rng.level > 1,
        hints=[
            "Name only the axes that you do something with; `...` stands for all others, as many as there are.",
            (
                "In each term `...` stands where those axes are stored, and after the arrow where they are wanted. "
                "Axes that it leaves out after the arrow are summed."
            ),
        ],
        why="`...` stands for the axes that a term does not name, however many there are. Those of several tensors are "
        "lined up from the last one, as in broadcasting. After the arrow it says where they go; without it there, "
        "torch sums them, where NumPy raises.",
        wrong=net.wrong_turns(ellipsis_mistakes(net)),
    )


# --- what comes out

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """An einsum of tensors of those shapes. `terms` are the operands' letters, `right` the result's."""

    terms: tuple[str, ...]
    right: str
    shapes: tuple[Shape, ...]

    @property
    def letters(self) -> str:
        """All letters, each once, in order of appearance."""
        return "".join(dict.fromkeys("".join(self.terms)))

    def shape(self, right: str) -> Shape:
        """The shape of a result with those letters."""
        size = {
            c: n for term, shape in zip(self.terms, self.shapes, strict=True) for c, n in zip(term, shape, strict=True)
        }
        return tuple([size[letter] for letter in right])

    def fed(self, shape: Shape) -> "Call":
        """The same call with a first operand of that shape."""
        return Call(self.terms, self.right, (shape, *self.shapes[1:]))


def kept_in_order(call: Call) -> str:
    return "".join([letter for letter in call.letters if letter in call.right])


def doubled(call: Call) -> set[str]:
    """The letters that stand twice in a term, and in no other."""
    letters = "".join(call.terms)
    return {c for term in call.terms for c in term if letters.count(c) == term.count(c) > 1}


def kept_each_time(call: Call) -> str:
    return "".join([letter for letter in "".join(call.terms) if letter in call.right])


@dataclass(frozen=True)
class Rule:
    """What people take for the rule: the letters of the result that follow from it, and what is wrong with it."""

    id: str
    letters: Callable[[Call], str]
    because: str


RULES = (
    Rule("input-order", kept_in_order,
         "The result's axes are in the order of the letters after the arrow, not of those before it."),
    Rule("repeated-twice", kept_each_time,
         "A letter is one axis of the result, however often it stands before the arrow: the result has exactly the "
         "axes that stand after it."),
    Rule("alphabetical", lambda call: "".join(sorted(call.right)),
         "Letters are sorted alphabetically only where there is no arrow. After one the order is as written."),
    Rule("nothing-summed", lambda call: call.letters,
         "A letter that is missing after the arrow is summed: its axis is gone."),
    Rule("outer-product", lambda call: "".join(call.terms),
         "Tensors that share a letter run along it together, and what is missing after the arrow is summed."),
    Rule("summed-kept", lambda call: "".join([letter for letter in call.letters if letter not in call.right]),
         "You gave the axes that are summed. Those after the arrow are kept."),
    Rule("reversed", lambda call: call.right[::-1],
         "The result's axes are in the order of the letters after the arrow, first to last."),
)  # fmt: skip
IMPLICIT_RULES = (
    Rule("order-of-appearance", kept_in_order,
         "Without an arrow the result's letters are sorted alphabetically, not left where they appear."),
    Rule("repeated-kept", lambda call: "".join(sorted(call.letters)),
         "Without an arrow a letter that stands more than once is summed; only those that stand exactly once are "
         "kept."),
    Rule("repeated-kept-in-order", lambda call: call.letters,
         "Without an arrow a letter that stands more than once is summed, and the others are sorted alphabetically."),
    Rule("diagonal-kept", lambda call: "".join(sorted({*call.right, *doubled(call)})),
         "A letter that stands twice in one term stands more than once, so it is summed: without an arrow that is a "
         "trace, not a diagonal."),
    Rule("all-summed", lambda _: "",
         "No arrow is not an empty right side: letters that stand exactly once are kept."),
    Rule("reversed", lambda call: call.right[::-1],
         "Without an arrow the result's letters are sorted alphabetically, a first."),
)  # fmt: skip
MAX_RANK = 4
POOLS = ("abcd", "ijkl", "bqkd", "bshd", "nmkp", "bijk", "tuvw", "acik", "ebsf")


def once(terms: Sequence[str]) -> str:
    """The letters of the result where there is no arrow."""
    letters = "".join(terms)
    return "".join(sorted([letter for letter in letters if letters.count(letter) == 1]))


def terms_of(rng: Rng, letters: Sequence[str], count: int, *, diagonal: bool, first: str = "") -> tuple[str, ...]:
    """So many terms over the letters, each of which shares one with those before it. `first` is the first one."""
    while True:
        most = 3 if count > 1 else 4
        terms = [
            "".join(rng.sample(letters, rng.integer(1 + (count == 1), min(most, len(letters))))) for _ in range(count)
        ]
        if first:
            terms[0] = first
        elif diagonal:
            i = rng.integer(0, count - 1)
            letter = rng.pick(terms[i])
            terms[i] = "".join(rng.shuffled([*terms[i][:3], letter]))
        if all(set(terms[i]) & set("".join(terms[:i])) for i in range(1, count)) and max(map(len, terms)) > 1:
            return tuple(terms)


def explicit(rng: Rng, terms: Sequence[str]) -> str:
    """The letters after an arrow: some of them, and in another order."""
    letters = list(dict.fromkeys("".join(terms)))
    while True:
        right = rng.sample(letters, min(len(letters), rng.integer(1, 2) + rng.integer(0, 2)))
        if len(right) == 1 or right != [letter for letter in letters if letter in right]:
            return "".join(right)


def drawn(rng: Rng, *, arrow: bool, first: Shape = ()) -> Call:
    """A call whose result is another one under each of the rules that people mistake for the right one.

    `first` is the shape of its first operand, where that is given.
    """
    letters = rng.shuffled(rng.pick(POOLS))
    while True:
        count = rng.integer(1, 2) if rng.level == 1 else rng.integer(2, 3)
        if first:
            count = 2
        terms = terms_of(
            rng,
            letters,
            count,
            diagonal=rng.chance(0.4 if rng.level > 1 else 0.2),
            first="".join(letters[: len(first)]),
        )
        right = explicit(rng, terms) if arrow else once(terms)
        sizes = dict(zip(letters, rng.sizes(4, 2, 9), strict=True)) | dict(zip(terms[0], first, strict=False))
        call = Call(terms, right, tuple([tuple([sizes[letter] for letter in term]) for term in terms]))
        if (
            len(set(sizes.values())) == len(sizes)
            and 0 < len(right) <= MAX_RANK
            and (arrow or right != kept_in_order(call) or rng.chance(0.2))
        ):
            return call


def asked(rng: Rng, *, arrow: bool, rules: Sequence[Rule], hints: Sequence[str], why: str) -> PredictShape:
    """The shape of a call's result; at the highest level that result goes into another call."""
    call = drawn(rng, arrow=arrow)
    while rng.level == TOP and len(call.right) < 2:  # noqa: PLR2004 -- with one axis there is no order to get wrong
        call = drawn(rng, arrow=arrow)
    shape = call.shape(call.right)
    names = rng.pick((("A", "B", "C", "D"), ("P", "Q", "R", "S"), ("x", "y", "z", "w")))
    lines = [
        f"{name} = torch.zeros({', '.join(map(str, shape))})" for name, shape in zip(names, call.shapes, strict=False)
    ]
    wrong: dict[Shape, Wrong] = {}
    result = "mid" if rng.level == TOP else "out"
    used = names[: len(call.terms)]
    lines.append(f'{result} = torch.einsum("{spelled(call, arrow=arrow)}", {", ".join(used)})')
    turns = [(rule.id, call.shape(rule.letters(call)), rule.because) for rule in rules]
    if rng.level == TOP:
        second = drawn(rng, arrow=arrow, first=shape)
        other = names[len(call.terms)]
        lines.insert(-1, f"{other} = torch.zeros({', '.join(map(str, second.shapes[1]))})")
        lines.append(f'out = torch.einsum("{spelled(second, arrow=arrow)}", mid, {other})')
        turns = [
            (name, second.fed(made).shape(second.right), f"In the first call: {because[0].lower()}{because[1:]}")
            for name, made, because in turns
            if len(made) == len(shape)
        ] + [(rule.id, second.shape(rule.letters(second)), rule.because) for rule in rules]
        shape = second.shape(second.right)
    for name, made, because in turns:
        if made != shape:
            wrong.setdefault(made, Wrong(name, str(made), because))
    return PredictShape(program="\n".join(lines), ask="out", hints=hints, why=why, wrong=list(wrong.values()))


def spelled(call: Call, *, arrow: bool) -> str:
    return ",".join(call.terms) + (f"->{call.right}" if arrow else "")


@drill(after=["einsum.read"], levels=3)
def output_shape(rng: Rng) -> PredictShape:
    """The shape that an einsum gives."""
    return asked(
        rng,
        arrow=True,
        rules=RULES,
        hints=[
            "Write each letter's size under it, tensor by tensor. Then look only at what stands after the arrow.",
            "The result has one axis for each letter after the arrow, in that order; every other letter is summed.",
        ],
        why="Before the arrow the letters say which axis of which tensor is which index. After it they say which are "
        "kept, and in which order: the result has exactly those axes. A letter that stands several times before the "
        "arrow is one index, of one size.",
    )


@drill(after=["einsum.output-shape"], levels=3)
def implicit_output(rng: Rng) -> PredictShape:
    """An einsum without an arrow."""
    return asked(
        rng,
        arrow=False,
        rules=IMPLICIT_RULES,
        hints=[
            "There is no arrow, so torch makes the right side itself. Count how often each letter stands.",
            "Letters that stand exactly once are kept, in alphabetical order; all others are summed.",
        ],
        why="Implicit mode: without `->` the result has the letters that stand exactly once in the whole equation, "
        "sorted alphabetically; a letter that stands more than once is summed. So `ij,jk` is the matrix product, `ji` "
        "transposes, and renaming a letter can change the result.",
    )


# --- calls that may be broken


@dataclass(frozen=True)
class Claim:
    """What somebody may say that a call does; `because` is what is wrong with it, where it is wrong."""

    id: str
    choice: Choice
    because: str


def gives(name: str, shape: Shape, because: str) -> Claim:
    return Claim(name, Choice(f"It gives shape `{shape}`.", holds=f"out.shape == {shape}"), because)


def raises(name: str, what: str, error: str, because: str) -> Claim:
    return Claim(name, Choice(f"It raises: {what}.", raises=error), because)


def misfit(letter: str, because: str, name: str = "mismatch-imagined") -> Claim:
    return raises(name, f"the sizes of `{letter}` do not fit", f"subscript {letter} ", because)


def summed_raises(call: Call) -> Iterator[Claim]:
    for letter in call.letters:
        if letter not in call.right:
            yield raises(
                "sum-raises",
                f"`{letter}` is missing after the arrow",
                "missing",
                "A letter that is missing after the arrow is summed; nothing raises.",
            )


def repeat_raises(call: Call) -> Iterator[Claim]:
    for term in call.terms:
        for letter in dict.fromkeys(term):
            if term.count(letter) > 1:
                yield raises(
                    "repeat-raises",
                    f"`{letter}` stands twice in one term",
                    "twice in one term",
                    "A letter may stand as often as you like before the arrow: twice in one term, it takes the "
                    "diagonal. Only after the arrow must it stand once.",
                )


def order_raises(call: Call) -> Iterator[Claim]:
    if call.right != kept_in_order(call):
        yield raises(
            "order-raises",
            "the letters after the arrow are out of order",
            "out of order",
            "The letters after the arrow may be in any order: that is how einsum transposes.",
        )


def shapes_of(call: Call, because: str = "", name: str = "") -> Iterator[Claim]:
    """The shapes of the rules that people mistake for the right one."""
    for rule in RULES:
        yield gives(name or rule.id, call.shape(rule.letters(call)), because or rule.because)


def fillers(call: Call) -> list[Claim]:
    return [*repeat_raises(call), *order_raises(call), *summed_raises(call)]


@dataclass(frozen=True)
class Case:
    """A call, what it does, and what people say that it does, the likeliest first."""

    call: Call
    right: Claim
    lures: Sequence[Claim]


def sound(rng: Rng) -> Case:
    """Nothing is wrong with it."""
    call = drawn(rng, arrow=True)
    shared = [letter for letter in call.letters if "".join(call.terms).count(letter) > 1]
    fits = [
        misfit(x, f"All sizes of `{x}` are {call.shape(x)[0]}, wherever it stands.") for x in rng.shuffled(shared)[:1]
    ]
    lures = [*repeat_raises(call), *rng.shuffled([*order_raises(call), *summed_raises(call), *fits])[:2]]
    return Case(call, gives("", call.shape(call.right), ""), [*lures, *shapes_of(call)])


def resized(call: Call, i: int, letter: str, size: int) -> Call:
    """The call with that axis of operand i of another size."""
    at = call.terms[i].index(letter)
    shape = (*call.shapes[i][:at], size, *call.shapes[i][at + 1 :])
    return Call(call.terms, call.right, (*call.shapes[:i], shape, *call.shapes[i + 1 :]))


def misfitting(rng: Rng) -> Case:
    """Two tensors have different sizes where they share a letter. Size 1 is stretched; others raise."""
    call, letter, i = shared_axis(rng)
    size = call.shape(letter)[0]
    if rng.chance():
        changed = resized(call, i, letter, 1)
        stretched = (
            f"`{letter}` has size 1 in one tensor, and einsum stretches it to {size}, as broadcasting does. Only sizes "
            "that differ and are both larger than 1 raise."
        )
        lures = [misfit(letter, stretched, "size-1-raises")]
        if letter in call.right:
            ones = tuple([1 if c == letter else n for c, n in zip(call.right, call.shape(call.right), strict=True)])
            lures.append(gives("size-1-kept", ones, stretched))
        return Case(changed, gives("", call.shape(call.right), ""), [*lures, *shapes_of(call), *fillers(call)])
    used = set(call.shape(call.letters))
    other = rng.pick([n for n in range(2, 10) if n not in used])
    changed = resized(call, i, letter, other)
    because = (
        f"A letter has one size. `{letter}` has {size} in one tensor and {other} in another, and neither is 1, so "
        "nothing can be stretched: it raises, whether the letter is kept or summed."
    )
    bigger = tuple([other if c == letter else n for c, n in zip(call.right, call.shape(call.right), strict=True)])
    lures = [gives("mismatch-runs", call.shape(call.right), because), gives("mismatch-runs", bigger, because)]
    return Case(changed, misfit(letter, ""), [*lures, *fillers(call), *shapes_of(call, because, "mismatch-runs")])


def shared_axis(rng: Rng) -> tuple[Call, str, int]:
    """A call, a letter that stands once in each of several terms, and the place of one of these."""
    while True:
        call = drawn(rng, arrow=True)
        shared = [c for c in call.letters if sum(c in term for term in call.terms) > 1]
        shared = [c for c in shared if all(term.count(c) < 2 for term in call.terms)]  # noqa: PLR2004 -- no diagonal
        if shared:
            letter = rng.pick(shared)
            return call, letter, rng.pick([i for i, term in enumerate(call.terms) if letter in term])


def uneven_diagonal(rng: Rng) -> Case:
    """The two axes of a diagonal have different sizes, and 1 is no exception."""
    while True:
        call = drawn(rng, arrow=True)
        twice = [(i, c) for i, term in enumerate(call.terms) for c in term if c in doubled(call)]
        if twice:
            break
    i, letter = rng.pick(twice)
    size = call.shape(letter)[0]
    other = 1 if rng.chance() else rng.pick([n for n in range(2, 10) if n != size])
    changed = resized(call, i, letter, other)
    because = (
        f"A diagonal needs two axes of one size; those of `{letter}` have {other} and {size}. Within one term not even "
        "size 1 is stretched."
    )
    lures = [
        gives("diagonal-stretched", call.shape(call.right), because),
        gives("diagonal-stretched", call.shape(kept_each_time(call)), because),
    ]
    right = raises("", f"the sizes of `{letter}` do not fit", f"subscript {letter} is repeated", "")
    return Case(changed, right, [*lures, *fillers(call), *shapes_of(call, because, "diagonal-stretched")])


def repeated_output(rng: Rng) -> Case:
    """A letter stands twice after the arrow."""
    call = drawn(rng, arrow=True)
    letter = rng.pick(call.right)
    place = rng.integer(0, len(call.right))
    right = call.right[:place] + letter + call.right[place:]
    because = (
        f"`{letter}` stands twice after the arrow. An output letter may stand once only: einsum makes no diagonals."
    )
    lures = [
        gives("output-repeat-runs", call.shape(right), because),
        gives("output-repeat-runs", call.shape(call.right), because),
    ]
    claim = raises("", f"`{letter}` stands twice after the arrow", f"output subscript {letter} appears more", "")
    lures += [*fillers(call), *shapes_of(call, because, "output-repeat-runs")]
    return Case(Call(call.terms, right, call.shapes), claim, lures)


def unknown_output(rng: Rng) -> Case:
    """A letter after the arrow is in no term before it."""
    call = drawn(rng, arrow=True)
    stray = rng.pick([c for c in "ghopxyz" if c not in call.letters])
    place = rng.integer(0, len(call.right) - 1)
    right = call.right[:place] + stray + call.right[place + 1 :]
    because = f"`{stray}` stands in no term before the arrow, so it has no size."
    ones = tuple([1 if c == stray else call.shape(c)[0] for c in right])
    lures = [
        gives("unknown-runs", ones, because),
        gives("unknown-runs", call.shape(right.replace(stray, "")), because),
        gives("unknown-runs", call.shape(call.right), because),
    ]
    claim = raises("", f"`{stray}` is in none of the terms before the arrow", f"output subscript {stray} does not", "")
    return Case(Call(call.terms, right, call.shapes), claim, [*lures, *summed_raises(call), *order_raises(call)])


def wrong_rank(rng: Rng) -> Case:
    """A term has a letter less than its tensor has axes."""
    while True:
        call = drawn(rng, arrow=True)
        i = rng.integer(0, len(call.terms) - 1)
        if len(call.terms[i]) < MAX_RANK:
            break
    extra = rng.pick([n for n in range(2, 10) if n not in call.shape(call.letters)])
    shape = rng.pick(((extra, *call.shapes[i]), (*call.shapes[i], extra)))
    changed = Call(call.terms, call.right, (*call.shapes[:i], shape, *call.shapes[i + 1 :]))
    name = NAMES[i]
    because = (
        f"`{name}` has {len(shape)} axes, and its term {len(call.terms[i])}. Without `...` a term names every axis of "
        "its tensor; none is added or left out by itself."
    )
    plain = call.shape(call.right)
    lures = [
        gives("rank-runs", plain, because),
        gives("rank-runs", (extra, *plain), because),
        gives("rank-runs", (*plain, extra), because),
    ]
    claim = raises("", f"`{name}` has more axes than its term has letters", "does not match the number of dim", "")
    return Case(changed, claim, [*lures, *fillers(call)])


NAMES = "ABC"
CASES = (
    *(sound, sound, sound, sound),
    *(misfitting, misfitting, misfitting, misfitting),
    *(uneven_diagonal, uneven_diagonal, repeated_output, repeated_output, unknown_output, wrong_rank),
)
MOST_CHOICES = 5


@drill(after=["einsum.output-shape"], levels=2)
def invalid(rng: Rng) -> Choose:
    """What a call does that may be broken."""
    case = rng.pick(CASES)(rng)
    call = case.call
    names = NAMES[: len(call.terms)]
    lines = [
        f"{name} = torch.zeros({', '.join(map(str, shape))})" for name, shape in zip(names, call.shapes, strict=True)
    ]
    claims = {case.right.choice.text: case.right}
    for claim in case.lures:
        if len(claims) < MOST_CHOICES:
            claims.setdefault(claim.choice.text, claim)
    return Choose(
        prompt="What does this do?",
        program="\n".join([*lines, f'out = torch.einsum("{spelled(call, arrow=True)}", {", ".join(names)})']),
        choices=[claim.choice for claim in claims.values()],
        right=case.right.choice.text,
        hints=[
            "Write each tensor's sizes under the letters of its term. Has each axis a letter, each letter one size?",
            (
                "Before the arrow a letter may stand any number of times, after it once, and only if it stood before. "
                "Of two sizes that differ, einsum stretches one that is 1, but not inside one tensor."
            ),
        ],
        why="Each term names every axis of its tensor. A letter has one size; where tensors differ in it, size 1 is "
        "broadcast silently, and anything else raises. A letter that stands twice in one term takes the diagonal of "
        "two axes of exactly one size. After the arrow each letter stands once, and is one of those before it, in any "
        "order.",
        wrong=[Wrong(claim.id, text, claim.because) for text, claim in claims.items() if claim is not case.right],
    )
