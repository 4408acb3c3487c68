"""Linear algebra: projecting onto a direction, and onto what several directions span."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill, tensor

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels

# --- one direction

SCENES = (  # the vectors, their axes, the direction, its axes; the last axis of each scene's direction is summed
    ("x", "d_model", "v", "d_model"),
    ("resid", "d_model", "direction", "d_model"),
    ("grad", "parameter", "step", "parameter"),
    ("x", "position d_model", "v", "d_model"),
    ("resid", "position d_model", "refusal", "d_model"),
    ("points", "d_model sample", "v", "d_model"),
    ("acts", "batch position d_model", "probe", "d_model"),
    ("acts", "batch d_model position", "probe", "d_model"),
    ("z", "position head d_head", "v", "head d_head"),
    ("z", "head position d_head", "v", "head d_head"),
    ("x", "layer position d_model", "v", "layer d_model"),
    ("x", "position d_model", "v", "position d_model"),
    ("keys", "batch head position d_head", "v", "head d_head"),
)
LETTERS = {
    "d_model": "d", "d_head": "d", "parameter": "d", "position": "p", "sample": "n", "batch": "b", "head": "h",
    "layer": "l",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """Vectors and a direction, or one for each of some axes, and what can be computed of them."""

    x: str
    x_axes: tuple[str, ...]
    v: str
    v_axes: tuple[str, ...]

    @property
    def along(self) -> str:
        return self.v_axes[-1]

    @property
    def rest(self) -> tuple[str, ...]:
        return tuple(axis for axis in self.x_axes if axis != self.along)

    def letters(self, axes: Sequence[str]) -> str:
        return "".join([LETTERS[axis] for axis in axes])

    def dot(self, norm: str) -> str:
        """The dot products with the direction, divided by its square, its length or nothing."""
        own = self.letters(self.v_axes[:-1])
        x, v, out = self.letters(self.x_axes), self.letters(self.v_axes), self.letters(self.rest)
        if not own:
            plain = (
                f"{self.x} @ {self.v}"
                if self.x_axes[-1] == self.along
                else f'torch.einsum("{x},{v}->{out}", {self.x}, {self.v})'
            )
            return plain + {"square": f" / ({self.v} @ {self.v})", "length": f" / {self.v}.norm()", "": ""}[norm]
        by = {"square": f"{self.v}.square().sum(-1)", "length": f"{self.v}.norm(dim=-1)"}
        if not norm:
            return f'torch.einsum("{x},{v}->{out}", {self.x}, {self.v})'
        return f'torch.einsum("{x},{v},{own}->{out}", {self.x}, {self.v}, 1 / {by[norm]})'

    def projection(self, norm: str = "square") -> str:
        """The projections of all vectors; with another `norm` what it gives where that is mistaken."""
        own = self.letters(self.v_axes[:-1])
        x, v = self.letters(self.x_axes), self.letters(self.v_axes)
        back, out = v.replace("d", "e"), x.replace("d", "e")
        call = f'torch.einsum("{x},{v},{back}->{out}", {self.x}, {self.v}, {self.v})'
        if not own:
            return call + {"square": f" / ({self.v} @ {self.v})", "length": f" / {self.v}.norm()", "": ""}[norm]
        by = {"square": f"{self.v}.square().sum(-1)", "length": f"{self.v}.norm(dim=-1)"}
        if not norm:
            return call
        return f'torch.einsum("{x},{v},{back},{own}->{out}", {self.x}, {self.v}, {self.v}, 1 / {by[norm]})'

    @property
    def onto_the_vectors(self) -> str:
        """The direction projected onto each vector."""
        at = self.x_axes.index(self.along)
        x, v, out = self.letters(self.x_axes), self.letters(self.v_axes), self.letters(self.rest)
        dots = f'torch.einsum("{x},{v}->{out}", {self.x}, {self.v})'
        return f"{dots}.unsqueeze({at}) * {self.x} / {self.x}.square().sum({at}, keepdim=True)"


NORMALISED = "Divide by the square of the direction's length, v·v: its own length must not matter."
ONCE = "The direction comes in twice, in the dot product and as what is scaled: divide by its length twice, by v·v."
PARTS = {
    "projection": "the projection of {each} onto the line through {v}: the point of that line nearest to it",
    "remainder": "{each} without its component along {v}: what is left is perpendicular to {v}",
    "reflection": "{each} reflected in the hyperplane through 0 that is perpendicular to {v}",
    "coefficient": "the number c for which c times {v} is the projection of {each} onto the line through {v}",
    "length": "the signed length of the component of {each} along {v}, positive where it points the way {v} does",
    "distance": "how far {each} is from the line through {v} and 0",
    "cosine": "the cosine of the angle between {each} and {v}",
}
GUIDED_PARTS = ("projection", "remainder", "coefficient", "length", "reflection", "distance", "cosine")


def one_direction(rng: Rng) -> WriteExpression:
    scenes = SCENES[:6] if rng.level == GUIDED else SCENES[3:]
    x, x_axes, v, v_axes = rng.pick(scenes)
    it = Line(x, tuple(x_axes.split()), v, tuple(v_axes.split()))
    part = rng.pick(GUIDED_PARTS if rng.level == GUIDED else list(PARTS))
    at = it.x_axes.index(it.along)
    norm = f".norm(dim={at})" if len(it.x_axes) > 1 else ".norm()"
    projection, missing, once = it.projection(), it.projection(""), it.projection("length")
    rest = f"{x} - {projection}"
    wrong: list[tuple[str, str, str]]
    match part:
        case "projection":
            right = projection
            wrong = [
                ("missing-normalisation", missing, NORMALISED),
                ("normalised-once", once, ONCE),
                ("remainder", rest, "That is what the projection leaves over."),
                ("other-way-round", it.onto_the_vectors, f"You project {v} onto {x}."),
                ("coefficient", it.dot("square"), f"Those are multiples of {v}; the projection is a vector."),
            ]
        case "remainder":
            right = rest
            wrong = [
                ("missing-normalisation", f"{x} - {missing}", NORMALISED),
                ("normalised-once", f"{x} - {once}", ONCE),
                ("projection", projection, f"That is the component along {v}: it is to be taken away."),
                ("added", f"{x} + {projection}", "The component is to be taken away, not added."),
                ("other-way-round", f"{x} - {it.onto_the_vectors}", f"You project {v} onto {x}."),
            ]
        case "reflection":
            right = f"{x} - 2 * {projection}"
            wrong = [
                ("missing-normalisation", f"{x} - 2 * {missing}", NORMALISED),
                ("normalised-once", f"{x} - 2 * {once}", ONCE),
                ("half-way", rest, "That is on the hyperplane: a reflection goes as far again."),
                (
                    "reflected-in-the-line",
                    f"2 * {projection} - {x}",
                    f"That is the reflection in the line through {v}.",
                ),
            ]
        case "coefficient":
            right = it.dot("square")
            wrong = [
                ("missing-normalisation", it.dot(""), NORMALISED),
                ("length", it.dot("length"), f"That is a length. It has to be divided by that of {v} once more."),
                ("projection", projection, f"Only the number is asked for, not times {v}."),
            ]
        case "distance":
            right = f"({rest}){norm}"
            wrong = [
                ("missing-normalisation", f"({x} - {missing}){norm}", NORMALISED),
                ("from-the-origin", f"{x}{norm}", "That is the distance from 0."),
                ("along", f"({projection}){norm}", f"That is how far it goes along {v}."),
                ("remainder", rest, "That is a vector; its length is asked for."),
            ]
        case "cosine":
            right = f"{it.dot('length')} / {x}{norm}"
            wrong = [
                ("missing-normalisation", f"{it.dot('')} / {x}{norm}", f"Divide by the length of {v} too."),
                ("length", it.dot("length"), f"Divide by the length of {x} too."),
                ("unsigned", f"({right}).abs()", "Where the angle is wide the cosine is negative."),
            ]
        case _:
            right = it.dot("length")
            wrong = [
                ("missing-normalisation", it.dot(""), f"Divide by the length of {v}."),
                (
                    "coefficient",
                    it.dot("square"),
                    f"That is the multiple of {v}: a length has to be divided by that of {v} once.",
                ),
                ("unsigned", f"({right}).abs()", f"A component against {v} is negative."),
            ]
    output = it.rest if part in ("coefficient", "length", "distance", "cosine") else it.x_axes
    each = f"`{x}`" if len(it.x_axes) == 1 else f"each vector of `{x}` along {it.along}"
    own = it.v_axes[:-1]
    told_v = f"`{v}`" if not own else f"the `{v}` of its {' and '.join(own)}"
    if len(it.x_axes) == 1:
        sizes = f"`{x}` and `{v}` are vectors of axis {it.along}."
    else:
        sizes = f"`{x}` has the axes ({', '.join(it.x_axes)}), `{v}` ({', '.join(it.v_axes)})."
    result = f" The result has the axes ({', '.join(output)})." if output else " The result is a tensor without axes."
    return asked(
        rng,
        f"{sizes} Write {PARTS[part].format(each=each, v=told_v)}.{result} `{v}` may have any length but 0.",
        [tensor(x, x_axes), tensor(v, v_axes)],
        right,
        output,
        wrong,
        sizes={it.along: 5},
    )


# --- what several directions span

SPANS = (  # the basis, whether it is stored as columns, and the vectors
    ("A", True, "b", "d_model"),
    ("A", True, "B", "d_model sample"),
    ("basis", True, "x", "position d_model"),
    ("W_dec", False, "x", "d_model"),
    ("W_dec", False, "resid", "position d_model"),
    ("directions", False, "acts", "batch position d_model"),
    ("directions", True, "acts", "batch position d_model"),
    ("probes", False, "x", "d_model sample"),
)


def subspace(rng: Rng) -> WriteExpression:
    a, columns, x, x_axes = rng.pick(SPANS)
    axes = tuple(x_axes.split())
    first = axes[0] == "d_model"  # the vectors are columns, or it is only one
    tall = a if columns else f"{a}.T"
    inverse = f"torch.linalg.pinv({a})" if columns else f"torch.linalg.pinv({a}).T"
    unit = f"({a} / {a}.norm(dim={0 if columns else 1}, keepdim=True))" + ("" if columns else ".T")

    def onto(left: str, right: str) -> str:
        """The vectors times the matrix left @ right, which is symmetric where it projects."""
        return f"{left} @ ({right} @ {x})" if first else f"{x} @ {left} @ {right}"

    right = onto(tall, inverse) if first else f"{x} @ {tall} @ {inverse}"
    gram = onto(tall, f"{a}.T" if columns else a)
    alone = onto(unit, f"{unit}.T" if columns else unit.removesuffix(".T"))
    parts = {
        "projection": f"the projection of {{each}} onto what the {'columns' if columns else 'rows'} of `{a}` span",
        "remainder": f"{{each}} without its projection onto what the {'columns' if columns else 'rows'} of `{a}` span",
        "reflection": f"the reflection of {{each}} in what the {'columns' if columns else 'rows'} of `{a}` span: the "
        "part that lies in it stays, and the part perpendicular to it is turned round",
        "distance": f"how far {{each}} is from what the {'columns' if columns else 'rows'} of `{a}` span",
        "matrix": f"the matrix P, (d_model, d_model), that projects onto what the "
        f"{'columns' if columns else 'rows'} of "
        f"`{a}` span",
        "coefficients": f"the coefficients of the {'columns' if columns else 'rows'} of `{a}` in the "
        f"combination of them "
        "that is nearest to {each}",
    }
    part = rng.pick(["projection", "remainder", "reflection", "distance", "matrix", "coefficients"])
    because = {
        "gram": "The directions need not be perpendicular or of length 1: the inverse of their Gram matrix belongs in "
        "between, as in A (AᵀA)⁻¹ Aᵀ.",
        "alone": "One direction at a time is right only where they are perpendicular. What two share is taken twice.",
        "rest": "That is what the projection leaves over.",
        "projected": "That is the projection: it is to be taken away.",
        "coefficients": "Those are coefficients, one for each direction. The projection is their combination.",
    }
    solved = f"{inverse} @ {x}" if first else f"{x} @ {tall} @ torch.linalg.pinv({tall}.T @ {tall})"
    output: tuple[str, ...] = axes
    wrong: list[tuple[str, str, str]]
    match part:
        case "projection":
            wrong = [
                ("gram-forgotten", gram, because["gram"]),
                ("one-at-a-time", alone, because["alone"]),
                ("remainder", f"{x} - {right}", because["rest"]),
                ("coefficients", solved, because["coefficients"]),
            ]
        case "remainder":
            wrong = [
                ("gram-forgotten", f"{x} - {gram}", because["gram"]),
                ("one-at-a-time", f"{x} - {alone}", because["alone"]),
                ("projection", right, because["projected"]),
            ]
            right = f"{x} - {right}"
        case "reflection":
            wrong = [
                ("gram-forgotten", f"2 * ({gram}) - {x}", because["gram"]),
                ("one-at-a-time", f"2 * ({alone}) - {x}", because["alone"]),
                ("projection", right, "That is half-way: a reflection goes as far again."),
                ("other-part", f"{x} - 2 * ({right})", "That turns the part in the span round, and keeps the other."),
            ]
            right = f"2 * ({right}) - {x}"
        case "distance":
            norm = ".norm()" if len(axes) == 1 else f".norm(dim={axes.index('d_model')})"
            wrong = [
                ("gram-forgotten", f"({x} - {gram}){norm}", because["gram"]),
                ("one-at-a-time", f"({x} - {alone}){norm}", because["alone"]),
                ("along", f"({right}){norm}", "That is the length of the projection."),
                ("remainder", f"{x} - {right}", "Those are vectors; their lengths are asked for."),
            ]
            right, output = f"({x} - {right}){norm}", tuple(axis for axis in axes if axis != "d_model")
        case "matrix":
            right, output = f"{tall} @ {inverse}", ("d_model", "d_model")
            wrong = [
                ("gram-forgotten", f"{tall} @ {tall}.T", because["gram"]),
                ("one-at-a-time", f"{unit} @ {unit}.T", because["alone"]),
                ("other-space", f"{inverse} @ {tall}", "That acts on the coefficients: it is the identity there."),
                ("remainder", f"torch.eye(len({tall})) - {tall} @ {inverse}", because["rest"]),
            ]
        case _:
            right = solved
            output = tuple("feature" if axis == "d_model" else axis for axis in axes)
            dots = f"{tall}.T @ {x}" if first else f"{x} @ {tall}"
            wrong = [
                ("gram-forgotten", dots, because["gram"]),
                ("projection", onto(tall, inverse), "That is the combination; its coefficients are asked for."),
                (
                    "one-at-a-time",
                    f"{dots} / {tall}.square().sum(0){'[:, None]' * (first and len(axes) > 1)}",
                    because["alone"],
                ),
            ]
    each = f"`{x}`" if len(axes) == 1 else f"each vector of `{x}` along d_model"
    stored = "d_model feature" if columns else "feature d_model"
    told = (
        f"`{a}` has the axes ({', '.join(stored.split())}), with d_model > feature and independent "
        f"directions; `{x}` has ({', '.join(axes)})."
    )
    if part == "matrix":
        told = told.partition(";")[0] + "."
    names = [tensor(a, stored)] + ([] if part == "matrix" else [tensor(x, x_axes)])
    result = f" The result has the axes ({', '.join(output)})." if output else " The result is a tensor without axes."
    if part == "matrix":
        result = ""
    return asked(
        rng, f"{told} Write {parts[part].format(each=each)}.{result}", names, right, output, wrong,
        sizes={"d_model": "feature + 4"},
    )  # fmt: skip


def asked(
    rng: Rng,
    prompt: str,
    tensors: Sequence[Tensor],
    right: str,
    output: Sequence[str],
    wrong: Sequence[tuple[str, str, str]],
    sizes: dict[str, int | str],
) -> WriteExpression:
    del rng
    return WriteExpression(
        prompt=prompt,
        tensors=tensors,
        reference_expression=right,
        output=output,
        sizes=sizes,
        hints=[
            "What is left over after a projection is perpendicular to what you project onto. Which equation is that?",
            (
                "Onto a direction: its dot product with the vector, over its dot product with itself, says how "
                "much of it. "
                "Onto several: least squares, `torch.linalg.lstsq` or `torch.linalg.pinv`."
            ),
        ],
        why="The projection of x onto the line through v is `(x @ v) / (v @ v) * v`. Onto the columns of A it "
        "is `A @ c` "
        "with the least-squares coefficients `c = torch.linalg.pinv(A) @ x`: that is A (AᵀA)⁻¹ Aᵀ x, or Q Qᵀ x with "
        "`Q, R = torch.linalg.qr(A)`. AᵀA may be left out only where the columns are orthonormal.",
        wrong=[Wrong(*turn) for turn in wrong],
    )


@drill(after=["einsum.matvec"], levels=3, lesson="Porting from NumPy", arena="0.1", structures=(15, 44, 24))
def projection(rng: Rng) -> WriteExpression:
    """Projecting onto a direction or a subspace."""
    return subspace(rng) if rng.level == COMPOSED else one_direction(rng)
