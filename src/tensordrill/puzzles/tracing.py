"""A program that records its own steps: what each expression gives, what gradient comes back, what lies where."""

import ast

from tensordrill.puzzles.base import Program, Seen, Trace

MOST_CELLS = 24  # of a memory that is drawn
# Every evaluated step by its number, with its shape, or how many there are and the first one's shape; None for what
# is no tensor, and for a program that raises.
_SHAPES = """
_steps = []
def _step(number, value):
    if isinstance(value, torch.Tensor):
        seen = tuple(value.shape)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
        seen = [len(value), tuple(value[0].shape)]
    else:
        seen = None
    _steps.append((number, seen))
    return value
def _end(value):
    _steps.append((None, tuple(getattr(value, "shape", value))))
def _mark(number, value):
    return value
"""
# Every gradient in the order in which it comes, and before those of a backward pass the number of its call. A tensor
# is watched once; it is kept, or another could get its id.
_GRADIENTS = """
_steps, _watched = [], {}
def _step(number, value):
    if isinstance(value, torch.Tensor) and value.requires_grad and id(value) not in _watched:
        _watched[id(value)] = value
        value.register_hook(lambda grad: _steps.append((number, grad.detach().clone())))
    return value
def _end(value):
    pass
def _mark(number, value):
    _steps.append((number, None))
    return value
"""
# Every tensor by its number, as (which memory, shape, strides, offset, the entries that the memory holds in the end,
# how many it holds). All are kept until then: memory that is freed could be given to the next.
_MEMORY = f"""
_made, _steps = {{}}, []
def _step(number, value):
    _made[number] = value
    return value
def _each(numbers, values):
    values = list(values)
    for number, value in zip(numbers, values):
        _step(number, value)
    return values
def _end(value):
    pass
def _seen():
    memories = []
    for number, value in _made.items():
        if isinstance(value, torch.Tensor) and value.layout is torch.strided and value.device.type == "cpu":
            storage = value.untyped_storage()
            if (key := (storage.data_ptr(), value.dtype)) not in memories:
                memories.append(key)
            size = storage.nbytes() // value.element_size()
            held = value.detach().as_strided((min(size, {MOST_CELLS}),), (1,), 0)
            told = tuple(value.shape), value.stride(), value.storage_offset(), held, size
            _steps.append((number, (memories.index(key), *told)))
    return _steps
"""
_RECORDERS = {Seen.SHAPES: _SHAPES, Seen.GRADIENTS: _GRADIENTS, Seen.MEMORY: _MEMORY}
_BACKWARD = ("backward", "grad")
_TRANSPOSES = ("T", "mT", "H", "mH")
_MODULES = ("torch", "F", "nn", "np", "math", "einops")


def trace(source: str, ask: str, of: Seen) -> Trace:
    """The source and then `ask`, watched. Raises SyntaxError where they are not Python."""
    whole = f"{source}\n_end({ask})"
    watcher = _MemoryWatcher(whole) if of is Seen.MEMORY else _Watcher(whole)
    tree = ast.fix_missing_locations(watcher.visit(ast.parse(whole)))
    body = ast.unparse(tree).replace("\n", "\n    ")
    code = f"{_RECORDERS[of]}\ntry:\n    {body}\nexcept Exception:\n    _steps.append((-1, None))"
    steps = "_seen()" if of is Seen.MEMORY else "_steps"
    return Trace(Program(code, (("the steps", steps),)), tuple(watcher.labels), of)


