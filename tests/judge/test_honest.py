"""Honest answers in many styles: whatever keeps hostile ones out must let all that learners reasonably use work."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Iterator
from textwrap import dedent

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode, tensor

TOTAL = WriteCode(
    prompt="The sum over the columns.",
    tensors=[tensor("x", "row column")],
    signature="def total(x):",
    body="return x.sum(1)",
    observe={"the result": "total(x)", "x afterwards": "x"},
    hints=["a", "b"],
    why="sum",
)
GRADIENT = WriteCode(
    prompt="The gradient of f at x.",
    setup="def f(x):\n    return (x * x.sigmoid()).sum()\nx = torch.randn(n, m)",
    axes="n m",
    signature="def gradient(f, x):",
    body="x = x.detach().requires_grad_()\nreturn torch.autograd.grad(f(x), x)[0]",
    observe={"the result": "gradient(f, x)"},
    hints=["a", "b"],
    why="grad",
)
FIT = WriteCode(
    prompt="Three steps of gradient descent at 0.1 on the mean squared error.",
    setup="model = nn.Sequential(nn.Linear(d, 4), nn.Tanh(), nn.Linear(4, 1))\nx, y = torch.randn(n, d), torch.randn(n, 1)",
    axes="n d",
    signature="def fit(model, x, y):",
    body="""
        for _ in range(3):
            model.zero_grad()
            F.mse_loss(model(x), y).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
    """,
    observe={"the parameters": "fit(model, x, y) or [p.detach() for p in model.parameters()]"},
    hints=["a", "b"],
    why="descent",
)
TOTALS = {
    "a loop": "out = torch.zeros(x.shape[0], dtype=x.dtype)\nfor i, row in enumerate(x):\n    out[i] = row.sum()\nreturn out",
    "a comprehension": "return torch.stack([row.sum() for row in x])",
    "a nested comprehension": "return torch.tensor([sum(v for v in row) for row in x.tolist()])",
    "a generator": "def rows():\n    for row in x:\n        yield row.sum()\nreturn torch.stack(list(rows()))",
    "a closure": "def make(dim):\n    def inner(t):\n        return t.sum(dim)\n    return inner\nreturn make(1)(x)",
    "a lambda": "return (lambda t: t.sum(-1))(x)",
    "a decorator": """
        import functools
        def logged(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                return function(*args, **kwargs)
            return inner
        @logged
        def go(t):
            return t.sum(1)
        return go(x)
    """,
    "a whole def with types": 'from torch import Tensor\ndef total(x: Tensor, *, dim: int = 1) -> Tensor:\n    """Sum."""\n    return x.sum(dim)',
    "helpers beside it": "def helper(t: 'Tensor') -> 'Tensor':\n    return t.sum(1)\n\ndef total(x):\n    return helper(x)",
    "future annotations": "from __future__ import annotations\ndef total(x: Undefined) -> Nothing:\n    return x.sum(1)",
    "a dataclass": """
        from dataclasses import dataclass, field, replace, asdict
        @dataclass(frozen=True)
        class Config:
            dim: int = 0
            names: list = field(default_factory=list)
        return x.sum(replace(Config(), dim=1).dim)
    """,
    "a slotted dataclass": "import dataclasses\n@dataclasses.dataclass(slots=True, order=True)\nclass At:\n    dim: int\nreturn x.sum(At(1).dim)",
    "a NamedTuple": "from typing import NamedTuple\nclass At(NamedTuple):\n    dim: int = 1\nreturn x.sum(At().dim)",
    "a namedtuple": "from collections import namedtuple\nreturn x.sum(namedtuple('At', 'dim')(1).dim)",
    "an enum": "from enum import IntEnum, auto\nclass Dim(IntEnum):\n    ROW = 0\n    COLUMN = 1\nreturn x.sum(Dim.COLUMN)",
    "typing": "from typing import Optional, Callable, TypeVar, Generic, Protocol\nT = TypeVar('T')\nclass Box(Generic[T]):\n    it: Optional[T] = None\nreturn x.sum(1)",
    "an abstract class": "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def go(self): ...\nclass B(A):\n    def go(self):\n        return x.sum(1)\nreturn B().go()",
    "operator overloading": "class Row:\n    def __init__(self, v):\n        self.v = v\n    def __add__(self, o):\n        return Row(self.v + o.v)\nfrom functools import reduce as fold\nreturn fold(lambda a, b: a + b, (Row(c) for c in x.unbind(1))).v",
    "match": "match x.shape:\n    case (_, columns):\n        return x @ torch.ones(columns, dtype=x.dtype)\n    case _:\n        raise ValueError(x.shape)",
    "a walrus": "if (columns := x.shape[1]) > 0:\n    return x.mean(1) * columns",
    "recursion": "def add(t):\n    return t[:, 0] if t.shape[1] == 1 else t[:, 0] + add(t[:, 1:])\nreturn add(x)",
    "while": "out, i = torch.zeros_like(x[:, 0]), 0\nwhile i < x.size(1):\n    out += x[:, i]\n    i += 1\nreturn out",
    "try and finally": "try:\n    return x.sum(5)\nexcept IndexError as error:\n    assert 'Dimension' in str(error)\n    return x.sum(1)\nfinally:\n    del x",
    "an exception of its own": "class Mine(Exception):\n    pass\ntry:\n    raise Mine('x') from None\nexcept Mine:\n    return x.sum(1)",
    "assert": "assert x.ndim == 2, f'{x.shape=}'\nout = x.sum(dim=1)\nassert out.shape == (x.shape[0],)\nreturn out",
    "print": "print(x, x.shape, sep='\\n', flush=True)\nprint(f'{x.mean():.3f} {x.sum().item():>10.2e}')\nreturn x.sum(1)",
    "print to the errors": "import sys\nprint('shape', x.shape, file=sys.stderr)\nsys.stdout.write('x')\nreturn x.sum(1)",
    "pprint": "from pprint import pprint\npprint({'x': x.tolist()})\nreturn x.sum(1)",
    "logging": "import logging\nlogging.basicConfig(level=logging.DEBUG)\nlogging.getLogger(__name__).warning('shape %s', x.shape)\nreturn x.sum(1)",
    "warnings": "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    warnings.warn('look')\nreturn x.sum(1)",
    "a traceback": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\nreturn x.sum(1)",
    "captured output": "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    print('x')\nassert out.getvalue() == 'x\\n'\nreturn x.sum(1)",
    "a context manager": "from contextlib import contextmanager, ExitStack, nullcontext\n@contextmanager\ndef quiet():\n    with torch.no_grad():\n        yield\nwith ExitStack() as stack:\n    stack.enter_context(quiet())\n    return x.sum(1)",
    "modes of gradients": "with torch.no_grad(), torch.enable_grad(), torch.inference_mode(False), torch.set_grad_enabled(False):\n    return x.sum(1)",
    "inference mode": "with torch.inference_mode():\n    return x.sum(1)",
    "itertools": "from itertools import accumulate, chain, product, islice\nrows, columns = x.shape\nout = [0.0] * rows\nfor i, j in product(range(rows), range(columns)):\n    out[i] += x[i, j].item()\nreturn torch.tensor(out)",
    "functools": "from functools import reduce, partial, lru_cache, cache\nreturn partial(torch.sum, dim=1)(reduce(torch.add, [x]))",
    "lru_cache": "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef dim(n):\n    return n if n < 2 else dim(n - 1)\nreturn x.sum(dim(5))",
    "collections": "from collections import defaultdict, Counter, OrderedDict, deque\nsums = defaultdict(float)\nfor i, row in enumerate(x.tolist()):\n    for v in deque(row):\n        sums[i] += v\nreturn torch.tensor(list(OrderedDict(sums).values()))",
    "operator and math": "import math\nfrom operator import itemgetter, mul\nreturn torch.tensor([math.fsum(row) for row in x.tolist()])",
    "statistics and fractions": "import statistics, fractions, decimal\nreturn torch.tensor([statistics.fmean(row) * len(row) for row in x.tolist()])",
    "heapq and bisect": "import heapq, bisect\nreturn torch.tensor([sum(heapq.nsmallest(len(row), row)) for row in x.tolist()])",
    "re and string": "import re, string, textwrap\nreturn torch.einsum(re.sub(r'\\s+', '', ' r c -> r '), x)",
    "struct and array": "import struct, array\nflat = array.array('d', x.double().flatten().tolist())\nreturn torch.tensor(flat).view(x.shape).sum(1)",
    "random": "import random\nrandom.seed(0)\norder = list(range(x.shape[1]))\nrandom.shuffle(order)\nreturn x[:, order].sum(1)",
    "torch's random": "torch.manual_seed(0)\norder = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(1))\nreturn x[:, order].sum(1)",
    "random from the system": "import os, secrets, uuid\nassert len(os.urandom(4)) == 4 and uuid.uuid4()\nsecrets.token_hex(4)\nreturn x.sum(1)",
    "time": "import time, datetime\nstarted = time.perf_counter()\nout = x.sum(1)\ntime.sleep(0.001)\nprint(time.perf_counter() - started, time.time(), time.monotonic(), datetime.datetime.now())\nreturn out",
    "timeit": "import timeit\ntimeit.timeit(lambda: x.sum(1), number=3)\nreturn x.sum(1)",
    "sys and gc": "import sys, gc, weakref\nsys.getsizeof(x)\nweakref.ref(x)\ngc.collect()\nsys.setrecursionlimit(5000)\nreturn x.sum(1)",
    "inspect": "import inspect\nassert 'x' in inspect.signature(total).parameters\nreturn x.sum(1)",
    "ast and eval": "import ast\nreturn eval('x.sum(d)', {'x': x, 'd': ast.literal_eval('1')})",
    "copy": "import copy\ny = copy.deepcopy(x)\ny += 1\nreturn copy.copy(x).sum(1)",
    "pickle": "import pickle\nreturn pickle.loads(pickle.dumps(x)).sum(1)",
    "torch.save": "import io\nheld = io.BytesIO()\ntorch.save({'x': x}, held)\nheld.seek(0)\nreturn torch.load(held)['x'].sum(1)",
    "json and base64": "import json, base64, zlib, hashlib\nhashlib.sha256(b'x').hexdigest()\nreturn torch.tensor(json.loads(zlib.decompress(zlib.compress(json.dumps(x.tolist()).encode())))).sum(1)",
    "numpy": "return torch.from_numpy(x.numpy().sum(axis=1))",
    "numpy's einsum": "import numpy as np\nreturn torch.as_tensor(np.einsum('ij->i', np.asarray(x)))",
    "numpy's linalg and random": "rng = np.random.default_rng(0)\nrng.permutation(3)\nnp.random.rand(2)\nreturn torch.tensor(x.numpy() @ np.linalg.solve(np.eye(x.shape[1]), np.ones(x.shape[1])))",
    "a memory view": "return torch.tensor(np.array(memoryview(x.numpy())).sum(-1))",
    "einsum": "return torch.einsum('rc->r', x)",
    "einops": "from einops import rearrange, reduce, einsum\nfrom einops.layers.torch import Rearrange, Reduce\nreturn Reduce('r c -> r', 'sum')(rearrange(rearrange(x, 'r c -> c r'), 'c r -> r c'))",
    "matmul": "return (x @ x.new_ones(x.shape[1], 1)).squeeze(-1)",
    "a large matmul": "big = torch.randn(300, 300)\n(big @ big).softmax(-1)\nreturn x.sum(1)",
    "linalg": "q, r = torch.linalg.qr(torch.randn(x.shape[1], x.shape[1], dtype=x.dtype))\nu, s, vh = torch.linalg.svd(x, full_matrices=False)\nreturn ((u * s) @ vh).sum(1)",
    "eigh and inverse": "a = x @ x.mT + torch.eye(x.shape[0])\nvalues, vectors = torch.linalg.eigh(a)\nreturn torch.linalg.inv(a) @ (a @ x.sum(1))",
    "fft": "return torch.fft.fft(x, dim=1)[:, 0].real.contiguous()",
    "complex": "z = torch.complex(x, -x)\nassert (3 + 4j).conjugate() and abs(3 + 4j) == 5\nreturn (z * z.conj()).real.sqrt().mul(0).sum(1) + z.sum(1).real",
    "sparse": "return torch.sparse.mm(x.to_sparse(), torch.ones(x.shape[1], 1)).squeeze(1)",
    "sparse rows": "import warnings\nwarnings.simplefilter('ignore')\nreturn x.to_sparse_csr() @ torch.ones(x.shape[1])",
    "scatter": "rows = torch.arange(x.shape[0]).repeat_interleave(x.shape[1])\nreturn torch.zeros(x.shape[0]).scatter_add(0, rows, x.flatten())",
    "gather and index_add": "at = torch.arange(x.shape[1]).expand_as(x)\nreturn torch.zeros(x.shape[0]).index_add(0, torch.arange(x.shape[0]), x.gather(1, at).sum(1))",
    "cumsum": "return x.cumsum(1)[:, -1]",
    "strides": "return torch.as_strided(x, x.shape, x.stride()).unfold(1, x.shape[1], 1).squeeze(1).sum(-1)",
    "a convolution": "return F.conv1d(x[:, None], torch.ones(1, 1, x.shape[1])).flatten()",
    "masks": "return x.masked_fill(torch.zeros_like(x, dtype=torch.bool), 0).where(x == x, 0).sum(1)",
    "half precision": "low = x.half().float() + x.bfloat16().float()\nassert low.dtype is torch.float32\nreturn x.sum(1)",
    "an integer view": "return x.view(torch.int64).view(x.dtype).sum(1)",
    "printing options": "torch.set_printoptions(precision=2, sci_mode=False, linewidth=40)\nassert repr(x).startswith('tensor(')\nreturn x.sum(1)",
    "formatting": "print('%s %5.1f' % (tuple(x.shape), x[0, 0]), '{:>8}'.format(str(x.dtype)), f'{x[0, 0]:.2f}')\nreturn x.sum(1)",
    "testing": "out = x.sum(1)\ntorch.testing.assert_close(out, x.T.sum(0))\nassert torch.allclose(out, torch.sum(x, -1))\nreturn out",
    "vmap": "return torch.vmap(torch.sum)(x)",
    "a module": "class Sum(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.register_buffer('one', torch.ones(1))\n    def forward(self, x):\n        return x.sum(1) * self.one\nreturn Sum()(x)",
    "modules in lists": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.all = nn.ModuleList(nn.Identity() for _ in range(2))\n        self.named = nn.ModuleDict({'a': nn.Identity()})\n    def forward(self, x):\n        for layer in self.all:\n            x = layer(x)\n        return self.named['a'](x).sum(1)\nnet = Net().eval()\nprint(net, net.state_dict())\nreturn net(x)",
    "Sequential and Flatten": "from collections import OrderedDict\nlinear = nn.Linear(x.shape[1], 1, bias=False)\nnn.init.ones_(linear.weight)\nreturn nn.Sequential(OrderedDict(a=linear, b=nn.Flatten(0)))(x).detach()",
    "dropout and norms": "nn.Dropout(0.5)(x)\nnn.LayerNorm(x.shape[1])(x)\nF.scaled_dot_product_attention(x[None], x[None], x[None])\nreturn x.sum(1)",
    "an embedding": "return F.embedding_bag(torch.arange(x.shape[1]).repeat(x.shape[0], 1), torch.ones(x.shape[1], 1), mode='sum', per_sample_weights=x).flatten()",
    "a hook on a module": "seen = []\nlayer = nn.Identity()\nhandle = layer.register_forward_hook(lambda m, a, out: seen.append(out.sum(1)))\nlayer(x)\nhandle.remove()\nreturn seen[0]",
    "a loader": "from torch.utils.data import DataLoader, Dataset\nclass Rows(Dataset):\n    def __len__(self):\n        return len(x)\n    def __getitem__(self, i):\n        return x[i]\nreturn torch.cat([batch.sum(1) for batch in DataLoader(Rows(), batch_size=2, num_workers=0)])",
    "a shuffled loader": "from torch.utils.data import DataLoader, TensorDataset\nfor i, row in DataLoader(TensorDataset(torch.arange(len(x)), x), shuffle=True):\n    out = row.sum(1)\nreturn x.sum(1)",
    "tree_map": "from torch.utils._pytree import tree_map\nreturn tree_map(lambda t: t.sum(1), {'a': [x]})['a'][0]",
    "devices": "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nreturn x.to(device).sum(1).cpu()",
    "threads' number": "torch.set_num_threads(1)\ntorch.get_num_threads()\nreturn x.sum(1)",
    "the default dtype": "torch.set_default_dtype(torch.float64)\nreturn torch.zeros(x.shape[0]) + x.sum(1)",
    "a module of the standard library for each use": "import abc, argparse, calendar, cmath, codecs, colorsys, csv, difflib, email, enum, fnmatch, glob, html, ipaddress, keyword, locale, numbers, pathlib, platform, queue, reprlib, sched, shlex, shutil, signal, sqlite3, tempfile, token, types, unittest, zipfile\nreturn x.sum(1)",
    "later parts of torch": "import torch.fx, torch.nn.utils.parametrize, torch.optim.lr_scheduler, torch.distributions, torch.utils.checkpoint, torch.nn.utils.rnn\nreturn torch.distributions.Normal(x, 1).mean.sum(1)",
    "fx": "import torch.fx\nclass Net(nn.Module):\n    def forward(self, x):\n        return x.sum(1)\nreturn torch.fx.symbolic_trace(Net())(x)",
    "asking whether threads work": "import threading\nout = []\ntry:\n    thread = threading.Thread(target=lambda: out.append(x.sum(1)))\n    thread.start()\n    thread.join()\nexcept RuntimeError:\n    out.append(x.sum(1))\nreturn out[0]",
    "an uncaught slip that is caught": "try:\n    return x.summ(1)\nexcept AttributeError:\n    return x.sum(1)",
    "asyncio without a loop": "async def go():\n    return x.sum(1)\ntry:\n    go().send(None)\nexcept StopIteration as done:\n    return done.value",
    "files that are not there": "import os, pathlib\nassert not os.path.exists('data.pt') and not pathlib.Path('weights').is_file()\nreturn x.sum(1)",
}  # fmt: skip
GRADIENTS = {
    "backward": "x = x.clone().requires_grad_()\nf(x).backward()\nreturn x.grad",
    "func.grad": "from torch.func import grad, vmap\nreturn grad(f)(x)",
    "func.vmap of grad": "from torch.func import grad, vmap\nreturn vmap(grad(f))(x)",
    "func.jacrev": "return torch.func.jacrev(f)(x)",
    "func.jacfwd": "return torch.func.jacfwd(f)(x)",
    "func.vjp": "value, back = torch.func.vjp(f, x)\nreturn back(torch.ones_like(value))[0]",
    "func.jvp": "ones = torch.eye(x.numel()).view(-1, *x.shape)\nreturn torch.stack([torch.func.jvp(f, (x,), (one,))[1] for one in ones]).view_as(x)",
    "functional.jacobian": "return torch.autograd.functional.jacobian(f, x)",
    "forward mode": "import torch.autograd.forward_ad as fwAD\nout = torch.zeros_like(x)\nfor i in range(x.numel()):\n    one = torch.zeros_like(x)\n    one.view(-1)[i] = 1\n    with fwAD.dual_level():\n        out.view(-1)[i] = fwAD.unpack_dual(f(fwAD.make_dual(x, one))).tangent\nreturn out",
    "a Function": """
        class Swish(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x.sigmoid()
            @staticmethod
            def backward(ctx, up):
                (x,) = ctx.saved_tensors
                s = x.sigmoid()
                return up * (s + x * s * (1 - s))
        x = x.detach().requires_grad_()
        Swish.apply(x).sum().backward()
        return x.grad
    """,
    "a Function that torch.func may use": """
        class Twice(torch.autograd.Function):
            generate_vmap_rule = True
            @staticmethod
            def forward(x):
                return x * 2
            @staticmethod
            def setup_context(ctx, inputs, output):
                pass
            @staticmethod
            def backward(ctx, up):
                return up * 2
        return torch.func.grad(lambda x: f(Twice.apply(x) / 2))(x)
    """,
    "gradcheck": "x = x.requires_grad_()\nassert torch.autograd.gradcheck(f, (x,))\nreturn torch.autograd.grad(f(x), x)[0]",
    "a hook on a tensor": "seen = []\nx = x.detach().requires_grad_()\nx.register_hook(seen.append)\nf(x).backward()\nreturn seen[0]",
    "retain_grad": "y = x.detach().requires_grad_() + 0\ny.retain_grad()\nf(y).backward()\nreturn y.grad",
    "checkpoint": "from torch.utils.checkpoint import checkpoint\nx = x.detach().requires_grad_()\ncheckpoint(f, x, use_reentrant=False).backward()\nreturn x.grad",
    "saved tensors' hooks": "x = x.detach().requires_grad_()\nwith torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):\n    y = f(x)\ny.backward()\nreturn x.grad",
    "a second derivative on the way": "x = x.detach().requires_grad_()\n(g,) = torch.autograd.grad(f(x), x, create_graph=True)\ntorch.autograd.grad(g.sum(), x)\nreturn g.detach()",
    "detect_anomaly": "import warnings\nwarnings.simplefilter('ignore')\nwith torch.autograd.detect_anomaly():\n    x = x.detach().requires_grad_()\n    return torch.autograd.grad(f(x), x)[0]",
    "the profiler": "with torch.profiler.record_function('f'):\n    return torch.func.grad(f)(x)",
    "by hand": "s = 1 / (1 + torch.exp(-x))\nreturn s + x * s * (1 - s)",
}  # fmt: skip
FITS = {
    "SGD": "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor _ in range(3):\n    optimizer.zero_grad()\n    loss = F.mse_loss(model(x), y)\n    loss.backward()\n    optimizer.step()\n    print(loss.item())",
    "SGD with a schedule": "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nschedule = torch.optim.lr_scheduler.StepLR(optimizer, 100)\nmodel.train()\nfor _ in range(3):\n    optimizer.zero_grad(set_to_none=True)\n    nn.MSELoss()(model(x), y).backward()\n    nn.utils.clip_grad_norm_(model.parameters(), 1e9)\n    optimizer.step()\n    schedule.step()",
    "SGD with a closure": "optimizer = torch.optim.SGD(model.parameters(), 0.1)\ndef closure():\n    optimizer.zero_grad()\n    loss = F.mse_loss(model(x), y)\n    loss.backward()\n    return loss\nfor _ in range(3):\n    optimizer.step(closure)",
    "Adam and AdamW on copies": "import copy\nfor kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop):\n    other = copy.deepcopy(model)\n    optimizer = kind(other.parameters(), lr=1e-3)\n    F.mse_loss(other(x), y).backward()\n    optimizer.step()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor _ in range(3):\n    optimizer.zero_grad()\n    F.mse_loss(model(x), y).backward()\n    optimizer.step()",
    "functional_call": "from torch.func import functional_call, grad\nparams = {k: v.detach() for k, v in model.named_parameters()}\ndef loss(params):\n    return F.mse_loss(functional_call(model, params, (x,)), y)\nfor _ in range(3):\n    grads = grad(loss)(params)\n    params = {k: params[k] - 0.1 * grads[k] for k in params}\nmodel.load_state_dict(params)",
    "autograd.grad": "for _ in range(3):\n    grads = torch.autograd.grad(F.mse_loss(model(x), y), list(model.parameters()))\n    with torch.no_grad():\n        for p, g in zip(model.parameters(), grads, strict=True):\n            p.sub_(g, alpha=0.1)",
    "data": "for _ in range(3):\n    model.zero_grad()\n    ((model(x) - y) ** 2).mean().backward()\n    for p in model.parameters():\n        p.data.add_(p.grad, alpha=-0.1)",
    "a loader of one batch": "from torch.utils.data import DataLoader, TensorDataset\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor epoch in range(3):\n    for a, b in DataLoader(TensorDataset(x, y), batch_size=len(x), num_workers=0):\n        optimizer.zero_grad()\n        F.mse_loss(model(a), b).backward()\n        optimizer.step()",
    "vectors of parameters": "from torch.nn.utils import parameters_to_vector, vector_to_parameters\nfor _ in range(3):\n    model.zero_grad()\n    F.mse_loss(model(x), y).backward()\n    step = torch.cat([p.grad.flatten() for p in model.parameters()])\n    vector_to_parameters(parameters_to_vector(model.parameters()) - 0.1 * step, model.parameters())",
    "a state kept and put back": "import copy, io\nkept = copy.deepcopy(model.state_dict())\nheld = io.BytesIO()\ntorch.save(model.state_dict(), held)\nheld.seek(0)\nmodel.load_state_dict(torch.load(held, weights_only=True))\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor _ in range(3):\n    optimizer.zero_grad()\n    F.mse_loss(model(x), y).backward()\n    optimizer.step()",
}  # fmt: skip
TABLES = [(TOTAL, TOTALS), (GRADIENT, GRADIENTS), (FIT, FITS)]


@pytest.fixture(scope="module")
def usual() -> Iterator[Judge]:
    """A judge with the limits that learners have."""
    with Judge() as judge:
        yield judge


@pytest.mark.parametrize(
    ("puzzle", "answer"),
    [pytest.param(puzzle, code, id=name) for puzzle, table in TABLES for name, code in table.items()],
)
def test_it_is_correct(usual: Judge, puzzle: WriteCode, answer: str) -> None:
    verdict = usual.grade(puzzle, dedent(answer).strip())
    assert verdict.correct, f"{verdict.status}: {verdict.feedback}"


SET_UP = WriteCode(
    prompt="The sum of the scores, which are three times x.",
    tensors=[tensor("x", "row column")],
    setup="def scores(x):\n    return 3 * x\n\ndef observed(it):\n    return it.sum()",
    signature="def total(x):",
    body="return scores(x).sum()",
    observe={"the result": "observed(total(x))"},
    hints=["a", "b"],
    why="sum",
)


@pytest.mark.parametrize(
    "answer",
    [
        "def observed(it):\n    return 3 * it\ndef total(x):\n    return observed(x.sum())",
        "x = 3\ndef total(y):\n    return x * y.sum()",
        "def total(x):\n    return scores(x).sum()\nfor scores in ():\n    pass",
        "def total(x, again=True):\n    return total(x, False) if again else scores(x).sum()",
    ],
)
def test_a_helper_may_be_called_as_something_that_the_learner_does_not_see(usual: Judge, answer: str) -> None:
    verdict = usual.grade(SET_UP, answer)
    assert verdict.correct, f"{verdict.status}: {verdict.feedback}"


@pytest.mark.parametrize("kind", ["einsum", "pattern", "expr", "code", "order", "fix"])
def test_the_drills_own_solutions_are_correct(usual: Judge, catalog: Catalog, kind: str) -> None:
    """Of each kind that runs, the first drills, as their authors answer them."""
    puzzles = [puzzle for drill in catalog.values() if (puzzle := drill.puzzle(1)).kind == kind][:12]
    assert puzzles
    for puzzle in puzzles:
        verdict = usual.grade(puzzle, usual.solution(puzzle))
        assert verdict.correct, f"{puzzle.face.prompt}: {verdict.feedback}"
