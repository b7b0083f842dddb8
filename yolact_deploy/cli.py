"""The command line: parse, call, print. What a command calls works without it, from Python.

Exit status: 0 done, 1 a gate failed, 2 the input or the machine is at fault, 128 + N ended by signal N (130: Ctrl-C),
141 nobody reads the output any more; with one line on stderr, never a traceback.
"""

from __future__ import annotations

import io
import os
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, TextIO

import typer

from . import console
from ._version import __version__
from .commands import (
    bench,
    build_engine,
    build_plugins,
    compare,
    convert_precision,
    doctor,
    export,
    infer,
    inspect,
    package,
    selftest,
    weights,
)
from .commands.options import Verbose
from .errors import AssumptionWarning, YolactDeployError

PROGRAM = "yolact-deploy"
MAX_BUG_TEXT = 300  # characters of a foreign message; some hold a whole manual
STATUS_AT_FAULT = 2
STATUS_SIGNALLED = 128  # and the signal's number, as shells have it
STATUS_CLOSED_PIPE = 141  # 128 + SIGPIPE

# Newer typer brings its own copy of click, so click's classes are found through the one that typer exports.
UsageError: Any = typer.BadParameter.__mro__[1]

INTERRUPTS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "terminal closed"}

app = typer.Typer(
    name=PROGRAM,
    help="YOLACT and YOLACT++: from a checkpoint to one ONNX file and to real-time engines, with measured parity.",
    epilog="Exit status: 0 done; 1 a gate (parity) failed; 2 the input or the machine is at fault.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
for command in (export, bench, compare, infer, inspect, doctor, selftest):
    app.command(command.__name__.rpartition(".")[2])(command.run)
app.command("convert-precision")(convert_precision.run)
app.command("build-plugins")(build_plugins.run)
app.command("build-engine")(build_engine.run)
app.add_typer(package.app, name="package")
app.add_typer(weights.app, name="weights")


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Verbose = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of the `yolact-deploy` script: runs `arguments` (the process's own for None) and exits."""
    _check_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file name may hold what the terminal cannot show
    interrupts = Interrupts()
    before: dict[int, Any] = {}
    try:
        for number in INTERRUPTS:
            if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves SIGHUP
                before[number] = signal.signal(number, interrupts.receive)
        status = run(sys.argv[1:] if arguments is None else arguments, interrupts)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            status = status or STATUS_CLOSED_PIPE
        for received, handler in before.items():  # the work is done: from here on a signal ends the process at once
            signal.signal(received, handler)
    except KeyboardInterrupt:  # before or after what `run` looks after
        console.fail(INTERRUPTS[interrupts.signal])
        status = interrupts.status
    if status == STATUS_CLOSED_PIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush complains
    sys.exit(status)


class Interrupts:
    """The signal that asked this process to stop, if any: work ends as with Ctrl-C, and files are closed or removed."""

    def __init__(self) -> None:
        self.signal: signal.Signals = signal.SIGINT
        self.received = False

    def receive(self, number: int, frame: object) -> None:
        """The handler. A library that is interrupted in its imports fails with errors of its own, so it is noted."""
        self.received, self.signal = True, signal.Signals(number)
        raise KeyboardInterrupt

    @property
    def status(self) -> int:
        """The exit status that shells give a process that this signal ended."""
        return STATUS_SIGNALLED + self.signal


def _check_streams() -> None:
    """A closed stream leaves its number free, and the next file that is opened would get what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # noqa: PERF203
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 for as long as the process lives
    if sys.stdout is None:
        console.fail("standard output is closed: send it to a file, a pipe or /dev/null")
        sys.exit(STATUS_AT_FAULT)


def run(arguments: Sequence[str], interrupts: Interrupts | None = None) -> int:
    """Runs one command line and returns its exit status; every failure has been said on stderr in one line."""
    interrupts = interrupts or Interrupts()
    console.set_verbose(False)
    console.COMMAND_LINE.set(shlex.join([PROGRAM, *arguments]))
    with warnings.catch_warnings():
        warnings.simplefilter("default", AssumptionWarning)
        warnings.showwarning = _show_warning
        return _run(arguments, interrupts)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours as a note, without the line of code that it came from; those of libraries with -v."""
    if issubclass(category, AssumptionWarning):
        console.warn(str(message))
    elif console.VERBOSE.get():
        console.warn(f"{category.__name__}: {message}")


def _run(arguments: Sequence[str], interrupts: Interrupts) -> int:
    try:
        status = app(list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except (console.ClosedPipeError, BrokenPipeError):
        return STATUS_CLOSED_PIPE
    except (KeyboardInterrupt, typer.Abort):
        console.fail(INTERRUPTS[interrupts.signal])
        return interrupts.status
    except SystemExit as leaving:  # how typer and rich end a help text that nobody reads to its end
        return STATUS_CLOSED_PIPE if leaving.code else 0
    except Exception as error:
        if interrupts.received:
            console.fail(INTERRUPTS[interrupts.signal])
            return interrupts.status
        if console.VERBOSE.get() and not isinstance(error, UsageError):
            traceback.print_exc()
        console.fail(_message(error))
        return getattr(error, "exit_status", STATUS_AT_FAULT)
    if interrupts.received or status == interrupts.status:  # typer makes an exit of its own of an interrupt
        console.fail(INTERRUPTS[interrupts.signal])
        return interrupts.status
    if status == 1 and any(
        word.endswith("-completion") for word in arguments
    ):  # typer's own for an unknown shell; a failed gate is a GateError
        console.fail("no completion for this shell: run the command in bash, zsh or fish")
        return STATUS_AT_FAULT
    return status if isinstance(status, int) else 0


def _message(error: Exception) -> str:
    """What is wrong and what to do."""
    text = console.one_line(str(error))
    if isinstance(error, YolactDeployError):
        return text
    if isinstance(error, UsageError):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else PROGRAM
        return f"{error.format_message().rstrip('.')}: see `{command} --help`"
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "out of memory: close other programs, or use a smaller image, batch or model"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or text or type(error).__name__}"
    reason = f"{type(error).__name__}: {text[:MAX_BUG_TEXT]}"
    return f"this is a bug in {PROGRAM}, please report it ({reason}); -v shows where it happened"
