"""The commands."""


def main() -> None:
    """Run a command, unless other packages stand where ours should."""
    import sys

    from budsim.cli.packages import refuse_shadows

    refuse_shadows(sys.argv[1:])
    from budsim.cli.main import run

    run()
