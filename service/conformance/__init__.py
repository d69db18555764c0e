"""``yimatong conformance``: judges files of cases against what is installed.

Reads the forms of ``tests/vectors`` and our own health-code vectors. Calls the code that serves,
never a copy of it; holds no expected value of its own.
"""
