"""A reader of health codes that needs no database and no network: files in a folder.

Owns how lists are taken and kept, what was shown here already, and the log to hand in later.
Imports ``crypto`` and nothing of the service, so that it runs where nothing of the service does.
"""
