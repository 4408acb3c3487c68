"""The daily drill that keeps tensors fluent."""

__version__ = "0.1.0"
