"""Entry of the `yolact-deploy` script and of `python -m yolact_deploy`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the process's command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports ends the process without a traceback
    from .cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
