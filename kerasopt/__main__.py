"""``python -m kerasopt`` is the ``kerasopt`` command."""

from kerasopt.cli import main

main()
