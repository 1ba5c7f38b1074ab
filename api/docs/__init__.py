"""The pages that the service itself serves: the guides, a page for each error, and the API reference.

Nothing is fetched from elsewhere: no script, font or style of another host, under a policy that allows none.
"""
