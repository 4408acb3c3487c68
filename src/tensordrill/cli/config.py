"""`tensordrill config`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tensordrill import paths, settings
from tensordrill.cli import completing, options, tell
from tensordrill.errors import ExitCode, TensordrillError, UsageError
from tensordrill.settings import SETTINGS, Kept, Setting, Value


@click.command()
@click.argument("name", required=False, shell_complete=completing.settings)
@click.argument("value", required=False, shell_complete=completing.values)
@click.option("--reset", is_flag=True, help="Back to the default; without a name, all of them.")
@options.as_json
def command(name: str | None, value: str | None, reset: bool, as_json: bool) -> int:  # noqa: FBT001 -- flags
    """Show, explain and set the settings: one with its NAME, and with a VALUE it is set.

    They are kept in one TOML file, which you may edit as well; its comments and order stay.
    """
    path = paths.settings()
    if reset:
        if value is not None or as_json:
            raise UsageError("--reset takes a name, or nothing.", hint="tensordrill config NAME --reset")
        return _reset_all(path) if name is None else _reset(path, name)
    if name is not None and value is not None:
        if as_json:
            raise UsageError("--json shows settings, and sets none.", hint="tensordrill config NAME VALUE")
        return _set(path, settings.find(name), value)
    return _show(path, list(SETTINGS.values()) if name is None else [settings.find(name)], name, as_json=as_json)


def _show(path: Path, shown: list[Setting], name: str | None, *, as_json: bool) -> int:
    fault: TensordrillError | None = None
    try:
        kept = settings.examine(path)
    except TensordrillError as error:
        kept, fault = Kept({}, {}), error
    faulty = [(at, told) for at, told in kept.faulty.items() if name is None or at == shown[0].name]
    if as_json:
        problems = [fault.message] if fault else [told for _, told in faulty]
        listed = [_as_data(setting, kept) for setting in shown]
        options.print_json({"path": str(path), "settings": listed, "problems": problems})
        return ExitCode.FAULT if problems else ExitCode.OK
    _print_listed(path, shown, kept, alone=name is not None)
    if fault:
        return tell(f"{fault.message} So these are the defaults.", fault.hint, fault.exit_code)
    for at, told in faulty:
        tell(f"In {path}, {told}", settings.mending(at), ExitCode.FAULT)
    return ExitCode.FAULT if faulty else ExitCode.OK


def _as_data(setting: Setting, kept: Kept) -> dict[str, Any]:
    broken = setting.name in kept.faulty
    return {
        "name": setting.name,
        "value": None if broken else kept.values.get(setting.name, setting.default),
        "default": setting.default,
        "allowed": setting.allowed,
        "explanation": setting.meaning,
        "problem": kept.faulty.get(setting.name),
    }


def _print_listed(path: Path, shown: list[Setting], kept: Kept, *, alone: bool) -> None:
    from textwrap import fill

    from rich.text import Text

    from tensordrill.ui.console import make_console

    console = make_console()
    width = max(len(setting.name) for setting in shown) + 2
    for setting in shown:
        value = kept.values.get(setting.name, setting.default)
        broken = setting.name in kept.faulty
        mark = "  (default)" if value == setting.default else ""
        said = "BROKEN, see below" if broken else setting.shown(value)
        console.print(Text.assemble((setting.name.ljust(width), "bold"), said, ("" if broken else mark, "dim")))
        sentences = [setting.meaning, f"It takes {setting.allowed}."]
        if alone and not broken:
            sentences.extend(_consequence(setting, setting.default, value))
        for sentence in sentences:
            console.print(Text(fill(sentence, console.width, initial_indent="  ", subsequent_indent="  ")))
    console.print()
    there = "" if os.access(path, os.F_OK) else " (not there yet: all are defaults)"
    console.print(Text(f"{path}{there}"), soft_wrap=True)
    if not alone:
        console.print(Text("`tensordrill config NAME VALUE` sets one.", style="dim"))


def _set(path: Path, setting: Setting, text: str) -> int:
    try:
        value = setting.read(text)
    except ValueError as problem:
        raise UsageError(str(problem), hint=f"`tensordrill config {setting.name}` explains it.") from None
    kept = settings.examine(path)
    broken = setting.name in kept.faulty
    before = kept.values.get(setting.name, setting.default)
    if value == before and not broken:
        _say(f"{setting.name} is {setting.shown(value)} already.")
        return ExitCode.OK
    settings.change(path, setting.name, value)
    _say(f"{setting.name} is {setting.shown(value)} now{'' if broken else f'; it was {setting.shown(before)}'}.")
    for sentence in _consequence(setting, setting.default if broken else before, value):
        _say(sentence)
    _tell_others(path, kept, setting.name)
    return ExitCode.OK


def _reset(path: Path, name: str) -> int:
    kept = settings.examine(path)
    if name not in kept.faulty:
        name = settings.find(name).name
    if name not in kept.values and name not in kept.faulty:
        _say(f"{name} has its default, {SETTINGS[name].shown(SETTINGS[name].default)}, already.")
        return ExitCode.OK
    settings.change(path, name, None)
    if name in SETTINGS:
        setting = SETTINGS[name]
        before = kept.values.get(name)
        was = "" if before is None else f"; it was {setting.shown(before)}"
        _say(f"{name} is {setting.shown(setting.default)} now, the default{was}.")
        for sentence in _consequence(setting, setting.default if before is None else before, setting.default):
            _say(sentence)
    else:
        _say(f"{name!r} is no longer in the file.")
    _tell_others(path, kept, name)
    return ExitCode.OK


def _reset_all(path: Path) -> int:
    aside = settings.set_aside(path)
    if aside is None:
        _say("All settings have their defaults already.")
    else:
        _say("All settings have their defaults now. What the file held is kept:")
        _say(str(aside))
    return ExitCode.OK


def _consequence(setting: Setting, before: Value, value: Value) -> Iterator[str]:
    """What the value means, in figures where they can be worked out."""
    match setting.name, value:
        case "retention", float():
            from tensordrill.schedule.workload import reviews_a_year

            then, now = reviews_a_year(float(before)), reviews_a_year(value)
            times = f"A drill comes back about {now:.0f} times in its first year"
            if before == value:
                yield f"{times}."
            else:
                change = abs(now / then - 1)
                yield (
                    f"{times}, about {then:.0f} at {setting.shown(before)}: roughly {change:.0%} "
                    f"{'more' if now > then else 'fewer'} reviews. Dates that are set already stay."
                )
        case "new_per_day", 0:
            yield "No new drill opens; what you have met still comes back."
        case "new_per_day", int():
            from tensordrill.catalog import built_in

            drills = len(built_in(paths.drill_cache()))
            days = -(-drills // value)
            yield f"At that pace all {drills} drills have opened after {days} study days, at the earliest."
        case "rollover", int():
            yield f"A study day begins at {value:02}:00."


def _tell_others(path: Path, kept: Kept, name: str) -> None:
    for at, told in kept.faulty.items():
        if at != name:
            tell(f"In {path}, {told}", settings.mending(at), ExitCode.FAULT)


def _say(sentence: str) -> None:
    from rich.text import Text

    from tensordrill.ui.console import make_console

    make_console().print(Text(sentence))
    sys.stdout.flush()
