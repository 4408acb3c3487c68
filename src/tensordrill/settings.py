"""The settings: what each may be and what it means, said once, and the TOML file that a person may edit.

Reading, checking, `tensordrill config` and its help all follow from the fields of `Settings`.
"""

import os
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from itertools import chain, count
from pathlib import Path
from typing import Any

from tensordrill.errors import TensordrillError, UsageError

Value = float | int | str
_LONGEST = 40  # characters of a value that an error repeats
_LARGEST = 2**64
_HEADER = "# `tensordrill config` explains each setting.\n"


@dataclass(frozen=True)
class Setting:
    """One setting. `low` and `high` bound a number, both included; `choices` are the words that it may be otherwise."""

    name: str
    default: Value
    meaning: str
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        low, high = self.shown(self.low), self.shown(self.high)
        if isinstance(self.default, float):  # the policy that is kept with each rating names it with two decimals
            return f"a number from {low} to {high}, with at most two decimals"
        return f"a whole number from {low} to {high}"

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Values to offer where somebody types one."""
        if self.choices:
            return self.choices
        if isinstance(self.default, int) and self.high - self.low < 20:  # noqa: PLR2004 -- a list to take in at a glance
            return tuple(map(str, range(int(self.low), int(self.high) + 1)))
        return tuple(map(self.shown, (self.low, self.default, self.high)))

    def shown(self, value: Value) -> str:
        """A value as it is written."""
        return f"{value:.2f}" if isinstance(self.default, float) and not isinstance(value, str) else str(value)

    def checked(self, value: object) -> Value:
        """The value. Raises ValueError with a sentence where it may not be that."""
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
        elif isinstance(self.default, float):
            if isinstance(value, int | float) and self.low <= value <= self.high and round(value, 2) == value:
                return float(value)
        elif type(value) is int and self.low <= value <= self.high:
            return value
        near = get_close_matches(str(value), self.choices, n=1) if isinstance(value, str) else []
        asked = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{self.name} cannot be {_told(value)}: it takes {self.allowed}.{asked}")

    def read(self, text: str) -> Value:
        """The value that was typed. Raises ValueError as `checked` does."""
        typed: object = text.strip()
        if not self.choices:
            for convert in (int, float):
                with suppress(ValueError):
                    typed = convert(text)
                    break
        return self.checked(typed)


def _setting(default: Value, meaning: str, **kind: Any) -> Any:  # noqa: ANN401 -- stands for a field's default
    return field(default=default, metadata={"meaning": meaning} | kind)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person has set. Each field says what it may be and what follows from it."""

    retention: float = _setting(
        0.9,
        "The share of reviews that you want to get right. Higher brings drills back sooner, so there is more to do.",
        low=0.70,
        high=0.97,
    )
    new_per_day: int = _setting(
        5, "How many new drills open on a study day. Each comes back in the days after, as reviews.", low=0, high=100
    )
    rollover: int = _setting(
        4, "The hour at which a study day begins. What you answer before it counts for the day before.", low=0, high=12
    )
    device: str = _setting(
        "cpu",
        "Where answers run. With cuda, what passes on the CPU runs on the GPU too; with auto, where there is a GPU.",
        choices=("cpu", "cuda", "auto"),
    )
    keys: str = _setting("emacs", "The keys that edit an answer at the prompt.", choices=("emacs", "vi"))
    theme: str = _setting(
        "auto",
        "The colours, to suit a dark or a light background; auto takes the terminal's own.",
        choices=("auto", "dark", "light"),
    )


SETTINGS = {
    each.name: Setting(each.name, each.default, **each.metadata)  # type: ignore[arg-type]
    for each in fields(Settings)
}
DEFAULTS = Settings()


@dataclass(frozen=True)
class Kept:
    """What a settings file holds: its sound `values`, and a sentence for each `faulty` one, by its name there."""

    values: Mapping[str, Value]
    faulty: Mapping[str, str]


def load(path: Path) -> Settings:
    """The settings of that file; the defaults where it is missing.

    Raises TensordrillError where it cannot be read, is not TOML, or sets what there is not, or what may not be.
    """
    kept = examine(path)
    for name, problem in kept.faulty.items():
        raise TensordrillError(f"In {path}, {problem}", hint=mending(name))
    return Settings(**kept.values)  # type: ignore[arg-type]


def examine(path: Path) -> Kept:
    """All that the file sets, sound or not. Raises TensordrillError where it cannot be read, or is not TOML."""
    values: dict[str, Value] = {}
    faulty: dict[str, str] = {}
    for name, value in _parsed(path).items():
        if name not in SETTINGS:
            faulty[name] = f"{_told(name)} is not a setting.{_nearest(name)}"
            continue
        try:
            values[name] = SETTINGS[name].checked(value)
        except ValueError as problem:
            faulty[name] = str(problem)
    return Kept(values, faulty)


