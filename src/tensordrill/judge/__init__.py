"""The judge: runs answers in torch, in processes of its own, and compares what they give.

`Judge` is what the rest of tensordrill uses. torch is imported in `zygote` and `running` alone, which run elsewhere.
"""

from tensordrill.judge.certifying import Certificate
from tensordrill.judge.client import Judge

__all__ = ["Certificate", "Judge"]
