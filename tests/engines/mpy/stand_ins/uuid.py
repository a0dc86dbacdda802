import js


def uuid4():
    return js.crypto.randomUUID()
