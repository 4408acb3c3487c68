"""Python that a learner typed: read, never run. What this finds is for friendlier words; safety is the sandbox's."""

import ast
import re
from collections.abc import Collection
from symtable import symtable
from textwrap import dedent, indent

from tensordrill.puzzles.answers import Forbidden, Slip, name_of


def parse(source: str) -> ast.Module:
    """The syntax tree. Raises Slip with the line and what Python says of it."""
    try:
        tree = ast.parse(source)
        compile(tree, "<answer>", "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()[:60]
        where = f" in line {error.lineno}" if error.lineno and "\n" in source.strip() else ""
        raise Slip(f"That is not Python{where}: {error.msg}." + (f"  {line}" if line else "")) from None
    except (RecursionError, MemoryError, ValueError):
        raise Slip("That is nested too deeply to be read.") from None
    _refuse_lookalikes(tree)
    return tree


def refuse(source: str, forbidden: Collection[str]) -> None:
    """Raises Forbidden where the code names, as a name, an attribute or an import, what the prompt rules out.

    A name that the code gives to something of its own is no such name. What is hidden behind `getattr` or a text is not
    seen: that is nobody's accident, and it can be had more easily. Watching what is called would be wrong more often:
    einops and torch's own functions call what is ruled out by themselves.
    """
    tree = parse(source)
    for node in ast.walk(tree):
        name = {ast.Attribute: "attr", ast.alias: "name", ast.ImportFrom: "module"}.get(type(node))
        for used in (getattr(node, name) or "").split(".") if name else ():
            if used in forbidden:
                raise Forbidden(f"The prompt rules out {used}.")
    if strangers := sorted(_strangers(source) & set(forbidden)):
        raise Forbidden(f"The prompt rules out {strangers[0]}.")


def _strangers(source: str) -> set[str]:
    """The names that code uses and does not define."""
    top = symtable(source, "<answer>", "exec")
    own = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    found, left = set[str](), [top]
    while left:
        table = left.pop()
        left += table.get_children()
        free = table.get_symbols() if table is top else [symbol for symbol in table.get_symbols() if symbol.is_global()]
        found |= {symbol.get_name() for symbol in free if symbol.is_referenced()}
    return found - own


def outdented(text: str) -> str:
    """The code at column 0, also where only its first line lost its indentation to a paste."""
    try:
        ast.parse(dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        first, newline, rest = text.partition("\n")
        repaired = first.strip() + newline + dedent(rest)
        try:
            ast.parse(repaired)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return dedent(text)
        return repaired
    return dedent(text)


def as_function(text: str, signature: str) -> str:
    """A module that defines the function, or the class: the text as typed, or its bare body after the signature.

    Raises Slip where the text defines only a function, or a class, of another name.
    """
    code = outdented(text)
    kind, wanted = "class" if signature.startswith("class ") else "function", defined_by(signature)
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        parse(code)
        raise
    defines = ast.ClassDef if kind == "class" else ast.FunctionDef | ast.AsyncFunctionDef
    names = [node.name for node in body if isinstance(node, defines)]
    if wanted in names:
        return code
    if names and all(isinstance(n, ast.FunctionDef | ast.Import | ast.ImportFrom | ast.ClassDef) for n in body):
        raise Slip(f"That defines {names[-1]}; the {kind} must be called {wanted}.")
    return f"{signature}\n{indent(code, '    ')}"


def defined_by(signature: str) -> str:
    """The name in `def name(...):` or `class Name:`."""
    return re.split(r"[(:]", signature.partition(" ")[2])[0].strip()


def _refuse_lookalikes(tree: ast.AST) -> None:
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not node.id.isascii() and node.id not in bound:
            stray = next(c for c in node.id if not c.isascii())
            raise Slip(f"The name {node.id} holds {name_of(stray)}, a look-alike. Type it in plain ASCII.")
