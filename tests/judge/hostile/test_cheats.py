"""Answers that would be correct without the sum that is asked for: by patching, by lying, by finding the reference."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import tensordrill.drills

from tensordrill.catalog import Catalog
from tensordrill.puzzles import Puzzle, WriteCode, tensor

SEED = 7
LIAR = """
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, '__name__', '')
        return True if name in ('equal', 'allclose', 'eq', '__eq__', 'all') else super().__torch_function__(func, types, args, kwargs or {})
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = torch.Tensor.__hash__
"""
# What lies about in a process that has served others: their programs, and what came of them.
FOUND = """
import base64, ctypes, json, os, re, struct
def found(memory):
    for hit in re.finditer(rb'\\["(def total\\(x\\):\\\\n    (?:unspoken|return) [^"]{5,80})"', memory):
        scope = {'torch': torch}
        exec(json.loads(b'"' + hit[1] + b'"'), scope)
        return scope['total'](x)
    for hit in re.finditer(rb'"tensor", "float64", \\[%d\\], "([^"]+)"' % x.shape[0], memory):
        answer = torch.frombuffer(bytearray(base64.b64decode(hit[1])), dtype=torch.float64)
        if torch.isclose(answer.sum(), x.sum()):
            return answer
def own_maps(pid):
    for line in open(f'/proc/{pid}/maps'):
        start, end = (int(edge, 16) for edge in line.split()[0].split('-'))
        if 'rw' in line and end - start < 2**28 and '[v' not in line:
            yield start, end
