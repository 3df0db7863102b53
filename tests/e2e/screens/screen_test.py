"""What culvertctl draws on a terminal, seen as a terminal shows it: pexpect gives it one, pyte is one.

Called by screens_test.cc: screen_test.py --culvertctl PROGRAM --address unix:PATH --entrance HOST:PORT.
"""
import argparse
import os
import socket
import subprocess
import sys
import time
import unittest

import pexpect
import pyte

ARGUMENTS = None
LIMIT = 60  # seconds, for anything to appear


class Terminal:
    """A program on a terminal of a size."""

    def __init__(self, words, rows=24, columns=80, variables=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": "/nonexistent", **(variables or {})}
        self.child = pexpect.spawn(ARGUMENTS.culvertctl, ["--address", ARGUMENTS.address, *words], dimensions=(rows, columns),
                                   env=environment, timeout=LIMIT)
        self.raw = b""

    def read(self):
        """Takes what has come. False: the program has ended."""
        try:
            piece = self.child.read_nonblocking(65536, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += piece
        self.stream.feed(piece)
        return True

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def until(self, condition):
        """Reads until the lines are so. They, or a failure with the picture."""
        end = time.monotonic() + LIMIT
        goes_on = True
        while time.monotonic() < end:
            if condition(self.lines()):
                return self.lines()
            if not goes_on:
                break
            goes_on = self.read()
        raise AssertionError("the screen never was as it should be:\n" + "\n".join(self.lines()))

    def send(self, keys):
        self.child.send(keys)

    def exit_code(self):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and self.read():
            pass
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus


def run(*words, text=""):
    return subprocess.run([ARGUMENTS.culvertctl, "--address", ARGUMENTS.address, *words], input=text, capture_output=True, text=True,
                          timeout=LIMIT, check=False)


def has(text):
    return lambda lines: any(text in line for line in lines)


class Top(unittest.TestCase):
    SIZES = [(24, 80), (50, 200)]

    def setUp(self):
        host, port = ARGUMENTS.entrance.rsplit(":", 1)
        self.streams = [socket.create_connection((host, int(port)), timeout=LIMIT) for _ in range(40)]
        for stream in self.streams:
            stream.sendall(b"E" + b"x" * 1000)

    def tearDown(self):
        for stream in self.streams:
            stream.close()

    def test_fits_its_screen_and_answers_keys(self):
        for rows, columns in self.SIZES:
            with self.subTest(columns=columns):
                terminal = Terminal(["top", "--interval", "200ms"], rows, columns)
                lines = terminal.until(lambda seen: seen[0].startswith("CULVERTD") and seen[1].startswith("SESSION") and seen[rows - 3] != "")
                self.assertTrue(all(len(line) <= columns for line in lines))
                self.assertEqual(sum(line.startswith("SESSION") for line in lines), 1, "nothing wrapped and nothing scrolled")
                terminal.send("s")
                terminal.until(has("by rx"))
                terminal.send("q")
                self.assertEqual(terminal.exit_code(), 0)
                self.assertIn(b"\x1b[?1049l", terminal.raw, "the screen that was there before is back")
                self.assertIn(b"\x1b[?25h", terminal.raw, "and the cursor")

    def test_asks_for_a_filter(self):
        terminal = Terminal(["top", "--interval", "200ms"])
        terminal.until(has("dl/site-b"))
        terminal.send("/transport=QUICX\x7f")
        terminal.until(has("filter: transport=QUIC_"))
        terminal.send("\r")
        terminal.until(lambda lines: "sessions 0" in lines[0] and has("only transport=QUIC")(lines))
        terminal.send("/" + "\x7f" * 40 + "nonsense(\r")
        terminal.until(has('"nonsense" is no field'))
        terminal.send("/" + "\x7f" * 40 + "\r")
        terminal.until(has("dl/site-b"))
        terminal.send("q")
        self.assertEqual(terminal.exit_code(), 0)

    def test_an_interrupt_puts_the_terminal_back(self):
        terminal = Terminal(["top"])
        terminal.until(has("CULVERTD"))
        terminal.send("\x03")
        self.assertEqual(terminal.exit_code(), 130)
        self.assertIn(b"\x1b[?1049l", terminal.raw)


class Watching(unittest.TestCase):
    def tearDown(self):
        run("delete", "lsn/zz-new", "--yes")

    def test_rows_are_redrawn_in_place(self):
        for rows, columns in [(24, 80), (50, 200)]:
            with self.subTest(columns=columns):
                terminal = Terminal(["get", "listeners", "-w"], rows, columns)
                terminal.until(has("local-app"))
                self.assertEqual(run("create", "listener", "zz-new", "--transport", "TCP", "--bind", "127.0.0.1:0").returncode, 0)
                lines = terminal.until(has("zz-new"))
                self.assertEqual(sum("NAME" in line for line in lines), 1, "\n".join(lines))
                self.assertEqual(sum("local-app" in line for line in lines), 1, "\n".join(lines))
                self.assertEqual(run("set", "lsn/zz-new", "paused=true").returncode, 0)
                lines = terminal.until(has("DRAINING"))
                self.assertEqual(sum("zz-new" in line for line in lines), 1, "\n".join(lines))
                self.assertEqual(run("delete", "lsn/zz-new").returncode, 0)
                terminal.until(lambda seen: not has("zz-new")(seen))
                terminal.send("\x03")
                self.assertEqual(terminal.exit_code(), 130)


class Questions(unittest.TestCase):
    def test_many_are_deleted_only_after_a_yes(self):
        for name in ("qa", "qb"):
            self.assertEqual(run("create", "listener", name, "--transport", "TCP", "--bind", "127.0.0.1:0").returncode, 0)
        terminal = Terminal(["delete", "lsn", "qa", "qb"])
        terminal.until(has("[y/N]"))
        self.assertTrue(has("listener/qa")(terminal.lines()) and has("context: unix:")(terminal.lines()), terminal.lines())
        terminal.send("n\r")
        self.assertEqual(terminal.exit_code(), 1)
        self.assertEqual(run("get", "lsn", "qa", "qb", "-o", "name").stdout, "listener/qa\nlistener/qb\n")
        terminal = Terminal(["delete", "lsn", "qa", "qb"])
        terminal.until(has("[y/N]"))
        terminal.send("y\r")
        self.assertEqual(terminal.exit_code(), 0)
        self.assertEqual(run("get", "lsn", "qa").returncode, 3)

    def test_an_editor_is_a_terminals_own(self):
        terminal = Terminal(["edit", "lsn/local-app"], variables={"EDITOR": "sh -c 'echo in the editor; read line; exit 0' --"})
        terminal.until(has("in the editor"))
        terminal.send("\r")
        terminal.until(has("edit cancelled"))
        self.assertEqual(terminal.exit_code(), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for flag in ("culvertctl", "address", "entrance"):
        parser.add_argument("--" + flag, required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
