"""``pycopi completion``: what makes a shell complete commands and flags."""

from collections.abc import Mapping, Sequence

from pycopi.cli.flags import Flag, Given, choice, flag

SHELLS = ("bash", "zsh", "fish")

FLAGS = (Flag("", "shell", choice(*SHELLS)._replace(metavar="SHELL"), f"{', '.join(SHELLS)}."),)

_BASH = """\
_pycopi() {
  local words=""
  if ((COMP_CWORD == 1)); then
    words="%s"
  elif [[ $2 == -* ]]; then
    case ${COMP_WORDS[1]} in
%s
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$2"))
}
complete -o bashdefault -o default -F _pycopi pycopi"""


def script(shell: str, commands: Mapping[str, Sequence[Flag]]) -> str:
    """Return the script that teaches a shell the commands and their flags; other words are files."""
    words = {name: [flag(one.name) for one in flags if one.panel] for name, flags in commands.items()}
    if shell == "fish":
        first = "complete -c pycopi -n __fish_use_subcommand -f -a"
        lines = [f"{first} '{' '.join(words)}'"]
        for name, flags in words.items():
            lines += [
                f"complete -c pycopi -n '__fish_seen_subcommand_from {name}' -l {one[2:]}" for one in flags
            ]
        return "\n".join(lines)
    cases = "\n".join(f'      {name}) words="{" ".join(flags)}" ;;' for name, flags in words.items())
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return start + _BASH % (" ".join(words), cases)


def completion(given: Given) -> None:
    """Print what makes a shell complete commands, flags and files.

    bash: put  eval "$(pycopi completion bash)"  into ~/.bashrc

    zsh:  put  eval "$(pycopi completion zsh)"  into ~/.zshrc, after compinit

    fish: pycopi completion fish > ~/.config/fish/completions/pycopi.fish
    """
    from pycopi.cli.app import COMMANDS  # which imports this file

    print(script(given["shell"], {name: command.flags for name, command in COMMANDS.items()}))
