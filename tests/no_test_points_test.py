"""What is built without ZIPC_TEST_POINTS has no trace of the points at which a test could stop it."""
import sys

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        content = file.read()
    for trace in (b"ZIPC_STOP_AT", b"reach_test_point", b"publish.before-tail", b"move.after-exchange"):
        if trace in content:
            sys.exit(f"{path} contains {trace.decode()}")
