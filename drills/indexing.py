"""Reading and writing chosen entries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill


def shown(axes: str) -> str:
    return f"({axes.replace(' ', ', ')})"


def aligned(name: str, axes: str, target: str) -> str:
    """The tensor, indexed with None so that it broadcasts against the target: `pad[:, None]`."""
    if target.endswith(axes):
        return name
    own, whole = axes.split(), target.split()
    index = [":" if axis in own else "None" for axis in whole[whole.index(own[0]) :]]
    while index[-1] == ":":
        index.pop()
    return f"{name}[{', '.join(index)}]"


# --- where


def elsewhere(mask: "Mask", index: str) -> str:
    """The mask with its None in another place than in that index, where there is another."""
    if index != f"{mask.name}[:, None]":
        return f"{mask.name}[:, None]"
    return f"{mask.name}[..., None]" if " " in mask.axes else index


@dataclass(frozen=True)
class Mask:
    """Booleans: True where an entry stays (`keep`), or True where it is replaced."""

    name: str
    axes: str
    keep: bool
    means: str


@dataclass(frozen=True)
class Scene:
    """A tensor, masks over some of its axes, and what may take an entry's place: a number, or a tensor and its axes."""

    tensor: Tensor
    masks: Sequence[Mask]
    fills: Sequence[tuple[str, str | None]]

    @property
    def axes(self) -> str:
        return " ".join(self.tensor.axes)


KEEP, DROP = True, False
INF = 'float("-inf")'
SCENES = (
    Scene(
        Tensor("scores", ("batch", "query", "key")),
        (
            Mask("real", "batch key", KEEP, "the key is a real token"),
            Mask("pad", "batch key", DROP, "the key is padding"),
            Mask("allowed", "query key", KEEP, "the query may see the key"),
            Mask("hidden", "query key", DROP, "the query must not see the key"),
            Mask("empty", "batch query", DROP, "the query is no token"),
            Mask("blocked", "batch query key", DROP, "the pair is blocked"),
        ),
        ((INF, None), (INF, None), ("-10000", None)),
    ),
    Scene(
        Tensor("acts", ("batch", "seq", "d_model")),
        (
            Mask("patched", "batch seq", DROP, "the position is to be patched"),
            Mask("ablated", "d_model", DROP, "the direction is to be ablated"),
            Mask("frozen", "batch", KEEP, "the example is to stay as it is"),
            Mask("noisy", "batch seq d_model", DROP, "the entry is noise"),
            Mask("prompt", "seq", KEEP, "the position belongs to the prompt"),
        ),
        (
            ("0", None),
            ("clean", "batch seq d_model"),
            ("mean", "d_model"),
            ("average", "batch d_model"),
            ("level", "batch"),
        ),
    ),
    Scene(
        Tensor("latents", ("token", "latent")),
        (
            Mask("dead", "latent", DROP, "the latent is dead"),
            Mask("alive", "latent", KEEP, "the latent is alive"),
            Mask("special", "token", DROP, "the token is a special one"),
            Mask("content", "token", KEEP, "the token is content"),
            Mask("active", "token latent", KEEP, "the latent is among the token's largest"),
        ),
        (("0", None), ("-1", None), ("mean", "latent"), ("floor", "token"), ("reference", "token latent")),
    ),
    Scene(
        Tensor("images", ("batch", "channel", "row", "column")),
        (
            Mask("hole", "batch row column", DROP, "the pixel is missing"),
            Mask("visible", "row column", KEEP, "the pixel is inside the lens"),
            Mask("broken", "batch channel", DROP, "the channel of that image is broken"),
            Mask("used", "channel", KEEP, "the channel is in use"),
            Mask("dark", "batch", DROP, "the image is too dark"),
        ),
        (("0", None), ("background", "channel"), ("blurred", "batch channel row column"), ("grey", "batch row column")),
    ),
    Scene(
        Tensor("labels", ("batch", "seq"), "index:vocab"),
        (
            Mask("real", "batch seq", KEEP, "the token counts in the loss"),
            Mask("pad", "batch seq", DROP, "the token is padding"),
            Mask("prompt", "seq", DROP, "the position belongs to the prompt"),
            Mask("skipped", "batch", DROP, "the example is to be skipped"),
        ),
        (("-100", None),),
    ),
    Scene(
        Tensor("logits", ("batch", "vocab")),
        (
            Mask("banned", "vocab", DROP, "the token is banned"),
            Mask("legal", "batch vocab", KEEP, "the token is a legal move"),
            Mask("ended", "batch", DROP, "the sequence has ended"),
            Mask("running", "batch", KEEP, "the sequence is still running"),
        ),
        ((INF, None), ("-1000", None), ("prior", "vocab"), ("lowest", "batch")),
    ),
    Scene(
        Tensor("gates", ("token", "expert")),
        (
            Mask("full", "token expert", DROP, "the expert has no room left for the token"),
            Mask("chosen", "token expert", KEEP, "the token is routed to the expert"),
            Mask("disabled", "expert", DROP, "the expert is switched off"),
            Mask("online", "expert", KEEP, "the expert is switched on"),
            Mask("filler", "token", DROP, "the token is filler"),
        ),
        (("0", None), (INF, None), ("prior", "expert"), ("floor", "token"), ("uniform", "token expert")),
    ),
    Scene(
        Tensor("pattern", ("head", "query", "key")),
        (
            Mask("pruned", "head", DROP, "the head is pruned"),
            Mask("causal", "query key", KEEP, "the key does not come after the query"),
            Mask("sink", "key", DROP, "the key is an attention sink"),
            Mask("probed", "head query", DROP, "the query is probed in that head"),
        ),
        (("0", None), ("0", None), ("uniform", "query key"), ("clean", "head query key"), ("share", "head query")),
    ),
    Scene(
        Tensor("sales", ("day", "shop")),
        (
            Mask("trading", "day shop", KEEP, "the shop was open that day"),
            Mask("closed", "shop", DROP, "the shop has closed down"),
            Mask("holiday", "day", DROP, "the day was a holiday"),
            Mask("counted", "day", KEEP, "the day's figures were counted"),
        ),
        (("0", None), ("-1", None), ("usual", "shop"), ("average", "day"), ("forecast", "day shop")),
    ),
)


