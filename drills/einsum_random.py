"""Arbitrary contractions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteEinsum, drill
from tensordrill.building.contraction import Contraction, having, listed, loop_nest


def swap(axes: Sequence[str], a: str, b: str) -> list[str]:
    return [{a: b, b: a}.get(axis, axis) for axis in axes]


@dataclass(frozen=True)
class Scene:
    """What the numbers are about: axes with their plurals, and one kind of thing that has two sides."""

    topic: str
    nouns: Mapping[str, str]
    thing: str
    things: str
    sides: tuple[str, str]


SCENES = (
    Scene("A log of flights", {"airline": "airlines", "month": "months", "cabin": "cabins", "aircraft": "aircraft"},
          "city", "cities", ("origin", "destination")),
    Scene("Attention patterns", {"prompt": "prompts", "layer": "layers", "head": "heads", "seed": "seeds"},
          "token", "tokens", ("query", "key")),
    Scene("A recommender", {"movie": "movies", "genre": "genres", "week": "weeks", "rating": "ratings"},
          "user", "users", ("follower", "author")),
    Scene("A batch of images", {"image": "images", "row": "rows", "column": "columns", "filter": "filters"},
          "channel", "channels", ("input channel", "output channel")),
    Scene("A mixture of experts", {"batch": "batches", "place": "places", "feature": "features", "layer": "layers"},
          "expert", "experts", ("first choice", "second choice")),
    Scene("Sparse autoencoders", {"prompt": "prompts", "neuron": "neurons", "run": "runs", "layer": "layers"},
          "latent", "latents", ("encoder latent", "decoder latent")),
    Scene("A school", {"question": "questions", "term": "terms", "subject": "subjects", "room": "rooms"},
          "student", "students", ("tutor", "pupil")),
    Scene("Weather stations", {"hour": "hours", "sensor": "sensors", "season": "seasons", "model": "models"},
          "station", "stations", ("sender", "receiver")),
    Scene("A graph network", {"graph": "graphs", "relation": "relations", "feature": "features", "step": "steps"},
          "node", "nodes", ("tail", "head")),
    Scene("A hyperparameter sweep", {"seed": "seeds", "epoch": "epochs", "metric": "metrics", "dataset": "datasets"},
          "optimizer", "optimizers", ("old optimizer", "new optimizer")),
)  # fmt: skip
NAMES = ("ABC", "PQR", "UVW", "xyz", "abc")
# What the scene's thing does: nothing special; stands twice in a tensor; two tensors' are paired each with each.
PLAIN, DIAGONAL, TWIN = range(3)
MAX_RANK = 4


@dataclass(frozen=True)
class Story:
    """A contraction and what its axes are called."""

    net: Contraction
    scene: Scene
    says: Mapping[str, str]
    plurals: Mapping[str, str]
    twins: tuple[str, str] | None = None

    def say(self, axis: str) -> str:
        return self.says.get(axis, axis)

    def held(self, operand: Sequence[str]) -> str:
        """The axes of an operand in words: `origin, destination and month`."""
        sides = iter(self.scene.sides)
        twice = operand.count(self.scene.thing) > 1
        words = [next(sides) if twice and axis == self.scene.thing else axis for axis in operand]
        return listed([self.scene.thing if self.twins and axis in self.twins else axis for axis in words])


def story(rng: Rng, operands: int, labels: int, mode: int) -> Story:
    """A contraction of so many operands over at most so many axes, and not many fewer."""
    scene = rng.pick(SCENES)
    while True:
        net = twin(rng, scene, operands, labels) if mode == TWIN else contraction(rng, scene, operands, labels, mode)
        if len(net.axes) > min(rng.level, labels - 1) and sound(net):
            break
    plurals = {**scene.nouns, scene.thing: scene.things}
    if mode != TWIN:
        return Story(net, scene, {}, plurals)
    first, second = net.names[:2]
    one, other = twins(scene, first, second)
    says = {one: f"{scene.thing} of `{first}`", other: f"{scene.thing} of `{second}`"}
    if first == second:
        says = {one: one, other: f"other {one}"}
    return Story(net, scene, says, plurals, (one, other))


def twins(scene: Scene, first: str, second: str) -> tuple[str, str]:
    """What the axes of the scene's thing are called in two tensors, or in one tensor that is used twice."""
    if first == second:
        return scene.thing, f"other_{scene.thing}"
    return f"{scene.thing}_{first}", f"{scene.thing}_{second}"


