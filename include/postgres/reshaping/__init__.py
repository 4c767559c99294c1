"""Giving a table another shape while it is used: built beside it, copied in portions, followed by triggers, compared, and exchanged."""
