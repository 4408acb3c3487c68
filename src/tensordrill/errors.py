"""The one error that people see: a sentence, what to do about it, and the exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell."""

    OK = 0
    FAULT = 1
    USAGE = 2
    INTERRUPTED = 130


class TensordrillError(Exception):
    """Something that a person can be told in one sentence, with a hint of what to do next."""

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAULT) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(TensordrillError):
    """The call itself was wrong: an unknown name, a number out of range."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, exit_code=ExitCode.USAGE)
