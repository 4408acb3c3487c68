"""Autograd by hand: the order in which a backward pass goes through a graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, WriteCode, Wrong, drill

# Hidden: graphs as {node: its inputs} in no telling order, with their outputs. The fixed ones hold skip connections
# seen from both sides, diamonds, a node in two places, and dead ends; two are drawn. An order is checked, not compared.
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
        graph[node] = [node - 1] + random.sample(range(node), random.randint(0, 1))
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
    _drawn_graph(5),
    _drawn_graph(7),
]
_with_dead_ends = [
    ({0: [], 1: [0], 2: [1, 0], 3: [1], 4: [3, 2, 0], 5: [4, 2], 6: [], 7: [6, 5]}, [4, 5]),
    ({0: [], 1: [0], 2: [0, 1], 3: [0], 4: [3, 1], 5: [2]}, [2, 4]),
    ({0: [], 1: [0], 2: [0, 1], 3: [0], 4: [1, 3], 5: [4]}, [5, 2]),
]

def _leaf_sets(graph):
    leaves = [node for node in graph if not graph[node]]
    return [leaves, leaves[:1], []]

def _told(graph, **more):
    if len(graph) > 99:
        return "a long chain"
    nodes = ", ".join(f"{node} of {' and '.join(graph[node])}" if graph[node] else node for node in graph)
    return "; ".join([nodes, *(f"{key} {value}" for key, value in more.items())])

def _checked(order, graph):
    order = [getattr(node, "name", node) for node in order]
    place = {node: i for i, node in enumerate(order)}
    pairs = {(node, user) for user in graph for node in graph[user] if user in place and node in place}
    late = [f"{node} stands before {user}, which uses it" for node, user in sorted(pairs) if place[node] < place[user]]
    if len(graph) > 99:
        return [sorted(order) == sorted(graph), not late]
    return {"the nodes": " ".join(sorted(order)) or "none", "the order": "; ".join(late) or "right"}
"""
BECAUSE = {
    "no-visited-set": "A node that is reached by several paths is listed several times. Remember which were visited.",
    "forward-order": "That is the order of the forward pass: inputs first. Backward it is the other way round.",
    "backward-order": "That is the order of the backward pass; forward, inputs come first.",
    "breadth-first": "Breadth first, a node comes soon after its first user, though a longer path may lead to it, too.",
    "before-its-users": "A node was listed when it was first reached, before all its users were. List it after its "
    "inputs are done, and turn the list round.",
    "output-left-out": "The output is part of the pass: its gradient is the first.",
    "leaves-kept": "Leaves have no inputs to pass a gradient on to.",
    "first-output-only": "All outputs count.",
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
    Form("Each node is an object; `node.inputs` lists the nodes that it was made from, and is empty for a leaf.", "",
         "node.inputs", OBJECTS),
    Form("As for `grad_fn` in torch, `node.next_functions` is a tuple of pairs `(input, index)`; for an input that "
         "needs no gradient, the pair is `(None, 0)`. For a leaf it is empty.", "",
         "[before for before, _ in node.next_functions if before is not None]", OBJECTS),
)  # fmt: skip
USERS = Form("`users[node]` lists the nodes that have `node` as an input. All nodes lead to the output.", "users",
             "users[node]",
             "\ndef _view(graph):\n    return [{n: [u for u in graph for m in graph[u] if m == n] for n in graph}], "
             f"{NAMES}\n")  # fmt: skip


FORWARD = "in an order for the forward pass: every node after those of its inputs that are in the list"
BACKWARD = "in an order for the backward pass: every node after all nodes in the list that have it as an input"
SEEN = "node in seen"


