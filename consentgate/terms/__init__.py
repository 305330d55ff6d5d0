"""WORDS: what is published and how it changed. Pure values and functions.

This room imports only ``consentgate.errors``. It knows no request, no database, no setting and no clock.
"""
