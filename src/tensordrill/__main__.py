"""`python -m tensordrill`."""

from tensordrill.cli import main

main()
