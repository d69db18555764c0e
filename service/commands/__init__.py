"""The verbs of ``yimatong`` that take more than a line: arguments in, words and an exit status out.

``service.cli`` names them; ``console`` is what all of them share.
"""