def contraction(rng: Rng, scene: Scene, operands: int, labels: int, mode: int) -> Contraction:
    pool = rng.sample((*scene.nouns, scene.thing), labels)
    most = min(MAX_RANK, labels)
    terms = [rng.sample(pool, rng.integer(1 if operands > 1 else most - 1, most)) for _ in range(operands)]
    if mode == DIAGONAL:
        i = rng.integer(0, operands - 1)
        rest = [axis for axis in terms[i] if axis != scene.thing][: MAX_RANK - 2]
        terms[i] = rng.shuffled([*rest, scene.thing, scene.thing])
    return with_result(rng, rng.pick(NAMES)[:operands], terms, [])


def twin(rng: Rng, scene: Scene, operands: int, labels: int) -> Contraction:
    """Two tensors over the same kind of thing, or one with itself, whose things are paired each with each."""
    pool = rng.sample(tuple(scene.nouns), labels - 2)
    names = rng.pick(NAMES)[:operands]
    if alone := rng.chance(0.4):
        names = names[0] * 2 + names[1 : operands - 1]
    one, other = twins(scene, names[0], names[1])
    first = rng.shuffled([one, *rng.sample(pool, rng.integer(1, min(MAX_RANK - 1, len(pool))))])
    if alone:
        second = [other if axis == one else axis for axis in first]
    else:
        second = rng.shuffled([other, *rng.sample(pool, rng.integer(1, min(MAX_RANK - 1, len(pool))))])
    rest = [rng.sample(pool, rng.integer(1, len(pool))) for _ in range(operands - 2)]
    net = with_result(rng, names, [first, second, *rest], [one, other])
    if names[0] != names[1] or net.output.index(one) < net.output.index(other):
        return net
    return Contraction(net.names, net.operands, tuple(swap(net.output, one, other)))  # symmetric: the plain one first


def with_result(rng: Rng, names: Sequence[str], terms: Sequence[Sequence[str]], keep: Sequence[str]) -> Contraction:
    """The operands with some of their axes as the result, those of `keep` among them."""
    axes = [axis for axis in dict.fromkeys(axis for term in terms for axis in term) if axis not in keep]
    most = min(len(axes), MAX_RANK - len(keep)) - rng.chance(0.8)
    count = max(0, rng.integer(0, most), rng.integer(0, most))  # a single number is the least interesting result
    return Contraction(tuple(names), tuple(map(tuple, terms)), tuple(rng.shuffled([*keep, *rng.sample(axes, count)])))


def sound(net: Contraction) -> bool:
    """Whether there is something to work out, and every operand has to do with the rest."""
    if len(net.operands) == 1:
        return bool(net.summed) or len(net.axes) < len(net.operands[0])
    return all(any(axis in net.output or len(net.owners(axis)) > 1 for axis in operand) for operand in net.operands)


def named(rng: Rng, told: Story) -> str:
    """Level 1: every axis by name."""
    net = told.net
    tensors = [f"`{name}` has {having(axes)}" for name, axes in zip(net.names, net.operands, strict=True)]
    matched = any(len(net.owners(axis)) > 1 for axis in net.axes)
    product = "Multiply them, matching axes by name" if matched else "Multiply every entry with every entry"
    if len(net.operands) == 1:
        product = "Take its entries"
    if not net.output:
        asked = f"{product}, and add up everything: one number."
    elif not net.summed:
        asked = f"{product}. Nothing is summed. The result has {having(net.output)}."
    elif rng.chance():
        asked = f"{product}, and sum over {listed(net.summed)}. The result has {having(net.output)}."
    else:
        asked = f"{product}. The result has {having(net.output)}; every other axis is summed."
    if any(len(set(axes)) < len(axes) for axes in net.operands):
        asked += "\n\nAn axis named twice stands for its diagonal: only entries whose two indices are equal count."
    return f"{told.scene.topic}: {listed(tensors)}.\n\n{asked}"