@dataclass(frozen=True)
class Choice:
    """A tensor whose entries stay where all masks say so; elsewhere a fill takes their place."""

    scene: Scene
    masks: tuple[Mask, ...]
    fill: str
    fill_axes: str | None

    @property
    def tensors(self) -> list[Tensor]:
        masks = [Tensor(mask.name, tuple(mask.axes.split()), "mask") for mask in self.masks]
        fills = [Tensor(self.fill, tuple(self.fill_axes.split()))] if self.fill_axes else []
        return [self.scene.tensor, *masks, *fills]

    @property
    def put(self) -> str:
        return aligned(self.fill, self.fill_axes, self.scene.axes) if self.fill_axes else self.fill

    def index(self, mask: Mask) -> str:
        return aligned(mask.name, mask.axes, self.scene.axes)

    @property
    def keeps(self) -> str:
        """The condition under which an entry stays."""
        return " & ".join([("" if mask.keep else "~") + self.index(mask) for mask in self.masks])

    @property
    def drops(self) -> str:
        """The condition under which it is replaced."""
        return " | ".join([("~" if mask.keep else "") + self.index(mask) for mask in self.masks])

    @property
    def expression(self) -> str:
        return (
            self.where(self.index(self.masks[0]), keep=self.masks[0].keep)
            if len(self.masks) == 1
            else (self.where(self.keeps))
        )

    def where(self, condition: str, *, keep: bool = True, put: str = "") -> str:
        x, put = self.scene.tensor.name, put or self.put
        return f"torch.where({condition}, {x}, {put})" if keep else f"torch.where({condition}, {put}, {x})"

    def mistakes(self) -> Iterator[Wrong]:
        x, fill = self.scene.tensor.name, "-inf" if self.fill == INF else self.fill
        mask = self.masks[0]
        if len(self.masks) == 1:
            condition, keep = self.index(mask), mask.keep
            truth = "stays" if keep else "is replaced"
            yield Wrong(
                "inverted-mask",
                self.where(condition, keep=not keep),
                f"The mask is the wrong way round: where `{mask.name}` is True, the entry {truth}.",
            )
            if condition != mask.name:
                yield Wrong(
                    "mask-misaligned",
                    self.where(mask.name, keep=keep),
                    f"`{mask.name}` lines up with the last axes of `{x}`, but its axes are {shown(mask.axes)}: "
                    "broadcasting aligns from the right. Give it the missing axes with None.",
                )
                if (misplaced := elsewhere(mask, condition)) != condition:
                    yield Wrong(
                        "none-misplaced",
                        self.where(misplaced, keep=keep),
                        f"The None is not where `{mask.name}` lacks an axis: it has {shown(mask.axes)}, `{x}` has "
                        f"{shown(self.scene.axes)}.",
                    )
            if self.scene.axes.startswith(mask.axes):
                yield Wrong(
                    "selected",
                    f"{x}[{'' if keep else '~'}{mask.name}]",
                    f"Indexing with a mask picks out the entries and loses the shape. The result is as large as `{x}`.",
                )
        else:
            yield Wrong(
                "inverted-mask",
                self.where(self.drops),
                "You keep what is to be replaced, and replace what is to stay.",
            )
            yield Wrong(
                "either-for-both",
                self.where(self.keeps.replace("&", "|")),
                "An entry stays only where both conditions hold; you keep it where one of them does.",
            )
            for one, other in self.masks, self.masks[::-1]:
                sign = "" if one.keep else "~"
                yield Wrong(
                    "one-mask-forgotten",
                    self.where(sign + self.index(one)),
                    f"`{other.name}` has no say in your result.",
                )
                turned = f"{sign}{self.index(one)} & {'~' if other.keep else ''}{self.index(other)}"
                yield Wrong(
                    "one-mask-inverted",
                    self.where(turned),
                    f"`{other.name}` is the wrong way round: where it is True, the entry "
                    f"{'may stay' if other.keep else 'is replaced'}.",
                )
        if self.fill != "0":
            wanted = f"the entry of `{fill}`" if self.fill_axes else fill
            yield Wrong("zeroed", f"{x} * ({self.keeps})", f"Multiplying by a mask puts 0 there; {wanted} is wanted.")
        if self.fill_axes and self.put != self.fill:
            keep, condition = (mask.keep, self.index(mask)) if len(self.masks) == 1 else (True, self.keeps)
            yield Wrong(
                "fill-misaligned",
                self.where(condition, keep=keep, put=self.fill),
                f"`{self.fill}` lines up with the last axes of `{x}`, but its axes are {shown(self.fill_axes)}. "
                "Give it the missing axes with None.",
            )
        changed = f"{x}.copy_({self.expression})" if self.fill_axes else f"{x}.masked_fill_({self.drops}, {self.fill})"
        yield Wrong("in-place", changed, f"That writes into `{x}` itself. A new tensor is wanted.")


