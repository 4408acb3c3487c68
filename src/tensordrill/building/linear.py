"""Linear layers by hand: what such puzzles share."""

from collections.abc import Sequence

from tensordrill.puzzles import Edit, Tensor, WriteExpression, Wrong
from tensordrill.rng import Rng

FORBID = ("linear", "Linear", "layer", "first", "second", "bilinear")
ACTIVATIONS = ("relu", "square", "abs")  # none that saturates, where unlike inputs would look alike

NOT_TRANSPOSED = "nn.Linear stores its weight as (out, in). To stand on the right of the input it has to be transposed."
NEEDLESSLY = "This weight is stored as (in, out), so it stands on the right of the input as it is."
NO_BIAS = "The bias is missing."
EARLY = "The bias is added before the activation, not after it."
BACKWARDS = "Going back from the outputs, the weight stands on the right as it is: it is (out, in)."
OTHER_PART = (
    "Those are other outputs. A row of the weight makes one output, and the rows are in the order of the outputs."
)
HINTS = {
    1: "The axis that is summed over must be the last of the left operand and the first but one of the right.",
    2: "nn.Linear(d_in, d_out) stores a weight of shape (d_out, d_in) and a bias of shape (d_out,).",
    3: "Write down the shape of every weight: nn.Linear stores (out, in). Each row of it makes one output.",
}
WHY = (
    "nn.Linear computes x @ weight.T + bias, over the last axis of x. Its weight is stored as (out_features, "
    "in_features): a row for each output. So rows are sliced to get some of the outputs, and layers in a row merge "
    "into second.weight @ first.weight. TransformerLens stores (in, out) instead, and does not transpose."
)


def asked(
    rng: Rng,
    prompt: str,
    tensors: Sequence[Tensor],
    expression: str,
    wrong: Sequence[Wrong | Edit],
    output: str,
    *,
    code: str = "",
    last_hint: str,
) -> WriteExpression:
    named = output.split()
    return WriteExpression(
        prompt=f"{prompt} Do it by hand: without `F.linear` and "
        f"`nn.Linear`{', and without the layers' if code else ''}.",
        tensors=tensors,
        reference_expression=expression,
        output=named if set(named) <= {axis for one in tensors for axis in one.axes} else None,
        axes="d_in d_hidden d_out"
        if "d_hidden" in code
        else "d_in d_out"
        if "d_in" in code
        else "d_model"
        if code
        else "",
        setup=code,
        code=code,
        forbid=FORBID,
        hints=[HINTS[rng.level], last_hint],
        why=WHY,
        wrong=wrong,
    )


ONE = """
layer = nn.Linear(d_in, d_out)
W, b = layer.weight.detach(), layer.bias.detach()
"""
NO_BIAS_CODE = """
layer = nn.Linear(d_in, d_out, bias=False)
W = layer.weight.detach()
"""
TWO = """
first, second = nn.Linear(d_in, d_hidden), nn.Linear(d_hidden, d_out)
W1, b1 = first.weight.detach(), first.bias.detach()
W2, b2 = second.weight.detach(), second.bias.detach()
"""
FUSED = """
layer = nn.Linear(d_model, 3 * d_model)
W, b = layer.weight.detach(), layer.bias.detach()
"""
PAIR = """
first, second = nn.Linear(d_in, d_out), nn.Linear(d_in, d_out)
W1, b1 = first.weight.detach(), first.bias.detach()
W2, b2 = second.weight.detach(), second.bias.detach()
"""
SQUARE = """
layer = nn.Linear(d_model, d_model)
W, b = layer.weight.detach(), layer.bias.detach()
"""
