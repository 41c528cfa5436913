"""ConfigMaps and Secrets that a version needs: recorded, copied, checked and given back."""
