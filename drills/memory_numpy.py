"""Memory: what torch and NumPy share."""

from collections.abc import Sequence
from typing import NamedTuple

from tensordrill.authoring import Edit, PredictValue, Rng, Wrong, drill
from tensordrill.building.gradients import settled

SECOND, THIRD = 2, 3  # levels


class Bridge(NamedTuple):
    """One way across: its source for `{v}`, whether memory is shared, which entries come along, and why."""

    source: str
    shares: bool
    because: str
    start: int = 0


KEEPS = "keeps the memory: it only wraps it."
COPIES = "copies into new memory."
CAST = "copies: another dtype needs other memory."
SLICED = "shares memory: a slice is a view, in NumPy as in torch."
GATHERED = "copies: a list as an index gathers the entries into new memory."

TO_TORCH = (
    Bridge("torch.from_numpy({v})", True, KEEPS),
    Bridge("torch.from_numpy({v})", True, KEEPS),
    Bridge("torch.as_tensor({v})", True, KEEPS),
    Bridge("torch.tensor({v})", False, "always copies. as_tensor and from_numpy do not."),
    Bridge("torch.from_numpy({v}).clone()", False, "clones: the clone has memory of its own."),
    Bridge("torch.from_numpy({v}.copy())", False, "wraps the copy, and not the array itself."),
)
TO_NUMPY = (
    Bridge("{v}.numpy()", True, KEEPS),
    Bridge("{v}.numpy()", True, KEEPS),
    Bridge("np.asarray({v})", True, KEEPS),
    Bridge("{v}.clone().numpy()", False, "wraps the clone, and not the tensor itself."),
    Bridge("{v}.numpy().copy()", False, COPIES),
    Bridge("np.array({v})", False, "copies, as torch.tensor does. np.asarray does not."),
)
MORE_TO_TORCH = (
    Bridge(
        "torch.from_numpy({v}).to(torch.int64)",
        True,
        "shares memory: the dtype is int64 already, so nothing is copied.",
    ),
    Bridge("torch.from_numpy({v}).long()", True, "shares memory: the dtype is int64 already, so nothing is copied."),
    Bridge("torch.from_numpy({v}).float()", False, CAST),
    Bridge("torch.as_tensor({v}, dtype=torch.float32)", False, CAST),
    Bridge("torch.from_numpy({v}[1:])", True, SLICED, 1),
    Bridge("torch.from_numpy({v})[1:]", True, SLICED, 1),
    Bridge("torch.from_numpy({v}[[1, 2]])", False, GATHERED, 1),
    Bridge("torch.from_numpy({v} + 0)", False, "wraps the sum, which is in new memory."),
    Bridge("torch.from_numpy({v}).detach()", True, "shares memory: detach is about the graph."),
    Bridge("torch.stack([torch.from_numpy({v})])[0]", False, "copies: stack writes into new memory."),
)
MORE_TO_NUMPY = (
    Bridge("{v}.cpu().numpy()", True, "shares memory: the tensor is on the CPU already, so nothing is copied."),
    Bridge("{v}.detach().numpy()", True, "shares memory: detach is about the graph."),
    Bridge("{v}.numpy().astype(np.float32)", False, CAST),
    Bridge("{v}.double().numpy()", False, CAST),
    Bridge("{v}[1:].numpy()", True, SLICED, 1),
    Bridge("{v}.numpy()[1:]", True, SLICED, 1),
    Bridge("{v}[[1, 2]].numpy()", False, GATHERED, 1),
    Bridge("({v} * 1).numpy()", False, "wraps the product, which is in new memory."),
    Bridge("np.array({v}.tolist())", False, "makes an array of a list of Python's, which shares nothing."),
)


class Write(NamedTuple):
    """A line that changes entries: all of them, or the one at `at`; `rebinds` where it makes a new object instead."""

    line: str
    name: str
    value: int
    adds: bool = False
    at: int | None = None
    rebinds: bool = False

    def applied(self, old: int) -> int:
        return old + self.value if self.adds else self.value


class Scene(NamedTuple):
    values: Sequence[int]
    bridges: Sequence[Bridge]
    names: Sequence[str]  # of the objects, the first one first
    writes: Sequence[Write]
    ask: str

    def end(self, rule: str = "") -> list[int]:
        """What the one that is asked for holds at the end, by the rule."""
        held: dict[str, tuple[list[int], int]] = {self.names[0]: (list(self.values), 0)}
        for bridge, old, new in zip(self.bridges, self.names, self.names[1:], strict=False):
            memory, start = held[old]
            shares = bridge.shares != (rule == ("view-taken-for-copy" if bridge.shares else "copy-taken-for-view"))
            if not shares:
                memory = list(memory)
            held[new] = (memory, start + bridge.start)
        for write in self.writes:
            memory, start = held[write.name]
            if write.rebinds and rule != "rebinding-writes":
                memory = list(memory)
                held[write.name] = (memory, start)
            for i in range(start, len(memory)):
                if write.at is None or i == start + write.at:
                    memory[i] = write.applied(memory[i])
        memory, start = held[self.ask]
        return memory[start:]


