"""Catalogue of what can go wrong, what the sync promises, and which test shows it.

`promises.toml` has one entry for each case. A test names its cases with `@pytest.mark.case("b12")`.
The cases of bad input are data (the modules `*_inputs`); tests/test_catalogue.py syncs them through
the command line. `PYTHONPATH=tests python -m catalogue` regenerates docs/reliability.md.
"""