def find(name: str) -> Setting:
    """The setting of that name. Raises UsageError that suggests the nearest."""
    wanted = name.strip().lower().replace("-", "_")
    if wanted not in SETTINGS:
        hint = _nearest(wanted).strip() or f"There are {', '.join(SETTINGS)}."
        raise UsageError(f"There is no setting {_told(name)}.", hint=hint)
    return SETTINGS[wanted]


def change(path: Path, name: str, value: Value | None) -> None:
    """Set it, or with None take it out of the file, whose comments and order stay.

    The file is replaced as a whole, or not at all. Raises TensordrillError where it is not TOML or cannot be written.
    """
    before = _parsed(path)
    if value is None and name not in before:
        return
    import tomlkit  # noqa: PLC0415 -- only writing needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        document = tomlkit.parse(_text(path) or _HEADER)
        if value is None:
            document.remove(name)
        elif isinstance(before.get(name), dict | list):
            document.remove(name)
            document.add(name, value)
        else:
            document[name] = value
        text = tomlkit.dumps(document)
        text += "" if text.endswith("\n") else "\n"
        sound = tomllib.loads(text).get(name) == value and _others(text, name) == _others(_text(path), name)
    except (TOMLKitError, ValueError, RecursionError):
        sound = False
    if not sound:
        raise TensordrillError(f"{path} cannot be changed without losing some of it.", hint="Edit it by hand.")
    _write(path, text)


def set_aside(path: Path) -> Path | None:
    """Every setting back to its default: the file is renamed. Returns its new name; None where there was none."""
    try:
        if not path.exists():
            return None
        names = (path.with_name(f"{path.name}.old{number}") for number in chain([""], count(2)))
        aside = next(name for name in names if not name.exists())
        path.replace(aside)
    except OSError as error:
        raise _unwritable(path, error) from None
    return aside


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:
        where = "is nested too deeply" if isinstance(error, RecursionError) else f"is not TOML: {_plain(str(error))}"
        raise TensordrillError(
            f"{path} {where}.", hint="Mend that line, or begin anew with `tensordrill config --reset`, which keeps it."
        ) from None


def _others(text: str, name: str) -> dict[str, Any]:
    """All but that setting, the floats as they are spelt: no nan equals another."""
    return {key: value for key, value in tomllib.loads(text, parse_float=str).items() if key != name}


def _text(path: Path) -> str:
    """The file's text, its line ends as they are; empty where it is missing."""
    try:
        raw = path.read_bytes() if path.is_file() or not path.exists() else None
    except FileNotFoundError:
        return ""
    except OSError as error:
        hint = "Check who owns it, or set TENSORDRILL_HOME to a folder that you can read."
        raise TensordrillError(f"{path} cannot be read: {error.strerror}.", hint=hint) from None
    if raw is None:  # a folder; a pipe would be waited for
        raise TensordrillError(f"{path} is not a file.", hint="tensordrill keeps its settings in a file of that name.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TensordrillError(
            f"{path} is not UTF-8 text (at line {line}).",
            hint="Mend that line, or begin anew with `tensordrill config --reset`, which keeps it.",
        ) from None


def _write(path: Path, text: str) -> None:
    path = Path(os.path.realpath(path))  # a link to the file stays a link
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(None, "it is write-protected")
        with half.open("xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, half)
        half.replace(path)
    except OSError as error:
        with suppress(OSError):
            half.unlink()
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> TensordrillError:
    return TensordrillError(
        f"{path} cannot be written: {error.strerror}.",
        hint="Nothing was changed. Check who owns it and its folder, and the free space.",
    )


def mending(name: str) -> str:
    if name in SETTINGS:
        return f"`tensordrill config {name} VALUE` sets it, `tensordrill config {name} --reset` takes the default."
    plain = name if name.replace("-", "_").isidentifier() else "NAME"
    return f"Edit the file, or `tensordrill config {plain} --reset` takes it out."


def _nearest(name: str) -> str:
    near = get_close_matches(name.lower().replace("-", "_"), SETTINGS, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _told(value: object) -> str:
    """A value for a sentence: short, on one line, nothing in it that a terminal would obey."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case int() if abs(value) > _LARGEST:
            return "a huge number"  # Python refuses to write some of them out
        case str():
            return f"'{_plain(value, _LONGEST)}'"
    return str(value)


def _plain(text: str, longest: int = 200) -> str:
    text = text if text.isprintable() else text.encode("unicode_escape").decode()
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
