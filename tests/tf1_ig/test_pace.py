"""A trial whose runs are slow makes few of them, comes to the same, and begins none that would end too late."""

import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models import fixed_batch, small
from tests.tf1_ig.test_time_limit import growing
from tf1_ig.commands import inspect
from tf1_ig.engine.operated import Engine
from tf1_ig.question import few_rows, pace, proposal, trial
from tf1_ig.question.pace import Late, Pace


@pytest.fixture
def runs(monkeypatch):
    """Whether each run of points took a gradient."""
    made, plain = [], Engine._run

    def run(self, fetches, feed, slopes=False):
        found = plain(self, fetches, feed, slopes)
        made.extend([slopes] if self._target.rows.name in feed else [])
        return found

    monkeypatch.setattr(Engine, "_run", run)
    monkeypatch.setattr(proposal, "_SECONDS", 120.0)
    monkeypatch.setattr(pace, "_SLOW", 1e9)
    return made


def proposed(build, since=None):
    model = small.model_of(build)
    output = next(one for one in gt.find_outputs(model) if one.tensor == "y:0")
    return proposal.propose(model, output, since=since)


def told(found):
    return {"samples": [(name, one.text) for name, one in found.samples], **{name: getattr(found, name) for name in (
        "rows", "fixed", "batch_axis", "label", "attributed", "findings", "obstacle", "silent", "saturated", "tried",
        "baseline", "singular", "late")}}


def logarithm():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.reduce_sum(tf.log(x) if hasattr(tf, "log") else tf.math.log(x), 1, name="y")


def silent():
    tf = _tf.tf
    tf.nn.softmax(tf.nn.relu(tf.placeholder(tf.float32, [None, 3], "x") - 1e6), name="y")


def steps_of_words():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 5], "ids")
    table = tf.constant(fixed_batch.WEIGHTS, name="table")
    tf.tanh(tf.nn.embedding_lookup(table, ids), name="y")


@pytest.mark.parametrize("build", [
    fixed_batch.rows_apart, fixed_batch.rows_together, fixed_batch.few_already, fixed_batch.steps_first,
    fixed_batch.drawn_anew, fixed_batch.with_a_switch_and_a_size, fixed_batch.any_rows, logarithm, silent,
    steps_of_words])
def test_what_is_proposed_is_the_same_where_runs_are_slow(build, runs, monkeypatch):
    quick, many = told(proposed(build)), len(runs)
    del runs[:]
    monkeypatch.setattr(pace, "_SLOW", -1.0)
    assert told(proposed(build)) == quick and len(runs) < many + 4 * (build is silent)


def test_a_slow_example_is_run_once_for_each_thing_that_is_asked(runs, monkeypatch):
    monkeypatch.setattr(pace, "_SLOW", -1.0)
    found = proposed(fixed_batch.rows_apart)
    # The example, rows in other company, the baseline, and one gradient; then maybe whether the score jumps.
    assert found.tried and runs[:4] == [False, False, False, True] and len(runs) <= 5


def test_few_rows_are_proposed_by_the_time_of_runs_that_were_made(runs, monkeypatch):
    monkeypatch.setattr(pace, "_SLOW", -1.0)
    monkeypatch.setattr(Pace, "of_a_point", lambda self, whole: 20.0)
    found = proposed(fixed_batch.rows_apart)
    assert (found.rows, found.cost.takes, runs.count(True)) == (8, 24, 1)
    assert dict(found.samples)["x:0"].array.shape == (8, 12)
    together = proposed(fixed_batch.rows_together)
    assert (together.rows, together.cost.takes) == (24, 0)
    monkeypatch.setattr(Pace, "of_a_point", lambda self, whole: 1.4)  # a quick one
    assert proposed(fixed_batch.rows_apart).rows == 24


@pytest.mark.parametrize("enough", [0.0, 1e9])
def test_a_long_explanation_is_not_made_again_to_tell_what_it_takes(enough, runs, monkeypatch):
    monkeypatch.setattr(few_rows, "_SLOW", -1.0)
    monkeypatch.setattr(few_rows, "_AGAIN", enough)
    monkeypatch.setattr(few_rows, "_LONG", 0.0)
    found = proposed(fixed_batch.rows_apart)
    assert (found.rows, found.cost.takes, runs.count(True)) == (8, 24, 2 if enough == 0.0 else 3)


