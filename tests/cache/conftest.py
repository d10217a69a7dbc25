"""The contract ships in cache.testing; pytest explains its asserts only if it is told so."""

import pytest

pytest.register_assert_rewrite("cache.testing")
