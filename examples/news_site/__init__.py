"""The Harbour Courier: a small newspaper that asks its readers to accept its terms, as an example of consentgate.

Read `main.py` first: it is where a site and the gate meet, in one line. `app.py` is the newspaper itself and knows
nothing of the gate. `demo.py` holds the controls of the demonstration, which no real site needs.
"""