@dataclass(frozen=True)
class Walk:
    """A depth-first walk: from one output or several, over all nodes or some, in either direction."""

    form: Form
    several: bool = False
    inner: bool = False  # no leaves
    detached: bool = False
    trainable: bool = False
    forward: bool = False

    @property
    def arguments(self) -> str:
        names = ["outputs" if self.several else "output"]
        names += ["detached"] * self.detached + ["trainable"] * self.trainable
        return ", ".join(names)

    def told(self) -> str:
        start, itself = ("any of `outputs`", "the outputs themselves") if self.several else ("`output`", "itself")
        nodes = f"the nodes that {start} depends on, and {itself}"
        said = []
        if self.detached:
            said.append(f"Nodes in the set `detached` get no gradient and pass none on; {start} is none of them.")
            nodes = f"the nodes to which a gradient comes from {start}, and {itself}"
        if self.trainable:
            but = " and is not detached" if self.detached else ""
            said.append(f"A leaf needs a gradient if it is in the set `trainable`, another node if an input does{but}.")
            nodes = f"those that need a gradient among {nodes}"
        order = FORWARD if self.forward else BACKWARD
        leaves = "Leave out the leaves. " if self.inner else ""
        return " ".join([*said, f"Return a list of {nodes}, each once, {order}. {leaves}Any such order will do."])

    def code(self, **changes: str) -> str:
        """The function's body, or a wrong one with another text for a part."""
        inputs = self.form.inputs
        lists = changes.get("lists", "order.append(node)")
        starts = changes.get("starts", "for output in outputs:\n    visit(output)" if self.several else "visit(output)")
        gives = changes.get("gives", "order" if self.forward else "order[::-1]")
        if self.trainable:
            several = changes.get("any", "any([visit(before) for before in own])")
            visit = [
                *(["if node in detached:", "    return False"] if self.detached else []),
                "if node in needs:",
                "    return needs[node]",
                f"own = {inputs}",
                f"needs[node] = {several} if own else node in trainable",
                f"if {changes.get('test', 'needs[node] and own' if self.inner else 'needs[node]')}:",
                f"    {lists}",
                "return needs[node]",
            ]
        else:
            test = changes.get("test", inputs if self.inner else "")
            steps = [[f"for before in {changes.get('follows', inputs)}:", "    visit(before)"],
                     [f"if {test}:", f"    {lists}"] if test else [lists]]  # fmt: skip
            back = changes.get("back", "node in seen or node in detached" if self.detached else "node in seen")
            if "preorder" in changes:
                steps.reverse()
            visit = [f"if {back}:", "    return", "seen.add(node)", *steps[0], *steps[1]]
        names = "order, needs = [], {}" if self.trainable else "order, seen = [], set()"
        return "\n".join([names, "def visit(node):", *[f"    {line}" for line in visit], starts, f"return {gives}"])

    def wrong(self) -> list[Wrong]:
        turned = "order[::-1]" if self.forward else "order"
        found = [("backward-order" if self.forward else "forward-order", self.code(gives=turned))]
        if self.trainable:
            test = "node in trainable" if not self.inner else "False"
            found += [
                ("unneeded-kept", self.code(test="own" if self.inner else "True")),
                ("short-circuit", self.code(any="any(visit(before) for before in own)")),
                *([("leaves-only", self.code(test=test))] if not self.inner else []),
            ]
        else:
            back = "node in detached" if self.detached else "False"
            early = "order[::-1]" if self.forward else "order"
            found += [
                ("no-visited-set", self.code(back=back)),
                ("before-its-users", self.code(preorder="", gives=early)),
            ]
            if self.detached:
                inputs = self.form.inputs
                test = f"node not in detached and {inputs}" if self.inner else "node not in detached"
                found += [
                    ("detached-kept", self.code(back=SEEN, follows=f"[] if node in detached else {inputs}")),
                    ("passed-through", self.code(back=SEEN, test=test)),
                ]
        if self.inner:
            found.append(("leaves-kept", self.code(test="needs[node]" if self.trainable else "")))
        if self.several:
            found.append(("first-output-only", self.code(starts="visit(outputs[0])")))
        if not (self.detached or self.trainable or self.inner):
            found.append(("output-left-out", self.code(gives="order[:-1]" if self.forward else "order[-2::-1]")))
            queue = breadth_first(self.form.inputs, "outputs[:]" if self.several else "[output]")
            found.append(
                ("breadth-first", queue.replace("return order", "return order[::-1]") if self.forward else queue)
            )
        return [turn(name, code) for name, code in found]


def turn(name: str, code: str) -> Wrong:
    return Wrong(name, code, BECAUSE[name])


def breadth_first(follows: str, starts: str) -> str:
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


@dataclass(frozen=True)
class Task:
    """What is asked about a graph: the function, its code and what it is called with, `{}` for what it returns."""

    told: str
    name: str
    arguments: str
    code: str
    wrong: Sequence[Wrong]
    call: str
    hint: str
    seen: str = "_checked({}, graph)"
    graphs: str = "_connected + _with_dead_ends"
    more: str = ""  # further loops of the observation
    case: str = "output=outputs[0]"  # what the feedback tells beside the graph
    setup: str = ""
    size: str = " Graphs have at most 12 nodes."


DEPTH_FIRST = "Depth first: visit each node once, and list it after its inputs are done. That is the forward order."


