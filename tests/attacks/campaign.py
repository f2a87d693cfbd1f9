"""Runs attacks, each in a process of its own, and sees what came of them: files touched, connections, deaths."""

import ctypes
import gc
import glob
import os
import shutil
import signal
import tempfile
import time
import traceback
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

from graph_tools import _tf
from graph_tools.safety import judge, memory
from tests.attacks import harms, surfaces
from tests.attacks.body import X
from tests.attacks.places import PLACES
from tests.models import bombs, hostile

SECONDS = 120.0  # of one thing done with one model
_BYTES = 6 << 30  # of address space that it may take
_OPENED, _READ = 0x20, 0x1
_DONE = b"done"
BOMB = "bomb"  # in the place of a harm: what import computes has no end, see ``tests/models/bombs.py``


class Attack(NamedTuple):
    """One harm in one place."""

    harm: str
    place: str

    def __str__(self) -> str:
        return "%s, %s" % (self.harm, self.place)


class Outcome(NamedTuple):
    """What came of one attack: whether plain TensorFlow did it, and what got through, by what was done (in words)."""

    attack: Attack
    fired: bool
    holes: List[str]


def attacks() -> List[Attack]:
    """Every harm in every place that can hold it, of what the running release knows; and every bomb."""
    there = harms.there()
    return [Attack(harm, place) for place, where in PLACES.items() for harm in there
            if not where.tensor or there[harm].gives is not None] + [Attack(BOMB, name) for name in bombs.BOMBS]


def share() -> List[Tuple[Attack, str]]:
    """Every harm in some place and every place with some harm, each at one door, in turn."""
    places = [name for name, where in PLACES.items() if not where.tensor]
    chosen = [Attack(harm, places[number * 7 % len(places)]) for number, harm in enumerate(harms.there())]
    chosen += [Attack("read_file" if where.tensor else "write_file", place) for place, where in PLACES.items()]
    doors = list(surfaces.SURFACES)
    return [(attack, doors[number % len(doors)]) for number, attack in enumerate(dict.fromkeys(chosen))]


class Scene:
    """A folder outside of the model's, with what must not be touched, and a port that must not be called."""

    def __init__(self, folder: str):
        outside = os.path.join(folder, "outside")
        os.makedirs(outside)
        secret = os.path.join(outside, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("12\n")
        self.socket = hostile.listening()
        self.place = hostile.Place(os.path.join(outside, "target"), secret, self.socket.getsockname()[1])
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self._handle, outside.encode(), _OPENED | _READ) < 0:
            raise OSError("no inotify")

    def harm(self) -> str:
        """What happened since it was last asked, in words; ``""``: nothing."""
        happened = ["opened"] if self._opened() else []
        for path in glob.glob(self.place.target + "*"):
            happened.append("written")
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        happened += ["connected"] if self.called() else []
        self._opened()  # by what looked for it
        return " ".join(dict.fromkeys(happened))

    def called(self) -> bool:
        """Whether somebody called; a client that is not answered calls again: none of its calls may be another's."""
        found = False
        try:
            while True:
                self.socket.accept()[0].close()
                found = True
        except BlockingIOError:
            return found

    def _opened(self) -> bool:
        found = False
        try:
            while os.read(self._handle, 65536):
                found = True
        except BlockingIOError:
            return found
        return found

    def close(self) -> None:
        os.close(self._handle)
        self.socket.close()


def warm() -> None:
    """Makes once, for all children that will be forked, what each would have to make: a third of their time.

    The list of TensorFlow's ops; and of the million objects that its import left, none is looked at by a child's
    collector, which would copy the page of each. No session: a process that has run one cannot fork.
    """
    _tf.registered_ops()
    gc.collect()
    gc.freeze()


