"""ROOMS: what people and programs see.

This room imports the services and everything below them; the gate calls it through a protocol and never imports it.
Importing it loads no template, no framework and no catalogue: that happens when the pages are built.
"""
