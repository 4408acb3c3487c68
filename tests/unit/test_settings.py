"""The settings file: what it says is what is set, whoever wrote it, and whatever is in it."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensordrill import schedule
from tensordrill.errors import ExitCode, TensordrillError, UsageError
from tensordrill.schedule.days import ROLLOVER_HOUR
from tensordrill.schedule.rating import policy, retention_of
from tensordrill.schedule.workload import reviews_a_year
from tensordrill.settings import DEFAULTS, SETTINGS, Settings, change, examine, find, load, set_aside

SOUND = {
    "retention": st.integers(70, 97).map(lambda hundredths: hundredths / 100),
    "new_per_day": st.integers(0, 100),
    "rollover": st.integers(0, 12),
    "device": st.sampled_from(["cpu", "cuda", "auto"]),
    "keys": st.sampled_from(["emacs", "vi"]),
    "theme": st.sampled_from(["auto", "dark", "light"]),
}
LINES = [
    *("# a comment", "", "retention = 0.85 # less", "retention = 2", "retention = nan", "new_per_day = true"),
    *("new_per_day = 7", "new_per_day = []", 'theme = "drak"', "theme = 'dark'", "[theme]", "[keys.a]", "x = 1"),
    *("them = 'dark'", '"a b" = 1', '"\\u001b[2J" = 1', "rollover = 0x" + "f" * 4000, "device.name = 'cuda'"),
    *("[[device]]", "keys = 'vi'\r", 'keys = """\nvi"""', "when = 2026-03-01", "\ufeff", "=", "\x00"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples of a property."""
    return tmp_path_factory.mktemp("settings") / "settings.toml"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def test_without_a_file_all_are_defaults(path: Path) -> None:
    assert load(path) == DEFAULTS == Settings()


def test_the_defaults_are_those_of_the_schedule() -> None:
    assert (DEFAULTS.retention, DEFAULTS.new_per_day) == (schedule.RETENTION, schedule.NEW_PER_DAY)
    assert DEFAULTS.rollover == ROLLOVER_HOUR


def test_each_default_and_each_suggestion_may_be_set() -> None:
    for setting in SETTINGS.values():
        assert setting.checked(setting.default) == setting.default
        assert setting.shown(setting.default) in setting.suggestions
        for suggestion in setting.suggestions:
            assert setting.shown(setting.read(suggestion)) == suggestion
        assert setting.meaning.endswith(".")


@given(retention=SOUND["retention"])
def test_the_policy_keeps_the_whole_retention(retention: float) -> None:
    assert retention_of(policy(retention)) == retention


@given(values=st.fixed_dictionaries({}, optional=SOUND))
def test_what_is_set_is_read(scratch: Path, values: dict[str, Any]) -> None:
    scratch.unlink(missing_ok=True)
    for name, value in values.items():
        change(scratch, name, value)
    assert load(scratch) == Settings(**values)
    for name in values:
        change(scratch, name, None)
    assert load(scratch) == DEFAULTS
    assert [file.name for file in scratch.parent.iterdir() if file != scratch] == []


@given(raw=st.binary(max_size=80) | st.lists(st.sampled_from(LINES)).map(lambda lines: "\n".join(lines).encode()))
def test_whatever_the_file_holds_is_settings_or_one_sentence(scratch: Path, raw: bytes) -> None:
    written(scratch, raw)
    fault = None
    try:
        assert isinstance(load(scratch), Settings)
    except TensordrillError as error:
        fault = error
    if fault:
        assert str(scratch) in fault.message
        assert fault.message.isprintable()
        assert fault.message.endswith((".", "?"))
        assert fault.hint
        assert fault.exit_code is ExitCode.FAULT


@given(
    raw=st.lists(st.sampled_from(LINES)).map("\n".join),
    change_to=st.sampled_from(sorted(SOUND)).flatmap(lambda name: st.tuples(st.just(name), st.none() | SOUND[name])),
)
def test_one_change_changes_nothing_else(scratch: Path, raw: str, change_to: tuple[str, Any]) -> None:
    name, value = change_to
    before = written(scratch, raw).read_bytes()
    try:
        change(scratch, name, value)
    except TensordrillError:
        assert scratch.read_bytes() == before
        return
    texts = before.decode("utf-8-sig"), scratch.read_bytes().decode("utf-8-sig")
    old, new = (tomllib.loads(text, parse_float=str) for text in texts)  # no nan equals another
    assert new.pop(name, None) == (f"{value}" if isinstance(value, float) else value)
    old.pop(name, None)
    assert new == old
    assert scratch.read_text(encoding="utf-8").count("# a comment") == raw.count("# a comment")


