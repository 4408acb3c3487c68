"""Answers to the drills of the track data as people type them, and what the judge says of them."""

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode

RAISED, SHAPE, VALUE, DTYPE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.WRONG_DTYPE


def windows(catalog: Catalog) -> WriteCode:
    """Windows over tokens, every few of them, as pairs."""
    for seed in range(400):
        it = catalog["data.dataset"].puzzle(seed, 2)
        if isinstance(it, WriteCode) and it.signature == WINDOWS and "as a dict" not in it.prompt:
            return it
    raise LookupError


WINDOWS = "def make_dataset(tokens, seq_len, stride):"
WINDOW_ANSWERS = (
    """
    class Windows:
        def __len__(self):
            return (len(tokens) - 1 - seq_len) // stride + 1
        def __getitem__(self, i):
            at = i * stride
            return tokens[at : at + seq_len], tokens[at + 1 : at + 1 + seq_len]
    return Windows()
    """,
    """
    starts = range(0, len(tokens) - seq_len, stride)
    return [(tokens[s:s + seq_len], tokens[s + 1:s + seq_len + 1]) for s in starts]
    """,
    """
    inputs = tokens[:-1].unfold(0, seq_len, stride)
    targets = tokens[1:].unfold(0, seq_len, stride)
    return torch.utils.data.TensorDataset(inputs, targets)
    """,
    """
    rows = tokens.unfold(0, seq_len + 1, stride)
    class Windows(torch.utils.data.Dataset):
        def __init__(self, rows): self.rows = rows
        def __len__(self): return self.rows.shape[0]
        def __getitem__(self, i): return self.rows[i, :-1], self.rows[i, 1:]
    return Windows(rows)
    """,
    """
    from torch.utils.data import Dataset
    class Windows(Dataset):
        def __len__(self):
            return len(range(0, len(tokens) - seq_len, stride))
        def __getitem__(self, i):
            window = tokens[i * stride:][:seq_len + 1]
            return window[:-1], window[1:]
    return Windows()
    """,
    """
    return list(zip(tokens[:-1].unfold(0, seq_len, stride), tokens[1:].unfold(0, seq_len, stride)))
    """,
)


@pytest.mark.parametrize("answer", WINDOW_ANSWERS)
def test_any_dataset_that_yields_the_items_is_right(judge: Judge, catalog: Catalog, answer: str) -> None:
    verdict = judge.grade(windows(catalog), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("old", "new", "status", "turn"),
    [
        ("tokens[at + 1 : at + 1 + seq_len]", "tokens[at : at + seq_len]", VALUE, "not-shifted"),
        ("tokens[at + 1 : at + 1 + seq_len]", "tokens[at + seq_len]", SHAPE, "last-token-only"),
        ("at = i * stride", "at = i", VALUE, "every-token"),
        ("// stride + 1", "// stride", VALUE, "one-too-few"),
        ("(len(tokens) - 1 - seq_len) // stride + 1", "len(tokens) // stride", RAISED, None),
        ("tokens[at : at + seq_len],", "tokens[at : at + seq_len + 1],", SHAPE, None),
        ("return Windows()", "return Windows", RAISED, None),
        ("return Windows()", "pass", RAISED, None),
    ],
)
def test_another_dataset_is_wrong(
    judge: Judge, catalog: Catalog, old: str, new: str, status: Status, turn: str | None
) -> None:
    assert old in WINDOW_ANSWERS[0]
    verdict = judge.grade(windows(catalog), WINDOW_ANSWERS[0].replace(old, new))
    assert not verdict.correct
    if turn:
        assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def padded(catalog: Catalog) -> WriteCode:
    """Rows padded with 0 on the right, and a mask that is True for real tokens, as a tuple."""
    puzzles = (catalog["data.collate-pad"].puzzle(seed, 1) for seed in range(100))
    for it in puzzles:
        if (
            isinstance(it, WriteCode)
            and "`0`" in it.prompt
            and "label" not in it.prompt
            and "Return a tuple (tokens, mask)" in it.prompt
            and "after its tokens" in " ".join(it.prompt.split())
            and "True where a token is real" in it.prompt
        ):
            return it
    raise LookupError


@pytest.mark.parametrize(
    "answer",
    [
        """
        lengths = torch.tensor([len(row) for row in batch])
        out = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
        return out, torch.arange(out.shape[1]) < lengths[:, None]
        """,
        """
        n = max(map(len, batch))
        out = torch.stack([F.pad(row, (0, n - len(row))) for row in batch])
        mask = torch.stack([torch.arange(n) < len(row) for row in batch])
        return out, mask
        """,
        """
        n = max(len(row) for row in batch)
        out = torch.zeros(len(batch), n, dtype=torch.long)
        mask = torch.zeros(len(batch), n, dtype=bool)
        for i, row in enumerate(batch):
            out[i, :len(row)] = row
            mask[i, :len(row)] = 1
        return out, mask
        """,
        """
        pad = torch.nn.utils.rnn.pad_sequence
        return pad(batch, batch_first=True), pad([torch.ones_like(row).bool() for row in batch], batch_first=True)
        """,
        """
        n = max(len(row) for row in batch)
        rows = [row.tolist() + [0] * (n - len(row)) for row in batch]
        mask = [[True] * len(row) + [False] * (n - len(row)) for row in batch]
        return (torch.tensor(rows), torch.tensor(mask))
        """,
        """
        out = torch.nn.utils.rnn.pad_sequence(batch).T
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in batch]).T > 0
        return out, mask
        """,
    ],
)
def test_any_way_of_padding_is_right(judge: Judge, catalog: Catalog, answer: str) -> None:
    verdict = judge.grade(padded(catalog), answer)
    assert verdict.correct, verdict.feedback


LENGTHS = "mask = torch.arange(out.shape[1]) < torch.tensor([len(row) for row in batch])[:, None]\n"


@pytest.mark.parametrize(
    ("answer", "status", "turn"),
    [
        ("out = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)\nreturn out, out != 0", VALUE,
         "mask-from-values"),
        ("out = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)\n" + LENGTHS + "return out, ~mask", VALUE,
         "mask-inverted"),
        ("out = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)\n" + LENGTHS + "return out, mask.long()",
         DTYPE, "mask-of-numbers"),
        ("out = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)\n" + LENGTHS + "return out.T, mask.T", SHAPE,
         "batch-second"),
        ("n = min(map(len, batch))\nreturn torch.stack([row[:n] for row in batch]), torch.ones(len(batch), n) > 0",
         SHAPE, "cut-to-the-shortest"),
        (("n = max(map(len, batch))\nout = torch.stack([F.pad(row, (n - len(row), 0)) for row in batch])\n"
         "return out, torch.stack([torch.arange(n) >= n - len(row) for row in batch])"), VALUE, "wrong-side"),
        ("out = torch.stack(batch)\nreturn out, out >= 0", RAISED, None),
        ("return torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)", VALUE, None),
    ],
)  # fmt: skip
def test_padding_gone_wrong_is_named(
    judge: Judge, catalog: Catalog, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(padded(catalog), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback
