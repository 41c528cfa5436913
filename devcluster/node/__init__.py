"""One real node: Debian's containerd, our kubelet, a bridge, and Traefik as the gateway."""
