"""The small transformer that puzzles about hooks and circuits run on: its torch source, whole and as it is shown.

Its parts and its axes are those of TransformerLens: W_Q, W_K, W_V are (n_heads, d_model, d_head), W_O is
(n_heads, d_head, d_model). Whatever a layer makes inside passes through an `nn.Identity`, on which hooks can be put.
The weights follow from torch's seed, which is that of the instance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

AXES = "batch seq n_heads"  # what each hidden instance chooses
SIZES: Mapping[str, int] = {"n_layers": 3, "d_model": 8, "d_head": 5, "d_mlp": 7, "d_vocab": 11}


@dataclass(frozen=True)
class Layer:
    """A class of the model: the lines of its `__init__`, its forward pass, and methods that the pass calls."""

    name: str
    init: str
    forward: str
    methods: str = ""

    @property
    def shown(self) -> str:
        """As learners see it: the forward pass alone."""
        return f"class {self.name}(nn.Module):\n{indent(self.forward, '    ')}"

    @property
    def whole(self) -> str:
        init = indent(f"def __init__(self):\n    super().__init__()\n{indent(self.init, '    ')}", "    ")
        return f"{self.shown}\n{init}\n{indent(self.methods, '    ')}"


ATTENTION = Layer(
    "Attention",
    """\
self.W_Q, self.W_K, self.W_V = (
    nn.Parameter(torch.randn(n_heads, d_model, d_head) * d_model**-0.5) for _ in range(3)
)
self.W_O = nn.Parameter(torch.randn(n_heads, d_head, d_model) * d_head**-0.5)
for name in ("q", "k", "v", "pattern", "z"):
    self.add_module(f"hook_{name}", nn.Identity())""",
    """\
def forward(self, x):  # (batch, seq, d_model)
    q = self.hook_q(self.project(x, self.W_Q))
    k = self.hook_k(self.project(x, self.W_K))
    v = self.hook_v(self.project(x, self.W_V))
    pattern = self.hook_pattern(self.attend(q, k))
    z = self.hook_z(self.weigh(pattern, v))
    return self.write(z)  # W_O, and the sum over the heads""",
    """\
def project(self, x, W):
    return torch.einsum("bsm,hmd->bshd", x, W)
def attend(self, q, k):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / d_head**0.5
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf).softmax(-1)
def weigh(self, pattern, v):
    return torch.einsum("bhqk,bkhd->bqhd", pattern, v)
def write(self, z):
    return torch.einsum("bqhd,hdm->bqm", z, self.W_O)""",
)
BLOCK = Layer(
    "Block",
    """\
self.ln1, self.attn = nn.LayerNorm(d_model), Attention()
self.ln2, self.mlp = nn.LayerNorm(d_model), nn.Sequential(
    nn.Linear(d_model, d_mlp), nn.ReLU(inplace=True), nn.Linear(d_mlp, d_model)
)""",
    """\
def forward(self, x):  # (batch, seq, d_model)
    x = x + self.attn(self.ln1(x))
    return x + self.mlp(self.ln2(x))""",
)
IN_PLACE_BLOCK = Layer(
    "Block",
    BLOCK.init,
    """\
def forward(self, x):  # (batch, seq, d_model)
    attn_out = self.attn(self.ln1(x))
    attn_out += x
    mlp_out = self.mlp(self.ln2(attn_out))
    mlp_out += attn_out
    return mlp_out""",
)
TUPLE_BLOCK = Layer(
    "Block",
    BLOCK.init,
    """\
def forward(self, x):  # (batch, seq, d_model)
    attn_out = self.attn(self.ln1(x))
    x = x + attn_out
    return x + self.mlp(self.ln2(x)), attn_out""",
)
TRANSFORMER = Layer(
    "Transformer",
    """\
self.embed, self.pos_embed = nn.Embedding(d_vocab, d_model), nn.Embedding(64, d_model)
self.blocks = nn.ModuleList([Block() for _ in range(n_layers)])
self.ln_final, self.unembed = nn.LayerNorm(d_model), nn.Linear(d_model, d_vocab, bias=False)
nn.init.normal_(self.ln_final.weight, 1, 0.5)""",
    """\
def forward(self, tokens):  # (batch, seq)
    x = self.embed(tokens)
    x = x + self.pos_embed(torch.arange(tokens.shape[1]))
    for block in self.blocks:
        x = block(x)
    return self.unembed(self.ln_final(x))""",
)


def transformer(block: Layer = BLOCK) -> tuple[Layer, Layer, Layer]:
    """The model's classes, with that kind of block."""
    model = TRANSFORMER
    if block is IN_PLACE_BLOCK:
        model = Layer(model.name, model.init, model.forward.replace("x = x + self.pos", "x += self.pos"))
    if block is TUPLE_BLOCK:
        model = Layer(model.name, model.init, model.forward.replace("x = block", "x, _ = block"))
    return ATTENTION, block, model


def whole(layers: Sequence[Layer]) -> str:
    return "\n".join([layer.whole for layer in layers])


def shown(layers: Sequence[Layer]) -> str:
    return "\n\n".join([layer.shown for layer in layers])
