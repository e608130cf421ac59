"""`python -m budsim`."""

from budsim.cli import main

main()
