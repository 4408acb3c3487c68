"""The picture of a contraction's axes: what it says is what the equation means."""

import io
from collections import Counter
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tensordrill.catalog import Catalog
from tensordrill.puzzles import PredictShape, WriteEinsum, tensor
from tensordrill.puzzles.einsum import Equation
from tensordrill.ui.layout import Sheet
from tensordrill.ui.pictures import Axis, AxisDiagram, Contraction, axes_of, contractions, in_code

LETTERS = "abcijkXY"


@st.composite
def equations(draw: st.DrawFn) -> str:
    """One to three operands, letters once or more, an ellipsis or none, an arrow or none."""
    terms = draw(st.lists(st.lists(st.sampled_from(LETTERS), max_size=4), min_size=1, max_size=3))
    letters = list(dict.fromkeys(letter for term in terms for letter in term))
    output = draw(st.lists(st.sampled_from(letters), unique=True)) if letters else []
    for term in terms:
        if draw(st.integers(0, 4)) == 0:
            term.insert(draw(st.integers(0, len(term))), "...")
    if any("..." in term for term in terms) and draw(st.booleans()):
        output.insert(draw(st.integers(0, len(output))), "...")
    written = ",".join("".join(term) for term in terms)
    return written + ("->" + "".join(output) if draw(st.booleans()) else "")


def drawn(text: str, *names: str) -> list[str]:
    return printed(Contraction(Equation.of(text, words=False), names))


def printed(contraction: Contraction, *, width: int = 60, plain: bool = False) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(Sheet([AxisDiagram(contraction, plain=plain)]))
    return file.getvalue().splitlines()


def split(term: str) -> list[str]:
    return [part for part in term.replace("...", ".") if part.strip()]


@given(equations())
def test_it_says_what_the_equation_means(text: str) -> None:
    inputs, arrow, right = text.partition("->")
    terms = [split(term) for term in inputs.split(",")]
    counted = Counter(label for term in terms for label in term)
    implicit = ["."] * ("." in counted) + sorted(c for c in counted if counted[c] == 1 and c != ".")
    output = split(right) if arrow else implicit
    axes = axes_of(Contraction(Equation.of(text, words=False), tuple("ABC"[: len(terms)])))
    assert {axis.label.replace("...", ".") for axis in axes} == set(counted)
    for axis in axes:
        label = axis.label.replace("...", ".")
        for term, dims in zip([*terms, output], [*axis.dims, axis.result], strict=True):
            assert sorted(dim % len(term) for dim in dims) == [i for i, c in enumerate(term) if c == label]
            if "." in term:
                assert all((dim < 0) == (dim % len(term) > term.index(".")) for dim in dims)
        holders = sum(label in term for term in terms)
        words = set(axis.fate.split(", "))
        assert ("summed" in words) == (label not in output)
        assert ("batch" in words) == (label in output and 1 < holders == len(terms))
        assert ("kept" in words) == (label in output and "batch" not in words)
        assert ("meets" in words) == (holders > 1 and "batch" not in words)
        assert ("diagonal" in words) == any(term.count(label) > 1 for term in terms)
        assert words <= {"summed", "batch", "kept", "meets", "diagonal"}


@given(equations())
@settings(deadline=None)
def test_torch_agrees(text: str) -> None:
    """Of ones, the result has the sizes of what is kept; each entry is the product of the sizes of what is summed."""
    terms = [split(term) for term in text.partition("->")[0].split(",")]
    size = dict(zip([*LETTERS, "."], (2, 3, 2, 3, 2, 1, 2, 3, 2), strict=True))
    result = torch.einsum(text, *(torch.ones([size[c] for c in term], dtype=torch.float64) for term in terms))
    axes = axes_of(Contraction(Equation.of(text, words=False), tuple("ABC"[: len(terms)])))
    kept = {dim % result.ndim: size[axis.label[-1]] for axis in axes for dim in axis.result}
    assert tuple(result.shape) == tuple(kept[i] for i in range(result.ndim))
    assert set(result.flatten().tolist()) == {prod(size[axis.label[-1]] for axis in axes if "summed" in axis.fate)}


