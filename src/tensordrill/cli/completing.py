"""What the shell offers for an argument. Needs the drill cache and the settings' table, and nothing that is slow."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def drills(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Drill ids, each with its title."""
    del context, parameter
    return _matching(_drills(), begun)


def tracks_and_drills(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Tracks and drill ids, without those that were named already."""
    named = set(context.params.get(parameter.name or "") or ())
    return [item for item in _matching([*_tracks(), *_drills()], begun) if item.value not in named]


def settings(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The settings' names."""
    from tensordrill.settings import SETTINGS

    del context, parameter
    return _matching(((setting.name, setting.meaning) for setting in SETTINGS.values()), begun)


def values(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Values of the setting that was named."""
    from tensordrill.settings import find

    del parameter
    setting = find(context.params.get("name") or "")
    return _matching(((value, "") for value in setting.suggestions), begun)


def words(*offered: str) -> Completer:
    """Those words."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        del context, parameter
        return _matching(((word, "") for word in offered), begun)

    return complete


def files(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Whatever files the shell finds."""
    del context, parameter
    return [CompletionItem(begun, type="file")]


def _drills() -> list[tuple[str, str]]:
    from tensordrill import paths
    from tensordrill.catalog import built_in

    return [(drill.id, drill.title) for drill in built_in(paths.drill_cache()).values()]


def _tracks() -> list[tuple[str, str]]:
    return [(track, "a whole track") for track in dict.fromkeys(name.partition(".")[0] for name, _ in _drills())]


def _matching(offered: Iterable[tuple[str, str]], begun: str) -> list[CompletionItem[str]]:
    # click's script for fish cuts an explanation at its first comma.
    return [
        CompletionItem(value, help=told.replace(",", "") or None) for value, told in offered if value.startswith(begun)
    ]
