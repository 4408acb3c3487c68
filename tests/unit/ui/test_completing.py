"""Tab completes what the puzzle names and what torch has; the table of those is torch's."""

import subprocess
import sys
from importlib import metadata

import pytest

from tensordrill.catalog import built_in
from tensordrill.ui.completing import completions, names_of, table


def test_the_table_is_what_torch_has() -> None:
    """`make names` writes it. Another torch may have more, and must have all that is offered."""
    command = [sys.executable, "-W", "ignore", "-m", "tensordrill.judge.names"]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    now = {line.split()[0]: line.split()[1:] for line in written.splitlines()}
    assert now.keys() == table().keys()
    if metadata.version("torch").split("+")[0] == "2.13.0" and metadata.version("einops") == "0.8.2":
        assert {name: set(found) for name, found in table().items() if name != "np"} == {
            name: set(found) for name, found in now.items() if name != "np"
        }


@pytest.mark.parametrize(
    ("before", "among"),
    [
        ("torch.eins", "einsum"),
        ("y = torch.linalg.sv", "svd"),
        ("F.cross_ent", "cross_entropy"),
        ("torch.nn.functional.cross_ent", "cross_entropy"),
        ("nn.Lin", "Linear"),
        ("torch.nn.Lin", "Linear"),
        ("x.uns", "unsqueeze"),
        ("(x @ w).me", "mean"),
        ("einops.rear", "rearrange"),
        ("rear", "rearrange"),
        ("x + sco", "scores"),
        ("np.ar", "arange"),
    ],
)
def test_what_is_offered(before: str, among: str) -> None:
    assert among in completions(before, ["scores"])


@pytest.mark.parametrize("before", ["", "x + ", "math.s", "scores", "3.1"])
def test_nothing_is_offered_where_nothing_fits(before: str) -> None:
    assert completions(before, ["scores"]) == []


def test_answers_in_axis_names_are_offered_axis_names_alone() -> None:
    assert completions("ba", ["batch", "x"], calls=False) == ["batch"]
    assert completions("torch.ein", ["batch"], calls=False) == []
    assert completions("rear", ["batch"], calls=False) == []


def test_the_names_of_a_puzzle() -> None:
    face = built_in()["einops.permute"].puzzle(3).face
    assert face.tensors
    assert set(face.tensors[0].axes or ()) <= set(names_of(face))
    code = built_in()["hooks.patch"].puzzle(3).face
    assert {"model", "tokens", "clean"} <= set(names_of(code))
