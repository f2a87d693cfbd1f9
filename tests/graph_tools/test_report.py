import pytest

from graph_tools.report import Finding, Report


def test_one_failure_makes_a_report_not_ok_and_a_warning_does_not():
    good, doubtful, bad = Finding("a", "ok", 1.0), Finding("b", "warn", "text", "look"), Finding("c", "fail", None)
    assert Report(()).ok and Report((good, doubtful)).ok and not Report((good, doubtful, bad)).ok
    assert [Report(found).worst for found in [(), (good,), (good, doubtful), (doubtful, bad)]] == [
        "ok", "ok", "warn", "fail"]


def test_a_report_is_iterable_adds_up_and_is_found_by_name():
    report = Report([Finding("a", "ok")]) + [Finding("b", "warn", 0.25, "why")]
    assert [finding.name for finding in report] == ["a", "b"] and len(report) == 2
    assert report["b"].advice == "why"
    with pytest.raises(KeyError, match="no finding 'z'.*a, b"):
        report["z"]


def test_it_prints_every_name_verdict_value_and_word_of_advice():
    advice = " ".join("word%d" % number for number in range(60))
    text = str(Report([Finding("completeness", "fail", 0.123456789, advice), Finding("x", "ok")]))
    assert "fail" in text and "completeness" in text and "0.1235" in text and "ok" in text
    assert all(word in text.split() for word in advice.split())
    assert max(map(len, text.splitlines())) <= 120


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="ok, warn, fail"):
        Finding("a", "good")
