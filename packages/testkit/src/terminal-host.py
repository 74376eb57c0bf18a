# SPDX-License-Identifier: Apache-2.0
# Runs a command under a terminal of its own: terminal-host.py COLUMNS ROWS COMMAND ARG…
# stdin is typed into the terminal, its output comes on stdout. Descriptor 3 takes lines "resize COLUMNS ROWS" and
# "hangup"; when it ends, the command is killed; when this process is killed, its terminal goes away. The exit code is the command's, 128+n on signal n. The first line on
# descriptor 4 is the command's pid.
import fcntl, os, pty, select, signal, struct, sys, termios


def resize(master, columns, rows):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    columns, rows, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    pid, master = pty.fork()
    if pid == 0:
        resize(0, columns, rows)
        os.closerange(3, 64)
        os.execvp(command[0], command)
    os.write(4, b"%d\n" % pid)
    os.close(4)
    resize(master, columns, rows)
    sources, pending = [0, 3, master], b""
    while True:
        ready, _, _ = select.select(sources, [], [])
        if master in ready:
            try:
                data = os.read(master, 65536)
            except OSError:  # EIO: nobody has the terminal open any more
                data = b""
            if not data:
                break
            view = memoryview(data)
            while view:
                view = view[os.write(1, view):]
        if 0 in ready:
            data = os.read(0, 65536)
            if data:
                view = memoryview(data)
                while view:
                    view = view[os.write(master, view):]
            else:
                sources.remove(0)
        if 3 in ready:
            data = os.read(3, 4096)
            if not data:
                os.close(master)
                os.kill(pid, signal.SIGKILL)
                break
            pending += data
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                if line == b"hangup":
                    os.close(master)
                    sources.remove(master)
                    break
                _, new_columns, new_rows = line.split()
                resize(master, int(new_columns), int(new_rows))
            if master not in sources:
                break
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


main()
