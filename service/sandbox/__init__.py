"""The sandbox on one machine: the twins' process, the keys both sides share, the demo hospital, and
the journey of ``yimatong demo``. Nothing here runs in production.
"""