@given(text=equations(), width=st.integers(40, 200), plain=st.booleans())
def test_it_fits_and_names_every_axis(*, text: str, width: int, plain: bool) -> None:
    contraction = Contraction(Equation.of(text, words=False), ("queries", "keys", "values")[: text.count(",") + 1])
    rows = printed(contraction, width=width, plain=plain)
    assert max(map(len, rows)) <= width
    assert all(row == row.rstrip() and row.isascii() for row in rows)
    told = " ".join(" ".join(rows).split())
    for axis in axes_of(contraction):
        assert f"{axis.label}: " in told or any(row.startswith(f"  {axis.label} ") for row in rows)
        assert axis.fate in told


def test_a_batched_product() -> None:
    assert drawn("bij,bjk->bik", "A", "B") == [
        "  axis  A  B  result",
        "  b     0  0    0     batch",
        "  i     1  .    1     kept",
        "  j     2  1    .     meets, summed",
        "  k     .  2    2     kept",
    ]


def test_a_trace_and_a_diagonal() -> None:
    assert drawn("ii", "A") == ["  axis   A   result", "  i     0 1    .     diagonal, summed"]
    assert drawn("ii->i", "A")[1] == "  i     0 1    0     diagonal, kept"


def test_an_ellipsis() -> None:
    assert drawn("...ij,jk", "A", "B") == [
        "  axis   A    B  result",
        "  ...   rest  .   rest   kept",
        "  i      -2   .    -2    kept",
        "  j      -1   0    .     meets, summed",
        "  k      .    1    -1    kept",
    ]


def test_numbers_have_no_axes() -> None:
    assert drawn(",->", "a", "b") == ["  There are no axes: numbers are multiplied."]
    assert drawn("i,->", "a", "b") == ["  axis  a  b  result", "  i     0  .    .     summed"]


def test_names_of_axes_and_sentences_where_it_is_narrow() -> None:
    puzzle = WriteEinsum(
        prompt="",
        tensors=[tensor("queries", "batch query d_head"), tensor("keys", "batch key d_head")],
        output=["batch", "query", "key"],
        hints=(),
        why="",
    )
    [contraction] = contractions(puzzle)
    assert contraction.written == "bqd,bkd->bqk"
    assert printed(contraction) == [
        "  axis          queries  keys  result",
        "  b     batch      0      0      0     batch",
        "  q     query      1      .      1     kept",
        "  d     d_head     2      2      .     meets, summed",
        "  k     key        .      1      2     kept",
    ]
    sentences = printed(contraction, width=40)
    assert sentences[:2] == ["  b (batch): dim 0 of queries, dim 0 of", "  keys, dim 0 of the result; batch."]
    assert printed(contraction, width=200, plain=True)[2] == (
        "  d (d_head): dim 2 of queries, dim 2 of keys; meets, summed."
    )


def test_calls_in_a_program() -> None:
    source = (
        'm = torch.einsum("ij,jk", A, torch.einsum("jj->j", B.T))\nn = einops.einsum(m, v, "row col, col -> row")\n'
        'torch.einsum("ij->iz", A)\ntorch.einsum("ij", A, B)\ntorch.einsum(equation, A)'
    )
    found = [(one.written, one.names) for one in in_code(source)]
    assert found == [
        ("jj->j", ("B.T",)),
        ("ij,jk", ("A", "torch.einsum('jj->j', B.T)")),
        ("row col, col -> row", ("m", "v")),
    ]
    assert not list(in_code("not a program ("))


def test_a_program_is_read_for_its_einsums() -> None:
    def count(program: str) -> int:
        return len(list(contractions(PredictShape(program=program, ask="y", hints=(), why=""))))

    assert count('y = torch.einsum("ij->ji", x)') == 1
    assert count("y = x.T") == 0
    assert count('x = torch.ones(2, 2, requires_grad=True)\ny = torch.einsum("ij->ji", x)') == 0


@pytest.mark.parametrize("name", ["read", "output-shape", "implicit-output", "from-code", "attention-scores"])
def test_drills_about_einsum_have_one(catalog: Catalog, name: str) -> None:
    drill = catalog[f"einsum.{name}"]
    for level in range(1, drill.levels + 1):
        found: list[list[Axis]] = [axes_of(one) for one in contractions(drill.puzzle(1, level))]
        assert found
        assert all(found)
