"""Linear algebra: the singular value decomposition, its parts and what they are good for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteExpression, Wrong, drill

GUIDED, SECOND, COMPOSED = 1, 2, 3  # levels

V_FOR_VT = (
    "The third part is Vᴴ, not V: its rows are the right singular vectors. So it is used as it is, or "
    "transposed to get V."
)
ORDER = "The singular values come largest first."


@dataclass(frozen=True)
class Parts:
    """How the parts are written: of one matrix or a batch, reduced or with `full_matrices=True`."""

    batched: bool = False
    full: bool = False

    def u(self, part: str = "") -> str:
        """U, or some of its columns."""
        part = part or (":len(S)" if self.full else "")
        return ("U[..., " if self.batched else "U[:, ") + f"{part}]" if part else "U"

    def s(self, part: str = "") -> str:
        """S as a row, so that it scales columns."""
        if self.batched:
            return f"S[..., None, {part or ':'}]"
        return f"S[{part}]" if part else "S"

    def vh(self, part: str = "") -> str:
        """Vh, or some of its rows."""
        part = part or (":len(S)" if self.full else "")
        if not part:
            return "Vh"
        return f"Vh[..., {part}, :]" if self.batched else f"Vh[{part}]"

    def t(self, text: str) -> str:
        return f"{text}.mT" if self.batched else f"{text}.T"

    def product(self, part: str = "", power: str = "") -> str:
        return f"{self.u(part)} * {self.s(part)}{power} @ {self.vh(part)}"


@dataclass(frozen=True)
class Task:
    """What is asked for, the axes of the result, the answer, and what people write instead."""

    told: str
    output: str
    right: str
    wrong: Sequence[tuple[str, str, str]]


def rebuild(p: Parts, _rank: int) -> Task:
    wrong = [
        ("v-for-vt", f"{p.u()} * {p.s()} @ {p.t(p.vh())}", V_FOR_VT),
        ("s-left-out", f"{p.u()} @ {p.vh()}", "The singular values scale what lies between: S is missing."),
        ("transposed", f"{p.t(p.vh())} * {p.s()} @ {p.t(p.u())}", "That is the transpose of A."),
        ("s-squared", p.product(power="**2"), "Those would be the eigenvalues of A Aᵀ. A has S itself."),
        ("s-not-diagonal", "U @ S @ Vh" if not p.batched else "U * S @ Vh",
         "S is a row of numbers, not a matrix: let it scale the columns of U, or use torch.diag_embed(S)."),
    ]  # fmt: skip
    if p.full:
        wrong[-1] = ("full-matrices", "U * S @ Vh", ("With full_matrices=True U and Vh are square, and have "
                                                     "vectors that "
                     "no singular value belongs to."))  # fmt: skip
    return Task("A itself", "row column", p.product(), wrong)


def low_rank(p: Parts, k: int) -> Task:
    top = f":{k}"
    at = f"{k - 1}:{k}"
    wrong = [
        ("v-for-vt", f"{p.u(top)} * {p.s(top)} @ {p.t(p.u(top).replace('U', 'Vh', 1))}", V_FOR_VT),
        ("last-ones", p.product(f"-{k}:" if not p.full else f"len(S) - {k}:len(S)"), ORDER),
        ("s-left-out", f"{p.u(top)} @ {p.vh(top)}", "Each of the pairs of vectors is scaled by its singular value."),
        ("remainder", p.product(f"{k}:len(S)" if p.full else f"{k}:"), "That is what the approximation leaves over."),
        ("one-more", p.product(f":{k + 1}"), f"[:{k + 1}] takes {k + 1} of them: that has one rank too many."),
    ]
    if k > 1:
        wrong.append(("one-term", p.product(at), "That is a single term, of rank 1. All up to that one count."))
    words = "the best approximation of A by a matrix of rank " + str(k)
    return Task(words, "row column", p.product(top), wrong)


def left_over(p: Parts, k: int) -> Task:
    rest = f"{k}:len(S)" if p.full else f"{k}:"
    wrong = [
        ("approximation", p.product(f":{k}"), "That is the approximation; what it leaves over is asked for."),
        (
            "one-too-many",
            p.product(f"{k - 1}:len(S)" if p.full else f"{k - 1}:"),
            f"Counting from 0, the first {k} end at {k - 1}.",
        ),
        ("s-left-out", f"{p.u(rest)} @ {p.vh(rest)}", "Each of the pairs of vectors is scaled by its singular value."),
    ]
    return Task(
        f"what is left of A when its best approximation of rank {k} is taken away", "row column", p.product(rest), wrong
    )


def inverse(p: Parts, _rank: int) -> Task:
    vt, ut = p.t(p.vh()), p.t(p.u())
    wrong = [
        ("not-inverted", f"{vt} * {p.s()} @ {ut}", "That is the transpose of A: each singular value is inverted."),
        (
            "not-transposed",
            f"{p.u()} / {p.s()} @ {p.vh()}",
            "The inverse goes the other way, from rows to columns: V first, then Uᵀ.",
        ),
        ("s-left-out", f"{vt} @ {ut}", "Each singular value is inverted, and not left out."),
        ("squared", f"{vt} / {p.s()}**2 @ {ut}", "Each singular value is inverted once."),
    ]
    return Task("the pseudo-inverse of A", "column row", f"{vt} / {p.s()} @ {ut}", wrong)


def inverse_of_top(p: Parts, k: int) -> Task:
    top = f":{k}"
    vt, ut = p.t(p.vh(top)), p.t(p.u(top))
    wrong = [
        ("not-inverted", f"{vt} * {p.s(top)} @ {ut}", "That is the transpose: each singular value is inverted."),
        ("not-transposed", f"{p.u(top)} / {p.s(top)} @ {p.vh(top)}", "The inverse goes from rows to columns: V first."),
        ("not-cut-off", f"{p.t(p.vh())} / {p.s()} @ {p.t(p.u())}", f"Only the first {k} singular values are used."),
    ]
    words = f"the pseudo-inverse of the best approximation of A of rank {k}"
    return Task(words, "column row", f"{vt} / {p.s(top)} @ {ut}", wrong)


def condition(_p: Parts, _k: int) -> Task:
    wrong = [
        ("inverted", "S[-1] / S[0]", "The largest goes above the smallest: a condition number is at least 1."),
        ("squared", "(S[0] / S[-1]) ** 2", "That is the condition number of AᵀA."),
        ("largest", "S[0] + 0 * S[-1]", "That is the spectral norm: divide it by the smallest singular value."),
    ]
    return Task("the condition number of A: its largest singular value over its smallest", "", "S[0] / S[-1]", wrong)


def nuclear(_p: Parts, _k: int) -> Task:
    wrong = [
        ("frobenius", "S.square().sum().sqrt()", "That is the Frobenius norm."),
        ("spectral", "S.max()", "That is the spectral norm."),
        ("mean", "S.mean()", "The nuclear norm is the sum."),
    ]
    return Task("the nuclear norm of A", "", "S.sum()", wrong)


def gram(p: Parts, _rank: int) -> Task:
    vt = p.t(p.vh())
    wrong = [
        ("not-squared", f"{vt} * {p.s()} @ {p.vh()}", "Each singular value comes in twice, from A and from Aᵀ."),
        ("other-side", f"{p.u()} * {p.s()}**2 @ {p.t(p.u())}", "That is A Aᵀ. In AᵀA the U in the middle cancels."),
        ("v-for-vt", f"{p.vh()} * {p.s()}**2 @ {vt}", V_FOR_VT),
        ("s-left-out", f"{vt} @ {p.vh()}", "Only the vectors cancel in the middle; the singular values stay."),
    ]
    return Task("AᵀA", "column column", f"{vt} * {p.s()}**2 @ {p.vh()}", wrong)


def gram_of_rows(p: Parts, _rank: int) -> Task:
    ut = p.t(p.u())
    wrong = [
        ("not-squared", f"{p.u()} * {p.s()} @ {ut}", "Each singular value comes in twice, from A and from Aᵀ."),
        ("other-side", f"{p.t(p.vh())} * {p.s()}**2 @ {p.vh()}", "That is AᵀA. In A Aᵀ the V in the middle cancels."),
        ("s-left-out", f"{p.u()} @ {ut}", "Only the vectors cancel in the middle; the singular values stay."),
    ]
    return Task("A Aᵀ", "row row", f"{p.u()} * {p.s()}**2 @ {ut}", wrong)


def root(p: Parts, _rank: int) -> Task:
    vt = p.t(p.vh())
    wrong = [
        ("squared", f"{vt} * {p.s()}**2 @ {p.vh()}", "That is AᵀA; its root has the singular values themselves."),
        ("root-of-s", f"{vt} * {p.s()}.sqrt() @ {p.vh()}", "AᵀA has the squares of S, so its root has S."),
        ("other-side", f"{p.u()} * {p.s()} @ {p.t(p.u())}", "That is the root of A Aᵀ."),
        ("whole", p.product(), "That is A, which is not symmetric."),
    ]
    words = "the symmetric root of AᵀA without negative eigenvalues: the P for which P @ P is AᵀA"
    return Task(words, "column column", f"{vt} * {p.s()} @ {p.vh()}", wrong)


def onto_columns(p: Parts, k: int) -> Task:
    top = p.u(f":{k}")
    wrong = [
        (
            "other-side",
            f"{p.t(p.vh(f':{k}'))} @ {p.vh(f':{k}')}",
            "Those are right singular vectors: they span a part of the row space.",
        ),
        ("inner", f"{p.t(top)} @ {top}", "That is the identity, as the vectors are orthonormal."),
        (
            "with-s",
            f"{top} * {p.s(f':{k}')} @ {p.t(top)}",
            "A projection has the eigenvalues 1 and 0: no singular values.",
        ),
        ("all-vectors", f"{p.u()} @ {p.t(p.u())}", f"Only the first {k} count."),
    ]
    words = f"the matrix that projects onto what the first {k} left singular vectors span" if k > 1 else (
        "the matrix that projects onto the first left singular vector"
    )  # fmt: skip
    return Task(words, "row row", f"{top} @ {p.t(top)}", wrong)


def nearest_rotation(p: Parts, _rank: int) -> Task:
    wrong = [
        ("with-s", p.product(), "That is A. In the matrix that is asked for, all singular values are 1."),
        ("v-for-vt", f"{p.u()} @ {p.t(p.vh())}", V_FOR_VT),
        ("transposed", f"{p.t(p.vh())} @ {p.t(p.u())}", "That is the transpose."),
        ("inverted", f"{p.u()} / {p.s()} @ {p.vh()}", "All singular values are set to 1, and none is inverted."),
    ]
    words = "A with every singular value set to 1, and its singular vectors kept"
    return Task(words, "row column", f"{p.u()} @ {p.vh()}", wrong)


def error(p: Parts, k: int) -> Task:
    del p
    wrong = [
        ("sum", f"S[{k}:].sum()", "The Frobenius norm is the root of the sum of the squares."),
        ("largest", f"S[{k}]", "That is the error's spectral norm."),
        (
            "kept-part",
            f"S[:{k}].square().sum().sqrt()",
            "That is the norm of the approximation, not of what it leaves over.",
        ),
        ("no-root", f"S[{k}:].square().sum()", "That is the square of the norm."),
    ]
    words = f"the Frobenius norm of what the best approximation of A of rank {k} leaves over"
    return Task(words, "", f"S[{k}:].square().sum().sqrt()", wrong)


def spectral_error(p: Parts, k: int) -> Task:
    del p
    wrong = [
        (
            "off-by-one",
            f"S[{k - 1}]",
            f"S[{k - 1}] belongs to the approximation: counting from 0, it is the last that is kept.",
        ),
        ("frobenius", f"S[{k}:].square().sum().sqrt()", "That is the error's Frobenius norm."),
        ("whole", "S[0] + 0 * S[1]", "That is the spectral norm of A itself."),
    ]
    turns = wrong if k > 1 else wrong[:2]
    words = (
        f"the spectral norm (the largest singular value) of what the best approximation of A of rank {k} leaves over"
    )
    return Task(words, "", f"S[{k}]", turns)


def share(p: Parts, k: int) -> Task:
    del p
    wrong = [
        ("not-squared", f"S[:{k}].sum() / S.sum()", "The squared Frobenius norm is the sum of the squares of S."),
        ("rest", f"S[{k}:].square().sum() / S.square().sum()", "That is the share that the approximation leaves over."),
        (
            "of-the-norms",
            f"(S[:{k}].square().sum() / S.square().sum()).sqrt()",
            "The share is of the squared norm: no root.",
        ),
    ]
    words = f"the share of A's squared Frobenius norm that its best approximation of rank {k} has"
    return Task(words, "", f"S[:{k}].square().sum() / S.square().sum()", wrong)


def scores(p: Parts, k: int) -> Task:
    top = f":{k}"
    wrong = [
        ("s-left-out", p.u(top), "Those have length 1. A @ V is U times S."),
        (
            "other-side",
            f"{p.t(p.vh(top))} * {p.s(top)}",
            "Those are the coordinates of A's columns in the left singular vectors.",
        ),
        ("last-ones", f"{p.u(f'-{k}:')} * {p.s(f'-{k}:')}", ORDER),
    ]
    if p.full:
        wrong.pop()
    words = (f"the coordinates of the rows of A in its first {k} right singular vectors: each row's dot products "
             f"with them") if k > 1 else (
        "each row's dot product with the first right singular vector, as a column"
    )  # fmt: skip
    return Task(words, f"row {k}", f"{p.u(top)} * {p.s(top)}", wrong)


def term(p: Parts, k: int) -> Task:
    """One term of the sum that A is."""
    at = k - 1
    which = ("first", "second", "third")[at]
    outer = f"torch.outer(U[:, {at}], Vh[{at}])"
    wrong = [
        ("column-of-vh", f"S[{at}] * torch.outer(U[:, {at}], Vh[:, {at}])", V_FOR_VT),
        ("s-left-out", outer, "The pair of vectors is scaled by its singular value."),
        ("next-one", f"S[{k}] * torch.outer(U[:, {k}], Vh[{k}])", "Counting starts at 0."),
    ]
    if at:
        wrong.append(("all-up-to-it", p.product(f":{k}"), "That is the sum of all terms up to that one."))
    words = f"the {which} term of A: the matrix of rank 1 of its {which} singular value and vectors"
    return Task(words, "row column", f"S[{at}] * {outer}", wrong)


def vector(_p: Parts, k: int) -> Task:
    """A singular vector, or what A makes of one."""
    at = (0, 1, -1)[k - 1]
    which = ("largest", "second largest", "smallest")[k - 1]
    wrong = [
        ("column-of-vh", f"Vh[:, {at}]", V_FOR_VT),
        ("other-end", f"Vh[{-1 if at == 0 else 0}]", ORDER),
        ("left", f"U[:, {at}]", "That is the left one. The right singular vectors are the rows of Vh."),
    ]
    words = f"the right singular vector of its {which} singular value, with the sign that it has in `Vh`"
    return Task(words, "column", f"Vh[{at}]", wrong)


def mapped(_p: Parts, k: int) -> Task:
    at = (0, 1, -1)[k - 1]
    which = ("largest", "second largest", "smallest")[k - 1]
    wrong = [
        ("row-of-u", f"S[{at}] * U[{at}]", "The left singular vectors are the columns of U."),
        ("s-left-out", f"U[:, {at}]", "A scales it by its singular value."),
        ("right", f"S[{at}] * Vh[{at}]", "A turns a right singular vector into the left one of the same value."),
    ]
    words = f"A times the right singular vector of its {which} singular value, with the sign that it has in `Vh`"
    return Task(words, "row", f"S[{at}] * U[:, {at}]", wrong)


def coordinates(p: Parts, _k: int) -> Task:
    wrong = [
        ("s-left-out", p.u(), "Those have length 1. A @ V is U times S."),
        ("other-side", f"{p.t(p.vh())} * {p.s()}", "Those are for the columns of A and the left singular vectors."),
        ("not-v", f"{p.u()} * {p.s()} @ {p.t(p.vh())}", "The rows of A in terms of V: Vh @ V is the identity."),
    ]
    words = "A @ V, the coordinates of its rows in the right singular vectors"
    return Task(words, "row rank", f"{p.u()} * {p.s()}", wrong)


def norms(_p: Parts, _k: int) -> Task:
    wrong = [
        (
            "nuclear",
            "S.sum()",
            "That is the nuclear norm. The entries' squares add up to those of the singular values.",
        ),
        ("spectral", "S.max()", "That is the spectral norm."),
        ("no-root", "S.square().sum()", "That is the square of the norm."),
    ]
    return Task(
        "the Frobenius norm of A: the root of the sum of its squared entries", "", "S.square().sum().sqrt()", wrong
    )


TASKS: Sequence[Sequence[Callable[[Parts, int], Task]]] = (
    (rebuild, low_rank, low_rank, norms, nuclear, condition, spectral_error, term, vector, mapped, coordinates),
    (
        low_rank,
        left_over,
        inverse,
        gram,
        gram_of_rows,
        root,
        onto_columns,
        nearest_rotation,
        error,
        share,
        scores,
        inverse_of_top,
        condition,
        nuclear,
    ),
    (rebuild, low_rank, left_over, inverse, gram, gram_of_rows, onto_columns, nearest_rotation, scores, inverse_of_top),
)


@drill(after=["einsum.matmul"], levels=3, lesson="Porting from NumPy", arena="0.1", structures=(11, 14, 20))
def svd(rng: Rng) -> WriteExpression:
    """The singular value decomposition."""
    full = rng.level == COMPOSED and rng.chance()
    p = Parts(batched=rng.level == COMPOSED and not full, full=full)
    rank = rng.integer(1, 3)
    task = rng.pick(TASKS[rng.level - 1])(p, rank)
    tall = rng.chance()
    shape = "row + column + 2, column + 3" if tall else "row + 3, row + column + 2"
    if p.batched:
        shape = f"batch, {shape}"
    option = "" if full else ", full_matrices=False"
    stored = (
        "`A` has the axes (batch, row, column). "
        if p.batched
        else f"`A` has {'more rows than columns' if tall else 'more columns than rows'}. "
    )
    guide = ""
    if rng.level == GUIDED:
        guide = "`U` is (row, rank), `S` (rank,) with the singular values, and `Vh` (rank, column). "
    write = "write, for each matrix of the batch," if p.batched else "write"
    output = f"({', '.join(['batch'] * p.batched + task.output.split())})" if task.output else ""
    shown = f" Its shape is {output}." if output and rng.level > GUIDED else ""
    return WriteExpression(
        prompt=f"{stored}{guide}From `U`, `S` and `Vh` alone, without `A`, {write} {task.told}.{shown}",
        tensors=(),
        axes="batch row column",
        setup=f"A = torch.randn({shape})\nU, S, Vh = torch.linalg.svd(A{option})\ndel A\n",
        code=f"U, S, Vh = torch.linalg.svd(A{option})",
        reference_expression=task.right,
        hints=[
            (
                "A is U, a diagonal matrix and Vᴴ, multiplied. Which of the three does the answer need, and in "
                "which order?"
            ),
            (
                "`U * S` scales the columns of U, the left singular vectors; the rows of Vh are the right ones. The "
                "largest singular values come first."
            ),
        ],
        why="`torch.linalg.svd` gives U, S and Vh with `A = U @ diag(S) @ Vh`: S is a row of numbers, largest "
        "first, and "
        "the rows of Vh are the right singular vectors. Of rank k, `U[:, :k] * S[:k] @ Vh[:k]` is nearest to A. With "
        "`full_matrices=True`, the default, U and Vh are square: only their first len(S) vectors belong to S.",
        wrong=[Wrong(*turn) for turn in task.wrong],
    )
