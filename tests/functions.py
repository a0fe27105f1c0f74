"""The functions of the app, which can be asked for them once."""

import function_app

FUNCTIONS = function_app.app.get_functions()
