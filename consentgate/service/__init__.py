"""DESKS: the operations, one verb a module. All meaning and all clocks live here.

This room imports terms, gate, evidence and store; it is imported by web, cli, testing and app.
"""
