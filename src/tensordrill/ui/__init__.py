"""The terminal: what a session looks like, and how answers are typed."""
