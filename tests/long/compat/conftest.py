"""What the tests of libraries have: each ``async def`` test runs in each engine."""

from tests.compat.conftest import *  # noqa: F403
