"""Print what a shell needs to complete the commands: `eval "$(waypost completion bash)"`."""

from waypost_client.cli.command import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, names: list[str]) -> str:
    """Return the script for a shell. ``names``: of all commands."""
    options = {
        name: [it for one in COMMANDS[name].arguments for it in one[0] if it.startswith("-")] for name in COMMANDS
    }
    if shell == "fish":
        lines = [f"complete -c waypost -f -n __fish_use_subcommand -a {name}" for name in names]
        lines += [
            f"complete -c waypost -f -n '__fish_seen_subcommand_from {name}' -l {option.lstrip('-')}"
            for name, found in options.items()
            for option in found
        ]
        return "\n".join(lines)
    cases = "\n".join(f"        {name}) words='{' '.join(found)} --json' ;;" for name, found in options.items())
    prefix = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return f"""{prefix}_waypost() {{
    local words
    case "${{COMP_WORDS[1]}}" in
{cases}
        *) words='{" ".join(names)}' ;;
    esac
    [ "$COMP_CWORD" -eq 1 ] && words='{" ".join(names)}'
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _waypost waypost"""
