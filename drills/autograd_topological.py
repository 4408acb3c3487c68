"""Autograd by hand: the order in which a backward pass goes through a graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import indent

from tensordrill.authoring import Rng, WriteCode, Wrong, drill

# Hidden: graphs as {node: its inputs} in no telling order, with their outputs. The fixed ones hold skip connections seen
# from both sides, diamonds, a node in two places, and dead ends; two are drawn. An order is checked, not compared.
GRAPHS = """
import random

class Node:
    def __init__(self, name):
        self.name, self.inputs, self.next_functions = name, [], ()
    def __repr__(self):
        return self.name

def _drawn_graph(size):
    graph = {0: []}
    for node in range(1, size):
        graph[node] = [node - 1] + random.sample(range(node), random.randint(0, min(2, node)))
        random.shuffle(graph[node])
    return graph, [size - 1, size // 2]

def _relabelled(graph, outputs):
    new = dict(zip(graph, random.sample([f"n{i}" for i in range(10, 100)], len(graph))))
    items = random.sample(sorted(graph), len(graph))
    return {new[node]: [new[other] for other in graph[node]] for node in items}, [new[node] for node in outputs]

_connected = [
    ({0: []}, [0]),
    ({0: [], 1: [0], 2: [1], 3: [0, 2], 4: [3]}, [4, 2]),
    ({0: [], 1: [0], 2: [1], 3: [2, 0], 4: [3]}, [4, 3]),
    ({0: [], 1: [0], 2: [1, 1]}, [2, 1]),
    ({0: [], 1: [], 2: [0, 1], 3: [2], 4: [2], 5: [3, 4], 6: [5, 2], 7: [6, 5, 1]}, [7, 4]),
    _drawn_graph(6),
    _drawn_graph(9),
]
_with_dead_ends = [
    ({0: [], 1: [0], 2: [1, 0], 3: [1], 4: [3, 2, 0], 5: [4, 2], 6: [], 7: [6, 5]}, [4, 5]),
    ({0: [], 1: [0], 2: [0, 1], 3: [0], 4: [3, 1], 5: [2]}, [2, 4]),
    ({0: [], 1: [0], 2: [0, 1], 3: [0], 4: [1, 3], 5: [4]}, [5, 2]),
]

def _checked(order, graph):
    order = [getattr(node, "name", node) for node in order]
    place = {node: i for i, node in enumerate(order)}
    pairs = {(user, node) for user in graph for node in graph[user] if user in place and node in place}
    late = sorted(pair for pair in pairs if place[pair[0]] > place[pair[1]])
    return {"the nodes": sorted(order), "a node before one that uses it": late}
"""
BECAUSE = {
    "no-visited-set": "A node that is reached by several paths is listed several times. Remember which were visited.",
    "forward-order": "That is the order of the forward pass: inputs first. Backward it is the other way round.",
    "backward-order": "That is the order of the backward pass; forward, inputs come first.",
    "breadth-first": "Breadth first, a node comes as soon as its first user, though a longer path may still lead to it.",
    "before-its-users": "A node was listed when it was first reached, before all its users were. List it after its "
    "inputs are done, and turn the list round.",
    "output-left-out": "The output is part of the pass: its gradient is the first.",
    "leaves-kept": "Leaves have no inputs to pass a gradient on to.",
    "first-output-only": "All outputs count.",
    "one-after-the-other": "What the second output adds stands behind nodes that it uses.",
    "detached-kept": "A detached node gets no gradient: it is left out itself.",
    "passed-through": "Nothing passes a detached node: what lies behind it counts only if another path leads there.",
    "unneeded-kept": "Nodes that lead to no trainable leaf need no gradient.",
    "short-circuit": "any() of a generator stops at the first True, and leaves the other inputs unvisited.",
    "leaves-only": "A node in between needs a gradient as well if an input does.",
    "recursion": "Python stops a recursion after about 1,000 calls.",
    "no-counting": "A node is ready once all its users are done, not once the first one is.",
    "overwritten": "A node gets the sum of its shares.",
    "shortest-path": "A node waits for all its users, so its longest path counts, not the shortest.",
    "users-once": "A node that is used twice by one other gets two shares.",
    "paths": "Each user passes on one sum, however many paths lead to it.",
    "dead-ends": "Nodes that the output does not depend on pass nothing on.",
}


@dataclass(frozen=True)
class Form:
    """A way to write a graph down: what is said of it, the arguments, a node's inputs, and how it is made of a dict."""

    told: str
    arguments: str
    inputs: str
    made: str


# `_view` gives the arguments before the outputs, and a node for every name.
NAMES = "dict(zip(graph, graph))"
OBJECTS = """
def _view(graph):
    nodes = {name: Node(name) for name in graph}
    for name, node in nodes.items():
        node.inputs = [nodes[other] for other in graph[name]]
        node.next_functions = tuple((nodes[other], 0) for other in graph[name]) + ((None, 0),) * bool(graph[name])
    return [], nodes
"""
FORMS = (
    Form("`inputs[node]` lists the inputs of a node, and is empty for a leaf.", "inputs, ", "inputs[node]",
         f"\ndef _view(graph):\n    return [graph], {NAMES}\n"),
    Form('`graph[node]` is a tuple of the name of an operation and the inputs, if any: `("mul", "a", "b")`; '
         'a leaf has `("leaf",)`.', "graph, ", "graph[node][1:]",
         "\ndef _view(graph):\n"
         f"    return [{{n: ('op' if graph[n] else 'leaf', *graph[n]) for n in graph}}], {NAMES}\n"),
    Form("`edges` is a list of pairs `(user, node)`, in no order: `user` has `node` as an input. A pair that is used "
         "twice is listed twice.", "edges, ", "[before for user, before in edges if user == node]",
         "\ndef _view(graph):\n    edges = [(user, node) for user in graph for node in graph[user]]\n"
         f"    return [random.sample(edges, len(edges))], {NAMES}\n"),
    Form("Each node is an object; `node.inputs` is the list of the nodes that it was made from, and is empty for a leaf.",
         "", "node.inputs", OBJECTS),
    Form("As for `grad_fn` in torch, `node.next_functions` is a tuple of pairs `(input, index)`; for an input that needs "
         "no gradient, the pair is `(None, 0)`. For a leaf it is empty.", "",
         "[before for before, _ in node.next_functions if before is not None]", OBJECTS),
)  # fmt: skip
USERS = Form("`users[node]` lists the nodes that have `node` as an input. All nodes lead to the output.", "users", "users[node]",
             "\ndef _view(graph):\n    return [{n: [u for u in graph for m in graph[u] if m == n] for n in graph}], "
             f"{NAMES}\n")  # fmt: skip


@dataclass(frozen=True)
class Walk:
    """A depth-first walk: when it turns back, what follows a node, when it is listed, where it starts, what it gives."""

    follows: str
    turns_back: str = "node in seen"
    lists: str = "order.append(node)"
    starts: str = "visit(output)"
    gives: str = "order[::-1]"
    lists_first: bool = False

    def code(self) -> str:
        steps = [f"for before in {self.follows}:\n        visit(before)", self.lists.replace("\n", "\n    ")]
        return (
            f"order, seen = [], set()\ndef visit(node):\n    if {self.turns_back}:\n        return\n    seen.add(node)\n    "
            + "\n    ".join(reversed(steps) if self.lists_first else steps)
            + f"\n{self.starts}\nreturn {self.gives}"
        )


def breadth_first(follows: str, starts: str = "[output]") -> str:
    return f"""\
order, queue, seen = [], {starts}, set({starts})
while queue:
    node = queue.pop(0)
    order.append(node)
    for before in {follows}:
        if before not in seen:
            seen.add(before)
            queue.append(before)
return order"""


def turn(name: str, code: str) -> Wrong:
    return Wrong(name, code, BECAUSE[name])


def common(walk: Walk) -> list[Wrong]:
    """Wrong turns of any walk whose list is turned round."""
    return [
        turn("no-visited-set", replace(walk, turns_back=walk.turns_back.replace("node in seen", "False")).code()),
        turn("forward-order", replace(walk, gives="order").code()),
        turn("before-its-users", replace(walk, gives="order", lists_first=True).code()),
    ]


@dataclass(frozen=True)
class Task:
    """What is asked about a graph in that form: the words, arguments after those of the form, code, observation."""

    told: str
    arguments: str
    code: str
    wrong: Sequence[Wrong]
    call: str
    graphs: str = "_connected + _with_dead_ends"
    hint: str = "List a node after its inputs are done (depth first, each node once), then turn the list round."
    name: str = "backward_order"
    checked: str = "_checked({}, graph)"
    setup: str = ""


ALL = "the nodes that `output` depends on, and itself"
ORDERED = "in an order for the backward pass: every node after all nodes in the list that have it as an input. Any such order will do"


def whole(form: Form) -> Task:
    walk = Walk(form.inputs)
    return Task(f"Return a list of {ALL}, each once, {ORDERED}.", "output", walk.code(),
                [*common(walk), turn("breadth-first", breadth_first(form.inputs)),
                 turn("output-left-out", replace(walk, gives="order[-2::-1]").code())], "nodes[outputs[0]]")  # fmt: skip


def forward(form: Form) -> Task:
    walk = Walk(form.inputs, gives="order")
    return Task(
        f"Return a list of {ALL}, each once, in an order for the forward pass: every node after its inputs. Any such "
        "order will do.", "output", walk.code(),
        [turn("no-visited-set", replace(walk, turns_back="False").code()),
         turn("backward-order", replace(walk, gives="order[::-1]").code()),
         turn("breadth-first", breadth_first(form.inputs).replace("return order", "return order[::-1]"))],
        "nodes[outputs[0]]", hint="List a node after its inputs are done: depth first, each node once.",
        name="forward_order", checked="_checked(reversed({}), graph)",
    )  # fmt: skip


def inner(form: Form) -> Task:
    walk = Walk(form.inputs, lists=f"if {form.inputs}:\n    order.append(node)")
    return Task(
        f"Return a list of the nodes whose backward functions are to be called: {ALL}, but no leaves. Each once, "
        f"{ORDERED}.", "output", walk.code(),
        [*common(walk), turn("leaves-kept", replace(walk, lists="order.append(node)").code())], "nodes[outputs[0]]",
    )  # fmt: skip


def from_users(_form: Form) -> Task:
    walk = Walk("users[node]", starts="for node in users:\n    visit(node)", gives="order")
    return Task(
        f"Return a list of all nodes, each once, {ORDERED}.", "", walk.code().replace("before", "user"),
        [turn("forward-order", replace(walk, gives="order[::-1]").code()),
         turn("no-visited-set", replace(walk, turns_back="False").code()),
         turn("before-its-users", replace(walk, lists_first=True).code())], "", graphs="_connected",
        hint="List a node after all its users are done: depth first, each node once.",
    )  # fmt: skip


def several(form: Form) -> Task:
    starts = "for output in outputs:\n    visit(output)"
    walk = Walk(form.inputs, starts=starts)
    apart = replace(walk, starts="visit(output)", gives="").code().replace("order, seen = [], set()", "order = []")
    lines = indent(apart.removesuffix("\nreturn "), "    ")
    return Task(
        "Return a list of the nodes that any of `outputs` depends on, and the outputs themselves, each once, "
        f"{ORDERED}. One output may depend on another.", "outputs", walk.code(),
        [*common(walk), turn("first-output-only", replace(walk, starts="visit(outputs[0])").code()),
         turn("one-after-the-other", f"result, seen = [], set()\nfor output in outputs:\n{lines}\n"
              "    result += order[::-1]\nreturn result"),
         turn("breadth-first", breadth_first(form.inputs, "outputs[:]"))],
        "[nodes[name] for name in outputs]",
    )  # fmt: skip


def detached(form: Form) -> Task:
    walk = Walk(form.inputs, turns_back="node in seen or node in detached")
    everywhere = replace(walk, turns_back="node in seen")
    return Task(
        "Nodes in the set `detached` get no gradient and pass none on. Return a list of the nodes to which a gradient "
        f"comes from `output`, and itself, each once, {ORDERED}. `output` is not detached.",
        "output, detached", walk.code(),
        [*common(walk),
         turn("detached-kept", replace(everywhere, follows=f"[] if node in detached else {form.inputs}").code()),
         turn("passed-through", replace(everywhere, lists="if node not in detached:\n    order.append(node)").code())],
        "nodes[outputs[0]], {nodes[name]}", graphs=EACH_INNER,
        hint="Turn back at a detached node before it is listed. Else: after its inputs, each once; then turned round.",
    )  # fmt: skip


EACH_INNER = "[(graph, outputs, name) for graph, outputs in _connected for name in graph if name != outputs[0]]"
NEEDS = """\
order, needs = [], {{}}
def visit(node):
    if node in needs:
        return needs[node]
    inputs_of_node = {inputs}
    needs[node] = any([visit(before) for before in inputs_of_node]) if inputs_of_node else node in trainable
    if needs[node]:
        order.append(node)
    return needs[node]
{starts}
return order[::-1]"""


def trainable(form: Form) -> Task:
    code = NEEDS.format(inputs=form.inputs, starts="visit(output)")
    return Task(
        "A leaf needs a gradient if it is in the set `trainable`; another node needs one if one of its inputs does. "
        f"Return a list of the nodes that need one among {ALL}, each once, {ORDERED}.",
        "output, trainable", code,
        [turn("forward-order", code.replace("order[::-1]", "order")),
         turn("unneeded-kept", code.replace("if needs[node]:", "if True:")),
         turn("short-circuit", code.replace("any([visit(before) for before in inputs_of_node])",
                                            "any(visit(before) for before in inputs_of_node)")),
         turn("leaves-only", code.replace("if needs[node]:", "if node in trainable:"))],
        "nodes[outputs[0]], {nodes[n] for n in names}",
        graphs="[(g, o, names) for g, o in _connected + _with_dead_ends for leaves in [[n for n in g if not g[n]]] "
        "for names in [leaves, leaves[:1], []]]",
        hint="Let the walk return whether the node needs a gradient, once it has been to all inputs.",
    )  # fmt: skip


def order_lines(form: Form, then: str) -> str:
    return replace(Walk(form.inputs), gives="").code().removesuffix("\nreturn ") + "\n" + then


def accumulated(form: Form, name: str, told: str, then: str, wrong: Sequence[tuple[str, str, str]], *more: str) -> Task:
    """A walk in backward order that fills a dict."""
    code = order_lines(form, then)
    early = order_lines(form, then).replace("order[::-1]", "order")
    lines = breadth_first(form.inputs).removesuffix("\nreturn order") + "\n" + then.replace("order[::-1]", "order")
    return Task(
        told, ", ".join(["output", *more]), code,
        [turn("forward-order", early), turn("breadth-first", lines),
         *(turn(it, code.replace(old, new)) for it, old, new in wrong)],
        ", ".join(["nodes[outputs[0]]", *("_slope" for _ in more)]), name=name,
        checked="sorted((getattr(node, 'name', node), value) for node, value in {}.items())",
        setup="\ndef _slope(user, node):\n    a, b = (int(getattr(it, 'name', it)[1:]) for it in (user, node))\n"
              "    return (7 * a + b) % 5 + 2\n" if more else "",
        hint="First the backward order of the nodes; then go along it, from each node to its inputs.",
    )  # fmt: skip


def gradients(form: Form) -> Task:
    return accumulated(
        form, "gradients",
        "`slope(node, before)` is the derivative of a node by one of its inputs (by each place, if it stands in two). "
        f"Return a dict of the derivative of `output` by each of {ALL}.",
        f"grads = {{output: 1}}\nfor node in order[::-1]:\n    for before in {form.inputs}:\n"
        "        grads[before] = grads.get(before, 0) + grads[node] * slope(node, before)\nreturn grads",
        [("overwritten", "grads.get(before, 0) + ", "")], "slope",
    )  # fmt: skip


def steps(form: Form) -> Task:
    return accumulated(
        form, "steps",
        "A backward pass runs in steps: `output` in step 0; every other node in the first step in which all that use "
        f"it (among these nodes) have run. Return a dict of the step of each of {ALL}.",
        f"steps = {{output: 0}}\nfor node in order[::-1]:\n    for before in {form.inputs}:\n"
        "        steps[before] = max(steps.get(before, 0), steps[node] + 1)\nreturn steps",
        [("shortest-path", "max(steps.get(before, 0), steps[node] + 1)",
          "min(steps.get(before, len(order)), steps[node] + 1)")],
    )  # fmt: skip


def shares(form: Form) -> Task:
    code = f"""\
shares = {{output: 0}}
def visit(node):
    for before in {form.inputs}:
        new = before not in shares
        shares[before] = shares.get(before, 0) + 1
        if new:
            visit(before)
visit(output)
return shares"""
    return Task(
        "Before a node passes its gradient on, it waits for a share from each place in which it stands as an input of "
        f"a node of this pass. Return a dict of the number of shares of each of {ALL} (for `output`: 0).",
        "output", code,
        [turn("users-once", code.replace(f"in {form.inputs}", f"in set({form.inputs})")),
         turn("paths", code.replace("if new", "if True"))],
        "nodes[outputs[0]]", name="shares",
        checked="sorted((getattr(node, 'name', node), value) for node, value in {}.items())",
        hint="Visit each node once, and count every place that you come past.",
    )  # fmt: skip


READY = """\
uses, stack = {{output: 0}}, [output]
while stack:
    node = stack.pop()
    for before in {inputs}:
        if before not in uses:
            uses[before] = 0
            stack.append(before)
        uses[before] += 1
order, ready = [], [output]
while ready:
    node = ready.pop()
    order.append(node)
    for before in {inputs}:
        uses[before] -= 1
        if uses[before] == 0:
            ready.append(before)
return order"""


def long(form: Form) -> Task:
    code = READY.format(inputs=form.inputs)
    return Task(
        f"Return a list of {ALL}, each once, {ORDERED}. Chains may be 1,500 nodes long, which is more than Python's "
        "recursion takes.", "output", code,
        [turn("recursion", Walk(form.inputs).code()), turn("breadth-first", breadth_first(form.inputs)),
         turn("no-counting", code.replace("if uses[before] == 0:", "if before not in ready:"))],
        "nodes[outputs[0]]",
        graphs="_connected + _with_dead_ends + [_chain]",
        hint="Count the users of each node first. A node is ready once its count is down to 0.",
        setup="\n_chain = ({f'n{i}': [f'n{j}' for j in range(max(i - 1, 0), i)] for i in range(1500)}, ['n1499'])\n",
    )  # fmt: skip


def puzzle(form: Form, task: Task) -> WriteCode:
    arguments = (form.arguments + task.arguments).removesuffix(", ")
    short = "" if "1,500" in task.told else " Graphs have at most 12 nodes."
    call = f"{task.name}(*arguments{', ' * bool(task.call)}{task.call})"
    each = {"nodes[outputs[0]], {nodes[name]}": ", name", "nodes[outputs[0]], {nodes[n] for n in names}": ", names"}
    return WriteCode(
        prompt=f"A computation graph, without cycles. {form.told}\n\n{task.told}{short}",
        signature=f"def {task.name}({arguments}):",
        body=task.code,
        setup=f"{GRAPHS}{form.made}{task.setup}\n"
        "_connected = [_relabelled(*it) for it in _connected]\n"
        "_with_dead_ends = [_relabelled(*it) for it in _with_dead_ends]",
        shown_setup="",
        observe={
            "the result": f"[{task.checked.format(call)} for graph, outputs{each.get(task.call, '')} in {task.graphs} "
            "for arguments, nodes in [_view(graph)]]"
        },
        wrong=task.wrong,
        hints=["A node's gradient is complete once everything that uses it has passed its share on.", task.hint],
        why="A node may pass its gradient on once all nodes that use it have added their share. So a backward pass goes "
        "through the graph in reverse topological order: depth first, list a node after its inputs and turn the list "
        "round (a visited set keeps it linear); or count users and take what has none left. torch's engine counts.",
    )


@drill(after=["autograd.micrograd"], levels=3, structures=(1, 1, 1))
def topological(rng: Rng) -> WriteCode:
    """The order of a backward pass through a graph."""
    form = rng.pick(FORMS)
    match rng.level:
        case 1:
            task = rng.pick([whole, whole, forward, inner, from_users])
            return puzzle(USERS if task is from_users else form, task(form))
        case 2:
            return puzzle(form, rng.pick([several, detached, trainable])(form))
    task = rng.pick([gradients, steps, shares, long])
    if task is long:  # in a list of edges each step would be a search
        form = rng.pick([FORMS[0], *FORMS[3:]])
    return puzzle(form, task(form))
