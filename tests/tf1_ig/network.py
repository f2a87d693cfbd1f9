"""Machines of this machine: network namespaces on one bridge, each with a cable that can be cut; Linux, as root."""

import contextlib
import os
import shutil
import subprocess
from typing import NamedTuple

_NET = "10.77.%d.%%d" % (os.getpid() % 250)  # so that two runs do not meet


class Host(NamedTuple):
    """Where a process runs: the words before its command, its address, the end of its cable that can be cut."""

    prefix: tuple
    address: str
    cable: str


LOCAL = Host((), "127.0.0.1", "")


def allowed():
    """Whether this process may make namespaces and bridges."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    name = "tf-try-%d" % os.getpid()
    return _ip("netns", "add", name, check=False) == 0 and _ip("netns", "del", name, check=False) == 0


@contextlib.contextmanager
def hosts(count):
    """The driver's host, which is this machine, and so many others."""
    bridge, made = "tfb%d" % (os.getpid() % 100000), []
    _ip("link", "add", bridge, "type", "bridge")
    try:
        _ip("addr", "add", _NET % 1 + "/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number in range(count):
            name, cable, address = "%s-%d" % (bridge, number), "%s%d" % (bridge, number), _NET % (number + 2)
            _ip("netns", "add", name)
            made.append(Host(("ip", "netns", "exec", name), address, cable))
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", cable, "master", bridge, "up")
            for words in (("addr", "add", address + "/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                          ("link", "set", "lo", "up")):
                _ip("-n", name, *words)
        yield [Host((), _NET % 1, "")] + made
    finally:
        for host in made:
            _ip("link", "del", host.cable, check=False)  # its end here stays where the namespace lives on in a process
            _ip("netns", "del", host.prefix[-1], check=False)
        _ip("link", "del", bridge, check=False)


def cut(host):
    """Cuts a host's cable."""
    _ip("link", "set", host.cable, "down")


def _ip(*words, check=True):
    run = subprocess.run(("ip",) + words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert not check or run.returncode == 0, words
    return run.returncode
