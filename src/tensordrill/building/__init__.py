"""What generators build puzzles of: contractions, patterns, shapes and gradients as data, and what people mistake."""
