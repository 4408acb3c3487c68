"""Answers to the drills about a scalar engine and the order of its backward pass, and the judge's verdicts."""

import re
from functools import cache

import pytest

from tensordrill.catalog import built_in
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode

RAISED, VALUE, SLIP = Status.RAISED, Status.WRONG_VALUE, Status.UNPARSABLE
Which = tuple[str, int, *tuple[str, ...]]  # a drill, a level, and what the puzzle holds, as regular expressions


@cache
def code(which: Which) -> WriteCode:
    """The first puzzle of that level whose prompt and signature hold these texts."""
    drill, level, *holds = which
    for seed in range(500):
        it = built_in()[f"autograd.{drill}"].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        if all(re.search(text, f"{it.prompt}\n{it.signature}", re.MULTILINE) for text in holds):
            return it
    raise AssertionError(which)


def named(it: WriteCode, answer: str) -> str:
    """The answer with the names of the function's last arguments for `{a}` and `{b}`."""
    *_, a, b = re.findall(r"\w+", it.signature)
    return answer.replace("{a}", a if "{b}" in answer else b).replace("{b}", b)


# --- autograd.micrograd

PRODUCT: Which = ("micrograd", 1, r"Value\(\w+\.data \* \w+\.data, \(\w+, \w+\)\)")
TANH: Which = ("micrograd", 1, r"Value\(math\.tanh")
RELU: Which = ("micrograd", 1, r"Value\(max")
FUSED: Which = ("micrograd", 2, r"`math\.tanh\(a\.data \* b\.data\)`")
ALL: Which = ("micrograd", 3, r"^- `mul`", r"^- `add`", r"^- `exp`")

EVERY = """
    if out.op == "mul":
        x, y = out.inputs
        x.grad += y.data * out.grad
        y.grad += x.data * out.grad
    elif out.op == "exp":
        out.inputs[0].grad += out.data * out.grad
    elif out.op == "add":
        for x in out.inputs:
            x.grad += out.grad
    else:
        (x,) = out.inputs
        t = torch.tensor(x.data, requires_grad=True)
        table = {"relu": torch.relu, "sin": torch.sin, "cos": torch.cos, "neg": torch.neg, "tanh": torch.tanh,
                 "sigmoid": torch.sigmoid, "square": torch.square, "cube": lambda t: t ** 3,
                 "softplus": F.softplus, "reciprocal": torch.reciprocal}
        table[out.op](t).backward()
        x.grad += t.grad.item() * out.grad
"""
WHOLE_CLASS = """
    t = math.tanh(a.data * b.data)
    node = Value(t, [a, b])
    def back():
        for x, y in ((a, b), (b, a)):
            x.grad = x.grad + (1 - t * t) * y.data * node.grad
    node._backward = back
    return node
"""
LAMBDA = """
    out = Value(math.tanh(a.data * b.data), (a, b))
    def add(x, amount):
        x.grad += amount
    out._backward = lambda: [add(a, b.data * (1 - out.data ** 2) * out.grad),
                             add(b, a.data * (1 - out.data ** 2) * out.grad)]
    return out
"""
SHARES = [
    (PRODUCT, "{a}.grad += {b}.data * out.grad\n{b}.grad += {a}.data * out.grad"),
    (PRODUCT, "{b}.grad += out.grad * {a}.data\n{a}.grad += out.grad * {b}.data"),
    (PRODUCT, "{a}.grad = {a}.grad + out.grad * {b}.data; {b}.grad = {b}.grad + out.grad * {a}.data"),
    (PRODUCT, "for x, y in [({a}, {b}), ({b}, {a})]:\n    x.grad += y.data * out.grad"),
    (PRODUCT, ("if {a} is {b}:\n    {a}.grad += 2 * {a}.data * out.grad\nelse:\n"
     "    {a}.grad += {b}.data * out.grad\n    {b}.grad += {a}.data * out.grad")),
    (TANH, "{a}.grad += (1 - out.data ** 2) * out.grad"),
    (TANH, "{a}.grad += out.grad / math.cosh({a}.data) ** 2"),
    (TANH, "slope = 1 - math.tanh({a}.data) ** 2\n{a}.grad += slope * out.grad"),
    (RELU, "if {a}.data > 0:\n    {a}.grad += out.grad"),
    (RELU, "{a}.grad += (out.data > 0) * out.grad"),
    (RELU, "{a}.grad += out.grad if out.data else 0"),
    (FUSED, WHOLE_CLASS),
    (FUSED, LAMBDA),
    (ALL, EVERY),
]  # fmt: skip
NOT_SHARES = [
    (PRODUCT, "{a}.grad = {b}.data * out.grad\n{b}.grad = {a}.data * out.grad", VALUE, "overwritten"),
    (PRODUCT, "{a}.grad += {a}.data * out.grad\n{b}.grad += {a}.data * out.grad", VALUE, "own-operand"),
    (PRODUCT, "{a}.grad += {b}.data\n{b}.grad += {a}.data", VALUE, "upstream-ignored"),
    (PRODUCT, "{a}.grad += {b}.data * out.grad", VALUE, "one-input-only"),
    (PRODUCT, "{a}.grad += {b}.grad * out.grad\n{b}.grad += {a}.data * out.grad", VALUE, "gradient-for-data"),
    (PRODUCT, "a, b = {b}.data * out.grad, {a}.data * out.grad\n{a}.grad, {b}.grad = {a}.grad + a, {b}.grad + b",
     VALUE, None),  # of one node in both places only the second share is kept
    (PRODUCT, "return {b}.data * out.grad, {a}.data * out.grad", VALUE, None),
    (TANH, "{a}.grad += (1 - {a}.data ** 2) * out.grad", VALUE, "wrong-point"),
    (TANH, "{a}.grad += (1 - out.data ** 2) * out.data", VALUE, "data-for-upstream"),
    (TANH, "{a}.grad += torch.tanh({a}.data)", RAISED, None),
    (RELU, "{a}.grad += out.data * out.grad", VALUE, "values-for-slope"),
    (RELU, "{a}.grad += out.grad", VALUE, None),
    (FUSED, LAMBDA.replace("lambda: ", ""), RAISED, None),  # called at once, and the result is a list
    (FUSED, LAMBDA.replace(", (a, b))", ")"), VALUE, "inputs-missing"),
    (FUSED, WHOLE_CLASS.replace("node._backward = back", "node._backward = back()"), RAISED, "called-early"),
    (FUSED, WHOLE_CLASS.replace("    node._backward = back\n", ""), VALUE, "not-stored"),
    (FUSED, WHOLE_CLASS.replace("(1 - t * t) * ", ""), VALUE, "inner-forgotten"),
    (FUSED, WHOLE_CLASS.replace("x.grad + ", ""), VALUE, "overwritten"),
    (ALL, EVERY.replace("x.grad += y.data * out.grad", "x.grad += x.data * out.grad"), VALUE, "own-operand"),
    (ALL, EVERY.replace('out.op == "exp"', 'out.op == "log"'), RAISED, None),
    (ALL, "match out.op:\n    case", SLIP, None),
]  # fmt: skip


