"""Autograd by hand: the operations of a scalar engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Edit, Rng, WriteCode, Wrong, drill

SHOWN_ENGINE = """
class Value:  # a number, and how it was made
    def __init__(self, data, inputs=()):
        self.data, self.inputs = data, inputs
        self.grad = 0.0
        self._backward = lambda: None

    def backward(self):
        ...  # sets self.grad to 1 and calls _backward() of every node, each after all that use it
"""
# Hidden. Leaves change their sign from one to the next where an operation takes both.
ENGINE = """
import random

class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = data, inputs, op
        self.grad = 0.0
        self._backward = lambda: None

    def backward(self):
        order, seen = [], set()
        def visit(node):
            if node not in seen:
                seen.add(node)
                for before in node.inputs:
                    visit(before)
                order.append(node)
        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node._backward()

def _times(a, b):
    out = Value(a.data * b.data, (a, b))
    def _backward():
        a.grad += b.data * out.grad
        b.grad += a.data * out.grad
    out._backward = _backward
    return out

def _leaves(*signs):
    return [Value(random.uniform(0.5, 2) * sign) for sign in signs]

def _ran(out, leaves):
    out.backward()
    return [float(out.data), [float(leaf.grad) for leaf in leaves], [float(leaf.data) for leaf in leaves]]

def _graphs(op, count, positive):
    found = {}
    for case, signs in {"": (1, 1, 1), " (-, +)": (-1, 1, -1), " (+, -)": (1, -1, 1)}.items():
        if positive and case:
            break
        xs, zs, ws, below = (_leaves(*signs[: max(count, 2)]) for _ in range(4))
        one, end, y = *_leaves(*signs[:2]), op(*xs[:count])
        above = op(*[_times(x, x) for x in below[:count]])
        twice = _times(_times(op(*zs[-count:]), zs[-1]), op(*zs[::-1][-count:]))
        found["once" + case] = _ran(op(*(leaves := _leaves(*signs[:count]))), leaves)
        found["one node as every input" + case] = _ran(op(*[one] * count), [one])
        found["on top of other nodes" + case] = _ran(above, below)
        found["its result used twice" + case] = _ran(_times(_times(y, end), y), [*xs, end])
        found["its inputs used twice" + case] = _ran(twice, zs)
        found["its inputs used by two alike" + case] = _ran(_times(op(*ws[-count:]), op(*ws[-count:])), ws)
    return found
