"""The append-only log that everything above writes to. Owns ``audit_entry``.

An entry is part of the act: it is inserted by the business transaction and numbered later by one
sequencer. Nothing here is ever updated by a feature.
"""
