"""The command `yt8m`: runs a verb, and without one lists them; also `python -m yt8m_exp`."""

import runpy
import sys

from yt8m_exp.config import completion
from yt8m_exp.config.doors import verbs
from yt8m_exp.terminal.suggestions import did_you_mean

USAGE = """yt8m <verb> key=value ...

{verbs}

`yt8m <verb> --help` lists the keys of a verb. `yt8m completion bash` (zsh, fish) prints the line
that makes the shell complete verbs, keys and choices.
"""


def main() -> None:
    """Runs what the command line names."""
    match sys.argv[1:]:
        case [] | ["--help" | "-h" | "help"]:
            print(usage(), end="")
        case ["help", verb] if verb in verbs():
            sys.argv[1:] = [verb, "--help"]
            main()
        case ["completion", *shell]:
            sys.exit(completion.install(shell))
        case [completion.ASKS, *words]:
            print("\n".join(completion.candidates(words)))
        case [verb, *words] if verb in verbs():
            sys.argv = [f"yt8m {verb}", *words]
            runpy.run_module(f"yt8m_exp.{verb}", run_name="__main__", alter_sys=True)
        case [name, *_]:
            meant = did_you_mean(name, [*verbs(), "completion"]) or " `yt8m` lists the verbs."
            print(f"Error: There is no verb '{name}'.{meant}", file=sys.stderr)
            sys.exit(2)


def usage() -> str:
    """Returns what `yt8m` prints on its own."""
    return USAGE.format(verbs="\n".join(f"  {name:18} {line}" for name, line in verbs().items()))


if __name__ == "__main__":
    main()
