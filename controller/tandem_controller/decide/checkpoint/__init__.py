"""May these two states of an Application go out one after the other?"""
