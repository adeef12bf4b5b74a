"""A program on a terminal of its own: a pty, and as much of a vt100 as curses uses. It fails at what it does not know, and
when a line runs over the right edge."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios

_SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|\x1b([()][0AB]|[78=>M])")


class Screen:
    def __init__(self, columns, rows):
        self.pending = b""
        self.resize(columns, rows)

    def resize(self, columns, rows):
        """What is still drawn for the old size is passed over: for the new one, the program clears the screen first."""
        self.columns, self.rows = columns, rows
        self.settled = not hasattr(self, "cells")
        self.x = self.y = 0
        self.top, self.bottom = 0, rows - 1  # what scrolls
        self.cells = [[" "] * columns for _ in range(rows)]

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    @property
    def text(self):
        return "\n".join(self.lines)

    def feed(self, data):
        data = self.pending + data
        self.pending = b""
        while data:
            if data[:1] == b"\x1b":
                match = _SEQUENCE.match(data)
                if not match:
                    assert len(data) < 32, f"unknown sequence {data[:32]}"
                    self.pending = data
                    return
                if match.group(2):
                    self.control(match.group(2).decode(), match.group(1).decode())
                elif not self.settled:
                    pass
                elif match.group(3) == b"M" and self.y == self.top:
                    self.scroll(self.top, -1)
                elif match.group(3) == b"M":
                    self.y -= 1
                data = data[match.end():]
            else:
                self.put(data[0])
                data = data[1:]

    def scroll(self, top, count):
        """Takes lines out at `top` and puts empty ones in at the bottom of what scrolls; the other way round if negative."""
        for _ in range(abs(count)):
            out, into = (top, self.bottom) if count > 0 else (self.bottom, top)
            del self.cells[out]
            self.cells.insert(into, [" "] * self.columns)

    def put(self, byte):
        if not self.settled:
            return
        if byte == 0x0D:
            self.x = 0
        elif byte == 0x0A:
            if self.y == self.bottom:
                self.scroll(self.top, 1)
            else:
                self.y += 1
        elif byte == 0x08:
            self.x = max(0, self.x - 1)
        elif byte == 0x09:
            self.x = min(self.columns - 1, self.x // 8 * 8 + 8)
        elif byte >= 0x20:
            assert self.x < self.columns, f"line {self.y} runs over the right edge: {self.lines[self.y]}"
            self.cells[self.y][self.x] = chr(byte)
            self.x += 1
            self.last = byte
        else:
            assert byte in (0x00, 0x07, 0x0E, 0x0F), f"control character {byte}"

    def control(self, letter, text):
        if not self.settled and letter not in "HJ":
            return
        numbers = [int(number or 0) for number in text.lstrip("?").split(";")]
        count = max(1, numbers[0])
        if letter == "H":
            self.y = max(1, numbers[0]) - 1
            self.x = max(1, (numbers + [1])[1]) - 1
        elif letter == "d":
            self.y = count - 1
        elif letter == "G":
            self.x = count - 1
        elif letter == "X":
            self.cells[self.y][self.x:self.x + count] = [" "] * min(count, self.columns - self.x)
        elif letter in "LM":
            self.scroll(self.y, count if letter == "M" else -count)
        elif letter == "r":
            self.top, self.bottom = max(1, numbers[0]) - 1, (numbers[1] if len(numbers) > 1 else self.rows) - 1
            self.x = self.y = 0
        elif letter == "P":
            row = self.cells[self.y]
            self.cells[self.y] = row[:self.x] + row[self.x + count:] + [" "] * min(count, self.columns - self.x)
        elif letter in "ABCD":
            self.x += {"C": count, "D": -count}.get(letter, 0)
            self.y += {"B": count, "A": -count}.get(letter, 0)
        elif letter == "b":
            for _ in range(count):
                self.put(self.last)
        elif letter == "J":
            self.settled = self.settled or self.x == self.y == 0
            if not self.settled:
                return
            for y in range(0 if numbers[0] == 2 else self.y, self.rows):
                start = self.x if y == self.y and numbers[0] == 0 else 0
                self.cells[y][start:] = [" "] * (self.columns - start)
        elif letter == "K":
            if numbers[0] == 0:
                self.cells[self.y][self.x:] = [" "] * (self.columns - self.x)
            else:
                self.cells[self.y][:self.x + 1] = [" "] * (self.x + 1)
        else:
            assert letter in "mhlt", f"unknown sequence {text}{letter}"


class Program:
    def __init__(self, arguments, env, columns=80, rows=24, term="vt100"):
        self.screen = Screen(columns, rows)
        self.controller, terminal = pty.openpty()
        self.set_size(terminal, columns, rows)
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal  # kept open, so that its settings can be read when the program has ended
        self.err_file = tempfile.TemporaryFile()
        env = {key: value for key, value in env.items() if key not in ("LINES", "COLUMNS")} | {"TERM": term}
        self.popen = subprocess.Popen(arguments, env=env, stdin=terminal, stdout=terminal, stderr=self.err_file,
                                      start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.written = b""

    @staticmethod
    def set_size(terminal, columns, rows):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.update()
        self.screen.resize(columns, rows)
        self.set_size(self.controller, columns, rows)  # which sends SIGWINCH

    def press(self, keys):
        os.write(self.controller, keys)

    def update(self):
        """Takes in what was written so far; the text of the screen."""
        while select.select([self.controller], [], [], 0)[0]:
            data = os.read(self.controller, 65536)
            self.written += data
            self.screen.feed(data)
        return self.screen.text

    @property
    def err(self):
        return os.pread(self.err_file.fileno(), 65536, 0).decode()

    def restored(self):
        return termios.tcgetattr(self.terminal) == self.before

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.err_file.close()
        for fd in (self.controller, self.terminal):
            with contextlib.suppress(OSError):
                os.close(fd)