def test_comments_order_and_line_ends_stay(path: Path) -> None:
    text = "# mine\r\ntheme = 'dark'   # at night\r\n\r\nretention = 0.85\r\n# the end\r\n"
    change(written(path, text), "theme", "light")
    assert path.read_bytes().decode() == text.replace("'dark'", '"light"')


@pytest.mark.parametrize("name", list(SETTINGS))
def test_every_sentence_of_a_broken_value_can_be_mended(path: Path, name: str) -> None:
    written(path, f"{name} = [1]\n")
    with pytest.raises(TensordrillError, match=f"{name} cannot be a list"):
        load(path)
    change(path, name, None)
    assert load(path) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retention = 0.69", "cannot be 0.69: it takes a number from 0.70 to 0.97"),
        ("retention = 0.98", "cannot be 0.98"),
        ("retention = 0.905", "at most two decimals"),
        ("retention = '0.9'", "cannot be '0.9'"),
        ("retention = inf", "cannot be inf"),
        ("retention = true", "cannot be true"),
        ("new_per_day = 101", "a whole number from 0 to 100"),
        ("new_per_day = 5.0", "cannot be 5.0"),
        ("rollover = -1", "from 0 to 12"),
        ("rollover = true", "cannot be true"),
        ("device = 'gpu'", "one of cpu, cuda, auto"),
        ("theme = 'drak'", "Did you mean dark?"),
        ("them = 'dark'", "'them' is not a setting. Did you mean theme?"),
        ("new-per-day = 3", "Did you mean new_per_day?"),
        ("[rollover]\nhour = 3", "cannot be a table"),
        ("keys = 'vi'\nkeys = 'vi'\n", "(at line 2"),
        ("keys = 'vi'\n\ntheme =", "is not TOML: Invalid value (at"),
        (b"keys = 'vi'\n# caf\xe9\n", "not UTF-8 text (at line 2)"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named(path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(TensordrillError) as raised:
        load(written(path, text))
    assert told in raised.value.message
    assert str(path) in raised.value.message


def test_what_is_no_file(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(TensordrillError, match="is not a file"):
        load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(TensordrillError, match="is not a file"):
        change(path, "keys", "vi")


def test_a_path_that_cannot_be() -> None:
    path = Path("/" + "x" * 300) / "settings.toml"
    for wrong in (load, set_aside, lambda path: change(path, "keys", "vi")):
        with pytest.raises(TensordrillError, match="File name too long"):
            wrong(path)


def test_the_mode_stays_and_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    real = written(tmp_path / "dotfiles.toml", "theme = 'dark'\n")
    real.chmod(0o640)
    path.symlink_to(real)
    change(path, "theme", "light")
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert load(real).theme == "light"


def test_what_cannot_be_written_is_left_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(path, "theme = 'dark'\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TensordrillError, match="cannot be written: No space left"):
        change(path, "theme", "light")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert load(path).theme == "dark"


def test_setting_aside_keeps_every_file(path: Path) -> None:
    for number, name in enumerate(["settings.toml.old", "settings.toml.old2", "settings.toml.old3"]):
        aside = set_aside(written(path, f"broken {number}"))
        assert aside == path.with_name(name)
        assert aside.read_text() == f"broken {number}"
    assert set_aside(path) is None


def test_sound_values_beside_broken_ones(path: Path) -> None:
    kept = examine(written(path, "keys = 'vi'\ntheme = 3\nnew = 1\n"))
    assert kept.values == {"keys": "vi"}
    assert set(kept.faulty) == {"theme", "new"}


def test_a_broken_number_does_not_keep_others_from_being_set(path: Path) -> None:
    change(written(path, "retention = nan\n"), "keys", "vi")
    assert path.read_text() == 'retention = nan\nkeys = "vi"\n'


def test_names_are_forgiving(path: Path) -> None:
    assert find(" New-Per-Day ") is SETTINGS["new_per_day"]
    with pytest.raises(UsageError) as raised:
        find("retension")
    assert raised.value.hint == "Did you mean retention?"
    assert not path.exists()


def test_a_higher_retention_is_more_work() -> None:
    work = [reviews_a_year(retention) for retention in (0.70, 0.80, 0.90, 0.97)]
    assert work == sorted(work)
    assert work[0] * 2 < work[-1]
