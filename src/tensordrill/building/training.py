"""Training: what its puzzles share."""

OPTIMIZERS = (
    "torch.optim.SGD({}.parameters(), lr=0.1)",
    "torch.optim.SGD({}.parameters(), lr=0.05, momentum=0.9)",
    "torch.optim.SGD({}.parameters(), lr=0.1, weight_decay=0.01)",
    "torch.optim.Adam({}.parameters(), lr=0.01)",
    "torch.optim.AdamW({}.parameters(), lr=0.01)",
    "torch.optim.RMSprop({}.parameters(), lr=0.01)",
)
