"""The testee of the conformance suite: requests as JSON lines on stdin, answers on stdout."""
