"""When Enter ends an answer, and what the next line begins with."""

from pathlib import Path

import pytest

from tensordrill import paths
from tensordrill.ui.editing import AnswerHistory, _history, _indent_after, ends_by_itself

SIGNATURE = "def f(x):"


@pytest.mark.parametrize(
    "code",
    [
        "return x @ w",
        "y = x\nreturn y",
        "    y = x\n    return y",
        "def f(x):\n    return x",
        "def f(x):\n    if x:\n        y = 1\n    return y",
        "raise ValueError",
    ],
)
def test_a_return_of_the_function_itself_ends_it(code: str) -> None:
    assert ends_by_itself(code, SIGNATURE)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "y = x",
        "def f(x):",
        "def f(x):\n    y = 1",
        "if x:\n    return 1",
        "try:\n    return model(x)\nfinally:\n    handle.remove()",
        "def hook(module, inputs, output):\n    return output\nhandle = model.register_forward_hook(hook)",
        "def hook(module, inputs, output):\n    return output",
        "return (x",
        "return x)",
        "\0",
    ],
)
def test_anything_else_may_go_on(code: str) -> None:
    assert not ends_by_itself(code, SIGNATURE)


@pytest.mark.parametrize(
    ("before", "indent"),
    [("def f(x):", 4), ("    if x:", 8), ("    y = f(", 8), ("    y = 1", 4), ("", 0), ("a\n        b", 8)],
)
def test_the_next_line_is_indented(before: str, indent: int) -> None:
    assert _indent_after(before) == " " * indent


@pytest.mark.usefixtures("home")
def test_the_history_of_a_kind_is_kept_without_commands() -> None:
    history = _history("einsum")
    for text in ("ij->ji", ":hint", "  ", "i j -> j i\nx"):
        history.append_string(text)
    again = _history("einsum")
    assert list(again.load_history_strings()) == ["i j -> j i\nx", "ij->ji"]
    assert paths.history("einsum").stat().st_mode & 0o077 == 0


def test_a_history_that_cannot_be_kept_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENSORDRILL_HOME", str(tmp_path / "file"))
    _history("einsum").append_string("ij->ji")
    AnswerHistory(tmp_path / "missing" / "einsum").append_string("ij->ji")