"""
BECAUSE = {
    "overwritten": "A node may be used more than once, so its gradient is added to (`+=`), not set.",
    "own-operand": "The derivative of a product by one factor is the other factor's data, not its own.",
    "swapped": "Each share goes to its own input.",
    "upstream-ignored": "The local derivative still has to be multiplied by `out.grad`.",
    "one-input-only": "Every input gets its share.",
    "gradient-for-data": "The local derivative is made of data, not of gradients.",
    "data-for-upstream": "What comes from above is `out.grad`; you took `out.data`.",
    "into-data": "The gradients go into `.grad`; you changed `.data`.",
    "sign": "One of the gradients has the wrong sign.",
    "square-lost": "The divisor stands squared in its own derivative.",
    "power-kept": "The derivative of a power has an exponent that is one lower.",
    "log-lost": "By its exponent, a power grows with the logarithm of its base.",
    "wrong-point": "Mind what the derivative is written in: the input or the output. You took the other one.",
    "factor-lost": "A constant factor of the derivative is missing.",
    "values-for-slope": "The derivative is a slope, 1 or 0; you multiplied by the value.",
    "inner-forgotten": "The chain rule goes on: the outer function's slope is a factor, too.",
    "count-forgotten": "A mean divides by the number of its inputs, and so does its gradient.",
    "inputs-missing": "The node does not know its inputs, so backward() never gets to them.",
    "called-early": "`_backward` is to be stored, not called: when the node is made, `out.grad` is not there yet.",
    "not-stored": "The node has to keep the function as its `_backward`, or it is never called.",
}


@dataclass(frozen=True)
class Op:
    """A function of numbers, its derivatives by each input, and wrong ones as id: (input, derivative).

    `{a}`, `{b}` and `{c}` are the inputs' data, `{y}` that of the output. `positive` where the inputs have to be.
    """

    name: str
    forward: str
    slopes: Sequence[str]
    wrong: Mapping[str, tuple[int, str]]
    positive: bool = False


BINARY = (
    Op("add", "{a} + {b}", ("1", "1"), {}),
    Op("sub", "{a} - {b}", ("1", "-1"), {"sign": (1, "1")}),
    Op("mul", "{a} * {b}", ("{b}", "{a}"), {"own-operand": (0, "{a}")}),
    Op("div", "{a} / {b}", ("1 / {b}", "-{a} / {b} ** 2"),
       {"sign": (1, "{a} / {b} ** 2"), "square-lost": (1, "-{a} / {b}")}),
)  # fmt: skip
UNARY = (
    Op("exp", "math.exp({a})", ("{y}",), {"wrong-point": (0, "{a}")}),
    Op("tanh", "math.tanh({a})", ("(1 - {y} ** 2)",), {"wrong-point": (0, "(1 - {a} ** 2)")}),
    Op("sigmoid", "1 / (1 + math.exp(-{a}))", ("{y} * (1 - {y})",), {"wrong-point": (0, "{a} * (1 - {a})")}),
    Op("relu", "max({a}, 0.0)", ("({a} > 0)",), {"values-for-slope": (0, "{y}")}),
    Op("sin", "math.sin({a})", ("math.cos({a})",),
       {"sign": (0, "-math.cos({a})"), "wrong-point": (0, "math.cos({y})")}),
    Op("cos", "math.cos({a})", ("-math.sin({a})",),
       {"sign": (0, "math.sin({a})"), "wrong-point": (0, "-math.sin({y})")}),
    Op("square", "{a} ** 2", ("2 * {a}",), {"factor-lost": (0, "{a}"), "wrong-point": (0, "2 * {y}")}),
    Op("cube", "{a} ** 3", ("3 * {a} ** 2",), {"factor-lost": (0, "{a} ** 2"), "power-kept": (0, "3 * {a} ** 3")}),
    Op("softplus", "math.log(1 + math.exp({a}))", ("1 / (1 + math.exp(-{a}))",),
       {"wrong-point": (0, "1 / (1 + math.exp(-{y}))")}),
    Op("neg", "-{a}", ("-1",), {"sign": (0, "1")}),
    Op("reciprocal", "1 / {a}", ("-1 / {a} ** 2",), {"sign": (0, "1 / {a} ** 2"), "wrong-point": (0, "-1 / {y} ** 2")}),
)  # fmt: skip
OTHERS = (
    Op("pow", "{a} ** {b}", ("{b} * {a} ** ({b} - 1)", "{y} * math.log({a})"),
       {"power-kept": (0, "{b} * {a} ** {b}"), "log-lost": (1, "{y}")}, positive=True),
    Op("hypot", "math.hypot({a}, {b})", ("{a} / {y}", "{b} / {y}"), {"swapped": (0, "{b} / {y}")}),
    Op("log", "math.log({a})", ("1 / {a}",), {"wrong-point": (0, "1 / {y}")}, positive=True),
    Op("sqrt", "math.sqrt({a})", ("0.5 / {y}",), {"wrong-point": (0, "0.5 / {a}"), "factor-lost": (0, "1 / {y}")},
       positive=True),
    Op("fma", "{a} * {b} + {c}", ("{b}", "{a}", "1"), {"own-operand": (0, "{a}"), "factor-lost": (2, "{c}")}),
    Op("lerp", "{a} + {c} * ({b} - {a})", ("(1 - {c})", "{c}", "({b} - {a})"),
       {"factor-lost": (0, "1"), "sign": (2, "({a} - {b})")}),
    Op("axpy", "{a} * {b} - {c}", ("{b}", "{a}", "-1"), {"own-operand": (1, "{b}"), "sign": (2, "1")}),
)  # fmt: skip


def filled(text: str, names: Sequence[str], output: str = "out.data") -> str:
    """The text with `{a}`, `{b}`, `{c}` as the data of these nodes."""
    for letter, name in zip("abc", names, strict=False):
        text = text.replace(f"{{{letter}}}", f"{name}.data")
    return text.replace("{y}", output)


def passed(name: str, *factors: str) -> str:
    """The line that adds a product to a node's gradient."""
    sign = "-" if "-1" in factors else ""
    return f"{name}.grad += {sign}{' * '.join(factor for factor in factors if factor not in ('1', '-1')) or '1.0'}"


