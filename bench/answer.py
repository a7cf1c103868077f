"""answer.js in Python. Import it first: from then on what a compiler or a library prints is no answer."""

import json
import os
import sys

_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(commands):
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = commands[request.pop("command")](**request)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        _answers.write(json.dumps(result) + "\n")
        _answers.flush()
