"""Images side by side on one sheet, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tensordrill.authoring import Rng, WritePattern, drill
from tensordrill.building.contraction import axes_of
from tensordrill.building.patterns import Pattern, code_question, fastest_first, needed
from tensordrill.building.variants import bracket_variants, input_variants, order_variants, silent, tile_variants

SECOND, THIRD = 2, 3  # levels
PIXEL = ("height", "width")


class Scene(NamedTuple):
    """Images and a sheet of them, in a grid. Of all that has several forms, one is drawn.

    `made` says of which names an axis is made, slowest first; `grid` names a row and a column.
    """

    layouts: Sequence[str]
    results: Sequence[str]
    made: Mapping[str, Sequence[str]]
    story: str = ""
    grid: tuple[str, str] = ("r", "c")

    def drawn(self, rng: Rng, *, back: bool, square: int = 0) -> Pattern:
        """The pattern from images to a sheet, or back; where everything is square, of that size."""
        sizes = dict(zip(self.grid, [square, square] if square else rng.distinct(2, 2, 5), strict=True)) | {"kind": 3}
        fixed = {"channel": 3, "kind": 3} | (dict.fromkeys((*self.grid, *PIXEL), square) if square else {})
        made = {name: rng.pick(orders) for name, orders in self.made.items()}
        there = Pattern.named(rng.pick(self.layouts), rng.pick(self.results), made, fixed=fixed, tensor="images")
        return there.back(rng, sizes, "sheet") if back else replace(there, given=needed(rng, there.left, sizes))


COLOUR = Scene(
    ("batch height width channel", "batch channel height width", "batch height channel width"),
    ("sheet_height sheet_width channel", "channel sheet_height sheet_width", "sheet_width sheet_height channel"),
    {"batch": ("r c", "c r"), "sheet_height": ("r height",), "sheet_width": ("c width",)},
)
GRAY = COLOUR._replace(
    layouts=("batch height width", "batch width height", "height width batch"),
    results=("sheet_height sheet_width", "sheet_width sheet_height"),
)
PLAIN = (COLOUR, COLOUR, GRAY)
PAGES = [
    scene._replace(
        results=[f"page {result}" for result in scene.results],
        made={**scene.made, "batch": ("page r c", "page c r", "r c page", "c r page", "r page c", "c page r")},
        story="The images fill several sheets, counted by `page`; each has a grid of its own.",
    )
    for scene in (COLOUR, GRAY)
]
PANELS = [
    scene._replace(
        layouts=[
            side.replace("batch", new) for side in scene.layouts for new in ("batch kind", "kind batch", "pictures")
        ],
        made={**scene.made, "pictures": ("kind r c", "r c kind", "kind c r", "c r kind"), **made},
        story="`kind` tells the three pictures of an example: input, target and output. In this order they stand "
        f"{how} in one cell of the grid.",
    )
    for scene in (COLOUR, GRAY)
    for how, made in (
        ("side by side", {"sheet_width": ("c kind width",)}),
        ("below each other", {"sheet_height": ("r kind height",)}),
    )
]
PAIRS = (
    ("layer", "head", "attention patterns of all layers and heads"),
    ("epoch", "example", "samples of one model over its training"),
    ("model", "prompt", "samples of all models on all prompts"),
    ("episode", "step", "frames of all episodes"),
    ("source", "target", "the filters of a layer"),
    ("feature", "rank", "those that activate each feature most"),
)
IN_WORDS = {
    "r c": "`batch` goes along the rows of the grid, the top row first.",
    "c r": "`batch` goes down the columns of the grid, the left column first.",
}
HINTS = (
    "As you go one pixel down on the sheet, which changes fastest: the row of the grid, or the row in the image?",
    "On the sheet the pixel's place comes last in its bracket, behind the row or the column of the grid.",
)
SQUARE = (
    "This runs, and the result is scrambled. Everything is square: `r`, `c`, `height` and `width` are all {size}, so "
    "nothing complains.\n\n{task}\n\nWrite the pattern that was meant."
)
WHY = (
    "In a grid of images, going one pixel down moves within an image before it moves to the next row of the grid: "
    "(r height), and across likewise (c width). The batch comes apart the same way, (r c) where the grid is filled row "
    "by row. (height r) would interleave the images' lines."
)


def paired(rng: Rng) -> Scene:
    """Images that two axes tell apart: one goes down the sheet, the other across."""
    one, other, story = rng.pick(PAIRS)
    down, across = (one, other) if rng.chance() else (other, one)
    scene = rng.pick((COLOUR, GRAY))
    return scene._replace(
        layouts=[
            side.replace("batch", pair) for side in scene.layouts for pair in (f"{one} {other}", f"{other} {one}")
        ],
        made={"sheet_height": (f"{down} height",), "sheet_width": (f"{across} width",)},
        story=f"The images are {story}.",
        grid=(down, across),
    )


def told(scene: Scene, task: Pattern, *, words: bool = False) -> str:
    down, across = scene.grid
    batches = tuple([axis for axis, name in task.merged.items() if name in ("batch", "pictures")])
    orders = IN_WORDS[" ".join(batches[0])] if words and batches else fastest_first(task, batches)
    ask = "Cut it into the images" if task.tensor == "sheet" else "Put them in a grid"
    tensor = f"`{task.tensor}` has the axes {axes_of(task.stored)}. {scene.story}".rstrip()
    grid = f"`{down}` counts the rows of the grid, `{across}` its columns. {orders}".rstrip()
    return f"{tensor}\n\n{ask}: the result has the axes {axes_of(task.wanted)}. {grid}"


def from_code(rng: Rng) -> tuple[Pattern, str]:
    """Torch code that puts images together line by line."""
    layout, fill = rng.pick((*COLOUR.layouts, *GRAY.layouts[:2])), rng.pick(("r c", "c r"))
    result = layout.removeprefix("batch ").replace("height", "sheet_height").replace("width", "sheet_width")
    scene = COLOUR._replace(layouts=(layout,), results=(result,), made={**COLOUR.made, "batch": (fill,)})
    task = scene.drawn(rng, back=False)
    [(known, size)] = task.given.items()
    line, inner, outer = ("row", "width", "height") if fill == "r c" else ("column", "height", "width")
    lines = f"images.{'split' if fill.endswith(known) else 'chunk'}({size})"  # so many in a line, or so many lines
    code = (
        f"lines = [torch.cat(list({line}), dim={task.wanted.index(f'sheet_{inner}')}) for {line} in {lines}]\n"
        f"sheet = torch.cat(lines, dim={task.wanted.index(f'sheet_{outer}')})"
    )
    sheet = f"`sheet` has {axes_of(task.wanted)}; its grid has `r` rows and `c` columns."
    return task, f"{code_question(code, task)} {sheet}"


def posed(task: Pattern, prompt: str, grid: tuple[str, str]) -> WritePattern:
    tiles, brackets = tile_variants(task, grid, PIXEL), bracket_variants(task)
    return task.posed(prompt, [*tiles, *brackets, *order_variants(task), *input_variants(task)], HINTS, WHY)


@drill(after=["einops.patchify"], levels=3, arena="0.0", structures=(75, 125, 480))
def image_grid(rng: Rng) -> WritePattern:
    """A batch of images on one sheet, in rows and columns."""
    if rng.level == SECOND and rng.chance(0.4):
        return posed(*from_code(rng), COLOUR.grid)
    scene = rng.pick((*PAGES, *PANELS) if rng.level == THIRD else PLAIN)
    if rng.level == SECOND and rng.chance(0.4):
        scene = paired(rng)
    square = rng.pick((2, 3)) if rng.level == THIRD and rng.chance(0.3) else 0
    task = scene.drawn(rng, back=rng.chance(0.3), square=square)
    prompt = told(scene, task, words=rng.level == SECOND)
    if not square:
        return posed(task, prompt, scene.grid)
    puzzle = posed(task, SQUARE.format(size=square, task=prompt), scene.grid)
    turns = tile_variants(task, scene.grid, PIXEL)
    wrong = rng.pick([turn for turn in turns if silent(task, turn.left, turn.right)])
    return replace(puzzle, code=task.call(wrong.left, wrong.right))
