"""The Power Platform connector: its files are made from what the app declares. Not deployed with the app."""