def choice(rng: Rng, *, broadcasts: bool) -> Choice:
    """One mask and one fill that broadcast by themselves, or at least one that must be given axes."""
    scene = rng.pick(SCENES)
    free = [
        (mask, fill)
        for mask in scene.masks
        for fill in scene.fills
        if (scene.axes.endswith(mask.axes) and scene.axes.endswith(fill[1] or "")) is broadcasts
    ]
    mask, (fill, fill_axes) = rng.pick(free)
    return Choice(scene, (mask,), fill, fill_axes)


def two_masks(rng: Rng) -> Choice:
    """Two masks over different axes, so that all four combinations of True and False occur."""
    scene = rng.pick(SCENES)
    pairs = [
        rng.shuffled(pair)
        for pair in combinations(scene.masks, 2)
        if not set(pair[0].axes.split()) & set(pair[1].axes.split())
    ]
    one, other = rng.pick(pairs or [rng.shuffled([scene.masks[i], scene.masks[j]]) for i in (0, 1) for j in (2, 3)])
    fill, fill_axes = rng.pick(scene.fills)
    return Choice(scene, (one, other), fill, fill_axes)


def put(told: Choice) -> str:
    """What takes an entry's place, in words."""
    if told.fill_axes:
        return f"the entry of `{told.fill}`"
    return "-inf" if told.fill == INF else told.fill


