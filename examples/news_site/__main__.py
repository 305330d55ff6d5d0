"""``python -m examples.news_site``"""

from __future__ import annotations

from examples.news_site.main import main

main()
