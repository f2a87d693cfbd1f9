"""Properties that hold for any model of a family, tried on models that hypothesis draws.

A family is one graph whose weights are fed, so that a case costs a run and no graph; ``make properties CASES=1000``.
"""
