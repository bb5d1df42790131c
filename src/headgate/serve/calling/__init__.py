"""What calling models well needs: chains, breakers, retry budgets, lanes, single calls and races between two.

Called by `serve`'s own modules, which import the module they need.
"""
