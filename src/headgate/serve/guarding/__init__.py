"""Guards without a model: what an application asks when it only wants to know what an app's guards say.

Called by `serve`'s root and by tests. It answers nothing: answers are made by `execute` alone.
"""
