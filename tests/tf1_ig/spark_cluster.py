"""A standalone Spark cluster of this machine: a master and workers from the wheel's classes, and what dies in it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

from tests.tf1_ig.network import LOCAL

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 240


class Cluster:
    """Its address, where things are, and how jobs are submitted."""

    def __init__(self, folder, home, hosts=(LOCAL, LOCAL, LOCAL)):
        self.folder, self.home, self.master, self.started, self.hosts = str(folder), home, None, [], hosts
        self.events = os.path.join(self.folder, "events")
        os.makedirs(self.events)
        paths = [ROOT] + [path for path in sys.path if path and "site-packages" in path]
        self.environment = dict(os.environ, SPARK_HOME=home, SPARK_LOCAL_IP=hosts[0].address, TF_CPP_MIN_LOG_LEVEL="3",
                                PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable,
                                PYTHONPATH=os.pathsep.join(paths), SPARK_WORKER_DIR=os.path.join(self.folder, "work"))

    def start(self, host, name, *words):
        """Starts one of Spark's own processes on a host; what it says goes to a file."""
        path = os.path.join(self.folder, name + ".log")
        with open(path, "wb") as said:
            self.started.append(subprocess.Popen(
                [*host.prefix, os.path.join(self.home, "bin", "spark-class"), *words], stdout=said, stderr=said,
                env=dict(self.environment, SPARK_LOCAL_IP=host.address), start_new_session=True))
        return path

    def up(self):
        """Starts the master on the first host, and a worker on each of the others."""
        first, *others = self.hosts
        said = self.start(first, "master", "org.apache.spark.deploy.master.Master", "--host", first.address, "--port",
                          "0", "--webui-port", "0")
        self.master = waited(lambda: re.search(r"spark://[\d.]+:\d+", text(said))).group()
        for number, host in enumerate(others):
            self.start(host, "worker%d" % number, "org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory",
                       "1g", "--webui-port", "0", "--host", host.address, self.master)
        waited(lambda: text(said).count("Registering worker") == len(others))

    def submit(self, *words, **settings):
        """A job by spark-submit, as it runs."""
        from tf1_ig.scale import spark_job
        asked = {"spark.ui.enabled": "false", "spark.eventLog.enabled": "true", "spark.eventLog.dir":
                 "file://" + self.events, "spark.executor.memory": "512m", "spark.eventLog.compress": "false",
                 "spark.driver.host": self.hosts[0].address, "spark.sql.files.maxPartitionBytes": "20000", **settings}
        confs = [word for name, value in asked.items() for word in ("--conf", "%s=%s" % (name, value))]
        with open(os.path.join(self.folder, "driver.log"), "ab") as said:
            command = [os.path.join(self.home, "bin", "spark-submit"), "--master", self.master] + confs
            return subprocess.Popen(command + [spark_job.__file__] + list(map(str, words)), stdout=said, stderr=said,
                                    env=self.environment, start_new_session=True)

    def processes(self, word):
        """Numbers of the processes of this cluster's executors whose command line has a word in it."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                line = text("/proc/%s/cmdline" % pid)
                ours = self.folder in text("/proc/%s/environ" % pid)
                if ours and word in line:
                    found.append(int(pid))
        return sorted(found)

    def python_worker(self, but=(), host=None):
        """A Python process that explains, and the executor that it works for: none of those, on that host."""
        daemons = set(self.processes("pyspark.daemon"))
        for pid in sorted(daemons):
            daemon = _parent(pid)
            executor = _parent(daemon) if daemon in daemons else None  # either may have ended by now
            if executor and executor not in but and (
                    host is None or host.address in text("/proc/%s/cmdline" % executor)):
                return pid, executor
        return None

    def told(self):
        """The events of all jobs, as Spark noted them."""
        found = []
        for folder, _, names in os.walk(self.events):
            for name in names:
                for line in text(os.path.join(folder, name)).splitlines():
                    with contextlib.suppress(ValueError):  # the last line of a driver that was killed
                        found.append(json.loads(line))
        return found

    def down(self):
        """Ends what was started."""
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in self.processes(""):
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _parent(pid):
    try:
        return int(text("/proc/%d/stat" % pid).rpartition(")")[2].split()[1])
    except OSError:  # it ended in between
        return None


def text(path):
    """What a file holds."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def waited(what):
    """What a function returns as soon as that is something."""
    until = time.time() + DEADLINE
    while time.time() < until:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came of it in %d seconds" % DEADLINE)
