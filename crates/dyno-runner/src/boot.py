# What the interpreter of a template or a collector runs first (`python -c`). It leaves `sys.argv` and
# `sys.path` as the `pytest` command leaves them, and says in one message what is missing.
import json, os, struct, sys

descriptor, scripts, module = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.path[0] = scripts
sys.argv = [os.path.join(scripts, "pytest"), *sys.argv[4:]]


def unfit(message):
    body = json.dumps({"type": "unfit", "message": message}).encode()
    os.write(descriptor, struct.pack(">I", len(body)) + body)
    sys.exit(4)


if sys.version_info < (3, 10):
    unfit("%s is Python %s, and dyno needs 3.10 or newer" % (sys.executable, sys.version.split()[0]))
try:
    import pytest
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    unfit("%s has no pytest\nhint: `%s -m pip install pytest`" % ((sys.executable,) * 2))
if int(pytest.__version__.split(".")[0]) < 8:
    unfit("%s has pytest %s, and dyno needs 8 or newer" % (sys.executable, pytest.__version__))
try:
    main = __import__(module, fromlist=["main"]).main
except ModuleNotFoundError as error:
    if error.name not in ("dyno", module):
        raise
    unfit(
        "%s has no dyno package\nhint: install the dyno wheel into that environment too, "
        "or choose another with --python" % sys.executable
    )
sys.exit(main(descriptor, sys.argv[1:]))