def named(told: Choice) -> str:
    """Level 1: which truth value does what."""
    [mask], x = told.masks, told.scene.tensor.name
    lines = [f"`{x}` has the axes {shown(told.scene.axes)}, the booleans `{mask.name}` have {shown(mask.axes)}."]
    if told.fill_axes:
        lines[0] = lines[0][:-1] + f", `{told.fill}` has {shown(told.fill_axes)}."
    lines.append(f"Return `{x}` with {put(told)} wherever `{mask.name}` is {not mask.keep}, and unchanged elsewhere.")
    return "\n\n".join(lines)


def in_words(told: Choice) -> str:
    """What a mask is about; which truth value does what is for the learner to see."""
    x = told.scene.tensor.name
    lines = [f"`{x}` is stored {shown(told.scene.axes)}."]
    lines += [f"`{mask.name}` is stored {shown(mask.axes)}, and True where {mask.means}." for mask in told.masks]
    if told.fill_axes:
        lines.append(f"`{told.fill}` is stored {shown(told.fill_axes)}.")
    (stays, goes) = ([m.means for m in told.masks if m.keep], [m.means for m in told.masks if not m.keep])
    if len(told.masks) == 1:
        wanted = (
            f"Return `{x}` as it is where {stays[0]}, and {put(told)} everywhere else."
            if stays
            else f"Return `{x}` with {put(told)} where {goes[0]}, and as it is everywhere else."
        )
    elif not goes:
        wanted = f"An entry stays only where {stays[0]} and {stays[1]}. All others become {put(told)}."
    elif not stays:
        wanted = f"An entry becomes {put(told)} where {goes[0]}, and also where {goes[1]}. All others stay."
    else:
        wanted = f"An entry stays only where {stays[0]}, and not where {goes[0]}. All others become {put(told)}."
    return "\n".join(lines) + f"\n\n{wanted}"


def as_loop(told: Choice) -> str:
    """A loop over all entries that does it."""
    x, axes = told.scene.tensor.name, told.scene.axes.split()
    letter = dict(zip(axes, "ijkl", strict=False))

    def at(name: str, axes: str) -> str:
        return f"{name}[{', '.join([letter[axis] for axis in axes.split()])}]"

    [mask] = told.masks
    value = at(told.fill, told.fill_axes) if told.fill_axes else told.fill
    return (
        f"out = {x}.clone()\n"
        f"for {', '.join(letter.values())} in np.ndindex(*{x}.shape):\n"
        f"    if {'not ' if mask.keep else ''}{at(mask.name, mask.axes)}:\n"
        f"        {at(x, told.scene.axes)} = {value}"
    ).replace(f"        {x}[", "        out[")


ALIGN = (
    "Broadcasting lines axes up from the right. Where a tensor lacks an axis further left or in the middle, index it "
    "with None there."
)
CHOOSE = "torch.where(condition, a, b) takes from a where the condition is True, from b elsewhere. ~ turns a mask over."


def puzzle(told: Choice, prompt: str, code: str = "", size: int = 0) -> WriteExpression:
    misaligned = told.put != told.fill or any(told.index(mask) != mask.name for mask in told.masks)
    tensors = told.tensors
    sizes: dict[str, int | str] = {axis: size for t in tensors for axis in t.axes} if size else {}
    return WriteExpression(
        prompt=prompt,
        tensors=tensors,
        output=told.scene.tensor.axes,
        reference_expression=told.expression,
        sizes=sizes,
        code=code,
        hints=[
            "Which entries stay? Is the mask True for them, or for the others?",
            ALIGN if misaligned else CHOOSE,
        ],
        why="torch.where(condition, a, b) chooses entry by entry: a where the condition is True, else b. "
        "x.masked_fill(mask, value) writes the value where the mask is True. All of them broadcast, from the right. "
        "Masks come in two conventions, True for what stays and True for what goes; ~ turns one into the other, & "
        "and | join two.",
        wrong=list(told.mistakes()),
    )


