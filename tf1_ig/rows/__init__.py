"""Rows in: how what people have (texts, tables, pictures, signals) becomes feeds, and the spec that says so."""
