"""The command line: one small module per verb; each parses, calls and prints."""

import os
import signal
import sys
import warnings
from functools import partial
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from mien.cli import (
    data,
    evaluate,
    explain,
    export,
    live,
    models,
    plot,
    predict,
    recipes,
    serve,
    train,
    tune,
)
from mien.cli.options import exit_codes
from mien.cli.output import note, warn
from mien.errors import BadInputError, MienError


class _Verbs(TyperGroup):
    """Turns mien's errors and Ctrl-C into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MienError as error:
            note(str(error))
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:
            raise  # whoever read our output has seen enough; typer ends quietly
        except OSError as error:
            note(str(error))
            raise typer.Exit(BadInputError.exit_code) from error
        except KeyboardInterrupt as interrupt:
            detail = f": {interrupt}" if str(interrupt) else ""
            typer.echo(f"mien: interrupted{detail}", err=True)
            raise typer.Exit(130) from interrupt

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    name="mien",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Read perceived facial expressions: train, measure, and read them in pictures.",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mien {version('mien')}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Read perceived facial expressions: train, measure, and read them in pictures."""


_verb = partial(app.command, epilog=exit_codes())
app.command("predict", epilog=exit_codes(some="some of many files could not be read"))(
    predict.predict
)
_verb("live")(live.live)
_verb("serve")(serve.serve)
_verb("evaluate")(evaluate.evaluate)
app.command("train", epilog=exit_codes(failed="training diverged"))(train.train)
app.command("tune", epilog=exit_codes(failed="nothing trained to its end"))(tune.tune)
_verb("explain")(explain.explain)
_verb("export")(export.export)
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")
_verb("models")(models.models)
_verb("recipes")(recipes.recipes)


class _TerminatedError(SystemExit):
    """The program was told to end."""


def _end(*_: Any) -> NoReturn:
    raise _TerminatedError


def main() -> None:
    """Runs the command line and exits with its code."""
    # GNU OpenMP's threads spin while they wait: one other busy process then slows training many
    # times over. It reads this when torch, which no verb has loaded yet, loads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    signal.signal(signal.SIGTERM, _end)
    warnings.showwarning = lambda message, *_, **__: warn(str(message))
    try:
        sys.exit(app())
    except _TerminatedError:
        # What was half done is closed, summaries are written: now end as whoever told us expects.
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