def listed(it: Walk) -> Task:
    """All or some nodes, in order."""
    call = ["[nodes[name] for name in outputs]" if it.several else "nodes[outputs[0]]"]
    call += ["{nodes[other]}"] * it.detached + ["{nodes[name] for name in leaves}"] * it.trainable
    more = (
        " for other in graph if other not in outputs" * it.detached + " for leaves in _leaf_sets(graph)" * it.trainable
    )
    return Task(
        told=it.told(),
        name="forward_order" if it.forward else "backward_order",
        arguments=it.arguments,
        code=it.code(),
        wrong=it.wrong(),
        call=", ".join(call),
        hint="Let the walk return whether the node needs a gradient, once it has been to all inputs." if it.trainable
        else DEPTH_FIRST,
        seen="_checked(reversed(list({})), graph)" if it.forward else "_checked({}, graph)",
        more=more,
        case=", ".join(
            ["outputs=outputs" if it.several else "output=outputs[0]"]
            + ["detached=other"] * it.detached + ["trainable=leaves"] * it.trainable
        ),
    )  # fmt: skip


def from_users(*, forward: bool) -> Task:
    """The graph is known by its other direction."""
    early, late = ("order", "order[::-1]") if forward else ("order[::-1]", "order")
    walk = Walk(USERS)
    starts = "for node in users:\n    visit(node)"
    wrong = [
        ("backward-order" if forward else "forward-order", walk.code(starts=starts, gives=early)),
        ("no-visited-set", walk.code(starts=starts, gives=late, back="False")),
        ("before-its-users", walk.code(starts=starts, gives=late, preorder="")),
    ]
    return Task(
        told=f"Return a list of all nodes, each once, {FORWARD if forward else BACKWARD}. Any such order will do.",
        name="forward_order" if forward else "backward_order",
        arguments="",
        code=walk.code(starts=starts, gives=late).replace("before", "user"),
        wrong=[turn(name, code.replace("before", "user")) for name, code in wrong],
        call="",
        hint="Depth first: visit each node once, and list it after all its users are done. That is the backward order.",
        seen="_checked(reversed(list({})), graph)" if forward else "_checked({}, graph)",
        graphs="_connected",
        case="",
    )


# --- what is computed along the way

ALL = "the nodes that `output` depends on, and itself"
PAIRS = "sorted((getattr(node, 'name', node), value) for node, value in {}.items())"
SLOPE = """
def _slope(user, node):
    a, b = (int(getattr(it, "name", it)[1:]) for it in (user, node))
    return (7 * a + b) % 5 + 2
"""


def accumulated(
    form: Form, name: str, told: str, start: str, update: str, wrong: Mapping[str, tuple[str, str]]
) -> Task:
    """A walk in backward order that fills a dict."""
    along = f"{start}\nfor node in order[::-1]:\n    for before in {form.inputs}:\n        {update}\nreturn {name}"
    code = Walk(form).code().removesuffix("return order[::-1]") + along
    queue = breadth_first(form.inputs, "[output]").removesuffix("return order") + along.replace("order[::-1]", "order")
    slope = "slope(" in update
    return Task(
        told=told,
        name=name,
        arguments="output, slope" if slope else "output",
        code=code,
        wrong=[
            turn("forward-order", code.replace("order[::-1]", "order")),
            turn("breadth-first", queue),
            *[turn(key, code.replace(old, new)) for key, (old, new) in wrong.items()],
        ],
        call="nodes[outputs[0]], _slope" if slope else "nodes[outputs[0]]",
        hint="First the backward order of the nodes; then go along it, from each node to its inputs.",
        seen=PAIRS,
        setup=SLOPE if slope else "",
    )


def gradients(form: Form) -> Task:
    return accumulated(
        form,
        "grads",
        "`slope(node, before)` is the derivative of a node by one of its inputs (in each place, if it stands in two). "
        f"Return a dict of the derivative of `output` by each of {ALL}.",
        "grads = {output: 1}",
        "grads[before] = grads.get(before, 0) + grads[node] * slope(node, before)",
        {"overwritten": ("grads.get(before, 0) + ", "")},
    )


