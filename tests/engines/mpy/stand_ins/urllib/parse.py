import js


def urlencode(query):
    pairs = query.items()
    return "&".join(f"{key}={js.encodeURIComponent(str(value))}" for key, value in pairs)
