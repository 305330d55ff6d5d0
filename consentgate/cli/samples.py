"""What ``consentgate init`` writes: a sample policy to be replaced, a settings file, lines for ``.gitignore``.

Room: cli. The words are ours and bind nobody; they show the form.
"""

from __future__ import annotations

POLICY = """\
# What stays the same from version to version. The texts lie beside this file: <version>.<language>.md
title = "Terms of Use"
kind = "contract"      # accepted or declined; "notice" is acknowledged, "consent" never stops anybody
prevailing = "en"      # the language whose text counts where two translations differ
# notice_days = 30     # fewest days between announcing a material version and its taking effect
"""

TEXT = """\
---
# These lines are for consentgate; readers never see them. The dates are midnight UTC, or a time with its zone.
version: {label}
impact: material       # must be accepted again; "editorial" need not be
# announce: 2027-01-01   when readers hear of it     (left out: when it is published)
# effective: 2027-02-01  when it binds               (left out: when it is announced)
# enforce: 2027-02-08    when whoever has not accepted is stopped (left out: when it takes effect)
# summary: |
#   From the second version on: what changed, in a few plain sentences.
---

# Terms of Use

*Version {label}. This is a sample: replace it with your own words before you publish.*

## 1. What this is

These terms are between you and us, the people who run this site. They apply from the moment you accept them.

## 2. What you may do

You may read what is here, and send its address to others. What you write here stays yours; you let us show it on this
site.

## 3. What we ask of you

Do not break the site, do not pretend to be somebody else, and treat other readers as you would across a table.

## 4. When these terms change

We show you each change before it counts for you, word by word, and you decide then whether you go on.
"""

CONFIG = """\
# Settings of consentgate, for the command line. Paths are relative to this file.
database = "consentgate.db"
policies = "policies"
secret_file = "consentgate.secret"

# The name of the ledger: an address of yours without its scheme. It is in every record, and can never change:
# set it before the first publication.
{origin}

# Stands on the pages that visitors see.
{site_name}
"""

IGNORED = ("consentgate.secret", "consentgate.db", "consentgate.db-*", "consentgate.db.*")
"""The key file; the database with its write-ahead log; its signing key, lock and anchor."""

NEXT = """\
Three steps are left:

1. Wrap your application, whatever it is made with:

     from pathlib import Path
     from consentgate import ConsentGate

     app = ConsentGate(
         app,
         database="sqlite:///{database}",
         secret=Path("{secret}"),{origin}
         subject=lambda scope: None,  # the id of who is signed in, or None for a visitor
     )

2. Write your terms into {text}, and publish them:

     consentgate publish --dry-run
     consentgate publish

3. Make a token for whoever else publishes, such as CI:

     consentgate token new --role publisher --label ci
"""