def in_words(told: Story) -> str:
    """What is held, and what is wanted, in words."""
    net, thing = told.net, told.scene.thing
    held = dict(zip(net.names, net.operands, strict=True))
    tensors = [f"`{name}` one for each {told.held(axes)}" for name, axes in held.items()]
    tensors[0] = tensors[0].replace(" one ", " holds a number ", 1)
    lines = [f"{told.scene.topic}. {'; '.join(tensors)}. Axes are stored in the order named."]
    factors = " · ".join(f"`{name}`" for name in net.names)
    terms = f"the entries of {factors}" if len(net.names) == 1 else f"the products {factors}"
    if net.summed:
        terms = f"the sum, over all {listed([told.plurals[axis] for axis in net.summed])}, of {terms}"
    wanted = f"for each {listed([told.say(axis) for axis in net.output])}" if net.output else "as one number"
    lines.append(f"Wanted, {wanted}: {terms}.")
    for name, axes in held.items():
        if axes.count(thing) > 1:
            one, other = told.scene.sides
            lines.append(f"Of `{name}`, only entries whose {one} and {other} are the same {thing} count.")
    lines += multiplied(told)
    if len(net.output) > 1:
        lines.append(f"The result's axes, first to last: {', '.join(map(told.say, net.output))}.")
    return "\n\n".join(lines)


def multiplied(told: Story) -> Iterator[str]:
    """Which entries meet in a product."""
    net, thing = told.net, told.scene.thing
    shared = [axis for axis in net.axes if len(net.owners(axis)) > 1]
    if shared:
        yield f"Entries are multiplied where they agree in {listed(shared)}."
    elif len(net.names) > 1:
        yield "Every entry is multiplied with every entry."
        return
    if told.twins and net.names[0] == net.names[1]:
        yield f"Every {thing} meets every {thing}, itself too."
    elif told.twins:
        yield f"Every {thing} of `{net.names[0]}` meets every {thing} of `{net.names[1]}`."


def structure(rng: Rng) -> Story:
    """The contraction of that level: how many operands and axes it has."""
    if rng.level == 1:
        return story(rng, 1 if rng.chance(0.3) else 2, rng.integer(2, 4), DIAGONAL if rng.chance(0.3) else PLAIN)
    mode = rng.pick((PLAIN, PLAIN, DIAGONAL, TWIN, TWIN))
    if rng.level == 2:  # noqa: PLR2004 -- the middle level
        operands = 2 if mode == TWIN or rng.chance(0.8) else 1
        return story(rng, operands, rng.integer(3, 5), mode)
    return story(rng, 3 if rng.chance(0.65) else 2, rng.integer(4, 5), mode)


@drill(after=["einsum.three-operands"], levels=3, lesson="Einops and einsum", arena="0.0", structures=(450, 600, 850))
def random(rng: Rng) -> WriteEinsum:
    """An arbitrary contraction, told in words or as a loop."""
    told = structure(rng)
    net, code = told.net, ""
    say: Callable[[str], str] = told.say
    sizes: dict[str, int | str] = {}
    if rng.level == 1:
        prompt = named(rng, told)
    elif rng.level == 2 and told.twins is None and rng.chance():  # noqa: PLR2004 -- the middle level
        net, code = loop_nest(rng, net)
        say = str
        prompt = f"Write what this loop nest computes as one einsum of {listed([f'`{name}`' for name in net.names])}."
    else:
        prompt = in_words(told)
    if rng.level == 3 and len(net.operands) < 3:  # noqa: PLR2004 -- two operands are made hard by equal sizes
        size = rng.integer(3, 5)
        sizes.update(dict.fromkeys(net.axes, size))
        prompt += f"\n\nEvery axis has size {size}, so a wrong equation runs as well."
    return WriteEinsum(
        prompt=prompt,
        tensors=net.tensors,
        output=net.output,
        sizes=sizes,
        code=code,
        axes_told=rng.level > 1,
        hints=hints(net, say),
        why="In an einsum every index has one letter. Tensors that share a letter run along it together; a letter "
        "missing after the arrow is summed; one that stands twice in a tensor takes its diagonal; the letters after "
        "the arrow give the order of the result's axes.",
        wrong=net.wrong_turns(net.single_edits(say)),
    )


def hints(net: Contraction, say: Callable[[str], str]) -> list[str]:
    summed = (
        f"Summed, so missing after the arrow: {listed([say(a) for a in net.summed])}."
        if net.summed
        else "Nothing is summed: every letter stands after the arrow."
    )
    return [f"You need {len(net.axes)} letters: one for each index that runs on its own.", summed]
