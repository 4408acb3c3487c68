"""Answers to the drills of the track linalg as people type them, and what the judge says of them."""

import numpy as np
import pytest

from tensordrill.authoring import WriteExpression
from tensordrill.catalog import Catalog
from tensordrill.judge import Judge


def puzzle(catalog: Catalog, name: str, level: int, *words: str) -> WriteExpression:
    """The first puzzle whose prompt or code has all these words."""
    for seed in range(600):
        it = catalog[name].puzzle(seed, level)
        assert isinstance(it, WriteExpression)
        if all(word in f"{it.prompt} {it.code}" for word in words):
            return it
    raise LookupError


ONTO_V = ("linalg.projection", 1, "`x` and `v`", "Write the projection of `x`")
WITHOUT = ("linalg.projection", 2, "`resid` has", "without its component")
SPAN = ("linalg.projection", 3, "`A` has", "`b` has (d_model)", "Write the projection of")
REBUILD = ("linalg.svd", 1, "write A itself")
PINV = ("linalg.svd", 2, "write the pseudo-inverse of A.")
FULL = ("linalg.svd", 3, "torch.linalg.svd(A)", "best approximation of A by a matrix of rank 2")
TOP = ("linalg.eig", 1, "is symmetric", "of its largest eigenvalue")
UNSORTED = ("linalg.eig", 2, "triangular", "of the largest", "torch.linalg.eig")
SMALLEST = ("linalg.eig", 1, "triangular", "of the smallest", "torch.linalg.eig")
FEW = ("linalg.eig", 2, "is symmetric", "of its 3 largest", "`values` and `vectors` are given")
CUBE = ("linalg.eig", 3, "are positive", "A @ A @ A")
VALUE = ("linalg.eig", 1, "is symmetric", "write its largest eigenvalue.")
CHAIN = ("linalg.eig", 3, "stationary")
STD = ("linalg.numpy-port", 1, "x.std(axis=0)")
TILE = ("linalg.numpy-port", 2, "np.tile(x, 2)")
MEAN = ("linalg.numpy-port", 2, "i.mean()")


