"""The ports: what the use cases need from the outside world, and the errors each may raise.

Every port may raise `TransientError` (try again later) and `ConfigurationError` (somebody must act).
"""