def written(rng: Rng, name: str, *, array: bool, size: int) -> Write:
    """A write in place, or at the higher levels perhaps a new object under the old name."""
    at = rng.integer(0, size - 1)
    value = rng.pick([50, 0, -1])
    kinds = [Write(f"{name}[{at}] = {value}", name, value, at=at), Write(f"{name} += 10", name, 10, adds=True)]
    if array:
        kinds.append(Write(f"{name}[:] = {value}", name, value))
        kinds.append(Write(f"{name}.fill({value})", name, value))
    else:
        kinds += [Write(f"{name}.add_(10)", name, 10, adds=True), Write(f"{name}.fill_({value})", name, value)]
    if rng.level > 1 and rng.chance(0.2):
        return Write(f"{name} = {name} + 10", name, 10, adds=True, rebinds=True)
    return rng.pick(kinds)


def crossing(rng: Rng) -> Scene:
    """From the one to the other, and perhaps back."""
    array = rng.chance()
    count = 2 if rng.level == THIRD else 1
    bridges: list[Bridge] = []
    side = array
    for _ in range(count):
        near, far = (TO_TORCH, MORE_TO_TORCH) if side else (TO_NUMPY, MORE_TO_NUMPY)
        pool = near if rng.level == 1 or (bridges and bridges[0].start) else far if rng.chance(0.6) else near
        shares = rng.chance(0.55 if count == 1 else 0.7)
        options = [bridge for bridge in pool if bridge.shares == shares and not (bridges and "float" in bridge.source)]
        if bridges and any("float" in b.source or "double" in b.source for b in bridges):
            options = [bridge for bridge in options if "int64" not in bridge.source and "long" not in bridge.source]
        bridges.append(rng.pick(options or [bridge for bridge in near if bridge.shares == shares]))
        side = not side
    names = (["a", "x", "b"] if array else ["x", "a", "y"])[: count + 1]
    values = rng.distinct(3, 1, 9)
    first, last = 0, count
    start, end = rng.pick(
        [(first, last), (last, first)] if count == 1 else [(first, last), (last, first), (1, last), (last, first)]
    )
    size = 3 - sum([bridge.start for bridge in bridges[:start]])
    is_array = array == (start % 2 == 0)
    writes = [written(rng, names[start], array=is_array, size=size)]
    return Scene(values, bridges, names, writes, names[end])


def lines_of(it: Scene) -> list[str]:
    made = f"np.array({list(it.values)})" if it.names[0] == "a" else f"torch.tensor({list(it.values)})"
    lines = [f"{it.names[0]} = {made}"]
    for bridge, old, new in zip(it.bridges, it.names, it.names[1:], strict=False):
        lines.append(f"{new} = {bridge.source.format(v=old)}")
    return [*lines, *[write.line for write in it.writes]]


def tells(it: Scene) -> bool:
    """Whether the write would be seen, if it were shared."""
    return any(it.end(rule) != it.end() for rule in ("view-taken-for-copy", "copy-taken-for-view", "rebinding-writes"))


HINTS = [
    (
        "Which lines wrap memory that is there, and which make new memory? Does the last line write into what is "
        "asked for?"
    ),
    (
        "from_numpy, as_tensor, numpy() and asarray wrap. torch.tensor, np.array, clone, copy and another dtype "
        "copy. `x = "
        "x + …` gives the name to a new object."
    ),
]
WHY = (
    "`torch.from_numpy`, `torch.as_tensor` and `Tensor.numpy()` wrap the same memory, where dtype and device "
    "allow it: a "
    "write through either is seen in both. `torch.tensor`, `np.array`, `clone`, `copy` and a cast to another "
    "dtype copy. "
    "`numpy()` refuses a tensor that requires a gradient, except under no_grad; `detach().numpy()` shares its memory."
)


