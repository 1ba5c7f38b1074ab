from hypothesis import settings

# A shared machine may stall any one example, so no example has a deadline of its own.
settings.register_profile("roadbed", deadline=None)
settings.load_profile("roadbed")
