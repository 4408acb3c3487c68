"""What a drill may say that it prepares for: a topic of the learner's lesson, and a chapter of ARENA."""

TOPICS = (
    "Tensors",
    "Autograd",
    "The training loop",
    "Modules",
    "Hooks",
    "Einops and einsum",
    "DataLoaders",
    "Porting from NumPy",
)
CHAPTERS = {
    "0.0": "einops and einsum",
    "0.1": "rays and batching",
    "0.2": "CNNs",
    "0.3": "optimisers",
    "0.4": "backprop",
    "1.1": "transformers",
    "1.2": "hooks and circuits",
}
