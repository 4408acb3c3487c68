"""Images cut into patches and put together again, and blocks of pixels folded into channels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tensordrill.authoring import Rng, WritePattern, drill
from tensordrill.building.contraction import axes_of
from tensordrill.building.patterns import Pattern, Side, Variant, code_question, fastest_first, fenced, names_in
from tensordrill.building.variants import bracket_variants, input_variants, order_variants, silent, tile_variants

SECOND = 2  # the middle level
FIXED = {"batch": 2, "channel": 3, "t": 3, "frame": 4}  # tensors stay small


# --- what is cut, and into what


class Scene(NamedTuple):
    """Pictures and the pieces that they are cut into. Of all that has several forms, one is drawn.

    `made` says of which names an axis is made, slowest first; `sizes` are those of a piece.
    """

    pieces: str
    layouts: Sequence[str]
    results: Sequence[str]
    made: Mapping[str, Sequence[str]]
    sizes: Mapping[str, Sequence[int]]
    picture: str = "image"
    cut: str = "patches"
    story: str = ""

    def drawn(self, rng: Rng) -> Pattern:
        layout, result = rng.pick(self.layouts), rng.pick(self.results)
        made = {name: rng.pick(orders) for name, orders in self.made.items()}
        given = {name: rng.pick(sizes) for name, sizes in self.sizes.items()}
        tensor = self.picture + "s" * ("batch" in layout)
        return Pattern.named(layout, result, made, given=given, fixed=FIXED, tensor=tensor)

    def told(self, there: Pattern, task: Pattern, tell: Callable[[Pattern, Side], str]) -> str:
        """What is to be done; `tell` says how axes are laid out."""
        which = "each" if there.tensor.endswith("s") else "the"
        pieces = self.pieces.format(**there.given)
        plane = ("height", "width", "frames")  # how these are made is for the learner to see
        orders = tell(task, tuple([axis for axis, name in there.merged.items() if name not in plane]))
        if task is there:
            text = (
                f"`{task.tensor}` has the axes {axes_of(task.stored)}. Cut {which} {self.picture} into {pieces}.\n\n"
                f"The result has the axes {axes_of(task.wanted)}. {orders}"
            )
        else:
            text = (
                f"{which.capitalize()} {self.picture} was cut into {pieces}. So came `{task.tensor}`, with the axes "
                f"{axes_of(task.stored)}. {orders}"
            ).rstrip() + f"\n\nPut the {there.tensor} together again, with the axes {axes_of(task.wanted)}."
        return f"{self.story} {text}".strip()


BATCHES = ("batch channel height width", "batch height width channel")
SINGLE = ("channel height width", "height width channel")
PLANE = {"height": ("h p1",), "width": ("w p2",)}
GRID = {"patch": ("h w", "h w", "w h"), "patches": ("batch h w", "batch h w", "batch w h")}
COLOUR = ("p1 p2 channel", "channel p1 p2", "p2 p1 channel", "channel p2 p1")
SIZES = {"p1": (2, 3, 4), "p2": (2, 3)}
OF = "of {p1} by {p2} neighbouring pixels, `p1` down and `p2` across. They make a grid, `h` down and `w` across"

PATCHES = Scene(
    f"patches {OF}",
    BATCHES,
    (
        "batch patch value", "patch batch value", "batch patch p1 p2 channel", "batch patch channel p1 p2",
        "batch h w value", "batch w h value", "patches p1 p2 channel", "patches channel p1 p2",
    ),
    {**PLANE, **GRID, "value": COLOUR},
    SIZES,
)  # fmt: skip
PATCH_SCENES = (
    PATCHES,
    PATCHES,
    PATCHES._replace(
        layouts=SINGLE,
        results=("patch value", "patch p1 p2 channel", "patch channel p1 p2", "h w value", "w h value"),
    ),
    PATCHES._replace(
        layouts=("batch height width",),
        results=("batch patch value", "patch batch value", "batch patch p1 p2", "batch h w value", "patches p1 p2"),
        made={**PLANE, **GRID, "value": ("p1 p2", "p2 p1")},
    ),
)
VIDEO = Scene(
    "tubelets of {pt} by {p1} by {p2} neighbours: `pt` frames, `p1` pixels down and `p2` across. They make a grid, `t` "
    "in time, `h` down and `w` across",
    ("batch channel frames height width", "batch frames height width channel", "batch frames channel height width"),
    ("batch tubelet value", "tubelet batch value", "batch t patch value", "step patch value"),
    {
        **PLANE,
        **GRID,
        "frames": ("t pt",),
        "tubelet": ("t h w", "h w t", "t w h"),
        "step": ("batch t",),
        "value": ("pt p1 p2 channel", "channel pt p1 p2", "p1 p2 pt channel", "channel p1 p2 pt"),
    },
    {"pt": (2,), "p1": (2, 3), "p2": (2,)},
    "clip",
)
WINDOWS = Scene(
    "windows, `h` down and `w` across. A window is a block of {g1} by {g2} patches, `g1` down and `g2` across; a patch "
    "is a block of {p1} by {p2} pixels, `p1` down and `p2` across",
    BATCHES,
    ("batch window patch value", "windows patch value", "window batch patch value"),
    {
        "height": ("h g1 p1",),
        "width": ("w g2 p2",),
        "window": ("h w", "w h"),
        "windows": ("batch h w", "batch w h"),
        "patch": ("g1 g2", "g2 g1"),
        "value": COLOUR,
    },
    {"g1": (2,), "g2": (2, 3), "p1": (2, 3), "p2": (2,)},
)

BLOCK = Scene(
    f"blocks {OF}",
    BATCHES,
    ("batch depth h w", "batch h w depth", "depth batch h w"),
    {**PLANE, "depth": COLOUR},
    SIZES,
    cut="blocks",
)
BLOCK_SCENES = (BLOCK, BLOCK, BLOCK._replace(layouts=SINGLE, results=("depth h w", "h w depth")))
FOLD_SCENES = (
    BLOCK._replace(
        story="A dilated convolution is done as a plain one: space goes into the batch.",
        results=("new_batch channel h w", "new_batch h w channel"),
        made={**PLANE, "new_batch": ("p1 p2 batch", "batch p1 p2", "p2 p1 batch", "batch p2 p1")},
    ),
    BLOCK._replace(
        story="Patch merging: each token stands for a pixel, and every block of tokens becomes one.",
        layouts=("batch token channel", "token batch channel"),
        results=("batch merged depth", "merged batch depth"),
        made={"token": ("h p1 w p2", "w p2 h p1"), "merged": ("h w", "w h"), "depth": COLOUR},
        sizes={"h": (3, 4, 5), **SIZES},
    ),
    BLOCK._replace(
        story="A network takes the frames of clips with space folded into depth.",
        picture="clip",
        layouts=("batch frame channel height width", "batch frame height width channel"),
        results=("image depth h w", "image h w depth", "batch frame h w depth", "batch place depth"),
        made={**PLANE, "image": ("batch frame", "frame batch"), "place": ("frame h w", "h w frame"), "depth": COLOUR},
    ),
)
IN_WORDS = {  # how an axis goes through what it is made of
    "h w": "along the rows of the grid, the top row first",
    "w h": "down the columns of the grid, the left column first",
    "batch h w": "through the first image, along the rows of its grid, then through the second, and so on",
    "batch w h": "through the first image, down the columns of its grid, then through the second, and so on",
    "p1 p2": "pixel by pixel, row after row",
    "p2 p1": "pixel by pixel, column after column",
    "p1 p2 channel": "pixel by pixel, row after row; the channels of a pixel stand together",
    "p2 p1 channel": "pixel by pixel, column after column; the channels of a pixel stand together",
    "channel p1 p2": "channel by channel; in each, pixel by pixel, row after row",
    "channel p2 p1": "channel by channel; in each, pixel by pixel, column after column",
}


def in_words(it: Pattern, side: Side) -> str:
    return " ".join([f"`{it.merged[axis]}` goes {IN_WORDS[' '.join(axis)]}." for axis in side])


# --- puzzles

HINTS = (
    "As you go one pixel down in the image, which changes fastest: the place in the grid, or the place in the piece?",
    "On the images' side h goes with p1 and w with p2, the pixel's place last. In a bracket the slowest comes first.",
)
SQUARE = (
    "This runs, and the result is scrambled. Everything is square: `h`, `w`, `p1` and `p2` are all {size}, so nothing "
    "complains.\n\n{task}\n\nWrite the pattern that was meant."
)


def way(rng: Rng, there: Pattern, cut: str, *, back: bool) -> Pattern:
    """The task: the way there, or the way back, which must be told more sizes."""
    h, w = rng.distinct(2, 3, 6)
    sizes = {"h": h, "w": w, **there.fixed}
    del sizes["batch"], sizes["channel"]  # as people do it, these are left to einops
    return there.back(rng, sizes, cut) if back else there


def reshaped(task: Pattern) -> Iterator[Variant]:
    """What a plain reshape does, where a patch and its values are one axis each."""
    if task.wanted in (["batch", "patch", "value"], ["patch", "value"]):
        names = [name for name in names_in(task.left) if name != "batch"]
        at = names.index("p1") + 1
        yield Variant(
            "plain-reshape",
            task.left,
            (*task.right[:-2], tuple(names[:at]), tuple(names[at:])),
            "You only merge neighbours, as a plain reshape would. A patch needs p1 and p2 side by side, with h and w "
            "in front of both.",
        )


def posed(task: Pattern, prompt: str, why: str) -> WritePattern:
    mistakes = [*tile_variants(task), *reshaped(task), *bracket_variants(task), *order_variants(task)]
    return task.posed(prompt, [*mistakes, *input_variants(task)], HINTS, why)


def told(
    rng: Rng, scene: Scene, why: str, *, back: bool, tell: Callable[[Pattern, Side], str] = fastest_first
) -> WritePattern:
    there = scene.drawn(rng)
    task = way(rng, there, scene.cut, back=back)
    return posed(task, scene.told(there, task, tell), why)


def square(rng: Rng, scene: Scene, why: str, *, back: bool) -> WritePattern:
    """Where grid and pieces are square and of one size, a wrong pattern runs and gives the right shape."""
    size = rng.pick((2, 3))
    sides = dict.fromkeys(("p1", "p2", "h", "w"), size)
    there = replace(scene.drawn(rng), given={"p1": size, "p2": size}, fixed={**FIXED, **sides})
    task = way(rng, there, scene.cut, back=back)
    prompt = SQUARE.format(size=size, task=scene.told(there, task, in_words))
    wrong = rng.pick([turn for turn in tile_variants(task) if silent(task, turn.left, turn.right)])
    return replace(posed(task, prompt, why), code=task.call(wrong.left, wrong.right))


def from_code(rng: Rng, there: Pattern, code: str, cut: str, why: str, *, back: bool) -> WritePattern:
    """The pattern that does what the code does, or undoes it."""
    task = way(rng, there, cut, back=back)
    if back:
        made = f"This has made `{cut}` of `{there.tensor}`, which has the axes {axes_of(there.stored)}:"
        prompt = f"{fenced(made, code)}\n\nUndo it. `{cut}` has the axes {axes_of(there.wanted)}."
    else:
        prompt = f"{code_question(code, task)} `{cut}` has {axes_of(there.wanted)}."
    piece = "patch" if cut == "patches" else "block"
    cells = f"A {piece} is `p1` pixels high and `p2` wide; they make a grid of `h` rows and `w` columns."
    return posed(task, f"{prompt} {cells}", why)


# --- patches

PATCHIFY = (
    "Patches take both spatial axes apart, (h p1) and (w p2), and put the parts together in another order: grid with "
    "grid, pixel with pixel. A reshape alone merges neighbouring axes only, so it gives strips; between its two "
    "reshapes a permute is needed. The pattern writes all three at once."
)
UNPATCHIFY = (
    "Putting patches together is the pattern of cutting them, read from right to left: rearrange loses nothing, so "
    "its inverse exchanges the two sides. The way back needs more sizes, since the grid can no longer be told from "
    "the image's height and width."
)


def stacked(there: Pattern) -> str:
    """Torch code that cuts the patches one by one."""
    p1, p2 = there.given.values()
    slices = {"height": f"i:i + {p1}", "width": f"j:j + {p2}"}
    code = f"{there.tensor}[{', '.join([slices.get(axis, ':') for axis in there.stored])}]"
    held = [{"height": "p1", "width": "p2"}.get(axis, axis) for axis in there.stored]
    order = names_in(there.right)
    wanted = [name for name in order if name not in ("h", "w")]
    if wanted != held:
        code += f".permute{axes_of([str(held.index(name)) for name in wanted])}"
    if "value" in there.wanted:
        code += ".flatten(1)" if "batch" in held else ".flatten()"
    lines = [f"for i in range(0, height, {p1}):", f"for j in range(0, width, {p2}):"]
    outer, inner = lines if order.index("h") < order.index("w") else reversed(lines)
    return (
        f"patches = []\n{outer}\n    {inner}\n        patches.append({code})\n"
        f"patches = torch.stack(patches, dim={there.wanted.index('patch')})"
    )


def unfolded(rng: Rng) -> tuple[Pattern, str]:
    """What F.unfold does with patches that do not overlap, and a little more code."""
    layout, p1, p2 = rng.pick(BATCHES), rng.pick((2, 3, 4)), rng.pick((2, 3))
    wanted, then = rng.pick(
        (
            ("batch value patch", ""),
            ("batch patch value", ".mT"),
            ("patch batch value", ".permute(2, 0, 1)"),
            ("batch value h w", f".unflatten(2, (height // {p1}, -1))"),
            ("batch channel patch pixel", f".unflatten(1, (-1, {p1 * p2})).mT"),
            ("batch pixel channel patch", f".unflatten(1, (-1, {p1 * p2})).transpose(1, 2)"),
        )
    )
    made = {"height": "h p1", "width": "w p2", "patch": "h w", "value": "channel p1 p2", "pixel": "p1 p2"}
    there = Pattern.named(layout, wanted, made, given={"p1": p1, "p2": p2}, fixed=FIXED, tensor="images")
    images = "images.permute(0, 3, 1, 2)" if layout.endswith("channel") else "images"
    return there, f"patches = F.unfold({images}, ({p1}, {p2}), stride=({p1}, {p2})){then}"


def patch_puzzle(rng: Rng, why: str, *, back: bool) -> WritePattern:
    """Images to patches, or the way back."""
    scene = rng.pick(PATCH_SCENES)
    if rng.level == 1:
        return told(rng, scene, why, back=back)
    if rng.level == SECOND:
        if rng.chance():
            return told(rng, scene, why, back=back, tell=in_words)
        there = scene._replace(results=[result for result in scene.results if "patch " in result]).drawn(rng)
        return from_code(rng, there, stacked(there), "patches", why, back=back)
    match rng.integer(1, 5):
        case 1 | 2:
            return square(rng, scene, why, back=back)
        case 3:
            return from_code(rng, *unfolded(rng), "patches", why, back=back)
        case 4:
            return told(rng, VIDEO, why, back=back)
        case _:
            return told(rng, WINDOWS, why, back=back)


@drill(after=["einops.split"], levels=3, arena="0.0", structures=(105, 105, 260))
def patchify(rng: Rng) -> WritePattern:
    """Images cut into patches."""
    return patch_puzzle(rng, PATCHIFY, back=False)


@drill(after=["einops.patchify"], levels=3, arena="0.0", structures=(170, 180, 420))
def unpatchify(rng: Rng) -> WritePattern:
    """Patches put together to images."""
    return patch_puzzle(rng, UNPATCHIFY, back=True)


# --- blocks

FOLDING = (
    "Space to depth takes both spatial axes apart, (h p1) and (w p2), and moves the places within a block into the "
    "channels; nothing is lost, so depth to space is the same pattern from right to left. The order of the new axis "
    "is a convention: pixel_unshuffle puts the channel first, (c p1 p2), TensorFlow's space_to_depth puts it last."
)


def slices(rng: Rng) -> tuple[Pattern, str]:
    """Torch code that folds blocks: slices put together, or the function that does it."""
    last, across = rng.chance(0.4), rng.chance()
    layout, result, at = (BATCHES[1], "batch h w depth", 3) if last else (BATCHES[0], "batch depth h w", 1)
    p1, p2 = rng.pick((2, 3)), rng.pick((2, 3))
    block = "p1 p2" if across else "p2 p1"
    loops = [f"for i in range({p1})", f"for j in range({p2})"]
    parts = f"[x[:, {'' if last else ':, '}i::{p1}, j::{p2}] {' '.join(loops if across else reversed(loops))}]"
    ways = [
        (f"{block} channel", f"torch.cat({parts}, dim={at})"),
        (f"channel {block}", f"torch.stack({parts}, dim={at + 1}).flatten({at}, {at + 1})"),
        ("channel p1 p2", f"F.pixel_unshuffle(x, {p1})"),
    ]
    depth, code = rng.pick(ways[: 3 if p1 == p2 and not last else 2])
    if rng.chance(0.3):
        result = "batch depth h w" if last else "batch h w depth"
        code += ".permute(0, 3, 1, 2)" if last else ".permute(0, 2, 3, 1)"
    made = {"height": "h p1", "width": "w p2", "depth": depth}
    return Pattern.named(layout, result, made, given={"p1": p1, "p2": p2}, fixed=FIXED), f"y = {code}"


@drill(after=["einops.patchify"], levels=3, arena="0.0", structures=(72, 72, 300))
def space_to_depth(rng: Rng) -> WritePattern:
    """Blocks of pixels folded into channels, and back."""
    back = rng.chance(0.35)
    if rng.level == 1:
        return told(rng, rng.pick(BLOCK_SCENES), FOLDING, back=back)
    if rng.level == SECOND and rng.chance(0.6):
        return from_code(rng, *slices(rng), "y", FOLDING, back=back)
    if rng.level == SECOND:
        return told(rng, rng.pick(BLOCK_SCENES), FOLDING, back=back, tell=in_words)
    if rng.chance(0.25):
        return square(rng, rng.pick(BLOCK_SCENES), FOLDING, back=back)
    return told(rng, rng.pick(FOLD_SCENES), FOLDING, back=back)