@pytest.mark.parametrize(
    ("which", "answer"),
    [
        (ONTO_V, "(x @ v) / (v @ v) * v"),
        (ONTO_V, "v * torch.dot(x, v) / v.norm()**2"),
        (ONTO_V, "F.normalize(v, dim=0) * (x @ F.normalize(v, dim=0))"),
        (ONTO_V, "torch.outer(v, v) @ x / v.square().sum()"),
        (ONTO_V, "v * torch.linalg.lstsq(v[:, None], x[:, None]).solution[0]"),
        (ONTO_V, "torch.einsum('i,i,j->j', x, v, v) / (v * v).sum()"),
        (WITHOUT, "resid - (resid @ refusal)[:, None] * refusal / (refusal @ refusal)"),
        (WITHOUT, "resid - torch.outer(resid @ refusal, refusal) / refusal.square().sum()"),
        (WITHOUT, "resid @ (torch.eye(len(refusal)) - torch.outer(refusal, refusal) / refusal.norm()**2)"),
        (SPAN, "A @ torch.linalg.lstsq(A, b[:, None]).solution[:, 0]"),
        (SPAN, "A @ torch.linalg.pinv(A) @ b"),
        (SPAN, "(lambda Q: Q @ Q.T @ b)(torch.linalg.qr(A).Q)"),
        (SPAN, "A @ torch.linalg.inv(A.T @ A) @ A.T @ b"),
        (SPAN, "A @ torch.linalg.solve(A.T @ A, A.T @ b)"),
        (REBUILD, "U @ torch.diag(S) @ Vh"),
        (REBUILD, "(U * S) @ Vh"),
        (REBUILD, "U @ (S[:, None] * Vh)"),
        (REBUILD, "torch.einsum('ik,k,kj->ij', U, S, Vh)"),
        (REBUILD, "sum(s * torch.outer(u, v) for u, s, v in zip(U.T, S, Vh))"),
        (REBUILD, "U @ torch.diag_embed(S) @ Vh"),
        (CUBE, "vectors @ torch.diag(values**3) @ vectors.T"),
        (CUBE, "torch.linalg.matrix_power(vectors * values @ vectors.mT, 3)"),
        (VALUE, "values.max()"),
        (VALUE, "torch.linalg.eigvalsh(vectors * values @ vectors.T)[-1]"),
        (SMALLEST, "-3 * vectors[:, values.real.argmin()].real"),
        (FEW, "vectors[:, values.topk(3).indices]"),
        (FEW, "-vectors.flip(1)[:, :3]"),
        (PINV, "Vh.T @ torch.diag(1 / S) @ U.T"),
        (PINV, "torch.linalg.pinv(U * S @ Vh)"),
        (PINV, "(U / S @ Vh).T"),
        (FULL, "U[:, :2] @ torch.diag(S[:2]) @ Vh[:2]"),
        (FULL, "U[:, :2] * S[:2] @ Vh[:2, :]"),
        (FULL, "torch.einsum('ik,k,kj->ij', U[:, :2], S[:2], Vh[:2])"),
        (TOP, "vectors[:, -1]"),
        (TOP, "-vectors[:, -1]"),
        (TOP, "3 * vectors.T[-1]"),
        (TOP, "vectors[:, values.argmax()]"),
        (TOP, "torch.linalg.eigh(A)[1][:, -1]"),
        (UNSORTED, "vectors[:, values.real.argmax()].real"),
        (UNSORTED, "-2 * vectors.real.T[values.real.argmax()]"),
        (CHAIN, "torch.linalg.matrix_power(A, 300)[0]"),
        (CHAIN, "(lambda v: v / v.sum())(torch.linalg.eig(A.T)[1].real[:, torch.linalg.eig(A.T)[0].real.argmax()])"),
        (CHAIN, ("torch.linalg.lstsq(torch.cat([A.T - torch.eye(len(A)), torch.ones(1, len(A))]), "
                "torch.cat([torch.zeros(len(A)), torch.ones(1)])[:, None]).solution[:, 0]")),
        (STD, "x.std(0, unbiased=False)"),
        (STD, "x.std(dim=0, correction=0)"),
        (STD, "x.var(0, correction=0).sqrt()"),
        (STD, "((x - x.mean(0)) ** 2).mean(0).sqrt()"),
        (TILE, "x.repeat(2)"),
        (TILE, "torch.tile(x, (2,))"),
        (TILE, "torch.cat([x, x])"),
        (MEAN, "i.double().mean()"),
        (MEAN, "i.mean(dtype=torch.float64)"),
        (MEAN, "i.to(torch.float64).mean()"),
    ],
)  # fmt: skip
def test_any_route_is_right(judge: Judge, catalog: Catalog, which: tuple[str, int, str], answer: str) -> None:
    verdict = judge.grade(puzzle(catalog, *which), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("which", "answer", "turn"),
    [
        (ONTO_V, "(x @ v) * v", "missing-normalisation"),
        (ONTO_V, "(x @ v) * v / v.norm()", "normalised-once"),
        (ONTO_V, "x - (x @ v) / (v @ v) * v", "remainder"),
        (ONTO_V, "(x @ v) / (x @ x) * x", "other-way-round"),
        (ONTO_V, "(x @ v) / (v @ v)", "coefficient"),
        (ONTO_V, "x * v / (v @ v)", None),
        (WITHOUT, "resid - (resid @ refusal)[:, None] * refusal", "missing-normalisation"),
        (WITHOUT, "(resid @ refusal)[:, None] * refusal / (refusal @ refusal)", "projection"),
        (SPAN, "A @ A.T @ b", "gram-forgotten"),
        (SPAN, "torch.linalg.pinv(A) @ b", "coefficients"),
        (SPAN, "b - A @ torch.linalg.pinv(A) @ b", "remainder"),
        (SPAN, "F.normalize(A, dim=0) @ F.normalize(A, dim=0).T @ b", "one-at-a-time"),
        (REBUILD, "U * S @ Vh.T", "v-for-vt"),
        (REBUILD, "U @ Vh", "s-left-out"),
        (REBUILD, "U @ S @ Vh", "s-not-diagonal"),
        (REBUILD, "Vh.T * S @ U.T", "transposed"),
        (PINV, "Vh.T * S @ U.T", "not-inverted"),
        (PINV, "U / S @ Vh", "not-transposed"),
        (FULL, "U[:, 2:len(S)] * S[2:] @ Vh[2:len(S)]", "remainder"),
        (FULL, "U[:, :2] @ Vh[:2]", "s-left-out"),
        (TOP, "vectors[-1]", "row"),
        (TOP, "vectors[:, 0]", "other-end"),
        (TOP, "values[-1]", "eigenvalue"),
        (TOP, "vectors[:, -2]", "neighbour"),
        (TOP, "A @ vectors", None),
        (TOP, "torch.zeros(len(A))", None),
        (TOP, "vectors[:, values.abs().argmax()]", "other-end"),
        (VALUE, "values.abs().max()", None),
        (CUBE, "A @ A @ A", None),  # which the prompt says itself
        (CUBE, "vectors * values @ vectors.T", "eigenvalues-unchanged"),
        (UNSORTED, "vectors[:, -1].real", "last-column"),
        (UNSORTED, "vectors[:, values.abs().argmax()].real", "other-end"),
        (SMALLEST, "vectors[:, values.abs().argmin()].real", "by-size"),
        (FEW, "vectors[:, values.abs().topk(3).indices]", None),
        (UNSORTED, "vectors[:, values.real.argmax()]", "complex"),
        (CHAIN, "torch.full((len(A),), 1 / len(A))", "right-eigenvector"),
        (STD, "x.std(0)", "ddof"),
        (STD, "x.std(1, correction=0)", "other-axis"),
        (TILE, "x.repeat_interleave(2)", "interleaved"),
        (MEAN, "i.float().mean()", "float32"),
        (MEAN, "i.mean()", "raises"),
    ],
)
def test_what_is_wrong_is_named(
    judge: Judge, catalog: Catalog, which: tuple[str, int, str], answer: str, turn: str | None
) -> None:
    verdict = judge.grade(puzzle(catalog, *which), answer)
    assert not verdict.correct
    assert verdict.wrong_turn == turn, verdict.feedback


def test_numpy_itself_gives_what_the_torch_code_gives(catalog: Catalog) -> None:
    """The references of numpy-port, against NumPy: dtype, shape and values."""
    torch = pytest.importorskip("torch")
    sizes = {"row": 3, "column": 4, "batch": 2, "pair": 2, "even": 6}
    codes = set()
    for seed in range(80):
        for level in (1, 2, 3):
            it = catalog["linalg.numpy-port"].puzzle(seed, level)
            assert isinstance(it, WriteExpression)
            if it.code in codes:
                continue
            codes.add(it.code)
            draw = np.random.default_rng(seed)
            arrays = {}
            for one in it.tensors:
                shape = [sizes[axis] for axis in one.axes]
                whole = one.domain != "any"
                arrays[one.name] = draw.integers(0, 3, shape) if whole else draw.normal(size=shape).astype(np.float32)
            wanted = np.asarray(eval(it.code, {"np": np} | arrays))
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            got = eval(it.reference_expression, {"torch": torch} | tensors).numpy()
            assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), it.code
            assert np.allclose(got, wanted, atol=1e-5), it.code
    assert len(codes) > 40