def shared_or_not(rng: Rng) -> PredictValue:
    it = settled(lambda: crossing(rng), tells, 10)
    right = it.end()
    copy = next((b for b in it.bridges if not b.shares), None)
    view = next((b for b in it.bridges if b.shares), None)
    said = {
        "copy-taken-for-view": f"`{copy.source.format(v='…')}` {copy.because}" if copy else "",
        "view-taken-for-copy": f"`{view.source.format(v='…')}` {view.because}" if view else "",
        "rebinding-writes": "`=` gives the name to a new object. The old one, and what shares its memory, stays "
        "as it is.",
    }
    seen, wrong = [right], []
    for rule, because in said.items():
        if because and (found := it.end(rule)) not in seen:
            seen.append(found)
            wrong.append(Wrong(rule, str(found), because))
    asked = f"{it.ask}.tolist()"
    told = "One of the two is made of the other, and then one is written to. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{told}What is `{asked}` at the end?",
        program="\n".join(lines_of(it)),
        ask=asked,
        hints=HINTS,
        why=WHY,
        wrong=wrong,
    )


GRAPH = (
    "numpy() refuses a tensor that requires a gradient, while gradients are recorded: it would leave the graph unseen."
)
ALLOWED = "Under no_grad, numpy() takes a tensor that requires a gradient. detach() takes it anywhere."
SHARED = "The array shares the tensor's memory: what requires a gradient, or how it was let through, does not matter."
ALONE = "That array is a copy."


def with_gradient(rng: Rng) -> PredictValue:
    """A tensor that requires a gradient crosses, or is refused."""
    values = rng.distinct(3, 1, 9)
    at, value = rng.integer(0, 2), rng.pick([50, 0, -1])
    name, source, raises, shares = rng.pick(
        [
            ("plain", "x.numpy()", True, True),
            ("plain", "np.asarray(x)", True, True),
            ("plain", "x[1:].numpy()", True, True),
            ("plain", "(x * 1).numpy()", True, False),
            ("detached", "x.detach().numpy()", False, True),
            ("detached", "x.detach().clone().numpy()", False, False),
            ("detached", "np.array(x.detach())", False, False),
            ("no_grad", "x.numpy()", False, True),
            ("no_grad", "np.asarray(x)", False, True),
            ("no_grad", "(x * 1).numpy()", False, False),
            ("after", "y.numpy()", True, False),
            ("inside", "y.numpy()", False, False),
        ]
    )
    start = 1 if "[1:]" in source else 0
    lines = [f"x = torch.tensor([{', '.join([f'{v}.' for v in values])}], requires_grad=True)"]
    line = f"a = {source}"
    if name in ("after", "inside"):
        inside = name == "inside"
        times = rng.pick(["y = x * 1", "y = x + 0"])
        lines += (
            ["with torch.no_grad():", f"    {times}"]
            if inside
            else [times, rng.pick(["with torch.enable_grad():", "if True:"])]
        )
        lines.append(line if inside else f"    {line}")
    elif name == "no_grad":
        lines += [rng.pick(["with torch.no_grad():", "with torch.inference_mode():"]), f"    {line}"]
    else:
        lines.append(line)
    at = min(at, 2 - start)
    lines.append(f"a[{at}] = {value}")
    changed = [value if i == at + start else v for i, v in enumerate(values)]
    asked = "x.tolist()"
    wrong: list[Wrong | Edit]
    if raises:
        through = source.replace(".numpy()", ".detach().numpy()").replace("asarray(x)", "asarray(x.detach())")
        wrong = [
            Edit("numpy-never-raises", line, f"a = {through}", GRAPH),
            Edit("copy-and-runs" if shares else "shares-and-runs", line,
                 f"a = {through}.copy()" if shares else f"a = x.detach().numpy()[{start}:]", GRAPH),
        ]  # fmt: skip
    else:
        wrong = [
            Wrong("always-raises", "error", ALLOWED),
            Wrong("view-taken-for-copy", str(values), SHARED)
            if shares
            else Wrong("copy-taken-for-view", str(changed), ALONE),
        ]
    return PredictValue(
        prompt=f"What is `{asked}` at the end? If a line raises, type `error`.",
        program="\n".join(lines),
        ask=asked,
        can_fail=True,
        hints=[
            "Does the tensor require a gradient where it goes to NumPy? Is anything recorded there?",
            HINTS[1],
        ],
        why=WHY,
        wrong=wrong,
    )


@drill(
    after=["memory.view-or-copy", "autograd.no-grad"],
    levels=3,
    lesson="Tensors",
    arena="0.0",
    structures=(60, 200, 300),
)
def numpy_bridge(rng: Rng) -> PredictValue:
    """What torch and NumPy share."""
    if rng.level == THIRD and rng.chance(0.4):
        return with_gradient(rng)
    return shared_or_not(rng)
