"""``isorate completion``."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print the shell's completion script.

    Examples
    --------
    ```
    isorate completion bash > ~/.local/share/bash-completion/completions/isorate
    isorate completion zsh > ~/.zfunc/_isorate
    isorate completion fish > ~/.config/fish/completions/isorate.fish
    ```

    Parameters
    ----------
    shell
        The shell.
    """
    from isorate.cli.commands import app

    print(app.generate_completion(prog_name="isorate", shell=shell))
