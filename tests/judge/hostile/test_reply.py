"""Answers that write the reply themselves: forged, flooded, truncated, doubled, or a poison for whoever reads it."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable
from textwrap import dedent

import pytest

FIND = """
import base64, ctypes, json, os, stat, struct, time
def pipes():
    for descriptor in range(3, 1024):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                yield descriptor
        except OSError:
            pass
def send(data):
    for descriptor in pipes():
        try:
            while data:
                data = data[os.write(descriptor, data):]
            return
        except OSError:
            pass
def end():
    os._exit(0)
def tensor(*numbers, dtype="float64", shape=None, kind="tensor"):
    data = struct.pack(f"<{len(numbers)}d", *map(float, numbers))
    return [kind, dtype, [len(numbers)] if shape is None else shape, base64.b64encode(data).decode()]
def reply(*values):
    return json.dumps([[[{"values": [["the result", value] for value in values]} for _ in range(3)]]]).encode()
def forge(*values):
    send(reply(*values))
    end()
"""
BODIES = {
    # What is said is no answer, or none to this question.
    "nothing": "end()",
    "closed": "for descriptor in pipes():\n    os.close(descriptor)\nreturn 1",
    "closed and held": "os.closerange(0, 1024)\ntime.sleep(60)",
    "noise": "send(os.urandom(1000))\nend()",
    "an empty list": "send(b'[]')\nend()",
    "a verdict": "send(b'{\"status\": \"correct\"}')\nend()",
    "a verdict in the place of values": "send(b'[[[{\"verdict\": \"correct\"}]]]')\nend()",
    "true": "send(b'true')\nend()",
    "a truncated reply": "send(reply(tensor(1, 2))[:-20])\nend()",
    "half, and then asleep": "send(reply(tensor(1, 2))[:-20])\ntime.sleep(60)",
    "a drop at a time": "while True:\n    send(b' ')\n    time.sleep(0.05)",
    "two replies": "send(reply(tensor(1)) + b'\\n' + reply(tensor(2)))\nend()",
    "a reply before its own": "send(reply(tensor(1)))\nreturn 1",
    "a reply for the next": "send(reply(tensor(1)) + b'{\"outcome\": \"ran\", \"signal\": 0, \"bytes\": 2}\\n[]')\nend()",
    "a header": "send(b'{\"outcome\": \"ran\", \"signal\": 0, \"bytes\": 0}\\n')\nend()",
    "ready": "send(b'{\"ready\": true}\\n')\nend()",
    # What is said has the right form.
    "zeros": "forge(tensor(0, 0))",
    "no values": "forge()",
    "too many values": "forge(tensor(1), tensor(2), tensor(3))",
    "nan": "forge(tensor(*[float('nan')] * 3))",
    "infinite": "forge(tensor(*[float('inf')] * 3))",
    "a scalar for all": "forge(tensor(0, shape=[]))",
    "an array": "forge(tensor(0, 0, kind='array'))",
    "an endless rank": "forge(tensor(0, shape=[1] * 5000))",
    "a tall rank": "forge(tensor(*[0] * 1024, shape=[2] * 10))",
    "axes enough to permute": "forge(tensor(*[0] * 3**9, shape=[3] * 9))",
    "an empty tensor of many axes": "forge(tensor(shape=[0] * 100_000))",
    "a size beyond all": "forge(tensor(shape=[0, 10**300]))",
    "a size that is no number": "forge(tensor(0, shape=[True]))",
    "a dtype of its own": "forge(tensor(0, dtype='object'))",
    "two signs": "forge(['int', '--5'])",
    "a sign alone": "forge(['int', '-'])",
    "other digits": "forge(['int', '\\u0665'])",
    "superscript digits": "forge(['int', '\\u00b2'])",
    "many digits": "forge(['int', '9' * 3999])",
    "a number with gaps": "forge(['float', '1_000'])",
    "a huge exponent": "forge(['float', '1e999'])",
    "raised on a line beyond all": "send(json.dumps([[[{'raised': ['E', 'm', 10**4000]}] * 3]]).encode())\nend()",
    "raised on a line below all": "send(json.dumps([[[{'raised': ['E', 'm', -10**4000]}] * 3]]).encode())\nend()",
    "raised at some length": "send(json.dumps([[[{'raised': ['E' * 10**6, 'm' * 10**6, 1]}] * 3]]).encode())\nend()",
    "a lack of memory, told": "send(json.dumps([[[{'raised': ['MemoryError', '', 1]}] * 3]]).encode())\nend()",
    "half a surrogate": "send(b'[[[' + b','.join([b'{\"values\": [[\"\\\\ud800\", [\"str\", \"\\\\udfff\"]]]}'] * 3) + b']]]')\nend()",
    "not UTF-8": "send(reply(['str', 'here']).replace(b'here', b'\\xff\\xfe'))\nend()",
    "another encoding": "send(reply(tensor(0)).decode().encode('utf-16'))\nend()",
    "a deep nest": "send(b'[' * 10**6)\nend()",
    "a deep value": "value = ['none']\nfor _ in range(19):\n    value = ['list', [value]]\nforge(value)",
    "a broad value": "forge(['list', [['none']] * 200_000])",
    "a broad tree": "value = ['none']\nfor _ in range(17):\n    value = ['list', [value, value]]\nforge(value)",
    "a reply of empty lists": "send(b'[' + b'[],' * 10**7 + b'[]]')\nend()",
    "a reply of short numbers": "many = tensor(dtype='int8', shape=[250_000])\nmany[3] = 'gICA' * 83_333 + 'gA=='\nforge(['list', [many] * 30])",
    "keys that repeat": "forge(['dict', ['a'] * 1000, [['none']] * 1000])",
    "keys that are no names": "forge(['dict', [None, [], {}], [['none']] * 3])",
    "a flood": "while True:\n    send(b' ' * 2**20)",
    "a flood of values": "forge(*[tensor(0)] * 100_000)",
    "a name that obeys": "send(json.dumps([[[{'values': [['\\x1b[2J', ['other', '\\x1b]0;own\\x07']]]}] * 3]]).encode())\nend()",
    # What is said comes by another way.
    "by its parent's mouth": """
        for descriptor in os.listdir(f'/proc/{os.getppid()}/fd'):
            where = f'/proc/{os.getppid()}/fd/{descriptor}'
            if 'pipe' in os.readlink(where):
                with open(os.open(where, os.O_WRONLY | os.O_NONBLOCK), 'wb') as pipe:
                    pipe.write(b'{\"outcome\": \"ran\", \"signal\": 0, \"bytes\": 2}\\n[]')
        return 1
    """,
    "by a child's mouth": """
        if os.fork() == 0:
            time.sleep(0.2)
            send(b'late')
        end()
    """,
    "to the next child": """
        pids = [entry for entry in os.listdir('/proc') if entry.isdigit() and entry != str(os.getpid())]
        mine = str(os.getppid())
        for pid in pids:
            if open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1] == mine:
                for descriptor in os.listdir(f'/proc/{pid}/fd'):
                    with open(os.open(f'/proc/{pid}/fd/{descriptor}', os.O_WRONLY | os.O_NONBLOCK), 'wb') as pipe:
                        pipe.write(b'[]')
        return 1
    """,
    "to its terminal": "os.write(os.open('/dev/tty', os.O_WRONLY), b'own')\nreturn 1",
}  # fmt: skip


def answer_of(body: str) -> str:
    """What a learner would paste: the helpers, and the function."""
    lines = "\n".join(f"    {line}" for line in dedent(body).strip().split("\n"))
    return f"{FIND}\ndef total(x):\n{lines}\n"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_reply_is_data_and_nothing_else(contained: Callable[[str], object], body: str) -> None:
    contained(answer_of(body))
