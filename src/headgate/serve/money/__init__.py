"""What limits a request: an app's own limits compiled, what it draws on, and loops that run away.

Called by `serve`'s own modules, which import the module they need.
"""
