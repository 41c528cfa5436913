"""`tandem checkpoint`: may a component update and a business release go out together?

`sources` reads files, git revisions and the cluster, `sides` makes of it what is compared, `show`
prints what the controller's checkpoint judges, `commands` is what a user types.
"""
