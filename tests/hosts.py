"""What hosts of the tests are told beside the settings that a test is about."""

# Many are idle beside each other in a run of the tests, and each look at a queue takes time that others need.
UNHURRIED = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.250"}
