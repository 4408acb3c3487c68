"""Which puzzles are asked: seeds drawn from a text, so that the same situation gives the same puzzle."""

from hashlib import sha256


class Seeds:
    """Seeds for fresh puzzles, without end. The same key gives the same ones, so a reopened session goes on."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._drawn = 0

    def __iter__(self) -> "Seeds":
        return self

    def __next__(self) -> int:
        digest = sha256(f"{self.key}/{self._drawn}".encode()).digest()
        self._drawn += 1
        return int.from_bytes(digest[:4]) >> 1