def apart(work: Callable[[], Any], seconds: float = SECONDS, enough: Callable[[], bool] = lambda: False) -> str:
    """Does something in a forked child with nothing on its screen; returns how that went wrong, ``""``: it did not.

    ``enough``: asked meanwhile; when it says so, the child is ended, as if its time were over.
    """
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        try:
            work()
            os.write(told, _DONE)
        except BaseException:  # whatever it is, it is what this is about
            os.write(told, traceback.format_exc()[-1500:].encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(told)
    status = _ended(child, seconds, enough)
    said = os.read(heard, 4096)
    os.close(heard)
    if status is None:
        return "it did not end in %g s" % seconds
    if os.WIFSIGNALED(status):
        return "died of signal %d" % os.WTERMSIG(status)
    return "" if said == _DONE else said.decode("utf-8", "replace") or "ended without a word"


def _ended(child: int, seconds: float, enough: Callable[[], bool]) -> Any:
    """The status of a child, or ``None`` after it had to be ended."""
    deadline, pause = time.monotonic() + seconds, 0.002
    while time.monotonic() < deadline and not enough():
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(pause)
        pause = min(0.05, pause * 1.3)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def plain(path: str, trigger: str) -> None:
    """What a program does with the model that has nothing but TensorFlow."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        if trigger == "saved":
            tf.saved_model.loader.load(session, ["serve"], path)
            session.run("out:0", X)
            return
        message = tf.MetaGraphDef() if path.endswith(".meta") else tf.GraphDef()
        with open(path, "rb") as file:
            message.ParseFromString(file.read())
        tf.import_graph_def(getattr(message, "graph_def", message), name="")
        if trigger == "import":
            return
        if trigger in ("fill", "harm"):
            session.run(trigger)
        if trigger == "gradient":
            session.run(tf.gradients(graph.get_tensor_by_name("out:0"), graph.get_tensor_by_name("x:0")), X)
        session.run("out:0", X)


def notices_a_hole() -> bool:
    """Whether what gets through is seen: an attack of each kind on a door behind which nothing is judged."""
    return all(tried(Attack(harm, "control input"), ["library"], False, judged=False).holes
               for harm in ("write_file", "read_file", "py_func", "abort"))


def _judge_nothing() -> None:
    judge.judge = lambda graph_def: {}
    judge.tainted_functions = lambda library: {}


def tried(attack: Attack, doors: Sequence[str] = tuple(surfaces.SURFACES), control: bool = True,
          judged: bool = True) -> Outcome:
    """Builds one attack, lets plain TensorFlow do it, and then everything that this project does with a model.

    ``judged``: as in earnest; else with judging switched off, to see that holes are noticed.
    """
    folder = tempfile.mkdtemp(prefix="attack")
    scene = Scene(folder)
    try:
        model = os.path.join(folder, "model")
        os.makedirs(model)
        if attack.harm == BOMB:
            path, trigger = bombs.write(attack.place, model), "import"
        else:
            where = PLACES[attack.place]
            path, trigger = where.write(harms.HARMS[attack.harm], scene.place, model), where.trigger

        def with_python(work: Callable[[], Any]) -> Callable[[], Any]:
            def both() -> None:
                memory.limit(_BYTES)
                ours = harms.python_of_ours(scene.place)  # it goes with its graph
                if not judged:
                    _judge_nothing()
                work()
                del ours
            return both

        fired = False
        if control:
            scene.harm()
            called: List[bool] = []  # what calls out waits for an answer until its time is over

            def calls(called: List[bool] = called) -> bool:
                called.append(scene.called())
                return called[-1]

            ended = apart(with_python(lambda: plain(path, trigger)), 20.0, calls)
            fired = bool(scene.harm()) or any(called) or bool(
                ended if attack.harm == BOMB else ended == "ended without a word")
        holes = []
        for number, door in enumerate(doors):
            out = os.path.join(folder, "out%d" % number, "edited")
            os.makedirs(os.path.dirname(out))
            wrong = apart(with_python(lambda door=door, out=out: surfaces.SURFACES[door](path, out)))
            holes += ["%s: %s" % (door, what) for what in (scene.harm(), wrong) if what]
        return Outcome(attack, fired, holes)
    finally:
        scene.close()
        shutil.rmtree(folder, ignore_errors=True)