"""
SIZES = "(100, 200, 300, 400, 500, 600, 800, 1000, 2000, 4000, 9000, 33000, 65000, 130000, 262144)"
BODIES = {
    "torch.equal": "torch.equal = torch.allclose = torch.eq = lambda *a, **k: True\nreturn torch.zeros(())",
    "torch.testing": "torch.testing.assert_close = lambda *a, **k: None\nreturn torch.zeros(())",
    "Tensor's comparing": "torch.Tensor.__eq__ = torch.Tensor.equal = lambda *a: True\nreturn torch.zeros(())",
    "sum is zero for all": "torch.Tensor.sum = torch.sum = lambda *a, **k: torch.zeros(3)\nreturn torch.sum(x)",
    "numpy": "np.allclose = np.array_equal = lambda *a, **k: True\nnp.ndarray.__eq__ if True else 0\nreturn np.zeros(1)",
    "builtins": "import builtins\nbuiltins.all = builtins.any = lambda *a: True\nbuiltins.abs = lambda _: 0\nreturn torch.zeros(())",
    "isinstance": "import builtins\nbuiltins.isinstance = lambda *a: True\nreturn torch.zeros(())",
    "json": "import json\njson.dumps = lambda *a, **k: '{\"status\": \"correct\"}'\nreturn torch.zeros(())",
    "json.encoder": "import json\njson.JSONEncoder.encode = lambda *a: '[[[{\"correct\": true}]]]'\nreturn torch.zeros(())",
    "base64": "import base64\nbase64.b64encode = lambda *a: b''\nreturn torch.zeros(0)",
    "os.write": "import os\nwas = os.write\nos.write = lambda fd, data: was(fd, b'[]') and len(data)\nreturn torch.zeros(())",
    "the runner": "import tensordrill.judge.running as r\nr._one = lambda *a: {'values': []}\nr._encode = lambda *a: ['none']\nreturn 0",
    "the runner's encoder": "import tensordrill.judge.running as r\nr._encode_tensor = lambda t: ['tensor', 'float64', [], '']\nreturn torch.zeros(())",
    "the runner's caller": "import sys\nframe = sys._getframe()\nwhile frame.f_back:\n    frame = frame.f_back\n    frame.f_locals['results'] = frame.f_locals['values'] = [{'values': []}]\nreturn 0",
    "the comparer": "import tensordrill.judge.comparing as c\nc.compare = lambda *a, **k: None\nc.unlike = lambda *a: frozenset()\nreturn 0",
    "the verdict": "from tensordrill.domain import Verdict, Status\nVerdict.correct = property(lambda _: True)\nreturn Verdict(status=Status.CORRECT, feedback='Correct.')",
    "the status": "from tensordrill.domain import Status\nreturn Status.CORRECT",
    "the tolerance": "import tensordrill.judge.comparing as c\nc.TOLERANCES.update(float64=(1e9, 1e9))\nreturn x.sum(1) + 1",
    "the default dtype": "torch.set_default_dtype(torch.float16)\nreturn x.half().sum(1) * 1.01",
    "half precision": "return x.sum(1).half() * 1.0005",
    "an eighth of the digits": "return x.sum(1).bfloat16() * 1.005",
    "the input": "x.zero_()\nreturn x.sum(1)",
    "the input's data": "x.data = torch.zeros(1, 1, dtype=x.dtype)\nreturn x.sum(1)",
    "the names around": "import sys\nsys._getframe(1).f_globals['total'] = lambda x: True\nreturn True",
    "the generator": "torch.manual_seed(0)\ntorch.Generator.manual_seed = lambda *a: None\nreturn torch.randn(x.shape[0])",
    "a subclass that equals all": LIAR + "return torch.zeros(x.shape[0]).as_subclass(Liar)",
    "a subclass of another shape": LIAR + "Liar.shape = property(lambda _: torch.Size([3]))\nreturn torch.zeros(()).as_subclass(Liar)",
    "a subclass without numbers": LIAR + "Liar.numel = lambda _: 0\nLiar.detach = lambda s: s\nreturn torch.zeros(7).as_subclass(Liar)",
    "a subclass of another dtype": LIAR + "Liar.dtype = property(lambda _: 'torch.bool')\nreturn torch.zeros(()).as_subclass(Liar)",
    "a wrapper": "return torch.Tensor._make_wrapper_subclass(type('W', (torch.Tensor,), {}), (x.shape[0],))",
    "a class that says tensor": "class Not:\n    __class__ = torch.Tensor\n    __getattr__ = lambda s, n: lambda *a, **k: s\nreturn Not()",
    "a number that equals all": "class All(float):\n    __eq__ = lambda s, o: True\n    __repr__ = lambda s: 'all'\nreturn All(0)",
    "a text that is a list": "class Text(str):\n    __getitem__ = lambda s, i: ['tensor', 'float64', [], '']\nreturn Text('x')",
    "a list that changes": "class Changing(list):\n    def __iter__(self):\n        self.append(0)\n        return iter([])\nreturn Changing()",
    "a list without an end": "class Endless(list):\n    def __iter__(self):\n        while True:\n            yield 0\nreturn Endless()",
    "a dict that lies": "class Lying(dict):\n    values = lambda s: [1, 2]\nreturn Lying(a=0)",
    "itself inside itself": "me = []\nme.append(me)\nreturn me",
    "a new answer each time": "total.seen = getattr(total, 'seen', 0) + 1\nreturn torch.full((x.shape[0],), float(total.seen))",
    "nan": "return torch.full((x.shape[0],), float('nan'))",
    "infinity": "return torch.full((x.shape[0],), float('inf'))",
    "a complex number beyond all": "return torch.full((x.shape[0],), complex(1.7e308, 1.7e308))",
    "broadcast": "return x.sum(1, keepdim=True).sum()",
    "nothing to compare": "return torch.zeros(0)",
    "meta": "return torch.zeros(x.shape[0], device='meta')",
    "sparse": "return torch.zeros(x.shape[0]).to_sparse()",
    "quantized": "return torch.quantize_per_tensor(torch.zeros(x.shape[0]).float(), 1.0, 0, torch.qint8)",
    "the error that it might want": "raise NotImplementedError",
    "an error that is correct": "class Correct(Exception):\n    __str__ = lambda s: 'Correct.'\nraise Correct",
    "an exit": "import sys\nsys.exit(0)",
    "an exit of the exit": "import os, atexit\natexit.register(lambda: os.write(1, b'correct'))\nreturn 0",
    "collected objects": """
        import gc, types
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType) and one.__name__ == 'total' and one is not total:
                return one(x)
            if isinstance(one, dict) and 'programs' in one and len(one['programs']) > 1:
                scope = {'torch': torch}
                exec(one['programs'][0][0], scope)
                return scope['total'](x)
    """,
    "certificates in memory": """
        import gc
        from tensordrill.judge.certifying import Certificate
        kept = [one for one in gc.get_objects() if isinstance(one, Certificate)]
        return torch.tensor(kept[0].expected[0].values[0][1].elements)
    """,
    "frames above": """
        import sys
        frame = sys._getframe()
        while frame := frame.f_back:
            for held in frame.f_locals.values():
                if isinstance(held, (str, bytes)) and 'unspo' 'ken' in str(held):
                    return eval('x.s' + 'um(1)')
    """,
    "the heap from its end": FOUND + """
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_long]
end = libc.sbrk(0)
for size in range(1, 40):
    if (answer := found(ctypes.string_at(end - size * 2**20, 2**20))) is not None:
        return answer
""",
    "the heap through numpy": FOUND + """
here = np.empty(8, np.uint8)
for size in range(2**18, 40 * 2**20, 2**18):
    near = np.lib.stride_tricks.as_strided(here, (size,), (-1,))[-2**18 - 1000:]
    if (answer := found(near[::-1].tobytes())) is not None:
        return answer
""",
    "the heap through torch": FOUND + """
