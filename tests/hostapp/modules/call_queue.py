from __future__ import annotations

import threading

queue_lock = threading.Lock()


def wrap_queued_call(function):
    def wrapped(*args, **kwargs):
        with queue_lock:
            return function(*args, **kwargs)

    return wrapped