def shares(op: Op, names: Sequence[str], above: str = "out.grad") -> list[str]:
    return [passed(name, filled(slope, names), above) for name, slope in zip(names, op.slopes, strict=True)]


def listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def turn(name: str, lines: Sequence[str]) -> Wrong:
    return Wrong(name, "\n".join(lines), BECAUSE[name])


WHY = (
    "Each node passes its gradient on: to every input upstream times local, here `out.grad` times the derivative of "
    "the output by that input. A node that is used in several places gets several shares, and they add up: so it is "
    "`+=`, from 0. In `a * a` one node stands in two places. backward() calls a node's `_backward` once all nodes that "
    "use it have added their shares."
)
USED = "The input may be used elsewhere, too."
SHARING = "A node may be used several times, also as both inputs of one operation."
GIVEN = """
def _op({names}):
    out = Value({forward}, ({names},))
    out._backward = lambda: backward(out, {names})
    return out
"""


def one_operation(rng: Rng) -> WriteCode:
    """The shares of the inputs of one operation."""
    op = rng.pick(rng.pick([BINARY, UNARY, UNARY, OTHERS]))
    names = rng.pick([["a", "b", "c"], ["x", "y", "z"], ["left", "right", "other"], ["u", "v", "w"]])[: len(op.slopes)]
    lines, arguments, forward = shares(op, names), ", ".join(names), filled(op.forward, names)
    wrong = [
        turn("overwritten", [line.replace("+=", "=") for line in lines]),
        turn("upstream-ignored", shares(op, names, "1")),
        turn("data-for-upstream", shares(op, names, "out.data")),
        turn("into-data", [line.replace(".grad +=", ".data +=") for line in lines]),
        *(turn(name, [*lines[:i], passed(names[i], filled(slope, names), "out.grad"), *lines[i + 1 :]])
          for name, (i, slope) in op.wrong.items()),
    ]  # fmt: skip
    if len(names) > 1:
        wrong.append(turn("one-input-only", lines[:-1]))
    if any(f"{name}.data" in lines[0] for name in names):
        share = filled(op.slopes[0], names).replace(".data", ".grad")
        wrong.append(turn("gradient-for-data", [passed(names[0], share, "out.grad"), *lines[1:]]))
    return WriteCode(
        prompt=f"A scalar autograd engine has made `out = Value({forward}, ({arguments}{',' * (len(names) == 1)}))` "
        f"from {listed(names)}. `out.grad`, the derivative of the final result by "
        f"`out`, is complete. Pass it on to `{'`, `'.join(f'{name}.grad' for name in names)}`.\n\n"
        f"This is called once for each such node. {SHARING if len(names) > 1 else USED}",
        signature=f"def backward(out, {arguments}):",
        body="\n".join(lines),
        setup=ENGINE + GIVEN.format(names=arguments, forward=forward),
        shown_setup=SHOWN_ENGINE,
        observe={"the graphs": f"_graphs(_op, {len(names)}, {op.positive})"},
        wrong=wrong,
        hints=[
            "What is in `.grad` of an input that something else has used as well?",
            f"For each input one line, upstream times local: `{names[0]}.grad` changes by … times `out.grad`.",
        ],
        why=WHY,
    )


Factors = Sequence[Sequence[str]]  # of each input's share


def whole(inner: str, returned: str, factors: Factors, *, inputs: str = "(a, b)", add: str = "+=") -> list[str]:
    """The body of an operation on the nodes a and b, in two steps."""
    lines = [passed(name, *parts).replace("+=", add) for name, parts in zip("ab", factors, strict=False)]
    return [
        f"inner = {inner}",
        f"out = Value({returned}, {inputs})",
        "def _backward():",
        *(f"    {line}" for line in lines),
        "out._backward = _backward",
        "return out",
    ]


