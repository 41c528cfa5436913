"""`tandem platform`: a new platform version over all workloads of a component definition.

`target` says which change is meant, `standing` where one workload stands, `plan` who gets it in
which wave, `course` what is to be done next. These are pure. `fleet` watches, `roll` carries out,
`overview` shows, `freeze` keeps namespaces out, `commands` is what a user types.
"""
