"""Run the frontend, and note which functions of the standard server and client run in it.

    python trace.py NOTES OPTION ...

NOTES is a file that gets a JSON list such as ``["http.server.send_response", ...]`` at the end.
"""

import http.client
import http.server
import json
import socketserver
import sys
import threading

import lmcache_frontend

MODULES = {module.__file__: module.__name__ for module in (http.client, http.server, socketserver)}


def main(notes, *options):
    seen = set()

    def note(frame, event, argument):
        if event == "call":
            module = MODULES.get(frame.f_code.co_filename)
            if module:
                seen.add("%s.%s" % (module, frame.f_code.co_name))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        return lmcache_frontend.main(list(options))
    finally:
        sys.setprofile(None)
        with open(notes, "w") as file:
            json.dump(sorted(seen), file)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
