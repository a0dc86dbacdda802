Path = None
