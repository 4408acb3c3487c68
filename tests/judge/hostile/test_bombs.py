"""Answers that take all they can get: memory, time, processes, depth. All are small enough to do no harm uncontained."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable
from textwrap import dedent

import pytest

BODIES = {
    "a loop": "while True:\n    pass",
    "a loop that cannot be interrupted": "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass",
    "a loop that catches all": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "a loop in C": "return sum(range(10**12))",
    "a loop in torch": "y = torch.ones(1500, 1500)\nwhile True:\n    y = y @ y / 1500",
    "an endless iterator": "import itertools\nreturn list(filter(None, itertools.repeat(0)))",
    "a regular expression": "import re\nreturn re.match('(a+)+$', 'a' * 60 + 'b')",
    "a large power": "return 7 ** 10 ** 9 % 2",
    "a sleep": "import time\ntime.sleep(1000)",
    "a wait for nothing": "import threading\nthreading.Lock().acquire() and threading.Event().wait()",
    "a pipe that nobody writes to": "import os\nout, into = os.pipe()\nos.read(out, 1)",
    "a pause": "import signal\nsignal.pause()",
    "stopping itself": "import os\nos.kill(os.getpid(), 19)",
    "a list": "kept = []\nwhile True:\n    kept.append(bytearray(10**6))",
    "a large list": "return [0] * 10**10",
    "a text": "return 'x' * 10**11",
    "a number": "return 1 << 10**11",
    "a tensor": "return torch.zeros(10**12)",
    "a tensor of no memory": "return torch.zeros(1).expand(10**6, 10**6)",
    "an outer product": "return torch.ones(10**5).outer(torch.ones(10**5))",
    "a broadcast": "return torch.ones(10**6, 1) + torch.ones(10**6)",
    "an array": "return np.ones((10**6, 10**6))",
    "a shape": "return torch.zeros([1] * 60)",
    "memory mapped": "import mmap\nreturn [mmap.mmap(-1, 2**30)[0] for _ in range(10**4)]",
    "a lack that is swallowed": "kept = []\nwhile True:\n    try:\n        kept.append(bytearray(10**6))\n    except MemoryError:\n        pass",
    "doubling": "text = 'x' * 1000\nwhile True:\n    text += text",
    "recursion": "return total(x)",
    "recursion without a limit": "import sys\nsys.setrecursionlimit(10**9)\ndef down(n):\n    return down(n + 1) + 1\nreturn down(0)",
    "recursion in C": "import sys\nsys.setrecursionlimit(10**9)\nnested = []\nfor _ in range(10**6):\n    nested = [nested]\nreturn repr(nested)",
    "a deep result": "nested = []\nfor _ in range(10**5):\n    nested = [nested]\nreturn nested",
    "a broad result": "return [0] * 10**6",
    "a fork bomb": "import os\nfor _ in range(6):\n    os.fork()\nimport time\ntime.sleep(5)",
    "a fork bomb that hides": "import os, time\nfor _ in range(20):\n    if not os.fork():\n        os.setsid()\n        time.sleep(5)\n        os._exit(0)",
    "threads": "import threading, time\nfor _ in range(100):\n    threading.Thread(target=time.sleep, args=(5,)).start()",
    "daemons": "import threading, time\nfor _ in range(100):\n    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
    "descriptors": "import os\nkept = []\nwhile True:\n    kept.append(os.open('/dev/null', 0))",
    "pipes": "import os\nkept = []\nwhile True:\n    kept.append(os.pipe())",
    "pipes that are full": "import os\nwhile True:\n    out, into = os.pipe()\n    os.write(into, b'x' * 10**5)",
    "output": "while True:\n    print('x' * 10**6)",
    "errors as output": "import sys\nwhile True:\n    sys.stderr.write('x' * 10**6)",
    "output without a buffer": "import os\nwhile True:\n    os.write(1, b'x' * 10**6)",
    "warnings": "import warnings\nwhile True:\n    warnings.warn('x' * 10**5)",
    "a long message": "raise ValueError('x' * 10**7)",
    "a message that takes for ever": "class Slow(Exception):\n    def __str__(self):\n        while True:\n            pass\nraise Slow",
    "a cause without an end": "error = ValueError()\nfor _ in range(10**5):\n    later = ValueError()\n    later.__cause__ = error\n    error = later\nraise error",
    "errors in a group": "raise ExceptionGroup('x', [ValueError(i) for i in range(10**5)])",
    "source in source": "exec('(' * 10**5)",
    "a crash": "import ctypes\nctypes.string_at(0)",
    "a crash of the stack": "import ctypes\nf = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: f())\nimport sys\nsys.setrecursionlimit(10**8)\nreturn f()",
    "an abort": "import os\nos.abort()",
    "a fault in torch": "return torch.as_strided(x, (10**4,), (1,), 0).storage_offset() + torch._C._crash_if_csrc_asan(10**9)",
    "an exit at once": "import os\nos._exit(0)",
    "an exit in a finalizer": "import os\nclass End:\n    def __del__(self):\n        os._exit(0)\nraise ValueError(End())",
    "a loop in a finalizer": "class End:\n    def __del__(self):\n        while True:\n            pass\nEnd()",
    "a loop in an iterator": "class Slow(list):\n    def __iter__(self):\n        while True:\n            pass\nreturn Slow([1])",
    "a loop at exit": "import atexit\ndef slow():\n    while True:\n        pass\natexit.register(slow)\nreturn 0",
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_it_ends_and_has_a_name(contained: Callable[[str], object], body: str) -> None:
    contained(dedent(body).strip())
