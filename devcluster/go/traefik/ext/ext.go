// Package ext stands in for a nested module that Traefik's module archive does not carry.
// It has the two extension points that Traefik's dynamic configuration embeds; both are empty
// upstream as well.
package ext

// HTTP extends the dynamic HTTP configuration.
type HTTP struct{}

// Router extends a router.
type Router struct{}
