"""Beam: what its runner gets is what a single process says; rejected rows apart; counted; the model carried along."""

import json
import os

import numpy as np
import pytest

from tests.many_rows import demo_spec, explained, reviews
from tf1_ig.errors import SpecError

pytest.importorskip("pyarrow")
beam = pytest.importorskip("apache_beam", reason="apache-beam is in the extra: pip install '.[beam]'")
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference  # noqa: E402
from apache_beam.runners.portability import fn_api_runner  # noqa: E402

from tf1_ig.scale.beam import Explain, ExplanationHandler  # noqa: E402


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return demo_spec(tmp_path_factory.mktemp("spec"))


@pytest.fixture(scope="module")
def rows():
    made = reviews(90, key="id")
    for row in (7, 60):
        made[row]["text"] = None
    del made[33]["id"]
    return made


@pytest.fixture(scope="module")
def alone(spec, rows):
    return {row["key"]: row for row in explained(spec, [rows], key="id")}


def gathered(build, folder):
    """Runs a pipeline whose collections are written as JSON lines; what each of them held, and the result."""
    pipeline = beam.Pipeline(runner=fn_api_runner.FnApiRunner())
    for name, collection in build(pipeline).items():
        collection | "as text " + name >> beam.Map(json.dumps) | "write " + name >> beam.io.WriteToText(
            os.path.join(str(folder), name), shard_name_template="")
    result = pipeline.run()
    result.wait_until_finish()
    held = {}
    for name in os.listdir(str(folder)):
        with open(os.path.join(str(folder), name), encoding="utf-8") as file:
            held[name] = [json.loads(line) for line in file]
    return held, result


def same(found, known):
    assert found["status"] == known["status"] and found["tokens"] == known["tokens"]
    assert np.allclose(found["attributions"], known["attributions"], atol=1e-6)
    assert found["reason"] == known["reason"] and found["column"] == known["column"]


@pytest.mark.parametrize("carried", [False, True])
def test_explained_and_rejected_are_what_a_single_process_says(carried, spec, rows, alone, tmp_path):
    def build(pipeline):
        found = pipeline | beam.Create(rows) | Explain(
            spec, key="id", carried=str(tmp_path / "carried") if carried else None)
        return {"explained": found.explained, "rejected": found.rejected}

    (tmp_path / "out").mkdir()
    held, result = gathered(build, tmp_path / "out")
    good, bad = held["explained"], held["rejected"]
    assert sorted(key for key, _ in good) == sorted(key for key, row in alone.items() if row["status"] == "explained")
    assert len(good) == 87 and sorted(row["column"] for _, row in bad) == ["id", "text", "text"]
    for key, row in good:
        same(row, alone[key])
    assert {key for key, _ in bad} >= {"k7", "k60"}
    counted = {each.key.metric.name: each.committed for each in result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace("tf1_ig"))["counters"]}
    assert (counted["explained"], counted["rejected"]) == (87, 3)
    assert counted["evaluations"] == sum(row["evaluations"] for _, row in good)
    assert len(os.listdir(str(tmp_path / "carried"))) == 1 if carried else not (tmp_path / "carried").exists()


def test_a_model_of_run_inference(spec, rows, alone, tmp_path):
    def build(pipeline):
        found = pipeline | beam.Create([(row["id"], row) for row in rows[:20]]) | RunInference(
            KeyedModelHandler(ExplanationHandler(spec, key="id")))
        return {"found": found | beam.Map(lambda pair: [pair[0], pair[1].example["text"], pair[1].inference])}

    held, _ = gathered(build, tmp_path)
    assert sorted(key for key, _, _ in held["found"]) == sorted(row["id"] for row in rows[:20])
    for key, text, record in held["found"]:
        assert {row.get("id"): row["text"] for row in rows}[key] == text
        same(record, alone[key])


def test_the_mean_of_the_company_is_refused(spec, rows):
    with pytest.raises(SpecError, match="mean"):
        ExplanationHandler(spec, baseline="mean")
    handler = ExplanationHandler(spec, key="id")
    with pytest.raises(SpecError, match="mean"):
        handler.run_inference(rows[:2], handler.load_model(), {"baseline": "mean"})
    one, = handler.run_inference(rows[:1], handler.load_model(), {"label": 1})
    assert one.inference["label"] == 1


def test_a_column_to_keep_that_the_first_rows_lack_is_logged_once(spec, rows, caplog):
    handler = ExplanationHandler(spec, key="id", keep=["id", "rating"])
    for part in (rows[:2], rows[2:4]):
        handler.run_inference(part, handler.load_model())
    assert [one.getMessage() for one in caplog.records if one.name == "tf1_ig.scale.beam"] == [
        "none of the first 2 rows has 'rating', to be kept"]
