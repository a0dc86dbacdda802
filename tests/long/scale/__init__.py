"""Thousands of sessions, several server processes and one Redis, under load and loss.

``python -m tests.long.scale --help`` lists the options. One module has one idea::

    run ----- children: clients (N sessions each), server (aiohttp or uvicorn), Redis
     |------- faults: what breaks, and when, from a seed
     |------- accounts: what was lost, came twice or out of order, at both ends
     |------- report and picture: the same as JSON, and as SVG
     +------- documentation: what docs/sessions.md shows of a run

``idle`` measures memory, ``herd`` how clients come back, with virtual time.
"""
