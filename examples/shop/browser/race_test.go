//go:build race

package browser_test

// race tells whether the race detector looks at these tests, and so at the shop.
const race = true
