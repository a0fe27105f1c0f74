"""The functions: the only code that knows `azure.functions`."""
