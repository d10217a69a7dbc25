"""Places of stores: what is no address is refused, with the address named."""

from __future__ import annotations

import pytest

from cache.errors import StorageError
from cache.places import as_path


@pytest.mark.parametrize("name", ["s3://[", "s3://[1/x", "s3://\x1b[31m", "s3://a\u2100b/x"])
def test_an_address_that_cannot_be_read_is_refused_by_name(name: str) -> None:
    """The parser of addresses raises ValueError; the command called that a bug."""
    with pytest.raises(StorageError, match="expected s3://NAME/PREFIX") as caught:
        as_path(name)
    assert name in str(caught.value)
