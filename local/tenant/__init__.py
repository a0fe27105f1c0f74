"""A simulated Customer Insights tenant with a life: the environment that the local stack and the demo watch.

`records` and `tables` are its state, `model` its verbs, `runs` what a whole run consists of, `actions` what users do,
`odata` how tables are queried, `wire` its JSON, `api` its HTTP face, `life` what happens in it. It shares no code with
the bridge, so that a mistake in reading the API cannot hide in both.
"""
