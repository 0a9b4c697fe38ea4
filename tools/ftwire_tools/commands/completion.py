"""``ftwire completion``: the script with which a shell completes ftwire's commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ftwire_tools.commands._group import ftwire
from ftwire_tools.terminal.output import write

__all__ = ["command"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that lets a shell complete commands, options, protocols, codes and files.

    \b
    Examples:
      echo 'eval "$(ftwire completion bash)"' >> ~/.bashrc
      echo 'eval "$(ftwire completion zsh)"' >> ~/.zshrc     (behind compinit)
      ftwire completion fish > ~/.config/fish/completions/ftwire.fish

    Bash 4.4 or newer is needed; macOS has an older one.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this release of click has no completion for {shell}")
    write(found(ftwire, {}, "ftwire", "_FTWIRE_COMPLETE").source())
