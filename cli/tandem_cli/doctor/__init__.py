"""`tandem doctor`: what is wrong around releases in a cluster, and the way out of each."""
