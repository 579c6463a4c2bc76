"""The catalogue: what can go wrong, what is promised, and which test shows it.

`promises.toml` has a line for each case. Tests anywhere name theirs by `@pytest.mark.case("b12")`;
those of bad input are data (the modules `*_inputs`), which tests/test_catalogue.py brings through
the command line. `PYTHONPATH=tests python -m catalogue` makes docs/reliability.md anew.
"""
