"""COMMAND: what is typed in a terminal, one module a command group.

This room imports service and below (and of web the page check alone); nobody imports it. Commands are thin: they read
arguments, call one verb of `consentgate.service`, and print. Databases and web frameworks are imported in the functions
that need them, so that ``consentgate --help`` answers at once.
"""
