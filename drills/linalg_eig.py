"""Linear algebra: eigenvalues, and the eigenvectors that stand in columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteExpression, Wrong, drill, tensor

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels

# Hidden: matrices of at least 4 x 4 whose extreme eigenvalues lie apart; and eigenvectors of either sign and any length
# made one, by scaling them to have 1 as their largest entry. `_aligned` takes them as columns too.
HIDDEN = """
def _mixed(d):
    q, _ = torch.linalg.qr(torch.randn(d, d))
    values = torch.arange(1.0, d + 1)
    values[-1] = -(d + 2.0)
    return q * values @ q.T


def _positive(d):
    a = torch.randn(d, d)
    return a @ a.T


def _triangular(d):
    values = torch.arange(1.0, d + 1)
    values[0] = -(d + 2.0)
    return torch.randn(d, d).triu(1) + values.roll(d // 2 + 1).diag()


def _chain(d):
    a = torch.rand(d, d) + 0.1
    return a / a.sum(1, keepdim=True)


def _aligned(v, dim=-1):
    if not isinstance(v, torch.Tensor) or v.is_complex() or not v.ndim:
        return v
    largest = v.abs().argmax(dim, keepdim=True)
    return v / v.gather(dim, largest)

"""
EIGH, EIG = "torch.linalg.eigh(A)", "torch.linalg.eig(A)"
ROW = "The eigenvectors are the columns of `vectors`, not its rows."
ASCENDING = "`eigh` gives the eigenvalues in ascending order, negative ones first: the largest comes last."
SIGNED = "The sign counts: a negative eigenvalue is smaller than every positive one."
UNSORTED = "`eig` gives the eigenvalues in no order: find the one that is asked for."
EITHER = "It may have any length and either sign."


@dataclass(frozen=True)
class Task:
    """What is asked for, how A is made, which call decomposes it, the answer, and what people write instead.

    With `shown` the learner is given `values` and `vectors`.
    """

    told: str
    made: str
    call: str
    right: str
    output: str
    wrong: Sequence[tuple[str, str, str]]
    judged: str = "_aligned(answer)"
    axes: str = "d d"
    shown: bool = True

    def written(self, answer: str) -> str:
        """An answer in terms of `values` and `vectors`, where they are not given."""
        if self.shown or "v" not in answer.replace("eigenvectors", ""):
            return answer
        return f"(lambda values, vectors: {answer})(*{self.call})"


def named(rng: Rng) -> Task:
    """The first or last column of what eigh gives."""
    kind = rng.pick(["largest", "smallest", "second largest", "second smallest"])
    at = {"largest": -1, "smallest": 0, "second largest": -2, "second smallest": 1}[kind]
    other = {-1: 0, 0: -1, -2: 1, 1: -2}[at]
    near = {-1: -2, 0: 1, -2: -1, 1: 0}[at]
    wrong = [
        ("row", f"vectors[{at}]", ROW),
        ("other-end", f"vectors[:, {other}]", ASCENDING),
        ("neighbour", f"vectors[:, {near}]", "That belongs to the eigenvalue next to it."),
        ("eigenvalue", f"values[{at}]", "That is the eigenvalue; its eigenvector is asked for."),
    ]
    told = f"`A` is symmetric. Write an eigenvector of its {kind} eigenvalue. {EITHER}"
    return Task(told, "A = _mixed(d + 2)", EIGH, f"vectors[:, {at}]", "d", wrong)


def eigenvalue(rng: Rng) -> Task:
    """Eigenvalues, or what is made of them."""
    told, right, wrong = rng.pick(
        [
            ("its largest eigenvalue", "values[-1]", [("other-end", "values[0]", ASCENDING)]),
            ("its second smallest eigenvalue", "values[1]", [("other-end", "values[-2]", ASCENDING)]),
            ("its eigenvalues, the largest first", "values.flip(0)", [("ascending", "values", ASCENDING)]),
            ("its largest eigenvalue less its smallest", "values[-1] - values[0]",
             [("sign", "values[0] - values[-1]", ASCENDING)]),
            ("its trace", "values.sum()", [("product", "values.prod()", "That is the determinant.")]),
            ("its determinant", "values.prod()", [("sum", "values.sum()", "That is the trace.")]),
        ]
    )  # fmt: skip
    if right[-3:] == "(0)" or "()" in right:
        wrong = [*wrong, ("of-vectors", f"vectors{right.removeprefix('values')}", "The eigenvalues are asked for.")]
    else:
        wrong = [*wrong, ("column", right.replace("values[", "vectors[:, "), "Those are eigenvectors.")]
    told = f"`A` is symmetric. Without `A`, write {told}."
    output = "d" if "flip" in right else ""
    return Task(told, "A = _mixed(d + 2)", EIGH, right, output, wrong, "answer")


def in_their_terms(rng: Rng) -> Task:
    """A matrix, a vector or a term of it in terms of eigenvectors."""
    told, right, wrong, output = rng.pick(
        [
            ("`A` itself", "vectors * values @ vectors.T",
             [("v-transposed", "vectors.T * values @ vectors", "The eigenvectors are the columns: V, the values, Vᵀ."),
              ("values-left-out", "vectors @ vectors.T", "That is the identity: the eigenvalues are missing.")], "d d"),
            ("the coordinates of `x` in the eigenvectors: its dot product with each",
             "vectors.T @ x", [("not-transposed", "vectors @ x", ROW),
                               ("scaled", "values * (vectors.T @ x)", "Those are the coordinates of A @ x.")], "d"),
            ("the vector whose coordinates in the eigenvectors are `x`", "vectors @ x",
             [("transposed", "vectors.T @ x", ROW), ("scaled", "vectors @ (values * x)", "That is A times it.")], "d"),
            ("`A` times the eigenvector of its largest eigenvalue, of length 1, with the sign that it has in `vectors`",
             "values[-1] * vectors[:, -1]",
             [("row", "values[-1] * vectors[-1]", ROW), ("unscaled", "vectors[:, -1]", "A scales it by its value."),
              ("other-end", "values[0] * vectors[:, 0]", ASCENDING)], "d"),
            ("the matrix that projects onto the eigenvector of its smallest eigenvalue",
             "torch.outer(vectors[:, 0], vectors[:, 0])",
             [("row", "torch.outer(vectors[0], vectors[0])", ROW),
              ("scaled", "values[0] * torch.outer(vectors[:, 0], vectors[:, 0])", "A projection does not scale."),
              ("other-end", "torch.outer(vectors[:, -1], vectors[:, -1])", ASCENDING)], "d d"),
            ("`x @ A @ x`", "(values * (vectors.T @ x) ** 2).sum()",
             [("row", "(values * (vectors @ x) ** 2).sum()", ROW),
              ("not-squared", "(values * (vectors.T @ x)).sum()", "Each coordinate comes in twice."),
              ("values-left-out", "((vectors.T @ x) ** 2).sum()", "That is x @ x.")], ""),
        ]
    )  # fmt: skip
    told = f"`A` is symmetric. Without `A`, write {told}."
    made = "A = _mixed(d + 2)"
    if "x" in right.replace("values", ""):
        made += "\nx = torch.randn(d + 2)"
    return Task(told, made, EIGH, right, output, wrong, "answer")


def by_size(rng: Rng) -> Task:
    """The largest or smallest absolute value, of eigh."""
    largest = rng.chance()
    pick, other = ("argmax", "argmin") if largest else ("argmin", "argmax")
    wrong = [
        (
            "by-value",
            f"vectors[:, values.{pick}()]",
            "The absolute value counts: a negative eigenvalue may be the one.",
        ),
        ("row", f"vectors[values.abs().{pick}()]", ROW),
        ("last-column", "vectors[:, -1]", "`eigh` sorts by value, not by absolute value.")
        if not largest
        else ("smallest", f"vectors[:, values.abs().{other}()]", "That is the smallest."),
    ]
    told = (
        f"`A` is symmetric and has eigenvalues of both signs. Write an eigenvector of the one that is "
        f"{'largest' if largest else 'smallest'} in absolute value. {EITHER}"
    )
    made = "A = _mixed(d + 2)"
    return Task(told, made, EIGH, f"vectors[:, values.abs().{pick}()]", "d", wrong)


def unsorted(rng: Rng) -> Task:
    """Eigenvalues in no order, as eig gives them."""
    largest = rng.chance()
    pick, other = ("argmax", "argmin") if largest else ("argmin", "argmax")
    order = f"vectors.real[:, values.real.{pick}()]"
    wrong = [
        ("last-column" if largest else "first-column", f"vectors.real[:, {-1 if largest else 0}]", UNSORTED),
        ("row", f"vectors.real[values.real.{pick}()]", ROW),
        (
            "other-end",
            f"vectors.real[:, values.real.{other}()]",
            f"That is the {'smallest' if largest else 'largest'}. {SIGNED}",
        ),
        ("complex", f"vectors[:, values.real.{pick}()]", "`eig` gives complex numbers; a real vector is asked for."),
    ]
    if not largest:  # the largest without its sign is the smallest
        wrong.append(("by-size", "vectors.real[:, values.abs().argmin()]", SIGNED))
    told = (
        f"`A` is triangular, and its eigenvalues are real, all different and of both signs. Write a real eigenvector "
        f"of the {'largest' if largest else 'smallest'} eigenvalue. {EITHER}"
    )
    return Task(told, "A = _triangular(d + 2)", EIG, order, "d", wrong, shown=rng.level == GUIDED or rng.chance(0.6))


def top_few(rng: Rng) -> Task:
    """Several eigenvectors, as columns, in an order."""
    k = rng.integer(2, 3)
    largest = rng.chance()
    right = f"vectors[:, -{k}:].flip(1)" if largest else f"vectors[:, :{k}]"
    wrong = [
        ("ascending" if largest else "descending", f"vectors[:, -{k}:]" if largest else f"vectors[:, :{k}].flip(1)",
         f"The {'largest' if largest else 'smallest'} comes first here."),
        ("rows", f"vectors[-{k}:].flip(0).T" if largest else f"vectors[:{k}].T", ROW),
        ("other-end", f"vectors[:, :{k}]" if largest else f"vectors[:, -{k}:].flip(1)", ASCENDING),
        ("transposed", f"({right}).T", "The eigenvectors are the columns of the result."),
    ]  # fmt: skip
    told = (
        f"`A` is symmetric. Write eigenvectors of its {k} {'largest' if largest else 'smallest'} eigenvalues as the "
        f"columns of a (d, {k}) tensor, that of the {'largest' if largest else 'smallest'} first. "
        "Each may have any length and either sign."
    )
    return Task(told, "A = _mixed(d + 2)", EIGH, right, f"d {k}", wrong, "_aligned(answer, 0)")


def batch(rng: Rng) -> Task:
    """One eigenvector for each matrix of a batch."""
    kind, at, other = rng.pick([("largest", -1, 0), ("smallest", 0, -1)])
    wrong = [
        ("batch-for-column", f"vectors[:, {at}]", "The first axis is the batch, so that takes rows: columns are last."),
        ("other-end", f"vectors[..., {other}]", ASCENDING),
        ("one-matrix", f"vectors[{at}]", "That is one matrix's vectors: each matrix of the batch has its own."),
    ]
    told = (
        f"`A` holds a symmetric matrix for each batch index. Write, with the axes (batch, d), an eigenvector of each "
        f"matrix's {kind} eigenvalue. {EITHER}"
    )
    made = "A = torch.stack([_mixed(d + 2) for _ in range(batch + 1)])"
    return Task(told, made, EIGH, f"vectors[..., {at}]", "batch d", wrong, axes="batch d d")


def stationary(rng: Rng) -> Task:
    """The stationary distribution of a Markov chain: a left eigenvector."""
    at = "values.real.argmax()"
    wrong = [
        ("right-eigenvector", "torch.full((len(A),), 1 / len(A))", ("That is the eigenvector of A itself, which "
                                                                    "is constant. "
         "A distribution p is multiplied from the left, p @ A.")),
        ("not-normalised", f"vectors.real[:, {at}] * 2 / vectors.real[:, {at}].sum()", "Probabilities add up to 1."),
        ("row", f"vectors.real[{at}] / vectors.real[{at}].sum()", ROW),
        ("unit-length", f"vectors.real[:, {at}].abs()", "That has length 1; a distribution adds up to 1."),
    ]  # fmt: skip
    told = (
        "`A` is a transition matrix: A[i, j] is the probability to go from i to j, and each row adds up to 1. "
        "Write the "
        "stationary distribution: the probabilities p, adding up to 1, with p @ A equal to p."
    )
    right = f"vectors.real[:, {at}] / vectors.real[:, {at}].sum()"
    shown = rng.chance()
    return Task(told, "A = _chain(d + 2)", "torch.linalg.eig(A.T)", right, "d", wrong, "answer", shown=shown)


def component(rng: Rng) -> Task:
    """The direction in which data vary most."""
    largest = rng.chance(0.7)
    at, other = (-1, 0) if largest else (0, -1)
    centre = rng.chance()
    call, other_call = "torch.linalg.eigh(torch.cov(X.T))", "torch.linalg.eigh(X.T @ X)"
    call, other_call = (call, other_call) if centre else (other_call, call)
    wrong = [
        ("row", f"vectors[{at}]", ROW),
        ("other-end", f"vectors[:, {other}]", ASCENDING),
        ("scores", f"X @ vectors[:, {at}]", "Those are the samples' coordinates along it; the direction is asked for."),
    ]  # fmt: skip
    what = f"the variance of the samples is {'largest' if largest else 'smallest'}" if centre else (
        "the mean of the samples' squared dot products with it, scaled to length 1, is "
        f"{'largest' if largest else 'smallest'}"
    )  # fmt: skip
    told = f"`X` has the axes (sample, feature). Write a direction along which {what}. {EITHER}"
    made = "X = torch.randn(3 * sample + 8, d + 2) * torch.arange(1.0, d + 3) + 1"
    if not (shown := rng.chance(0.4)):
        because = "The variance is about the mean: centre first, as torch.cov does." if centre else (
            "Nothing is said of the mean: the squares are those of the samples as they are."
        )  # fmt: skip
        name = "not-centred" if centre else "centred"
        wrong.append((name, f"{other_call}.eigenvectors[:, {at}]", because))
    return Task(told, made, call, f"vectors[:, {at}]", "feature", wrong, axes="sample feature", shown=shown)


def function(rng: Rng) -> Task:
    """A function of a symmetric matrix: of its eigenvalues, with the same eigenvectors."""
    name, text, plain, alone = rng.pick(
        [
            (
                "the symmetric root of `A` without negative eigenvalues: the P with P @ P equal to A",
                "values.sqrt()",
                "{A}.sqrt()",
                "values",
            ),
            ("the inverse of `A`", "1 / values", "1 / {A}", "values"),
            ("the matrix exponential of `A`", "values.exp()", "{A}.exp()", "values"),
            (
                "the symmetric P without negative eigenvalues for which P @ A @ P is the identity",
                "values.rsqrt()",
                "{A}.abs().rsqrt()",
                "1 / values",
            ),
            ("`A @ A @ A`", "values**3", "{A}**3", "values"),
        ]
    )
    scaled = f"({text})" if " " in text else text
    whole = "(vectors * values @ vectors.T)"
    unchanged = "That is `A` itself: the function has to go to the eigenvalues first."
    if alone != "values":
        unchanged = "That is the inverse of `A`. P comes in twice, so it has the roots of those eigenvalues."
    wrong = [
        (
            "of-each-entry",
            plain.format(A=whole),
            "That goes entry by entry. A function of a matrix is one of its eigenvalues.",
        ),
        ("v-transposed", f"vectors.T * {scaled} @ vectors", "The eigenvectors are the columns: V, the values, Vᵀ."),
        ("eigenvalues-unchanged", f"vectors * ({alone}) @ vectors.T", unchanged),
        (
            "values-on-rows",
            f"(vectors.T * {scaled}).T @ vectors.T",
            "Each eigenvalue belongs to a column of `vectors`.",
        ),
    ]
    told = f"`A` is symmetric, and its eigenvalues are positive. Without `A`, write {name}."
    made = "A = _positive(d + 2) / 4 + torch.eye(d + 2)"
    return Task(told, made, EIGH, f"vectors * {scaled} @ vectors.T", "d d", wrong, "answer")


TASKS: Sequence[Sequence[Callable[[Rng], Task]]] = (
    (named, named, unsorted, eigenvalue, in_their_terms, in_their_terms),
    (by_size, unsorted, unsorted, top_few, component),
    (batch, stationary, component, function, function, top_few),
)


@drill(after=["shapes.matmul"], levels=3, lesson="Porting from NumPy", arena="0.1", structures=(14, 13, 16))
def eig(rng: Rng) -> WriteExpression:
    """Eigenvectors."""
    task = rng.pick(TASKS[rng.level - 1])(rng)
    name = "X" if task.axes.startswith("sample") else "A"
    code = f"values, vectors = {task.call}" if task.shown else ""
    stored = f"`{name}` has the axes ({', '.join(task.axes.split())}). " if rng.level == GUIDED else ""
    return WriteExpression(
        prompt=stored + task.told + (" `values` and `vectors` are given." if task.shown else ""),
        tensors=[tensor(name, task.axes), *([tensor("x", "d")] if "x = " in task.made else [])],
        forbid=("A",) if "Without `A`" in task.told else (),
        axes="batch sample d",
        setup=f"{HIDDEN}{task.made}\n{code}\n",
        code=code,
        reference_expression=task.written(task.right),
        output=None if any(map(str.isdigit, task.output)) else task.output.split(),
        judged=task.judged,
        hints=[
            "Are the eigenvectors rows or columns of `vectors`? In which order do the eigenvalues come?",
            (
                "`vectors[:, i]` belongs to `values[i]`. `eigh`, for symmetric matrices, sorts ascending; `eig` "
                "does not "
                "sort, and gives complex numbers."
            ),
        ],
        why="`torch.linalg.eigh` (symmetric matrices) gives real eigenvalues in ascending order; "
        "`torch.linalg.eig` gives "
        "complex ones in no order. Either way the eigenvectors are columns: `A @ vectors[:, i]` is `values[i]` times "
        "`vectors[:, i]`. Their sign is arbitrary. A symmetric A is `vectors * values @ vectors.T`.",
        wrong=[Wrong(key, task.written(answer), because) for key, answer, because in task.wrong],
    )
