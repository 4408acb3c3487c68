"""What an equation gives, worked out by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from tensordrill.authoring import PredictValue, Rng, Wrong, drill
from tensordrill.building.contraction import Contraction, Terms, axes_of

TOP = 3  # the highest level
READ = {
    "axis-kept": "A letter that is missing after the arrow is summed; you left one of them unsummed.",
    "axis-lost": "A letter that stands after the arrow is kept; you summed over one of them.",
    "output-order": "The letters after the arrow give the order of the result's axes; yours are in another order.",
    "diagonal-lost": "A letter that stands twice in one term takes the diagonal; you let in all entries.",
    "not-tied": "A letter that two tensors share runs through both together; you summed one of them on its own.",
    "tied": "Two different letters run on their own, each with each; you let them run together.",
    "operand-order": "The letters of a term name the tensor's axes in the order in which they are stored; "
    "you exchanged two of them.",
}


@dataclass(frozen=True)
class Table:
    """A small tensor of whole numbers: an entry for each index."""

    shape: tuple[int, ...]
    entries: Mapping[tuple[int, ...], int]

    def __str__(self) -> str:
        return str(self._rows(()))

    def _rows(self, at: tuple[int, ...]) -> object:
        if len(at) == len(self.shape):
            return self.entries[at]
        return [self._rows((*at, i)) for i in range(self.shape[len(at)])]


def contracted(terms: Terms, tables: Sequence[Table], row: int | None) -> Mapping[tuple[int, ...], int] | None:
    """The entries of an einsum's result, or of one of its rows. None where it raises; torch says what is right."""
    sizes: dict[str, int] = {}
    for term, table in zip(terms, tables, strict=False):
        for letter, size in zip(term, table.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    letters = list(sizes)
    places = [[letters.index(letter) for letter in term] for term in terms]
    if row is not None and not places[-1]:
        return None
    entries: dict[tuple[int, ...], int] = {}
    for at in product(*map(range, sizes.values())):
        if row is not None and at[places[-1][0]] != row:
            continue
        value = 1
        for table, where in zip(tables, places, strict=False):
            value *= table.entries[tuple([at[i] for i in where])]
        cell = tuple([at[i] for i in places[-1]])
        entries[cell if row is None else cell[1:]] = entries.get(cell if row is None else cell[1:], 0) + value
    return entries


def lettered(rng: Rng, terms: Sequence[Sequence[int]], output: Sequence[int]) -> Contraction:
    """A contraction of A, B, … whose axes are single letters."""
    letters = rng.sample("abcijkmn", 1 + max(label for term in terms for label in term))
    return Contraction(
        tuple("ABC"[: len(terms)]),
        tuple(tuple(letters[label] for label in term) for term in terms),
        tuple(letters[label] for label in output),
    )


def one_table(rng: Rng) -> Contraction:
    """An equation of one matrix, or of a cube; not one that changes nothing."""
    while True:
        term = rng.pick(((0, 1), (0, 1), (0, 0), (0, 1, 2), (0, 0, 1), (0, 1, 0), (0, 1, 1)))
        labels = sorted(set(term))
        output = rng.sample(labels, rng.integer(0, min(2, len(labels))))
        if tuple(output) != term:
            return lettered(rng, [term], output)


def two_tables(rng: Rng) -> Contraction:
    """Vectors and matrices, that share an axis or none."""
    while True:
        terms = [rng.sample(range(3), rng.pick((1, 2, 2))) for _ in range(2)]
        labels = sorted({label for term in terms for label in term})
        if len(labels) < max(labels) + 1 or max(map(len, terms)) + len(labels) < 3:  # noqa: PLR2004 -- two vectors
            continue
        output = rng.sample(labels, rng.integer(0, min(2, len(labels))))
        tied = all(label in output or sum(label in term for term in terms) > 1 for label in labels)
        if tied or rng.chance(0.3):
            return lettered(rng, terms, output)


def several_tables(rng: Rng) -> Contraction:
    """Three tensors, or two of which one is a cube or has a diagonal."""
    while True:
        if rng.chance(0.4):
            terms = [rng.sample(range(3), rng.pick((1, 2))) for _ in range(3)]
        else:
            cube = rng.pick(((0, 1, 2), (0, 1, 1), (0, 1, 0), (0, 0, 1)))
            terms = [list(cube), rng.sample(range(max(cube) + 1), rng.pick((1, 2, 2)))]
        labels = sorted({label for term in terms for label in term})
        if len(labels) < max(labels) + 1 or len(labels) == 1:
            continue
        return lettered(rng, terms, rng.sample(labels, rng.integer(0, min(2, len(labels)))))


@drill(levels=3, arena="0.0", structures=(30, 180, 300))
def read(rng: Rng) -> PredictValue:
    """Read an einsum on small numbers."""
    net = (one_table, two_tables, several_tables)[rng.level - 1](rng)
    sizes = dict.fromkeys(net.axes, 2)
    if rng.level < TOP and max(map(len, net.operands)) < 3:  # noqa: PLR2004 -- cubes are 2 by 2 by 2
        sizes[rng.pick(net.axes)] = 3
    row = rng.integer(0, 1) if rng.level == TOP and len(net.output) > 1 else None
    turns = [(turn, terms_of(str(turn.answer))) for turn in net.wrong_turns(net.single_edits())]
    while True:
        tables = [numbers(rng, [sizes[axis] for axis in axes]) for axes in net.operands]
        right = contracted(net.terms, tables, row)
        found = [(turn, contracted(terms, tables, row)) for turn, terms in turns]
        if all(entries != right for _, entries in found):
            break
    call = f'torch.einsum("{{}}", {", ".join(net.names)})' + (f"[{row}]" if row is not None else "")
    wrong = []
    seen: list[object] = [None]
    for turn, entries in found:
        if entries not in seen:
            seen.append(entries)
            wrong.append(Wrong(turn.id, call.format(turn.answer), READ[turn.id]))
    lines = [f"{name} = torch.tensor({table})" for name, table in zip(net.names, tables, strict=True)]
    equation = ",".join(net.terms[:-1]) + "->" + net.terms[-1]
    return PredictValue(
        program="\n".join([*lines, f'out = torch.einsum("{equation}", {", ".join(net.names)})']),
        ask="out" if row is None else f"out[{row}]",
        hints=[
            "Which letters are missing after the arrow? The result adds up over those.",
            f"Write one entry as a sum first: the letters {axes_of(net.terms[-1])} stay fixed."
            if net.output
            else "The result is one number: the sum of all products.",
        ],
        why="Each letter is an index. Entries are multiplied where the letters agree, and added up over every letter "
        "that is missing after the arrow. The letters after the arrow give the result's axes, in that order; a letter "
        "that stands twice in a term takes the diagonal.",
        wrong=wrong,
    )


def terms_of(equation: str) -> Terms:
    return tuple(equation.replace("->", ",").split(","))


def numbers(rng: Rng, shape: Sequence[int]) -> Table:
    places = list(product(*map(range, shape)))
    values = rng.distinct(len(places), 1, max(6, len(places) + 1))
    return Table(tuple(shape), dict(zip(places, values, strict=True)))
