"""Extractors from outside: packages that name an object in the entry point group `reactor.extractors`.

    matchers.py   which URLs they are for
    api.py        what their authors write with
    contract.py   the tests that every one of them has to pass
    host.py       those that are installed here, and their processes
    worker.py     the other end: the process in which one runs
    results.py    what one may say, and what becomes of it
    extractor.py  stage 2 for their kinds

None of their code ever runs in the process that serves rows.
"""
