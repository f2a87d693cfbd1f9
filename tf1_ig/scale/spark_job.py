"""A job for ``spark-submit``: rows in, explanations out, stopped and started again as often as it takes.

    spark-submit --master spark://host:7077 spark_job.py --spec spec.json --input rows/ --out explained/ --key id

``python -c "import tf1_ig.scale.spark_job as job; print(job.__file__)"`` says where this file is.
"""

import argparse
from typing import Any, Optional, Sequence


def main(words: Optional[Sequence[str]] = None) -> int:
    """Reads Parquet, JSON lines or CSV with a header, and writes ``status=explained`` and ``status=rejected``."""
    from pyspark.sql import SparkSession

    from tf1_ig.scale import spark
    options = _parser().parse_args(words)
    session = SparkSession.builder.appName("tf1-ig").getOrCreate()
    counted = spark.metrics(session)
    asked = dict(key=options.key, keep=options.keep, metrics=counted)
    asked.update({name: getattr(options, name) for name in ("tolerance", "steps") if getattr(options, name)})
    if options.checkpoint:
        schema = _read(session.read, options).schema
        stream = _read(session.readStream.schema(schema).option("maxFilesPerTrigger", options.files), options)
        spark.explain_stream(stream, options.spec, options.out, options.checkpoint, **asked).awaitTermination()
    else:
        spark.explain(_read(session.read, options), options.spec, **asked).write.partitionBy("status").parquet(
            options.out)
    print("%s: %s" % (options.out, ", ".join("%d %s" % (count.value, name) for name, count in zip(
        counted._fields, counted))))
    session.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spec", required=True, help="explanation spec, on the driver's machine")
    parser.add_argument("--input", required=True, help="where the rows are")
    parser.add_argument("--out", required=True, help="where the explanations go")
    parser.add_argument("--format", choices=("parquet", "json", "csv"), default="parquet", help="of the rows")
    parser.add_argument("--key", default="key", help="the column that rows are known by (default: key)")
    parser.add_argument("--keep", action="append", default=[], help="a column that goes along; repeat for more")
    parser.add_argument("--tolerance", type=float, help="relative completeness error to reach")
    parser.add_argument("--steps", type=int, help="a fixed number of points instead")
    parser.add_argument("--checkpoint", help="note there what is done, batch by batch, and go on after the driver died")
    parser.add_argument("--files", type=int, default=8, help="input files of one batch (default: 8)")
    return parser


def _read(reader: Any, options: Any) -> Any:
    if options.format == "csv":
        reader = reader.option("header", True)
    return reader.format(options.format).load(options.input)


if __name__ == "__main__":
    raise SystemExit(main())