def written_in(text: str, value: str) -> str:
    """The text with `{a}` as that value."""
    return text.replace("({a})", f"({value})").replace("({a},", f"({value},").replace("{a}", f"({value})")


@dataclass(frozen=True)
class Fused:
    """Two operations in one node: its steps, the factors of each input's share, and wrong ones by their ids."""

    told: str
    inner: str
    returned: str
    factors: Factors
    wrong: Mapping[str, Factors]


def outside(outer: Op, pair: Op) -> Fused:
    """A function of what two inputs give."""
    names, y = ["a", "b"], "out.data"
    inner, slopes = filled(pair.forward, names), [filled(text, names) for text in pair.slopes]
    slope = outer.slopes[0].replace("{a}", "inner").replace("{y}", y)
    factors = [(text, slope, "out.grad") for text in slopes]
    wrong: dict[str, Factors] = {"inner-forgotten": [(text, "out.grad") for text in slopes]}
    for name, (_, text) in outer.wrong.items():
        wrong[name] = [(s, text.replace("{a}", "inner").replace("{y}", y), "out.grad") for s in slopes]
    for name, (i, text) in pair.wrong.items():
        wrong[name] = [*factors[:i], (filled(text, names), slope, "out.grad"), *factors[i + 1 :]]
    returned = outer.forward.replace("{a}", "inner")
    return Fused(written_in(outer.forward, inner), inner, returned, factors, wrong)


def inside(outer: Op, pair: Op) -> Fused:
    """A function of the first input meets the second."""
    inner, slope = filled(outer.forward, "a"), filled(outer.slopes[0], "a", "inner")
    first, second = (text.replace("{a}", "inner").replace("{b}", "b.data") for text in pair.slopes)
    factors = [(first, slope, "out.grad"), (second, "out.grad")]
    wrong: dict[str, Factors] = {"inner-forgotten": [(first, "out.grad"), factors[1]]}
    for name, (_, text) in outer.wrong.items():
        wrong[name] = [(first, filled(text, "a", "inner"), "out.grad"), factors[1]]
    for name, (i, text) in pair.wrong.items():
        changed = text.replace("{a}", "inner").replace("{b}", "b.data")
        wrong[name] = [*factors[:i], (changed, *factors[i][1:]), *factors[i + 1 :]]
    returned = pair.forward.replace("{a}", "inner").replace("{b}", "b.data")
    return Fused(filled(pair.forward, ["?", "b"]).replace("?.data", inner), inner, returned, factors, wrong)


def fused_operation(rng: Rng) -> WriteCode:
    """A whole operation that is a function of a function."""
    outer = rng.pick([op for op in UNARY if op.name not in ("neg", "reciprocal")])
    it = rng.pick([outside, inside])(outer, rng.pick(BINARY))
    body = whole(it.inner, it.returned, it.factors)
    stored = "out._backward = _backward"
    ignored = [[factor for factor in parts if factor != "out.grad"] for parts in it.factors]
    return WriteCode(
        prompt=f"An operation for a scalar autograd engine. From the nodes `a` and `b` make one node with the data "
        f"`{it.told}`: return a `Value` that knows its inputs, and whose `_backward` passes `out.grad` on to them.\n\n"
        f"{SHARING}",
        signature="def operation(a, b):",
        body="\n".join(body),
        setup=ENGINE,
        shown_setup=SHOWN_ENGINE,
        observe={"the graphs": "_graphs(operation, 2, False)"},
        wrong=[
            turn("overwritten", whole(it.inner, it.returned, it.factors, add="=")),
            turn("upstream-ignored", whole(it.inner, it.returned, ignored)),
            turn("one-input-only", whole(it.inner, it.returned, it.factors[:1])),
            turn("inputs-missing", whole(it.inner, it.returned, it.factors, inputs="()")),
            Edit("called-early", stored, f"{stored}()", BECAUSE["called-early"]),
            Edit("not-stored", stored, "_backward", BECAUSE["not-stored"]),
            *(turn(name, whole(it.inner, it.returned, factors)) for name, factors in it.wrong.items()),
        ],
        hints=[
            "The forward pass makes a `Value` of a number and a tuple of inputs. What has to wait for `out.grad`?",
            f"With `inner = {it.inner}`, the data is `{it.returned}`; define `_backward` inside, for later.",
        ],
        why=WHY,
    )


