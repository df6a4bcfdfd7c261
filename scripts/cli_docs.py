"""Prints docs/cli.md: the `--help` of every verb.

Renew it with `python scripts/cli_docs.py > docs/cli.md`; a test compares.
"""

from typer.main import get_command
from typer.testing import CliRunner

from mien.cli import app

_HEAD = """\
# Command line

Data goes to stdout, words and progress to stderr. Exit codes: 0 ok, 2 usage, 3 bad input,
4 something missing, 5 some items failed, 130 interrupted. Written by `scripts/cli_docs.py`.
"""


def cli_docs() -> str:
    """Returns the page."""
    parts = [_HEAD]
    for words in _verbs(get_command(app), []):
        result = CliRunner().invoke(
            app,
            [*words, "--help"],
            prog_name="mien",
            terminal_width=88,
            env={"COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb"},
        )
        assert result.exit_code == 0, result.output
        lines = "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())
        parts.append(f"## {' '.join(['mien', *words])}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def _verbs(command: object, words: list[str]) -> list[list[str]]:
    verbs = [words]
    for name, child in getattr(command, "commands", {}).items():
        verbs += _verbs(child, [*words, name])
    return verbs


if __name__ == "__main__":
    print(cli_docs(), end="")
