"""Adds the options of the pytest that it is run with to options.json: names, and what they take."""

import json
import pathlib

import pytest
from _pytest.config import get_config

parser = get_config()._parser
options = {}
for group in [parser._anonymous, *parser._groups]:
    for option in group.options:
        attrs = option.attrs()
        action = str(attrs.get("action") or type(getattr(option, "_action", None)).__name__)
        nargs = attrs.get("nargs")
        flags = ("store_true", "store_false", "store_const", "count")
        own = ("Help", "MoreQuiet", "OverrideIni")
        flag = nargs == 0 or action in flags or any(name in action for name in own)
        arity = "Optional" if nargs == "?" else "Flag" if flag else "Value"
        for name in option.names():
            options[name] = arity
target = pathlib.Path(__file__).with_name("options.json")
known = json.loads(target.read_text()) if target.exists() else {}
known[".".join(pytest.__version__.split(".")[:2])] = options
target.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n")
