"""Types a line into an interactive bash or zsh with completion of culvertctl loaded, presses TAB, and prints the line as it then stands.

complete_in_shell.py SHELL FOLDER-OF-CULVERTCTL LINE

The completed line is not run: it is put into quotes and printed by the shell itself, between @@ and @@.
"""
import os
import pty
import re
import select
import sys
import time

LIMIT = 30.0
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'; source <(culvertctl completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "unsetopt prompt_sp zle_bracketed_paste 2>/dev/null; bindkey -e; autoload -Uz compinit; "
            "compinit -u -D; source <(culvertctl completion zsh)"),
}


def main(shell, folder, line):
    command, setup = SHELLS[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"PATH": folder + ":" + os.environ["PATH"], "TERM": "vt100", "COLUMNS": "200", "PS1": "", "HISTFILE": ""})
        os.execvp(command[0], command)
    end = time.monotonic() + LIMIT
    seen = ""

    def until(pattern):
        nonlocal seen
        while True:
            found = re.search(pattern, seen)
            if found:
                seen = seen[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                sys.exit("%s did not come in time: %r" % (pattern, seen))
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                sys.exit("the shell has ended: %r" % seen)

    # A quote splits the marker in what is typed, so that only what the shell prints has it whole.
    os.write(terminal, (setup + "; PS1='$ '; echo rea''dy\r").encode())
    until("ready")
    os.write(terminal, (line + "\t").encode())
    os.write(terminal, b"\x01printf '%s\\n' '@''@\x05@''@'\r")
    print(until("@@([^@]*)@@").group(1))
    os.close(terminal)


main(*sys.argv[1:])