# --- all operations in one function

MADE = """
def _made(op, function):
    def make(*nodes):
        out = Value(function(*[node.data for node in nodes]), nodes, op)
        out._backward = lambda: backward(out)
        return out
    return make
"""
SHOWN_WITH_OP = SHOWN_ENGINE.replace("inputs=()", 'inputs=(), op=""').replace(
    "self.data, self.inputs = data, inputs", "self.data, self.inputs, self.op = data, inputs, op"
)


def cases(ops: Sequence[Op], lines: Mapping[str, Sequence[str]]) -> list[str]:
    """The body of a function that looks at the operation."""
    body = ["", "match out.op:"]
    for op in ops:
        unpacked = "(a,)" if len(op.slopes) == 1 else "a, b"
        body += [f'    case "{op.name}":', f"        {unpacked} = out.inputs"]
        body += [f"        {line}" for line in lines[op.name]]
    return body


def all_operations(rng: Rng) -> WriteCode:
    """The `_backward` of several operations in one function."""
    pairs, singles = rng.sample(BINARY, 2), rng.sample(UNARY, rng.integer(1, 2))
    ops = rng.shuffled([*pairs, *singles])
    names = {op.name: "ab"[: len(op.slopes)] for op in ops}
    lines = {op.name: shares(op, names[op.name]) for op in ops}
    set_in, ignored = rng.pick(ops).name, rng.pick(ops)
    wrong = [
        turn("overwritten", cases(ops, lines | {set_in: [line.replace("+=", "=") for line in lines[set_in]]})),
        turn("upstream-ignored", cases(ops, lines | {ignored.name: shares(ignored, names[ignored.name], "1")})),
        turn("one-input-only", cases(ops, lines | {pairs[0].name: lines[pairs[0].name][:1]})),
    ]
    for op in ops:
        for name, (i, text) in op.wrong.items():
            changed = [*lines[op.name]]
            changed[i] = passed(names[op.name][i], filled(text, names[op.name]), "out.grad")
            wrong.append(turn(name, cases(ops, lines | {op.name: changed})))
    table = "\n".join(f"- `{op.name}`: `{filled(op.forward, names[op.name])}`" for op in ops)
    functions = ", ".join(
        f'"{op.name}": _made("{op.name}", lambda {", ".join(names[op.name])}: {filled(op.forward, names[op.name])})'
        for op in ops
    ).replace(".data", "")
    counts = {op.name: len(op.slopes) for op in ops}
    return WriteCode(
        prompt="The backward pass of a scalar autograd engine, for all its operations. `out.op` names the operation "
        "that made `out`, and `out.inputs` is the tuple of its inputs, `(a,)` or `(a, b)`:\n\n"
        f"{table}\n\n`out.grad` is complete. Pass it on to the inputs. {SHARING}",
        signature="def backward(out):",
        body="\n".join(cases(ops, lines)),
        setup=f"{ENGINE}{MADE}\n_ops = {{{functions}}}",
        shown_setup=SHOWN_WITH_OP,
        observe={"the graphs": f"{{op: _graphs(_ops[op], count, False) for op, count in {counts}.items()}}"},
        wrong=list({it.id: it for it in reversed(wrong)}.values()),
        hints=[
            "What is in `.grad` of an input that something else has used as well?",
            "For each input of each operation one line: upstream times local, added.",
        ],
        why=WHY,
    )


@drill(after=["autograd.fan-out"], levels=3, lesson="Autograd", arena="0.4", structures=(20, 65, 700))
def micrograd(rng: Rng) -> WriteCode:
    """The backward pass of a scalar autograd engine."""
    match rng.level:
        case 1:
            return one_operation(rng)
        case 2:
            return fused_operation(rng)
    return all_operations(rng)