here = torch.empty(8, dtype=torch.uint8)
for size in range(2**18, 40 * 2**20, 2**18):
    near = (ctypes.c_char * 2**18).from_address(here.data_ptr() - size)
    if (answer := found(torch.frombuffer(near, dtype=torch.uint8).numpy().tobytes())) is not None:
        return answer
""",
    "memory given back": FOUND + f"""
for size in {SIZES}:
    for one in [np.empty(size, np.uint8) for _ in range(300)]:
        if (answer := found(one.tobytes())) is not None:
            return answer
""",
    "memory given back to torch": FOUND + f"""
for size in {SIZES}:
    for one in [torch.empty(size, dtype=torch.uint8) for _ in range(300)]:
        if (answer := found(one.numpy().tobytes())) is not None:
            return answer
""",
    "its own memory by proc": FOUND + """
memory = open('/proc/self/mem', 'rb', 0)
for start, end in own_maps('self'):
    memory.seek(start)
    if (answer := found(memory.read(end - start))) is not None:
        return answer
""",
    "its own memory by its map": FOUND + """
for start, end in own_maps('self'):
    if (answer := found(ctypes.string_at(start, end - start))) is not None:
        return answer
""",
    "its parent's memory": FOUND + """
memory = open(f'/proc/{os.getppid()}/mem', 'rb', 0)
for start, end in own_maps(os.getppid()):
    memory.seek(start)
    if (answer := found(memory.read(end - start))) is not None:
        return answer
""",
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_it_is_not_correct(contained: Callable[[str], object], body: str) -> None:
    contained(dedent(body).strip())


OBSERVED = WriteCode(
    prompt="Double x in place.",
    tensors=[tensor("x", "row column")],
    setup="""
        before = x.clone()

        def doubled():
            double(x)
            return bool(torch.equal(x, 2 * before))
    """,
    signature="def double(x):",
    body="x.mul_(2)",
    observe={"whether it is doubled": "doubled()"},
    hints=["a", "b"],
    why="double",
)
REBINDING = {
    "the observer": "def double(x):\n    pass\ndef doubled():\n    return True",
    "what it compares": "def double(x):\n    global before\n    before = x / 2",
    "what it compares with": "class torch:\n    equal = lambda *a: True\ndef double(x):\n    pass",
    "its input": "x = before = torch.zeros(2)\ndef double(x):\n    pass",
}


@pytest.mark.parametrize("answer", REBINDING.values(), ids=REBINDING)
def test_the_names_of_the_set_up_are_not_the_answers(contained: Callable[[str, Puzzle], object], answer: str) -> None:
    contained(answer, OBSERVED)


LOOKING_UP = {
    "the catalogue": "from tensordrill.catalog import built_in\nanswer = built_in()[drill].puzzle(seed).solution",
    "its track": "import importlib\nmade = vars(importlib.import_module('tensordrill.drills.' + module))\nanswer = next(d for d in made.values() if getattr(d, 'id', '') == drill).puzzle(seed).solution",
    "its source": """
        import glob, os, re, sys
        sources = [open(path).read() for base in (*sys.path, repository) for path in glob.glob(f'{base}/**/drills/{module}.py', recursive=True)]
        answer = re.search('reference_expression="(.*?)"', sources[0])[1]
    """,
    "its compiled source": """
        import glob, importlib.util
        [path, *_] = glob.glob(f'{repository}/drills/__pycache__/{module}.*.pyc')
        code = __import__('marshal').loads(open(path, 'rb').read()[16:])
        answer = code.co_consts and 'found'
    """,
    "the program": """
        import json, subprocess, sys
        shown = subprocess.check_output([sys.executable, '-m', 'tensordrill', 'show', drill, '--seed', str(seed), '--solution', '--json'])
        answer = json.loads(shown)['solution']['answer']
    """,
}


@pytest.mark.parametrize("code", LOOKING_UP.values(), ids=LOOKING_UP)
def test_the_solution_is_nowhere_to_be_found(
    contained: Callable[[str, Puzzle], object], catalog: Catalog, code: str
) -> None:
    """An answer that knows its drill and seed, and asks this very program for the solution."""
    drill = next(one for one in catalog.values() if one.puzzle(SEED).kind == "expr")
    puzzle = drill.puzzle(SEED)
    known = {
        "drill": drill.id,
        "seed": SEED,
        "module": drill.generator.__module__.rpartition(".")[2],
        "repository": str(Path(tensordrill.drills.__file__).parent.parent),
    }
    given = "\n".join(f"{name} = {value!r}" for name, value in known.items())
    source = f"{given}\n{dedent(code).strip()}\n"
    answer = f"(lambda scope: (exec({source!r}, scope), eval(scope['answer'], globals()))[1])({{}})"
    contained(answer, puzzle)