@pytest.mark.parametrize(("which", "answer"), SHARES)
def test_shares_that_are_right(judge: Judge, which: Which, answer: str) -> None:
    it = code(which)
    verdict = judge.grade(it, named(it, answer))
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("which", "answer", "status", "turn"), NOT_SHARES)
def test_shares_that_are_wrong(judge: Judge, which: Which, answer: str, status: Status, turn: str | None) -> None:
    it = code(which)
    verdict = judge.grade(it, named(it, answer))
    if turn == "called-early" and verdict.status is not RAISED:  # what is called at once meets a gradient of 0
        status = verdict.status
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


# --- autograd.topological

BY_DICT: Which = ("topological", 1, r"^def backward_order\(inputs, output\)", r"as an input\. Any")
FORWARD: Which = ("topological", 1, r"^def forward_order\(inputs, output\)", r"in the list\. Any")
BY_EDGES: Which = ("topological", 1, r"^def backward_order\(edges, output\)", r"as an input\. Any")
BY_USERS: Which = ("topological", 1, r"^def backward_order\(users\)")
BY_OBJECT: Which = ("topological", 1, r"^def backward_order\(output\)", r"`node\.inputs` lists", r"as an input\. Any")
SEVERAL: Which = ("topological", 2, r"^def backward_order\(inputs, outputs\)")
DETACHED: Which = ("topological", 2, r"^def backward_order\(inputs, output, detached\)")
TRAINABLE: Which = ("topological", 2, r"^def backward_order\(inputs, output, trainable\)")
LONG: Which = ("topological", 3, "1,500", r"^def backward_order\(inputs, output\)")
SLOPES: Which = ("topological", 3, r"\(inputs, output, slope\)")
STEPS: Which = ("topological", 3, r"^def steps\(inputs, output\)")

