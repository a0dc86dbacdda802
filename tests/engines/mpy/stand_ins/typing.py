"""Names for annotations, and for aliases of them."""


class _Alias:
    def __getitem__(self, _):
        return self


_alias = _Alias()
TYPE_CHECKING = False


def __getattr__(_):
    return _alias