def steps(form: Form) -> Task:
    return accumulated(
        form,
        "steps",
        "A backward pass runs in steps: `output` in step 0, and every other node in the first step before which all "
        f"that use it (among these nodes) have run. Return a dict of the step of each of {ALL}.",
        "steps = {output: 0}",
        "steps[before] = max(steps.get(before, 0), steps[node] + 1)",
        {"shortest-path": ("max(steps.get(before, 0), ", "min(steps.get(before, len(order)), ")},
    )


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
        told="Before a node passes its gradient on, it waits for a share from each place in which it stands as an "
        f"input of a node of this pass. Return a dict of the number of shares of each of {ALL} (0 for `output`).",
        name="shares",
        arguments="output",
        code=code,
        wrong=[
            turn("users-once", code.replace(f"in {form.inputs}", f"in set({form.inputs})")),
            turn("paths", code.replace("if new", "if True")),
        ],
        call="nodes[outputs[0]]",
        hint="Visit each node once, and count every place that you come past.",
        seen=PAIRS,
    )


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
    """A chain that is too deep for recursion."""
    walk, code = Walk(form), READY.format(inputs=form.inputs)
    return Task(
        told=walk.told(),
        name="backward_order",
        arguments="output",
        code=code,
        wrong=[
            turn("recursion", walk.code()),
            turn("breadth-first", breadth_first(form.inputs, "[output]")),
            turn("no-counting", code.replace("if uses[before] == 0:", "if before not in order + ready:")),
        ],
        call="nodes[outputs[0]]",
        hint="Count the users of each node first. A node is ready once its count is down to 0.",
        graphs="_connected + _with_dead_ends + [_chain]",
        setup="\n_chain = ({f'n{i}': [f'n{j}' for j in (i - 1, i - 2) if j >= 0] for i in range(1500)}, ['n1499'])\n",
        size=" Chains may be 1,500 nodes long, which is more than Python's recursion takes.",
    )


def puzzle(form: Form, task: Task) -> WriteCode:
    returned = f"{task.name}(*arguments{', ' * bool(task.call)}{task.call})"
    return WriteCode(
        prompt=f"A computation graph, without cycles. {form.told}\n\n{task.told}{task.size}",
        signature=f"def {task.name}({(form.arguments + task.arguments).removesuffix(', ')}):",
        body=task.code,
        setup=f"{GRAPHS}{form.made}{task.setup}\n"
        "_connected = [_relabelled(*it) for it in _connected]\n"
        "_with_dead_ends = [_relabelled(*it) for it in _with_dead_ends]",
        shown_setup="",
        observe={
            "the result": f"{{_told(graph, {task.case}): {task.seen.replace('{}', returned)} "
            f"for graph, outputs in {task.graphs} for arguments, nodes in [_view(graph)]{task.more}}}"
        },
        wrong=task.wrong,
        hints=["A node's gradient is complete once everything that uses it has passed its share on.", task.hint],
        why="A node may pass its gradient on once all nodes that use it have added their share. So a backward pass "
        "goes through the graph in reverse topological order: depth first, list a node after its inputs, and turn the "
        "list round (a visited set keeps it linear); or count users, and take what has none left. torch counts.",
    )


def conditional(rng: Rng, conditions: Sequence[str], *, forward: bool) -> WriteCode:
    form = rng.pick(FORMS if conditions == ["several"] else FORMS[:-1])  # in the last, what needs no gradient is None
    names = ("several", "inner", "detached", "trainable")
    several, inner, detached, trainable = (name in conditions for name in names)
    return puzzle(form, listed(Walk(form, several, inner, detached, trainable, forward)))


@drill(after=["autograd.micrograd"], levels=3, arena="0.4", structures=(18, 24, 60))
def topological(rng: Rng) -> WriteCode:
    """The order of a backward pass through a graph."""
    form, forward = rng.pick(FORMS), rng.chance(0.3)
    if rng.level == 1:
        if rng.chance(0.15):
            return puzzle(USERS, from_users(forward=forward))
        return puzzle(form, listed(Walk(form, inner=rng.chance(0.4), forward=forward)))
    if rng.level == 2:  # noqa: PLR2004
        return conditional(rng, [rng.pick(["several", "detached", "trainable"])], forward=forward)
    match rng.integer(1, 20):
        case 1 | 2:
            return puzzle(form, shares(form))
        case 3 | 4 | 5:
            return puzzle(form, steps(form))
        case 6 | 7 | 8:
            return puzzle(form, gradients(form))
        case 9 | 10:
            form = rng.pick([FORMS[0], *FORMS[3:]])  # in a list of edges each step would be a search
            return puzzle(form, long(form))
    conditions = rng.sample(["several", "inner", "detached", "trainable"], rng.pick([2, 2, 3]))
    return conditional(rng, conditions, forward=forward)