DEPTH_FIRST = """
    done = []
    def go(n):
        if n not in done:
            for m in inputs[n]:
                go(m)
            done.append(n)
    go(output)
    done.reverse()
    return done
"""
COUNTING = """
    from collections import Counter, deque
    reached, todo = {output}, [output]
    while todo:
        for m in inputs[todo.pop()]:
            if m not in reached:
                reached.add(m)
                todo.append(m)
    left = Counter(m for n in reached for m in inputs[n])
    ready, order = deque([output]), []
    while ready:
        n = ready.popleft()
        order.append(n)
        for m in inputs[n]:
            left[m] -= 1
            if not left[m]:
                ready.append(m)
    return order
"""
LONGEST = """
    import functools
    def depth(n, seen):
        return max([depth(m, seen) for m in inputs[n]], default=-1) + 1
    reached = set()
    def go(n):
        reached.add(n)
        for m in inputs[n]:
            go(m)
    go(output)
    return sorted(reached, key=lambda n: -depth(n, None))
"""
LIBRARY = """
    import graphlib
    reached, todo = {}, [output]
    while todo:
        n = todo.pop()
        if n not in reached:
            reached[n] = inputs[n]
            todo += inputs[n]
    return [*graphlib.TopologicalSorter(reached).static_order()][::-1]
"""
LEVELS = """
    order, level, seen = [], [output], {output}
    while level:
        order += level
        level = [m for n in level for m in inputs[n] if not (m in seen or seen.add(m))]
    return order
"""
ORDERS = [
    (BY_DICT, DEPTH_FIRST),
    (BY_DICT, COUNTING),
    (BY_DICT, LONGEST),
    (BY_DICT, LIBRARY),
    (BY_DICT, DEPTH_FIRST.replace("done.reverse()\n    return done", "return tuple(reversed(done))")),
    (FORWARD, DEPTH_FIRST.replace("    done.reverse()\n", "")),
    (FORWARD, COUNTING.replace("return order", "return order[::-1]")),
    (BY_EDGES, "inputs = {}\n    for a, b in edges:\n        inputs.setdefault(a, []).append(b)\n"
     "        inputs.setdefault(b, [])\n    inputs.setdefault(output, [])" + DEPTH_FIRST),
    (BY_OBJECT, DEPTH_FIRST.replace("inputs[n]", "n.inputs")),
    (BY_USERS, ("order = []\nwhile len(order) < len(users):\n    for node in users:\n"
     "        if node not in order and all(user in order for user in users[node]):\n"
     "            order.append(node)\nreturn order")),
    (SEVERAL, DEPTH_FIRST.replace("    go(output)\n", "    for output in outputs:\n        go(output)\n")),
    (SEVERAL, "inputs = {**inputs, '?': outputs}; output = '?'"
     + COUNTING.replace("return order", "return order[1:]")),
    (DETACHED, DEPTH_FIRST.replace("if n not in done", "if n not in done and n not in detached")),
    (DETACHED, "inputs = {n: [m for m in ms if m not in detached] for n, ms in inputs.items()}" + COUNTING),
    (TRAINABLE, "def need(n):\n        return any(map(need, inputs[n])) if inputs[n] else n in trainable"
     + DEPTH_FIRST.replace("return done", "return [n for n in done if need(n)]")),
    (LONG, COUNTING),
    (LONG, LIBRARY),
    (LONG, "import sys\n    sys.setrecursionlimit(100_000)" + DEPTH_FIRST.replace("done = []", "done = {}")
     .replace("done.append(n)", "done[n] = 1").replace("done.reverse()\n    return done", "return [*done][::-1]")),
    (SLOPES, ("def go(n, g, found):\n        found[n] = found.get(n, 0) + g\n        for m in inputs[n]:\n"
     "            go(m, g * slope(n, m), found)\n        return found\n    return go(output, 1, {})")),
    (STEPS, ("steps = {}\n    def go(n, k):\n        steps[n] = max(steps.get(n, 0), k)\n        for m in inputs[n]:\n"
     "            go(m, k + 1)\n    go(output, 0)\n    return steps")),
]  # fmt: skip
NOT_ORDERS = [
    (BY_DICT, LEVELS, VALUE, "breadth-first"),
    (BY_DICT, DEPTH_FIRST.replace("    done.reverse()\n", ""), VALUE, "forward-order"),
    (BY_DICT, DEPTH_FIRST.replace("if n not in done", "if True"), VALUE, "no-visited-set"),
    (BY_DICT, DEPTH_FIRST.replace("return done", "return done[1:]"), VALUE, "output-left-out"),
    (BY_DICT, "return list(inputs)", VALUE, None),
    (BY_DICT, "return output", VALUE, None),
    (FORWARD, DEPTH_FIRST, VALUE, "backward-order"),
    (SEVERAL, DEPTH_FIRST.replace("go(output)", "go(outputs[0])"), VALUE, "first-output-only"),
    (DETACHED, DEPTH_FIRST, VALUE, None),
    (DETACHED, DEPTH_FIRST.replace("return done", "return [n for n in done if n not in detached]"), VALUE,
     "passed-through"),
    (TRAINABLE, DEPTH_FIRST, VALUE, "unneeded-kept"),
    (LONG, DEPTH_FIRST, RAISED, None),
    (STEPS, ("steps = {output: 0}\n    for n in (level := [output]):\n        for m in inputs[n]:\n"
     "            if m not in steps:\n                steps[m] = steps[n] + 1\n                level.append(m)\n"
     "    return steps"), VALUE, "shortest-path"),
]  # fmt: skip


@pytest.mark.parametrize(("which", "answer"), ORDERS)
def test_orders_that_are_right(judge: Judge, which: Which, answer: str) -> None:
    verdict = judge.grade(code(which), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(("which", "answer", "status", "turn"), NOT_ORDERS)
def test_orders_that_are_wrong(judge: Judge, which: Which, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(code(which), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback
