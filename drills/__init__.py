"""The drills that come with tensordrill, a module for each track."""
