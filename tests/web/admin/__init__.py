"""Laws of ``consentgate/web/admin``."""
