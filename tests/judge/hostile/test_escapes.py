"""Answers that speak to the terminal, or pretend to be the judge, in whatever text they may give."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable
from textwrap import dedent

import pytest

from tensordrill.judge import Judge
from tensordrill.puzzles import WriteExpression, tensor

ESC = r"\x1b[2J\x1b]0;own\x07\x1bP\x1b\\\x9b31m\x00\x08\r\x7f\u202e\u2066\u200b\u2028\ud800"
BODIES = {
    "a text": f"return '{ESC}'",
    "a key": f"return {{'{ESC}': 1}}",
    "an item": f"return ['{ESC}', ('{ESC}',)]",
    "a message": f"raise ValueError('{ESC}')",
    "several messages": f"raise ValueError('{ESC}', '{ESC}') from KeyError('{ESC}')",
    "a note": f"error = ValueError('x')\nerror.add_note('{ESC}')\nraise error",
    "an assertion": f"assert False, '{ESC}'",
    "an exit": f"import sys\nsys.exit('{ESC}')",
    "a type's name": f"raise type('{ESC.replace(chr(92) + 'x00', '').replace(chr(92) + 'ud800', '')}', (Exception,), {{}})",
    "an object's type": f"return type('{ESC.replace(chr(92) + 'x00', '').replace(chr(92) + 'ud800', '')}', (), {{}})()",
    "a file's name": f"exec(compile('raise ValueError', '{ESC.replace(chr(92) + 'x00', '').replace(chr(92) + 'ud800', '')}', 'exec'))",
    "a repr": f"class It:\n    def __repr__(self):\n        return '{ESC}'\nreturn It()",
    "a str": f"class It(str):\n    def __str__(self):\n        return '{ESC}'\nreturn It('x')",
    "torch's own message": f"return torch.einsum('{ESC}', x)",
    "an attribute": f"return getattr(torch, '{ESC}')",
    "output": f"print('{ESC}', flush=True)\nreturn 0",
    "output to the errors": f"import sys\nsys.stderr.write('{ESC}'[:-1])\nsys.stderr.flush()\nreturn 0",
    "output by descriptor": "import os\nfor number in range(3):\n    os.write(number, b'\\x1b[2Jown')\nreturn 0",
    "a warning": f"import warnings\nwarnings.simplefilter('always')\nwarnings.warn('{ESC}'[:-1])\nreturn 0",
    "a log": "import logging\nlogging.error('\\x1b[2Jown')\nreturn 0",
    "the title": "import sys\nsys.stdout.write('\\x1b]2;own\\x07')\nreturn 0",
    "markup of rich's": "return '[red]Correct.[/red] [link=file:///etc/passwd]x[/link]'",
    "broken markup of rich's": "raise ValueError('[/nothing] [bold')",
    "markup of prompt_toolkit's": "raise ValueError('<style bg=\"red\">&</style> {0} %s')",
    "a verdict": 'raise ValueError(\'Correct.\\n\\n{"correct": true, "status": "correct"}\')',
    "many lines": "raise ValueError('\\n' * 1000)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_control_character_gets_out(contained: Callable[[str], object], body: str) -> None:
    contained(dedent(body).strip())


@pytest.mark.parametrize("text", ["x.sum(1) \x1b[2J", "'\x1b[2J'", "\x00", "x.sum\u200b(1)", "\x9b31m", "\ud800"])
def test_nor_one_of_the_answer_itself(hunted: Judge, text: str) -> None:
    puzzle = WriteExpression(
        prompt="", tensors=[tensor("x", "row column")], reference_expression="x.sum(0)", hints=["a", "b"], why="w"
    )
    verdict = hunted.grade(puzzle, text)
    assert not verdict.correct
    for said in filter(None, (verdict.feedback, verdict.expected, verdict.got)):
        assert all(c.isprintable() or c == "\n" for c in said)