@pytest.mark.parametrize("build, certain", [(fixed_batch.rows_apart, False), (silent, False), (None, True)])
def test_no_gradient_is_begun_that_would_end_too_late(build, certain, runs, monkeypatch):
    def sure():
        tf = _tf.tf
        tf.nn.softmax(tf.placeholder(tf.float32, [None, 3], "x") * [100.0, 0.0, -100.0] + [200.0, 0, 0], name="y")

    quick = told(proposed(build or sure))
    del runs[:]
    monkeypatch.setattr(pace, "SECONDS", 0.0)
    assert told(proposed(build or sure)) == quick  # there is no haste
    del runs[:]
    monkeypatch.setattr(pace, "_SLOW", -1.0)
    found = proposed(build or sure)
    assert runs == [False] and not found.obstacle and not found.tried and found.saturated is certain
    assert "computed, in 0.0 seconds, and not explained" in found.late and found.cost is not None
    assert all(told(found)[name] == quick[name] for name in ("samples", "batch_axis", "label", "attributed"))


class Earlier(pace.Clock):
    """Began so many seconds of CPU time ago."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    @property
    def computed(self):
        return self.seconds + super().computed


def test_what_was_computed_before_the_trial_leaves_less_for_slow_runs(runs, monkeypatch):
    quick = told(proposed(fixed_batch.rows_apart))
    assert told(proposed(fixed_batch.rows_apart, Earlier(pace.ALL))) == quick  # there is no haste
    monkeypatch.setattr(pace, "_SLOW", -1.0)
    assert told(proposed(fixed_batch.rows_apart, Earlier(0.0))) == quick
    del runs[:]
    found = proposed(fixed_batch.rows_apart, Earlier(pace.ALL))
    assert runs == [False] and not found.obstacle and not found.tried and "not explained" in found.late


def test_runs_on_several_cores_take_more_of_the_time():
    one, several = Pace(Earlier(pace.ALL - 3.0)), Pace(Earlier(pace.ALL - 3.0))
    several._cores = 4.0
    assert 2.9 < one.left <= 3.0 and 0.7 < several.left <= 0.75
    several.extend()
    assert 1.2 < several.left <= 1.25


def test_an_example_that_does_not_end_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(pace, "SECONDS", 1.0)
    monkeypatch.setattr(pace, "_QUICK", 1.0)
    path = str(tmp_path / "growing.pb")

    def endless():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 2], "x")
        _, total = tf.while_loop(lambda step, total: tf.reduce_any(tf.reduce_sum(total, 1) < 10.0),
                                 lambda step, total: (step + 1, total + 0.0 * x), [0, tf.zeros_like(x)], name="grow")
        tf.reduce_sum(total, 1, name="y")

    small.model_of(endless).save(path)
    found = inspect.inspect(path)
    line, = [one for one in found.warnings if "not run to its end" in one]
    assert "--time-limit" in line and "\n" not in line and "grow" in line and not found.obstacle
    assert "tf1-ig explain" in inspect.as_text(found) and "once that is mended" not in inspect.as_text(found)


def test_a_loop_that_never_ends_at_the_baseline_stays_an_obstacle(monkeypatch):
    monkeypatch.setattr(pace, "SECONDS", 1.0)
    monkeypatch.setattr(pace, "_QUICK", 1.0)
    monkeypatch.setattr(pace, "_SLOW", 1e9)
    model = growing()
    output = next(one for one in gt.find_outputs(model) if one.tensor == "y:0")
    found = proposal.propose(model, output)
    assert "the loop 'grow" in found.obstacle and not found.late


@pytest.fixture
def late_after(monkeypatch):
    """Time is over once so many runs of a kind, of gradients or of the output alone, were made."""
    def over(most, slopes):
        ended = Pace.ended

        def end(self, gradient):
            self.made = getattr(self, "made", 0) + (gradient == slopes)
            return ended(self, gradient)

        def require(self, forward, gradients):
            if getattr(self, "made", 0) >= most and (forward or gradients):
                raise Late("it would take too long")

        monkeypatch.setattr(pace, "_SLOW", -1.0)
        monkeypatch.setattr(pace, "_WARM", -1.0)
        monkeypatch.setattr(Pace, "ended", end)
        monkeypatch.setattr(Pace, "require", require)

    return over


def untrained():
    tf = _tf.tf
    tf.matmul(tf.placeholder(tf.float32, [None, 4], "x"), tf.zeros([4, 3]), name="y")


def unit_length():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.reduce_sum(x / tf.sqrt(tf.reduce_sum(x * x, 1, True) + 1e-30), 1, name="y")


def test_what_is_known_when_time_is_over_is_told(runs, late_after, tmp_path):
    late_after(1, True)
    zero, log, unit = (proposed(build) for build in (untrained, logarithm, unit_length))
    assert zero.silent and "every attribution of the example is zero" in zero.obstacle and not zero.late
    assert "is not finite on the way from the baseline" in log.obstacle and not log.late
    assert not unit.obstacle and "no time to see whether the score jumps right behind the baseline" in unit.skipped
    small.model_of(unit_length).save(str(tmp_path / "unit.pb"))
    assert any("no time to see whether the score jumps" in one
               for one in inspect.inspect(str(tmp_path / "unit.pb")).warnings)


def test_rows_that_there_is_no_time_to_tell_apart_are_told(runs, late_after):
    plain = proposed(fixed_batch.rows_together)
    assert plain.batch_axis == 0 and not plain.skipped  # the twin: rows that follow one another
    late_after(1, False)
    found = proposed(fixed_batch.rows_together)
    assert found.late and "whether its rows are examples that do not notice one another" in found.skipped


def test_a_turned_feed_that_is_too_late_leaves_the_example(runs, monkeypatch):
    """Rows in company are turned round to see whether they are examples; the example is asked about after that."""
    turned, begin = trial._turned, Pace.begin

    def turn(*asked):
        monkeypatch.setattr(Pace, "begin", lambda self, slopes, points=True: begin(self, slopes, points)
                            if not points else _raise(Late("too long")))
        return turned(*asked)

    monkeypatch.setattr(pace, "_SLOW", -1.0)
    monkeypatch.setattr(trial, "_turned", turn)
    found = proposed(fixed_batch.rows_together)
    assert found.tried and dict(found.samples)["x:0"].array.shape == (24, 12) and found.skipped


def _raise(wrong):
    raise wrong


def test_a_queue_that_blocks_is_an_obstacle_however_slow_runs_are(runs, monkeypatch):
    def waits():
        tf = _tf.tf
        taken = tf.FIFOQueue(4, [tf.float32], shapes=[[]]).dequeue(name="taken")
        x = tf.placeholder(tf.float32, [None, 4], "x")
        with tf.control_dependencies([taken]):
            tf.reduce_sum(tf.tanh(x), 1, name="y")

    for slow in (1e9, -1.0):
        monkeypatch.setattr(pace, "_SLOW", slow)
        found = proposed(waits)
        assert "would wait for 'taken'" in found.obstacle and not found.late


def test_the_first_run_of_a_kind_is_made_again_before_it_is_called_slow(monkeypatch):
    times = iter([0.0, 0.4, 0.4, 0.404, 1.0, 1.5, 1.5, 1.9])  # of an output that is quick, of a gradient that is not
    monkeypatch.setattr(pace.Clock, "__init__", lambda self: setattr(self, "begun", next(times)))
    monkeypatch.setattr(pace.Clock, "passed", property(lambda self: next(times) - self.begun))
    monkeypatch.setattr(pace.Clock, "computed", 0.0)
    monkeypatch.setattr(Pace, "left", 5.0)
    monkeypatch.setattr(Pace, "__init__", lambda self: vars(self).update(
        hasty=False, forward=0.0, slope=0.0, _cores=1.0, _unseen=[], _first=None, _last=None))
    one = Pace()
    for slopes, again, hasty in [(False, True, False), (False, False, False), (True, True, False), (True, False, True)]:
        one.begin(slopes)
        assert one.ended(slopes) is again and one.hasty is hasty
    assert (one.forward, one.slope) == (pytest.approx(0.004), pytest.approx(0.4))


@pytest.mark.parametrize("steepness, jumps", [(3e4, False), (1e12, True)])
def test_what_only_is_steep_behind_the_baseline_takes_no_more_gradients(steepness, jumps, runs):
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.reduce_sum(tf.tanh(steepness * x) + x, 1, name="y")

    found = proposed(build)
    assert bool(found.jumps or found.singular) is jumps and (runs.count(True) > 4) is jumps


def test_what_is_left_is_of_cpu_time_or_of_the_clock(monkeypatch):
    times = {"process_time": 0.0, "perf_counter": 0.0}

    def passes(cpu, wall):
        times["process_time"] += cpu
        times["perf_counter"] += wall

    for name in times:
        monkeypatch.setattr(pace.time, name, lambda name=name: times[name])
    one = Pace()
    assert one.begin(False) == max(pace.SECONDS, pace._QUICK)
    passes(0.05, 9.0)  # on a busy machine
    one.ended(False)
    assert not one.hasty and one.left == pytest.approx(pace.SECONDS - 0.05)
    one.begin(False)
    passes(4.0, 2.0)   # on two cores
    one.ended(False)
    assert one.hasty and one.forward == 2.0 and one.left == pytest.approx((pace.ALL - 4.05) / 2)  # and so is the next
    with pytest.raises(Late):
        one.begin(True)
    assert one.unless_late(lambda: one.begin(True), "late") == "late"
    assert one.begin(False) == pytest.approx(pace._SLACK * one.forward) and one.left < pace._SLACK * one.forward


def test_the_words_of_time_come_from_the_same_figures():
    assert few_rows.told_of_time(few_rows.Cost(400.0, 160.0, False)) == [
        "to explain the example takes about 7 minutes: pass --steps 16 (about 3 minutes)"]
