"""Mechanics that every partner folder needs: transport, partners' time texts.

Speaks no partner's words and knows no database; may use ports and crypto only.
"""