# Where only the first `lengths` positions of a row are real, or only the last ones: the condition, and its slips.
SIDES = {
    "first": (
        "{at} < lengths[:, None]", "{at} <= lengths[:, None]", "{at} >= lengths[:, None]",
        "{at}[:, None] < lengths",
    ),
    "last": (
        "{at} >= {n} - lengths[:, None]", "{at} >= {n} - 1 - lengths[:, None]", "{at} < {n} - lengths[:, None]",
        "{at}[:, None] >= {n} - lengths",
    ),
}  # fmt: skip
ROWS = (
    (Tensor("x", ("batch", "seq")), ("0", "-1", INF)),
    (Tensor("log_probs", ("batch", "seq")), ("0", INF)),
    (Tensor("rewards", ("env", "step")), ("0", "-1")),
    (Tensor("labels", ("batch", "seq"), "index:vocab"), ("-100",)),
    (Tensor("acts", ("batch", "seq", "d_model")), ("0",)),
    (Tensor("scores", ("batch", "query", "key")), (INF,)),
)


def by_length(rng: Rng) -> WriteExpression:
    """No mask is given: positions are compared with lengths."""
    tensor, fills = rng.pick(ROWS)
    fill, side = rng.pick(fills), rng.pick(tuple(SIDES))
    x, axes, rows = tensor.name, list(tensor.axes), tensor.axes[0]
    along = rng.pick(axes[1:])
    size = f"{x}.shape[{axes.index(along)}]"
    conditions = [text.format(at=f"torch.arange({size})", n=size) for text in SIDES[side]]
    if len(axes) > 2:  # noqa: PLR2004 -- a third axis, before or after the positions
        conditions = [f"({text})[{':, None' if along == axes[2] else ':, :, None'}]" for text in conditions]
    right, boundary, inverted, wrong_axis = (f"torch.where({text}, {x}, {fill})" for text in conditions)
    row = {"batch": "sequence", "env": "environment"}[rows]
    shown_fill = "-inf" if fill == INF else fill
    wrong = [
        Wrong("off-by-one", boundary,
             "You keep one position too many: positions count from 0, so the first n of them end at n - 1, and the "
             "last n of N begin at N - n."),
        Wrong("inverted-mask", inverted, "You keep the padding, and replace what is real."),
        Wrong("mask-misaligned", wrong_axis, f"Your comparison has the axes ({along}, {rows}): each position is "
              f"judged by the length of another row. Positions run along {along}, lengths along {rows}."),
    ]  # fmt: skip
    if fill != "0":
        zeroed = f"{x} * ({conditions[0]})"
        wrong.append(Wrong("zeroed", zeroed, f"Multiplying by a mask puts 0 there; {shown_fill} is wanted."))
    return WriteExpression(
        prompt=f"`{x}` is stored {shown(' '.join(axes))}. `lengths`, stored ({rows}), holds a whole number n for each "
        f"{row}, 0 or more and less than the size of {along}.\n\nOf each {row}, only the {side} n positions along "
        f"{along} are real. Return `{x}` with {shown_fill} at all others.",
        tensors=[tensor, Tensor("lengths", (rows,), f"index:{along}")],
        output=tensor.axes,
        reference_expression=right,
        hints=[
            "Number the positions with torch.arange, and compare each with each row's length.",
            (
                "A comparison broadcasts too: positions as the last axis, lengths as a column, `lengths[:, None]`. "
                "Then give the mask the axes that it still lacks."
            ),
        ],
        why="A mask is often a comparison of positions with a number for each row: torch.arange(size) against a "
        "column. Positions start at 0, so the first n of them are those below n.",
        wrong=wrong,
    )


@drill(levels=3, arena="0.1", structures=(6, 30, 120))
def where(rng: Rng) -> WriteExpression:
    """Keep some entries, replace the others."""
    if rng.level == 1:
        told = choice(rng, broadcasts=True)
        return puzzle(told, named(told))
    if rng.level == 2:  # noqa: PLR2004 -- the middle level
        told = choice(rng, broadcasts=False)
        if rng.chance(0.6):
            return puzzle(told, in_words(told))
        return puzzle(told, "Write what `out` holds after this loop as one expression without a loop.", as_loop(told))
    if rng.chance(0.3):
        return by_length(rng)
    if rng.chance(0.6):
        told = two_masks(rng)
        return puzzle(told, in_words(told))
    told, size = choice(rng, broadcasts=False), rng.integer(3, 5)
    return puzzle(told, f"{in_words(told)}\n\nEvery axis has size {size}, so a wrong answer runs as well.", size=size)
