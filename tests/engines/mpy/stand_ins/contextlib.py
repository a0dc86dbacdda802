class _Manager:
    def __init__(self, generator):
        self._generator = generator

    def __enter__(self):
        return next(self._generator)

    def __exit__(self, kind, error, traceback):
        try:
            if error is None:
                next(self._generator)
            else:
                self._generator.throw(error)
        except StopIteration:
            return True


def contextmanager(function):
    return lambda *args, **kwargs: _Manager(function(*args, **kwargs))
