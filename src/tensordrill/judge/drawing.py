"""Draws every random number on the CPU, so that a GPU computes with the numbers that the CPU would. Imports torch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

# Operations that do nothing but draw. A fused attention or an LSTM draws too, for its dropout, and stays where it is.
_DRAWS = {
    "bernoulli", "bernoulli_", "binomial", "cauchy", "cauchy_", "exponential", "exponential_", "geometric",
    "geometric_", "log_normal", "log_normal_", "multinomial", "native_dropout", "normal", "normal_", "poisson",
    "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "random_", "randperm",
    "_standard_gamma", "uniform", "uniform_",
}  # fmt: skip


class DrawnOnCpu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is active, what would be drawn on another device is drawn with the CPU's generator, and moved there.

    A generator of that device that is passed keeps its own numbers. Devices of the type `passed` are left alone.
    """

    def __init__(self, passed: str = "cpu") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._passed = passed

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 -- an operation of torch's, which has no public type
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        del types
        named = dict(kwargs or {})
        if func.overloadpacket.__name__ not in _DRAWS:
            return func(*args, **named)
        device = _device((args, named))
        if device.type == self._passed:
            return func(*args, **named)
        moved: list[tuple[torch.Tensor, torch.Tensor]] = []

        def fetched(tensor: torch.Tensor) -> torch.Tensor:
            moved.append((tensor.to("cpu", copy=True), tensor))
            return moved[-1][0]

        def returned(tensor: torch.Tensor) -> torch.Tensor:
            # What was drawn in place belongs into the tensor that was passed.
            original = next((one for copy, one in moved if copy is tensor), None)
            return tensor.to(device) if original is None else original.copy_(tensor)

        there, by_name = tree_map_only(torch.Tensor, fetched, (tuple(args), named))
        if "device" in by_name:
            by_name["device"] = torch.device("cpu")
        return tree_map_only(torch.Tensor, returned, func(*there, **by_name))


def _device(arguments: object) -> torch.device:
    """The device that an operation draws on, or the CPU where a generator of another device was passed."""
    leaves = tree_leaves(arguments)
    if any(isinstance(leaf, torch.Generator) and leaf.device.type != "cpu" for leaf in leaves):
        return torch.device("cpu")
    named = (leaf for leaf in leaves if isinstance(leaf, torch.device))
    return next(named, next((leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor)), torch.device("cpu")))
