"""The health-code format (docs/health-code-format.md): texts, layouts, issuing, verifying.

Works offline and keeps no state of a code; whether a code was shown before is its caller's.
"""
