"""Products of several tensors, in batches and in chains."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, Mistake, axes_of, having, listed, loop_nest

TOP = 3  # the highest level


def at(net: Contraction, axis: str) -> str:
    """Where an axis stands, for one who sees no letters."""
    i = net.owners(axis)[0]
    return f"axis {net.operands[i].index(axis)} of `{net.names[i]}`"


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
         "the dot product of their two vectors.",
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
         "each item, by the dot product of their two vectors.",
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
    Task("s R o", ("pair from", "relation from to", "pair to"), "pair relation",
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
         "with its weights in `pattern`; it goes through the head's own matrix in `W_O`. The heads are added up.",
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
        if mistakes is three_mistakes and it.net.summed and 0 < len(it.net.output) < TOP and rng.chance():
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


@drill(after=["einsum.matmul"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(250, 350, 550))
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


@drill(after=["einsum.batched-matmul"], levels=3, arena="0.0", structures=(250, 500, 450))
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


@drill(after=["einsum.bilinear"], levels=3, arena="0.0", structures=(250, 350, 500))
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
