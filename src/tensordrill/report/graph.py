"""The drills as a map: which build on which, as a tree for each track and as a graph for other programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Drill


@dataclass(frozen=True)
class Branch:
    """A drill in its track's tree.

    `last` says for each ancestor, and then for itself, whether no sister follows. It hangs below the last of the
    drills of its own track that it comes after; `besides` are the others.
    """

    drill: Drill
    last: tuple[bool, ...]
    besides: tuple[str, ...]


def branches(drills: Sequence[Drill]) -> Iterator[Branch]:
    """The drills of one track, each below one that it builds on. What builds on others alone stands at the top."""
    order = {drill.id: place for place, drill in enumerate(drills)}
    parent = {
        drill.id: max((n for n in drill.after if n in order), key=order.__getitem__, default="") for drill in drills
    }

    def below(name: str, path: tuple[bool, ...]) -> Iterator[Branch]:
        children = [drill for drill in drills if parent[drill.id] == name]
        for drill in children:
            last = (*path, drill is children[-1])
            yield Branch(drill, last, tuple(n for n in drill.after if n != name))
            yield from below(drill.id, last)

    yield from below("", ())


def mermaid(drills: Sequence[Drill], states: Mapping[str, str]) -> str:
    """A Mermaid flowchart: a box for each track, an arrow from each drill to those that build on it."""
    lines = ["flowchart LR"]
    for track, members in _tracks(drills).items():
        lines.append(f"  subgraph {track}")
        lines += [f'    {_node(drill.id)}["{drill.id}"]:::{states[drill.id]}' for drill in members]
        lines.append("  end")
    lines += [f"  {_node(before)} --> {_node(drill.id)}" for before, drill in _edges(drills)]
    lines += [f"  classDef {state} {style}" for state, style in _MERMAID.items()]
    return "\n".join(lines)


def dot(drills: Sequence[Drill], states: Mapping[str, str]) -> str:
    """A Graphviz digraph, like `mermaid`."""
    lines = ["digraph drills {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fillcolor=white];']
    for track, members in _tracks(drills).items():
        lines += [f'  subgraph "cluster_{track}" {{', f'    label="{track}";']
        lines += [f'    "{drill.id}" [{_DOT[states[drill.id]]}];' for drill in members]
        lines.append("  }")
    lines += [f'  "{before}" -> "{drill.id}";' for before, drill in _edges(drills)]
    return "\n".join([*lines, "}"])


# A border says what the colour says: dashed is locked, thick is waiting.
_MERMAID = {
    "locked": "stroke-dasharray:4,color:#777",
    "new": "fill:#fff",
    "due": "fill:#ffe08a,stroke-width:3px",
    "missed": "fill:#ffc9c9,stroke-width:3px",
    "learned": "fill:#c9f2d0",
}
_DOT = {
    "locked": 'style="rounded,dashed", fontcolor=gray40',
    "new": "fillcolor=white",
    "due": 'fillcolor="#ffe08a", penwidth=3',
    "missed": 'fillcolor="#ffc9c9", penwidth=3',
    "learned": 'fillcolor="#c9f2d0"',
}


def _tracks(drills: Sequence[Drill]) -> dict[str, list[Drill]]:
    tracks: dict[str, list[Drill]] = {}
    for drill in drills:
        tracks.setdefault(drill.track, []).append(drill)
    return tracks


def _edges(drills: Sequence[Drill]) -> Iterator[tuple[str, Drill]]:
    """Arrows between drills that are shown."""
    names = {drill.id for drill in drills}
    return ((before, drill) for drill in drills for before in drill.after if before in names)


def _node(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")