class _Watcher(ast.NodeTransformer):
    """Wraps every expression that may give a tensor in `_step(number, …)`, numbered as they are evaluated."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._assigned: dict[ast.expr, str] = {}
        self.labels: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # it is watched where it is called

    visit_ClassDef = visit_Lambda = visit_GeneratorExp = visit_JoinedStr = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return _wrapped("_step", self._number(self._label(node)), node)  # what is in it runs many times

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if isinstance(node.targets[0], ast.Name):
            self._assigned[node.value] = node.targets[0].id
        node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        call = node.func
        if isinstance(call, ast.Name) and call.id == "_end":
            [asked] = node.args
            node.args = [self._watched(asked) if isinstance(asked, ast.Attribute) else self.visit(asked)]
            return node
        if not (isinstance(call, ast.Attribute) and call.attr in _BACKWARD):
            return self._watched(node)
        label = self._text(node)
        self.generic_visit(node)
        number = self._number(label)
        if call.attr == "grad" or _is_torch(call.value):
            node.args[:1] = [_wrapped("_mark", number, arg) for arg in node.args[:1]]
        else:
            call.value = _wrapped("_mark", number, call.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self._watched(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        return node if isinstance(node.operand, ast.Constant) else self._watched(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return self._watched(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._watched(node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.ctx, ast.Store) or node.attr not in _TRANSPOSES:
            self.generic_visit(node)
            return node
        return self._watched(node)

    def _watched(self, node: ast.expr) -> ast.expr:
        label = self._label(node)
        self.generic_visit(node)
        return _wrapped("_step", self._number(label), node)

    def _number(self, label: str) -> int:
        self.labels.append(label)
        return len(self.labels) - 1

    def _label(self, node: ast.expr) -> str:
        """A method in a chain without what stands before it; what is made of nothing by its name alone."""
        text = self._text(node)
        if node in self._assigned and (isinstance(node, ast.ListComp) or not _takes_names(node)):
            return self._assigned[node]
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and _computed(node.func.value):
                text = f"...{node.func.attr}{self._raw(node)[len(self._raw(node.func)) :]}"
        elif isinstance(node, ast.Attribute) and _computed(node.value):
            text = f"...{node.attr}"
        elif isinstance(node, ast.Subscript) and _computed(node.value):
            text = f"...[{self._text(node.slice)}]"
        text = " ".join(text.split())
        return f"{self._assigned[node]} = {text}" if node in self._assigned else text

    def _text(self, node: ast.expr) -> str:
        return " ".join(self._raw(node).split())

    def _raw(self, node: ast.expr) -> str:
        return ast.get_source_segment(self._source, node) or ast.unparse(node)


class _MemoryWatcher(_Watcher):
    """Wraps what is given a name, and what is written to without one: other steps say nothing about memory."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        match node.targets:
            case [ast.Name() as name, *_]:
                made = self._text(node.value)
                label = f"{name.id} = {made}" if _takes_names(node.value) else name.id
                node.value = _wrapped("_step", self._number(label), node.value)
            case [ast.Tuple(elts=names)] if all(isinstance(name, ast.Name) for name in names):
                numbers: list[ast.expr] = [ast.Constant(self._number(self._text(name))) for name in names]
                node.value = ast.Call(ast.Name("_each", ast.Load()), [ast.List(numbers, ast.Load()), node.value], [])
            case [target]:
                self._written(target)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self._written(node.target)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        match node.value:
            case ast.Call(func=ast.Attribute(value=owner) as method) if _computed(owner):
                method.value = _wrapped("_step", self._number(self._text(owner)), owner)
        return node

    def _written(self, target: ast.expr) -> None:
        if isinstance(target, ast.Subscript) and _computed(target.value):
            target.value = _wrapped("_step", self._number(self._text(target.value)), target.value)


def _takes_names(node: ast.expr) -> bool:
    """Whether it works on something that has a name: `torch.cat(xs)` does, and `torch.zeros(2, 3)` does not."""
    return any(isinstance(part, ast.Name) and part.id not in _MODULES for part in ast.walk(node))


def _computed(node: ast.expr) -> bool:
    """Whether it is a step of its own."""
    return isinstance(node, (ast.Call, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Compare)) or (
        isinstance(node, ast.Attribute) and node.attr in _TRANSPOSES
    )


def _is_torch(node: ast.expr) -> bool:
    """Whether it is `torch`, `torch.autograd` …, and no tensor."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "torch"


def _wrapped(function: str, number: int, node: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(function, ast.Load()), [ast.Constant(number), node], [])
