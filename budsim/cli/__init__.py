"""The commands."""


def main() -> None:
    """Run a command, unless other packages stand where ours should."""
    from budsim.cli.packages import refuse_shadows

    refuse_shadows()
    from budsim.cli.main import run

    run()
