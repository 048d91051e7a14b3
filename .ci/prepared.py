"""What tests in Python need: made once under target/, and again when what it is made from changed."""

import hashlib
import os
import shutil
import subprocess
import sys

TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "target")


def shell(*command, **kw):
    print("$ " + " ".join(command), flush=True)
    subprocess.run(command, check=True, **kw)


def digest(*paths):
    h = hashlib.sha256()
    for p in paths:
        with open(p, "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def stamped(path, value):
    """True if the stamp file holds the value."""
    try:
        with open(path, encoding="utf-8") as f:
            return f.read() == value
    except OSError:
        return False


def stamp(path, value):
    with open(path, "w", encoding="utf-8") as f:
        f.write(value)


def venv(name, requirements):
    """The Python of a virtual environment with those packages."""
    folder = os.path.join(TARGET, name)
    python = os.path.join(folder, "bin", "python")
    wanted = digest(requirements) + sys.version
    mark = os.path.join(folder, "stamp")
    if not stamped(mark, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        shell(sys.executable, "-m", "venv", folder)
        shell(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements)
        stamp(mark, wanted)
    return python
